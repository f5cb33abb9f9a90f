package network

import (
	"slices"

	"github.com/scantling/scantling/infrastructure/kube"
)

// Evaluates reports whether a gap of the snapshot is one no more: "kind
// KIND/APIVERSION" of a kind that kube keeps without knowing its type, and of
// which every object became a policy here, or is followed as a way in. Policies
// that could not be evaluated are in Incomplete by themselves.
func (e *Engine) Evaluates(gap string) bool {
	read := map[*kube.Object]bool{}
	for i := range e.policies {
		read[e.policies[i].Object] = true
	}
	found := false
	for _, o := range e.world.snapshot.Objects {
		if "kind "+o.Kind+"/"+o.APIVersion != gap {
			continue
		}
		if !read[o] && !leadsIn(o) {
			return false
		}
		found = true
	}
	return found
}

// leadsIn reports whether an object is of a kind that ways in are made of.
func leadsIn(o *kube.Object) bool {
	if groupOf(o) == gatewayGroup && slices.Contains([]string{"Gateway", "GatewayClass", "ReferenceGrant"}, o.Kind) {
		return true
	}
	for _, k := range routeKinds {
		if k.kind == o.Kind && slices.Contains(k.groups, groupOf(o)) {
			return true
		}
	}
	return false
}
