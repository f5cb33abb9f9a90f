package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"syscall"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/internal/testkit/sigma"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// compact takes the line breaks out of a record.
func compact(dst *bytes.Buffer, raw []byte) error { return json.Compact(dst, raw) }

// task is something done with all events, whose speed is measured.
type task struct {
	name string
	goal float64 // events a second; 0: none
	pass func() (events int, err error)
	best float64 // events a second
	hits int     // of one pass
	heap int     // MiB of its programs, those of both kinds of log
}

// turnTime is how long one turn takes at least, in processor time.
const turnTime = 150 * time.Millisecond

// turn does the task for a while.
func (t *task) turn() error {
	start, n := processorTime(), 0
	for {
		events, err := t.pass()
		if err != nil {
			return fmt.Errorf("%s: %w", t.name, err)
		}
		n += events
		if took := processorTime() - start; took >= turnTime {
			t.best = max(t.best, float64(n)/took.Seconds())
			return nil
		}
	}
}

// processorTime is what the process has used so far.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // there is no other way for it to fail than a mistake here
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// names of the tasks that others are compared with.
const (
	parseAlone = "parse into a DOM"
	decodeMap  = "decode into a map"
)

// tasks lists what is measured.
func tasks(l *logs) ([]*task, error) {
	var p fastjson.Parser
	out := []*task{
		{name: parseAlone, pass: l.each(func(raw []byte) error {
			_, err := p.ParseBytes(raw)
			return err
		})},
		{name: decodeMap, pass: l.each(func(raw []byte) error {
			var v map[string]any
			return json.Unmarshal(raw, &v)
		})},
		{name: "read, no rules", pass: l.scan(nil, nil)},
	}
	own, err := ownRules(l)
	if err != nil {
		return nil, err
	}
	out = append(out, own)
	for _, n := range []int{470, 3100} {
		for _, way := range []string{"routed", "unrouted", "crowded"} {
			for _, keywords := range []bool{false, true} {
				t := &task{name: fmt.Sprintf("%d rules, %s", n, way)}
				if keywords {
					t.name += ", keywords"
				} else if way == "unrouted" {
					t.goal = map[int]float64{470: goalServer, 3100: goalAll}[n]
				}
				before := heap()
				programs := map[string]*detect.Program{}
				for _, kind := range kinds {
					prog, err := program(made(n, way, kind, keywords))
					if err != nil {
						return nil, fmt.Errorf("%s: %w", t.name, err)
					}
					programs[kind] = prog
				}
				t.heap = heap() - before
				t.pass = l.scan(programs, t)
				out = append(out, t)
			}
		}
	}
	return out, nil
}

// heap is what is alive on the heap, in MiB.
func heap() int {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc >> 20)
}

// ownRules is what detect run does with the rules that are built in, alerts
// and all.
func ownRules(l *logs) (*task, error) {
	cat, _ := rule.Load(rules.FS, "rules") // rules that don't load are a matter of their tests
	prog, errs := detect.Compile(detect.FromCatalogue(cat))
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	t := &task{name: "our rules, with alerts"}
	t.pass = func() (int, error) {
		results := detect.NewResults(prog)
		n, err := l.records(func(rec *ingest.Record) error {
			results.AddRecord(rec)
			return nil
		})
		t.hits = len(results.Alerts())
		return n, err
	}
	return t, nil
}

// present are fields that nearly all events of a kind have.
var present = map[string][]string{
	ingest.Kind:  {"requestURI", "userAgent", "user.username", "objectRef.name", "objectRef.namespace", "objectRef.resource", "verb", "stage"},
	"cloudtrail": {"userAgent", "eventName", "eventSource", "userIdentity.arn", "sourceIPAddress", "awsRegion", "userIdentity.principalId", "eventType"},
}

// made makes the rules for the events of a kind.
func made(n int, way, kind string, keywords bool) []string {
	set := sigma.Set{Seed: 1, Rules: n, Keywords: keywords}
	if way != "routed" {
		set.Product, set.Service = "kubernetes", "audit"
		if kind == "cloudtrail" {
			set.Product, set.Service = "aws", "cloudtrail"
		}
	}
	if way == "crowded" {
		set.Fields = present[kind]
	}
	return set.Make()
}

func program(rules []string) (*detect.Program, error) {
	var sources []detect.Source
	for i, text := range rules {
		more, errs := detect.Parse(fmt.Sprintf("made/%d.yml", i), []byte(text))
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		sources = append(sources, more...)
	}
	prog, errs := detect.Compile(sources)
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return prog, nil
}

// each returns a pass over all lines of all logs.
func (l *logs) each(do func(raw []byte) error) func() (int, error) {
	return func() (int, error) {
		n := 0
		for _, kind := range kinds {
			for rest := l.lines[kind]; len(rest) > 0; n++ {
				i := bytes.IndexByte(rest, '\n')
				if err := do(rest[:i]); err != nil {
					return n, err
				}
				rest = rest[i+1:]
			}
		}
		return n, nil
	}
}

// scan returns a pass that reads all logs as files are read, and asks the
// program of each kind.
func (l *logs) scan(programs map[string]*detect.Program, t *task) func() (int, error) {
	matchers := map[string]*detect.Matcher{}
	for kind, p := range programs {
		matchers[kind] = p.NewMatcher()
	}
	var hits []detect.Hit
	return func() (int, error) {
		found := 0
		n, err := l.records(func(rec *ingest.Record) error {
			m := matchers[rec.Source()]
			if m == nil {
				return nil
			}
			var err error
			hits, err = m.RecordHits(rec, hits[:0])
			found += len(hits)
			return err
		})
		if t != nil {
			t.hits = found
		}
		return n, err
	}
}

// records reads all logs as files are read.
func (l *logs) records(take func(*ingest.Record) error) (int, error) {
	n := 0
	for _, kind := range kinds {
		res, err := ingest.Scan(context.Background(), kind, bytes.NewReader(l.lines[kind]), ingest.Config{Source: kind}, take)
		if err != nil {
			return n, err
		}
		if len(res.Incomplete) > 0 {
			return n, fmt.Errorf("%s: %s", res.Incomplete[0].What, res.Incomplete[0].Why)
		}
		n += res.Events
	}
	return n, nil
}
