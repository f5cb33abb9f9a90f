package archtest

import (
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

// root is the module's root from this package's folder, where tests run.
const root = "../.."

func TestModule(t *testing.T) {
	problems, err := check(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Error(p)
	}
}

// A layer must not be allowed to import one above it, or itself twice.
func TestTablePointsDown(t *testing.T) {
	for i, upper := range layers {
		for k, lower := range layers {
			// Generators and test means stand aside of the layers; nothing but tests imports them.
			aside := strings.HasPrefix(upper.pkg, "internal/")
			target := strings.TrimSuffix(upper.pkg, "/...")
			if k >= i && anyMatches(lower.may, target) && !aside {
				t.Errorf("%s may import %s, which is not below it", lower.pkg, upper.pkg)
			}
			if i != k && lower.pkg == upper.pkg {
				t.Errorf("%s has two layers", upper.pkg)
			}
		}
		if upper.why == "" {
			t.Errorf("%s says no reason", upper.pkg)
		}
		for p := range strings.FieldsSeq(upper.may) {
			known := func(l layer) bool {
				return matches(p, strings.TrimSuffix(l.pkg, "/...")) || matches(l.pkg, p)
			}
			if !slices.ContainsFunc(layers, known) {
				t.Errorf("%s may import %s, which is no layer", upper.pkg, p)
			}
		}
	}
	for _, c := range cages {
		if c.why == "" || c.only+c.tests == "" {
			t.Errorf("the cage of %s lacks its reason or its place", c.path)
		}
	}
}

// The stages must stay apart, whatever else the table says.
func TestStagesStayApart(t *testing.T) {
	for _, l := range layers {
		stage, _, ok := strings.Cut(l.pkg, "/")
		if !ok || !slices.Contains(stageFolders, stage) {
			continue
		}
		for _, other := range layers {
			folder, _, _ := strings.Cut(other.pkg, "/")
			if folder != stage && slices.Contains(stageFolders, folder) && anyMatches(l.may, other.pkg) {
				t.Errorf("%s may import %s of another stage", l.pkg, other.pkg)
			}
		}
	}
}

const ours = "example.org/fake/"

// source makes a file of a package with imports, one a line from line 3 on.
func source(pkg string, imports ...string) *fstest.MapFile {
	text := "package " + pkg + "\n\n"
	for _, to := range imports {
		text += "import _ \"" + to + "\"\n"
	}
	return &fstest.MapFile{Data: []byte(text)}
}

func TestCheckReports(t *testing.T) {
	for name, tc := range map[string]struct {
		tree fstest.MapFS
		want []string
	}{
		"a clean tree": {fstest.MapFS{
			"cmd/scantling/main.go":        source("main", ours+"cli", "os"),
			"cli/assess.go":                source("cli", ours+"risk", ours+"build/lint", ours+"examples/shop", "github.com/spf13/cobra"),
			"risk/load.go":                 source("risk", ours+"estate", ours+"graph", ours+"model"),
			"build/lint/judge.go":          source("lint", ours+"build/dockerfile", ours+"rule", "golang.org/x/sync/errgroup"),
			"build/lint/judge_test.go":     source("lint", ours+"rules", "github.com/google/go-cmp/cmp"),
			"build/lint/wire_test.go":      source("lint_test", ours+"build/lint", ours+"registry/image", ours+"estate"),
			"oci/open.go":                  source("oci", "github.com/google/go-containerregistry/pkg/v1"),
			"registry/image/image_test.go": source("image", ours+"oci/ocitest", "github.com/google/go-containerregistry/pkg/v1"),
			"infrastructure/paths/edge.go": source("paths", ours+"infrastructure/network", "k8s.io/api/core/v1"),
			"rule/cases.go":                source("rule", "github.com/rogpeppe/go-internal/txtar"),
			"internal/gen/shop/main.go":    source("main", ours+"examples/shop", ours+"registry/image"),
		}, nil},
		"stages import each other": {fstest.MapFS{
			"build/lint/judge.go":        source("lint", "fmt", ours+"registry/image"),
			"runtime/detect/run.go":      source("detect", ours+"infrastructure/kube"),
			"runtime/detect/run_test.go": source("detect", ours+"infrastructure/kube"),
		}, []string{
			"build/lint/judge.go:4: build/lint may not import registry/image",
			"runtime/detect/run.go:3: runtime/detect may not import infrastructure/kube",
			"runtime/detect/run_test.go:3: runtime/detect may not import infrastructure/kube",
		}},
		"imports point up": {fstest.MapFS{
			"graph/a.go":                 source("graph", ours+"model"),
			"model/a.go":                 source("model", ours+"graph"),
			"estate/a.go":                source("estate", ours+"risk", ours+"build/lint"),
			"build/dockerfile/a.go":      source("dockerfile", ours+"build/lint", ours+"estate", ours+"cli"),
			"build/dockerfile/x_test.go": source("dockerfile_test", ours+"cli"),
			"oci/a.go":                   source("oci", ours+"rule"),
			"rules/embed.go":             source("rules", ours+"model"),
			"config/a.go":                source("config", ours+"report"),
			"registry/image/a.go":        source("image", ours+"oci/ocitest", ours+"internal/testkit", ours+"examples/shop"),
			"cmd/scantling/main.go":      source("main", ours+"model"),
		}, []string{
			"build/dockerfile/a.go:3: build/dockerfile may not import build/lint",
			"build/dockerfile/a.go:4: build/dockerfile may not import estate",
			"build/dockerfile/a.go:5: build/dockerfile may not import cli",
			"build/dockerfile/x_test.go:3: build/dockerfile may not import cli",
			"cmd/scantling/main.go:3: cmd/scantling may not import model",
			"config/a.go:3: config may not import report",
			"estate/a.go:3: estate may not import risk",
			"estate/a.go:4: estate may not import build/lint",
			"graph/a.go:3: graph may not import model",
			"model/a.go:3: model may not import graph",
			"oci/a.go:3: oci may not import rule",
			"registry/image/a.go:3: registry/image may not import oci/ocitest",
			"registry/image/a.go:4: registry/image may not import internal/testkit",
			"registry/image/a.go:5: registry/image may not import examples/shop",
			"rules/embed.go:3: rules may not import model",
		}},
		"broken cages": {fstest.MapFS{
			"infrastructure/network/a.go": source("network", "k8s.io/client-go/kubernetes", "k8s.io/api/core/v1"),
			"registry/image/a.go":         source("image", "github.com/google/go-containerregistry/pkg/v1"),
			"build/lint/a.go":             source("lint", "k8s.io/api/core/v1", "github.com/moby/buildkit/frontend/dockerfile/parser"),
			"report/a.go":                 source("report", "github.com/google/go-cmp/cmp", "example.com/left/pad"),
			"report/a_test.go":            source("report", "github.com/google/go-cmp/cmp", "example.com/left/pad"),
			"cli/a.go":                    source("cli", "github.com/rogpeppe/go-internal/testscript", "github.com/rogpeppe/go-internal/other"),
			"model/a.go":                  source("model", "github.com/valyala/fastjson"),
		}, []string{
			"build/lint/a.go:3: k8s.io/api/core/v1 belongs in infrastructure/..., internal/testkit/lateral, internal/gen/lateral",
			"build/lint/a.go:4: github.com/moby/buildkit/frontend/dockerfile/parser belongs in build/dockerfile",
			"cli/a.go:3: github.com/rogpeppe/go-internal/testscript is for tests",
			"cli/a.go:4: no cage names github.com/rogpeppe/go-internal/other: add it to the table with a reason",
			"infrastructure/network/a.go:3: k8s.io/client-go/kubernetes belongs in infrastructure/kube/..., infrastructure/lifetime, runtime/respond",
			"model/a.go:3: github.com/valyala/fastjson belongs in runtime/..., internal/gen/detect",
			"registry/image/a.go:3: github.com/google/go-containerregistry/pkg/v1 belongs in oci/..., internal/gen/...",
			"report/a.go:3: github.com/google/go-cmp/cmp is for tests",
			"report/a.go:4: no cage names example.com/left/pad: add it to the table with a reason",
			"report/a_test.go:4: no cage names example.com/left/pad: add it to the table with a reason",
		}},
		"packages without a layer": {fstest.MapFS{
			"build/compile/a.go": source("compile", ours+"cli"),
			"extra/a.go":         source("extra"),
			"a.go":               source("fake"),
		}, []string{
			"a.go:1: package . is in no layer: add it to the table",
			"build/compile/a.go:1: package build/compile is in no layer: add it to the table",
			"extra/a.go:1: package extra is in no layer: add it to the table",
		}},
		"Go files in stage folders": {fstest.MapFS{
			"build/a.go":        source("build"),
			"runtime/a_test.go": source("runtime"),
		}, []string{
			"build/a.go:1: build is a stage folder and holds packages, no Go files",
			"runtime/a_test.go:1: runtime is a stage folder and holds packages, no Go files",
		}},
		"names and init": {fstest.MapFS{
			"internal/gen/helpers/a.go": source("helpers"),
			"server/login/a.go":         source("util"),
			"report/text.go":            {Data: []byte("// Package report …\npackage report\n\ntype t int\n\nfunc (t) init() {}\n\nfunc init() {}\n")},
			"report/text_test.go":       {Data: []byte("package report\n\nfunc init() {}\n")},
		}, []string{
			`internal/gen/helpers/a.go:1: "helpers" says nothing: name a package after what it provides`,
			"report/text.go:8: init() runs behind the reader's back: call it by name",
			`server/login/a.go:1: "util" says nothing: name a package after what it provides`,
		}},
		"ignored stage": {fstest.MapFS{
			".gitignore":          {Data: []byte("# outputs\n/dist/\n*.out\nbuild\n!build\n/lint/\n")},
			"build/.gitignore":    {Data: []byte("l*t/\nbuild/\n/lint\n")},
			"build/lint/judge.go": source("lint"),
		}, []string{
			".gitignore:4: build hides build/.gitignore",
			"build/.gitignore:1: l*t/ hides build/lint/judge.go",
			"build/.gitignore:3: /lint hides build/lint/judge.go",
		}},
		"folders that are not read": {fstest.MapFS{
			"build/lint/testdata/a.go":    source("util", ours+"cli"),
			"_old/a.go":                   source("old"),
			".cache/a.go":                 source("cache"),
			"web/node_modules/flat/go.go": source("flat"),
			"test/e2e/go.mod":             {Data: []byte("module example.org/fake/test/e2e\n")},
			"test/e2e/a.go":               source("e2e"),
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			tc.tree["go.mod"] = &fstest.MapFile{Data: []byte("module " + strings.TrimSuffix(ours, "/") + "\n\ngo 1.26\n")}
			problems, err := check(tc.tree)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range problems {
				got = append(got, p.String())
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("problems (-want +got):\n%s", d)
			}
		})
	}
}

// What can't be read is an error with its place, not a clean tree.
func TestCheckErrors(t *testing.T) {
	mod := &fstest.MapFile{Data: []byte("module example.org/fake\n")}
	for name, tc := range map[string]struct {
		tree fstest.MapFS
		want string
	}{
		"no module":     {fstest.MapFS{}, "reading the module: "},
		"broken source": {fstest.MapFS{"go.mod": mod, "cli/a.go": {Data: []byte("package cli\n\nimport fmt\n")}}, "parsing cli/a.go: cli/a.go:3:"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := check(tc.tree); err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error is %v, want %s…", err, tc.want)
			}
		})
	}
}

func TestHides(t *testing.T) {
	for _, tc := range []struct {
		row, folder, file string
		want              bool
	}{
		{"build/", ".", "build/lint/a.go", true},
		{"/build", ".", "build/lint/a.go", true},
		{"build/**", ".", "build/lint/a.go", true},
		{"**/lint", ".", "build/lint/a.go", true},
		{"lint", ".", "build/lint/a.go", true},
		{"/lint", ".", "build/lint/a.go", false},
		{"build/lint", ".", "build/lint/a.go", true},
		{"build/pin", ".", "build/lint/a.go", false},
		{"*.go", ".", "build/lint/a.go", true},
		{"a.go/", ".", "build/lint/a.go", false},
		{"b[", ".", "build/lint/a.go", false},
		{"build", "web", "build/lint/a.go", false},
		{"lint", "build", "build/lint/a.go", true},
	} {
		if got := hides(tc.row, tc.folder, tc.file); got != tc.want {
			t.Errorf("%q in %q hides %s: %v, want %v", tc.row, tc.folder, tc.file, got, tc.want)
		}
	}
}
