package trial

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// Result is the outcome of one test. It passed when there is no difference.
type Result struct {
	Test        Test
	Differences []Difference
	Alerted     map[string]bool // ids of the rules that raised an alert
}

// Difference is one thing that a test found otherwise than expected. One of
// the two is empty where there is nothing beside the other.
type Difference struct {
	Line     int // of the expectation; of the test where there is none
	Expected string
	Found    string
}

// Run runs one test against a program. The error is a *rule.Problem: an event
// that is no record of its kind of log, or a file that can't be read; or it is
// ctx's.
func (f *File) Run(ctx context.Context, prog *detect.Program, t Test) (Result, error) {
	r := &run{file: f, test: t, results: detect.NewResults(prog), places: map[place]string{}}
	if err := r.events(ctx); err != nil {
		return Result{}, err
	}
	found := findings{
		alerts: r.results.Alerts(), start: f.start, places: r.places,
		unknown: r.results.Unknown(), missed: r.results.Incomplete(), known: map[string]bool{},
	}
	out := Result{Test: t, Alerted: map[string]bool{}}
	for _, rule := range prog.Rules() {
		found.known[rule.ID] = true
	}
	for _, a := range found.alerts {
		out.Alerted[a.Rule] = true
	}
	out.Differences = t.compare(found)
	return out, nil
}

// run is the state of one test.
type run struct {
	file    *File
	test    Test
	results *detect.Results
	places  map[place]string // where an alert's record comes from, in the test's words
	size    int
}

type place struct {
	stream string
	index  int
}

// log is the text of one stream that a test writes.
type log struct {
	kind  string
	text  bytes.Buffer
	lines []int // by record: the step's line
}

func (r *run) problem(line int, format string, args ...any) error {
	return &rule.Problem{File: r.file.Name, Line: line, Text: fmt.Sprintf(format, args...)}
}

// events writes the logs of a test, one stream a kind, and judges them; files
// are streams of their own.
func (r *run) events(ctx context.Context) error {
	logs := map[string]*log{}
	var order []*log
	now := r.file.start
	number := 0
	for _, s := range r.test.steps {
		if s.file != "" {
			if err := r.readFile(ctx, s); err != nil {
				return err
			}
			continue
		}
		l := logs[s.log]
		if l == nil {
			l = &log{kind: s.log}
			logs[s.log], order = l, append(order, l)
		}
		if !s.after {
			now = r.file.start
		}
		now = now.Add(s.at)
		for n := range s.times {
			if n > 0 {
				now = now.Add(s.every)
			}
			number++
			if err := r.write(l, s, now, number); err != nil {
				return err
			}
		}
	}
	for _, l := range order {
		if err := r.judge(ctx, l); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) write(l *log, s step, now time.Time, number int) error {
	text, err := s.record(r.file.Name, now, "event-"+strconv.Itoa(number))
	if err != nil {
		return err
	}
	if r.size += len(text) + 1; r.size > maxText {
		return r.problem(s.line, "the events of the test are more than %d bytes", maxText)
	}
	l.text.Write(text)
	l.text.WriteByte('\n')
	l.lines = append(l.lines, s.line)
	return nil
}

// judge reads a log that the test wrote. A record that is none is the test's
// mistake: it would prove nothing.
func (r *run) judge(ctx context.Context, l *log) error {
	stream := "events of " + l.kind
	res, err := r.read(ctx, stream, &l.text, l.kind)
	if err != nil {
		return err
	}
	if len(res.Incomplete) > 0 {
		what, why := res.Incomplete[0].What, res.Incomplete[0].Why
		var at int
		if _, err := fmt.Sscanf(what, stream+":%d", &at); err != nil || at < 1 || at > len(l.lines) {
			return r.problem(r.test.Line, "%s: %s", what, why)
		}
		return r.problem(l.lines[at-1], "the event is no record of %s: %s", l.kind, why)
	}
	if res.Records == len(l.lines) {
		for i, line := range l.lines {
			r.places[place{stream, i}] = fmt.Sprintf("line %d", line)
		}
	}
	return nil
}

func (r *run) read(ctx context.Context, name string, in io.Reader, kind string) (ingest.Result, error) {
	return ingest.Read(ctx, name, in, ingest.Config{Source: kind}, func(ev model.Event) error {
		r.results.Add(ev)
		return nil
	})
}

// readFile judges a file of events, below the folder of the test file.
func (r *run) readFile(ctx context.Context, s step) error {
	root, err := os.OpenRoot(r.file.dir)
	if err != nil {
		return r.problem(s.line, "%s: %v", s.file, err)
	}
	defer root.Close()
	f, err := root.Open(filepath.Clean(s.file))
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return r.problem(s.line, "%s: %v", s.file, err)
	}
	defer f.Close()
	in := &counted{r: f, left: int64(maxText - r.size)}
	res, err := r.read(ctx, s.file, in, s.log)
	r.size = maxText - int(in.left)
	switch {
	case in.left < 0:
		return r.problem(s.line, "the events of the test are more than %d bytes", maxText)
	case err != nil:
		return err
	case len(res.Incomplete) > 0:
		return r.problem(s.line, "%s: %s", res.Incomplete[0].What, res.Incomplete[0].Why)
	case res.Records == 0:
		return r.problem(s.line, "%s holds no record", s.file)
	}
	return nil
}

// counted ends a file that is over the bound.
type counted struct {
	r    io.Reader
	left int64
}

func (c *counted) Read(p []byte) (int, error) {
	if c.left < 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n, err := c.r.Read(p)
	c.left -= int64(n)
	return n, err
}
