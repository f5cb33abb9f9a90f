package risk

import (
	"encoding/csv"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/scantling/scantling/model"
)

// The sixteen rows of CISA BOD 26-04 (1.0.0), read from the published table.
func TestBOD(t *testing.T) {
	const y, n = model.Yes, model.No
	for name, tc := range map[string]struct {
		kev, public, automatable, total model.Tri
		want                            string
	}{
		"row 0":  {n, n, n, n, "fix on system upgrade"},
		"row 1":  {y, n, n, n, "14 days"},
		"row 2":  {n, y, n, n, "60 days"},
		"row 3":  {n, n, y, n, "60 days"},
		"row 4":  {n, n, n, y, "fix on system upgrade"},
		"row 5":  {y, y, n, n, "14 days"},
		"row 6":  {y, n, y, n, "14 days"},
		"row 7":  {n, y, y, n, "14 days"},
		"row 8":  {y, n, n, y, "14 days"},
		"row 9":  {n, y, n, y, "14 days"},
		"row 10": {n, n, y, y, "60 days"},
		"row 11": {y, y, y, n, "3 days"},
		"row 12": {y, y, n, y, "3 days & forensic investigation"},
		"row 13": {y, n, y, y, "3 days & forensic investigation"},
		"row 14": {n, y, y, y, "3 days"},
		"row 15": {y, y, y, y, "3 days & forensic investigation"},

		"unknown impact is the strictest":     {y, y, n, "", "3 days & forensic investigation"},
		"unknown exposure is the strictest":   {n, "", y, y, "3 days"},
		"all unknown is the strictest of all": {"", "", "", "", "3 days & forensic investigation"},
	} {
		if got := BOD(tc.kev, tc.public, tc.automatable, tc.total).String(); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// The published tables, row by row, where they are at hand.
func TestPublishedTables(t *testing.T) {
	total := map[string]model.Tri{"total": model.Yes, "partial": model.No}
	bod := table(t, "cisa_bod_26_04_1_0_0.csv")
	for _, r := range bod {
		if got := BOD(model.Tri(r[1]), model.Tri(r[2]), model.Tri(r[3]), total[r[4]]).String(); got != r[5] {
			t.Errorf("BOD 26-04 row %s: %s, want %s", r[0], got, r[5])
		}
	}
	ssvc := table(t, "deployer_patch_application_priority_1_0_0.csv")
	for _, r := range ssvc {
		if got, ok := Deployer(r[1], r[2], r[3], r[4]); !ok || got != r[5] {
			t.Errorf("SSVC deployer row %s: %s, want %s", r[0], got, r[5])
		}
	}
	if len(bod) != 16 || len(ssvc) != 72 {
		t.Errorf("%d and %d rows, want 16 and 72", len(bod), len(ssvc))
	}
	t.Logf("%d of %d rows of BOD 26-04 and %d of %d of SSVC's deployer table", len(bod), 16, len(ssvc), 72)
}

// table reads one published table, without its heading.
func table(t *testing.T, name string) [][]string {
	t.Helper()
	root := os.Getenv("SCANTLING_CORPORA")
	if root == "" {
		root = filepath.Join("..", "..", "shared", "corpora")
	}
	f, err := os.Open(filepath.Join(root, "ssvc", name))
	if errors.Is(err, os.ErrNotExist) {
		t.Skipf("the published tables are absent: set SCANTLING_CORPORA")
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

// Every outcome is at least as urgent as where any one point is less so.
func TestDeployerIsMonotone(t *testing.T) {
	rank := map[string]int{}
	for i, p := range Priorities {
		rank[p] = i
	}
	points := [][]string{exploitations, exposures, automations, humanImpacts}
	var at [4]int
	ask := func(at [4]int) int {
		p, ok := Deployer(points[0][at[0]], points[1][at[1]], points[2][at[2]], points[3][at[3]])
		if !ok {
			t.Fatalf("no outcome at %v", at)
		}
		return rank[p]
	}
	for at[0] = range points[0] {
		for at[1] = range points[1] {
			for at[2] = range points[2] {
				for at[3] = range points[3] {
					for k := range at {
						less := at
						if less[k]--; less[k] >= 0 && ask(less) > ask(at) {
							t.Errorf("%v is more urgent than %v", less, at)
						}
					}
				}
			}
		}
	}
	if _, ok := Deployer("some", "open", "yes", "low"); ok {
		t.Error("a value that the tree doesn't have got an outcome")
	}
}
