package kubehound

import (
	"fmt"
	"slices"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// set is what one binding gives of one role.
type set struct {
	Vertex
	binding  string
	role     string
	rules    []identity.Grant
	subjects []identity.Subject
}

// scope is the namespace in which the set counts, "" for the whole cluster.
func (s *set) covers(namespace string) bool { return !s.Namespaced || s.Namespace == namespace }

func (s *set) proof(rule int) []model.Proof {
	return []model.Proof{{Object: s.binding, Field: "roleRef"}, {Object: s.role, Field: fmt.Sprintf("rules[%d]", rule), Rule: fmt.Sprint(rule)}}
}

func (b *builder) readSets() {
	for _, o := range b.snapshot.Objects {
		var ref rbacv1.RoleRef
		var raw []rbacv1.Subject
		switch t := o.Typed.(type) {
		case *rbacv1.RoleBinding:
			ref, raw = t.RoleRef, t.Subjects
		case *rbacv1.ClusterRoleBinding:
			ref, raw = t.RoleRef, t.Subjects
		default:
			continue
		}
		b.readSet(o, ref, raw)
	}
}

func (b *builder) readSet(o *kube.Object, ref rbacv1.RoleRef, raw []rbacv1.Subject) {
	namespace := ""
	if ref.Kind == "Role" {
		namespace = o.Namespace
	}
	s := set{
		Vertex:  Vertex{Class: PermissionSet, Name: ref.Name + "::" + o.Name, Namespace: o.Namespace, Namespaced: o.Namespace != ""},
		binding: o.Kind + " " + objectName(o.Namespace, o.Name), role: ref.Kind + " " + objectName(namespace, ref.Name),
		rules: b.identity.RoleGrants(namespace, ref.Name, o.Namespace),
	}
	if s.rules == nil {
		return // KubeHound, too, drops a binding whose role it doesn't find
	}
	for _, r := range raw {
		if who, ok := identity.Resolve(r, o.Namespace); ok {
			s.subjects = append(s.subjects, who)
		}
	}
	b.sets = append(b.sets, s)
}

func objectName(namespace, name string) string {
	if namespace == "" {
		return name
	}
	return namespace + "/" + name
}

// gives returns the place of the first rule that allows one of the verbs on
// one of the resources of the core group for every object; -1 for none.
func (s *set) gives(verbs, resources []string) int {
	for _, g := range s.rules {
		r := g.Rule
		if (slices.Contains(r.APIGroups, "") || slices.Contains(r.APIGroups, "*")) && anyOf(r.Verbs, verbs) && anyOf(r.Resources, resources) && len(r.ResourceNames) == 0 {
			return g.RuleIndex
		}
	}
	return -1
}

// anyOf reports whether list has one of the words, or the star.
func anyOf(list, words []string) bool {
	return slices.Contains(list, "*") || slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
}

// setEdges are those to and from permission sets, but for role bindings.
func (b *builder) setEdges() {
	for i := range b.sets {
		s := &b.sets[i]
		for _, who := range s.subjects {
			b.add("PERMISSION_DISCOVER", identityVertex(who), s.Vertex, model.Proof{Object: s.binding, Field: "subjects"})
		}
		if rule := s.gives([]string{"create"}, []string{"pods", "pods/*"}); rule >= 0 {
			for _, n := range b.nodes {
				b.add("POD_CREATE", s.Vertex, n, s.proof(rule)...)
			}
		}
		b.toPods("POD_EXEC", s, s.gives([]string{"create"}, []string{"pods/exec", "pods/*"}))
		b.toPods("POD_PATCH", s, s.gives([]string{"patch"}, []string{"pods", "pods/*"}))
		b.toAccounts("TOKEN_BRUTEFORCE", s, s.gives([]string{"get"}, []string{"secrets", "secrets/*"}))
		b.toAccounts("TOKEN_LIST", s, s.gives([]string{"list"}, []string{"secrets", "secrets/*"}))
		if rule := s.gives([]string{"get"}, []string{"pods/log", "pods/*"}); rule >= 0 {
			b.logLinks(s, rule)
		}
	}
}

func (b *builder) toPods(kind string, s *set, rule int) {
	if rule < 0 {
		return
	}
	for i := range b.pods {
		if s.covers(b.pods[i].Namespace) {
			b.add(kind, s.Vertex, b.pods[i].Vertex, s.proof(rule)...)
		}
	}
}

func (b *builder) toAccounts(kind string, s *set, rule int) {
	if rule < 0 {
		return
	}
	for _, who := range b.identity.Subjects() {
		if who.Kind == rbacv1.ServiceAccountKind && s.covers(who.Namespace) {
			b.add(kind, s.Vertex, identityVertex(who), s.proof(rule)...)
		}
	}
}

// logLinks leads out of containers that write the host's logs as somebody who
// may read logs.
func (b *builder) logLinks(s *set, rule int) {
	for i := range b.pods {
		p := &b.pods[i]
		if !slices.Contains(s.subjects, p.account) {
			continue
		}
		for _, v := range p.volumes {
			if v.token || !slices.Contains(logPaths, v.Path) {
				continue
			}
			for _, n := range p.nodes {
				b.add("CE_VAR_LOG_SYMLINK", p.container(v.Container), n, append(s.proof(rule), p.proof(v.field))...)
			}
		}
	}
}

// roleBinds leads from sets that may bind roles to the sets that they can
// become. Cluster-wide, with clusterroles: every set of the whole cluster,
// itself among them; with roles: every set of some namespace. In a namespace,
// with roles: every other set of some namespace.
func (b *builder) roleBinds() {
	for i := range b.sets {
		s := &b.sets[i]
		local := s.loose("create", "rolebindings")
		wide := max(local, s.loose("create", "clusterrolebindings"))
		if !s.inGroup() || wide < 0 {
			continue
		}
		clusterRoles, roles := s.loose("bind", "clusterroles"), s.loose("bind", "roles")
		for j := range b.sets {
			to := &b.sets[j]
			switch {
			case !s.Namespaced && !to.Namespaced && clusterRoles >= 0:
				b.add("ROLE_BIND", s.Vertex, to.Vertex, append(s.proof(wide), s.proof(clusterRoles)[1])...)
			case to.Namespaced && roles >= 0 && local >= 0 && i != j:
				b.add("ROLE_BIND", s.Vertex, to.Vertex, append(s.proof(local), s.proof(roles)[1])...)
			}
		}
	}
}

// loose is gives without a look at the API group, for which inGroup asks of
// all rules together.
func (s *set) loose(verb, resource string) int {
	for _, g := range s.rules {
		if anyOf(g.Rule.Verbs, []string{verb}) && anyOf(g.Rule.Resources, []string{resource}) && len(g.Rule.ResourceNames) == 0 {
			return g.RuleIndex
		}
	}
	return -1
}

func (s *set) inGroup() bool {
	return slices.ContainsFunc(s.rules, func(g identity.Grant) bool { return anyOf(g.Rule.APIGroups, []string{rbacv1.GroupName}) })
}
