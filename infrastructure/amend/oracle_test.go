package amend_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/scantling/scantling/infrastructure/amend"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/splice"
)

// writer writes random YAML of the styles that people use: mappings and lists
// in block or in flow style, dashes indented or not, comments here and there.
type writer struct {
	*rand.Rand
}

func (w *writer) chance(n int) bool { return w.IntN(n) == 0 }

func (w *writer) comment() string {
	if w.chance(4) {
		return " # said: {a, 'b]"
	}
	return ""
}

// entry is one key with a value: a string is written as it is.
type entry struct {
	key   string
	value any // string, []entry, []any
}

func (w *writer) flow(v any) string {
	switch v := v.(type) {
	case []entry:
		var parts []string
		for _, e := range v {
			parts = append(parts, e.key+": "+w.flow(e.value))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case []any:
		var parts []string
		for _, x := range v {
			parts = append(parts, w.flow(x))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return v.(string)
}

// block writes the entries of a mapping at an indentation.
func (w *writer) block(entries []entry, indent int, firstIsPlaced bool) string {
	var b strings.Builder
	for i, e := range entries {
		if i > 0 || !firstIsPlaced {
			if w.chance(6) {
				fmt.Fprintf(&b, "%s# about %s\n", strings.Repeat(" ", indent), e.key)
			}
			b.WriteString(strings.Repeat(" ", indent))
		}
		b.WriteString(e.key + ":")
		switch v := e.value.(type) {
		case string:
			b.WriteString(" " + v + w.comment() + "\n")
		case []entry:
			if w.chance(3) {
				b.WriteString(" " + w.flow(v) + w.comment() + "\n")
			} else {
				b.WriteString(w.comment() + "\n" + w.block(v, indent+2, false))
			}
		case []any:
			if w.chance(3) {
				b.WriteString(" " + w.flow(v) + w.comment() + "\n")
			} else {
				b.WriteString(w.comment() + "\n" + w.list(v, indent+2*w.IntN(2)))
			}
		}
	}
	return b.String()
}

func (w *writer) list(items []any, indent int) string {
	var b strings.Builder
	for _, item := range items {
		b.WriteString(strings.Repeat(" ", indent) + "- ")
		if m, ok := item.([]entry); ok && !w.chance(3) {
			b.WriteString(w.block(m, indent+2, true))
		} else {
			b.WriteString(w.flow(item) + w.comment() + "\n")
		}
		if w.chance(8) {
			b.WriteString("\n")
		}
	}
	return b.String()
}

// deployment is a random workload with ways out.
func (w *writer) deployment() []entry {
	var volumes []any
	for i, path := range []string{"/", "/var/run/docker.sock", "/data", "/etc"} {
		volumes = append(volumes, []entry{{"name", fmt.Sprintf("v%d", i)}, {"hostPath", []entry{{"path", path}}}})
	}
	container := func(name string) any {
		c := []entry{{"name", name}, {"image", `"x:1"`}}
		if w.chance(2) {
			s := []entry{{"allowPrivilegeEscalation", "false"}}
			if w.chance(2) {
				s = append(s, entry{"privileged", "true"})
			}
			var add []any
			for _, name := range []string{"SYS_ADMIN", "NET_ADMIN", "CAP_SYS_PTRACE", "CHOWN", "SYS_MODULE"} {
				if w.chance(2) {
					add = append(add, name)
				}
			}
			if len(add) > 0 {
				s = append(s, entry{"capabilities", []entry{{"add", add}, {"drop", []any{"ALL"}}}})
			}
			w.Shuffle(len(s), func(i, k int) { s[i], s[k] = s[k], s[i] })
			c = append(c, entry{"securityContext", s})
		}
		var mounts []any
		for i := range volumes {
			if w.chance(2) {
				mounts = append(mounts, []entry{{"name", fmt.Sprintf("v%d", i)}, {"mountPath", fmt.Sprintf("/m%d", i)}})
			}
		}
		if len(mounts) > 0 {
			c = append(c, entry{"volumeMounts", mounts})
		}
		w.Shuffle(len(c)-1, func(i, k int) { c[i+1], c[k+1] = c[k+1], c[i+1] })
		return c
	}
	spec := []entry{{"containers", []any{container("a"), container("b")}}, {"volumes", volumes}}
	if w.chance(2) {
		spec = append(spec, entry{"initContainers", []any{container("i")}})
	}
	if w.chance(2) {
		spec = append(spec, entry{"hostPID", "true"})
	}
	w.Shuffle(len(spec), func(i, k int) { spec[i], spec[k] = spec[k], spec[i] })
	labels := []entry{{"app", "x"}}
	return []entry{
		{"apiVersion", "apps/v1"},
		{"kind", "Deployment"},
		{"metadata", []entry{{"name", "d"}, {"namespace", "ns"}}},
		{"spec", []entry{{"selector", []entry{{"matchLabels", labels}}}, {"template", []entry{{"metadata", []entry{{"labels", labels}}}, {"spec", spec}}}}},
	}
}

// dropped reads a file and returns the action that takes its privileges.
func dropped(t *testing.T, file string) (*kube.Snapshot, model.Action) {
	t.Helper()
	s, err := kube.Reader{}.Read(t.Context(), "c", []string{file})
	if err != nil || len(s.Incomplete) > 0 {
		t.Fatalf("%v %v", err, s.Incomplete)
	}
	m, err := paths.Build(s, network.Build(s), identity.Build(s))
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range m.Actions() {
		if a.Type == model.DropPrivilege {
			return s, a
		}
	}
	return s, model.Action{}
}

// typed decodes YAML as Kubernetes does.
func typed(t *testing.T, text []byte) (d appsv1.Deployment) {
	t.Helper()
	if err := yaml.Unmarshal(text, &d); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return d
}

// TestStrategicMerge holds edits of random manifests against Kubernetes' own
// strategic merge patch, and wants the documents around them untouched and the
// way out to be gone.
func TestStrategicMerge(t *testing.T) {
	const before, after = "# first\napiVersion: v1\nkind: Namespace\nmetadata: {name: ns}\n---\n", "---\napiVersion: v1\nkind: Namespace\nmetadata: {name: o} # last\n"
	done := 0
	for seed := range uint64(200) {
		w := &writer{rand.New(rand.NewPCG(seed, 1))}
		text := w.block(w.deployment(), 0, false)
		file := filepath.Join(t.TempDir(), "d.yaml")
		if err := os.WriteFile(file, []byte(before+text+after), 0o600); err != nil {
			t.Fatal(err)
		}
		s, action := dropped(t, file)
		if action.ID == "" {
			continue
		}
		done++
		changes, err := amend.Plan(s, action)
		if err != nil || len(changes) != 1 {
			t.Fatalf("seed %d: %d changes, %v", seed, len(changes), err)
		}
		edited, err := changes[0].Apply(t.Context(), []byte(before+text+after))
		if err != nil {
			t.Fatalf("seed %d: %v\n%s\n%s", seed, err, text, action.Patch)
		}
		docs := splice.Split(edited)
		if len(docs) != 3 || string(edited[:docs[0].End]) != strings.TrimSuffix(before, "---\n") || string(edited[docs[2].Start:]) != after {
			t.Fatalf("seed %d: other documents changed:\n%s", seed, edited)
		}
		if want, got := merged(t, text, action.Patch), typed(t, edited[docs[1].Start:docs[1].End]); !equality.Semantic.DeepEqual(want, got) {
			t.Fatalf("seed %d: differs from the strategic merge:\n%s\n%s\n%s", seed, text, action.Patch, edited)
		}
		if err := os.WriteFile(file, edited, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, again := dropped(t, file); again.ID != "" {
			t.Fatalf("seed %d: a way out is left: %s\n%s", seed, again.Title, edited)
		}
	}
	if done < 100 {
		t.Errorf("only %d manifests had something to drop", done)
	}
}

// merged is the oracle: the API server's way to apply the patch.
func merged(t *testing.T, text, patch string) appsv1.Deployment {
	t.Helper()
	old, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	change, err := yaml.YAMLToJSON([]byte(patch))
	if err != nil {
		t.Fatal(err)
	}
	out, err := strategicpatch.StrategicMergePatch(old, change, appsv1.Deployment{})
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := json.Unmarshal(out, &d); err != nil {
		t.Fatal(err)
	}
	return d
}
