package paths

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// The Value of a Right fact names the rule that gives it and says what the
// rule allows, so that rights seen in use can be compared with it. It is words
// with one space between two of them:
//
//	value     = kind " " role " rules[" index "]: " ( resources | paths )
//	kind      = "Role" | "ClusterRole"
//	role      = [ namespace "/" ] name                 (a Role has a namespace)
//	resources = list " on " list [ " named " list ]    (verbs, resources, object names)
//	paths     = list " at " list                       (verbs, non-resource URLs)
//	list      = word { "," word }                      (sorted, each once)
//	resource  = group "/" resource [ "/" subresource ] (core group: empty)
//
// as in
//
//	Role shop/web rules[0]: get,list on /pods,/pods/log,apps/deployments
//	ClusterRole web rules[2]: * on */*
//	ClusterRole web rules[3]: patch on apps/deployments/scale named api,web
//	ClusterRole web rules[4]: get at /healthz,/metrics/*
//
// Words are as the rule has them, and mean what RBAC says: verb "*" is any,
// group "*" is any, resource "*" is any with and without subresource, resource
// "*/scale" is that subresource of any. Spaces, commas and percent signs in a
// word are written as %20, %2C and %25, and other blanks alike. A rule may
// hold both resources and URLs only where the API server would refuse it: then
// its resources are written. One with more than maxCombinations of group and
// resource is written as "*/*", more than it allows: whoever asks whether a
// right is needed must err on that side.
const maxCombinations = 512

// roleValue names a rule by its place.
func roleValue(role *kube.Object, index int) string {
	name := word(role.Name)
	if role.Namespace != "" {
		name = word(role.Namespace) + "/" + name
	}
	return fmt.Sprintf("%s %s rules[%d]", role.Kind, name, index)
}

// ruleValue writes what a rule allows.
func ruleValue(r *rbacv1.PolicyRule) string {
	verbs := list(r.Verbs)
	if len(r.Resources) == 0 && len(r.NonResourceURLs) > 0 {
		return verbs + " at " + list(r.NonResourceURLs)
	}
	var resources []string
	if len(r.APIGroups)*len(r.Resources) > maxCombinations {
		resources = []string{"*/*"}
	} else {
		for _, g := range r.APIGroups {
			for _, res := range r.Resources {
				resources = append(resources, g+"/"+res)
			}
		}
	}
	text := verbs + " on " + list(resources)
	if len(r.ResourceNames) > 0 {
		text += " named " + list(r.ResourceNames)
	}
	return text
}

func list(words []string) string {
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = word(w)
	}
	slices.Sort(out)
	return strings.Join(slices.Compact(out), ",")
}

// wordEscapes keeps words apart: what RBAC allows in names is nearly
// everything.
var wordEscapes = strings.NewReplacer("%", "%25", ",", "%2C", " ", "%20", "\t", "%09", "\n", "%0A", "\r", "%0D")

func word(w string) string { return wordEscapes.Replace(w) }
