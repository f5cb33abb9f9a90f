package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"k8s.io/apiserver/pkg/audit/policy"
	k8suser "k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/authorization/authorizer"

	"github.com/scantling/scantling/runtime/signal"
)

var (
	policyUsers  = []string{"alice", "system:anonymous", "system:kube-proxy"}
	policyGroups = []string{"system:authenticated", "system:unauthenticated", "devs"}
	policyVerbs  = []string{"get", "list", "create", "delete"}
	policyPaths  = []string{"/", "/healthz", "/healthz/x", "/version"}
	policySpecs  = []string{"pods", "pods/exec", "pods/*", "*/status", "*", "*/*", "secrets", "deployments/status", "deployments/*"}
	policyStages = []string{"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"}
)

func pick(r *rand.Rand, of []string) string { return of[r.IntN(len(of))] }

// list is a list of none to two words, in YAML.
func list(r *rand.Rand, key string, of []string) string {
	n := max(0, r.IntN(5)-2)
	if n == 0 {
		return ""
	}
	var words []string
	for range n {
		words = append(words, fmt.Sprintf("%q", pick(r, of)))
	}
	return fmt.Sprintf(", %s: [%s]", key, strings.Join(words, ", "))
}

func randomAuditPolicy(r *rand.Rand) string {
	var b strings.Builder
	b.WriteString("apiVersion: audit.k8s.io/v1\nkind: Policy\n")
	if s := list(r, "omitStages", policyStages); s != "" {
		b.WriteString(strings.TrimPrefix(s, ", ") + "\n")
	}
	fmt.Fprintf(&b, "omitManagedFields: %t\nrules:\n", r.IntN(2) == 0)
	for range 1 + r.IntN(6) {
		fmt.Fprintf(&b, "- {level: %s%s%s%s%s", pick(r, []string{"None", "Metadata", "Request", "RequestResponse"}),
			list(r, "users", policyUsers), list(r, "userGroups", policyGroups), list(r, "verbs", policyVerbs), list(r, "omitStages", policyStages))
		if r.IntN(3) == 0 {
			fmt.Fprintf(&b, ", omitManagedFields: %t", r.IntN(2) == 0)
		}
		if r.IntN(4) == 0 {
			b.WriteString(list(r, "nonResourceURLs", []string{"*", "/healthz*", "/version", "/"}))
		} else {
			b.WriteString(list(r, "namespaces", []string{"", "a", "kube-system"}))
			if r.IntN(2) == 0 {
				names := ""
				resources := list(r, "resources", policySpecs)
				if resources != "" {
					names = list(r, "resourceNames", []string{"x", "y", ""})
				}
				fmt.Fprintf(&b, ", resources: [{group: %q%s%s}, {group: batch}]", pick(r, []string{"", "apps", "*"}), resources, names)
			}
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// TestAuditPolicy holds our evaluation of audit policies against the API
// server's own, on random policies and requests.
func TestAuditPolicy(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	by := map[string]int{}
	for range 1500 {
		text := randomAuditPolicy(r)
		theirs, err := policy.LoadPolicyFromBytes([]byte(text))
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		oracle := policy.NewPolicyRuleEvaluator(theirs)
		ours, errs := signal.ParsePolicy("policy.yaml", []byte(text))
		if len(errs) > 0 {
			t.Fatalf("%v\n%s", errs, text)
		}
		for range 60 {
			q := signal.Request{User: pick(r, policyUsers), Groups: []string{pick(r, policyGroups)}, Verb: pick(r, policyVerbs)}
			if r.IntN(4) == 0 {
				q.Path = pick(r, policyPaths)
			} else {
				q.Resource, q.Subresource, q.Group = pick(r, []string{"pods", "secrets", "deployments", "jobs"}), pick(r, []string{"", "exec", "status"}), pick(r, []string{"", "apps", "batch"})
				q.Namespace, q.Name = pick(r, []string{"", "a", "kube-system"}), pick(r, []string{"", "x", "y"})
			}
			want := oracle.EvaluatePolicyRule(authorizer.AttributesRecord{
				User: &k8suser.DefaultInfo{Name: q.User, Groups: q.Groups}, Verb: q.Verb, Path: q.Path, ResourceRequest: q.Resource != "",
				APIGroup: q.Group, Resource: q.Resource, Subresource: q.Subresource, Namespace: q.Namespace, Name: q.Name,
			})
			got := ours.Decide(q)
			var omit []string
			for _, s := range want.OmitStages {
				omit = append(omit, string(s))
			}
			slices.Sort(omit)
			sorted := slices.Compact(slices.Sorted(slices.Values(got.OmitStages)))
			if got.Level != string(want.Level) || got.OmitManagedFields != want.OmitManagedFields || !slices.Equal(sorted, slices.Compact(omit)) {
				t.Fatalf("%+v: %+v, the API server has %+v\n%s", q, got, want, text)
			}
			by[got.Level]++
		}
	}
	for _, level := range []string{"None", "Metadata", "Request", "RequestResponse"} {
		if by[level] < 1000 {
			t.Errorf("only %d requests at %s", by[level], level)
		}
	}
}

// TestAuditPolicyRefusals: what the API server refuses, we refuse.
func TestAuditPolicyRefusals(t *testing.T) {
	head := "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
	for name, text := range map[string]string{
		"empty": "", "no rules": head, "no level": head + "rules: [{verbs: [get]}]", "level": head + "rules: [{level: metadata}]",
		"both": head + "rules: [{level: None, nonResourceURLs: [/x], namespaces: [a]}]", "path": head + "rules: [{level: None, nonResourceURLs: [x]}]",
		"star": head + "rules: [{level: None, nonResourceURLs: ['/a*b']}]", "group": head + "rules: [{level: None, resources: [{group: apps/v1}]}]",
		"names": head + "rules: [{level: None, resources: [{group: apps, resourceNames: [x]}]}]", "stage": head + "rules: [{level: None, omitStages: [Received]}]",
		"kind": "apiVersion: v1\nkind: Pod", "version": "apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]",
		"types": head + "rules: [{level: None, verbs: get}]",
	} {
		t.Run(name, func(t *testing.T) {
			_, theirs := policy.LoadPolicyFromBytes([]byte(text))
			_, ours := signal.ParsePolicy("p", []byte(text))
			if theirs == nil || len(ours) == 0 {
				t.Errorf("theirs: %v, ours: %v", theirs, ours)
			}
		})
	}
}
