package signal

import (
	"slices"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// levels compares the levels of audit records with what rules need of them.
type levels struct {
	actions map[string]*action // as model.Event.Action
	parser  fastjson.Parser
}

// action is a kind of request that some rule needs a body of.
type action struct {
	needs map[string]string // by rule
	seen  int
	low   [4]int // by rank of a level: records below it, one after another
	begun [4]time.Time
}

func newLevels(prog *detect.Program) *levels {
	l := &levels{actions: map[string]*action{}}
	for _, r := range prog.Rules() {
		if r.Silent || !slices.Contains(r.Kinds, ingest.Kind) {
			continue
		}
		for _, way := range prog.Ways(r.ID, asked, stages) {
			for _, c := range classes(way) {
				l.need(r.ID, c, way.Needs)
			}
		}
	}
	return l
}

// need notes what a rule needs of a kind of request; of two ways the lesser.
func (l *levels) need(id string, c class, level string) {
	if c.verb == nil || c.resource == nil || *c.resource == "" || c.sub == nil {
		return
	}
	name := *c.verb + " " + *c.resource
	if *c.sub != "" {
		name += "/" + *c.sub
	}
	a := l.actions[name]
	if a == nil {
		a = &action{needs: map[string]string{}}
		l.actions[name] = a
	}
	if have, twice := a.needs[id]; !twice || rank(level) < rank(have) {
		a.needs[id] = level
	}
}

// sampled says whether the n-th of something is looked at, from 0.
func sampled(n int) bool { return n < 32 || n%32 == 0 }

func (l *levels) add(ev model.Event) {
	if ev.Source != ingest.Kind {
		return
	}
	a := l.actions[strings.ToLower(ev.Action)]
	if a == nil {
		return
	}
	if !a.samples(len(ev.Raw)) {
		return
	}
	if doc, err := l.parser.ParseBytes(ev.Raw); err == nil { // else ingest has named it
		a.look(doc, ev.Time)
	}
}

// samples counts a record of a size, and reports whether it is looked at.
func (a *action) samples(size int) bool {
	n := a.seen
	a.seen++
	return sampled(n) && size <= maxRecord
}

// look compares the level of a record.
func (a *action) look(doc *fastjson.Value, at time.Time) {
	level := rank(string(doc.GetStringBytes("level")))
	for want := range a.low {
		switch {
		case level >= want:
			a.low[want] = 0
		default:
			if a.low[want] == 0 {
				a.begun[want] = at
			}
			a.low[want]++
		}
	}
}

// maxRecord is the largest record, in bytes, that is looked into: the rest is
// as telling.
const maxRecord = 256 << 10

// tooLow lists the actions of which a rule has got only records below its
// need, by rule, and when that began.
func (l *levels) tooLow() map[string][]lowAction {
	out := map[string][]lowAction{}
	for name, a := range l.actions {
		for id, need := range a.needs {
			if n := a.low[rank(need)]; rank(need) > rank(levelMetadata) && n >= enoughLevel {
				out[id] = append(out[id], lowAction{name, need, a.begun[rank(need)]})
			}
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(x, y lowAction) int { return strings.Compare(x.name, y.name) })
	}
	return out
}

type lowAction struct {
	name, need string
	begun      time.Time
}
