package network

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
)

// corpora returns a folder of the public test data, or skips.
func corpora(t *testing.T, below ...string) string {
	t.Helper()
	dir := os.Getenv("SCANTLING_CORPORA")
	if dir == "" {
		dir = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	dir = filepath.Join(append([]string{dir}, below...)...)
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no public test data at %s: set SCANTLING_CORPORA", dir)
	}
	return dir
}

// golden is one expected listing of a public test folder.
type golden struct{ folder, format, file string }

// goldens are the plain listings.
func goldens(t *testing.T, root string) []golden {
	t.Helper()
	var list []golden
	for _, row := range table(t, filepath.Join(root, "INDEX.tsv")) {
		focus := row["focus_workload"] + row["focus_direction"] + row["focus_peer"] + row["focus_conn"]
		if row["mode"] == "connlist" && focus == "" {
			list = append(list, golden{row["dir"], row["format"], row["expected"]})
		}
	}
	return list
}

func table(t *testing.T, path string) []map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	header := strings.Split(lines[0], "\t")
	var rows []map[string]string
	for _, line := range lines[1:] {
		row := map[string]string{}
		for i, cell := range strings.Split(line, "\t") {
			row[header[i]] = cell
		}
		rows = append(rows, row)
	}
	return rows
}

func readGolden(t *testing.T, path, format string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	switch format {
	case "json":
		var list []struct{ Src, Dst, Conn string }
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, c := range list {
			lines = append(lines, c.Src+" => "+c.Dst+" : "+c.Conn)
		}
	case "csv":
		rows, err := csv.NewReader(strings.NewReader(string(text))).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, row := range rows[1:] {
			lines = append(lines, row[0]+" => "+row[1]+" : "+row[2])
		}
	default:
		lines = strings.Split(strings.TrimSpace(string(text)), "\n")
	}
	for i := range lines {
		lines[i] = strings.ReplaceAll(lines[i], "[External]", "")
	}
	slices.Sort(lines)
	return lines
}

// TestListsPublicGoldens compares whole listings with those of another engine.
func TestListsPublicGoldens(t *testing.T) {
	root := corpora(t, "netpol")
	cases := goldens(t, root)
	if len(cases) == 0 {
		t.Fatal("no goldens")
	}
	equal := 0
	for _, g := range cases {
		want := readGolden(t, filepath.Join(root, g.file), g.format)
		if diff := cmp.Diff(want, listing(t, filepath.Join(root, "tests", g.folder))); diff != "" {
			t.Errorf("%s (%s) differs:\n%s", g.folder, g.format, diff[:min(len(diff), 2000)])
			continue
		}
		equal++
	}
	t.Logf("%d of %d listings are equal", equal, len(cases))
}

func listing(t *testing.T, folder string) []string {
	t.Helper()
	s, err := kube.Reader{}.Read(context.Background(), "", []string{folder})
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, c := range Build(s).List() {
		lines = append(lines, c.String())
	}
	slices.Sort(lines)
	return lines
}

// cyclonusCase is one line of cases.jsonl; see the README of the corpora.
type cyclonusCase struct {
	Case  int
	Name  string
	Steps []struct {
		Probe    string
		Policies []string `json:"policies_yaml"`
		Ports    []string
		Cols     []string
		Expected struct{ Ingress, Egress, Combined map[string][]string }
	}
}

// relabelled holds the labels that a later step of a case gives to a pod
// ("namespace/pod") or a namespace. The set doesn't record them; each follows
// from the policy that selects by it and the row or column that changes.
var relabelled = map[string]map[int]map[string]string{
	"Update pod so that policy applies, then again so it no longer applies": {1: {"y/b": "new-label: abc"}},
	"should allow ingress access from updated namespace":                    {1: {"y": "ns2: updated"}},
	"should deny ingress access to updated pod":                             {1: {"x/a": "target: isolated"}},
}

// cyclonusWorld writes the cluster in which the cases play, with labels added.
func cyclonusWorld(extra map[string]string) string {
	var b strings.Builder
	ip := 0
	for _, ns := range []string{"x", "y", "z"} {
		fmt.Fprintf(&b, "apiVersion: v1\nkind: Namespace\nmetadata: {name: %q, labels: {ns: %q, %s}}\n---\n", ns, ns, extra[ns])
		for _, pod := range []string{"a", "b", "c"} {
			ip++
			fmt.Fprintf(&b, "apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: %q, labels: {pod: %s, %s}}\n", pod, ns, pod, extra[ns+"/"+pod])
			fmt.Fprintf(&b, "spec:\n  containers:\n  - name: c\n    image: i\n    ports:\n")
			for _, number := range []int{80, 81} {
				for _, protocol := range []string{"TCP", "UDP", "SCTP"} {
					fmt.Fprintf(&b, "    - {containerPort: %d, protocol: %s, name: serve-%d-%s}\n", number, protocol, number, strings.ToLower(protocol))
				}
			}
			fmt.Fprintf(&b, "status: {podIP: 192.168.1.%d}\n---\n", ip)
		}
	}
	return b.String()
}

// TestMatchesPublicTruthTables compares every cell off the diagonal with the
// tables of another engine.
func TestMatchesPublicTruthTables(t *testing.T) {
	file, err := os.Open(corpora(t, "cyclonus", "cases.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // only read from
	cases, steps, cells, wrong := 0, 0, 0, 0
	decoder := json.NewDecoder(file)
	for {
		var c cyclonusCase
		if err := decoder.Decode(&c); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		cases++
		for n, step := range c.Steps {
			steps++
			manifests := cyclonusWorld(relabelled[c.Name][n])
			for _, policy := range step.Policies {
				if !strings.Contains(policy, "kind: NetworkPolicy") { // a few are recorded without it
					policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\n" + policy
				}
				manifests += policy + "\n---\n"
			}
			s, err := kube.ReadFrom(context.Background(), "", c.Name, strings.NewReader(manifests))
			if err != nil || len(s.Incomplete) > 0 {
				t.Fatalf("case %d: %v %v", c.Case, err, s.Incomplete)
			}
			ports := make([]string, len(step.Ports))
			for i, p := range step.Ports {
				ports[i] = strings.ToLower(p)
				if name, protocol, ok := strings.Cut(strings.TrimPrefix(step.Probe, "port "), ", protocol "); p == "probe" && ok {
					ports[i] = strings.ToLower(protocol) + "/" + name
				}
			}
			m, err := Build(s).Matrix(ports)
			if err != nil {
				t.Fatal(err)
			}
			for name, tables := range map[string]struct {
				got  [][]string
				want map[string][]string
			}{
				"ingress":  {m.Allowed.Ingress, step.Expected.Ingress},
				"egress":   {m.Allowed.Egress, step.Expected.Egress},
				"combined": {m.Allowed.Combined, step.Expected.Combined},
			} {
				bad := 0
				for i, row := range tables.got {
					for j, cell := range row {
						if i == j {
							continue
						}
						cells++
						want := tables.want[m.Pods[i]][slices.Index(step.Cols, m.Pods[j])]
						if cell != strings.ReplaceAll(want, " ", "") {
							bad++
						}
					}
				}
				if bad > 0 {
					wrong++
					t.Errorf("case %d %q step %d: %d cells of %s differ", c.Case, c.Name, n+1, bad, name)
				}
			}
		}
	}
	t.Logf("%d cases, %d steps, %d cells: %d tables differ", cases, steps, cells, wrong)
	if cases == 0 {
		t.Error("no cases")
	}
}

// TestMatchesClusterNetworkPolicyConformance asks for every connection that the
// conformance tests of the API try.
func TestMatchesClusterNetworkPolicyConformance(t *testing.T) {
	root := corpora(t, "cnp-conformance")
	engines := map[string]*Engine{}
	wrong := 0
	rows := table(t, filepath.Join(root, "POKES.tsv"))
	for _, row := range rows {
		e := engines[row["manifest"]]
		if e == nil {
			folder := filepath.Join(root, "conformance")
			s, err := kube.Reader{}.Read(context.Background(), "", []string{filepath.Join(folder, "base", "manifests.yaml"), filepath.Join(folder, row["manifest"])})
			if err != nil {
				t.Fatal(err)
			}
			e = Build(s)
			if len(e.Incomplete) > 0 {
				t.Fatalf("%s: %v", row["manifest"], e.Incomplete)
			}
			engines[row["manifest"]] = e
		}
		v, err := e.Probe(row["src"], row["dst"], row["proto"]+"/"+row["port"])
		if err != nil {
			t.Fatal(err)
		}
		if want := map[string]Answer{"true": Allowed, "false": Denied}[row["allowed"]]; v.Answer != want {
			wrong++
			t.Errorf("%s: %s => %s %s/%s: %s, want %s", row["manifest"], row["src"], row["dst"], row["proto"], row["port"], v.Answer, want)
		}
	}
	t.Logf("%d verdicts, %d wrong", len(rows), wrong)
	if len(rows) == 0 {
		t.Error("no verdicts")
	}
}
