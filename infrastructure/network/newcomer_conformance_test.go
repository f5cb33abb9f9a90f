package network

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// exposureLines reads the exposure part of a golden as lines of ours:
// "source => destination : ports".
func exposureLines(t *testing.T, path, format string) (lines, unprotected []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	switch format {
	case "json":
		var doc struct {
			Exposure struct {
				Egress  []struct{ Src, Dst, Conn string } `json:"egress_exposure"`
				Ingress []struct{ Src, Dst, Conn string } `json:"ingress_exposure"`
			} `json:"exposure_results"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, c := range slices.Concat(doc.Exposure.Egress, doc.Exposure.Ingress) {
			lines = append(lines, c.Src+" => "+c.Dst+" : "+c.Conn)
		}
	case "csv":
		reader := csv.NewReader(strings.NewReader(string(text)))
		reader.FieldsPerRecord = -1
		rows, err := reader.ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		part := ""
		for _, row := range rows {
			switch {
			case strings.HasSuffix(row[0], ":"):
				part = row[0]
			case row[0] == "src", row[0] == "dst":
			case part == "Egress Exposure:":
				lines = append(lines, row[0]+" => "+row[1]+" : "+row[2])
			case part == "Ingress Exposure:":
				lines = append(lines, row[1]+" => "+row[0]+" : "+row[2])
			}
		}
	default:
		_, part, found := strings.Cut(string(text), "Exposure Analysis Result:\n")
		if !found {
			t.Fatalf("%s: no exposure", path)
		}
		form := regexp.MustCompile(`^(\S+) +\t(<=|=>) \t(.*) : (.*)$`)
		for line := range strings.Lines(part) {
			line = strings.TrimRight(line, "\n")
			if m := form.FindStringSubmatch(line); m != nil && m[2] == "=>" {
				lines = append(lines, m[1]+" => "+m[3]+" : "+m[4])
			} else if m != nil {
				lines = append(lines, m[3]+" => "+m[1]+" : "+m[4])
			} else if strings.Contains(line, "is not protected on") {
				unprotected = append(unprotected, strings.Join(strings.Fields(line), " "))
			} else if line != "" && !strings.HasSuffix(line, ":") {
				t.Fatalf("%s: not understood: %q", path, line)
			}
		}
	}
	for i, line := range lines {
		lines[i] = ourNames(line)
	}
	slices.Sort(lines)
	slices.Sort(unprotected)
	return lines, unprotected
}

var (
	expression = regexp.MustCompile(`\{Key:([^,]*),Operator:(\w+),Values:\[([^\]]*)\],\}`)
	labelList  = regexp.MustCompile(`\[(namespace|pod) with \{(.*?)\}\](/| => | : |$)`)
)

// ourNames writes a line of a golden with the names that this package has for
// pods that may come to exist.
func ourNames(line string) string {
	line = strings.NewReplacer("[External]", "", "entire-cluster", AnyPod, "[all namespaces]", "[any namespace]", "[all pods]", "[any pod]").Replace(line)
	// A name without a protocol is one under each.
	line = regexp.MustCompile(` :  ([a-z-]+)$`).ReplaceAllString(line, " : SCTP $1,TCP $1,UDP $1")
	line = labelList.ReplaceAllStringFunc(line, func(text string) string {
		m := labelList.FindStringSubmatch(text)
		var conditions []string
		rest := expression.ReplaceAllStringFunc(m[2], func(e string) string {
			x := expression.FindStringSubmatch(e)
			values := strings.Fields(x[3])
			slices.Sort(values)
			list := "(" + strings.Join(values, ",") + ")"
			switch {
			case x[2] == "Exists":
				conditions = append(conditions, x[1])
			case x[2] == "DoesNotExist":
				conditions = append(conditions, "!"+x[1])
			case x[2] == "In" && len(values) == 1:
				conditions = append(conditions, x[1]+"="+values[0])
			case x[2] == "In":
				conditions = append(conditions, x[1]+" in "+list)
			default:
				conditions = append(conditions, x[1]+" notin "+list)
			}
			return ""
		})
		for _, label := range strings.Split(rest, ",") {
			if label != "" {
				conditions = append(conditions, label)
			}
		}
		return bracket(m[1], conditions) + m[3]
	})
	return line
}

// ourExposure is the same of the engine.
func ourExposure(t *testing.T, e *Engine) []string {
	t.Helper()
	list, missed := e.Newcomers()
	if len(missed) > 0 {
		t.Errorf("missed: %v", missed)
	}
	for _, c := range e.List() {
		if !strings.Contains(c.Src, "/") || !strings.Contains(c.Dst, "/") {
			list = append(list, c)
		}
	}
	lines := make([]string, len(list))
	for i, c := range list {
		lines[i] = c.String()
	}
	slices.Sort(lines)
	return lines
}

// differing are the folders about which this engine says something else, and
// why. The lines are ours.
var differing = map[string]struct {
	why  string
	ours []string // in place of those that begin alike
}{
	"exposure_test_real_namespace_without_real_pod": {
		"namespace ns1 is there and has the label x=xval, so a pod app=foo in it meets both rules",
		[]string{"ns1/[pod with app=foo] => ns1/pod-in-ns1[Deployment] : TCP 8080,9090"},
	},
	"exposure_test_with_different_rules_3": {
		"a pod without the label app meets app notin (x) as well",
		[]string{"hello-world/[pod with !app] => hello-world/workload-a[Deployment] : TCP 8080,9090"},
	},
	"exposure_test_with_different_rules_3_with_matching_pod": {
		"a pod without the label app meets app notin (x) as well",
		[]string{"hello-world/[pod with !app] => hello-world/workload-a[Deployment] : TCP 8080,9090"},
	},
	"exposure_test_with_different_rules_4": {
		"what is not in (w,x,y,z) is not in (x,y)",
		[]string{"hello-world/[pod with role notin (w,x,y,z)] => hello-world/workload-a[Deployment] : TCP 8080,9090"},
	},
}

// left are lines that one of the two leaves out, and why.
var left = map[string]struct {
	why  string
	line *regexp.Regexp
}{
	"exposure_test_with_anp_14": {
		"the other engine leaves out a workload that is open to the outside alone",
		regexp.MustCompile("0.0.0.0-255.255.255.255 => hello-world/workload-b|hello-world/workload-b.* => 0.0.0.0-255.255.255.255"),
	},
	"exposure_test_with_different_rules_6_with_matching_pods": {
		"role in (api) is role=api here, and a pod of the folder meets the condition",
		regexp.MustCompile(`^\[namespace with env=env-1,foo=managed\]/\[pod with app=app-x,role=api\]`),
	},
}

// reconcile takes what is known to differ out of both.
func reconcile(t *testing.T, folder string, want, got []string) (a, b []string) {
	t.Helper()
	known := differing[folder]
	for _, line := range known.ours {
		pair, _, _ := strings.Cut(line, " : ")
		same := func(l string) bool { return strings.HasPrefix(l, pair+" : ") }
		if !slices.Contains(got, line) || slices.Contains(want, line) || !slices.ContainsFunc(want, same) {
			t.Errorf("%q is not what differs any more (%s)", line, known.why)
		}
		want, got = slices.DeleteFunc(want, same), slices.DeleteFunc(got, same)
	}
	if out, is := left[folder]; is {
		n := len(want) + len(got)
		want, got = slices.DeleteFunc(want, out.line.MatchString), slices.DeleteFunc(got, out.line.MatchString)
		if n == len(want)+len(got) {
			t.Errorf("nothing is left out any more (%s)", out.why)
		}
	}
	return want, got
}

// TestExposesPublicGoldens compares what is open to pods that may come to
// exist with what another engine says, the workloads that no policy selects
// too.
func TestExposesPublicGoldens(t *testing.T) {
	root := corpora(t, "netpol")
	compared, equal := 0, 0
	for _, row := range table(t, filepath.Join(root, "INDEX.tsv")) {
		if row["mode"] != "exposure" && row["mode"] != "explain_exposure" {
			continue
		}
		compared++
		t.Run(filepath.Base(row["expected"]), func(t *testing.T) {
			want, unprotected := exposureLines(t, filepath.Join(root, row["expected"]), row["format"])
			e := engineOf(t, filepath.Join(root, "tests", row["dir"]))
			got := ourExposure(t, e)
			if focus := strings.ReplaceAll(row["focus_workload"], "_", "/"); focus != "" {
				got = slices.DeleteFunc(got, func(line string) bool { return !strings.Contains(line, focus+"[") })
			}
			if cmp.Equal(want, got) {
				equal++
			}
			want, got = reconcile(t, row["dir"], want, got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			if row["format"] == "txt" && row["focus_workload"] == "" {
				if diff := cmp.Diff(unprotected, e.unprotected()); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
	for folder, d := range differing {
		t.Logf("%s differs: %s", folder, d.why)
	}
	for folder, d := range left {
		t.Logf("%s differs: %s", folder, d.why)
	}
	t.Logf("%d of %d are equal", equal, compared)
	if compared == 0 {
		t.Error("no exposure was compared")
	}
}

// unprotected lists the workloads that no policy selects for a direction.
func (e *Engine) unprotected() []string {
	var list []string
	for i := range e.world.byLoad {
		for d, name := range []string{"Ingress", "Egress"} {
			if slices.ContainsFunc(e.classesOf(i), func(c int) bool { return e.sides[d][c].open }) {
				list = append(list, e.fullName(i)+" is not protected on "+name)
			}
		}
	}
	slices.Sort(list)
	return list
}
