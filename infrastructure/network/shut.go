package network

import (
	"slices"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// Shut says whether policies shut every pod of a namespace, whatever labels it
// has, to other pods: all but what their rules name.
type Shut struct {
	By    string // the kind and name of one that does; "" for none
	Doubt string // why one may, where none does for sure; "" for none
}

// ShutSpaces reads the policies of a snapshot, of all kinds, and answers for
// each namespace that it is asked for. It builds no engine: who is let in
// doesn't matter to it.
func ShutSpaces(s *kube.Snapshot) func(namespace string) Shut {
	policies, _, _ := read(s, nil)
	return func(namespace string) Shut {
		n := kube.Namespace{Name: namespace}
		for _, known := range s.Namespaces() {
			if known.Name == namespace {
				n = known
			}
		}
		var result Shut
		for i := range policies {
			p := &policies[i]
			side := p.Sides[policy.Ingress]
			if side == nil || !wholeNamespace(p, n) {
				continue
			}
			switch {
			case side.Depends != "":
				result.Doubt = side.Depends
			case side.Isolates || deniesPods(side):
				return Shut{By: p.Object.Kind + " " + p.String()}
			}
		}
		return result
	}
}

// deniesPods reports whether what no earlier rule names is denied to every pod
// on every port. Policies of administrators don't isolate: they deny, and have
// no name for all addresses.
func deniesPods(side *policy.Side) bool {
	at := slices.IndexFunc(side.Rules, func(r policy.Rule) bool { return r.Ports == nil && r.Depends == "" && ofEveryPod(r.Peers) })
	return at >= 0 && side.Rules[at].Action == policy.Deny
}

// ofEveryPod reports whether peers hold every pod, whatever labels it has.
func ofEveryPod(peers []policy.Peer) bool {
	return peers == nil || slices.ContainsFunc(peers, func(p policy.Peer) bool {
		asked := false
		return p.Pods != nil && p.Pods.Match(func(policy.Key) (string, bool) {
			asked = true
			return "", false
		}) && !asked
	})
}
