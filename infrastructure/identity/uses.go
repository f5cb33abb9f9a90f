package identity

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// Use is one identity that a workload acts as or that a binding names.
type Use struct {
	Subject   Subject
	Object    *kube.Object // the ServiceAccount; nil where none was read
	Workloads []*kube.Workload
	Powers    []Power        // what it may do, by itself and by its groups
	Bindings  []*kube.Object // that name it itself
	Twins     []Subject      // ServiceAccounts of the same name in other namespaces that may do the same
}

// Default reports whether the identity is the ServiceAccount that a pod gets
// when it names none.
func (u Use) Default() bool {
	return u.Subject.Kind == rbacv1.ServiceAccountKind && u.Subject.Name == defaultAccount
}

// Power is a right that matters to an attacker.
type Power struct {
	Name      string
	Namespace string   // "" is the whole cluster
	Names     []string // objects that it is limited to, by the rule's resourceNames
	Grant     Grant    // the first rule that gives it
}

// power is what a rule has to allow: one of the verbs on one of the resources.
type power struct {
	name    string
	verbs   []string
	on      []string // "resource.group/subresource"
	cluster bool     // counts for the whole cluster alone
}

var (
	readVerbs   = []string{"get", "list", "watch"}
	changeVerbs = []string{"update", "patch"}
	makeVerbs   = []string{"create"}
	workloads   = []string{
		"pods", "replicationcontrollers", "deployments.apps", "statefulsets.apps", "daemonsets.apps", "replicasets.apps", "jobs.batch", "cronjobs.batch",
	}
)

// powers in the order in which they are told. cluster-admin and
// namespace-admin go before them and stand for them all.
var powers = []power{
	{"read-secrets", readVerbs, []string{"secrets"}, false},
	{"exec", []string{"create", "get"}, []string{"pods/exec", "pods/attach"}, false},
	{"debug", changeVerbs, []string{"pods/ephemeralcontainers"}, false},
	{"create-workloads", makeVerbs, workloads, false},
	{"change-workloads", changeVerbs, workloads, false},
	{"issue-tokens", makeVerbs, []string{"serviceaccounts/token"}, false},
	{"impersonate", []string{"impersonate"}, []string{"serviceaccounts"}, false},
	{"impersonate", []string{"impersonate"}, []string{"users", "groups"}, true},
	{"bind", []string{"bind"}, []string{"roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io"}, false},
	{"escalate", []string{"escalate"}, []string{"roles.rbac.authorization.k8s.io", "clusterroles.rbac.authorization.k8s.io"}, false},
	{"node-proxy", []string{"get", "create"}, []string{"nodes/proxy"}, true},
	{"approve-certificates", changeVerbs, []string{"certificatesigningrequests.certificates.k8s.io/approval"}, true},
	{"change-webhooks", []string{"create", "update", "patch"}, []string{
		"mutatingwebhookconfigurations.admissionregistration.k8s.io", "validatingwebhookconfigurations.admissionregistration.k8s.io",
	}, true},
	{"label-namespaces", changeVerbs, []string{"namespaces"}, false},
	{"create-volumes", makeVerbs, []string{"persistentvolumes"}, true},
}

// ParseResource reads "resource", "resource.group", "resource/subresource" or
// "resource.group/subresource" into a request.
func ParseResource(text string) Request {
	resource, sub, _ := strings.Cut(text, "/")
	resource, group, _ := strings.Cut(resource, ".")
	return Request{Group: group, Resource: resource, Subresource: sub}
}

// Uses lists every identity that a workload acts as, that a binding names, or
// that is declared, by kind, namespace and name.
func (e *Engine) Uses() []Use {
	users := map[Subject][]*kube.Workload{}
	for _, w := range e.snapshot.Workloads {
		users[e.Account(w)] = append(users[e.Account(w)], w)
	}
	all := e.Accounts()
	for _, s := range e.subjects {
		if s.Kind != rbacv1.ServiceAccountKind {
			all = append(all, s)
		}
	}
	slices.SortFunc(all, Subject.compare)
	out := make([]Use, len(all))
	byName := map[string][]int{}
	for i, s := range all {
		out[i] = Use{Subject: s, Object: e.accounts[s], Workloads: users[s], Powers: e.Powers(s), Bindings: e.naming(s)}
		if s.Kind == rbacv1.ServiceAccountKind && len(out[i].Powers) > 0 {
			byName[s.Name] = append(byName[s.Name], i)
		}
	}
	for _, same := range byName {
		for _, i := range same {
			for _, j := range same {
				if i != j && slices.EqualFunc(out[i].Powers, out[j].Powers, alike) {
					out[i].Twins = append(out[i].Twins, out[j].Subject)
				}
			}
		}
	}
	return out
}

// alike compares what two powers let somebody do. Those for one namespace are
// alike where each counts in its own.
func alike(a, b Power) bool {
	return a.Name == b.Name && (a.Namespace == "") == (b.Namespace == "") && slices.Equal(a.Names, b.Names)
}

// naming lists the bindings that name the subject.
func (e *Engine) naming(s Subject) []*kube.Object {
	var out []*kube.Object
	for _, i := range e.bySubject[s] {
		out = append(out, e.bindings[i].object)
	}
	return out
}

// Powers lists what matters of what the subject may do, each power once for
// each namespace, those of its groups included. cluster-admin stands alone.
func (e *Engine) Powers(s Subject) []Power {
	var out []Power
	e.each(s, true, func(g Grant) {
		if g.Rule == nil || AllowsAll(g.Rule) && g.Namespace == "" {
			out = append([]Power{{Name: "cluster-admin", Grant: g}}, out...)
			return
		}
		if AllowsAll(g.Rule) {
			out = append(out, Power{Name: "namespace-admin", Namespace: g.Namespace, Grant: g})
			return
		}
		for i := range powers {
			if p := &powers[i]; (!p.cluster || g.Namespace == "") && p.given(g.Rule) {
				out = append(out, Power{Name: p.name, Namespace: g.Namespace, Names: g.Rule.ResourceNames, Grant: g})
			}
		}
	})
	if len(out) > 0 && out[0].Name == "cluster-admin" {
		return out[:1]
	}
	slices.SortStableFunc(out, func(a, b Power) int {
		return cmp.Or(strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name), slices.Compare(a.Names, b.Names))
	})
	return slices.CompactFunc(out, func(a, b Power) bool {
		return a.Name == b.Name && a.Namespace == b.Namespace && slices.Equal(a.Names, b.Names)
	})
}

func (p *power) given(rule *rbacv1.PolicyRule) bool {
	for _, on := range p.on {
		r := ParseResource(on)
		if len(rule.ResourceNames) > 0 {
			r.Name = rule.ResourceNames[0]
		}
		for _, r.Verb = range p.verbs {
			if Allows(rule, r) && !(r.Verb == "create" && r.Subresource == "" && r.Name != "") {
				return true
			}
		}
	}
	return false
}

// AllowsAll reports whether a rule allows every verb on every resource.
func AllowsAll(r *rbacv1.PolicyRule) bool {
	return len(r.ResourceNames) == 0 && slices.Contains(r.Verbs, "*") && slices.Contains(r.APIGroups, "*") && slices.Contains(r.Resources, "*")
}

// Idle is a binding that gives nothing to anything that runs, and why.
type Idle struct {
	Binding *kube.Object
	Why     string
}

// Idle lists the bindings that name nobody, whose role gives nothing, or whose
// subjects are all ServiceAccounts that no workload of the snapshot uses. A
// program outside of the cluster may use a token of such an account.
func (e *Engine) Idle() []Idle {
	used := map[Subject]bool{}
	for _, w := range e.snapshot.Workloads {
		used[e.Account(w)] = true
	}
	var out []Idle
	for i := range e.bindings {
		b := &e.bindings[i]
		why := ""
		switch {
		case len(b.subjects) == 0:
			why = "it names nobody"
		case b.role != nil && b.doubt == "" && len(b.rules) == 0:
			why = "its role has no rule"
		case !slices.ContainsFunc(b.subjects, func(s Subject) bool { return s.Kind != rbacv1.ServiceAccountKind || used[s] }):
			why = "no workload uses the ServiceAccounts that it names"
		default:
			continue
		}
		out = append(out, Idle{b.object, why})
	}
	return out
}

// Missing is a subject of a binding that the cluster doesn't have.
type Missing struct {
	Binding *kube.Object
	Subject Subject
	Why     string
}

// Missing lists the ServiceAccounts that bindings name and that were not read.
// Whoever may create one gets its rights. The default account of a namespace
// is always there once the namespace is.
func (e *Engine) Missing() []Missing {
	spaces := map[string]bool{}
	for _, n := range e.snapshot.Namespaces() {
		spaces[n.Name] = true
	}
	var out []Missing
	for i := range e.bindings {
		for _, s := range e.bindings[i].subjects {
			switch {
			case s.Kind != rbacv1.ServiceAccountKind || e.accounts[s] != nil:
			case !spaces[s.Namespace]:
				out = append(out, Missing{e.bindings[i].object, s, fmt.Sprintf("there is no namespace %s", s.Namespace)})
			case s.Name != defaultAccount:
				out = append(out, Missing{e.bindings[i].object, s, "there is no such ServiceAccount"})
			}
		}
	}
	return out
}
