package ends

import (
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// The marks of this package: "address" of a pod that has a known one, "address
// in 10.0.0.0/8 fd00::/8" of one that has an address in such a list, and "host"
// of one on the host's network.
const (
	knownMark = "address"
	inMark    = "address in "
	hostMark  = "host"
)

var (
	known  = mark(knownMark) // holds for pods that have a known address
	onHost = mark(hostMark)  // holds for pods on the host's network
)

func mark(name string) policy.Expr {
	return policy.Test{Key: policy.Key{Of: policy.Mark, Name: name}, Op: policy.Exists}
}

// in holds for pods that have an address in one of the prefixes.
func in(list []netip.Prefix) policy.Expr {
	texts := make([]string, 0, len(list))
	for _, p := range minimal(list) {
		texts = append(texts, p.String())
	}
	return mark(inMark + strings.Join(texts, " "))
}

// ranges is the list of one mark.
type ranges struct {
	name    string
	list    []netip.Prefix // minimal
	unknown bool           // it holds addresses that aren't known
}

// Marks gives the marks of this package that conditions of policies ask for.
func Marks(policies []policy.Policy) policy.Marker {
	asked, marked := askedRanges(policies)
	if !marked {
		return func(*kube.Workload, *kube.Pod) map[string]string { return nil }
	}
	return func(load *kube.Workload, pod *kube.Pod) map[string]string {
		marks := map[string]string{}
		if usesHost(load, pod) {
			marks[hostMark] = ""
		}
		addresses := addressesOf(pod)
		if len(addresses) > 0 {
			marks[knownMark] = ""
		}
		for i := range asked {
			r := &asked[i]
			inside := func(a netip.Addr) bool { return within(r.list, a) }
			if len(addresses) == 0 && r.unknown || slices.ContainsFunc(addresses, inside) {
				marks[r.name] = ""
			}
		}
		return marks
	}
}

// askedRanges lists the ranges whose marks the conditions of policies ask for,
// and says whether they ask for any mark at all.
func askedRanges(policies []policy.Policy) (asked []ranges, marked bool) {
	seen := map[string]bool{}
	look := func(k policy.Key) {
		marked = marked || k.Of == policy.Mark
		text, is := strings.CutPrefix(k.Name, inMark)
		if k.Of != policy.Mark || !is || seen[k.Name] {
			return
		}
		seen[k.Name] = true
		r := ranges{name: k.Name}
		for _, field := range strings.Fields(text) {
			r.list = append(r.list, netip.MustParsePrefix(field)) // written by in
		}
		r.unknown = unknownIn(r.list) == yes
		asked = append(asked, r)
	}
	for i := range policies {
		policies[i].Subject.Keys(look)
		for _, side := range policies[i].Sides {
			if side != nil {
				keysOfPeers(side.Rules, look)
			}
		}
	}
	return asked, marked
}

func keysOfPeers(rules []policy.Rule, look func(policy.Key)) {
	for _, r := range rules {
		for _, p := range r.Peers {
			if p.Pods != nil {
				p.Pods.Keys(look)
			}
		}
	}
}

func usesHost(load *kube.Workload, pod *kube.Pod) bool {
	if pod != nil && pod.Object != nil {
		if typed, is := pod.Object.Typed.(*corev1.Pod); is {
			return typed.Spec.HostNetwork
		}
	}
	return load.Spec.HostNetwork
}

func addressesOf(pod *kube.Pod) []netip.Addr {
	if pod == nil {
		return nil
	}
	list := make([]netip.Addr, 0, len(pod.IPs))
	for _, text := range pod.IPs {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, a.Unmap().WithZone(""))
		}
	}
	return list
}
