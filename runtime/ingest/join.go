package ingest

import "bytes"

// maxMessage bounds one message of a container in bytes, joined from parts.
// Container runtimes cut at 16 KiB and set no bound of their own.
const maxMessage = 1 << 20

// maxParts bounds the lines that a message came in, in bytes.
const maxParts = 2 * maxMessage

// joiner puts the parts of messages together again. The outputs of a container
// alternate, so that each has parts of its own. The zero value works.
type joiner struct {
	stdout, stderr pending
}

// pending is the beginning of a message.
type pending struct {
	line     int // of its first part; 0: nothing waits
	time     string
	text     []byte
	original []byte // its parts as they came, a line each
	tooLong  bool
}

// output is where the parts of one output wait; nil for a name that is none.
func (j *joiner) output(name string) *pending {
	switch name {
	case "stdout":
		return &j.stdout
	case "stderr":
		return &j.stderr
	}
	return nil
}

// add takes one part. The message has the place and time of its first one.
func (p *pending) add(r record, time string, text []byte) {
	if p.line == 0 {
		*p = pending{line: r.line, time: time, text: p.text[:0], original: p.original[:0]}
	}
	// Parts without text are bounded too.
	if p.tooLong = p.tooLong || len(p.text)+len(text) > maxMessage || len(p.original)+len(r.raw) > maxParts; p.tooLong {
		return
	}
	p.text = append(p.text, text...)
	p.original = append(append(p.original, r.raw...), '\n')
}

// done frees what a message held; the next add begins a new one.
func (p *pending) done() {
	if p.line = 0; cap(p.original) > maxDead {
		p.text, p.original = nil, nil
	}
}

// whole is the message as it came.
func (p *pending) whole() []byte { return bytes.TrimSuffix(p.original, []byte("\n")) }

// end names the messages whose end never came, or that were too long.
func (j *joiner) end(s *stream) error {
	for _, p := range []*pending{&j.stdout, &j.stderr} {
		if p.line == 0 {
			continue
		}
		line := p.line
		p.line = 0
		if err := s.lost(line, "message is cut off: the log ends inside it", p.whole(), p.tooLong); err != nil {
			return err
		}
	}
	return nil
}
