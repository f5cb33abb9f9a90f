package siege

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAccepted(t *testing.T) {
	for name, tc := range map[string]struct {
		want, got []string
		accepted  bool
	}{
		"the same":                 {[]string{"T1609"}, []string{"T1609"}, true},
		"one of several":           {[]string{"T1609", "T1611"}, []string{"T1610", "T1611"}, true},
		"that which it is part of": {[]string{"T1098.006"}, []string{"T1098"}, true},
		"another part":             {[]string{"T1098.006"}, []string{"T1098.001"}, false},
		"a part of what is wanted": {[]string{"T1098"}, []string{"T1098.006"}, false},
		"a longer number":          {[]string{"T1098.006"}, []string{"T109"}, false},
		"another":                  {[]string{"T1609"}, []string{"T1610"}, false},
		"a step that shows none":   {nil, []string{"T1610"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := accepted(tc.want, tc.got); got != tc.accepted {
				t.Errorf("accepted(%v, %v) = %v", tc.want, tc.got, got)
			}
		})
	}
}

// A run of which each figure is known: two attacks, of which one is found by its
// second request and by what a controller made of it; a twin; a routine.
func TestJudge(t *testing.T) {
	begin := time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)
	line := func(second int, id, user, name, generated string) object {
		return object{
			"auditID": id, "verb": "create", "user": object{"username": user}, "objectRef": object{"namespace": "web", "name": name, "resource": "pods"},
			"requestReceivedTimestamp": begin.Add(time.Duration(second) * time.Second), "requestObject": object{"metadata": object{"generateName": generated}},
		}
	}
	log := []object{
		line(0, "a1", "eve", "", ""), line(10, "a2", "eve", "", ""), line(12, "c1", "job-controller", "", "evil-job-"),
		line(20, "t1", "olga", "", ""), line(30, "r1", "ada", "", ""), line(40, "b1", "mallory", "", ""),
		line(50, "r2", "system:anonymous", "", ""),
	}
	log[6]["annotations"] = object{"authorization.k8s.io/reason": `RBAC: allowed by ClusterRoleBinding "door" of ClusterRole "view" to Group "system:unauthenticated"`}
	log[3]["requestObject"] = []any{"a JSON patch"}
	alerts := []object{
		{"rule": "D1", "level": "high", "index": 1, "attack": []string{"T1609"}},
		{"rule": "D1", "level": "high", "index": 1, "attack": []string{"T1609"}},
		{"rule": "D2", "level": "high", "index": 2, "attack": []string{"T9999"}},
		{"rule": "D3", "level": "medium", "index": 3, "attack": []string{"T1609"}},
		{"rule": "D4", "level": "high", "index": 4, "attack": []string{"T1609"}},
		{"rule": "D5", "level": "low", "index": 5, "attack": []string{"T1610"}}, // of a wrong technique
		{"rule": "D6", "level": "low", "index": 6, "attack": []string{"T1078.001"}},
	}
	truth := Truth{
		From: begin, To: begin.Add(30 * time.Minute), Attacks: []string{"first", "second"}, Twins: []string{"twin"},
		Marks: map[string]Mark{
			"a1": {Attack: "first", Step: "looks", Techniques: []string{"T1613"}, Time: begin},
			"a2": {Attack: "first", Step: "opens a shell", Techniques: []string{"T1609"}, Time: begin.Add(time.Second)},
			"b1": {Attack: "second", Step: "reads", Techniques: []string{"T1552.007"}},
			"t1": {Twin: "twin", Step: "opens a shell"},
			"x1": {Twin: "twin", Step: "got lost"},
		},
		Made: []Made{{Mark{Attack: "first", Step: "what followed"}, "web", "evil"}, {Mark{Attack: "first", Step: "what followed"}, "", "door"}},
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	script := "#!/bin/sh\ncat <<'EOF'\n" + string(lines(t, alerts)) + "EOF\nexit 3\n"
	for name, text := range map[string]string{program: script, filepath.Join(dir, LogFile): string(lines(t, log))} {
		if err := os.WriteFile(name, []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	v, err := Judge(program, filepath.Join(dir, LogFile), truth, "")
	if err != nil {
		t.Fatal(err)
	}
	found, missed := v.Found()
	right, groups := v.Grouped()
	told, steps := v.StepRecall()
	got := []string{
		fmt.Sprint("events ", v.Events, " hours ", v.Hours()),
		fmt.Sprint("true ", v.True(), " false ", v.False(), " twins ", v.Twins(), " of ", v.Played(), " routine ", v.Routine()),
		fmt.Sprint("found ", found, " missed ", missed, " steps ", told, " of ", steps, " groups ", right, " of ", groups),
		fmt.Sprint("after ", v.Delay("first"), " and ", v.Delay("second") < 0),
		fmt.Sprint("lost ", v.Unlogged()),
		v.severePrecision(),
	}
	want := []string{
		"events 7 hours 0.5",
		"true 5 false 2 twins 1 of 3 routine 1",
		"found [first] missed [second] steps 1 of 3 groups 4 of 6",
		"after 10s and true",
		"lost [twin: got lost]",
		"0.75 (3 of 4)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// A program that could not do it is no program without alerts.
func TestJudgeFails(t *testing.T) {
	log := filepath.Join(t.TempDir(), LogFile)
	if err := os.WriteFile(log, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Judge("false", log, Truth{}, ""); err == nil {
		t.Error("no error")
	}
}

func lines(t *testing.T, list []object) []byte {
	t.Helper()
	var text []byte
	for _, o := range list {
		line, err := json.Marshal(o)
		if err != nil {
			t.Fatal(err)
		}
		text = append(append(text, line...), '\n')
	}
	return text
}
