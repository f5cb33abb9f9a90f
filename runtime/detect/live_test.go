package detect_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// logged is a log of several lanes: batches of events at positions from 1.
type logged struct {
	lanes [][][]model.Event
	whole []model.Event
}

// log makes a random log. No event lies further behind one before it in its
// lane than behind, in seconds.
func (w world) log(t *testing.T, lanes, behind int) logged {
	out := logged{lanes: make([][][]model.Event, lanes)}
	for lane := range lanes {
		at, index := 0, 0
		for range 3 + w.IntN(12) {
			var batch []model.Event
			for range 1 + w.IntN(8) {
				at += []int{0, 1, 1, 2, 3, 40}[w.IntN(6)] * w.IntN(2)
				text := fmt.Sprintf("%ds %s n=%d", at-w.IntN(behind+1), w.pick("a", "b", "c", "a+b", "b+c", "d"), w.IntN(5))
				if u := w.pick("x", "x", "y", ""); u != "" {
					text += " u=" + u
				}
				ev := timeline(t, text)[0]
				ev.Stream, ev.Index = fmt.Sprintf("lane%d", lane), index
				if w.IntN(4) == 0 && index > 0 { // a later stage of the request before
					last := out.whole[len(out.whole)-1]
					ev.Time, ev.Raw, ev.Key = last.Time, last.Raw, last.Key
				} else {
					ev.Key = fmt.Sprintf("%s-%d", ev.Stream, index)
				}
				index++
				batch, out.whole = append(batch, ev), append(out.whole, ev)
			}
			out.lanes[lane] = append(out.lanes[lane], batch)
		}
	}
	return out
}

// follow reads a log to its end in pieces: lanes in any turn, and with a
// chance of one in restarts at each step the run is lost, and another taken
// up at the mark that was drained last. It returns each alert as often as it
// was given.
func (w world) follow(prog *detect.Program, log logged, restarts int) []model.Alert {
	var mark detect.Mark
	var given []model.Alert
	at := make([]int, len(log.lanes))
	begin := func() *detect.Live {
		for i := range at {
			at[i] = 0
			if i < len(mark.Lanes) {
				at[i] = max(0, int(mark.Lanes[i].From)-1)
			}
		}
		return detect.NewLive(prog, len(log.lanes), detect.Bounds{Lateness: 5 * time.Second}, mark)
	}
	live := begin()
	drain := func() {
		alerts, m := live.Drain()
		given, mark = append(given, alerts...), m
	}
	for {
		var left []int
		for i := range at {
			if at[i] < len(log.lanes[i]) {
				left = append(left, i)
			}
		}
		if len(left) == 0 {
			break
		}
		i := left[w.IntN(len(left))]
		live.Lane(i).Begin(uint64(at[i]+1), fmt.Sprintf("lane%d", i), epoch)
		for _, ev := range log.lanes[i][at[i]] {
			live.Lane(i).Add(ev)
		}
		at[i]++
		live.Lane(i).End(uint64(at[i] + 1))
		if w.IntN(3) == 0 {
			drain()
		}
		if restarts > 0 && w.IntN(restarts) == 0 {
			live = begin()
			restarts++ // it must come to an end
		}
	}
	for i := range at {
		live.Lane(i).Idle(epoch)
	}
	live.Advance(epoch.Add(1000 * time.Hour))
	drain()
	return given
}

func (w world) liveProgram(t *testing.T) *detect.Program {
	for {
		c, d := w.correlation(), w.correlation()
		rules := append(simple("a", "b", "c"), c.yaml(), strings.ReplaceAll(d.yaml(), ": corr\n", ": other\n"))
		if w.IntN(2) == 0 {
			rules = append(rules, correlationRule("chain", fmt.Sprintf("type: %s\nrules: [corr, %s]\ngroup-by: [u]\ntimespan: %ds\n%s",
				w.pick("event_count", "temporal", "temporal_ordered"), w.pick("a", "b", "other"), 5+w.IntN(30), "condition: {gte: 2}")))
		}
		sources, errs := detect.Parse("x.yml", []byte(strings.Join(rules, "---\n")))
		prog, more := detect.Compile(sources)
		if len(errs)+len(more) == 0 {
			return prog
		}
	}
}

func sorted(alerts []model.Alert) []model.Alert {
	return slices.SortedFunc(slices.Values(alerts), func(a, b model.Alert) int { return strings.Compare(a.ID, b.ID) })
}

// TestLiveEqualsRun holds runs in pieces, taken up again at their marks any
// number of times, to what one run over everything finds.
func TestLiveEqualsRun(t *testing.T) {
	alerts := map[string]int{}
	for seed := range uint64(1500) {
		w := world{Rand: rand.New(rand.NewPCG(seed, 17))}
		prog := w.liveProgram(t)
		log := w.log(t, 1+w.IntN(3), 5)
		want := sorted(detect.Run(prog, log.whole))
		got := sorted(w.follow(prog, log, []int{0, 2, 4, 10}[w.IntN(4)]))
		// Two correlations may complete a third with one request, at different
		// times: a restart between them gives it twice, with one id.
		got = slices.CompactFunc(got, func(a, b model.Alert) bool { return a.Rule == "chain" && a.ID == b.ID })
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("seed %d: one run (-), in pieces (+):\n%s", seed, diff)
		}
		for _, a := range got {
			alerts[a.Rule]++
		}
	}
	for _, rule := range []string{"corr", "other", "chain"} {
		if alerts[rule] < 500 {
			t.Errorf("only %d alerts of %s: the worlds are too poor to prove anything", alerts[rule], rule)
		}
	}
	t.Logf("alerts: %v", alerts)
}

// TestLiveLate tells what came too late, by the clock of the stream that is
// furthest behind.
func TestLiveLate(t *testing.T) {
	prog := compile(t, append(simple("a"), correlationRule("c", "type: event_count\nrules: [a]\ntimespan: 60s\ncondition: {gte: 3}"))...)
	live := detect.NewLive(prog, 1, detect.Bounds{Lateness: 10 * time.Second}, detect.Mark{})
	lane := live.Lane(0)
	add := func(position uint64, stream, text string) {
		lane.Begin(position, stream, epoch.Add(time.Hour))
		for i, ev := range timeline(t, text) {
			ev.Stream, ev.Index = stream, int(position)*10+i
			lane.Add(ev)
		}
		lane.End(position + 1)
	}
	add(1, "file", "0s a")
	add(2, "webhook", "0s d; 100s d")
	add(3, "file", "1s a; 2s a; 100s d") // it was held up: not late
	live.Lane(0).Idle(epoch.Add(time.Hour))
	if alerts, _ := live.Drain(); told(alerts) != "c@31" {
		t.Errorf("%q, want an alert of all three", told(alerts))
	}
	add(4, "webhook", "3s a; 95s a")
	want := []model.Incomplete{{What: "rule id-a", Why: "1 matches came too late to be correlated"}}
	if diff := cmp.Diff(want, live.Incomplete()); diff != "" {
		t.Error(diff)
	}
}

// TestLiveNeedsLittle says how far back a mark reaches: as far as windows.
func TestLiveNeedsLittle(t *testing.T) {
	prog := compile(t, append(simple("a"), correlationRule("c", "type: event_count\nrules: [a]\ngroup-by: [u]\ntimespan: 60s\ncondition: {gte: 3}"))...)
	live := detect.NewLive(prog, 2, detect.Bounds{Lateness: 10 * time.Second}, detect.Mark{})
	lane, came := live.Lane(0), epoch.Add(1000*time.Second)
	for i := range 1000 {
		text := fmt.Sprintf("%ds d", i)
		if i%100 == 50 {
			text = fmt.Sprintf("%ds a u=%d", i, i)
		}
		ev := timeline(t, text)[0]
		ev.Index = i
		lane.Begin(uint64(i+1), "s", came)
		lane.Add(ev)
		lane.End(uint64(i + 2))
	}
	if _, mark := live.Drain(); !mark.Since.IsZero() || mark.Lanes[0].From != 0 {
		t.Errorf("the other lane may hold anything, and yet: %v", mark)
	}
	live.Lane(1).Idle(came)
	_, mark := live.Drain()
	want := detect.Mark{
		Since: epoch.Add(950 * time.Second), Judged: epoch.Add(989 * time.Second),
		Lanes: []detect.LaneMark{{From: 951, Next: 1001, Clock: epoch.Add(949 * time.Second)}, {}},
	}
	if diff := cmp.Diff(want, mark, cmpopts.IgnoreFields(detect.LaneMark{}, "Streams")); diff != "" {
		t.Error(diff)
	}
	lane.Idle(came)
	live.Advance(came.Add(100 * time.Second)) // 90 s later, on the logs' own clock
	if _, mark = live.Drain(); !mark.Since.Equal(epoch.Add(1079*time.Second)) || mark.Lanes[0].From != 1001 {
		t.Errorf("nothing is open any more: %v", mark)
	}
}

// TestLiveAhead has events of a stream claim to come from the future: what
// comes after them is not too late, and no window waits for that future.
func TestLiveAhead(t *testing.T) {
	prog := compile(t, append(simple("a"), correlationRule("c", "type: event_count\nrules: [a]\ntimespan: 60s\ncondition: {gte: 3}"))...)
	live := detect.NewLive(prog, 1, detect.Bounds{Lateness: 10 * time.Second}, detect.Mark{})
	lane := live.Lane(0)
	came := []int{0, 1, 1, 1, 2, 100}
	for i, text := range []string{"0s a", "999999999s a", "1s d", "1s a", "2s a", "100s d"} {
		ev := timeline(t, text)[0]
		ev.Index = i
		lane.Begin(uint64(i+1), "s", epoch.Add(time.Duration(came[i])*time.Second))
		lane.Add(ev)
		lane.End(uint64(i + 2))
	}
	lane.Idle(epoch.Add(100 * time.Second))
	live.Advance(epoch.Add(time.Hour))
	alerts, mark := live.Drain()
	if told(alerts) != "c@4" || mark.Lanes[0].From != 7 {
		t.Errorf("%q, want an alert of the three; %v", told(alerts), mark)
	}
	want := []model.Incomplete{{What: "rule id-a", Why: "1 matches have no time and are not correlated"}}
	if diff := cmp.Diff(want, live.Incomplete()); diff != "" {
		t.Error(diff)
	}
}

// TestLiveAdvances closes a window by the clock alone, and gives no alert
// twice for stages of a request.
func TestLiveAdvances(t *testing.T) {
	prog := compile(t, append(simple("a", "b"),
		correlationRule("c", "type: event_count\nrules: [a]\ntimespan: 60s\ncondition: {lt: 3}\ngenerate: true"))...)
	live := detect.NewLive(prog, 1, detect.Bounds{Lateness: 10 * time.Second}, detect.Mark{})
	live.Lane(0).Begin(1, "s", epoch.Add(time.Hour))
	for i, ev := range timeline(t, "0s b; 0s b; 5s a") {
		ev.Key = []string{"one", "one", "two"}[i]
		live.Lane(0).Add(ev)
	}
	live.Lane(0).End(2)
	live.Lane(0).Idle(epoch.Add(time.Hour))
	for _, step := range []struct {
		after time.Duration
		want  string
	}{
		{0, "id-b@0 id-a@2"},
		{80 * time.Second, ""},
		{81 * time.Second, "c@2"},
		{200 * time.Second, ""},
	} {
		live.Advance(epoch.Add(time.Hour + step.after))
		if alerts, _ := live.Drain(); told(alerts) != step.want {
			t.Errorf("after %s: %q, want %q", step.after, told(alerts), step.want)
		}
	}
}
