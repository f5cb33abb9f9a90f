package calico

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/infrastructure/network/raw"
)

const defaultTier = "default"

// tier is a tier as its policies need it.
type tier struct {
	name    string
	order   float64 // infinite where the object has none
	number  float64 // Side.Tier
	isolate bool    // what is selected and not decided is denied
}

// reserved are the tiers whose orders are fixed, under the old names of the
// admin tiers too. Those of the admin policies of Kubernetes pass on.
var reserved = map[string]tier{
	defaultTier:                  {order: policy.Standard, isolate: true},
	"adminnetworkpolicy":         {order: policy.Admin},
	"kube-admin":                 {order: policy.Admin},
	"baselineadminnetworkpolicy": {order: policy.Baseline},
	"kube-baseline":              {order: policy.Baseline},
}

// own are the tiers that Calico's operator makes, where they aren't read.
var own = map[string]tier{
	"allow-tigera":  {order: 100, isolate: true},
	"calico-system": {order: 100, isolate: true},
}

// lastTier is the number of the first tier without an order.
const lastTier = 1e300

// readTiers gives every tier its number. Tiers of one order go by name, so all
// but a reserved one get numbers next to it.
func (r *reader) readTiers() {
	found := map[string]tier{}
	for name, t := range reserved {
		found[name] = t
	}
	for name, t := range own {
		found[name] = t
	}
	for _, o := range r.objects("Tier") {
		if _, fixed := reserved[o.Name]; fixed {
			continue
		}
		var spec tierSpec
		if err := raw.Spec(o, &spec); err != nil {
			r.fail(o, "it can't be read: "+err.Error())
			delete(found, o.Name)
			continue
		}
		t := tier{order: math.Inf(1), isolate: spec.DefaultAction != "Pass"}
		if spec.Order != nil {
			t.order = *spec.Order
		}
		found[o.Name] = t
	}
	list := make([]tier, 0, len(found))
	for name, t := range found {
		t.name = name
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b tier) int {
		return cmp.Or(cmp.Compare(a.order, b.order), strings.Compare(a.name, b.name))
	})
	r.tiers = make(map[string]tier, len(list))
	for from := 0; from < len(list); {
		to := from
		for to < len(list) && list[to].order == list[from].order {
			to++
		}
		number(list[from:to])
		for _, t := range list[from:to] {
			r.tiers[t.name] = t
		}
		from = to
	}
}

// number numbers tiers of one order, sorted by name: the reserved one keeps it,
// those before and after it get the next numbers that there are.
func number(tiers []tier) {
	base := tiers[0].order
	if math.IsInf(base, 1) {
		base = lastTier
	}
	pivot := slices.IndexFunc(tiers, func(t tier) bool { _, is := reserved[t.name]; return is })
	pivot = max(pivot, 0)
	tiers[pivot].number = base
	for i := pivot - 1; i >= 0; i-- {
		tiers[i].number = math.Nextafter(tiers[i+1].number, math.Inf(-1))
	}
	for i := pivot + 1; i < len(tiers); i++ {
		tiers[i].number = math.Nextafter(tiers[i-1].number, math.Inf(1))
		if _, is := reserved[tiers[i].name]; is {
			tiers[i].number = base // the old and the new name of one tier
		}
	}
}

// tierOf returns a tier by name, "" for the default one. One that isn't known
// goes last.
func (r *reader) tierOf(name string) (t tier, known bool) {
	if t, known = r.tiers[cmp.Or(name, defaultTier)]; !known {
		return tier{name: name, number: 2 * lastTier, isolate: true}, false
	}
	return t, true
}
