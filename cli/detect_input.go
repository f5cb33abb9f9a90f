//go:build !scanner

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// logInput is what the switches say of logs.
type logInput struct {
	kind string // one of ingest.Kinds; empty: found out
	dead string // file for dead letters; empty: none
}

// unjudged counts the events of kinds that no rule reads. An event that is
// read a second time as a kind that rules do read is judged.
type unjudged struct {
	read  map[string]bool // kinds that some rule reads
	count map[string]int
	last  place // of what was counted last
}

// place is where an event stands.
type place struct {
	kind, stream string
	index        int
}

func newUnjudged(p *detect.Program) *unjudged {
	return &unjudged{read: kindsOf(p), count: map[string]int{}}
}

// kindsOf are the kinds of log that some rule reads.
func kindsOf(p *detect.Program) map[string]bool {
	read := map[string]bool{}
	for _, r := range p.Rules() {
		for _, kind := range r.Kinds {
			read[kind] = true
		}
	}
	return read
}

func (u *unjudged) add(rec *ingest.Record) {
	at := place{rec.Source(), rec.Stream(), rec.Index()}
	switch {
	case !u.read[at.kind]:
		u.count[at.kind]++
		u.last = at
	case u.last.kind != "" && u.last.stream == at.stream && u.last.index == at.index:
		u.count[u.last.kind]--
		u.last = place{}
	}
}

func (u *unjudged) incomplete() []model.Incomplete {
	var out []model.Incomplete
	for _, kind := range slices.Sorted(maps.Keys(u.count)) {
		if n := u.count[kind]; n > 0 {
			out = append(out, model.Incomplete{What: "log kind " + kind, Why: fmt.Sprintf("no rule reads it: %d events are not judged", n)})
		}
	}
	return out
}

// judges notes which kinds of log the rules read from now on.
func (w *watching) judges(program *detect.Program) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.log.Partitions() {
		if p == len(w.unjudged) {
			w.unjudged = append(w.unjudged, newUnjudged(program))
		}
		w.unjudged[p].read = kindsOf(program)
	}
}

// record looks at a record of the log.
func (w *watching) record(partition int, rec *ingest.Record) {
	w.alarms.record(rec, time.Now())
	w.mu.Lock()
	defer w.mu.Unlock()
	w.unjudged[partition].add(rec)
}

// unread is what no rule read.
func (w *watching) unread() []model.Incomplete {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := unjudged{count: map[string]int{}}
	for _, u := range w.unjudged {
		for kind, n := range u.count {
			all.count[kind] += n
		}
	}
	return all.incomplete()
}

// deadLetters writes the records that are no events, one JSON object a line.
// The zero value takes none.
type deadLetters struct {
	file *os.File
	enc  *json.Encoder
	err  error
}

// deadLetter is one line: raw is in base64, since it may be any bytes.
type deadLetter struct {
	Schema int    `json:"schema"`
	Source string `json:"source"`
	Line   int    `json:"line"`
	Index  int    `json:"index"`
	Why    string `json:"why"`
	Raw    []byte `json:"raw"`
	Cut    bool   `json:"cut"`
}

// openDeadLetters makes the file, for its owner's eyes: records hold secrets.
// what becomes of one that is there, os.O_TRUNC or os.O_APPEND says.
func openDeadLetters(path string, there int) (*deadLetters, error) {
	if path == "" {
		return &deadLetters{}, nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|there, 0o600)
	if err != nil {
		return nil, failed("--dead-letters: %s: %s", path, cause(err))
	}
	return &deadLetters{file: f, enc: json.NewEncoder(f)}, nil
}

func (d *deadLetters) take(l ingest.DeadLetter) {
	if d.enc == nil || d.err != nil {
		return
	}
	d.err = d.enc.Encode(deadLetter{Schema: 1, Source: l.Stream, Line: l.Line, Index: l.Index, Why: l.Why, Raw: l.Raw, Cut: l.Cut})
}

// close reports what went wrong since the file was made. It may be called again.
func (d *deadLetters) close() error {
	if d.file == nil {
		return d.err
	}
	err := d.file.Close()
	d.file = nil
	return errors.Join(d.err, err)
}
