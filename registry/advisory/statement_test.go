package advisory

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/vex"
)

// A statement changes how a match is shown, and never whether there is one: it
// keeps its weakness and its row, its finding is suppressed, and no action is
// made for it.
func TestStatementsAreJoined(t *testing.T) {
	dir := folder(t, map[string]string{
		"lib.json": `{"@context": "https://openvex.dev/ns/v0.2.0", "author": "Web Team", "timestamp": "2026-02-01T00:00:00Z", "statements": [
			{"vulnerability": {"name": "CVE-2026-7"}, "status": "not_affected", "justification": "vulnerable_code_not_in_execute_path", "products": [{"@id": "pkg:golang/example.com/lib"}]},
			{"vulnerability": {"name": "DSA-2-1"}, "status": "affected", "action_statement": "Wait.", "products": [{"@id": "pkg:deb/debian/openssl"}]}]}`,
	})
	set, missed, err := vex.Read(context.Background(), dir)
	if err != nil || len(missed) > 0 {
		t.Fatal(err, missed)
	}
	db := testDB(t)
	before, after := judge(t).Judge([]*image.Inventory{web()}, db, Config{}), judge(t).Judge([]*image.Inventory{web()}, db, Config{VEX: set})
	if len(before.Findings) != len(after.Findings) || len(before.Weaknesses) != len(after.Weaknesses) {
		t.Fatalf("%d findings and %d weaknesses became %d and %d", len(before.Findings), len(before.Weaknesses), len(after.Findings), len(after.Weaknesses))
	}
	for i, w := range after.Weaknesses {
		f := after.Findings[i]
		switch {
		case w.Advisory == "GO-1":
			want := &model.Suppression{Reason: "VEX not_affected: vulnerable_code_not_in_execute_path", Owner: "Web Team", Expires: model.NoEnd}
			if diff := cmp.Diff(want, f.Suppressed); diff != "" || w.Statement == nil || w.Fixable() {
				t.Errorf("(-want +got):\n%s%+v", diff, w.Statement)
			}
		case w.Advisory == "DSA-2-1" && strings.Contains(w.Component, "/openssl@"):
			if f.Suppressed != nil || w.Statement == nil || w.Statement.Status != "affected" || !w.Fixable() {
				t.Errorf("affected: %+v %+v", f.Suppressed, w.Statement)
			}
		default:
			if f.Suppressed != nil || w.Statement != nil {
				t.Errorf("%s of %s has a statement", w.Advisory, w.Component)
			}
		}
		f.Suppressed = nil
		if diff := cmp.Diff(before.Findings[i], f); diff != "" {
			t.Errorf("a statement changed the finding:\n%s", diff)
		}
	}
	about := func(a model.Action) bool { return strings.Contains(a.Title, "example.com/lib") }
	if !slices.ContainsFunc(before.Actions, about) || slices.ContainsFunc(after.Actions, about) {
		t.Error("an action is made for what isn't affected")
	}
	if steps := after.FixPlan(never, day); len(steps) != 1 || slices.Contains(steps[0].IDs, "GO-1") {
		t.Errorf("%+v", steps)
	}
	rows := MatchRows(after.Weaknesses)
	if last := rows[len(rows)-1]; last.VEX != "not_affected" || last.Statement.Author != "Web Team" {
		t.Errorf("%+v", last)
	}
}

// enrichment is a CVE record with CISA's decision.
func enrichment(id, exploitation, automatable, impact string) string {
	return `{"cveMetadata": {"cveId": "` + id + `"}, "containers": {"cna": {"metrics": [{"other": {"type": "ssvc", "content": {"options": [{"Exploitation": "active"}]}}}]}, "adp": [
		{"metrics": [{"other": {"type": "kev", "content": {"dateAdded": "2026-01-01"}}}]},
		{"metrics": [{"other": {"type": "ssvc", "content": {"timestamp": "2026-01-09T18:17:37Z", "options": [{"Exploitation": "` + exploitation + `"}, {"Automatable": "` + automatable + `"}, {"Technical Impact": "` + impact + `"}]}}}]}]}}`
}

func TestEnrich(t *testing.T) {
	dir := folder(t, map[string]string{
		"2026/0xxx/CVE-2026-1.json": enrichment("CVE-2026-1", "none", "no", "partial"),
		"2026/0xxx/CVE-2026-2.json": enrichment("CVE-2026-2", "poc", "Yes", "TOTAL"),
		"CVE-2026-3.json":           enrichment("CVE-2026-3", "active", "no", "partial"),
		"CVE-2026-4.json":           `{"cveMetadata": {"cveId": "CVE-2026-4"}, "containers": {"cna": {}}}`,
		"CVE-2026-5.json":           enrichment("CVE-2026-6", "none", "no", "partial"),
		"CVE-2026-6.json":           enrichment("CVE-2026-6", "none", "perhaps", "partial"),
		"CVE-2026-7.json":           `{`,
		"CVE-2026-8.json":           `{"cveMetadata": {"cveId": "CVE-2026-8"}, "containers": {"adp": [{"metrics": [{"other": {"type": "ssvc", "content": {"options": [{"Automatable": "no"}]}}}]}]}}`,
		"CVE-2026-9.json":           `{`, // nobody asks for it
		"README.md":                 "x",
	})
	type points struct {
		Exploitation       string
		Automatable, Total model.Tri
		Assumed            bool
	}
	cvss := points{"", model.Yes, model.Yes, true}
	for name, tc := range map[string]struct {
		cves []string
		want points
		miss string
	}{
		"over CVSS":                {[]string{"CVE-2026-1"}, points{"none", model.No, model.No, false}, ""},
		"public":                   {[]string{"CVE-2026-2"}, points{"public poc", model.Yes, model.Yes, false}, ""},
		"active":                   {[]string{"CVE-2026-3"}, points{"active", model.No, model.No, false}, ""},
		"as any of its CVEs is":    {[]string{"CVE-2026-1", "CVE-2026-2"}, points{"public poc", model.Yes, model.Yes, false}, ""},
		"no only where each is":    {[]string{"CVE-2026-1", "CVE-2026-4"}, cvss, ""},
		"active where one is":      {[]string{"CVE-2026-3", "CVE-2026-4"}, points{"active", model.Yes, model.Yes, true}, ""},
		"one point of three":       {[]string{"CVE-2026-8"}, points{"", model.No, model.Yes, true}, ""},
		"not decided":              {[]string{"CVE-2026-4"}, cvss, ""},
		"no record":                {[]string{"CVE-2026-10"}, cvss, ""},
		"no CVE":                   {nil, cvss, ""},
		"the record of another":    {[]string{"CVE-2026-5"}, cvss, `it is the record of "CVE-2026-6"`},
		"a value that isn't there": {[]string{"CVE-2026-6"}, cvss, `Automatable is "perhaps", which the decision tree doesn't have`},
		"broken":                   {[]string{"CVE-2026-7"}, cvss, "unexpected end of JSON input"},
	} {
		list := []model.Weakness{{CVEs: tc.cves, Automatable: model.Yes, TotalImpact: model.Yes, Assumed: true}}
		_, missed, err := Enrich(context.Background(), dir, list)
		if err != nil {
			t.Fatal(err)
		}
		got := points{list[0].Exploitation, list[0].Automatable, list[0].TotalImpact, list[0].Assumed}
		why := ""
		if len(missed) > 0 {
			why = missed[0].Why
		}
		if got != tc.want || why != tc.miss {
			t.Errorf("%s: %+v %q, want %+v %q", name, got, why, tc.want, tc.miss)
		}
	}
	if _, _, err := Enrich(context.Background(), t.TempDir(), nil); err == nil || !strings.Contains(err.Error(), "no CVE record is in it") {
		t.Error(err)
	}
	if _, _, err := Enrich(context.Background(), "missing", nil); err == nil {
		t.Error("a folder that isn't there")
	}
}

// FuzzDecision: a decision has values of the tree alone, and at least one.
func FuzzDecision(f *testing.F) {
	f.Add([]byte(`{"timestamp": "2026-01-09T18:17:37Z", "options": [{"Exploitation": "none"}, {"Automatable": "no"}, {"Technical Impact": "partial"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, _, err := parseDecision(data)
		if err != nil {
			return
		}
		if d == (decision{}) || !slices.Contains([]string{"", "none", "public poc", "active"}, d.exploitation) {
			t.Errorf("%+v", d)
		}
	})
}
