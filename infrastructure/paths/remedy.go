package paths

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// change is something that a fix may consist of. Changes of one group are
// changes of one object that must be written as one: two patches would each
// bring back what the other takes, because the API replaces whole lists.
type change struct {
	title string
	facts []graph.Fact // that it removes
	cost  float64
	edits []edit

	group string // "" for one that stands alone
	items []int
	write func(items []int) (title string, edits []edit)
}

// Costs of changes: one for each, more for what an application is likely to
// miss, and a little for what a change takes away besides, so that of two sets
// of one size the narrower is chosen.
const (
	costChange  = 1
	costToken   = 1.5  // it may call the API server
	costSecret  = 3    // it was given the Secret for some reason
	costBesides = 0.01 // for each other subject or binding, ten of them at most
)

func besides(n int) float64 { return costBesides * float64(max(0, min(n, 10))) }

// changes lists what may be changed: the typed actions, then what takes a
// token, a Secret, a rule or a subject from where it is.
func (m *Model) changes() []change {
	byID := make(map[string]graph.Fact, len(m.facts))
	for f := range m.facts {
		byID[m.facts[f].ID()] = graph.Fact(f)
	}
	var out []change
	for _, a := range m.actions {
		c := change{title: a.Title, cost: costChange, edits: m.editsOf(a)}
		for _, id := range a.Removes {
			if f, ok := byID[id]; ok {
				c.facts = append(c.facts, f)
			}
		}
		if o := m.bindingOfAction(a); o != nil {
			_, subjects, _ := bindingOf(o)
			c.cost += besides(len(subjects) - 1)
		}
		out = append(out, c)
	}
	out = append(out, m.withoutTokens()...)
	out = append(out, m.withoutSecrets()...)
	out = append(out, m.narrowings()...)
	return append(out, m.dismissals()...)
}

// Removal says which changes remove a fact, by title, or why none can. A fact
// with neither is a defect.
func (m *Model) Removal(f graph.Fact) (changes []string, why string) {
	for _, c := range m.changes() {
		if slices.Contains(c.facts, f) {
			changes = append(changes, c.title)
		}
	}
	if len(changes) == 0 {
		why = m.unremovable(m.facts[f])
	}
	return changes, why
}

// unremovable says why no change removes a fact.
func (m *Model) unremovable(f model.Fact) string {
	switch f.Kind {
	case model.Exploit:
		return "a flaw of what runs in it is no matter of manifests: patch its image"
	case model.Network:
		return "no new policy of the namespace keeps " + f.Asset.Key + " in: narrow the egress rules of those that select it, or give its pods a label of their own"
	case model.Trusts:
		return "the trust of " + f.Object.Key + " lies in the cloud: narrow it there"
	case model.Right:
		return "the cluster itself needs " + f.Asset.Key + ", and the API server makes it and its role again"
	case model.Token, model.Holds, model.Escape:
		if v, ok := m.byRef[f.Asset]; ok {
			if l := m.loadOf[m.keys[v]]; l != nil && !m.readItself(l) {
				return nameOfLoad(l.Workload) + " was not read itself: only its pods were"
			}
		}
	}
	return ""
}

// readItself reports whether the object that a patch names was read.
func (m *Model) readItself(l *load) bool {
	o := m.snapshot.Get(l.Kind, l.Namespace, l.Name)
	return o != nil && o.Typed != nil
}

// editsOf are the edits of a typed action.
func (m *Model) editsOf(a model.Action) []edit {
	if o := m.bindingOfAction(a); o != nil {
		return []edit{{remove: o}}
	}
	var out []edit
	for doc := range strings.SplitSeq(a.Patch, "---\n") {
		var o object
		if err := yaml.Unmarshal([]byte(doc), &o); err == nil && o != nil {
			out = append(out, edit{create: a.Type == model.AddPolicy, doc: o})
		}
	}
	return out
}

// bindingOfAction is the binding that an action deletes, nil for others.
func (m *Model) bindingOfAction(a model.Action) *kube.Object {
	if a.Type != model.DeleteBinding || len(a.Assets) == 0 {
		return nil
	}
	for _, kind := range []string{"ClusterRoleBinding", "RoleBinding"} {
		for _, o := range m.snapshot.ByKind(kind) {
			if identity.BindingRef(m.snapshot.Cluster, o) == a.Assets[0] {
				return o
			}
		}
	}
	return nil
}

// ofLoads lists the facts of a kind by workload.
func (m *Model) ofLoads(kind model.FactKind) map[*load][]graph.Fact {
	out := map[*load][]graph.Fact{}
	for f := range m.facts {
		if m.facts[f].Kind != kind {
			continue
		}
		if v, ok := m.byRef[m.facts[f].Asset]; ok {
			if l := m.loadOf[m.keys[v]]; l != nil && m.readItself(l) {
				out[l] = append(out[l], graph.Fact(f))
			}
		}
	}
	return out
}

// inOrder visits the workloads of a map in the snapshot's order.
func (m *Model) inOrder(of map[*load][]graph.Fact, visit func(l *load, facts []graph.Fact)) {
	for i := range m.loads {
		if facts := of[&m.loads[i]]; len(facts) > 0 {
			visit(&m.loads[i], facts)
		}
	}
}

// withoutTokens are the changes after which a workload mounts no token that
// the API server accepts.
func (m *Model) withoutTokens() []change {
	var out []change
	m.inOrder(m.ofLoads(model.Token), func(l *load, facts []graph.Fact) {
		spec := volumesWithout(&l.Spec, func(corev1.Volume) bool { return false }, func(src corev1.VolumeProjection) bool { return src.ServiceAccountToken != nil })
		spec["automountServiceAccountToken"] = false
		out = append(out, change{
			title: "Mount no token in " + nameOfLoad(l.Workload) + " (automountServiceAccountToken: false)", facts: facts, cost: costToken,
			edits: []edit{{doc: wrap(l, spec)}},
		})
	})
	return out
}

// withoutSecrets are the changes after which a workload isn't given a Secret.
func (m *Model) withoutSecrets() []change {
	var out []change
	m.inOrder(m.ofLoads(model.Holds), func(l *load, facts []graph.Fact) {
		for _, f := range facts {
			key := m.facts[f].Object.Key
			at := slices.IndexFunc(l.secrets, func(use secretUse) bool { return strings.HasSuffix(key, "/"+l.Namespace+"/"+use.name) })
			if at < 0 {
				continue
			}
			write := func(items []int) (string, []edit) {
				var names []string
				for _, i := range items {
					names = append(names, l.secrets[i].name)
				}
				return "Don't give Secret " + strings.Join(names, ", ") + " to " + nameOfLoad(l.Workload), []edit{{doc: wrap(l, secretsPatch(&l.Spec, names))}}
			}
			out = append(out, grouped("secrets of "+l.key.name(""), at, write, []graph.Fact{f}, costSecret))
		}
	})
	return out
}

// grouped is a change of one item of a group.
func grouped(group string, item int, write func([]int) (string, []edit), facts []graph.Fact, cost float64) change {
	title, edits := write([]int{item})
	return change{title: title, facts: facts, cost: cost, edits: edits, group: group, items: []int{item}, write: write}
}

// joined writes changes of one group as one, at the place of the first.
func joined(changes []change) []change {
	var out []change
	at := map[string]int{}
	for _, c := range changes {
		i, known := at[c.group]
		if c.group == "" || !known {
			at[c.group] = len(out)
			out = append(out, c)
			continue
		}
		one := &out[i]
		one.facts, one.cost = append(slices.Clip(one.facts), c.facts...), one.cost+c.cost
		one.items = append(slices.Clip(one.items), c.items...)
		slices.Sort(one.items)
		one.title, one.edits = one.write(one.items)
	}
	return out
}

// ruleAt is a rule of a role that can be changed.
type ruleAt struct {
	role  *kube.Object
	index int
}

// narrowings are the changes after which a role lacks one of its rules. Roles
// that the API server makes again are left alone, and those that were not read.
func (m *Model) narrowings() []change {
	of := map[ruleAt][]graph.Fact{}
	var order []ruleAt
	for f := range m.facts {
		at, ok := m.ruleOf(graph.Fact(f))
		if !ok {
			continue
		}
		if of[at] == nil {
			order = append(order, at)
		}
		of[at] = append(of[at], graph.Fact(f))
	}
	var out []change
	for _, at := range order {
		rules := rulesOf(at.role)
		write := func(items []int) (string, []edit) {
			var gone []string
			left := []any{}
			for i := range rules {
				rule := rules[i]
				if slices.Contains(items, i) {
					var taken rbacv1.PolicyRule
					taken, rule = tamed(rule)
					gone = append(gone, identity.RuleText(&taken))
				}
				if len(rule.Verbs) > 0 {
					left = append(left, plain(rule))
				}
			}
			return "Take from " + nameOf(at.role) + ": " + strings.Join(gone, "; "), []edit{{doc: shell(at.role, "rules", left)}}
		}
		bindings := map[model.Ref]bool{}
		for _, f := range of[at] {
			bindings[m.facts[f].Asset] = true
		}
		out = append(out, grouped("rules of "+at.role.String(), at.index, write, of[at], costChange+besides(len(bindings)-1)))
	}
	return out
}

// tamed parts a rule into what is to be taken and what may stay: looking at
// things that hold no secret and are no door, else nothing.
func tamed(r rbacv1.PolicyRule) (taken, left rbacv1.PolicyRule) {
	taken, left = r, r
	taken.Verbs, left.Verbs = nil, nil
	open := slices.ContainsFunc(slices.Concat(r.APIGroups, r.Resources), func(name string) bool { return strings.ContainsAny(name, "*/") }) ||
		slices.Contains(r.Resources, "secrets") || len(r.NonResourceURLs) > 0
	for _, verb := range r.Verbs {
		if !open && slices.Contains([]string{"get", "list", "watch"}, verb) {
			left.Verbs = append(left.Verbs, verb)
		} else {
			taken.Verbs = append(taken.Verbs, verb)
		}
	}
	if len(taken.Verbs) == 0 {
		return r, rbacv1.PolicyRule{}
	}
	return taken, left
}

// ruleOf finds the rule that a right rests on, by its proof.
func (m *Model) ruleOf(f graph.Fact) (ruleAt, bool) {
	if m.facts[f].Kind != model.Right {
		return ruleAt{}, false
	}
	for _, p := range m.proofs[f] {
		number, ok := strings.CutPrefix(p.Field, "rules[")
		index, err := strconv.Atoi(strings.TrimSuffix(number, "]"))
		if !ok || err != nil {
			continue
		}
		kind, name, _ := strings.Cut(p.Object, " ")
		space := ""
		if kind == "Role" {
			space, name, _ = strings.Cut(name, "/")
		}
		o := m.snapshot.Get(kind, space, name)
		if o == nil || index >= len(rulesOf(o)) || strings.HasPrefix(name, "system:") || o.Labels()["kubernetes.io/bootstrapping"] != "" {
			return ruleAt{}, false
		}
		if role, ok := o.Typed.(*rbacv1.ClusterRole); ok && role.AggregationRule != nil {
			return ruleAt{}, false // its controller fills it again
		}
		return ruleAt{o, index}, true
	}
	return ruleAt{}, false
}

func rulesOf(o *kube.Object) []rbacv1.PolicyRule {
	switch t := o.Typed.(type) {
	case *rbacv1.Role:
		return t.Rules
	case *rbacv1.ClusterRole:
		return t.Rules
	}
	return nil
}

// dismissals are the changes after which a binding that has several subjects
// lacks one of them.
func (m *Model) dismissals() []change {
	var out []change
	of := map[[2]model.Ref][]graph.Fact{}
	for f, fact := range m.facts {
		if fact.Kind == model.Right {
			of[[2]model.Ref{fact.Asset, fact.Object}] = append(of[[2]model.Ref{fact.Asset, fact.Object}], graph.Fact(f))
		}
	}
	for _, kind := range []string{"ClusterRoleBinding", "RoleBinding"} {
		for _, o := range m.snapshot.ByKind(kind) {
			_, subjects, ok := bindingOf(o)
			if !ok || len(subjects) < 2 || ofSystem(o) {
				continue
			}
			write := func(items []int) (string, []edit) {
				var gone []string
				left := []any{}
				for i, raw := range subjects {
					if s, _ := identity.Resolve(raw, o.Namespace); slices.Contains(items, i) {
						gone = append(gone, s.String())
					} else {
						left = append(left, plain(raw))
					}
				}
				if len(left) == 0 {
					return "Delete " + nameOf(o), []edit{{remove: o}}
				}
				return "Take out of " + nameOf(o) + ": " + strings.Join(gone, ", "), []edit{{doc: shell(o, "subjects", left)}}
			}
			for i, raw := range subjects {
				s, ok := identity.Resolve(raw, o.Namespace)
				if facts := of[[2]model.Ref{identity.BindingRef(m.snapshot.Cluster, o), s.Ref(m.snapshot.Cluster)}]; ok && len(facts) > 0 {
					out = append(out, grouped("subjects of "+o.String(), i, write, facts, costChange+costBesides/2))
				}
			}
		}
	}
	return out
}

// plain is a part of an object as a document has it.
func plain(v any) any {
	raw, err := yaml.Marshal(v)
	if err != nil { // parts of decoded objects always marshal
		return nil
	}
	var out any
	if err := yaml.Unmarshal(raw, &out); err != nil {
		return nil
	}
	return out
}

// shell is a patch of one list of an object.
func shell(o *kube.Object, list string, left []any) object {
	meta := object{"name": o.Name}
	if o.Namespace != "" {
		meta["namespace"] = o.Namespace
	}
	return object{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": meta, list: left}
}

// patchText writes the edits for kubectl: documents for patch and apply, a
// command for what is deleted.
func patchText(edits []edit) string {
	var parts []string
	for _, e := range edits {
		if e.remove == nil {
			parts = append(parts, text(e.doc))
			continue
		}
		command := "kubectl delete " + strings.ToLower(e.remove.Kind) + " " + shellWord(e.remove.Name)
		if strings.HasPrefix(e.remove.Name, "-") { // it would be taken for a switch
			command = "kubectl delete " + shellWord(strings.ToLower(e.remove.Kind)+"/"+e.remove.Name)
		}
		if e.remove.Namespace != "" {
			command += " --namespace " + shellWord(e.remove.Namespace)
		}
		parts = append(parts, command+"\n")
	}
	return strings.Join(parts, "---\n")
}

// shellWord quotes a name for a shell: names of roles and bindings may hold
// anything but a slash.
func shellWord(name string) string {
	safe := func(r rune) bool {
		return r == '-' || r == '/' || r == '.' || r == ':' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if name != "" && !strings.ContainsFunc(name, func(r rune) bool { return !safe(r) }) {
		return name
	}
	return "'" + strings.ReplaceAll(name, "'", `'\''`) + "'"
}
