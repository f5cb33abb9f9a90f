package calico

import (
	"fmt"
	"net/netip"

	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/infrastructure/network/raw"
	"github.com/scantling/scantling/model"
)

// networkSet is a NetworkSet or a GlobalNetworkSet: addresses under labels.
type networkSet struct {
	name      string
	labels    map[string]string
	namespace string // "" of a global one
	spaces    map[string]string
	nets      []netip.Prefix
	depends   string // what else may be in it
}

func (r *reader) readSets() {
	spaces := map[string]map[string]string{}
	for _, n := range r.snapshot.Namespaces() {
		spaces[n.Name] = n.Labels
	}
	for _, kind := range []string{"GlobalNetworkSet", "NetworkSet"} {
		for _, o := range r.objects(kind) {
			set := networkSet{name: o.String(), labels: o.Labels()}
			if kind == "NetworkSet" {
				set.namespace = namespaceOf(o)
				set.spaces = spaces[set.namespace]
			}
			var spec setSpec
			err := raw.Spec(o, &spec)
			if err == nil {
				set.nets, err = ends.ParseAll(spec.Nets)
			}
			switch {
			case err != nil:
				set.depends = fmt.Sprintf("the addresses of %s, which can't be read", o)
				r.fail(o, "it can't be read: "+err.Error())
			case len(spec.unknown) > 0:
				set.depends = fmt.Sprintf("%s of %s", spec.unknown[0], o)
			}
			r.sets = append(r.sets, set)
		}
	}
}

// value looks up what a selector can ask of a set.
func (n *networkSet) value(k policy.Key) (string, bool) {
	switch k.Of {
	case policy.PodLabel:
		v, has := n.labels[k.Name]
		return v, has
	case policy.NamespaceName:
		return n.namespace, n.namespace != ""
	case policy.NamespaceLabel:
		v, has := n.spaces[k.Name]
		return v, has
	}
	return "", false
}

// setsOf returns the addresses of the sets that a condition holds for, and what
// they depend on.
func (r *reader) setsOf(e policy.Expr) (nets []netip.Prefix, depends string) {
	for i := range r.sets {
		if !e.Match(r.sets[i].value) {
			continue
		}
		nets = append(nets, r.sets[i].nets...)
		if depends == "" {
			depends = r.sets[i].depends
		}
	}
	return nets, depends
}

// nameHostEndpoints says that host endpoints aren't modelled, once.
func (r *reader) nameHostEndpoints() {
	list := r.objects("HostEndpoint")
	if len(list) == 0 {
		return
	}
	r.incomplete = append(r.incomplete, model.Incomplete{
		What: where(list[0]),
		Why:  fmt.Sprintf("%s: host endpoints are not modelled (%d): GlobalNetworkPolicies may hold for nodes and for pods on their network", list[0], len(list)),
	})
}
