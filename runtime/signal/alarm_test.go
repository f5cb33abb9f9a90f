package signal_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
	"github.com/scantling/scantling/runtime/signal"
)

func catalogue(t testing.TB) *rule.Catalogue {
	t.Helper()
	cat, errs := rule.Load(rules.FS, "rules")
	for _, err := range errs {
		t.Log(err) // another stage's rules are its own tests' affair
	}
	return cat
}

func TestCatalogueCases(t *testing.T) {
	cat := catalogue(t)
	list := slices.DeleteFunc(cat.Stage(model.Runtime), func(r *rule.Rule) bool { return r.Check == "" })
	if len(list) < 9 {
		t.Fatalf("%d alarms, want at least 9", len(list))
	}
	for _, c := range rule.RunCases(cat, list, signal.Cases(cat)) {
		if !c.OK() {
			t.Error(c)
		}
	}
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// alarms are those of the catalogue over one rule of the audit log.
func alarms(t testing.TB, cfg signal.Config) *signal.Alarms {
	t.Helper()
	a, errs := signal.New(catalogue(t), rulesAbout(t, "{s: {verb: create, objectRef.resource: pods, requestObject.spec.hostPID: true}, condition: s}"), cfg)
	for _, err := range errs {
		t.Fatal(err)
	}
	return a
}

func record(at time.Time, stream string) model.Event {
	return model.Event{Source: ingest.Kind, Stream: stream, Time: at, Received: at, Action: "create pods", Raw: []byte(`{"level":"Request","verb":"create"}`)}
}

// told are alerts as "D901 raised kubernetes-audit log".
func told(alerts []model.Alert) []string {
	var out []string
	for _, a := range alerts {
		out = append(out, a.Rule+" "+a.Fields["state"]+" "+a.Fields["what"])
	}
	return out
}

// TestRaisedOnceAndCleared: an alarm is told when it begins and when it is
// over, and each time that it holds has an id of its own.
func TestRaisedOnceAndCleared(t *testing.T) {
	a := alarms(t, signal.Config{Silence: map[string]time.Duration{ingest.Kind: time.Minute}})
	var all []model.Alert
	tick := func(after time.Duration, want ...string) {
		t.Helper()
		got := a.Tick(noon.Add(after))
		all = append(all, got...)
		if diff := cmp.Diff(want, told(got)); diff != "" {
			t.Errorf("at %s: %s", after, diff)
		}
	}
	tick(0)
	a.Observe(record(noon, "log"), noon)
	tick(time.Minute)
	tick(2*time.Minute, "D901 raised kubernetes-audit log")
	tick(3 * time.Minute)
	a.Observe(record(noon.Add(4*time.Minute), "log"), noon.Add(4*time.Minute))
	tick(4*time.Minute, "D901 cleared kubernetes-audit log")
	tick(6*time.Minute, "D901 raised kubernetes-audit log")
	a.Close(ingest.Kind, "log")
	tick(7*time.Minute, "D901 cleared kubernetes-audit log")

	ids := map[string]bool{}
	for _, one := range all {
		ids[one.ID] = true
	}
	if len(ids) != 4 {
		t.Errorf("%d ids of 4 alerts", len(ids))
	}
	if all[1].Fields["alarm"] != all[0].ID || all[1].Level != model.Info || all[0].Level != model.High || all[0].Attack[0] != "T1562" {
		t.Errorf("the alerts don't belong together: %+v", all[:2])
	}
	if diff := cmp.Diff([]model.Ref{{Kind: model.Log, Key: ingest.Kind}}, all[0].Assets); diff != "" {
		t.Error(diff)
	}
}

// TestSameAgain: the same observations give the same alerts, and the tick at
// which an alarm is seen has no part in its id.
func TestSameAgain(t *testing.T) {
	run := func(every time.Duration) []model.Alert {
		r := rand.New(rand.NewPCG(5, 6))
		a := alarms(t, signal.Config{})
		var out []model.Alert
		next := noon
		for i := range 3000 {
			at := noon.Add(time.Duration(i) * 7 * time.Second)
			for ; !next.After(at); next = next.Add(every) {
				out = append(out, a.Tick(next)...)
			}
			if stream := []string{"a", "b", "c"}[r.IntN(3)]; (i/500)%2 == 0 || stream == "a" {
				a.Observe(record(at, stream), at)
			}
		}
		return append(out, a.Tick(next)...)
	}
	one, two := run(time.Minute), run(time.Minute)
	if diff := cmp.Diff(one, two); diff != "" {
		t.Error(diff)
	}
	ids := func(alerts []model.Alert) []string {
		var out []string
		for _, a := range alerts {
			if a.Fields["state"] == "raised" {
				out = append(out, a.ID)
			}
		}
		slices.Sort(out)
		return out
	}
	if diff := cmp.Diff(ids(one), ids(run(37*time.Second))); diff != "" || len(ids(one)) < 4 {
		t.Errorf("%d alarms; ids depend on ticks: %s", len(ids(one)), diff)
	}
}

// TestSilenceIsLearned: the longest gap counts four times, within bounds; an
// outage is expected for as long as it was, and half a day later less.
func TestSilenceIsLearned(t *testing.T) {
	for name, tc := range map[string]struct {
		gap    time.Duration
		silent time.Duration
		want   bool
	}{
		"floor":           {time.Second, 5 * time.Minute, false},
		"over the floor":  {time.Second, 5*time.Minute + time.Second, true},
		"four gaps":       {10 * time.Minute, 39 * time.Minute, false},
		"over four gaps":  {10 * time.Minute, 41 * time.Minute, true},
		"at most a day":   {12 * time.Hour, 23 * time.Hour, false},
		"more than a day": {12 * time.Hour, 25 * time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			a := alarms(t, signal.Config{WarmUp: 10000 * time.Hour})
			at := noon
			a.Tick(at)
			for range 40 {
				at = at.Add(tc.gap)
				a.Observe(record(at, "log"), at)
			}
			if got := len(a.Tick(at.Add(tc.silent))) > 0; got != tc.want {
				t.Errorf("alarm %t, want %t", got, tc.want)
			}
		})
	}
}

// TestStreamsAreBounded: what is not watched is named.
func TestStreamsAreBounded(t *testing.T) {
	a := alarms(t, signal.Config{})
	for i := range 10_001 {
		if a.Incomplete() != nil {
			t.Fatalf("incomplete after %d streams", i)
		}
		a.Observe(record(noon, fmt.Sprint(i)), noon)
	}
	if len(a.Incomplete()) != 1 {
		t.Error("a stream that is not watched is not named")
	}
}

func TestPolicyAlarms(t *testing.T) {
	a := alarms(t, signal.Config{WarmUp: 10000 * time.Hour})
	a.SetPolicy(policy(t, "- level: Request"), noon)
	if got := a.Tick(noon); got != nil {
		t.Errorf("a policy that feeds all: %v", told(got))
	}
	a.SetPolicy(policy(t, "- level: Metadata"), noon.Add(time.Minute))
	got := a.Tick(noon.Add(time.Minute))
	if len(got) != 2 || got[0].Rule != "D904" || got[1].Rule != "D909" {
		t.Fatal(told(got))
	}
	if want := "r0 T1611 needs Request for create pods, the policy logs Metadata (policy.yaml:4)"; got[0].Fields["message"] != want {
		t.Error(got[0].Fields["message"])
	}
	if want := "the audit policy is another one; it no longer feeds r0"; got[1].Fields["message"] != want {
		t.Error(got[1].Fields["message"])
	}
	a.SetPolicy(policy(t, "- level: Request"), noon.Add(2*time.Minute))
	if diff := cmp.Diff([]string{"D904 cleared r0", "D909 cleared " + got[1].Fields["what"]}, told(a.Tick(noon.Add(2*time.Minute)))); diff != "" {
		t.Error(diff)
	}
}

// TestPolicyChangeIsCompared: a rule that was not fed before is not lost now.
func TestPolicyChangeIsCompared(t *testing.T) {
	a := alarms(t, signal.Config{WarmUp: 10000 * time.Hour})
	a.SetPolicy(policy(t, "- level: Metadata"), noon)
	a.Tick(noon)
	a.SetPolicy(policy(t, "- level: None"), noon.Add(time.Minute))
	for _, one := range a.Tick(noon.Add(time.Minute)) {
		if want := "the audit policy is another one; it feeds every detection that it fed before"; one.Rule == "D909" && one.Fields["message"] == want {
			return
		}
	}
	t.Error("a change that loses nothing is not told so")
}

func TestFields(t *testing.T) {
	prog := rulesAbout(t, "{s: {verbs: create, objectRef.resource: pods}, condition: s}", "{a: {requestObject.spec.x: 1}, b: {verb: get}, condition: a or b}", "{s: {impersonatedUser.username: x}, condition: s}")
	f := signal.NewFields(prog)
	for range 50 {
		f.Add(model.Event{Source: ingest.Kind, Action: "get pods", Raw: []byte(`{"verb":"get","objectRef":{"resource":"pods"}}`)})
	}
	want := []signal.Never{
		{Kind: ingest.Kind, Field: "requestObject.spec.x", Events: 50, Rules: []string{"r1"}},
		{Kind: ingest.Kind, Field: "verbs", Events: 50, Rules: []string{"r0"}, Dead: []string{"r0"}},
	}
	if diff := cmp.Diff(want, f.Never(50)); diff != "" {
		t.Error(diff)
	}
	if f.Never(51) != nil {
		t.Error("50 events are not 51")
	}
	if got, want := want[1].String(), "field verbs is in none of 50 events of kubernetes-audit: asked for by r0; can't match without: r0"; got != want {
		t.Error(got)
	}
	f.Add(model.Event{Source: ingest.Kind, Action: "create pods", Raw: []byte(`{"verb":"create","requestObject":{}}`)})
	if diff := cmp.Diff(want[1:], f.Never(50), cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "Events" }, cmp.Ignore())); diff != "" {
		t.Error(diff)
	}
}

// BenchmarkObserve is what watching the signals costs an event.
func BenchmarkObserve(b *testing.B) {
	cat := catalogue(b)
	prog, errs := detect.Compile(detect.FromCatalogue(cat))
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	a, errs := signal.New(cat, prog, signal.Config{})
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	var events []model.Event
	for _, action := range []string{"get pods", "list secrets", "create pods", "watch nodes"} {
		ev := record(noon, "log")
		ev.Action, ev.Raw = action, []byte(`{"level":"Request","verb":"create","objectRef":{"resource":"pods"},"user":{"username":"x"},"requestObject":{},"pad":"`+strings.Repeat("x", 1500)+`"}`)
		events = append(events, ev)
	}
	b.ReportAllocs()
	for i := range b.N {
		ev := events[i%len(events)]
		ev.Received = noon.Add(time.Duration(i) * time.Millisecond)
		ev.Time = ev.Received
		a.Observe(ev, ev.Received)
	}
}

// TestRulesAnew: other detections take over, and what was learned of sources
// stays.
func TestRulesAnew(t *testing.T) {
	a := alarms(t, signal.Config{Silence: map[string]time.Duration{ingest.Kind: time.Minute}})
	a.SetPolicy(policy(t, "- level: Metadata"), noon)
	a.Observe(record(noon, "log"), noon)
	if diff := cmp.Diff([]string{"D904 raised r0"}, told(a.Tick(noon))); diff != "" {
		t.Error(diff)
	}
	none, errs := detect.Compile(nil)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	a.SetRules(none)
	if diff := cmp.Diff([]string{"D904 cleared r0"}, told(a.Tick(noon.Add(time.Second)))); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"D901 raised kubernetes-audit log"}, told(a.Tick(noon.Add(2*time.Minute)))); diff != "" {
		t.Error(diff)
	}
}
