package kube

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// fakeRenderer renders folders that hold a file named after their kind.
type fakeRenderer map[string]Rendered // by path below the root

func (fakeRenderer) Kind(fsys fs.FS, name string) (string, bool) {
	for _, kind := range []string{"chart", "kustomization"} {
		if _, err := fs.Stat(fsys, path.Join(filepath.ToSlash(name), kind)); err == nil {
			return kind, kind == "chart"
		}
	}
	return "", false
}

func (f fakeRenderer) Render(_ context.Context, _, path, _ string) (Rendered, error) {
	r, ok := f[path]
	if !ok {
		return r, errors.New("it is broken")
	}
	return r, nil
}

func service(name string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: " + name + "}\n"
}

func TestReadRendered(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"c/chart": "", "c/templates/a.yaml": "{{ not yaml", "bad/chart": "",
		"base/kustomization": "", "base/web.yaml": service("raw"), "base/other.yaml": service("other"),
		"over/kustomization": "", "part/kustomization": "", "plain.yaml": service("plain"),
	} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	reader := Reader{Root: dir, Renderer: fakeRenderer{
		"c":    {Texts: []RenderedText{{File: "c/templates/a.yaml", Text: "\n" + service("chart") + "---\n- x\n---\nkind: [\n", Lines: []int{1, 7, 8, 9, 10, 11, 12, 13}}}, Unread: []string{"a part is missing"}},
		"base": {Texts: []RenderedText{{File: "base/web.yaml", Text: service("base")}}, Files: []string{"base/kustomization", "base/web.yaml"}},
		"over": {Texts: []RenderedText{{File: "base/web.yaml", Text: service("over"), Lines: []int{4, 4, 4}}}, Files: []string{"over/kustomization", "base/kustomization", "base/web.yaml"}},
		"part": {Part: true},
	}}
	s, err := reader.Read(t.Context(), "c", []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	short := func(s string) string { return strings.ReplaceAll(s, dir+"/", "") }
	for _, o := range s.Objects {
		got = append(got, strings.Join([]string{o.Name, short(place(o.Position.File, o.Position.Line)), o.Rendered}, " "))
	}
	for _, x := range s.Incomplete {
		got = append(got, short(x.What+": "+x.Why))
	}
	want := []string{
		"chart c/templates/a.yaml:7 chart",
		"other base/other.yaml:1 ",
		"over base/web.yaml:4 kustomization",
		"plain plain.yaml:1 ",
		"bad: a chart that can't be rendered: it is broken",
		"c: a part is missing",
		"c/templates/a.yaml:11: no Kubernetes object: apiVersion and kind are missing",
		"c/templates/a.yaml:13: not readable as YAML: did not find expected node content",
		"part: a kustomization for others to use, and none here does: not read",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("want (-), got (+):\n%s", diff)
	}
}

// Without a renderer the files are read as they stand.
func TestReadWithoutRenderer(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(service("a")), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "chart"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	s, err := Reader{}.Read(t.Context(), "c", []string{dir})
	if err != nil || len(s.Objects) != 1 {
		t.Errorf("%d objects, %v", len(s.Objects), err)
	}
}

// Whatever way an argument is written, a base that is used is read once, and a
// folder outside of the current one is a root of its own.
func TestRenderedNames(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"a/k/base/kustomization": "", "a/k/base/web.yaml": service("raw"), "a/k/over/kustomization": "", "b/x": ""} {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct{ current, argument, root string }{
		"relative":     {"a", "k", "k/"},
		"absolute":     {"a", filepath.Join(dir, "a/k"), "k/"},
		"a way around": {"a", "../a/k", "k/"},
		"in itself":    {"a/k", ".", ""},
		"elsewhere":    {"b", "../a/k", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(filepath.Join(dir, filepath.FromSlash(tc.current)))
			base, over := tc.root+"base", tc.root+"over"
			s, err := Reader{Renderer: fakeRenderer{
				base: {Texts: []RenderedText{{File: base + "/web.yaml", Text: service("base")}}, Files: []string{base + "/kustomization", base + "/web.yaml"}},
				over: {Texts: []RenderedText{{File: base + "/web.yaml", Text: service("over")}}, Files: []string{over + "/kustomization", base + "/kustomization", base + "/web.yaml"}},
			}}.Read(t.Context(), "c", []string{tc.argument})
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.ToSlash(filepath.Join(tc.argument, "base/web.yaml")); len(s.Objects) != 1 || s.Objects[0].Name != "over" || s.Objects[0].Position.File != want || len(s.Incomplete) > 0 {
				t.Errorf("objects %v, incomplete %v, want over at %s", s.Objects, s.Incomplete, want)
			}
		})
	}
}
