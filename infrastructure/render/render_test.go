package render

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

// serving is set in the environment of the process that TestMain turns into
// one that renders.
const serving = "serve-a-rendering"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == serving {
		if err := Serve(context.Background(), os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// isolated renders in another process, as the program does.
func isolated(t *testing.T, r Request) (Result, error) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Isolated(t.Context(), r, self, serving)
}

// lay writes a txtar archive into a folder of its own.
func lay(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range txtar.Parse([]byte(text)).Files {
		file := filepath.Join(dir, filepath.FromSlash(f.Name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const shopChart = `
-- shop/Chart.yaml --
apiVersion: v2
name: shop
version: 1.0.0
dependencies:
  - {name: cache, version: 1.0.0, condition: cache.enabled}
  - {name: search, version: 2.0.0, condition: search.enabled}
-- shop/values.yaml --
image: registry.example/web:1
replicas: 2
privileged: false
cache: {enabled: true}
search: {enabled: false}
-- shop/.helmignore --
*.bak
-- shop/templates/old.yaml.bak --
{{ fail "ignored files are not rendered" }}
-- shop/templates/_helpers.tpl --
{{- define "shop.labels" -}}
app: {{ .Chart.Name }}
release: {{ .Release.Name }}
{{- end }}
-- shop/templates/web.yaml --
{{- if gt (int .Values.replicas) 0 }}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels:
    {{- include "shop.labels" . | nindent 4 }}
spec:
  replicas: {{ .Values.replicas }}
  template:
    spec:
      containers:
        - name: web
          image: {{ .Values.image }}
          securityContext:
            privileged: {{ .Values.privileged }}
{{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: {{ .Release.Namespace }}
-- shop/templates/NOTES.txt --
Thank you.
-- shop/templates/tests/ping.yaml --
apiVersion: v1
kind: Pod
metadata:
  name: ping
  annotations:
    "helm.sh/hook": test
-- shop/templates/job.yaml --
apiVersion: batch/v1
kind: Job
metadata:
  name: migrate
  annotations:
    "helm.sh/hook": pre-upgrade,test
-- shop/crds/thing.yaml --
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.shop.example}
-- shop/charts/cache/Chart.yaml --
apiVersion: v2
name: cache
version: 1.0.0
-- shop/charts/cache/values.yaml --
size: small
-- shop/charts/cache/templates/cache.yaml --
apiVersion: v1
kind: ConfigMap
metadata: {name: cache}
data: {size: {{ .Values.size }}}
-- values-prod.yaml --
privileged: true
cache: {size: large}
`

// shown is a result in the form of a text: each document below its file and
// the lines of its parts.
func shown(r Result) string {
	var b strings.Builder
	for _, d := range r.Documents {
		fmt.Fprintf(&b, "== %s\n", d.File)
		for i, l := range strings.Split(strings.TrimRight(d.Text, "\n"), "\n") {
			if strings.TrimSpace(l) == "" {
				continue
			}
			line := 0
			if i < len(d.Lines) {
				line = d.Lines[i]
			}
			fmt.Fprintf(&b, "%3d %s\n", line, l)
		}
	}
	for _, u := range r.Unread {
		fmt.Fprintf(&b, "unread: %s\n", u)
	}
	return b.String()
}

func TestChart(t *testing.T) {
	dir := lay(t, shopChart)
	got, err := isolated(t, Request{Root: dir, Path: "shop", Kind: Chart, Values: []string{filepath.Join(dir, "values-prod.yaml")}, Namespace: "prod"})
	if err != nil {
		t.Fatal(err)
	}
	want := `== shop/charts/cache/templates/cache.yaml
  1 apiVersion: v1
  2 kind: ConfigMap
  3 metadata: {name: cache}
  4 data: {size: large}
== shop/templates/job.yaml
  1 apiVersion: batch/v1
  2 kind: Job
  3 metadata:
  4   name: migrate
  5   annotations:
  6     "helm.sh/hook": pre-upgrade,test
== shop/templates/web.yaml
  2 apiVersion: apps/v1
  3 kind: Deployment
  4 metadata:
  5   name: web
  6   labels:
  6     app: shop
  6     release: shop
  8 spec:
  9   replicas: 2
 10   template:
 11     spec:
 12       containers:
 13         - name: web
 14           image: registry.example/web:1
 15           securityContext:
 15             privileged: true
 18 ---
 19 apiVersion: v1
 20 kind: Service
 21 metadata:
 22   name: web
 23   namespace: prod
== shop/crds/thing.yaml
  1 apiVersion: apiextensions.k8s.io/v1
  2 kind: CustomResourceDefinition
  3 metadata: {name: things.shop.example}
unread: its dependency search 2.0.0 is not in charts/: run helm dependency build
`
	if diff := cmp.Diff(want, shown(got)); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// TestArchive: the same chart packed gives the same text.
func TestArchive(t *testing.T) {
	dir := lay(t, shopChart)
	if out, err := exec.Command("tar", "-C", dir, "--exclude", "*.bak", "-czf", filepath.Join(dir, "shop-1.0.0.tgz"), "shop").CombinedOutput(); err != nil {
		t.Skipf("no tar to pack with: %v %s", err, out)
	}
	folder, err := Render(t.Context(), Request{Root: dir, Path: "shop", Kind: Chart})
	if err != nil {
		t.Fatal(err)
	}
	if kind := KindOf(os.DirFS(dir), "shop-1.0.0.tgz"); kind != Archive {
		t.Errorf("an archive that tar made is a %q", kind)
	}
	packed, err := Render(t.Context(), Request{Root: dir, Path: "shop-1.0.0.tgz", Kind: Archive})
	if err != nil {
		t.Fatal(err)
	}
	texts := func(r Result) (out []string) {
		for _, d := range r.Documents {
			out = append(out, d.Text)
		}
		return out
	}
	if diff := cmp.Diff(texts(folder), texts(packed)); diff != "" || len(folder.Documents) == 0 {
		t.Errorf("folder (-), archive (+):\n%s", diff)
	}
}

const shopKustomization = `
-- base/kustomization.yaml --
resources: [web.yaml, rules]
configMapGenerator:
  - {name: settings, literals: ["url=https://example.org"]}
-- base/web.yaml --
apiVersion: v1
kind: Service
metadata: {name: web}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: web, image: web}]
-- base/rules/kustomization.yml --
resources: [policy.yaml]
-- base/rules/policy.yaml --
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: all}
-- prod/kustomization.yaml --
namespace: prod
namePrefix: p-
resources: [../base]
images: [{name: web, newName: registry.example/web, newTag: "2"}]
patches:
  - path: privileged.yaml
-- prod/privileged.yaml --
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    spec:
      containers: [{name: web, securityContext: {privileged: true}}]
`

func TestKustomization(t *testing.T) {
	dir := lay(t, shopKustomization)
	got, err := isolated(t, Request{Root: dir, Path: "prod", Kind: Kustomization})
	if err != nil {
		t.Fatal(err)
	}
	want := `== base/web.yaml
  1 apiVersion: v1
  1 kind: Service
  1 metadata:
  1   name: p-web
  1   namespace: prod
== base/web.yaml
  5 apiVersion: apps/v1
  5 kind: Deployment
  5 metadata:
  5   name: p-web
  5   namespace: prod
  5 spec:
  5   template:
  5     spec:
  5       containers:
  5       - image: registry.example/web:2
  5         name: web
  5         securityContext:
  5           privileged: true
== base/rules/policy.yaml
  1 apiVersion: networking.k8s.io/v1
  1 kind: NetworkPolicy
  1 metadata:
  1   name: p-all
  1   namespace: prod
== base/kustomization.yaml
  0 apiVersion: v1
  0 data:
  0   url: https://example.org
  0 kind: ConfigMap
  0 metadata:
  0   name: p-settings-kfk8hbtm89
  0   namespace: prod
`
	text := shown(got)
	if i := strings.Index(text, "p-settings-"); i > 0 { // the hash is Kustomize's own
		text = text[:i] + "p-settings-kfk8hbtm89" + text[i+len("p-settings-kfk8hbtm89"):]
	}
	if diff := cmp.Diff(want, text); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
	files := []string{"base/kustomization.yaml", "base/rules/kustomization.yml", "base/rules/policy.yaml", "base/web.yaml", "prod/kustomization.yaml", "prod/privileged.yaml"}
	if diff := cmp.Diff(files, got.Files); diff != "" {
		t.Errorf("files read, want (-), got (+):\n%s", diff)
	}
}

// A kustomization may lie in the root itself.
func TestKustomizationOfRoot(t *testing.T) {
	dir := lay(t, shopKustomization)
	got, err := Render(t.Context(), Request{Root: filepath.Join(dir, "base", "rules"), Path: ".", Kind: Kustomization})
	if err != nil || len(got.Documents) != 1 || got.Documents[0].File != "policy.yaml" || got.Documents[0].Lines == nil {
		t.Errorf("%+v, %v", got, err)
	}
}

// A part of a values file is another one, so none is read.
func TestHugeValues(t *testing.T) {
	name := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(name, append(bytes.Repeat([]byte("# x\n"), maxFile/4), "privileged: true\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	if values, err := userValues([]string{name}); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("%v, %v", values, err)
	}
}

// TestRefused: what is hostile or broken ends with one reason, soon, and
// nothing outside the root is read.
func TestRefused(t *testing.T) {
	chart := func(template string) string {
		return "-- c/Chart.yaml --\napiVersion: v2\nname: c\nversion: 1.0.0\n-- c/templates/a.yaml --\n" + template + "\n"
	}
	kustomize := func(text string) string { return "-- c/kustomization.yaml --\n" + text + "\n" }
	for name, tc := range map[string]struct {
		kind Kind
		tree string
		want string
	}{
		"a template that fails":      {Chart, chart(`{{ fail "no password is set" }}`), "no password is set"},
		"a template that is broken":  {Chart, chart(`{{ if }}`), "missing value for if"},
		"a template without an end":  {Chart, chart(`{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}`), "nested reference"},
		"a template that fills":      {Chart, chart(`{{ range $i := until 100000 }}{{ repeat 1000000 "x" }}{{ end }}`), "rendering broke off"},
		"a chart that is broken":     {Chart, "-- c/Chart.yaml --\nname: [\n", "cannot load Chart.yaml"},
		"a file that is elsewhere":   {Kustomization, kustomize("resources: [../../outside.yaml]"), "outside.yaml"},
		"an address":                 {Kustomization, kustomize("resources: [\"https://example.org/a.yaml\"]"), `fetches "https://example.org/a.yaml" (resources)`},
		"a repository":               {Kustomization, kustomize("resources: [\"github.com/example/a?ref=v1\"]"), `fetches "github.com/example/a?ref=v1" (resources)`},
		"a repository by ssh":        {Kustomization, kustomize("components: [\"git@example.org:a.git\"]"), `fetches "git@example.org:a.git" (components)`},
		"a patch from an address":    {Kustomization, kustomize("patches: [{path: \"http://example.org/p.yaml\"}]"), `fetches "http://example.org/p.yaml" (patches)`},
		"a repository in disguise":   {Kustomization, kustomize("resources: [\"example.org/a\"]"), "example.org/a"},
		"an address below":           {Kustomization, kustomize("resources: [b]") + "-- c/b/kustomization.yaml --\nresources: [\"https://example.org/a.yaml\"]\n", "fetches"},
		"charts":                     {Kustomization, kustomize("helmCharts: [{name: a, repo: \"https://example.org\"}]"), "inflates Helm charts"},
		"a circle":                   {Kustomization, kustomize("resources: [../c]"), "cycle"},
		"a field that nobody knows":  {Kustomization, kustomize("resuorces: [a]"), "resuorces"},
		"a file that is missing":     {Kustomization, kustomize("resources: [a.yaml]"), "a.yaml"},
		"a remote plugin of its own": {Kustomization, kustomize("transformers: [t.yaml]") + "-- c/t.yaml --\napiVersion: builtin\nkind: PatchTransformer\nmetadata: {name: t}\npath: https://example.org/p.yaml\n-- c/x.yaml --\n", "p.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := lay(t, tc.tree)
			if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "outside.yaml"), []byte("apiVersion: v1\nkind: Secret\nmetadata: {name: stolen}\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			got, err := isolated(t, Request{Root: dir, Path: "c", Kind: tc.kind})
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%d documents, error %v, want one with %q", len(got.Documents), err, tc.want)
			}
		})
	}
}

// TestLinks: a link inside the root is followed, one out of it is not.
func TestLinks(t *testing.T) {
	dir := lay(t, "-- c/kustomization.yaml --\nresources: [link.yaml]\n-- shared/a.yaml --\napiVersion: v1\nkind: Service\nmetadata: {name: a}\n")
	link := filepath.Join(dir, "c", "link.yaml")
	for name, tc := range map[string]struct {
		target string
		ok     bool
	}{"inside": {"../shared/a.yaml", true}, "outside": {"../../outside.yaml", false}} {
		if err := os.Remove(link); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.Symlink(tc.target, link); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(filepath.Dir(dir), "outside.yaml"), []byte("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := Render(t.Context(), Request{Root: dir, Path: "c", Kind: Kustomization}); (err == nil) != tc.ok {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}

// TestEnds: a rendering that doesn't end is ended with the context.
func TestEnds(t *testing.T) {
	dir := lay(t, "-- c/Chart.yaml --\napiVersion: v2\nname: c\nversion: 1.0.0\n-- c/templates/a.yaml --\n{{ range $i := until 1000000 }}{{ range $k := until 1000000 }}{{ end }}{{ end }}\n")
	ctx, cancel := context.WithCancel(t.Context())
	started := make(chan error, 1)
	go func() {
		self, _ := os.Executable()
		_, err := Isolated(ctx, Request{Root: dir, Path: "c", Kind: Chart}, self, serving)
		started <- err
	}()
	cancel()
	if err := <-started; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func TestLinesOf(t *testing.T) {
	for name, tc := range map[string]struct {
		source, text string
		want         []int
	}{
		"the same":           {"a\nb\nc\n", "a\nb\nc\n", []int{1, 2, 3}},
		"indented otherwise": {"a\n  b\n", "a\nb\n", []int{1, 2}},
		"a line is filled":   {"a\nb: {{ x }}\nc\n", "a\nb: 1\nc\n", []int{1, 2, 3}},
		"lines are left out": {"{{ if x }}\na\n{{ end }}\nc\n", "a\nc\n", []int{2, 4}},
		"lines are made":     {"a\n{{ x }}\nc\n", "a\n1\n2\n3\nc\n", []int{1, 1, 1, 1, 3}},
		"nothing is alike":   {"{{ x }}\n", "1\n2\n", []int{1, 1}},
		"nothing at all":     {"", "", []int{1}},
	} {
		if diff := cmp.Diff(tc.want, linesOf(tc.source, tc.text)); diff != "" {
			t.Errorf("%s: want (-), got (+):\n%s", name, diff)
		}
	}
	if linesOf(strings.Repeat("a\n", 3000), strings.Repeat("b\n", 3000)) != nil {
		t.Error("a table over the bound was made")
	}
}
