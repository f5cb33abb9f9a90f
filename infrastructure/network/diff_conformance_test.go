package network

import (
	"context"
	"encoding/csv"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
)

// engineOf reads a folder of the public test data.
func engineOf(t *testing.T, folder string) *Engine {
	t.Helper()
	s, err := kube.Reader{}.Read(context.Background(), "", []string{folder})
	if err != nil {
		t.Fatal(err)
	}
	return Build(s)
}

// diffLine is a line of the goldens in text.
var diffLine = regexp.MustCompile(`^diff-type: (\w+), source: (.*), destination: (.*), ref1: (.*), ref2: (.*?)(?:, workloads-diff-info: (.*))?$`)

// goldenChange is one row of a golden: pair, connections then and now.
type goldenChange struct{ change, src, dst, old, now string }

func readDiffGolden(t *testing.T, path, format string) (list []goldenChange, workloads string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	if format == "csv" {
		rows, err = csv.NewReader(strings.NewReader(string(text))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
	} else {
		for line := range strings.Lines(string(text)) {
			if m := diffLine.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil {
				rows = append(rows, m[1:])
			} else if strings.Contains(line, "diff-type") {
				t.Fatalf("%s: not understood: %q", path, line)
			} else {
				rows = append(rows, nil)
			}
		}
	}
	for _, row := range rows[1:] { // the first one is the heading
		if row == nil {
			t.Fatalf("%s: a line that is no change", path)
		}
		for i := range row {
			row[i] = strings.ReplaceAll(row[i], "[External]", "")
			if row[i] == "No Connections" {
				row[i] = ""
			}
		}
		list = append(list, goldenChange{row[0], row[1], row[2], row[3], row[4]})
		workloads += row[5] + "\n"
	}
	return joinRanges(list), workloads
}

// joinRanges joins rows that differ only in address ranges that follow each
// other, and sorts them: how ranges are cut is no part of the question.
func joinRanges(list []goldenChange) []goldenChange {
	rangeOf := func(text string) (first, last netip.Addr, is bool) {
		a, b, _ := strings.Cut(text, "-")
		first, err1 := netip.ParseAddr(a)
		last, err2 := netip.ParseAddr(b)
		return first, last, err1 == nil && err2 == nil
	}
	ranges := map[goldenChange][]block{}
	var out []goldenChange
	for _, c := range list {
		key := c
		first, last, is := rangeOf(c.src)
		if is {
			key.src = "*"
		} else if first, last, is = rangeOf(c.dst); is {
			key.dst = "*"
		}
		if !is {
			out = append(out, c)
			continue
		}
		ranges[key] = append(ranges[key], block{first: first, last: last})
	}
	for key := range maps.Keys(ranges) {
		blocks := ranges[key]
		slices.SortFunc(blocks, func(a, b block) int { return a.first.Compare(b.first) })
		for i := 0; i < len(blocks); {
			b := blocks[i]
			for i++; i < len(blocks) && b.last.Next() == blocks[i].first; i++ {
				b.last = blocks[i].last
			}
			c := key
			if c.src == "*" {
				c.src = b.String()
			} else {
				c.dst = b.String()
			}
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b goldenChange) int {
		return strings.Compare(a.src+" "+a.dst+" "+a.change, b.src+" "+b.dst+" "+b.change)
	})
	return out
}

// TestDiffsPublicGoldens compares semantic differences with those of another
// engine: the same pairs, with the same ports then and now, and the same
// workloads that came and went.
func TestDiffsPublicGoldens(t *testing.T) {
	root := corpora(t, "netpol")
	compared, without := 0, 0
	for _, row := range table(t, filepath.Join(root, "INDEX.tsv")) {
		if row["mode"] != "diff" {
			continue
		}
		before, after, _ := strings.Cut(row["dir"], "|")
		if missing := missingOf(root, before, after); missing != "" {
			without++
			t.Logf("not compared: %s: the set doesn't hold %s", filepath.Base(row["expected"]), missing)
			continue
		}
		compared++
		t.Run(filepath.Base(row["expected"]), func(t *testing.T) {
			want, told := readDiffGolden(t, filepath.Join(root, row["expected"]), row["format"])
			folders := [2]string{filepath.Join(root, "tests", before), filepath.Join(root, "tests", after)}
			got := Diff(engineOf(t, folders[0]), engineOf(t, folders[1]))
			diff := cmp.Diff(want, changesOf(t, got), cmp.AllowUnexported(goldenChange{}))
			if diff != "" {
				t.Error(diff[:min(len(diff), 3000)])
			}
			for _, w := range got.Workloads {
				if strings.Contains(told, w.Workload) != strings.Contains(told, w.Workload+" "+string(w.Change)) && !strings.Contains(told, " and ") {
					t.Errorf("%s %s is told otherwise", w.Workload, w.Change)
				}
			}
		})
	}
	t.Logf("%d differences compared; of %d the set holds no manifests", compared, without)
	if compared == 0 {
		t.Error("no difference was compared")
	}
}

// changesOf are the connections of a difference in the form of a golden.
func changesOf(t *testing.T, d *Difference) []goldenChange {
	t.Helper()
	list := make([]goldenChange, 0, len(d.Connections))
	for _, c := range d.Connections {
		list = append(list, goldenChange{string(c.Change), c.Src, c.Dst, c.Old, c.New})
		if wider := c.Change == Added || c.Change == Changed && c.New == "All Connections"; wider && !c.Opened || c.Change == Removed && c.Opened {
			t.Errorf("opened is wrong: %+v", c)
		}
	}
	return joinRanges(list)
}

// missingOf names the first of some folders that the set doesn't hold.
func missingOf(root string, folders ...string) string {
	for _, f := range folders {
		if _, err := os.Stat(filepath.Join(root, "tests", f)); err != nil {
			return f
		}
	}
	return ""
}
