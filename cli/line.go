//go:build !scanner

package cli

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/risk"
	"github.com/scantling/scantling/splice"
)

// saveLine writes the line of this run into the estate file, where it stays
// until somebody changes it: a third of the load would fall with the load.
func (a *app) saveLine(r *reader) error {
	file := filepath.Join(r.dir, config.FileName)
	if r.doc.Line == nil {
		return failed("--save-line: the load is unknown, so there is no line to write into %s", file)
	}
	root, err := os.OpenRoot(r.dir)
	if err != nil {
		return failed("writing %s: %s", file, cause(err))
	}
	defer root.Close()
	old, _, err := readFile(root, config.FileName)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return failed("reading %s: %s", file, cause(err))
	}
	if old != nil && r.config.Risk.Line != nil {
		a.say("%s has risk.line already: %s", file, r.doc.Line)
		r.doc.Notes = append(r.doc.Notes, file+" has risk.line already: "+r.doc.Line.String())
		return nil
	}
	text, err := withLine(old, *r.doc.Line)
	if err != nil {
		return failed("writing risk.line into %s: %w", file, err)
	}
	if err := replaceFile(root, config.FileName, old, text); err != nil {
		return failed("writing %s: %s", file, cause(err))
	}
	a.say("saved: risk.line %s in %s", r.doc.Line, file)
	r.doc.Notes = append(r.doc.Notes, "risk.line "+r.doc.Line.String()+" was written into "+file)
	return nil
}

// withLine sets risk.line in the text of an estate file.
func withLine(text []byte, line risk.Points) ([]byte, error) {
	docs := splice.Split(text)
	if len(docs) == 0 {
		return splice.Append(text, "risk:\n  line: "+line.String()+"\n"), nil
	}
	first, err := splice.Begins(text, docs[0])
	if err != nil {
		return nil, err
	}
	var number any = float64(line) / 1000
	if line%1000 == 0 {
		number = int(line / 1000)
	}
	return splice.Merge(text, first, map[string]any{"risk": map[string]any{"line": number}})
}
