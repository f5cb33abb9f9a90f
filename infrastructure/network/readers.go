package network

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/calico"
	"github.com/scantling/scantling/infrastructure/network/cilium"
	"github.com/scantling/scantling/infrastructure/network/istio"
	"github.com/scantling/scantling/infrastructure/network/kubernetes"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// readers is where policies come from: every reader's Read, and its Marks
// where it has them. A reader that is added takes its kinds out of
// foreignPolicies.
var readers = []struct {
	read  reader
	marks func(*kube.Snapshot, []policy.Policy) policy.Marker // of what was read
}{
	{kubernetes.Read, nil},
	{anew(cilium.Read), cilium.Marks},
	{anew(calico.Read), calico.Marks},
	{anew(istio.Read), istio.Marks},
	{anew(unread), nil},
}

// reader reads the policies of a snapshot; what was read of its objects before
// may be taken over.
type reader func(s *kube.Snapshot, before map[*kube.Object]policy.Policy) ([]policy.Policy, []model.Incomplete)

// anew makes a reader that takes nothing over: what its policies say depends on
// other objects than their own.
func anew(read func(*kube.Snapshot) ([]policy.Policy, []model.Incomplete)) reader {
	return func(s *kube.Snapshot, _ map[*kube.Object]policy.Policy) ([]policy.Policy, []model.Incomplete) {
		return read(s)
	}
}

// read asks every reader.
func read(s *kube.Snapshot, before map[*kube.Object]policy.Policy) (list []policy.Policy, marks []policy.Marker, incomplete []model.Incomplete) {
	for _, r := range readers {
		policies, missed := r.read(s, before)
		list = append(list, policies...)
		incomplete = append(incomplete, missed...)
		if r.marks != nil {
			marks = append(marks, r.marks(s, policies))
		}
	}
	return list, marks, incomplete
}

// foreign is a kind of policy that no reader reads.
type foreign struct {
	kind   string
	groups []string // API groups
	denies bool     // it can only deny what the network lets through
}

var foreignPolicies = []foreign{
	{"NetworkPolicy", []string{"crd.antrea.io"}, false},
	{"ClusterNetworkPolicy", []string{"crd.antrea.io"}, false},
	{"AuthorizationPolicy", []string{"policy.linkerd.io"}, true},
}

// unread makes unknown policies of the kinds that no reader reads, and names
// each kind once.
func unread(s *kube.Snapshot) ([]policy.Policy, []model.Incomplete) {
	var list []policy.Policy
	var incomplete []model.Incomplete
	for _, f := range foreignPolicies {
		var found []*kube.Object
		for _, o := range s.ByKind(f.kind) {
			if group, _, _ := strings.Cut(o.APIVersion, "/"); slices.Contains(f.groups, group) {
				found = append(found, o)
				list = append(list, f.unknown(o))
			}
		}
		if len(found) > 0 {
			incomplete = append(incomplete, model.Incomplete{
				What: "network " + f.kind + " " + found[0].Name,
				Why:  fmt.Sprintf("not evaluated yet (%d such, first at %s): answers that it could change depend on it", len(found), where(found[0])),
			})
		}
	}
	return list, incomplete
}

func (f foreign) unknown(o *kube.Object) policy.Policy {
	subject := policy.Expr(policy.All{})
	if o.Namespace != "" {
		subject = policy.InNamespace(o.Namespace)
	}
	why := f.kind + " " + o.Name + " is not evaluated"
	if f.denies {
		p := policy.Policy{Object: o, Layer: policy.Mesh, Subject: subject, Unsettled: true}
		p.Sides[policy.Ingress] = &policy.Side{Isolates: true, Depends: why}
		return p
	}
	return policy.Unknown(o, policy.Network, math.Inf(-1), subject, why)
}

// where is "file:line" of an object.
func where(o *kube.Object) string {
	return o.Position.File + ":" + strconv.Itoa(o.Position.Line)
}
