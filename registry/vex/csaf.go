package vex

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"

	"github.com/scantling/scantling/model"
)

// csafProfile is the category of documents that are VEX (CSAF 2.0, 4.5).
const csafProfile = "csaf_vex"

// csafDocument is the part of a CSAF document that is read.
type csafDocument struct {
	Document struct {
		Category  string `json:"category"`
		Version   string `json:"csaf_version"`
		Publisher struct {
			Name string `json:"name"`
		} `json:"publisher"`
		Tracking struct {
			Current time.Time `json:"current_release_date"`
		} `json:"tracking"`
	} `json:"document"`
	Tree struct {
		Branches      []csafBranch       `json:"branches"`
		Names         []csafProduct      `json:"full_product_names"`
		Groups        []csafGroup        `json:"product_groups"`
		Relationships []csafRelationship `json:"relationships"`
	} `json:"product_tree"`
	Vulnerabilities []csafVulnerability `json:"vulnerabilities"`
}

type csafBranch struct {
	Branches []csafBranch `json:"branches"`
	Product  *csafProduct `json:"product"`
}

type csafProduct struct {
	ID     string `json:"product_id"`
	Name   string `json:"name"`
	Helper struct {
		PURL  string   `json:"purl"`
		PURLs []string `json:"purls"` // of CSAF 2.1
	} `json:"product_identification_helper"`
}

type csafGroup struct {
	ID       string   `json:"group_id"`
	Products []string `json:"product_ids"`
}

type csafRelationship struct {
	Product   csafProduct `json:"full_product_name"`
	Component string      `json:"product_reference"`
	Of        string      `json:"relates_to_product_reference"`
}

type csafVulnerability struct {
	CVE string `json:"cve"`
	IDs []struct {
		Text string `json:"text"`
	} `json:"ids"`
	Status map[string][]string `json:"product_status"`
	Flags  []struct {
		csafScope
		Label string `json:"label"`
	} `json:"flags"`
	Threats []struct {
		csafScope
		Category string `json:"category"`
		Details  string `json:"details"`
	} `json:"threats"`
	Remediations []struct {
		csafScope
		Category string `json:"category"`
		Details  string `json:"details"`
	} `json:"remediations"`
}

// csafScope is the products that a part of a vulnerability speaks of.
type csafScope struct {
	Products []string `json:"product_ids"`
	Groups   []string `json:"group_ids"`
}

// csafStatuses are the lists of product_status that state something (CSAF 2.0,
// 3.2.3.9); the rest recommends.
var csafStatuses = []struct{ key, status string }{
	{"first_affected", model.Affected},
	{"known_affected", model.Affected},
	{"last_affected", model.Affected},
	{"known_not_affected", model.NotAffected},
	{"first_fixed", model.Fixed},
	{"fixed", model.Fixed},
	{"under_investigation", model.UnderInvestigation},
}

// csafTree finds products and the members of groups by their ids.
type csafTree struct {
	products map[string]Product
	groups   map[string][]string
}

// csaf takes in a CSAF document. The error is for one that is no VEX.
func (d *document) csaf(raw csafDocument) error {
	if raw.Document.Category != csafProfile {
		return fmt.Errorf("its category is %q: of CSAF documents only %s are read", clip(raw.Document.Category), csafProfile)
	}
	if v := raw.Document.Version; v != "2.0" && v != "2.1" {
		return fmt.Errorf("CSAF %q: versions 2.0 and 2.1 are read", clip(v))
	}
	tree := newTree(raw)
	refs := 0
	for i, v := range raw.Vulnerabilities {
		where := fmt.Sprintf("vulnerabilities[%d]", i)
		ids := []string{v.CVE}
		for _, id := range v.IDs {
			ids = append(ids, id.Text)
		}
		names := identifiers(ids...)
		if len(names) == 0 {
			d.skip(where, "it names no vulnerability")
			continue
		}
		if refs += v.size(tree); refs > maxReferences {
			d.skip(where, "more than %d references to products: this vulnerability and those behind it are not read", maxReferences)
			return nil
		}
		base := Statement{Vulnerabilities: names, Statement: model.Statement{
			Author: clip(raw.Document.Publisher.Name), Document: d.name, Time: raw.Document.Tracking.Current.UTC(),
		}}
		d.vulnerability(base, where, v, tree)
	}
	return nil
}

// newTree flattens branches, names and relationships. A relationship is its
// component inside what it relates to. Where it has a name of its own it is
// that, unless the name is as wide as the component's: then it says nothing of
// where the component is.
func newTree(raw csafDocument) csafTree {
	t := csafTree{products: map[string]Product{}, groups: map[string][]string{}}
	var walk func([]csafBranch)
	walk = func(list []csafBranch) {
		for _, b := range list {
			if b.Product != nil {
				t.products[b.Product.ID] = Product{Component: b.Product.component()}
			}
			walk(b.Branches)
		}
	}
	walk(raw.Tree.Branches)
	for _, p := range raw.Tree.Names {
		t.products[p.ID] = Product{Component: p.component()}
	}
	for _, r := range raw.Tree.Relationships {
		outer, inner := t.products[r.Of], t.products[r.Component]
		if own := r.Product.component(); own.isPlaceable() {
			if !own.isWide(inner.Component) {
				t.products[r.Product.ID] = Product{Component: own}
				continue
			}
			inner = Product{Component: own}
		}
		// One of what is itself a relationship is left as a product that can't
		// be placed.
		if len(outer.Subcomponents)+len(inner.Subcomponents) == 0 {
			t.products[r.Product.ID] = Product{Component: outer.Component, Subcomponents: []Component{inner.Component}}
		}
	}
	for _, g := range raw.Tree.Groups {
		t.groups[g.ID] = g.Products
	}
	return t
}

// isWide reports whether one of the package URLs has no version, or is one of
// the other's.
func (c Component) isWide(other Component) bool {
	return slices.ContainsFunc(c.purls, func(url packageurl.PackageURL) bool {
		return url.Version == "" || slices.ContainsFunc(other.purls, func(o packageurl.PackageURL) bool { return o.String() == url.String() })
	})
}

func (p csafProduct) component() Component {
	var out Component
	for _, text := range append([]string{p.Helper.PURL}, p.Helper.PURLs...) {
		if strings.HasPrefix(text, "pkg:") {
			out.name(text)
		}
	}
	return out
}

// size counts what reading a vulnerability takes, groups written out.
func (v csafVulnerability) size(t csafTree) int {
	n := 0
	scope := func(s csafScope) {
		n += len(s.Products)
		for _, g := range s.Groups {
			n += len(t.groups[g])
		}
	}
	for _, list := range v.Status {
		n += len(list)
	}
	for _, f := range v.Flags {
		scope(f.csafScope)
	}
	for _, x := range v.Threats {
		scope(x.csafScope)
	}
	for _, x := range v.Remediations {
		scope(x.csafScope)
	}
	return n
}

// each calls do for every product of a scope, groups written out.
func (t csafTree) each(s csafScope, do func(id string)) {
	for _, id := range s.Products {
		do(id)
	}
	for _, g := range s.Groups {
		for _, id := range t.groups[g] {
			do(id)
		}
	}
}

// words is what a vulnerability says of one product beside its status.
type words struct{ status, justification, impact, action string }

// vulnerability makes one statement for all products of which it says the
// same.
func (d *document) vulnerability(base Statement, where string, v csafVulnerability, t csafTree) {
	about := map[string]words{}
	for _, f := range v.Flags {
		t.each(f.csafScope, func(id string) { s := about[id]; s.justification = f.Label; about[id] = s })
	}
	for _, x := range v.Threats {
		if x.Category == "impact" {
			t.each(x.csafScope, func(id string) { s := about[id]; s.impact = clip(x.Details); about[id] = s })
		}
	}
	for _, x := range v.Remediations {
		t.each(x.csafScope, func(id string) { s := about[id]; s.action = cmp.Or(s.action, clip(x.Details)); about[id] = s })
	}
	same := map[words][]Product{}
	for _, list := range csafStatuses {
		for _, id := range v.Status[list.key] {
			s := about[id]
			if s.status = list.status; s.status != model.NotAffected {
				s.justification, s.impact = "", ""
			}
			if s.status != model.Affected {
				s.action = ""
			}
			same[s] = append(same[s], t.products[id])
		}
	}
	d.statements(base, where, same)
}

// statements adds them in a fixed order.
func (d *document) statements(base Statement, where string, same map[words][]Product) {
	var order []words
	for s := range same {
		order = append(order, s)
	}
	slices.SortFunc(order, func(a, b words) int {
		return cmp.Or(
			cmp.Compare(a.status, b.status), cmp.Compare(a.justification, b.justification),
			cmp.Compare(a.impact, b.impact), cmp.Compare(a.action, b.action),
		)
	})
	for _, s := range order {
		if err := checkStatus(s.status, s.justification, s.impact); err != nil {
			d.skip(where, "%v (%d products)", err, len(same[s]))
			continue
		}
		one := base
		one.Status, one.Justification, one.Impact, one.Action, one.Products = s.status, s.justification, s.impact, s.action, same[s]
		d.add(one)
	}
}
