package identity

import (
	"fmt"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// Proof is a grant in words and places, as reports print it.
type Proof struct {
	Subject   string `json:"subject"`             // whom the binding names: "Group ops"
	Binding   *Named `json:"binding,omitempty"`   // absent for system:masters
	Bound     *Named `json:"bound,omitempty"`     // the role that the binding names, where Role is another that it aggregates
	Role      *Named `json:"role,omitempty"`      // the role that holds the rule
	Index     int    `json:"index"`               // of the rule in the role, from 0; -1 for system:masters
	Rule      string `json:"rule"`                // the rule on one line
	Namespace string `json:"namespace,omitempty"` // where it counts; absent: in the whole cluster
}

// Named is an object and where it is described.
type Named struct {
	Object string `json:"object"` // "RoleBinding shop/web"
	At     string `json:"at"`     // file:line, or "built in"
}

// NamedOf names an object; nil for none.
func NamedOf(o *kube.Object) *Named {
	switch {
	case o == nil:
		return nil
	case o.Position.File == "":
		return &Named{o.String(), "built in"}
	}
	return &Named{o.String(), place(o)}
}

// Proof puts the grant into words.
func (g Grant) Proof() Proof {
	if g.Rule == nil {
		return Proof{Subject: g.Subject.String(), Index: -1, Rule: "the API server asks no authorizer about this group"}
	}
	p := Proof{
		Subject: g.Subject.String(), Binding: NamedOf(g.Binding), Role: NamedOf(g.Role),
		Index: g.RuleIndex, Rule: RuleText(g.Rule), Namespace: g.Namespace,
	}
	if g.Bound != g.Role {
		p.Bound = NamedOf(g.Bound)
	}
	return p
}

// String is the proof on one line.
func (p Proof) String() string {
	if p.Binding == nil {
		return p.Subject + ": " + p.Rule
	}
	role := fmt.Sprintf("%s rules[%d] (%s)", p.Role.Object, p.Index, p.Role.At)
	if p.Bound != nil {
		role = p.Bound.Object + " aggregates " + role
	}
	return fmt.Sprintf("%s (%s) gives %s %s: %s", p.Binding.Object, p.Binding.At, p.Subject, role, p.Rule)
}

// Proofs are those of several grants.
func Proofs(grants []Grant) []Proof {
	out := make([]Proof, len(grants))
	for i, g := range grants {
		out[i] = g.Proof()
	}
	return out
}

// RuleText writes a rule on one line.
func RuleText(r *rbacv1.PolicyRule) string {
	text := strings.Join(r.Verbs, ",") + " on "
	if len(r.Resources) == 0 {
		return text + strings.Join(r.NonResourceURLs, ",")
	}
	text += strings.Join(r.Resources, ",")
	if groups := strings.Trim(strings.Join(r.APIGroups, ","), ","); groups != "" {
		text += " of " + groups
	}
	if len(r.ResourceNames) > 0 {
		text += " named " + strings.Join(r.ResourceNames, ",")
	}
	return text
}

// String is the request as a person would say it.
func (r Request) String() string {
	if r.Path != "" {
		return r.Verb + " " + r.Path
	}
	text := r.Verb + " " + r.Resource
	if r.Group != "" && r.Group != "*" {
		text += "." + r.Group
	}
	if r.Subresource != "" {
		text += "/" + r.Subresource
	}
	if r.Name != "" {
		text += " " + r.Name
	}
	if r.Namespace != "" {
		return text + " in namespace " + r.Namespace
	}
	return text + " in the whole cluster"
}
