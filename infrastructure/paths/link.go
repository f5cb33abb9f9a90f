package paths

import (
	"cmp"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/model"
)

// Link is one step into the cloud, within it, or back from it, as somebody
// read it from exports of the cloud's own API: a ServiceAccount that may assume
// a role, a node's role by the metadata service, a role that may assume another
// one, a role that an access entry maps to a user or group of the cluster.
type Link struct {
	From, To Holder
	// Value says by what, as "trust policy of arn:…": with the ends it is what
	// the fact states.
	Value string
	P     float64 // that it holds; 0 means certain
	// Pods says that a link from a node holds for its pods as well: nothing
	// keeps them from the metadata service. Pods on the host's network always
	// reach it.
	Pods     bool
	Proof    []model.Proof
	Evidence []model.Evidence
}

// Holder is one end of a link. Exactly one field is set.
type Holder struct {
	Subject identity.Subject // in the cluster
	Node    string           // name of a node: its metadata service
	Role    string           // name in the cloud: an ARN, an e-mail address, a client id
}

func (h Holder) key() key {
	switch {
	case h.Node != "":
		return key{sort: metadata, a: h.Node}
	case h.Role != "":
		return key{sort: cloud, a: h.Role}
	}
	return subjectKey(h.Subject)
}

// ref is the asset of an end: for a node the node itself.
func (h Holder) ref(cluster string) model.Ref {
	if h.Node != "" {
		return key{sort: root, a: h.Node}.ref(cluster)
	}
	return h.key().ref(cluster)
}

// edge is the kind of step that a link makes.
func (l *Link) edge() edge {
	switch {
	case l.From.Node != "":
		return instanceMetadata
	case l.To.Role == "":
		return cloudAccess
	}
	return assumeRole
}

func (b *builder) readLinks(links []Link) {
	b.links, b.byNode = map[key][]Link{}, map[string]bool{}
	for _, l := range links {
		b.links[l.From.key()] = append(b.links[l.From.key()], l)
		if l.From.Node != "" {
			b.byNode[l.From.Node] = true
		}
	}
}

// follow adds the links that start at a vertex.
func (b *builder) follow(k key) {
	for i := range b.links[k] {
		l := &b.links[k][i]
		cluster, e := b.snapshot.Cluster, l.edge()
		f := b.fact(model.Fact{
			Kind: model.Trusts, Asset: l.From.ref(cluster), Object: l.To.ref(cluster), Value: l.Value, P: cmp.Or(l.P, pRead), Origin: model.Measured,
			Attack: moves[e].attack, Evidence: l.Evidence,
		}, l.Proof...)
		b.stepOn(e, l.To.key(), []graph.Fact{f}, k)
		if l.Pods {
			for _, load := range b.onNode[l.From.Node] {
				b.step(implied, k, load.key)
			}
		}
	}
}

// askMetadata leads to the metadata service of nodes in a cloud: from their
// root, and from pods on their network. It leads on only by links.
func (b *builder) askMetadata(from key, nodes []string) {
	for _, n := range nodes {
		if b.byNode[n] {
			b.step(instanceMetadata, key{sort: metadata, a: n}, from)
		}
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
