package posture

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// right is one verb on one resource.
func right(verb, group, resource string) []rbacv1.PolicyRule {
	return []rbacv1.PolicyRule{{Verbs: []string{verb}, APIGroups: []string{group}, Resources: []string{resource}}}
}

// rights crosses verbs with resources of one group.
func rights(group string, verbs, resources []string) (out [][]rbacv1.PolicyRule) {
	for _, v := range verbs {
		for _, r := range resources {
			out = append(out, right(v, group, r))
		}
	}
	return out
}

func join(lists ...[][]rbacv1.PolicyRule) (out [][]rbacv1.PolicyRule) {
	for _, l := range lists {
		out = append(out, l...)
	}
	return out
}

const (
	rbacGroup      = "rbac.authorization.k8s.io"
	admissionGroup = "admissionregistration.k8s.io"
)

// dangerous says which rights each rule is about: it must fail where a role
// holds any of them.
var dangerous = map[string][][]rbacv1.PolicyRule{
	"I203": rights("", []string{"get", "list", "watch"}, []string{"secrets"}),
	"I206": join(rights(rbacGroup, []string{"escalate", "bind"}, []string{"roles", "clusterroles"}),
		rights("", []string{"impersonate"}, []string{"users", "groups", "serviceaccounts"})),
	"I207": join(rights("", []string{"get", "create"}, []string{"pods/exec", "pods/attach"}),
		rights("", []string{"update", "patch"}, []string{"pods/ephemeralcontainers"})),
	"I208": join(rights("", []string{"create", "update", "patch"}, []string{"pods", "replicationcontrollers"}),
		rights("apps", []string{"create", "update", "patch"}, []string{"deployments", "daemonsets", "statefulsets", "replicasets"}),
		rights("batch", []string{"create", "update", "patch"}, []string{"jobs", "cronjobs"})),
	"I209": rights("", []string{"get", "list", "watch", "create", "update", "patch", "delete", "escalate", "bind", "impersonate"}, []string{"nodes/proxy"}),
	"I210": rights("", []string{"create"}, []string{"persistentvolumes"}),
	"I211": rights("", []string{"create"}, []string{"serviceaccounts/token"}),
	"I213": rights(admissionGroup, []string{"create", "update", "patch", "delete"}, []string{
		"validatingwebhookconfigurations", "mutatingwebhookconfigurations", "validatingadmissionpolicies",
		"validatingadmissionpolicybindings", "mutatingadmissionpolicies", "mutatingadmissionpolicybindings",
	}),
}

// withAnyName are rules for which a right on one named object is as bad.
var withAnyName = map[string]bool{"I209": true}

// TestRoleRulesAgreeWithRBAC holds the rules about roles against Kubernetes'
// own comparison of rights, on random roles. Resources are named: the star
// alone is I201's, I203's and I205's to report.
func TestRoleRulesAgreeWithRBAC(t *testing.T) {
	j := only(t, "I203,I206,I207,I208,I209,I210,I211,I213")
	random := rand.New(rand.NewPCG(7, 8))
	failing, roles := map[string]int{}, 3000
	for range roles {
		own := randomRules(random)
		text, err := json.Marshal(map[string]any{
			"apiVersion": rbacGroup + "/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": "r"}, "rules": own,
		})
		if err != nil {
			t.Fatal(err)
		}
		results := j.program.Eval(targets(read(t, string(text)))[0])
		for id, demands := range dangerous {
			want := model.Pass
			if holdsAny(own, demands, withAnyName[id]) {
				want = model.Fail
				failing[id]++
			}
			if got, why := rule.Verdict(results, id); got != want {
				t.Errorf("%s says %s (%s), RBAC %s: %s", id, got, why, want, text)
			}
		}
	}
	for id := range dangerous {
		if n := failing[id]; n < roles/50 || n > roles-roles/50 {
			t.Errorf("%s must fail on %d of %d random roles: they are all alike", id, n, roles)
		}
	}
	t.Logf("%d verdicts compared: %v fail", roles*len(dangerous), failing)
}

func holdsAny(own []rbacv1.PolicyRule, demands [][]rbacv1.PolicyRule, anyName bool) bool {
	held := own
	if anyName {
		held = nil
		for _, r := range own {
			r.ResourceNames = nil
			held = append(held, r)
		}
	}
	for _, d := range demands {
		if all, _ := validation.Covers(held, d); all {
			return true
		}
	}
	return false
}

func randomRules(r *rand.Rand) []rbacv1.PolicyRule {
	some := func(chance float64, words ...string) (out []string) {
		for _, w := range words {
			if r.Float64() < chance {
				out = append(out, w)
			}
		}
		if len(out) == 0 {
			out = []string{words[r.IntN(len(words))]}
		}
		return out
	}
	out := make([]rbacv1.PolicyRule, 1+r.IntN(3))
	for i := range out {
		out[i] = rbacv1.PolicyRule{
			Verbs:     some(0.2, "get", "list", "watch", "create", "update", "patch", "delete", "*", "escalate", "bind", "impersonate"),
			APIGroups: some(0.3, "", "apps", "batch", rbacGroup, admissionGroup, "*", "shop.example"),
			Resources: some(0.13, "secrets", "configmaps", "roles", "clusterroles", "users", "groups", "serviceaccounts", "pods", "pods/exec", "pods/attach",
				"pods/*", "*/exec", "*/proxy", "*/token", "pods/ephemeralcontainers", "*/ephemeralcontainers", "replicationcontrollers", "deployments", "jobs", "cronjobs",
				"replicasets", "nodes/proxy", "nodes/*", "persistentvolumes", "serviceaccounts/token", "validatingwebhookconfigurations", "mutatingadmissionpolicies"),
		}
		if r.IntN(5) == 0 {
			out[i].ResourceNames = []string{"a"}
		}
	}
	return out
}
