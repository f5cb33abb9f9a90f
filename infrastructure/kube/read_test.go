package kube

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
)

const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: c, image: i}]}\n"

func read(t testing.TB, name, text string) *Snapshot {
	t.Helper()
	s, err := ReadFrom(context.Background(), "prod", name, strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// brief is a snapshot as lines: objects with their lines, then what is
// incomplete.
func brief(s *Snapshot) []string {
	var lines []string
	for _, o := range s.Objects {
		lines = append(lines, fmt.Sprintf("%s @%s:%d", o, o.Position.File, o.Position.Line))
	}
	for _, i := range s.Incomplete {
		lines = append(lines, i.What+" "+i.Why)
	}
	return lines
}

func TestReadText(t *testing.T) {
	laughs := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\na: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'i'; c++ {
		laughs += fmt.Sprintf("%c: &%c [*%c,*%c,*%c,*%c,*%c,*%c,*%c,*%c]\n", c, c, c-1, c-1, c-1, c-1, c-1, c-1, c-1, c-1)
	}
	for name, tc := range map[string]struct {
		file, text string
		want       []string
	}{
		"documents": {"a.yaml", "# head\n---\n" + pod + "---\n\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, namespace: nonsense}\n", []string{
			"Namespace shop @a.yaml:10", "Pod shop/web @a.yaml:3",
		}},
		"a list, with inherited kinds": {"a.yaml", "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: b}\n- metadata: {name: a}\n", []string{
			"Pod default/a @a.yaml:5", "Pod default/b @a.yaml:4",
		}},
		"JSON, kind after the items": {"a.json", "{\"items\": [\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}},\n{\"metadata\": {\"name\": \"b\"}}],\n\"apiVersion\": \"v1\", \"kind\": \"PodList\"}", []string{
			"Pod default/a @a.json:2", "Pod default/b @a.json:3",
		}},
		"JSON objects in a row and an array": {"-", `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}` + "\n" + `[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"b"}}]`, []string{
			"Pod default/a @-:1", "Pod default/b @-:2",
		}},
		"truncated YAML": {"a.yaml", pod + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: b\n", []string{
			"Pod shop/web @a.yaml:1", "a.yaml:8 not readable as YAML: did not find expected ',' or '}'",
		}},
		"truncated JSON": {"a.json", "{\"kind\": \"List\", \"apiVersion\": \"v1\", \"items\": [\n{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"a\"}},\n{\"apiVersion\": \"v1\", \"ki", []string{
			"Pod default/a @a.json:2", "a.json:3 not readable as JSON: the text ends inside a value",
		}},
		"a broken document between two": {"a.yaml", pod + "---\n\tx: [\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: b}\n", []string{
			"Pod default/b @a.yaml:8", "Pod shop/web @a.yaml:1", "a.yaml:6 not readable as YAML: found character that cannot start any token",
		}},
		"random bytes":             {"a.yaml", "\x00\xff\x13\x37\xde\xad", []string{"a.yaml:1 not readable as YAML: control characters are not allowed"}},
		"UTF-16":                   {"a.yaml", "\xff\xfea\x00", []string{"a.yaml:1 encoded as UTF-16: only UTF-8 is read"}},
		"nothing":                  {"a.yaml", "# nothing\n", []string{"a.yaml holds no document"}},
		"no Kubernetes":            {"a.yaml", "services: {web: {image: x}}\n", []string{"a.yaml:1 no Kubernetes object: apiVersion and kind are missing"}},
		"a scalar":                 {"a.yaml", pod + "---\njust words\n", []string{"Pod shop/web @a.yaml:1", "a.yaml:6 no Kubernetes object: apiVersion and kind are missing"}},
		"billion laughs":           {"a.yaml", laughs, []string{"a.yaml:5 aliases expand to more than 100000 nodes: not read"}},
		"an anchor inside itself":  {"a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: &a {name: a, labels: *a}\n", []string{"a.yaml:3 nested deeper than 100 levels: not read"}},
		"nested too deep":          {"a.yaml", "apiVersion: v1\nkind: Pod\nx: " + strings.Repeat("[", 200) + strings.Repeat("]", 200), []string{"a.yaml:3 nested deeper than 100 levels: not read"}},
		"nested too deep, JSON":    {"a.json", "{\"x\":" + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "}", []string{"a.json:1 not readable as JSON: nested deeper than 100 levels"}},
		"a key twice":              {"a.yaml", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n", []string{`a.yaml:5 the key "name" stands twice in one mapping`}},
		"a template":               {"a.yaml", pod + "---\n{{- if .x }}\nkind: Pod\n{{ end }}\n", []string{"Pod shop/web @a.yaml:1", "a.yaml:6 a template with {{ }}, no manifest: render it first"}},
		"a wrong type names field": {"a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, image: 7}]}\n", []string{"Pod default/a @a.yaml:1", "a.yaml:1 Pod a doesn't fit its type: cannot unmarshal number into Go struct field Container.spec.containers.image of type string: kept, not judged"}},
		"a number that overflows":  {"a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: c, ports: [{containerPort: 4294967376}]}]}\n", []string{"Pod default/a @a.yaml:1", "a.yaml:1 Pod a doesn't fit its type: cannot unmarshal number 4294967376 into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32: kept, not judged"}},
		"no name":                  {"a.yaml", "apiVersion: v1\nkind: Pod\nspec: {}\n", []string{"a.yaml:1 Pod without metadata.name: not read"}},
		"unknown fields are fine":  {"a.yaml", "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nnew: 1\nspec: {newer: 2}\n", []string{"Pod default/a @a.yaml:1"}},
		"unknown kinds in one line": {"a.yaml", "apiVersion: x.io/v1\nkind: Thing\nmetadata: {name: b}\n---\napiVersion: x.io/v1\nkind: Thing\nmetadata: {name: a}\n", []string{
			"Thing a @a.yaml:5", "Thing b @a.yaml:1", "kind Thing/x.io/v1 not known: kept, not judged (2, first at a.yaml:1)",
		}},
		"the last of two counts": {"a.yaml", pod + "---\n" + strings.Replace(pod, "image: i", "image: j", 1), []string{
			"Pod shop/web @a.yaml:6", "a.yaml:1 Pod shop/web is described again at a.yaml:6, which counts: this one is not judged",
		}},
		"the same twice":            {"a.yaml", pod + "---\n" + pod, []string{"Pod shop/web @a.yaml:6"}},
		"a list item of no use":     {"a.yaml", "apiVersion: v1\nkind: List\nitems:\n- 7\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n", []string{"Pod default/a @a.yaml:5", "a.yaml:4 a list item that is no Kubernetes object: apiVersion and kind are missing"}},
		"audit events are not ours": {"a.json", `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"1"}`, nil},
		"an unnumbered job":         {"a.yaml", "apiVersion: batch/v1\nkind: Job\nmetadata: {generateName: job-}\nspec: {template: {spec: {containers: []}}}\n", []string{"Job default/job- @a.yaml:1"}},
		"a custom kind is namespaced when its definition says so": {"a.yaml", "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: x}\nspec: {group: x.io, scope: Namespaced, names: {kind: Thing}}\n---\napiVersion: x.io/v1\nkind: Thing\nmetadata: {name: b}\n", []string{
			"CustomResourceDefinition x @a.yaml:1", "Thing default/b @a.yaml:6",
			"kind CustomResourceDefinition/apiextensions.k8s.io/v1 not known: kept, not judged (1, first at a.yaml:1)",
			"kind Thing/x.io/v1 not known: kept, not judged (1, first at a.yaml:6)",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if diff := cmp.Diff(tc.want, brief(read(t, tc.file, tc.text))); diff != "" {
				t.Error(diff)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

func TestYAMLIsReadAsKubectlDoes(t *testing.T) {
	s := read(t, "a.yaml", `
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
x: {yes: yes, quoted: "yes", off: off, octal: 0644, modern: 0o644, hex: 0x10, under: 1_000, float: 1.5, big: 12345678901234567890, date: 2020-01-02, none: ~, empty: , 1: one}
base: &b {a: 1, b: 2}
merged: {<<: *b, b: 3}
alias: *b
`)
	want := map[string]any{
		"yes": true, "quoted": "yes", "off": false, "octal": int64(420), "modern": int64(420), "hex": int64(16), "under": int64(1000),
		"float": 1.5, "big": 12345678901234567890.0, "date": "2020-01-02", "none": nil, "empty": nil, "1": "one",
	}
	raw := s.Objects[0].Raw
	if diff := cmp.Diff(want, raw["x"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]any{"a": int64(1), "b": int64(3)}, raw["merged"]); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(raw["base"], raw["alias"]); diff != "" {
		t.Error(diff)
	}
}

func TestSecretValuesAreDropped(t *testing.T) {
	const value = "aHVudGVyMg=="
	s := read(t, "a.yaml", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: s\n    annotations: {kubectl.kubernetes.io/last-applied-configuration: '"+value+"', owner: me}\n  data: {password: "+value+"}\n  stringData: {token: "+value+"}\n")
	o := s.Objects[0]
	if text := fmt.Sprint(o.Raw, o.Typed, s.Incomplete); strings.Contains(text, value) || strings.Contains(text, "hunter2") {
		t.Errorf("the value is still there: %s", text)
	}
	secret, is := o.Typed.(*corev1.Secret)
	if !is {
		t.Fatalf("not decoded: %v", s.Incomplete)
	}
	if _, has := secret.Data["password"]; !has || secret.Annotations["owner"] != "me" {
		t.Errorf("names are lost: %+v", secret)
	}
}

func TestRetiredVersionsDecodeIntoCurrentTypes(t *testing.T) {
	s := read(t, "a.yaml", "apiVersion: extensions/v1beta1\nkind: NetworkPolicy\nmetadata: {name: a}\nspec: {podSelector: {}}\n---\napiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: d}\nspec: {template: {spec: {containers: []}}}\n")
	if len(All[*networkingv1.NetworkPolicy](s)) != 1 || len(s.Workloads) != 1 || s.Objects[0].APIVersion != "extensions/v1beta1" {
		t.Errorf("%v", brief(s))
	}
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Skipf("no symbolic links here: %v", err)
	}
}

// TestReadTextSideBySide: what many workers make of a text is what one makes of it.
func TestReadTextSideBySide(t *testing.T) {
	var text strings.Builder
	for i := range 5 * ahead {
		switch i % 7 {
		case 2:
			text.WriteString("words: [\n---\n")
		case 3:
			text.WriteString("# nothing\n---\nno: object\n---\n")
		case 4:
			fmt.Fprintf(&text, "apiVersion: v1\nkind: PodList\nitems:\n- metadata: {name: a%d}\n- metadata: {name: b%d}\n---\n", i, i)
		case 5:
			fmt.Fprintf(&text, "apiVersion: v1\nkind: Pod\nmetadata:\n  name: same\n  ownerReferences: [{kind: Thing, name: one}]\nspec: {nodeName: n%d}\n---\n", i)
		default:
			fmt.Fprintf(&text, manifest, i)
		}
	}
	one := readText("a.yaml", []byte(text.String()), true, 1)
	if len(one.objects) < 3*ahead || len(one.incomplete) < ahead {
		t.Fatalf("%d objects, %d incomplete", len(one.objects), len(one.incomplete))
	}
	for _, workers := range []int{2, 3, 8} {
		got := readText("a.yaml", []byte(text.String()), true, workers)
		if diff := cmp.Diff([]any{one.objects, one.incomplete, one.read, one.skipped}, []any{got.objects, got.incomplete, got.read, got.skipped}); diff != "" {
			t.Errorf("%d workers:\n%.3000s", workers, diff)
		}
	}
}

// TestReadSparesPods: of the pods of one owner only that which stands for the
// workload keeps its Raw, as those of a live cluster.
func TestReadSparesPods(t *testing.T) {
	const of = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: %s\n  namespace: shop\n  labels: {app: web}\n  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web, controller: true}]\nspec: {containers: [{name: c, image: i}]}\n---\n"
	s := read(t, "a.yaml", fmt.Sprintf(of+of+of, "b", "a", "c"))
	if len(s.Workloads) != 1 || s.Workloads[0].Object.Raw == nil || len(s.Workloads[0].Pods) != 3 {
		t.Fatalf("%v", brief(s))
	}
	for _, o := range s.Objects {
		if spared := o.Raw == nil; spared == (o == s.Workloads[0].Object) || o.Labels()["app"] != "web" {
			t.Errorf("%s: no Raw: %v, labels %v", o, spared, o.Labels())
		}
	}
}

func TestReadFolder(t *testing.T) {
	outside, dir := t.TempDir(), t.TempDir()
	write(t, outside, map[string]string{"secret.yaml": strings.ReplaceAll(pod, "web", "stolen")})
	write(t, dir, map[string]string{
		"b.yml":           strings.ReplaceAll(pod, "web", "b"),
		"a/a.yaml":        strings.ReplaceAll(pod, "web", "a"),
		"a/c.json":        `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"c"}}`,
		"compose.yaml":    "services: {}\n",
		"chart.yaml":      "apiVersion: v2\nname: chart\n",
		"package.json":    `{"name": "x"}`,
		"README.md":       pod,
		".git/x.yaml":     pod,
		"blob":            strings.ReplaceAll(pod, "web", "linked"),
		"broken.yaml":     "apiVersion: v1\nkind: [\n",
		"noise.yaml":      "\x01\x02\x03",
		"nested/deep.yml": strings.ReplaceAll(pod, "web", "deep"),
	})
	link(t, "../nested", filepath.Join(dir, "a", "loop-to-sibling"))
	link(t, "..", filepath.Join(dir, "a", "loop"))
	link(t, "self", filepath.Join(dir, "self"))
	link(t, "b.yml", filepath.Join(dir, "again.yml"))
	link(t, "blob", filepath.Join(dir, "linked.yaml"))
	link(t, filepath.Join(outside, "secret.yaml"), filepath.Join(dir, "stolen.yaml"))
	link(t, outside, filepath.Join(dir, "out"))
	link(t, "nowhere.yaml", filepath.Join(dir, "dangling.yaml"))

	s, err := Reader{}.Read(context.Background(), "", []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	var names, gaps []string
	for _, o := range s.Objects {
		rel, err := filepath.Rel(dir, o.Position.File)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, o.Name+" "+filepath.ToSlash(rel))
	}
	for _, i := range s.Incomplete {
		gaps = append(gaps, strings.TrimPrefix(i.What, filepath.ToSlash(dir)+"/"))
	}
	if diff := cmp.Diff([]string{"c a/c.json", "a a/a.yaml", "b b.yml", "deep nested/deep.yml", "linked linked.yaml"}, names); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"broken.yaml:2", "dangling.yaml", "noise.yaml:1", "out", "self", "stolen.yaml"}, gaps); diff != "" {
		t.Errorf("%s\n%v", diff, s.Incomplete)
	}
	if s.Read != 5 || s.Skipped != 3 || s.Cluster != "cluster" {
		t.Errorf("read %d, skipped %d, cluster %q", s.Read, s.Skipped, s.Cluster)
	}
}

func TestReadPaths(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, map[string]string{"a.yaml": pod, "plain": pod, "compose.yaml": "services: {}\n"})
	missing := filepath.Join(dir, "missing.yaml")
	if _, err := (Reader{}).Read(context.Background(), "", []string{missing}); err == nil || !strings.Contains(err.Error(), missing) {
		t.Errorf("a path that isn't there: %v", err)
	}
	s, err := Reader{}.Read(context.Background(), "", []string{missing, filepath.Join(dir, "plain"), dir, filepath.Join(dir, "compose.yaml")})
	if err != nil {
		t.Fatal(err)
	}
	// The pod of a.yaml and plain is one and the same; a file that is named
	// must hold objects, found in a folder it need not.
	if len(s.Objects) != 1 || len(s.Incomplete) != 2 {
		t.Errorf("%v", brief(s))
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := (Reader{}).Read(ctx, "", []string{dir}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the context ended: %v", err)
	}
	empty := t.TempDir()
	if _, err := (Reader{}).Read(context.Background(), "", []string{empty}); err == nil || !strings.Contains(err.Error(), "no Kubernetes object was found") {
		t.Errorf("an empty folder: %v", err)
	}
	if s, err = (Reader{}).Read(context.Background(), "", []string{empty, dir}); err != nil || len(s.Incomplete) != 1 || s.Incomplete[0].What != empty {
		t.Errorf("an empty folder beside another: %v %v", s, err)
	}
}

func TestFileTooLarge(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "big.yaml")
	write(t, dir, map[string]string{"big.yaml": "", "ok.yaml": pod})
	if err := os.Truncate(path, MaxFile+1); err != nil {
		t.Fatal(err)
	}
	s, err := Reader{}.Read(context.Background(), "", []string{dir})
	if err != nil || len(s.Objects) != 1 || len(s.Incomplete) != 1 || !strings.Contains(s.Incomplete[0].Why, "more than") {
		t.Errorf("%v %v", brief(s), err)
	}
}

func TestGapsOfOneFileAreBounded(t *testing.T) {
	s := read(t, "a.yaml", strings.Repeat("--- word\n", 5000))
	if len(s.Incomplete) != maxGaps+1 || s.Incomplete[0].What != "a.yaml" || !strings.HasPrefix(s.Incomplete[0].Why, "4800 more documents") {
		t.Errorf("%d gaps, the first %+v", len(s.Incomplete), s.Incomplete[0])
	}
}

func FuzzReadFrom(f *testing.F) {
	for _, seed := range []string{pod, pod + "---\n" + pod, "a: &a [*a]\n", `{"kind":"List","items":[{"kind":"Pod"`, "{{ x }}", "--- |\n x\n...\n---\n", "%YAML 1.1\n---\nkind: Secret\napiVersion: v1\nmetadata: {name: x}\ndata: {a: b}", "\xff\xfe", "[]", "kind: PodList\napiVersion: v1\nitems: [{metadata: {name: a}}]"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, asJSON bool) {
		if len(text) > 1<<16 {
			return
		}
		name := "a.yaml"
		if asJSON {
			name = "a.json"
		}
		s := read(t, name, text)
		if again := read(t, name, text); !cmp.Equal(brief(s), brief(again)) {
			t.Errorf("not the same twice: %v and %v", brief(s), brief(again))
		}
		if len(s.Objects) == 0 && len(s.Incomplete) == 0 && s.Skipped == 0 && strings.TrimSpace(text) != "" && !emptyLists(name, text) {
			t.Errorf("%q went without a word", text)
		}
		lines := strings.Count(text, "\n") + 1
		for _, o := range s.Objects {
			if o.Kind == "" || o.APIVersion == "" || o.Position.Line < 1 || o.Position.Line > lines {
				t.Errorf("%s at line %d of %d", o, o.Position.Line, lines)
			}
		}
		if s.Read < len(s.Objects) {
			t.Errorf("%d objects of %d read", len(s.Objects), s.Read)
		}
	})
}

// emptyLists reports whether every document is a list without items, which
// is read and holds nothing.
func emptyLists(name, text string) bool {
	documents := 0
	for _, decode := range scanText(name, []byte(text)) {
		for _, d := range decode().docs {
			documents++
			kind, _ := d.raw["kind"].(string)
			items, isList := d.raw["items"].([]any)
			if len(items) > 0 || !isList && !strings.HasSuffix(kind, "List") {
				return false
			}
		}
	}
	return documents > 0
}

// manifest is an ordinary Deployment of 40 lines.
const manifest = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: app%d
  namespace: shop
  labels: {app: app, tier: web}
spec:
  replicas: 3
  selector:
    matchLabels: {app: app}
  template:
    metadata:
      labels: {app: app, tier: web}
    spec:
      serviceAccountName: app
      securityContext: {runAsNonRoot: true, runAsUser: 1000}
      containers:
      - name: app
        image: registry.example/shop/app:1.2.3
        args: ["--listen", ":8080"]
        ports:
        - {containerPort: 8080, name: http}
        env:
        - {name: A, value: b}
        - name: P
          valueFrom: {secretKeyRef: {name: s, key: k}}
        resources:
          requests: {cpu: 100m, memory: 128Mi}
          limits: {cpu: "1", memory: 256Mi}
        readinessProbe:
          httpGet: {path: /ready, port: http}
          periodSeconds: 5
        volumeMounts:
        - {name: data, mountPath: /data}
      volumes:
      - name: data
        emptyDir: {}
---
`

func BenchmarkRead(b *testing.B) {
	var text strings.Builder
	const objects = 500
	for i := range objects {
		fmt.Fprintf(&text, manifest, i)
	}
	for b.Loop() {
		if s := read(b, "a.yaml", text.String()); len(s.Objects) != objects || len(s.Incomplete) > 0 {
			b.Fatal(brief(s)[:1])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/objects, "µs/object")
}
