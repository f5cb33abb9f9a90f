package paths

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

func TestRuleValue(t *testing.T) {
	many := make([]string, maxCombinations/2+1)
	for i := range many {
		many[i] = fmt.Sprint("r", i)
	}
	for name, tc := range map[string]struct {
		rule rbacv1.PolicyRule
		want string
	}{
		"one":          {rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"pods"}}, "get on /pods"},
		"all":          {rbacv1.PolicyRule{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}, "* on */*"},
		"subresource":  {rbacv1.PolicyRule{Verbs: []string{"create"}, APIGroups: []string{""}, Resources: []string{"pods/exec"}}, "create on /pods/exec"},
		"any scale":    {rbacv1.PolicyRule{Verbs: []string{"patch"}, APIGroups: []string{"apps"}, Resources: []string{"*/scale"}}, "patch on apps/*/scale"},
		"sorted, once": {rbacv1.PolicyRule{Verbs: []string{"watch", "get", "get"}, APIGroups: []string{"batch", ""}, Resources: []string{"pods", "jobs", "jobs"}}, "get,watch on /jobs,/pods,batch/jobs,batch/pods"},
		"named":        {rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"b", "a"}}, "get on /secrets named a,b"},
		"URLs":         {rbacv1.PolicyRule{Verbs: []string{"get"}, NonResourceURLs: []string{"/metrics/*", "/healthz"}}, "get at /healthz,/metrics/*"},
		"odd words":    {rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{""}, Resources: []string{"secrets"}, ResourceNames: []string{"a, b named\n%"}}, "get on /secrets named a%2C%20b%20named%0A%25"},
		"too many":     {rbacv1.PolicyRule{Verbs: []string{"get"}, APIGroups: []string{"", "x"}, Resources: many}, "get on */*"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, ruleValue(&tc.rule)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	for name, tc := range map[string]struct {
		role kube.Object
		want string
	}{
		"role":         {kube.Object{Kind: "Role", Namespace: "shop", Name: "web"}, "Role shop/web rules[3]"},
		"cluster role": {kube.Object{Kind: "ClusterRole", Name: "system:x y"}, "ClusterRole system:x%20y rules[3]"},
	} {
		if got := roleValue(&tc.role, 3); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
}

// TestRightFacts looks at the facts of a graph: the value is for comparing,
// the evidence for people.
func TestRightFacts(t *testing.T) {
	m := build(t, world("", role("shop", allow("", "pods", "create"), allow("apps", "deployments", "patch", "api"))))
	var values, evidence []string
	for _, f := range m.Facts() {
		if f.Kind == model.Right {
			values = append(values, f.Value)
			evidence = append(evidence, f.Evidence[1].What)
		}
	}
	slices.Sort(values)
	if diff := cmp.Diff([]string{"Role shop/r rules[0]: create on /pods", "Role shop/r rules[1]: patch on apps/deployments named api"}, values); diff != "" && len(values) > 1 {
		t.Errorf("values (-want +got):\n%s", diff)
	}
	if len(values) == 0 || !slices.Contains(evidence, "Role shop/r allows create on pods") {
		t.Errorf("values %v, evidence %s", values, strings.Join(evidence, "; "))
	}
}
