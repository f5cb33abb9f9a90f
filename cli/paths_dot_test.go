package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/model"
)

// TestDot: a step that needs two things passes through a point, what two paths
// share is drawn once, and names are quoted.
func TestDot(t *testing.T) {
	steps := []model.Step{
		{Edge: "token", From: "workload c/a/Pod/p", To: `identity c/a/"x"`, Needs: []int{}, Attack: "T1528"},
		{Edge: "read", From: `identity c/a/"x"`, To: "read the tokens and Secrets", Needs: []int{0}},
		{Edge: "both", From: `workload c/a/Pod/p and identity c/a/"x" and read the tokens and Secrets`, To: "cluster c", Needs: []int{0, 1}, Attack: "T1"},
	}
	path := paths.Path{From: "c/a/Pod/p", To: "cluster c", Steps: steps, Cut: []bool{false, false, true}}
	var out strings.Builder
	if err := (pathsReport{Report: paths.Report{Paths: []paths.Path{path, path}}, most: 5}).dot(&out); err != nil {
		t.Fatal(err)
	}
	want := `digraph paths {
  rankdir=LR;
  node [shape=box, fontname="sans-serif"];
  edge [fontname="sans-serif"];
  "workload c/a/Pod/p" [style=filled, fillcolor="#fde2c8"];
  "cluster c" [style=filled, fillcolor="#f8c8c8"];
  "identity c/a/\"x\"";
  "workload c/a/Pod/p" -> "identity c/a/\"x\"" [label="token T1528"];
  "read the tokens and Secrets";
  "identity c/a/\"x\"" -> "read the tokens and Secrets" [label="read"];
  "and: identity c/a/\"x\", read the tokens and Secrets, workload c/a/Pod/p, both, cluster c" [shape=point];
  "identity c/a/\"x\"" -> "and: identity c/a/\"x\", read the tokens and Secrets, workload c/a/Pod/p, both, cluster c" [arrowhead=none];
  "read the tokens and Secrets" -> "and: identity c/a/\"x\", read the tokens and Secrets, workload c/a/Pod/p, both, cluster c" [arrowhead=none];
  "workload c/a/Pod/p" -> "and: identity c/a/\"x\", read the tokens and Secrets, workload c/a/Pod/p, both, cluster c" [arrowhead=none];
  "and: identity c/a/\"x\", read the tokens and Secrets, workload c/a/Pod/p, both, cluster c" -> "cluster c" [label="both T1", style=dashed, color="#b00020"];
}
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
