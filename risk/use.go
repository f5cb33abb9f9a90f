package risk

import (
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
)

// used weighs a delete-binding against the rights that a log shows in use. The
// binding is needed where it grants, in one namespace and without wildcards, a
// right that is in use. Where it grants more than is in use (a wildcard, the
// whole cluster), it goes all the same, and the evidence says what its subject
// has to keep.
func (w *world) used(a model.Action) (out model.Action, needed bool) {
	seen := map[string]bool{}
	var keep []model.Evidence
	for _, id := range a.Removes {
		for _, leaf := range w.ids[id].leaves {
			right := w.estate.Attack.Facts[leaf]
			for _, f := range w.estate.FactsOf(model.UsedRight) {
				if right.Kind != model.Right || f.Asset != right.Object || !uses(right, f) {
					continue
				}
				if narrow(right) {
					return a, true
				}
				if !seen[f.ID()] {
					seen[f.ID()] = true
					keep = append(keep, model.Evidence{What: "in use, so grant just that first", Where: f.Object.Key, Value: f.Value})
				}
			}
		}
	}
	a.Evidence = append(slices.Clone(a.Evidence), keep...)
	return a, false
}

// narrow reports whether a grant is of named resources and verbs in one
// namespace: then it can't be much wider than its use.
func narrow(right model.Fact) bool {
	_, grant, _ := strings.Cut(right.Value, ": ")
	return strings.Contains(right.Asset.Key, "/RoleBinding/") && !strings.Contains(grant, "*")
}

// uses reports whether a right that a log shows in use is one that a right
// fact grants. The value of the use is "create batch/jobs", the group empty
// for the core one, its object the namespace. The value of the grant ends in
// "VERBS on RESOURCES[ named NAMES]" with resources as "group/resource[/sub]";
// a grant by a RoleBinding counts in that namespace only.
func uses(right, used model.Fact) bool {
	_, grant, ok := strings.Cut(right.Value, ": ")
	verbs, rest, on := strings.Cut(grant, " on ")
	verb, resource, asked := strings.Cut(used.Value, " ")
	if !ok || !on || !asked || !inScope(right.Asset, used.Object) {
		return false
	}
	resources, _, _ := strings.Cut(rest, " named ")
	return slices.ContainsFunc(strings.Split(verbs, ","), func(v string) bool { return v == "*" || v == verb }) &&
		slices.ContainsFunc(strings.Split(resources, ","), func(r string) bool { return grants(r, resource) })
}

// inScope compares a binding's namespace with that of a request.
func inScope(binding, namespace model.Ref) bool {
	place, _, ok := strings.Cut(binding.Key, "/RoleBinding/")
	return !ok || place == namespace.Key
}

// grants compares a resource of a rule with one of a request, as the API
// server does: "*" is every resource with its subresources, "*/sub" that
// subresource of each.
func grants(rule, request string) bool {
	ruleGroup, ruleResource, _ := strings.Cut(rule, "/")
	group, resource, _ := strings.Cut(request, "/")
	if ruleGroup != "*" && ruleGroup != group {
		return false
	}
	_, sub, _ := strings.Cut(resource, "/")
	return ruleResource == "*" || ruleResource == resource || sub != "" && ruleResource == "*/"+sub
}
