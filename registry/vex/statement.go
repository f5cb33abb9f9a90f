package vex

import (
	"cmp"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"

	"github.com/scantling/scantling/model"
)

// Statement is what one author says of one vulnerability in some products.
type Statement struct {
	model.Statement
	Vulnerabilities []string // its ids, in capitals: name, aliases and the last part of an address
	Products        []Product
}

// Product is what a statement is about. With Subcomponents it is about those
// inside the product, and about nothing else of it.
type Product struct {
	Component
	Subcomponents []Component
}

// Component is one thing by all the names that the document gives it. Any of
// them is enough to know it by; without one it can't be placed.
type Component struct {
	purls   []packageurl.PackageURL
	digests []string // of an image, as "sha256:…"
	names   []string // of an image, as written
}

func (c Component) isPlaceable() bool { return len(c.purls)+len(c.digests)+len(c.names) > 0 }

// placeable drops the products that can't be known, and counts them: one of
// whose subcomponents none can be known is as good as none.
func placeable(products []Product) (kept []Product, dropped int) {
	for _, p := range products {
		had := len(p.Subcomponents) > 0
		p.Subcomponents = slices.DeleteFunc(slices.Clone(p.Subcomponents), func(c Component) bool { return !c.isPlaceable() })
		if !p.isPlaceable() || had && len(p.Subcomponents) == 0 {
			dropped++
			continue
		}
		kept = append(kept, p)
	}
	return kept, dropped
}

// statuses are the four that there are, the least favourable first.
var statuses = []string{model.Affected, model.UnderInvestigation, model.Fixed, model.NotAffected}

// justifications are those of both formats.
var justifications = []string{
	"component_not_present", "vulnerable_code_not_present", "vulnerable_code_not_in_execute_path",
	"vulnerable_code_cannot_be_controlled_by_adversary", "inline_mitigations_already_exist",
}

// favour is the place of a status among statuses.
func favour(status string) int { return slices.Index(statuses, status) }

// counts orders statements, the one that counts last: the newer, and of one
// time the less favourable. The rest only makes the order a fixed one.
func counts(a, b *Statement) int {
	return cmp.Or(
		a.Time.Compare(b.Time), cmp.Compare(favour(b.Status), favour(a.Status)),
		cmp.Compare(a.Document, b.Document), cmp.Compare(a.Justification, b.Justification), cmp.Compare(a.Impact, b.Impact),
	)
}

// identifiers brings the ids of a vulnerability to one form, sorted. An
// address counts by its last part too: https://nvd.nist.gov/vuln/detail/CVE-….
func identifiers(ids ...string) []string {
	var out []string
	for _, id := range ids {
		id = strings.ToUpper(strings.TrimSpace(id))
		if id == "" || len(id) > maxText {
			continue
		}
		out = append(out, id)
		if i := strings.LastIndexAny(id, "/#"); i >= 0 && strings.Contains(id[i:], "-") { // as all ids have that others share
			out = append(out, id[i+1:])
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
