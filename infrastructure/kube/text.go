package kube

import (
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
)

// maxGaps is how many gaps of one file are named one by one.
const maxGaps = 200

// ahead is how many parts of a text one worker may decode before they are
// taken in their order: few, for a part takes many times its size.
const ahead = 16

// part is what one part of a text gave.
type part struct {
	reading                      // of its objects; incomplete are those that don't fit
	documents int                // decoded ones
	unread    []model.Incomplete // those that aren't
	foreign   []int              // lines of those that are no Kubernetes objects
}

// readText turns the text of one file into objects; that many workers decode
// documents. A file that was named by itself must hold Kubernetes objects; one
// found in a folder may be anything.
func readText(file string, text []byte, named bool, workers int) reading {
	if isDump(text) {
		return readDump(file, text)
	}
	if !named && plainlyForeign(text) {
		return reading{skipped: 1}
	}
	all := part{reading: reading{lean: newLean()}}
	for list := range slices.Chunk(scanText(file, text), workers*ahead) {
		parts := make([]part, len(list))
		var group errgroup.Group
		group.SetLimit(workers)
		for i, decode := range list {
			group.Go(func() error {
				parts[i] = newPart(file, decode())
				return nil
			})
		}
		_ = group.Wait() // a part tells what it could not read
		for i := range parts {
			all.join(&parts[i])
		}
	}
	return all.finish(file, text, named)
}

func newPart(file string, s scan) part {
	p := part{documents: len(s.docs), unread: s.incomplete}
	for _, d := range s.docs {
		if !isObject(d.raw) && d.raw["items"] == nil || !p.document(file, d) {
			p.foreign = append(p.foreign, d.line)
		}
	}
	return p
}

// join appends the part that follows.
func (p *part) join(next *part) {
	for _, o := range next.objects {
		p.objects = append(p.objects, p.lean.keep(o))
	}
	p.incomplete = append(p.incomplete, next.incomplete...)
	p.read += next.read
	p.skipped += next.skipped
	p.documents += next.documents
	p.unread = append(p.unread, next.unread...)
	p.foreign = append(p.foreign, next.foreign...)
}

// finish judges the file as a whole.
func (p *part) finish(file string, text []byte, named bool) reading {
	r := p.reading
	if len(p.unread) > 0 && strings.Contains(string(text), "{{") {
		p.unread = []model.Incomplete{{What: p.unread[0].What, Why: "a template with {{ }}, no manifest: render it first"}}
	}
	r.incomplete = append(p.unread, r.incomplete...)
	for _, line := range p.foreign {
		if named || r.read > 0 {
			r.fail(file, line, "no Kubernetes object: apiVersion and kind are missing")
		} else {
			r.skipped++
		}
	}
	if named && p.documents == 0 && len(r.incomplete) == 0 {
		r.fail(file, 0, "holds no document")
	}
	if more := len(r.incomplete) - maxGaps; more > 0 {
		r.incomplete = r.incomplete[:maxGaps]
		r.fail(file, 0, "%d more documents of this file were not read or don't fit", more)
	}
	return r
}

// plainlyForeign is true for text that can't hold an object, so that parsing
// every YAML file of a source tree isn't needed. Binary data is not plainly
// anything.
func plainlyForeign(text []byte) bool {
	for _, c := range text {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0x7f || c >= 0x80 {
			return false
		}
	}
	s := string(text)
	return !strings.Contains(s, "apiVersion") && !strings.Contains(s, "kind")
}
