package main

import (
	"bytes"
	"debug/buildinfo"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"github.com/scantling/scantling/examples/shop"
)

var update = flag.Bool("update", false, "rewrite the golden files of testdata")

// root is the estate as committed.
var root = filepath.Join("..", "..", "..", "examples", "shop")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got, rewrite with -update):\n%s", path, diff)
	}
}

// tree is every file below dir.
func tree(t *testing.T, dir fs.FS) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(dir, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(dir, path)
		files[path] = string(body)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestGeneratedFilesAreCommitted(t *testing.T) {
	dir := t.TempDir()
	if err := generate(dir); err != nil {
		t.Fatal(err)
	}
	want := tree(t, os.DirFS(filepath.Join(dir, imagesDir)))
	got := tree(t, os.DirFS(filepath.Join(root, imagesDir)))
	if len(want) == 0 {
		t.Fatal("nothing was generated")
	}
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s/%s differs: run go run ./internal/gen/shop", imagesDir, name)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s/%s is not generated", imagesDir, name)
		}
	}
}

func TestEmbeddedEstateIsWholeAndSmall(t *testing.T) {
	const limit = 3 << 20 // bytes: it is part of the program
	disk := tree(t, os.DirFS(root))
	delete(disk, "embed.go")
	embedded := tree(t, shop.FS)
	size := 0
	for name, body := range disk {
		size += len(body)
		if embedded[name] != body {
			t.Errorf("%s is not embedded as it is", name)
		}
	}
	t.Logf("%d files, %d bytes", len(disk), size)
	if size > limit {
		t.Errorf("%d bytes, over %d", size, limit)
	}
}

func TestGoBinaryCarriesItsModules(t *testing.T) {
	for _, spec := range specs {
		if spec.modules == "" {
			continue
		}
		t.Run(spec.name, func(t *testing.T) {
			program, err := goBinary(spec.modules)
			if err != nil {
				t.Fatal(err)
			}
			info, err := buildinfo.Read(bytes.NewReader(program))
			if err != nil {
				t.Fatal(err)
			}
			got := []string{"go " + info.GoVersion, "main " + info.Main.Path + " " + info.Main.Version}
			for _, dep := range info.Deps {
				got = append(got, dep.Path+" "+dep.Version)
			}
			rows, err := readFacts(spec.modules, 2)
			if err != nil {
				t.Fatal(err)
			}
			var want []string
			for _, row := range rows {
				want = append(want, strings.Join(row, " "))
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("modules (-want +got):\n%s", diff)
			}
		})
	}
}

// committed opens the layout of one image.
func committed(t *testing.T, name string) v1.ImageIndex {
	t.Helper()
	index, err := layout.ImageIndexFromPath(filepath.Join(root, imagesDir, name))
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func TestLayoutsAreValid(t *testing.T) {
	for _, spec := range specs {
		t.Run(spec.name, func(t *testing.T) {
			if err := validate.Index(committed(t, spec.name)); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestImagesOnOneBaseShareItsLayers(t *testing.T) {
	for name, tc := range map[string]struct {
		a, b string
		want int
	}{
		"both on the Java base":       {a: "storefront", b: "search", want: 2},
		"Debian below Java":           {a: "storefront", b: "orders", want: 1},
		"static":                      {a: "payments-api", b: "runner", want: 1},
		"an older Debian is another":  {a: "orders", b: "catalog", want: 0},
		"Debian and Alpine":           {a: "orders", b: "mailer", want: 0},
		"two Alpines that are unlike": {a: "mailer", b: "ci-deployer", want: 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := len(sharedLayers(t, tc.a, tc.b)); got != tc.want {
				t.Errorf("%s and %s share %d layers, want %d", tc.a, tc.b, got, tc.want)
			}
		})
	}
}

func sharedLayers(t *testing.T, a, b string) []string {
	t.Helper()
	ids := map[string][]string{}
	for _, name := range []string{a, b} {
		img, err := buildImage(specs[slices.IndexFunc(specs, func(s imageSpec) bool { return s.name == name })])
		if err != nil {
			t.Fatal(err)
		}
		cfg, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range cfg.RootFS.DiffIDs {
			ids[name] = append(ids[name], id.String())
		}
	}
	var shared []string
	for _, id := range ids[a] {
		if slices.Contains(ids[b], id) {
			shared = append(shared, id)
		}
	}
	return shared
}

// The pinned bases of the Dockerfiles are the bases that the images have.
func TestDockerfilesPinTheRealBase(t *testing.T) {
	for name, base := range map[string]string{"storefront": "jre", "payments-api": "static"} {
		t.Run(name, func(t *testing.T) {
			img, err := buildBase(base)
			if err != nil {
				t.Fatal(err)
			}
			digest, err := img.Digest()
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(filepath.Join(root, "services", name, "Dockerfile"))
			if err != nil {
				t.Fatal(err)
			}
			if want := fmt.Sprintf("FROM %s@%s\n", bases[base].ref, digest); !strings.Contains(string(text), want) {
				t.Errorf("no line %q", want)
			}
		})
	}
}
