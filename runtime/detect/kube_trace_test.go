package detect_test

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// TestKubeTraces runs our rules over audit logs of attacks and of ordinary
// clusters, which are written after what real API servers log. An attack's
// file begins with the technique that its alert must have; a benign log has
// no alert at all.
func TestKubeTraces(t *testing.T) {
	prog, _ := ours(t)
	found := 0
	attacks := traces(t, "testdata/kube/attack/*.jsonl")
	for _, file := range attacks {
		want, _, _ := strings.Cut(filepath.Base(file), "-")
		alerts := alertsOf(t, prog, file)
		if len(withTechnique(alerts, want)) == 0 {
			t.Errorf("%s: no alert of %s, but %v", file, want, ruleIDs(alerts))
			continue
		}
		found++
	}
	silent, events := 0, 0
	benign := traces(t, "testdata/kube/benign/*.jsonl")
	for _, file := range benign {
		ev, _ := readFile(t, file)
		events += len(ev)
		alerts := alertsOf(t, prog, file)
		for _, a := range alerts {
			t.Errorf("%s#%d: alert on an ordinary request: %s %s %v", file, a.Index, a.Rule, a.Title, a.Fields)
		}
		if len(alerts) == 0 {
			silent++
		}
	}
	t.Logf("%d of %d attacks raise the right technique; %d of %d ordinary logs (%d events) are silent", found, len(attacks), silent, len(benign), events)
}

func traces(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no traces match %s: %v", pattern, err)
	}
	return files
}

// alertsOf reads one log whole: a damaged record is an error of the test.
func alertsOf(t *testing.T, prog *detect.Program, file string) []model.Alert {
	t.Helper()
	events, damaged := readFile(t, file)
	if damaged > 0 || len(events) == 0 {
		t.Errorf("%s: %d events, %d damaged", file, len(events), damaged)
	}
	return detect.Run(prog, events)
}

// withTechnique are the alerts of a technique or a part of it.
func withTechnique(alerts []model.Alert, technique string) []model.Alert {
	return slices.DeleteFunc(slices.Clone(alerts), func(a model.Alert) bool {
		return !slices.ContainsFunc(a.Attack, func(id string) bool { return id == technique || strings.HasPrefix(id, technique+".") })
	})
}

// ruleIDs are the rules of alerts, each once, sorted.
func ruleIDs(alerts []model.Alert) []string {
	var out []string
	for _, a := range alerts {
		out = append(out, a.Rule)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
