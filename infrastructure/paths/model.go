package paths

import (
	"slices"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// Graph is the attack graph itself.
func (m *Model) Graph() *graph.Graph { return m.graph }

// Vertices are the assets of all vertices, by number, zero for a hub; shared,
// read only.
func (m *Model) Vertices() []model.Ref { return m.refs }

// Name says in words what a vertex stands for.
func (m *Model) Name(v graph.Vertex) string { return m.keys[v].name(m.snapshot.Cluster) }

// Facts are all leaves, by number; shared, read only.
func (m *Model) Facts() []model.Fact { return m.facts }

// Find is the vertex of an asset.
func (m *Model) Find(r model.Ref) (graph.Vertex, bool) {
	v, ok := m.byRef[r]
	return v, ok
}

// Entry is the vertex of a compromised workload, by its asset key.
func (m *Model) Entry(workload string) (graph.Vertex, bool) {
	return m.Find(model.Ref{Kind: model.Workload, Key: workload})
}

// Jewels are the assets worth reaching: authority over the cluster, every
// Secret that is stored or mounted, every node, and every role of a cloud that
// is not known to be limited.
func (m *Model) Jewels() []model.Ref {
	out := []model.Ref{{Kind: model.Cluster, Key: m.snapshot.Cluster}}
	for _, s := range m.secrets {
		out = append(out, s.ref(m.snapshot.Cluster))
	}
	for _, n := range m.nodes {
		out = append(out, model.Ref{Kind: model.Node, Key: m.snapshot.Cluster + "/" + n.name})
	}
	for _, k := range m.prized {
		if !m.bounded[k] {
			out = append(out, k.ref(m.snapshot.Cluster))
		}
	}
	return out
}

// Actions are the changes that remove facts of the graph; shared, read only.
func (m *Model) Actions() []model.Action { return m.actions }

// Step resolves one step with its proof. Needs is empty: it has a meaning
// only within a derivation, where the report fills it in.
func (m *Model) Step(s graph.Step) model.Step {
	e, head := m.edges[s], m.graph.Head(s)
	out := model.Step{Edge: moves[e].name, To: m.Name(head), Needs: []int{}, Why: []model.Proof{}, Attack: moves[e].attack}
	for _, v := range m.graph.Needs(s) {
		if out.From != "" {
			out.From += " and "
		}
		out.From += m.Name(v)
	}
	for _, f := range m.graph.Rests(s) {
		for _, p := range m.proofs[f] {
			if !slices.Contains(out.Why, p) {
				out.Why = append(out.Why, p)
			}
		}
	}
	if l := m.loadOf[m.keys[m.graph.Needs(s)[0]]]; e == assumeRole && l != nil {
		out.Why = append(out.Why, model.Proof{Object: nameOfLoad(l.Workload), Field: "spec.serviceAccountName", Rule: l.account.String()})
	}
	// Why no policy that one could add would stop this step.
	if l := m.loadOf[m.keys[head]]; e == overNetwork && l.kept != (model.Proof{}) {
		out.Why = append(out.Why, l.kept)
	}
	if len(out.Why) == 0 {
		out.Why = append(out.Why, m.reason(e, s))
	}
	return out
}

// reason is the proof of a step that rests on no fact: the object that makes
// it so, or the rule of Kubernetes itself.
func (m *Model) reason(e edge, s graph.Step) model.Proof {
	from, to := m.keys[m.graph.Needs(s)[0]], m.keys[m.graph.Head(s)]
	switch e {
	case group:
		return model.Proof{Object: from.subject().String(), Field: "groups", Rule: "member of " + to.c + " by its nature"}
	case tokenSecret:
		return model.Proof{Object: "Secret " + from.a + "/" + from.b, Field: "type", Rule: "kubernetes.io/service-account-token"}
	case controlPlane:
		for _, n := range m.nodes {
			if n.name == from.a {
				return model.Proof{Object: "Node " + n.name, Field: n.control, Rule: "the control plane's keys are files on its nodes"}
			}
		}
	case nodePods:
		why := "the kubelet's files and the runtime belong to root"
		if from.a == anyNode {
			why += "; pods whose node is unknown may share one"
		}
		return model.Proof{Object: "Node " + from.a, Field: "pods", Rule: why}
	case nodeIdentity:
		return model.Proof{Object: "Node " + from.a, Field: "kubelet's credentials", Rule: to.c}
	case privilegedPod, debugNode:
		return model.Proof{Object: "Namespace " + from.a, Field: "metadata.labels[" + enforceLabel + "]", Rule: m.guard(from.a, e)}
	case podAccount, podSecret:
		return model.Proof{Object: "Namespace " + from.a, Field: "pods", Rule: "a pod may mount any " + map[edge]string{podAccount: "ServiceAccount's token", podSecret: "Secret"}[e] + " of its namespace"}
	case tokenFromSecret:
		return model.Proof{Object: "Namespace " + from.a, Field: "secrets", Rule: "the cluster fills a Secret of type kubernetes.io/service-account-token with a token"}
	case systemAccount:
		return model.Proof{
			Object: "ServiceAccount " + systemNamespace + "/clusterrole-aggregation-controller", Field: "ClusterRole system:controller:clusterrole-aggregation-controller",
			Rule: "may escalate any ClusterRole; every API server creates both",
		}
	}
	if p, ok := doorReason(e, from); ok {
		return p
	}
	if to.sort == arrives {
		return model.Proof{Object: from.name(m.snapshot.Cluster), Field: "NetworkPolicy", Rule: "none keeps its connections from pods of network group " + to.a}
	}
	return model.Proof{Object: from.name(m.snapshot.Cluster), Rule: "includes " + to.name(m.snapshot.Cluster)}
}

// guard says why Pod Security does not stop a privileged pod.
func (m *Model) guard(namespace string, e edge) string {
	for _, n := range m.snapshot.Namespaces() {
		if level := n.Labels[enforceLabel]; n.Name == namespace && e == privilegedPod && (level == "baseline" || level == "restricted") {
			return level + ", which the same attacker may change"
		}
	}
	return "neither baseline nor restricted"
}
