package network

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// doubt says how policies that are not evaluated could change the answers
// about a class.
type doubt int

const (
	certain   doubt = iota
	mayDeny         // what is allowed here may be denied there
	mayChange       // anything may be otherwise
)

// foreign is a kind of policy that is not evaluated yet.
type foreign struct {
	kind   string
	groups []string // API groups
	effect doubt
}

// foreignPolicies are the policies of other APIs that decide about
// connections. Istio's are only applied to what the network lets through.
var foreignPolicies = []foreign{
	{"AdminNetworkPolicy", []string{"policy.networking.k8s.io"}, mayChange},
	{"BaselineAdminNetworkPolicy", []string{"policy.networking.k8s.io"}, mayChange},
	{"ClusterNetworkPolicy", []string{"policy.networking.k8s.io"}, mayChange},
	{"CiliumNetworkPolicy", []string{"cilium.io"}, mayChange},
	{"CiliumClusterwideNetworkPolicy", []string{"cilium.io"}, mayChange},
	{"NetworkPolicy", []string{"projectcalico.org", "crd.projectcalico.org"}, mayChange},
	{"GlobalNetworkPolicy", []string{"projectcalico.org", "crd.projectcalico.org"}, mayChange},
	{"AuthorizationPolicy", []string{"security.istio.io"}, mayDeny},
}

// istioRoot is the namespace whose Istio policies hold for the whole mesh
// unless the mesh is configured otherwise.
const istioRoot = "istio-system"

// findDoubts marks the classes about which a policy that is not evaluated may
// decide otherwise, and names each kind of such policies once.
func (e *Engine) findDoubts(refused []*kube.Object) {
	e.doubt = make([]doubt, len(e.world.classes))
	for _, o := range refused {
		e.mark(o.Namespace, mayChange)
	}
	for _, f := range foreignPolicies {
		var found []*kube.Object
		for _, o := range e.world.snapshot.ByKind(f.kind) {
			group, _, _ := strings.Cut(o.APIVersion, "/")
			if !slices.Contains(f.groups, group) {
				continue
			}
			found = append(found, o)
			namespace := o.Namespace
			if f.kind == "AuthorizationPolicy" && namespace == istioRoot {
				namespace = ""
			}
			e.mark(namespace, f.effect)
		}
		if len(found) > 0 {
			e.Incomplete = append(e.Incomplete, model.Incomplete{
				What: "network " + f.kind + " " + found[0].Name,
				Why:  fmt.Sprintf("not evaluated yet (%d such, first at %s): answers that it could change depend on it", len(found), where(found[0])),
			})
		}
	}
}

// mark raises the doubt about the pods of a namespace, "" for all.
func (e *Engine) mark(namespace string, d doubt) {
	for i, c := range e.world.classes {
		if namespace == "" || e.world.spaces[c.space].Name == namespace {
			e.doubt[i] = max(e.doubt[i], d)
		}
	}
}

// doubtOf returns the doubt about a class, none about an address.
func (e *Engine) doubtOf(peer int) doubt {
	if peer >= len(e.doubt) {
		return certain
	}
	return e.doubt[peer]
}
