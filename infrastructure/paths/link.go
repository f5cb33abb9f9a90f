package paths

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

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
	// P is the chance that it holds, of which the origin is a default; 0 means
	// that it was read and holds. [Doubtful] is for what nobody told.
	P float64
	// Given says of a link from ServiceAccounts that their pods have what it
	// takes: a token for the cloud, or an agent that answers them. Pods have it
	// as well by a projected token of their own for Audience, and so has whoever
	// may have tokens made. A token for the API server is nothing to a cloud.
	Given    bool
	Audience string // one or more, with commas between
	// Pods says that a link from a node holds for its pods as well, as far as
	// network policies let them reach the metadata service. Pods on the host's
	// network and root on the node always reach it.
	Pods bool
	// Limited says that the role of To is known not to be like an administrator:
	// it is no target unless somebody names it.
	Limited  bool
	Proof    []model.Proof
	Evidence []model.Evidence
}

// Doubtful is the chance of a link that rests on what no export tells. It is as
// even as that of a component of which nobody knows whether it is in use
// (UnknownUse of docs/model.md): less would hide the paths through it, more
// would rank it with what was read.
const Doubtful = 0.5

// Holder is one end of a link. Exactly one field is set.
type Holder struct {
	Subject identity.Subject // in the cluster
	// Node is the name of a node, or EveryNode. As From it is its metadata
	// service, as To its own credentials for the cluster: from every node a
	// link leads each to its own.
	Node   string
	Role   string // name in the cloud: an ARN, an e-mail address, a client id
	Rights Rights // as To only
}

// EveryNode is the Node of a link that holds for all nodes, those that nobody
// read among them, but for those that other links name: of these is known what
// they are.
const EveryNode = "*"

// Rights are the rules of a ClusterRole without a binding, as an access policy
// of a cloud gives them.
type Rights struct {
	Role      string
	Namespace string // "" for the whole cluster
}

// key is the vertex of an end other than a node.
func (h Holder) key() key {
	switch {
	case h.Role != "":
		return key{sort: cloud, a: h.Role}
	case h.Rights == Rights{Role: "cluster-admin"}:
		return key{sort: admin}
	case h.Rights.Role != "":
		return key{granted, "", h.Rights.Role, h.Rights.Namespace}
	}
	return subjectKey(h.Subject)
}

// start is the vertex at which a link from an end other than a node starts: of
// ServiceAccounts it takes a token that is for the cloud.
func (h Holder) start() key {
	if h.Subject.Kind == rbacv1.ServiceAccountKind || strings.HasPrefix(h.Subject.Name, allAccounts) {
		return mintsKey(h.Subject)
	}
	return h.key()
}

// allAccounts is the group of all ServiceAccounts, and how those of the
// namespaces begin.
const allAccounts = "system:serviceaccounts"

func mintsKey(s identity.Subject) key { return key{mints, s.Kind, s.Namespace, s.Name} }

// ref is the asset of an end: for a node the node itself, for rights the
// ClusterRole.
func (h Holder) ref(cluster string) model.Ref {
	switch {
	case h.Node == EveryNode:
		return key{sort: root, a: anyNode}.ref(cluster)
	case h.Node != "":
		return key{sort: root, a: h.Node}.ref(cluster)
	case h.Rights.Role != "" && h.key().sort != admin:
		return model.Ref{Kind: model.Object, Key: cluster + "//ClusterRole/" + h.Rights.Role}
	}
	return h.key().ref(cluster)
}

// edge is the kind of step that a link makes.
func (l *Link) edge() edge {
	switch {
	case l.To.Role == "":
		return cloudAccess
	case l.From.Node != "":
		return instanceMetadata
	}
	return assumeRole
}

// leading is a link with the vertex that it leads to.
type leading struct {
	*Link
	to key
}

// readLinks sorts the links by where they start, and looks at who reaches the
// metadata service where that matters.
func (b *builder) readLinks(links []Link) {
	b.links, b.byNode, b.bounded = map[key][]leading{}, map[string]bool{}, map[key]bool{}
	pods, told := false, map[string]bool{} // nodes that links name
	for i := range links {
		told[links[i].From.Node] = true
	}
	for i := range links {
		l := &links[i]
		if r := l.To.Rights; r.Role != "" && b.identity.Role("", r.Role) == nil {
			b.incomplete = append(b.incomplete, model.Incomplete{What: "ClusterRole " + r.Role, Why: "a cloud gives it to " + l.From.Role + ", and what it allows is not known"})
			continue
		}
		if l.To.Role != "" {
			before, seen := b.bounded[l.To.key()]
			b.bounded[l.To.key()] = l.Limited && (before || !seen)
		}
		b.named[l.From.Subject] = true // so that groups lead here, as they do where a binding names them
		if l.From.Node != "" {
			b.ofNode(l, told)
			pods = pods || l.Pods
			continue
		}
		b.links[l.From.start()] = append(b.links[l.From.start()], leading{l, l.To.key()})
	}
	if pods || len(b.byNode) > 0 && len(b.snapshot.ByKind("AzurePodIdentityException")) > 0 {
		b.readOutward()
	}
	for k := range b.bounded {
		b.prized = append(b.prized, k)
	}
	slices.SortFunc(b.prized, func(x, y key) int { return cmp.Compare(x.a, y.a) })
}

// ofNode notes a link that starts at a node, or at each that no other names.
func (b *builder) ofNode(l *Link, told map[string]bool) {
	names := []string{l.From.Node}
	if l.From.Node == EveryNode {
		names = nil
		for _, n := range b.nodes {
			if !told[n.name] {
				names = append(names, n.name)
			}
		}
	}
	for _, name := range names {
		b.byNode[name] = true
		start, to := key{sort: metadata, a: name}, key{sort: creds, a: name}
		if l.To.Node == "" {
			to = l.To.key()
		}
		b.links[start] = append(b.links[start], leading{l, to})
		if l.Pods {
			start.b = fromPods
			b.links[start] = append(b.links[start], leading{l, to})
		}
	}
}

// follow adds the links that start at a vertex.
func (b *builder) follow(k key) {
	for _, l := range b.links[k] {
		b.stepOn(l.edge(), l.to, b.trust(l.Link), k)
	}
}

// trust is the fact that a link states.
func (b *builder) trust(l *Link) []graph.Fact {
	cluster, origin := b.snapshot.Cluster, model.Measured
	if l.P != 0 {
		origin = model.Default
	}
	return []graph.Fact{b.fact(model.Fact{
		Kind: model.Trusts, Asset: l.From.ref(cluster), Object: l.To.ref(cluster), Value: l.Value, P: cmp.Or(l.P, pRead), Origin: origin,
		Attack: moves[l.edge()].attack, Evidence: l.Evidence,
	}, l.Proof...)}
}

// inCloud reports whether links start at a ServiceAccount, or at a group that
// it is in.
func (b *builder) inCloud(s identity.Subject) bool {
	return len(b.links[mintsKey(s)]) > 0 || slices.ContainsFunc(s.Groups(), func(g identity.Subject) bool { return len(b.links[mintsKey(g)]) > 0 })
}

// expandMints leads from the tokens of a ServiceAccount to what its groups are
// trusted with.
func (b *builder) expandMints(k key) {
	for _, g := range k.subject().Groups() {
		if to := mintsKey(g); len(b.links[to]) > 0 {
			b.step(group, to, k)
		}
	}
}

// cloudLeaks are the roles in a cloud that a workload gets, or may ask for with
// a token that it mounts.
func (b *builder) cloudLeaks(l *load) []leak {
	if !b.inCloud(l.account) || l.token.Field == "metadata.annotations" { // a static pod has no account
		return nil
	}
	own := map[string]graph.Fact{} // tokens that it mounts, by audience
	for _, f := range b.identity.TokenFiles(l.Workload) {
		if f.Audience == "" || f.Account != l.account {
			continue
		}
		own[f.Audience] = b.fact(model.Fact{
			Kind: model.Token, Asset: l.key.ref(b.snapshot.Cluster), Object: l.account.Ref(b.snapshot.Cluster), Value: f.Audience,
			P: pRead, Origin: model.Measured, Attack: moves[token].attack,
			Evidence: []model.Evidence{{What: "token of " + l.account.String() + " for " + f.Audience + " is mounted", Where: place(l.Object), Value: f.Source + " " + f.Field}},
		}, model.Proof{Object: f.Source, Field: f.Field, Rule: f.Audience})
	}
	var out []leak
	for _, s := range append([]identity.Subject{l.account}, l.account.Groups()...) {
		for _, link := range b.links[mintsKey(s)] {
			if link.Given {
				out = append(out, leak{link.edge(), link.to, b.trust(link.Link)})
				continue
			}
			for audience := range strings.SplitSeq(link.Audience, ",") {
				if mounted, ok := own[audience]; ok {
					out = append(out, leak{link.edge(), link.to, append(b.trust(link.Link), mounted)})
				}
			}
		}
	}
	return out
}
