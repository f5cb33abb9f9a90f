package ingest

import "bytes"

// maxDead is how many bytes of a dead letter are kept.
const maxDead = 64 << 10

// DeadLetter is one record that is no event. Raw is as foreign as the log, and
// may hold its secrets.
type DeadLetter struct {
	Stream string
	Line   int    // from 1; frames are counted where syslog counts octets
	Index  int    // as Event.Index
	Why    string // quotes nothing of the record
	Raw    []byte // at most its first 64 KiB
	Cut    bool   // the record is longer than Raw
}

// bury hands a damaged record to whoever takes dead letters. cut says that raw
// is only its beginning.
func (s *stream) bury(line int, why string, raw []byte, cut bool) {
	if s.cfg.DeadLetter == nil {
		return
	}
	if len(raw) > maxDead {
		raw, cut = raw[:maxDead], true
	}
	s.cfg.DeadLetter(DeadLetter{Stream: s.name, Line: line, Index: s.res.Records, Why: why, Raw: bytes.Clone(raw), Cut: cut})
}
