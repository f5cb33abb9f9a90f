package siege

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

var (
	duration = flag.Duration("duration", 2*time.Minute, "how long to record")
	seed     = flag.Uint64("seed", 1, "of all choices")
	keep     = flag.String("keep", "", "folder that keeps the recording, made where it is absent; by default nothing is kept")
	again    = flag.String("again", "", "folder of a kept recording to judge, instead of making one")
	rules    = flag.String("rules", "", "rules to judge with, instead of the program's own")
)

// What is demanded of a recording and of its alerts. Twins are played at least
// once however short the recording is: false alerts at them are bounded by how
// often they were played, those at the rest of the background by the hour.
// Precision falls with the length, since attacks are played once.
const (
	leastPerSecond  = 10.0 // events
	leastStepRecall = 0.65
	leastPrecision  = 0.7 // of alerts grouped by rule and actor
	mostPerPlay     = 1.0 // of a twin
	mostPerHour     = 12.0
	mostAtOnce      = 1 // what a recording may have that is too short for a rate
)

// Every attack of a recording is found, and little else.
func TestSiege(t *testing.T) {
	program := os.Getenv("SCANTLING")
	if program == "" {
		t.Skip("SCANTLING is not set: make e2e builds the program and sets it")
	}
	dir := *again
	if dir == "" {
		dir = recording(t)
	}
	truth, err := ReadTruth(filepath.Join(dir, TruthFile))
	if err != nil {
		t.Fatal(err)
	}
	v, err := Judge(program, filepath.Join(dir, LogFile), truth, *rules)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + v.Statement())
	if len(truth.Attacks) != 10 {
		t.Errorf("%d attacks, want 10", len(truth.Attacks))
	}
	if lost := v.Unlogged(); len(lost) > 0 {
		t.Errorf("the log lacks requests of the script: %q", lost)
	}
	if rate := float64(v.Events) / truth.To.Sub(truth.From).Seconds(); rate < leastPerSecond {
		t.Errorf("%.1f events a second, want %v: the background is missing", rate, leastPerSecond)
	}
	for who, byCode := range truth.Answers {
		if byCode[-1] > 0 {
			t.Errorf("%d requests of %s got no answer", byCode[-1], who)
		}
	}
	demand(t, v)
}

// demand holds the alerts against what is demanded.
func demand(t *testing.T, v Verdict) {
	if _, missed := v.Found(); len(missed) > 0 {
		t.Errorf("attacks without an alert of a right technique: %q", missed)
	}
	if told, all := v.StepRecall(); ratio(told, all) < leastStepRecall {
		t.Errorf("%d of %d steps have a right alert, want %v", told, all, leastStepRecall)
	}
	if right, all := v.Grouped(); ratio(right, all) < leastPrecision {
		t.Errorf("%d of %d alerts grouped by rule and actor stand at an attack, want %v", right, all, leastPrecision)
	}
	if n, most := v.Twins(), mostPerPlay*float64(v.Played()); float64(n) > most {
		t.Errorf("%d false alerts at twins, want at most %v", n, most)
	}
	if n, most := v.Routine(), max(mostAtOnce, mostPerHour*v.Hours()); float64(n) > most {
		t.Errorf("%d false alerts at the rest of the background, want at most %.1f", n, most)
	}
}

// recording makes one.
func recording(t *testing.T) string {
	programs := plane.Programs(t)
	dir := *keep
	if dir == "" {
		dir = t.TempDir()
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Record(t.Context(), Config{Programs: programs, Dir: dir, Duration: *duration, Seed: *seed}); err != nil {
		t.Fatal(err)
	}
	return dir
}
