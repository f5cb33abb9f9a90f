package identity

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// Request is one call to the API server, as its authorizer sees it. Either
// Path is set (a call to no resource, as /metrics), or Resource.
//
// Namespace "" means a cluster-scoped resource or all namespaces at once, for
// which no RoleBinding counts. Name is "" for create, deletecollection, and
// for list and watch without a field selector on metadata.name: a rule with
// resourceNames never allows those.
type Request struct {
	Verb        string
	Group       string
	Resource    string
	Subresource string
	Namespace   string
	Name        string
	Path        string
}

// normal fills in what the API server infers: a request for one Namespace
// object is inside of that namespace.
// Source: apiserver, pkg/endpoints/request, RequestInfoFactory.
func (r Request) normal() Request {
	if r.Resource == "namespaces" && r.Group == "" && r.Namespace == "" {
		r.Namespace = r.Name
	}
	return r
}

// Allows reports whether the rule allows the request, wherever the rule
// stands.
// Source: kubernetes, pkg/apis/rbac/v1, evaluation_helpers.go.
func Allows(rule *rbacv1.PolicyRule, r Request) bool {
	if r.Path != "" {
		return holds(rule.Verbs, r.Verb) && pathMatches(rule.NonResourceURLs, r.Path)
	}
	return holds(rule.Verbs, r.Verb) && holds(rule.APIGroups, r.Group) &&
		resourceMatches(rule.Resources, r.Resource, r.Subresource) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, r.Name))
}

// holds reports whether list has the word or the "*" that matches all words.
func holds(list []string, word string) bool {
	for _, w := range list {
		if w == "*" || w == word {
			return true
		}
	}
	return false
}

// resourceMatches knows three forms: "*" (everything, subresources too),
// the exact "resource" or "resource/sub", and "*/sub". "pods/*" means nothing.
func resourceMatches(list []string, resource, sub string) bool {
	full := resource
	if sub != "" {
		full += "/" + sub
	}
	for _, r := range list {
		if r == "*" || r == full || sub != "" && r == "*/"+sub {
			return true
		}
	}
	return false
}

// pathMatches compares paths; a rule may end in "*".
func pathMatches(list []string, path string) bool {
	for _, p := range list {
		if p == "*" || p == path {
			return true
		}
		if strings.HasSuffix(p, "*") && strings.HasPrefix(path, strings.TrimRight(p, "*")) {
			return true
		}
	}
	return false
}
