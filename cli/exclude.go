//go:build !scanner

package cli

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/model"
)

// excluder finds the pattern that leaves out a path below an estate's folder.
type excluder = func(path string) (pattern string, ok bool)

// leftOut counts the files that patterns leave out.
type leftOut struct {
	exclude excluder
	files   map[string]int // by pattern; 0 for a folder without files
	folder  string         // whose entries are being counted; "" outside of one
	pattern string         // that left it out
}

// takes reports whether an entry is left out, and counts it. Entries come in
// the order of a walk, a folder before what is below it.
func (l *leftOut) takes(dir, path string, d fs.DirEntry) bool {
	rel, err := filepath.Rel(dir, path)
	if err != nil || rel == "." || l.exclude == nil {
		return false
	}
	rel = filepath.ToSlash(rel)
	if l.folder != "" && !strings.HasPrefix(rel, l.folder+"/") {
		l.folder = ""
	}
	pattern, ok := l.pattern, l.folder != ""
	if !ok {
		pattern, ok = l.exclude(rel)
	}
	switch {
	case !ok:
		return false
	case !d.IsDir():
		l.files[pattern]++
	case l.folder == "":
		l.folder, l.pattern = rel, pattern
		l.files[pattern] += 0 // it matches something
	}
	return true
}

// notes say of each pattern how many files it left out.
func (l *leftOut) notes(patterns []string) []string {
	var out []string
	for _, p := range patterns {
		switch n, ok := l.files[p]; {
		case !ok:
			out = append(out, "exclude: "+p+" matches nothing")
		case n == 1:
			out = append(out, "exclude: "+p+" leaves out 1 file")
		default:
			out = append(out, fmt.Sprintf("exclude: %s leaves out %d files", p, n))
		}
	}
	return out
}

// manifestsOf are the manifests of a cluster: those that the estate file
// names, else all that were found. Where something is excluded a folder stands
// for what was found below it; a file that is named counts all the same.
func (r *reader) manifestsOf(c config.Cluster) []string {
	if len(c.Manifests) == 0 {
		return r.found.manifests
	}
	var out []string
	for _, path := range r.below(c.Manifests) {
		info, err := os.Stat(path)
		if len(r.config.Exclude) == 0 || err != nil || !info.IsDir() {
			out = append(out, path) // what can't be read is said by the reader
			continue
		}
		below := under(r.found.manifests, []string{path})
		if len(below) == 0 {
			r.missed = append(r.missed, model.Incomplete{What: path, Why: "named in manifests of " + config.FileName + ", but no manifest that counts was found there"})
		}
		out = append(out, below...)
	}
	return out
}
