package paths

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
)

// The metadata service of AWS, Google Cloud and Azure. Policies are asked about
// its IPv4 address; that of EC2 over IPv6, which instances answer only where it
// was turned on, is kept out by the same change.
const (
	metadataIPv4 = "169.254.169.254"
	metadataIPv6 = "fd00:ec2::254"
	metadataPort = 80
)

// fromPods marks the metadata service as the pods of a node see it: through
// the network policies, and from a hop further away.
const fromPods = "pods"

// Values of the facts that pods may ask the metadata service: no policy for
// egress selects those of a namespace, or those that do let a workload through.
const (
	metadataOpen = "the metadata service"
	metadataLet  = "the metadata service, by its policies"
)

// readOutward says of every workload whether it reaches the metadata service.
// Like the network facts of ingress, that no policy keeps pods from it is one
// fact for each namespace: one change removes it.
func (b *builder) readOutward() {
	address := netip.MustParseAddr(metadataIPv4)
	spaces := map[string]*space{}
	for _, sp := range b.spaces {
		spaces[sp.namespace] = sp
	}
	for i := range b.loads {
		l := &b.loads[i]
		if l.host {
			continue
		}
		l.outward = b.network.Outward(i, address, metadataPort)
		sp := spaces[l.Namespace]
		if l.outward.Open {
			sp.loose = append(sp.loose, l)
		} else {
			sp.bound = append(sp.bound, l)
		}
	}
	for _, sp := range b.spaces {
		sp.settleOutward()
	}
}

// settleOutward leaves to themselves the workloads that no selector can tell
// from those that have policies: to select these as well would let them out.
func (sp *space) settleOutward() {
	spare := newPostings(sp.bound)
	sp.loose = slices.DeleteFunc(sp.loose, func(l *load) bool {
		if len(sp.bound) > 0 {
			if _, twins := spare.selector(l); len(twins) > 0 {
				l.twin = twins[0]
			}
		}
		return l.twin != nil
	})
}

// askAsWorkload leads from a workload to the metadata service of its nodes.
// Where its node is unknown it may be any of those that are known.
func (b *builder) askAsWorkload(l *load) {
	if len(b.byNode) == 0 {
		return
	}
	for _, n := range l.nodes {
		if l.host || l.Spec.HostNetwork {
			b.step(instanceMetadata, key{sort: metadata, a: n}, l.key)
			continue
		}
		to := key{sort: metadata, a: n, b: fromPods}
		if b.excepted(l) {
			to.b = ""
		}
		if f, may := b.outwardFact(l); may && (to.b == "" || b.leads(to)) {
			b.stepOn(instanceMetadata, to, []graph.Fact{f}, l.key)
		}
	}
}

// leads reports whether links start at the metadata service of a node: of any
// where the node is unknown.
func (b *builder) leads(k key) bool {
	if k.a != anyNode {
		return len(b.links[k]) > 0
	}
	for _, n := range b.nodes {
		if len(b.links[key{sort: metadata, a: n.name, b: k.b}]) > 0 {
			return true
		}
	}
	return false
}

// expandMetadata leads from the metadata service of an unknown node to that of
// each known one.
func (b *builder) expandMetadata(k key) {
	if k.a != anyNode {
		return
	}
	for _, n := range b.nodes {
		if each := (key{sort: metadata, a: n.name, b: k.b}); each != k && len(b.links[each]) > 0 {
			b.step(implied, each, k)
		}
	}
}

// askAsRoot leads from root on a node to its metadata service.
func (b *builder) askAsRoot(k key) {
	if b.byNode[k.a] {
		b.step(instanceMetadata, key{sort: metadata, a: k.a}, k)
	}
}

// outwardFact states that a workload reaches the metadata service, and why no
// policy keeps it from there; false where one surely does.
func (b *builder) outwardFact(l *load) (graph.Fact, bool) {
	cluster, out := b.snapshot.Cluster, l.outward
	if out.Answer == network.Denied || out.Answer == "" {
		return 0, false
	}
	const technique = instanceMetadata
	if out.Open && l.twin == nil {
		at := slices.IndexFunc(b.spaces, func(sp *space) bool { return sp.namespace == l.Namespace })
		sp := b.spaces[at]
		return b.fact(model.Fact{
			Kind: model.Network, Asset: sp.ref(cluster), Value: metadataOpen, P: pRead, Origin: model.Measured, Attack: moves[technique].attack,
			Evidence: []model.Evidence{{What: "no egress policy keeps pods of namespace " + sp.namespace + " from " + metadataIPv4, Where: place(sp.loose[0].Object), Value: "NetworkPolicy"}},
		}, model.Proof{Object: "Namespace " + sp.namespace, Field: "NetworkPolicy", Rule: "none for egress selects " + names(sp.loose)}), true
	}
	f := model.Fact{
		Kind: model.Network, Asset: l.key.ref(cluster), Value: metadataLet, P: pRead, Origin: model.Measured, Attack: moves[technique].attack,
		Evidence: []model.Evidence{{What: "policies let " + nameOfLoad(l.Workload) + " reach " + metadataIPv4, Where: place(l.Object), Value: "NetworkPolicy"}},
	}
	if l.twin != nil {
		f.Evidence[0].What = "no selector tells " + nameOfLoad(l.Workload) + " from " + nameOfLoad(l.twin.Workload) + ", so no egress policy keeps it from " + metadataIPv4
		return b.fact(f, model.Proof{Object: nameOfLoad(l.Workload), Field: "NetworkPolicy", Rule: "none for egress selects it"}), true
	}
	if out.Answer == network.Depends {
		f.P, f.Origin = Doubtful, model.Default
		f.Evidence[0].What = "policies may let " + nameOfLoad(l.Workload) + " reach " + metadataIPv4
	}
	var proofs []model.Proof
	for _, r := range out.Reasons {
		if r.Allows || out.Answer == network.Depends {
			proofs = append(proofs, model.Proof{Object: cmp.Or(strings.TrimSpace(r.Kind+" "+r.Policy), nameOfLoad(l.Workload)), Field: r.Field, Rule: r.Text})
		}
	}
	return b.fact(f, proofs...), true
}

// keepIn is the change after which the loose workloads of a namespace may send
// to everything but the metadata service. Policies are additive: those that
// have egress policies already are spared, or it would let them out.
func (sp *space) keepIn(ref model.Ref, removes []string) model.Action {
	var documents []string
	taken := map[string]bool{}
	for _, name := range sp.policies {
		taken[name] = true
	}
	write := func(name string, selector object) {
		free := name
		for i := 2; taken[free]; i++ {
			free = fmt.Sprintf("%s-%d", name, i)
		}
		taken[free] = true
		documents = append(documents, text(object{
			"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": object{"name": free, "namespace": sp.namespace},
			"spec": object{"podSelector": selector, "policyTypes": []any{"Egress"}, "egress": []any{object{"to": anythingElse()}}},
		}))
	}
	if len(sp.bound) == 0 {
		write("no-metadata", object{})
	} else {
		spare := newPostings(sp.bound)
		for _, l := range sp.loose {
			selector, _ := spare.selector(l) // settleOutward left no twin
			write(l.Name+"-no-metadata", selector)
		}
	}
	service := model.Ref{Kind: model.Object, Key: metadataIPv4}
	return model.Action{
		ID: model.ActionID(model.AddPolicy, ref, service), Type: model.AddPolicy, Assets: []model.Ref{ref}, Removes: removes,
		Title: "Keep the pods of namespace " + sp.namespace + " from the cloud's metadata service",
		Patch: strings.Join(documents, "---\n"),
		Evidence: []model.Evidence{{
			What:  "no egress policy selects " + names(sp.loose) + "; what needs the node's own role must get one of its own first",
			Where: place(sp.loose[0].Object), Value: "NetworkPolicy",
		}},
	}
}

// anythingElse are all peers but the metadata service: every pod, because
// address blocks don't stand for pods everywhere, and every other address.
func anythingElse() []any {
	return []any{
		object{"namespaceSelector": object{}},
		object{"ipBlock": object{"cidr": "0.0.0.0/0", "except": []any{metadataIPv4 + "/32"}}},
		object{"ipBlock": object{"cidr": "::/0", "except": []any{metadataIPv6 + "/128"}}},
	}
}

// excepted reports whether a workload is let past the pod identity of Azure,
// which otherwise stands between pods and the metadata service.
func (b *builder) excepted(l *load) bool {
	for _, o := range b.snapshot.ByKind("AzurePodIdentityException") {
		spec, _ := o.Raw["spec"].(map[string]any)
		wanted, _ := spec["podLabels"].(map[string]any)
		if o.Namespace != l.Namespace || len(wanted) == 0 || len(l.labels) == 0 {
			continue
		}
		all := true
		for name, value := range wanted {
			all = all && l.labels[0][name] == value
		}
		if all {
			return true
		}
	}
	return false
}
