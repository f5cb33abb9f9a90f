package paths

import (
	"strconv"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Chances of the facts that are not ways out of a container: docs/model.md's
// defaults. What is simply there to be read holds with certainty.
const (
	pRight   = 0.95
	pExploit = 0.02
	pRead    = 1
)

// expand adds the steps that lead on from one vertex.
func (b *builder) expand(k key) {
	b.follow(k)
	switch k.sort {
	case control:
		b.expandWorkload(k)
	case held:
		b.expandIdentity(k)
	case root, files, on, tokens, lends, anywhere, kubelets:
		b.expandNode(k)
	case known:
		if account, ok := b.legacy[k]; ok {
			b.step(tokenSecret, subjectKey(account), k)
		}
	case admin:
		for _, n := range b.namespaces {
			b.step(implied, key{sort: rule, a: n}, k)
		}
		for _, n := range b.nodes {
			b.step(implied, key{sort: root, a: n.name}, k)
		}
	case granted:
		b.expandGranted(k)
	case rewrite, rewrites, binds, joins:
		b.expandRoles(k)
	case injects, watches, drains, ownNode:
		b.expandDoor(k)
	case approves, certs, creds:
		b.expandCertificate(k)
	case metadata:
		b.expandMetadata(k)
	case mints:
		b.expandMints(k)
	case may, sends, arrives, volumes, requests, steers, cloud:
	default:
		b.expandNamespace(k)
	}
}

// expandNamespace adds what a hub of a namespace means. The hub of all
// namespaces means that of each.
func (b *builder) expandNamespace(k key) {
	if k.a == "" {
		for _, n := range b.namespaces {
			each := k
			each.a = n
			b.step(implied, each, k)
		}
		return
	}
	switch k.sort {
	case rule:
		for _, s := range []sort{create, controls, reads, accounts, label, claims, logs} {
			b.step(implied, key{sort: s, a: k.a}, k)
		}
		b.step(intercept, key{sort: intercepts}, k) // addresses of a Service count everywhere
	case create:
		b.step(podAccount, key{sort: accounts, a: k.a}, k)
		b.step(podSecret, key{sort: reads, a: k.a}, k)
		if b.guarded[k.a] == "" {
			b.step(privilegedPod, key{sort: anywhere}, k)
		}
		b.mountClaims(k)
	case label:
		if b.guarded[k.a] != "" {
			b.step(privilegedPod, key{sort: anywhere}, key{sort: create, a: k.a}, k)
		}
	case controls:
		for _, l := range b.bySpace[k.a] {
			b.step(implied, l.key, k)
		}
	case reads:
		for _, s := range b.secretsIn(k.a) {
			b.step(implied, s, k)
		}
	case makes:
		// A new Secret of the token type is filled in by the cluster.
		b.step(tokenFromSecret, key{sort: accounts, a: k.a}, key{sort: reads, a: k.a}, k)
		if k.a == systemNamespace {
			b.bootstrappers(k)
		}
	case accounts:
		b.expandAccounts(k)
	case debug:
		b.expandDebug(k)
	case template:
		for _, l := range b.bySpace[k.a] {
			if l.Kind == k.b {
				b.step(implied, l.key, k)
				b.step(implied, key{sort: create, a: k.a}, k)
			}
		}
	default:
		b.expandDoor(k)
	}
}

func (b *builder) expandAccounts(k key) {
	for _, s := range b.accountsIn(k.a) {
		b.step(implied, subjectKey(s), k)
		if b.inCloud(s) {
			b.step(implied, mintsKey(s), k)
		}
	}
	if k.a == systemNamespace {
		b.step(systemAccount, key{sort: admin}, k)
	}
}

func (b *builder) expandDebug(k key) {
	b.step(implied, key{sort: controls, a: k.a}, k)
	if b.guarded[k.a] != "" {
		return
	}
	seen := map[string]bool{}
	for _, l := range b.bySpace[k.a] {
		for _, n := range l.nodes {
			if !seen[n] {
				seen[n] = true
				b.step(debugNode, key{sort: root, a: n}, k)
			}
		}
	}
}

// unknownNode joins the hub of workloads whose node is unknown to the nodes
// that are known: such a workload may stand on each of them, so who takes its
// node may have taken that one, and who takes that one may find it there.
func (b *builder) unknownNode(k key) {
	if _, some := b.findNode(anyNode); !some {
		return
	}
	switch {
	case k.sort == root && k.a == anyNode:
		for _, n := range b.nodes {
			if n.name != anyNode {
				b.step(implied, key{sort: root, a: n.name}, k)
			}
		}
	case (k.sort == on || k.sort == tokens || k.sort == lends) && k.a != anyNode:
		b.step(implied, key{sort: k.sort, a: anyNode}, k)
	}
}

// filesOf is what a way out to the files of a node leads to. Where the node is
// unknown it is one of all: to read the files of one must not mean to read
// those of the others, so that has a vertex of its own.
func filesOf(gives sort, node string) key {
	if node == anyNode {
		return key{gives, node, oneOfAll, ""}
	}
	return key{sort: gives, a: node}
}

const oneOfAll = "one of all"

func (b *builder) expandNode(k key) {
	if k.b == oneOfAll {
		for _, n := range b.nodes {
			b.step(implied, key{sort: k.sort, a: n.name}, k)
		}
		return
	}
	b.unknownNode(k)
	switch k.sort {
	case root, files:
		if k.sort == root {
			b.step(nodePods, key{sort: on, a: k.a}, k)
			b.askAsRoot(k)
		} else {
			b.step(implied, key{sort: tokens, a: k.a}, k)
		}
		b.asNode(k, k.a)
		if at, ok := b.findNode(k.a); ok && b.nodes[at].control != "" {
			b.step(controlPlane, key{sort: admin}, k)
		}
	case on:
		for _, l := range b.onNode[k.a] {
			b.step(implied, l.key, k)
		}
	case tokens:
		for _, l := range b.onNode[k.a] {
			b.leaks(l, k)
		}
	case lends:
		for _, l := range b.onNode[k.a] {
			if l.token.Field != "metadata.annotations" { // a static pod has no account
				b.step(nodeToken, subjectKey(l.account), k)
				if b.inCloud(l.account) {
					b.step(nodeToken, mintsKey(l.account), k)
				}
			}
		}
	case anywhere:
		for _, n := range b.nodes {
			b.step(implied, key{sort: root, a: n.name}, k)
		}
	case kubelets:
		for _, n := range b.nodes {
			b.step(implied, key{sort: on, a: n.name}, k)
		}
	}
}

// expandIdentity adds the groups of an identity, as far as bindings name
// them, and everything that its own bindings give.
func (b *builder) expandIdentity(k key) {
	s := k.subject()
	for _, g := range s.Groups() {
		if b.named[g] {
			b.step(group, subjectKey(g), k)
		}
	}
	for _, g := range b.identity.Direct(s) {
		b.use(k, g)
	}
	b.combine(k, b.identity.Direct(s), b.identity.Grants(s))
	b.doubtConnect(b.identity.Direct(s))
}

func (b *builder) expandWorkload(k key) {
	l := b.loadOf[k]
	b.leaks(l, k)
	for _, w := range l.ways {
		f := b.escapeFact(l, w)
		for _, n := range l.nodes {
			switch {
			case w.logs:
				b.stepOn(escapeLogs, filesOf(w.gives, n), []graph.Fact{f}, k, key{logs, l.Namespace, l.Kind, l.Name})
			case w.gives == root:
				b.stepOn(escape, key{sort: root, a: n}, []graph.Fact{f}, k)
			default:
				b.stepOn(escapeFiles, filesOf(w.gives, n), []graph.Fact{f}, k)
			}
		}
	}
	b.askAsWorkload(l)
}

// leak is something that a workload's containers give away.
type leak struct {
	edge edge
	to   key
	fact []graph.Fact
}

// leaks adds what the files and the environment of a workload's containers
// give away to who holds from: its token, its Secrets, its roles in a cloud.
func (b *builder) leaks(l *load, from key) {
	if l.leaks == nil {
		l.leaks = b.findLeaks(l) // the same for each of its nodes
	}
	for _, k := range l.leaks {
		b.stepOn(k.edge, k.to, k.fact, from)
	}
}

func (b *builder) findLeaks(l *load) []leak {
	w, cluster := l.Workload, b.snapshot.Cluster
	out := []leak{}
	if l.token.Mounted {
		f := b.fact(model.Fact{
			Kind: model.Token, Asset: l.key.ref(cluster), Object: l.account.Ref(cluster), P: pRead, Origin: model.Measured, Attack: moves[token].attack,
			Evidence: []model.Evidence{{What: "token of " + l.account.String() + " is mounted", Where: place(w.Object), Value: l.token.Source + " " + l.token.Field}},
		}, model.Proof{Object: l.token.Source, Field: l.token.Field})
		out = append(out, leak{token, subjectKey(l.account), []graph.Fact{f}})
	}
	for _, use := range l.secrets {
		secret := key{sort: known, a: w.Namespace, b: use.name}
		f := b.fact(model.Fact{
			Kind: model.Holds, Asset: l.key.ref(cluster), Object: secret.ref(cluster), P: pRead, Origin: model.Measured, Attack: moves[mounted].attack,
			Evidence: []model.Evidence{{What: "Secret " + use.name + " is readable in the container", Where: place(w.Object), Value: use.field}},
		}, model.Proof{Object: nameOfLoad(w), Field: use.field})
		out = append(out, leak{mounted, secret, []graph.Fact{f}})
	}
	return append(out, b.cloudLeaks(l)...)
}

// escapeFact states one way out of a workload. Its object is the node where
// there is one, else the hub of nodes.
func (b *builder) escapeFact(l *load, w way) graph.Fact {
	cluster := b.snapshot.Cluster
	object := key{sort: root, a: anyNode}
	if len(l.nodes) == 1 {
		object.a = l.nodes[0]
	}
	return b.fact(model.Fact{
		Kind: model.Escape, Asset: l.key.ref(cluster), Object: object.ref(cluster), Value: w.value, P: w.p, Origin: model.Default, Attack: moves[escape].attack,
		Evidence: []model.Evidence{{What: nameOfLoad(l.Workload) + " can leave its container: " + w.value, Where: place(l.Object), Value: w.field}},
	}, model.Proof{Object: nameOfLoad(l.Workload), Field: w.field})
}

// connect adds the network: workloads with the same sources share a hub.
// Breaking in takes a flaw of the destination (its Exploit fact). Where no
// policy isolates it and one could it also takes, from another namespace, that
// there is none: the Network fact of its namespace, which all such workloads
// share, because one change isolates them all, and because with a fact each
// the ways through one's neighbours would all count as different ones. A
// workload's own namespace would be let in by that policy, pods on the host's
// network too where the network plugin lets selectors admit them.
func (b *builder) connect() {
	factOf := map[string]graph.Fact{}
	for _, sp := range b.spaces {
		if len(sp.open) > 0 {
			factOf[sp.namespace] = b.networkFact(sp)
		}
	}
	hubs := b.network.Hubs()
	crowds := newCrowds(b.loads, hubs)
	for at, h := range hubs {
		whole := key{sort: arrives, a: strconv.Itoa(at + 1)}
		for _, d := range h.Destinations {
			dst := &b.loads[d]
			exploit := b.exploitFact(dst)
			if !dst.open {
				b.stepOn(overNetwork, dst.key, []graph.Fact{exploit}, whole)
				continue
			}
			b.stepOn(overNetwork, dst.key, []graph.Fact{factOf[dst.Namespace], exploit}, whole)
			b.stepOn(overNetwork, dst.key, []graph.Fact{exploit}, key{sort: arrives, a: whole.a, b: dst.Namespace})
		}
		b.admit(crowds, crowds.roots[at], b.vertex(whole))
		b.near(crowds, crowds.roots[at], whole.a)
	}
}

// exploitOf is exploitFact as the facts of a step.
func (b *builder) exploitOf(l *load) []graph.Fact { return []graph.Fact{b.exploitFact(l)} }

func (b *builder) exploitFact(l *load) graph.Fact {
	return b.fact(model.Fact{
		Kind: model.Exploit, Asset: l.key.ref(b.snapshot.Cluster), P: pExploit, Origin: model.Default, Attack: moves[overNetwork].attack,
		Evidence: []model.Evidence{{What: "a neighbour breaks into " + nameOfLoad(l.Workload), Where: place(l.Object), Value: "default chance, until its weaknesses are known"}},
	}, model.Proof{Object: nameOfLoad(l.Workload), Field: "spec.containers"})
}

func (b *builder) networkFact(sp *space) graph.Fact {
	evidence := sp.evidence()
	return b.fact(model.Fact{
		Kind: model.Network, Asset: sp.ref(b.snapshot.Cluster), Value: openValue, P: pRead, Origin: model.Measured, Attack: moves[overNetwork].attack,
		Evidence: evidence,
	}, model.Proof{Object: "Namespace " + sp.namespace, Field: "NetworkPolicy", Rule: "none for ingress selects " + names(sp.open)})
}

// openValue is the Value of the fact that no policy isolates workloads of a
// namespace that one could isolate.
const openValue = "any namespace"
