package cli

import (
	"encoding/csv"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/registry/advisory"
)

// published reads a published decision table, without its heading.
func published(t *testing.T, name string) [][]string {
	t.Helper()
	f, err := os.Open(filepath.Join(corpora(t), "ssvc", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return rows[1:]
}

// flaw is an advisory with CISA's decision on it.
type flaw struct{ kev, exploitation, automatable, impact string }

// flawed writes a bill of materials with one package, and advisories on it.
func flawed(t *testing.T, flaws []flaw) (bill, advisories string) {
	t.Helper()
	dir := t.TempDir()
	put(t, dir, "app.cdx.json", `{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": [{"type": "library", "name": "lib", "version": "1.0.0", "purl": "pkg:npm/lib@1.0.0"}]}`)
	var kev []string
	for i, f := range flaws {
		cve := fmt.Sprintf("CVE-2026-%04d", i)
		put(t, dir, "osv/npm/"+cve+".json", fmt.Sprintf(`{"id": %q, "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z", "affected": [
			{"package": {"ecosystem": "npm", "name": "lib"}, "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}]}`, cve))
		put(t, dir, "osv/vulnrichment/"+cve+".json", fmt.Sprintf(`{"cveMetadata": {"cveId": %q}, "containers": {"adp": [{"metrics": [{"other": {"type": "ssvc", "content": {
			"options": [{"Exploitation": %q}, {"Automatable": %q}, {"Technical Impact": %q}]}}}]}]}}`, cve, f.exploitation, f.automatable, f.impact))
		if f.kev == "yes" {
			kev = append(kev, fmt.Sprintf(`{"cveID": %q, "dateAdded": "2026-01-01"}`, cve))
		}
	}
	put(t, dir, "osv/kev/known_exploited_vulnerabilities.json", `{"vulnerabilities": [`+strings.Join(kev, ",")+`]}`)
	return filepath.Join(dir, "app.cdx.json"), filepath.Join(dir, "osv")
}

// rowsOf runs the command and gives its matches, which are in the order of
// their ids.
func rowsOf(t *testing.T, bill, advisories, exposed string, want int) []advisory.MatchRow {
	t.Helper()
	args := []string{"image", bill, "--advisories", advisories, "--allow-unknown", "--format", "json"}
	if exposed != "" {
		args = append(args, "--exposed", exposed)
	}
	rows := decode[struct {
		Matches []advisory.MatchRow `json:"matches"`
	}](t, run(t, "", args...)).Matches
	if len(rows) != want {
		t.Fatalf("%d matches, want %d", len(rows), want)
	}
	return rows
}

// The sixteen published rows of BOD 26-04, through the command.
func TestDatesOfThePublishedTable(t *testing.T) {
	table := published(t, "cisa_bod_26_04_1_0_0.csv")
	days := map[string]int{"3 days & forensic investigation": 3, "3 days": 3, "14 days": 14, "60 days": 60}
	var flaws []flaw
	for _, r := range table {
		flaws = append(flaws, flaw{kev: r[1], exploitation: "none", automatable: r[3], impact: r[4]})
	}
	bill, advisories := flawed(t, flaws)
	for _, exposed := range []string{"yes", "no"} {
		for i, row := range rowsOf(t, bill, advisories, exposed, len(table)) {
			r := table[i]
			if r[2] != exposed {
				continue
			}
			due, lane := "", "buy"
			if n := days[r[5]]; n > 0 {
				due, lane = time.Date(2026, 1, 1+n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly), "must"
			}
			if row.Due != due || row.Lane != lane || len(row.Assumed) > 0 {
				t.Errorf("row %s: due %q in %s, assumed %v; want %q in %s: %s", r[0], row.Due, row.Lane, row.Assumed, due, lane, r[5])
			}
		}
	}
	// What nobody said is as the stricter of both.
	yes, no := rowsOf(t, bill, advisories, "yes", len(table)), rowsOf(t, bill, advisories, "no", len(table))
	for i, row := range rowsOf(t, bill, advisories, "", len(table)) {
		want := yes[i].Due
		if want == "" || no[i].Due != "" && no[i].Due < want {
			want = no[i].Due
		}
		if row.Due != want || len(row.Assumed) != 1 {
			t.Errorf("row %s: due %q, assumed %v; want %q", table[i][0], row.Due, row.Assumed, want)
		}
	}
}

// The 72 published rows of SSVC's deployer tree, through the command: each is
// within the range that its points give, and the ends of a range are rows.
func TestPrioritiesOfThePublishedTable(t *testing.T) {
	table := published(t, "deployer_patch_application_priority_1_0_0.csv")
	exposures := map[string]string{"small": "no", "controlled": "no", "open": "yes"}
	order := []string{"defer", "scheduled", "out-of-cycle", "immediate"}
	rank := func(p string) int {
		for i, name := range order {
			if name == p {
				return i
			}
		}
		t.Fatalf("no priority %q", p)
		return 0
	}
	var flaws []flaw
	for _, r := range table {
		flaws = append(flaws, flaw{kev: "no", exploitation: r[1], automatable: r[3], impact: "partial"})
	}
	bill, advisories := flawed(t, flaws)
	for _, exposed := range []string{"yes", "no"} {
		type end struct{ least, most int }
		want := map[string]end{}
		for _, r := range table {
			if exposures[r[2]] != exposed {
				continue
			}
			k, p := r[1]+r[3], rank(r[5])
			e, ok := want[k]
			if !ok {
				e = end{p, p}
			}
			want[k] = end{min(e.least, p), max(e.most, p)}
		}
		for i, row := range rowsOf(t, bill, advisories, exposed, len(table)) {
			e := want[table[i][1]+table[i][3]]
			text := order[e.least]
			if e.most != e.least {
				text += " to " + order[e.most]
			}
			if row.SSVC != text {
				t.Errorf("row %s, exposed %s: %q, want %q", table[i][0], exposed, row.SSVC, text)
			}
		}
	}
}
