package identity

import (
	"slices"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// Can reports whether the subject may make the request, and every grant that
// allows it, in the order of bindings. It answers what RBAC alone would: a
// false beside an Incomplete that touches the subject is not a proof.
func (e *Engine) Can(s Subject, r Request) (bool, []Grant) {
	r = r.normal()
	var out []Grant
	e.each(s, true, func(g Grant) {
		if g.Rule == nil || reaches(g, r) && Allows(g.Rule, r) {
			out = append(out, g)
		}
	})
	return len(out) > 0, out
}

// Holder is a subject that a binding names, with the grants that let it make
// a request.
type Holder struct {
	Subject Subject
	Grants  []Grant
}

// WhoCan lists the subjects named by bindings that may make the request, by
// their own bindings: a group stands for its members. It is sorted by kind,
// namespace and name, and always holds system:masters.
func (e *Engine) WhoCan(r Request) []Holder {
	r = r.normal()
	var out []Holder
	subjects := e.subjects
	if _, found := slices.BinarySearchFunc(subjects, Masters(), Subject.compare); !found {
		subjects = append(slices.Clone(subjects), Masters())
		slices.SortFunc(subjects, Subject.compare)
	}
	for _, s := range subjects {
		var grants []Grant
		e.each(s, false, func(g Grant) {
			if g.Rule == nil || reaches(g, r) && Allows(g.Rule, r) {
				grants = append(grants, g)
			}
		})
		if len(grants) > 0 {
			out = append(out, Holder{Subject: s, Grants: grants})
		}
	}
	return out
}

// Doubts names the bindings whose rights are not fully known and that could
// let somebody make the request: one of who, with the groups that it is in, or
// anybody at all where who is empty.
func (e *Engine) Doubts(r Request, who ...Subject) []model.Incomplete {
	r = r.normal()
	asked := map[Subject]bool{}
	for _, s := range who {
		asked[s] = true
		for _, g := range s.Groups() {
			asked[g] = true
		}
	}
	var out []model.Incomplete
	for i := range e.bindings {
		b := &e.bindings[i]
		if b.doubt == "" || !reaches(Grant{Namespace: b.namespace}, r) {
			continue
		}
		if len(who) == 0 || slices.ContainsFunc(b.subjects, func(s Subject) bool { return asked[s] }) {
			out = append(out, missed(b.object, b.doubt))
		}
	}
	return append(out, e.unseenDefaults(r, asked, len(who) == 0)...)
}

// defaultBindings are the bindings of a new cluster that give something to all
// callers, by name, which is that of the role as well. Manifests seldom hold
// them, and an administrator may have taken them away. Source: kubernetes,
// plugin/pkg/auth/authorizer/rbac/bootstrappolicy.
var defaultBindings = []struct {
	name   string
	groups []Subject
}{
	{"system:basic-user", []Subject{Group("system:authenticated")}},
	{"system:discovery", []Subject{Group("system:authenticated")}},
	{"system:public-info-viewer", []Subject{Group("system:authenticated"), Group("system:unauthenticated")}},
}

// unseenDefaults names the default bindings that would allow the request and
// are not among manifests. Of a live cluster what is not there isn't in force.
func (e *Engine) unseenDefaults(r Request, asked map[Subject]bool, anybody bool) []model.Incomplete {
	if e.snapshot.Origin != nil {
		return nil
	}
	var out []model.Incomplete
	for _, d := range defaultBindings {
		if e.snapshot.Get("ClusterRoleBinding", "", d.name) != nil || !anybody && !slices.ContainsFunc(d.groups, func(g Subject) bool { return asked[g] }) {
			continue
		}
		if slices.ContainsFunc(e.RoleGrants("", d.name, ""), func(g Grant) bool { return Allows(g.Rule, r) }) {
			out = append(out, model.Incomplete{
				What: "ClusterRoleBinding " + d.name, Why: "every new cluster has it, and it would allow this; it is not among the manifests",
			})
		}
	}
	return out
}

// Grants lists everything that the subject is allowed, its groups included.
func (e *Engine) Grants(s Subject) []Grant {
	var out []Grant
	e.each(s, true, func(g Grant) { out = append(out, g) })
	return out
}

// Direct lists the grants of bindings that name the subject itself.
func (e *Engine) Direct(s Subject) []Grant {
	var out []Grant
	e.each(s, false, func(g Grant) { out = append(out, g) })
	return out
}

// RoleGrants lists the rules of a role as if a binding in scope ("" for the
// whole cluster) gave them to somebody: Subject, Binding and Bound are empty.
// namespace is "" for a ClusterRole. It is nil for a role that nobody knows.
func (e *Engine) RoleGrants(namespace, name, scope string) []Grant {
	var out []Grant
	for _, at := range e.rules[e.role(namespace+"/"+name)] {
		out = append(out, Grant{Role: at.role, RuleIndex: at.index, Namespace: scope, Rule: at.rule})
	}
	return out
}

// Role finds a Role by its namespace, or with "" a ClusterRole: one that was
// read, else a built-in one. It is nil for a role that nobody knows.
func (e *Engine) Role(namespace, name string) *kube.Object { return e.role(namespace + "/" + name) }

// Subjects lists the subjects that bindings name, by kind, namespace, name.
func (e *Engine) Subjects() []Subject { return slices.Clone(e.subjects) }

// each visits the grants of a subject, with those of its groups where deep.
func (e *Engine) each(s Subject, deep bool, visit func(Grant)) {
	asked := []Subject{s}
	if deep {
		asked = append(asked, s.Groups()...)
	}
	for _, who := range asked {
		if who == Masters() {
			visit(Grant{Subject: who, RuleIndex: -1})
		}
		for _, i := range e.bySubject[who] {
			b := &e.bindings[i]
			for _, at := range b.rules {
				visit(Grant{
					Subject: who, Binding: b.object, Bound: b.role, Role: at.role, RuleIndex: at.index, Namespace: b.namespace, Rule: at.rule,
				})
			}
		}
	}
}

// reaches reports whether a grant counts where the request is made: one of a
// RoleBinding does for resources of its namespace only.
func reaches(g Grant, r Request) bool {
	return g.Namespace == "" || r.Path == "" && g.Namespace == r.Namespace
}
