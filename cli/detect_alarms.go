//go:build !scanner

package cli

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
	"github.com/scantling/scantling/runtime/receive"
	"github.com/scantling/scantling/runtime/signal"
	"github.com/scantling/scantling/runtime/watch"
)

// alarmFlags are the switches of alarms about the logs themselves.
type alarmFlags struct {
	rules   string
	silence []string
	policy  string
}

// noAlarms is the --alarms that raises none.
const noAlarms = "none"

func (f *alarmFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.rules, "alarms", "", "alarms about the logs to raise: ids with commas, or none; by default all")
	cmd.Flags().StringArrayVar(&f.silence, "silence", nil, "how long logs of a kind may say nothing, as cri=10m; else learned; repeatable")
	cmd.Flags().StringVar(&f.policy, "audit-policy", "", "the audit policy of the API server; read again when it changes")
}

// config reads --silence.
func (f *alarmFlags) config() (signal.Config, error) {
	cfg := signal.Config{Silence: map[string]time.Duration{}}
	for _, text := range f.silence {
		kind, most, _ := strings.Cut(text, "=")
		if !slices.Contains(ingest.Kinds(), kind) {
			return cfg, usage("--silence %q: no kind of log, as in cri=10m; the kinds are %s", text, strings.Join(ingest.Kinds(), ", "))
		}
		d, err := time.ParseDuration(most)
		if err != nil || d <= 0 {
			return cfg, usage("--silence %q: give a time, as %s=10m", text, kind)
		}
		for _, s := range ingest.Sources() {
			if s.Kind == kind || s.Product == kind { // azure has two kinds of event
				cfg.Silence[s.Kind] = d
			}
		}
	}
	return cfg, nil
}

// alarms watches the logs while they are judged. The zero value, and one of
// --alarms none, raises none. It is safe for concurrent use.
type alarms struct {
	mu     sync.Mutex
	is     *signal.Alarms // nil: none
	oldest map[int]time.Time
	live   map[string]bool // streams that are followed now, as streamOf has them
	lost   uint64
	hook   *receive.Receiver // nil: none listens
}

// alarmsFor compiles the alarms of the catalogue for the detections of a
// program. Which detections were selected is no matter here.
func (a *app) alarmsFor(flags alarmFlags, program *detect.Program) (*alarms, []model.Incomplete, error) {
	out := &alarms{oldest: map[int]time.Time{}, live: map[string]bool{}}
	cfg, err := flags.config()
	if err != nil || flags.rules == noAlarms {
		return out, nil, err
	}
	b := *a
	b.rules = rule.AllRules
	cat, _, err := b.catalogue("", nil, model.Runtime) // what of it is broken was told with the detections
	if err != nil {
		return nil, nil, err
	}
	if cat, err = cat.Select(flags.rules); err != nil {
		return nil, nil, usage("--alarms: %w", err)
	}
	is, errs := signal.New(cat, program, cfg)
	var missed []model.Incomplete
	for _, err := range errs {
		missed = append(missed, a.broken(err))
	}
	out.is = is
	return out, missed, nil
}

// streamOf is the name under which a stream is watched: the webhook's has
// another name with every start.
func streamOf(stream string) string {
	if strings.HasPrefix(stream, receive.DefaultName+"@") {
		return receive.DefaultName
	}
	return stream
}

// begin says that a stream is followed. One that isn't, as of an earlier run,
// is not missed.
func (a *alarms) begin(stream string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.live[stream] = true
}

// end says that a stream is not followed any more.
func (a *alarms) end(stream string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.live, stream)
	for _, s := range ingest.Sources() { // their kinds are those of events
		if a.is != nil {
			a.is.Close(s.Kind, stream)
		}
	}
}

// record shows the alarms a record of the log. One that is no longer followed
// is not missed.
func (a *alarms) record(rec *ingest.Record, now time.Time) {
	if a.is == nil {
		return
	}
	stream := streamOf(rec.Stream())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.is.ObserveRecord(stream, rec, now)
	if !a.live[stream] {
		a.is.Close(rec.Source(), stream)
	}
}

// incomplete is what is not watched.
func (a *alarms) incomplete() []model.Incomplete {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.is == nil {
		return nil
	}
	return a.is.Incomplete()
}

// behind notes when the batch that a partition is at came in.
func (a *alarms) behind(partition int, oldest time.Time, end bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if delete(a.oldest, partition); !end {
		a.oldest[partition] = oldest
	}
}

// lose notes a gap of the log.
func (a *alarms) lose() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lost++
}

// listens says where requests are shed.
func (a *alarms) listens(hook *receive.Receiver) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hook = hook
}

// rules are those from now on.
func (a *alarms) rules(program *detect.Program) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.is != nil {
		a.is.SetRules(program)
	}
}

// policy is the one in force from now on.
func (a *alarms) policy(p *signal.Policy, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.is != nil {
		a.is.SetPolicy(p, now)
	}
}

// tick counts, and returns what has begun and what is over.
func (a *alarms) tick(c watch.Counters, now time.Time) []model.Alert {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.is == nil {
		return nil
	}
	total := signal.Counters{Records: c.Records, DeadLetters: c.Dead, Lost: a.lost}
	if a.hook != nil {
		stats := a.hook.Stats()
		total.Shed, total.Blocking = stats.Shed, stats.Blocking
	}
	if len(a.oldest) > 0 {
		total.Oldest = slices.MinFunc(slices.Collect(maps.Values(a.oldest)), time.Time.Compare)
	}
	a.is.Count(total, now)
	return a.is.Tick(now)
}

// alarmsEvery is how often it is asked whether an alarm has begun.
const alarmsEvery = 2 * time.Second

// alarm raises alarms until ctx is done, and follows the audit policy.
func (w *watching) alarm(ctx context.Context) error {
	tick := time.NewTicker(alarmsEvery)
	defer tick.Stop()
	was := changed(w.flags.alarms.policy)
	for {
		w.raise(time.Now())
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if is := changed(w.flags.alarms.policy); is != was {
			was = is
			w.readPolicy()
		}
	}
}

func (w *watching) raise(now time.Time) {
	if raised := w.alarms.tick(w.watch.Counters(), now); len(raised) > 0 {
		w.watch.Raise(raised...)
	}
}

// readPolicy reads the policy again; one that is none leaves the last.
func (w *watching) readPolicy() {
	policy, err := readPolicy(w.flags.alarms.policy)
	if err != nil {
		w.app.say("the audit policy is not read again, that from before stays: %v", err)
		return
	}
	w.app.say("audit policy read again")
	w.alarms.policy(policy, time.Now())
}
