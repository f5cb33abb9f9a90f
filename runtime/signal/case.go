package signal

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// caseInput is what a case of an alarm holds: detections, and what happens
// minute by minute. The alarm is looked at when all has happened.
type caseInput struct {
	Sigma   string            `json:"sigma"`   // rules; without any a rule of the audit log that asks for nothing
	Policy  string            `json:"policy"`  // in force from the start
	Silence map[string]string `json:"silence"` // Config.Silence
	Steps   []caseStep        `json:"steps"`
}

// caseStep happens at a time after the start, and again.
type caseStep struct {
	At       string          `json:"at"`
	Every    string          `json:"every"`
	Times    int             `json:"times"`
	Log      string          `json:"log"`    // kind of the record
	Stream   string          `json:"stream"` // default "log"
	Record   json.RawMessage `json:"record"`
	Late     string          `json:"late"`     // how long after it happened the record comes in
	Wait     string          `json:"wait"`     // how long after that it is judged
	Growing  string          `json:"growing"`  // each time so much later than the last
	Counters *caseCounters   `json:"counters"` // totals
	Policy   string          `json:"policy"`   // another one from now on
	Close    bool            `json:"close"`    // the stream ends
}

type caseCounters struct {
	Records, DeadLetters, Shed, Lost uint64
	Blocking                         bool
	Oldest                           string // how long ago the oldest that isn't judged came in
}

// caseStart is when cases begin.
var caseStart = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// maxCaseSteps bounds one case.
const maxCaseSteps = 100_000

// anyRule reads the audit log and asks for nothing that it could lack.
const anyRule = "title: Any\nid: any\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: get}, condition: s}\n"

// Cases returns the rule.Judge of alarms: an alarm that holds at the end of a
// case fails.
func Cases(cat *rule.Catalogue) rule.Judge {
	return func(id, name string, data []byte) (model.Verdict, string, error) {
		var in caseInput
		dec := json.NewDecoder(bytes.NewReader(data))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&in); err != nil {
			return "", "", fmt.Errorf("reading %s: %w", name, err)
		}
		p := player{}
		now, err := p.play(cat, in)
		if err != nil {
			return "", "", fmt.Errorf("%s: %w", name, err)
		}
		for _, res := range p.alarms.program.Eval(&p.alarms.state) {
			if res.Rule.ID == id {
				return model.Fail, res.Message, nil
			}
		}
		return model.Pass, "no alarm at " + stamp(now), nil
	}
}

// player carries a case out.
type player struct {
	alarms *Alarms
	now    time.Time
	err    error
}

func (p *player) play(cat *rule.Catalogue, in caseInput) (time.Time, error) {
	sigma := in.Sigma
	if sigma == "" {
		sigma = anyRule
	}
	sources, errs := detect.Parse("case.yml", []byte(sigma))
	prog, more := detect.Compile(sources)
	if errs = append(errs, more...); len(errs) > 0 {
		return p.now, errors.Join(errs...)
	}
	cfg := Config{Silence: map[string]time.Duration{}}
	for key, text := range in.Silence {
		cfg.Silence[key] = p.duration(text)
	}
	p.alarms, errs = New(cat, prog, cfg)
	if len(errs) > 0 {
		return p.now, errors.Join(errs...)
	}
	p.now = caseStart
	p.policy(in.Policy)
	p.alarms.Tick(p.now)
	for _, s := range in.Steps {
		at := caseStart.Add(p.duration(s.At))
		for n := range min(max(1, s.Times), maxCaseSteps) {
			p.now = at.Add(time.Duration(n) * p.duration(s.Every))
			p.step(s, n)
			if p.err != nil {
				return p.now, p.err
			}
		}
		p.alarms.Tick(p.now)
	}
	return p.now, p.err
}

func (p *player) step(s caseStep, n int) {
	if s.Stream == "" {
		s.Stream = "log"
	}
	if len(s.Record) > 0 {
		p.record(s, n)
	}
	if c := s.Counters; c != nil {
		counters := Counters{Records: c.Records, DeadLetters: c.DeadLetters, Shed: c.Shed, Lost: c.Lost, Blocking: c.Blocking}
		if c.Oldest != "" {
			counters.Oldest = p.now.Add(-p.duration(c.Oldest))
		}
		p.alarms.Count(counters, p.now)
	}
	p.policy(s.Policy)
	if s.Close {
		p.alarms.Close(s.Log, s.Stream)
	}
}

// record reads the record as any log, and moves it to its time.
func (p *player) record(s caseStep, n int) {
	late := p.duration(s.Late) + time.Duration(n)*p.duration(s.Growing)
	var text bytes.Buffer
	if err := json.Compact(&text, s.Record); err != nil {
		p.err = err
		return
	}
	res, err := ingest.Read(context.Background(), s.Stream, &text, ingest.Config{Source: s.Log}, func(ev model.Event) error {
		ev.Index, ev.Received, ev.Time = n, p.now, p.now.Add(-late)
		p.alarms.Observe(ev, p.now.Add(p.duration(s.Wait)))
		return nil
	})
	if err == nil && len(res.Incomplete) > 0 {
		err = errors.New(res.Incomplete[0].Why)
	}
	p.err = errors.Join(p.err, err)
}

func (p *player) policy(text string) {
	if text == "" {
		return
	}
	policy, errs := ParsePolicy("policy.yaml", []byte(text))
	if len(errs) > 0 {
		p.err = errors.Join(errs...)
		return
	}
	p.alarms.SetPolicy(policy, p.now)
}

func (p *player) duration(text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	p.err = errors.Join(p.err, err)
	return d
}
