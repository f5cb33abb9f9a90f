package vex

import (
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// Set is all statements that were read. It is immutable and safe for
// concurrent use. A nil Set says nothing.
type Set struct {
	Documents int
	Unplaced  int // products that can't be placed: see the package comment

	statements []Statement
	byID       map[string][]*Statement // in the order of counts
}

// Len counts the statements about products that can be placed.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return len(s.statements)
}

func (s *Set) index() {
	s.byID = map[string][]*Statement{}
	for i := range s.statements {
		one := &s.statements[i]
		for _, id := range one.Vulnerabilities {
			s.byID[id] = append(s.byID[id], one)
		}
	}
	for _, list := range s.byID {
		slices.SortFunc(list, counts)
	}
}

// Names counts the statements that name one of the ids.
func (s *Set) Names(ids map[string]bool) int {
	if s == nil {
		return 0
	}
	n := 0
	for i := range s.statements {
		if slices.ContainsFunc(s.statements[i].Vulnerabilities, func(id string) bool { return ids[id] }) {
			n++
		}
	}
	return n
}

// View is the statements as they are about one image.
type View struct {
	set   *Set
	image subject
	// inside are the package URLs of languages' packages that are a file
	// themselves, by that file: what one executable holds is one product. A lock
	// file is none: what one of its packages says of another holds for itself.
	inside map[string][]packageurl.PackageURL
}

// For looks at the statements from one image. A nil Set gives a nil View.
func (s *Set) For(inv *image.Inventory) *View {
	if s == nil {
		return nil
	}
	v := &View{set: s, image: subjectOf(inv), inside: map[string][]packageurl.PackageURL{}}
	for i := range inv.Packages {
		if p := &inv.Packages[i]; p.Path != "" && p.SHA256 != "" {
			if url, err := packageurl.FromString(p.PURL); err == nil && !isSystem(url) {
				v.inside[p.Path] = append(v.inside[p.Path], url)
			}
		}
	}
	return v
}

// Of is the statement that counts for an advisory that touches a package of
// the image; nil where there is none.
//
// An advisory of several CVEs, as distributions publish them, is as one of
// them is: a statement about the advisory itself counts, else the least
// favourable of those about its CVEs, and a favourable one only where there is
// one for each. Another alias may be of one of the CVEs alone: what is said
// of it counts where it is not favourable.
func (v *View) Of(p *image.Package, advisory string, aliases, cves []string) *model.Statement {
	if v == nil {
		return nil
	}
	thing := packageOf(p)
	if len(cves) < 2 {
		return v.newest(thing, slices.Concat([]string{advisory}, aliases, cves)...).shown()
	}
	if s := v.newest(thing, advisory); s != nil {
		return s.shown()
	}
	var worst *Statement
	silent := false
	for _, id := range slices.Concat(cves, aliases) {
		s := v.newest(thing, id)
		isCVE := slices.Contains(cves, id)
		switch {
		case s == nil || !isCVE && s.Favourable():
			silent = silent || isCVE
		case worst == nil || favour(s.Status) < favour(worst.Status):
			worst = s
		}
	}
	if worst == nil || silent && worst.Favourable() {
		return nil
	}
	return worst.shown()
}

func (s *Statement) shown() *model.Statement {
	if s == nil {
		return nil
	}
	return &s.Statement
}

// newest is the statement that counts among those about any of the ids.
func (v *View) newest(p thing, ids ...string) *Statement {
	var best *Statement
	for _, id := range ids {
		list := v.set.byID[strings.ToUpper(id)]
		for i := len(list) - 1; i >= 0; i-- {
			if best != nil && counts(list[i], best) <= 0 {
				break // the list only gets older
			}
			if slices.ContainsFunc(list[i].Products, func(product Product) bool { return v.about(product, p) }) {
				best = list[i]
				break
			}
		}
	}
	return best
}

// about reports whether a product is the package, or the image or the file
// that it is in.
func (v *View) about(product Product, p thing) bool {
	if p.is(product.Component) {
		return true
	}
	if !v.image.is(product.Component) && !v.holds(product.Component, p) {
		return false
	}
	return len(product.Subcomponents) == 0 && v.image.is(product.Component) || slices.ContainsFunc(product.Subcomponents, p.is)
}

// holds reports whether the file of a language's package is the product: a
// module of a Go program is inside its main module.
func (v *View) holds(c Component, p thing) bool {
	if !p.readable || isSystem(p.url) {
		return false
	}
	return slices.ContainsFunc(c.purls, func(pattern packageurl.PackageURL) bool {
		return slices.ContainsFunc(v.inside[p.path], func(url packageurl.PackageURL) bool { return covers(pattern, url) })
	})
}
