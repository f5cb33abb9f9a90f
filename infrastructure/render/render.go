package render

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Bounds on one chart or kustomization.
const (
	maxFile  = 8 << 20  // bytes of one file
	maxInput = 64 << 20 // bytes of all files together
	maxFiles = 20_000   // files of one chart
	maxFirst = 200      // entries of an archive among which Chart.yaml is looked for
	// maxOutput is in bytes of rendered text: as much as the reader of
	// manifests takes in one file.
	maxOutput = 64 << 20
)

// Kind is the sort of thing that is rendered.
type Kind string

// The kinds, with the files that make a folder one of them.
const (
	Chart         Kind = "chart"         // Chart.yaml
	Archive       Kind = "chart archive" // a .tgz with Chart.yaml one folder down
	Kustomization Kind = "kustomization" // kustomization.yaml, kustomization.yml or Kustomization
)

// kustomizationNames are the names that Kustomize looks for, in its order.
var kustomizationNames = []string{"kustomization.yaml", "kustomization.yml", "Kustomization"}

// IsKustomization reports whether a file of that name makes its folder a
// kustomization.
func IsKustomization(name string) bool { return slices.Contains(kustomizationNames, name) }

// KindOf tells what a folder or file of fsys is; "" for none of the kinds. The
// file of a kustomization is what its folder is.
func KindOf(fsys fs.FS, name string) Kind {
	if strings.HasSuffix(name, ".tgz") && isPackedChart(fsys, name) {
		return Archive
	}
	regular := func(base string) bool {
		info, err := fs.Stat(fsys, path.Join(name, base))
		return err == nil && info.Mode().IsRegular()
	}
	if regular("Chart.yaml") {
		return Chart
	}
	for _, name := range kustomizationNames {
		if regular(name) {
			return Kustomization
		}
	}
	if IsKustomization(path.Base(name)) && regular("") {
		return Kustomization
	}
	return ""
}

// isPackedChart looks for Chart.yaml one folder down among the first entries.
// Helm packs it first; an archive that tar made begins with folders.
func isPackedChart(fsys fs.FS, name string) bool {
	f, err := fsys.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		return false
	}
	entries := tar.NewReader(io.LimitReader(unzipped, maxFile))
	for range maxFirst {
		entry, err := entries.Next()
		if err != nil {
			return false
		}
		if at := path.Clean(entry.Name); path.Base(at) == "Chart.yaml" && strings.Count(at, "/") == 1 {
			return true
		}
	}
	return false
}

// Request names what to render: Path below Root, with slashes. Files outside
// Root are never read. Values are paths of values files, which belong to the
// user and may lie anywhere.
type Request struct {
	Root      string
	Path      string
	Kind      Kind
	Values    []string
	Namespace string // of a chart's release; empty: default
}

// Document is the text that one file gave: one or more YAML documents.
type Document struct {
	File  string // below Root, with slashes
	Text  string
	Lines []int // Lines[i] is the line of File that line i+1 of Text came from; nil: not known
}

// Result is what came of one request.
type Result struct {
	Documents []Document
	Files     []string // all files below Root that were read, sorted
	Unread    []string // reasons why a part was left out
	Part      bool     // a library chart or a component: of use in others only
}

// Render renders in this process: for tests, and for the process that
// Isolated starts. The error says why nothing was rendered.
func Render(ctx context.Context, r Request) (Result, error) {
	root, err := os.OpenRoot(r.Root)
	if err != nil {
		return Result{}, err
	}
	defer root.Close()
	in := &input{root: root, left: maxInput, files: map[string]bool{}}
	var out Result
	switch r.Kind {
	case Chart, Archive:
		out, err = in.chart(ctx, r)
	case Kustomization:
		out, err = in.kustomization(r)
	default:
		err = fmt.Errorf("a %q can't be rendered", r.Kind)
	}
	if err != nil {
		return Result{}, err
	}
	out.Files = in.names()
	size := 0
	for _, d := range out.Documents {
		size += len(d.Text)
	}
	if size > maxOutput {
		return Result{}, fmt.Errorf("renders to more than %d bytes", maxOutput)
	}
	return out, nil
}
