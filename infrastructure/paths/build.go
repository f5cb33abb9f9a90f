package paths

import (
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
)

// Model is the attack graph of one cluster with its names. It is immutable
// and safe to share.
type Model struct {
	snapshot *kube.Snapshot
	identity *identity.Engine
	links    []Link
	prized   []key        // roles of the cloud that links lead to, sorted
	bounded  map[key]bool // the same -> known to be limited
	graph    *graph.Graph
	keys     []key // by vertex
	vertices map[key]graph.Vertex
	refs     []model.Ref // by vertex
	byRef    map[model.Ref]graph.Vertex
	facts    []model.Fact    // by fact
	proofs   [][]model.Proof // by fact
	edges    []edge          // by step
	loads    []load          // as Snapshot.Workloads
	nodes    []node
	secrets  []key
	loadOf   map[key]*load
	actions  []model.Action

	incomplete []model.Incomplete
}

// Build makes the attack graph; links are what is known of the cloud, nothing
// where nobody looked. It does no I/O. The error is the graph's own (too many
// vertices for its numbers).
func Build(s *kube.Snapshot, n *network.Engine, id *identity.Engine, links ...Link) (*Model, error) {
	b := newBuilder(s, n, id)
	b.readLinks(links)
	b.vertex(key{sort: admin})
	for _, l := range links {
		if l.From.Role != "" {
			b.vertex(l.From.key())
		}
	}
	for _, k := range b.prized {
		b.vertex(k)
	}
	for _, k := range b.secrets {
		b.vertex(k)
	}
	for _, n := range b.nodes {
		b.vertex(key{sort: root, a: n.name})
	}
	for i := range b.loads {
		b.vertex(b.loads[i].key)
	}
	b.connect()
	b.nameSubjects(b.expandFrom(0))
	g, err := b.graph.Build()
	if err != nil {
		return nil, fmt.Errorf("building the attack graph of %s: %w", s.Cluster, err)
	}
	m := &Model{
		snapshot: s, identity: id, links: links, prized: b.prized, bounded: b.bounded, graph: g, keys: b.keys, vertices: b.vertices, facts: b.facts, proofs: b.proofs, edges: b.edges,
		loads: b.loads, nodes: b.nodes, secrets: b.secrets, loadOf: b.loadOf, byRef: map[model.Ref]graph.Vertex{}, incomplete: b.incomplete,
	}
	m.refs = make([]model.Ref, len(m.keys))
	for v, k := range m.keys {
		m.refs[v] = k.ref(s.Cluster)
		if !m.refs[v].IsZero() {
			m.byRef[m.refs[v]] = graph.Vertex(v)
		}
	}
	m.actions = m.findActions(b.spaces, b.services)
	return m, nil
}

// expandFrom expands every vertex from one on, also those that are met
// meanwhile, and gives the number of them all.
func (b *builder) expandFrom(at int) int {
	for ; at < len(b.keys); at++ {
		b.expand(b.keys[at])
	}
	return at
}

// nameSubjects adds the identities that no attack within the cluster comes to,
// after those of which there are done: one may ask where they would lead,
// because tokens and certificates are lost outside of it as well.
func (b *builder) nameSubjects(done int) {
	for _, s := range slices.Concat(b.accounts, b.identity.Subjects(), []identity.Subject{identity.Masters()}) {
		b.vertex(subjectKey(s))
	}
	b.expandFrom(done)
}

// factKey identifies a fact while building.
type factKey struct {
	kind          model.FactKind
	asset, object model.Ref
	value         string
}

// builder collects the graph. Vertices are expanded once, in the order in
// which they were first met, so that the result depends on the snapshot only.
type builder struct {
	snapshot *kube.Snapshot
	network  *network.Engine
	identity *identity.Engine
	rights   []right

	graph    *graph.Builder
	keys     []key
	vertices map[key]graph.Vertex
	facts    []model.Fact
	proofs   [][]model.Proof
	factOf   map[factKey]graph.Fact
	edges    []edge

	loads      []load
	bySpace    map[string][]*load
	loadOf     map[key]*load
	nodes      []node
	onNode     map[string][]*load
	spaces     []*space // by namespace
	services   *services
	secrets    []key // every Secret that is stored or mounted
	namespaces []string
	guarded    map[string]string // namespace -> Pod Security level that forbids privileged pods
	accounts   []identity.Subject
	named      map[identity.Subject]bool     // subjects that a binding names
	bindings   map[[2]string][]*kube.Object  // namespace ("" cluster role) and name of a role -> its bindings
	inSpace    map[string][]*kube.Object     // RoleBindings of a namespace; "" cluster role bindings
	legacy     map[key]identity.Subject      // Secrets that hold a token
	values     map[*rbacv1.PolicyRule]string // ruleValue, made once
	links      map[key][]leading             // by where they start
	byNode     map[string]bool               // nodes that a link starts from
	bounded    map[key]bool                  // roles of the cloud that links lead to -> known to be limited
	prized     []key                         // the same roles, sorted
	version    version                       // of the API server
	host       *hostVolumes
	incomplete []model.Incomplete
}

func newBuilder(s *kube.Snapshot, n *network.Engine, id *identity.Engine) *builder {
	b := &builder{
		snapshot: s, network: n, identity: id, graph: graph.NewBuilder(), vertices: map[key]graph.Vertex{},
		factOf: map[factKey]graph.Fact{}, bySpace: map[string][]*load{}, loadOf: map[key]*load{}, onNode: map[string][]*load{}, guarded: map[string]string{},
		accounts: id.Accounts(), named: map[identity.Subject]bool{}, bindings: map[[2]string][]*kube.Object{},
		inSpace: map[string][]*kube.Object{}, legacy: map[key]identity.Subject{}, values: map[*rbacv1.PolicyRule]string{},
	}
	b.version = readVersion(s)
	b.host = readHostVolumes(s)
	b.readNamespaces()
	b.readWorkloads()
	b.readNodes()
	b.readSpaces()
	b.readSecrets()
	for _, s := range id.Subjects() {
		b.named[s] = true
	}
	for _, o := range s.Objects {
		if ref, _, ok := bindingOf(o); ok {
			space := ""
			if ref.Kind == "Role" {
				space = o.Namespace
			}
			b.bindings[[2]string{space, ref.Name}] = append(b.bindings[[2]string{space, ref.Name}], o)
			b.inSpace[o.Namespace] = append(b.inSpace[o.Namespace], o)
		}
	}
	b.rights = slices.Concat(b.baseRights(), b.doorRights())
	return b
}

// bindingOf takes a binding apart.
func bindingOf(o *kube.Object) (rbacv1.RoleRef, []rbacv1.Subject, bool) {
	switch t := o.Typed.(type) {
	case *rbacv1.RoleBinding:
		return t.RoleRef, t.Subjects, true
	case *rbacv1.ClusterRoleBinding:
		return t.RoleRef, t.Subjects, true
	}
	return rbacv1.RoleRef{}, nil, false
}

// vertex finds or makes the vertex of a key; a new one is expanded later.
func (b *builder) vertex(k key) graph.Vertex {
	if v, ok := b.vertices[k]; ok {
		return v
	}
	v := b.graph.Vertex()
	b.vertices[k] = v
	b.keys = append(b.keys, k)
	return v
}

// fact finds or makes a fact, by what it states.
func (b *builder) fact(f model.Fact, proof ...model.Proof) graph.Fact {
	k := factKey{f.Kind, f.Asset, f.Object, f.Value}
	if id, ok := b.factOf[k]; ok {
		return id
	}
	id := b.graph.Fact(f.P)
	b.factOf[k] = id
	b.facts = append(b.facts, f)
	b.proofs = append(b.proofs, proof)
	return id
}

// step adds a step that rests on no fact.
func (b *builder) step(e edge, head key, needs ...key) { b.stepOn(e, head, nil, needs...) }

// stepOn adds a step that rests on facts.
func (b *builder) stepOn(e edge, head key, facts []graph.Fact, needs ...key) {
	var list [3]graph.Vertex
	to := b.vertex(head)
	vertices := list[:0]
	for _, k := range needs {
		vertices = append(vertices, b.vertex(k))
	}
	if slices.Contains(vertices, to) {
		return
	}
	b.graph.Step(to, vertices, facts)
	b.edges = append(b.edges, e)
}

// in lists the workloads of a namespace, of all for "".
func (b *builder) in(namespace string) []*load {
	if namespace == "" {
		all := make([]*load, len(b.loads))
		for i := range b.loads {
			all[i] = &b.loads[i]
		}
		return all
	}
	return b.bySpace[namespace]
}

// right is the fact that a grant rests on: one for each rule of a role,
// binding and subject of it. None for a grant without a binding.
func (b *builder) right(g identity.Grant, e edge) []graph.Fact {
	if g.Binding == nil {
		return nil
	}
	cluster := b.snapshot.Cluster
	binding, role := nameOf(g.Binding), nameOf(g.Role)
	proofs := []model.Proof{{Object: binding, Field: "roleRef"}}
	if g.Role != g.Bound {
		proofs = append(proofs, model.Proof{Object: nameOf(g.Bound), Field: "aggregationRule"})
	}
	field := fmt.Sprintf("rules[%d]", g.RuleIndex)
	proofs = append(proofs, model.Proof{Object: role, Field: field, Rule: fmt.Sprint(g.RuleIndex)})
	value, ok := b.values[g.Rule]
	if !ok {
		value = ruleValue(g.Rule)
		b.values[g.Rule] = value
	}
	return []graph.Fact{b.fact(model.Fact{
		Kind: model.Right, Asset: identity.BindingRef(cluster, g.Binding), Object: g.Subject.Ref(cluster),
		Value: roleValue(g.Role, g.RuleIndex) + ": " + value, P: pRight, Origin: model.Default, Attack: moves[e].attack,
		Evidence: []model.Evidence{
			{What: binding + " binds " + nameOf(g.Bound) + " to " + g.Subject.String(), Where: place(g.Binding), Value: "roleRef"},
			{What: role + " allows " + identity.RuleText(g.Rule), Where: place(g.Role), Value: field},
		},
	}, proofs...)}
}
