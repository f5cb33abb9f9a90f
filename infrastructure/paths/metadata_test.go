package paths

import (
	"slices"
	"strings"
	"testing"
)

// TestKeepIn: the change that keeps pods from the metadata service ends the
// paths through it, verified by building the cluster anew, and never selects a
// workload that has egress policies: it would let that out.
func TestKeepIn(t *testing.T) {
	pod := func(name, labels string) string {
		return "{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", namespace: shop, labels: {" + labels + "}}, spec: {nodeName: n1, automountServiceAccountToken: false, containers: [{name: c, image: i}]}}"
	}
	policy := func(labels, egress string) string {
		return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out, namespace: shop}, spec: {podSelector: {matchLabels: {" + labels + "}}, policyTypes: [Ingress, Egress], egress: [" + egress + "]}}"
	}
	link := Link{From: Holder{Node: EveryNode}, To: Holder{Role: "r"}, Value: "profile", Pods: true}
	web, db := pod("web", "app: web"), pod("db", "app: web, tier: data")
	for name, tc := range map[string]struct {
		docs   []string
		change bool     // some ends the path
		picks  []string // of the patch
		spares string
		open   string // why no change does
	}{
		"all of a namespace":       {[]string{web}, true, []string{"podSelector: {}", "name: no-metadata\n"}, "", ""},
		"beside one with policies": {[]string{web, db, policy("tier: data", "")}, true, []string{"app: web", "key: tier\n", "web-no-metadata"}, "podSelector: {}", ""},
		"a policy lets it":         {[]string{web, policy("app: web", "{}")}, false, nil, "", "narrow the egress rules"},
		"a twin with policies":     {[]string{web, strings.Replace(pod("db", "app: web"), "labels: {app: web}", "labels: {app: web, pod-template-hash: x}", 1), policy("pod-template-hash: x", "")}, false, nil, "", "a label of their own"},
	} {
		t.Run(name, func(t *testing.T) {
			m := at(t, "", strings.Join(tc.docs, "\n---\n"), link)
			ends, err := m.Ends(nil, []string{"shop/web"}, []string{"cloud/r"})
			if err != nil {
				t.Fatal(err)
			}
			r := m.Ask(Query{Ends: ends, Most: 1, Fix: true})
			if len(r.Paths) != 1 {
				t.Fatalf("%d paths", len(r.Paths))
			}
			if !tc.change {
				if len(r.Fixes) > 0 || len(r.FixSet.Open) != 1 || !strings.Contains(strings.Join(r.FixSet.Open[0].Why, "; "), tc.open) {
					t.Errorf("fixes %v, open %v", r.Fixes, r.FixSet.Open)
				}
				return
			}
			if len(r.Fixes) != 1 || r.FixSet.State != Verified {
				t.Fatalf("fixes %v, %s %s", r.Fixes, r.FixSet.State, r.FixSet.Why)
			}
			for _, want := range tc.picks {
				if !strings.Contains(r.Fixes[0].Patch, want) {
					t.Errorf("no %q in\n%s", want, r.Fixes[0].Patch)
				}
			}
			if tc.spares != "" && strings.Contains(r.Fixes[0].Patch, tc.spares) {
				t.Errorf("%q in\n%s", tc.spares, r.Fixes[0].Patch)
			}
		})
	}
}

// TestCloudWorth: roles that links lead to share their points, and those known
// to be limited are no target unless named. A doubtful link has its chance.
func TestCloudWorth(t *testing.T) {
	links := []Link{
		{From: Holder{Node: EveryNode}, To: Holder{Role: "admin"}, Pods: true, P: Doubtful},
		{From: Holder{Role: "admin"}, To: Holder{Role: "small"}, Limited: true},
		{From: Holder{Role: "stranger"}, To: Holder{Role: "small"}, Limited: true},
		{From: Holder{Role: "stranger"}, To: Holder{Role: "both"}, Limited: true},
		{From: Holder{Role: "stranger"}, To: Holder{Role: "both"}},
		{From: Holder{Role: "stranger"}, To: Holder{Role: "far"}},
		{From: Holder{Role: "admin"}, To: Holder{Rights: Rights{Role: "none-such"}}},
	}
	m := at(t, "", "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop}, spec: {nodeName: n1, automountServiceAccountToken: false, containers: [{name: c, image: i}]}}", links...)
	r := m.Report(1)
	if n := r.Blast[0].Reaches.CloudRoles; n == nil || *n != 2 || r.Blast[0].Score != cloudPoints*2/4 {
		t.Errorf("roles %v, score %v", n, r.Blast[0].Score)
	}
	var targets []string
	for _, j := range r.Jewels {
		if name, ok := strings.CutPrefix(j, "cloud-role "); ok {
			targets = append(targets, name)
		}
	}
	if !slices.Equal(targets, []string{"admin", "both", "far"}) {
		t.Errorf("targets %v", targets)
	}
	if len(r.Paths) == 0 || r.Paths[0].To != "cloud-role admin" || r.Paths[0].Probability != Doubtful {
		t.Errorf("paths %v", r.Paths)
	}
	if x := m.Incomplete(); len(x) != 1 || x[0].What != "ClusterRole none-such" {
		t.Errorf("incomplete %v", x)
	}
	if ends, err := m.Ends(nil, []string{"cloud/stranger"}, []string{"cloud/far"}); err != nil || len(m.Ask(Query{Ends: ends, Most: 1}).Paths) != 1 {
		t.Errorf("from a role: %v", err)
	}
}
