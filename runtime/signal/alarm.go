package signal

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/detect"
)

// Config adjusts the alarms. The zero value works.
type Config struct {
	// Silence is how long a source may say nothing, by its kind ("cri") or by
	// kind and stream ("cri /var/log/x"). What isn't here is learned.
	Silence map[string]time.Duration
	Lag     time.Duration // from an event to its judgement; 0: five minutes
	WarmUp  time.Duration // how long after the first tick a log may be missing; 0: an hour
}

// The defaults and bounds of alarms.
const (
	defaultLag    = 5 * time.Minute
	defaultWarmUp = time.Hour

	leastSilence = 5 * time.Minute // below this no learned silence is told
	mostSilence  = 24 * time.Hour  // beyond this every one is
	learnedAfter = 20              // events until a source's gaps count as known

	quietAfter  = 10 * time.Minute // without another shed or dead letter, until the alarm is over
	leastDead   = 10               // dead letters within quietAfter
	deadShare   = 0.01             // of all records within it
	changeTold  = 24 * time.Hour   // how long a changed policy stays an alarm
	maxSources  = 10_000           // watched one by one
	enoughLevel = 20               // records of an action below a level, one after another
)

// Source is that of alarms, in place of a kind of log.
const Source = "signal"

// Counters are running totals of what the log of records counts. They begin
// again at zero when a process starts.
type Counters struct {
	Records     uint64 // that came in, damaged ones too
	DeadLetters uint64 // that are no events
	Shed        uint64 // requests that were refused because too many came
	Lost        uint64 // stretches of the log of records that it could not give
	Blocking    bool   // an API server seems to wait for each answer
	// Oldest is when the oldest record came in that isn't judged yet; zero:
	// all are.
	Oldest time.Time
}

// Alarms watches the logs. It is not safe for concurrent use.
type Alarms struct {
	program *rule.Program[*state]
	state   state
	open    map[string]*alarm // by rule and cause
}

// alarm is one that holds.
type alarm struct {
	alert model.Alert
	hit   rule.Hit
}

// state is what was observed, as the rules' checks see it.
type state struct {
	cfg     Config
	now     time.Time
	started time.Time
	rules   *detect.Program

	sources map[sourceKey]*source
	beyond  int // streams beyond maxSources
	kinds   map[string]bool
	fields  *Fields
	levels  *levels

	counters         Counters
	shed, dead, lost burst
	blocking         time.Time // since when an API server seems to wait; zero: it doesn't

	policy    *Policy
	before    *Policy // the one that changed
	changedAt time.Time
	starved   []Feed
}

// New compiles the alarms of a catalogue, for the detections of a program. A
// rule that can't be compiled is left out and reported; the others work.
func New(cat *rule.Catalogue, prog *detect.Program, cfg Config) (*Alarms, []error) {
	program, errs := rule.Compile(cat, rule.Env[*state]{Stage: model.Runtime, Checks: checks})
	if cfg.Lag <= 0 {
		cfg.Lag = defaultLag
	}
	if cfg.WarmUp <= 0 {
		cfg.WarmUp = defaultWarmUp
	}
	return &Alarms{
		program: program,
		open:    map[string]*alarm{},
		state: state{
			cfg: cfg, rules: prog, sources: map[sourceKey]*source{}, kinds: map[string]bool{},
			fields: NewFields(prog), levels: newLevels(prog),
		},
	}, errs
}

// Observe takes an event that was judged at a time. The event is not kept.
func (a *Alarms) Observe(ev model.Event, judged time.Time) {
	s := &a.state
	s.kinds[ev.Source] = true
	key := sourceKey{ev.Source, ev.Stream}
	one := s.sources[key]
	switch {
	case one != nil:
	case len(s.sources) == maxSources:
		s.beyond++
	default:
		one = &source{}
		s.sources[key] = one
	}
	if one != nil {
		one.observe(ev, judged, s.cfg)
	}
	s.fields.Add(ev)
	s.levels.add(ev)
}

// Close says that a stream has ended, as a file does that was rotated away: it
// will not be missed.
func (a *Alarms) Close(kind, stream string) { delete(a.state.sources, sourceKey{kind, stream}) }

// Count takes the totals as they are now.
func (a *Alarms) Count(c Counters, now time.Time) {
	s := &a.state
	s.shed.add(now, since(c.Shed, s.counters.Shed), since(c.Records, s.counters.Records))
	s.dead.add(now, since(c.DeadLetters, s.counters.DeadLetters), since(c.Records, s.counters.Records))
	s.lost.add(now, since(c.Lost, s.counters.Lost), 0)
	switch {
	case !c.Blocking:
		s.blocking = time.Time{}
	case s.blocking.IsZero():
		s.blocking = now
	}
	s.counters = c
}

// since is how much a total grew; one that fell began again.
func since(now, before uint64) uint64 {
	if now < before {
		return now
	}
	return now - before
}

// SetPolicy says which audit policy is in force. The first is the one that
// later ones are compared with.
func (a *Alarms) SetPolicy(p *Policy, now time.Time) {
	s := &a.state
	switch {
	case s.policy == nil:
	case s.before != nil && s.before.Digest == p.Digest:
		s.before = nil
	case s.policy.Digest != p.Digest:
		s.before, s.changedAt = s.policy, now
	}
	s.policy = p
	s.starved = p.starved(s.rules)
}

// SetRules says which detections there are from now on. What was learned of
// the sources stays; levels and fields are looked at anew.
func (a *Alarms) SetRules(prog *detect.Program) {
	s := &a.state
	s.rules, s.fields, s.levels = prog, NewFields(prog), newLevels(prog)
	if s.policy != nil {
		s.starved = s.policy.starved(prog)
	}
}

// starved are the detections of a program that a policy can't feed.
func (p *Policy) starved(prog *detect.Program) []Feed {
	return slices.DeleteFunc(p.Feeds(prog), func(f Feed) bool { return f.Verdict == Fed || f.Verdict == Unknown })
}

// Tick tells what has begun and what is over at a time, sorted by rule and
// cause. The first tick is the start.
func (a *Alarms) Tick(now time.Time) []model.Alert {
	if a.state.started.IsZero() {
		a.state.started = now
	}
	a.state.now = now
	var out []model.Alert
	held := map[string]bool{}
	for _, res := range a.program.Eval(&a.state) {
		key := res.Rule.ID + "\x00" + res.Cause
		held[key] = true
		if a.open[key] == nil {
			one := &alarm{alert: raised(res, now), hit: res.Hit}
			a.open[key] = one
			out = append(out, one.alert)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(a.open)) {
		if !held[key] {
			out = append(out, a.open[key].cleared(now))
			delete(a.open, key)
		}
	}
	slices.SortStableFunc(out, func(x, y model.Alert) int { return strings.Compare(x.Rule, y.Rule) })
	return out
}

// sinceKey is the evidence that tells one time an alarm holds from the next.
const sinceKey = "since"

// raised is the alert of a hit. Its id is that of the rule, the cause, and the
// cause's beginning, never of the time of the tick.
func raised(res rule.Result, now time.Time) model.Alert {
	a := model.Alert{
		Schema: 1, Rule: res.Rule.ID, Title: res.Rule.Title, Level: res.Rule.Severity, Time: now.UTC(), Source: Source,
		Assets: []model.Ref{}, Attack: append([]string{}, res.Rule.Attack...),
		Fields: map[string]string{"state": "raised", "what": res.Cause, "message": res.Message},
	}
	begun := ""
	for _, e := range res.Evidence {
		a.Fields[e.What] = e.Value
		switch e.What {
		case sinceKey:
			begun = e.Value
		case "log":
			a.Assets = append(a.Assets, model.Ref{Kind: model.Log, Key: e.Value})
		}
	}
	a.ID = model.Fingerprint("alarm", a.Rule, res.Cause, begun)
	return a
}

// cleared is the alert that an alarm is over.
func (one *alarm) cleared(now time.Time) model.Alert {
	a := one.alert
	a.Fields = maps.Clone(a.Fields)
	a.Fields["state"], a.Fields["alarm"] = "cleared", a.ID
	a.ID = model.Fingerprint("alarm-cleared", a.ID)
	a.Level, a.Time = model.Info, now.UTC()
	return a
}

// Incomplete names what is not watched.
func (a *Alarms) Incomplete() []model.Incomplete {
	if a.state.beyond == 0 {
		return nil
	}
	return []model.Incomplete{{What: "streams of logs", Why: "there are more than can be watched one by one: of the others no silence and no lag is told"}}
}
