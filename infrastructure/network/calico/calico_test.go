package calico_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/network/calico"
)

// pods are web, api and db in shop, till in bank, and agent on the host's
// network; new has no address yet.
const pods = `
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {team: retail}}
---
apiVersion: v1
kind: Namespace
metadata: {name: bank, labels: {team: money}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: robot, namespace: bank, labels: {role: batch}}
---
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop, labels: {app: web}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 8080}]}]}
status: {podIP: 10.0.0.1}
---
apiVersion: v1
kind: Pod
metadata: {name: api, namespace: shop, labels: {app: api}}
spec: {nodeName: n1, containers: [{name: c, ports: [{name: http, containerPort: 9090}]}]}
status: {podIP: 10.0.0.2}
---
apiVersion: v1
kind: Pod
metadata: {name: db, namespace: shop, labels: {app: db}}
spec: {nodeName: n1, containers: [{name: c}]}
status: {podIP: 10.0.1.3}
---
apiVersion: v1
kind: Pod
metadata: {name: till, namespace: bank, labels: {app: till}}
spec: {nodeName: n1, serviceAccountName: robot, containers: [{name: c}]}
status: {podIP: 10.0.1.4}
---
apiVersion: v1
kind: Pod
metadata: {name: agent, namespace: bank, labels: {app: web}}
spec: {nodeName: n2, hostNetwork: true, containers: [{name: c}]}
status: {podIP: 192.168.0.2}
---
apiVersion: v1
kind: Service
metadata: {name: api, namespace: shop}
spec: {selector: {app: api}, ports: [{port: 80, targetPort: http}]}
---
apiVersion: v1
kind: Service
metadata: {name: hand-made, namespace: shop}
spec: {ports: [{port: 80}]}
---
`

// policyText writes a policy of the served group. Of a name "shop/x" the
// first part is its namespace.
func policyText(name, spec string) string {
	kind, meta := "GlobalNetworkPolicy", "name: "+name
	if namespace, own, both := strings.Cut(name, "/"); both {
		kind, meta = "NetworkPolicy", fmt.Sprintf("name: %s, namespace: %s", own, namespace)
	}
	return fmt.Sprintf("apiVersion: projectcalico.org/v3\nkind: %s\nmetadata: {%s}\nspec: {%s}\n---\n", kind, meta, spec)
}

func objectText(kind, name, labels, spec string) string {
	return fmt.Sprintf("apiVersion: projectcalico.org/v3\nkind: %s\nmetadata: {name: %s, labels: {%s}}\nspec: {%s}\n---\n", kind, name, labels, spec)
}

func build(t *testing.T, text string) *network.Engine {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "", "in.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range s.Incomplete {
		if !strings.Contains(i.Why, "not known") {
			t.Fatal(i)
		}
	}
	return network.Build(s)
}

func probe(t *testing.T, e *network.Engine, from, to, port string) string {
	t.Helper()
	v, err := e.Probe(from, to, port)
	if err != nil {
		t.Fatal(err)
	}
	return string(v.Answer)
}

func TestPolicies(t *testing.T) {
	shut := policyText("shop/shut", "selector: app == 'db', types: [Ingress]")
	for name, c := range map[string]struct {
		policies string
		want     string // lines of "from to port answer"
	}{
		"none": {"", "shop/web shop/db tcp/80 allowed"},
		"a policy without rules shuts for ingress": {shut, `
			shop/web shop/db tcp/80 denied
			shop/db shop/web tcp/80 allowed
			8.8.8.8 shop/db udp/53 denied`},
		"egress rules alone make it for egress": {policyText("shop/out", "selector: app == 'web', egress: [{action: Deny, destination: {nets: [8.8.8.0/24]}}, {action: Allow}]"), `
			shop/web 8.8.8.8 tcp/80 denied
			shop/web 8.8.9.8 tcp/80 allowed
			shop/db shop/web tcp/80 allowed`},
		"the first rule that matches decides": {policyText("shop/in", "selector: app == 'db', ingress: [{action: Log}, {action: Deny, source: {selector: app == 'web'}}, {action: Allow, source: {selector: all()}}]"), `
			shop/web shop/db tcp/80 denied
			shop/api shop/db tcp/80 allowed
			bank/till shop/db tcp/80 denied`},
		"a lower order goes first":      {policyText("zz", "order: 1, selector: app == 'db', ingress: [{action: Allow}]") + policyText("aa", "order: 2, selector: app == 'db', ingress: [{action: Deny}]"), "shop/web shop/db tcp/80 allowed"},
		"of one order the name decides": {policyText("zz", "order: 1, selector: app == 'db', ingress: [{action: Allow}]") + policyText("aa", "order: 1, selector: app == 'db', ingress: [{action: Deny}]"), "shop/web shop/db tcp/80 denied"},
		"without an order it goes last": {policyText("aa", "selector: app == 'db', ingress: [{action: Deny}]") + policyText("zz", "order: 1e9, selector: app == 'db', ingress: [{action: Allow}]"), "shop/web shop/db tcp/80 allowed"},
		"before Kubernetes' policies": {policyText("early", "order: 999, selector: app == 'db', ingress: [{action: Deny, source: {selector: app == 'web'}}]") + kubernetesPolicy, `
			shop/web shop/db tcp/80 denied
			shop/api shop/db tcp/80 allowed`},
		"of the order of Kubernetes' policies, before these": {policyText("late", "order: 1000, selector: app == 'db', ingress: [{action: Deny, source: {selector: app == 'web'}}]") + kubernetesPolicy, "shop/web shop/db tcp/80 denied"},
		"after Kubernetes' policies":                         {policyText("late", "order: 1001, selector: app == 'db', ingress: [{action: Deny, source: {selector: app == 'web'}}]") + kubernetesPolicy, "shop/web shop/db tcp/80 allowed"},
		"what no policy of the tier allows is denied at its end": {objectText("Tier", "platform", "", "order: 10") +
			policyText("guard", "tier: platform, selector: app == 'db', ingress: [{action: Pass, source: {selector: app == 'web'}}]"), `
			shop/web shop/db tcp/80 allowed
			shop/api shop/db tcp/80 denied`},
		"a tier that passes": {objectText("Tier", "platform", "", "order: 10, defaultAction: Pass") +
			policyText("guard", "tier: platform, selector: app == 'db', ingress: [{action: Deny, source: {selector: app == 'web'}}]"), `
			shop/web shop/db tcp/80 denied
			shop/api shop/db tcp/80 allowed`},
		"tiers go by order": {objectText("Tier", "a-late", "", "order: 20") + objectText("Tier", "z-early", "", "order: 10") +
			policyText("late", "tier: a-late, selector: app == 'db', ingress: [{action: Deny}]") + policyText("early", "tier: z-early, selector: app == 'db', ingress: [{action: Allow}]"), "shop/web shop/db tcp/80 allowed"},
		"a tier after the default one": {objectText("Tier", "last", "", "") + shut + policyText("open", "tier: last, selector: app == 'db', ingress: [{action: Allow}]"), "shop/web shop/db tcp/80 denied"},
		"a tier that isn't known":      {policyText("odd", "tier: nowhere, selector: app == 'db', ingress: [{action: Deny}]"), "shop/web shop/db tcp/80 depends"},
		"the tier of the admin policies passes on": {policyText("admin", "tier: adminnetworkpolicy, selector: app == 'db', ingress: [{action: Deny, source: {selector: app == 'web'}}]"), `
			shop/web shop/db tcp/80 denied
			shop/api shop/db tcp/80 allowed`},
		"a selector of a namespaced policy stays in its namespace": {policyText("shop/in", "selector: app == 'db', ingress: [{action: Allow, source: {selector: has(app)}}]"), `
			shop/web shop/db tcp/80 allowed
			bank/till shop/db tcp/80 denied
			bank/agent shop/db tcp/80 denied`},
		"one of a global policy doesn't": {policyText("in", "selector: app == 'db', ingress: [{action: Allow, source: {selector: has(app)}}]"), `
			bank/till shop/db tcp/80 allowed
			8.8.8.8 shop/db tcp/80 denied`},
		"namespaceSelector": {policyText("shop/in", "selector: app == 'db', ingress: [{action: Allow, source: {namespaceSelector: team == 'money'}}]"), `
			bank/till shop/db tcp/80 allowed
			shop/web shop/db tcp/80 denied`},
		"a namespace by name": {policyText("shop/in", "selector: app == 'db', ingress: [{action: Allow, source: {namespaceSelector: \"projectcalico.org/name in {'bank'}\"}}]"), `
			bank/till shop/db tcp/80 allowed
			shop/web shop/db tcp/80 denied`},
		"the labels that Calico gives": {policyText("in", "selector: pcns.team == 'retail' && app == 'db', ingress: [{action: Allow, source: {selector: \"pcsa.role == 'batch' && projectcalico.org/namespace == 'bank' && projectcalico.org/orchestrator == 'k8s'\"}}]"), `
			bank/till shop/db tcp/80 allowed
			shop/web shop/db tcp/80 denied`},
		"namespaceSelector of a global policy": {policyText("in", "namespaceSelector: team == 'money', ingress: []"), `
			shop/web bank/till tcp/80 denied
			shop/web shop/db tcp/80 allowed`},
		"serviceAccountSelector": {policyText("in", "serviceAccountSelector: role == 'batch'"), `
			shop/web bank/till tcp/80 denied
			shop/web shop/db tcp/80 allowed`},
		"service accounts of a rule": {policyText("in", "selector: app == 'db', ingress: [{action: Allow, source: {serviceAccounts: {names: [robot], selector: role == 'batch'}}}]"), `
			bank/till shop/db tcp/80 allowed
			shop/web shop/db tcp/80 denied`},
		"global() and a global set": {objectText("GlobalNetworkSet", "partners", "kind: partner", "nets: [203.0.113.0/24, 10.0.0.2]") +
			policyText("shop/in", "selector: app == 'db', ingress: [{action: Allow, source: {selector: kind == 'partner', namespaceSelector: global()}}]"), `
			203.0.113.9 shop/db tcp/80 allowed
			shop/api shop/db tcp/80 allowed
			shop/web shop/db tcp/80 denied`},
		"a set without global() is not of the namespace": {objectText("GlobalNetworkSet", "partners", "kind: partner", "nets: [203.0.113.0/24]") +
			policyText("shop/in", "selector: app == 'db', ingress: [{action: Allow, source: {selector: kind == 'partner'}}]"), "203.0.113.9 shop/db tcp/80 denied"},
		"a set of the Enterprise edition with names of the DNS": {objectText("GlobalNetworkSet", "partners", "kind: partner", "allowedEgressDomains: [x.example]") +
			policyText("out", "selector: app == 'db', egress: [{action: Allow, destination: {selector: kind == 'partner'}}, {action: Allow, destination: {nets: [203.0.113.0/24]}}]"), "shop/db 203.0.113.9 tcp/80 allowed"},
		"notSelector holds for what is no endpoint": {policyText("in", "selector: app == 'db', ingress: [{action: Allow, source: {notSelector: app == 'web'}}]"), `
			shop/web shop/db tcp/80 denied
			shop/api shop/db tcp/80 allowed
			bank/agent shop/db tcp/80 allowed
			8.8.8.8 shop/db tcp/80 allowed`},
		"!selector doesn't": {policyText("in", "selector: app == 'db', ingress: [{action: Allow, source: {selector: '!(app == \"web\")'}}]"), `
			shop/web shop/db tcp/80 denied
			shop/api shop/db tcp/80 allowed
			bank/agent shop/db tcp/80 denied
			8.8.8.8 shop/db tcp/80 denied`},
		"nets match pods by address": {policyText("in", "selector: app == 'db', ingress: [{action: Allow, source: {nets: [10.0.0.0/24], notNets: [10.0.0.2/32]}}]"), `
			shop/web shop/db tcp/80 allowed
			shop/api shop/db tcp/80 denied
			10.0.0.77 shop/db tcp/80 allowed`},
		"nets and selector at once": {policyText("in", "selector: app == 'db', ingress: [{action: Allow, source: {nets: [10.0.0.1, 10.0.1.4, 8.8.8.8], selector: \"app in {'web', 'api'}\"}}]"), `
			shop/web shop/db tcp/80 allowed
			shop/api shop/db tcp/80 denied
			bank/till shop/db tcp/80 denied
			8.8.8.8 shop/db tcp/80 denied`},
		"constraints on the own side": {policyText("shop/in", "ingress: [{action: Deny, destination: {selector: app == 'db'}}, {action: Deny, destination: {nets: [10.0.0.2]}}, {action: Allow}]"), `
			shop/web shop/db tcp/80 denied
			shop/web shop/api tcp/80 denied
			shop/db shop/web tcp/80 allowed`},
		"ports by number, range, name, and not": {policyText("in", "selector: \"app in {'web', 'api'}\", ingress: [{action: Allow, protocol: TCP, destination: {ports: [http, 443, '70:72'], notPorts: []}}, {action: Deny, protocol: UDP, destination: {notPorts: ['1:52', '54:65535']}}, {action: Allow, protocol: UDP}]"), `
			shop/db shop/web tcp/8080 allowed
			shop/db shop/api tcp/8080 denied
			shop/db shop/api tcp/9090 allowed
			shop/db shop/web tcp/443 allowed
			shop/db shop/web tcp/71 allowed
			shop/db shop/web tcp/73 denied
			shop/db shop/web udp/53 denied
			shop/db shop/web udp/54 allowed`},
		"a name among notPorts": {policyText("in", "selector: \"app in {'web', 'api'}\", ingress: [{action: Allow, protocol: TCP, destination: {notPorts: [http]}}]"), `
			shop/db shop/web tcp/80 allowed
			shop/db shop/web tcp/8080 depends`},
		"protocols by number, and not": {policyText("in", "selector: app == 'db', ingress: [{action: Deny, protocol: 17}, {action: Allow, notProtocol: TCP}]"), `
			shop/web shop/db udp/80 denied
			shop/web shop/db sctp/80 allowed
			shop/web shop/db tcp/80 denied`},
		"ICMP is not modelled": {policyText("in", "selector: app == 'db', ingress: [{action: Allow, protocol: ICMP, icmp: {type: 8}}, {action: Allow, protocol: 47}]"), "shop/web shop/db tcp/80 denied"},
		"services as destinations": {policyText("shop/out", "selector: app == 'web', egress: [{action: Allow, destination: {services: {name: api}}}]"), `
			shop/web shop/api tcp/9090 allowed
			shop/web shop/api tcp/80 denied
			shop/web shop/db tcp/9090 denied`},
		"services as sources": {policyText("in", "selector: app == 'db', ingress: [{action: Allow, source: {services: {name: api, namespace: shop}}}]"), `
			shop/api shop/db tcp/80 allowed
			shop/web shop/db tcp/80 denied`},
		"a service without a selector": {policyText("shop/out", "selector: app == 'web', egress: [{action: Allow, destination: {services: {name: hand-made}}}]"), "shop/web 8.8.8.8 tcp/80 depends"},
		"HTTP":                         {policyText("in", "selector: app == 'db', ingress: [{action: Allow, protocol: TCP, http: {methods: [GET]}}]"), "shop/web shop/db tcp/80 depends"},
		"source ports":                 {policyText("in", "selector: app == 'db', ingress: [{action: Allow, protocol: TCP, source: {ports: [1024]}}]"), "shop/web shop/db tcp/80 depends"},
		"all source ports":             {policyText("in", "selector: app == 'db', ingress: [{action: Allow, protocol: TCP, source: {ports: ['0:65535']}}]"), "shop/web shop/db tcp/80 allowed"},
		"a field of tomorrow":          {policyText("in", "selector: app == 'db', ingress: [{action: Deny, destination: {galaxy: [m31]}}, {action: Allow}]"), "shop/web shop/db tcp/80 depends"},
		"ipVersion":                    {policyText("in", "selector: app == 'db', ingress: [{action: Allow, ipVersion: 6}]"), "2001:db8::1 shop/db tcp/80 allowed\nshop/web shop/db tcp/80 denied"},
		"pods on the host's network are no endpoints": {policyText("in", "ingress: [], types: [Ingress]"), `
			shop/web bank/agent tcp/80 allowed
			bank/agent shop/web tcp/80 denied`},
		"staged policies are not in force": {strings.Replace(policyText("shop/in", "selector: app == 'db'"), "kind: ", "kind: Staged", 1), "shop/web shop/db tcp/80 allowed"},
		"a policy for host endpoints":      {policyText("in", "selector: all(), doNotTrack: true, applyOnForward: true, ingress: [{action: Deny}]"), "shop/web shop/db tcp/80 allowed"},
		"stored and served are one": {policyText("shop/x", "selector: app == 'db', ingress: [{action: Allow}]") +
			strings.Replace(policyText("shop/default.x", "selector: app == 'db', order: 1, ingress: [{action: Deny}]"), "projectcalico.org/v3", "crd.projectcalico.org/v1", 1), "shop/web shop/db tcp/80 allowed"},
		"an invalid policy makes answers depend": {policyText("bank/bad", "selector: 'app =='"), `
			shop/web bank/till tcp/80 depends
			shop/web shop/db tcp/80 allowed`},
		"an invalid rule leaves other pods alone": {policyText("bad", "selector: app == 'db', ingress: [{action: Allow, source: {nets: [ten]}}]"), `
			shop/web shop/db tcp/80 depends
			shop/web shop/api tcp/80 allowed`},
	} {
		t.Run(name, func(t *testing.T) {
			e := build(t, pods+c.policies)
			for _, line := range strings.Split(strings.TrimSpace(c.want), "\n") {
				f := strings.Fields(line)
				if got := probe(t, e, f[0], f[1], f[2]); got != f[3] {
					t.Errorf("%s -> %s %s: %s, want %s", f[0], f[1], f[2], got, f[3])
				}
			}
		})
	}
}

const kubernetesPolicy = `
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: open, namespace: shop}
spec: {podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{}]}
---
`

// TestUnknownAddresses asks about workloads that have no pods yet.
func TestUnknownAddresses(t *testing.T) {
	manifests := pods + `
apiVersion: apps/v1
kind: Deployment
metadata: {name: new, namespace: shop}
spec: {selector: {matchLabels: {app: new}}, template: {metadata: {labels: {app: new}}, spec: {containers: [{name: c}]}}}
---
`
	for source, want := range map[string]string{
		"nets: [10.0.0.0/8]":                            "depends",
		"nets: [8.8.8.0/24]":                            "denied",
		"nets: [0.0.0.0/0]":                             "allowed",
		"notNets: [8.8.8.0/24]":                         "allowed",
		"notNets: [10.0.0.0/8]":                         "depends",
		"notNets: [0.0.0.0/0]":                          "denied",
		"nets: [10.0.0.0/8], selector: app == 'new'":    "depends",
		"nets: [10.0.0.0/8], selector: app == 'web'":    "denied",
		"nets: [10.0.0.0/8], notSelector: app == 'new'": "denied",
		"selector: app == 'new'":                        "allowed",
	} {
		e := build(t, manifests+policyText("in", "selector: app == 'db', ingress: [{action: Allow, source: {"+source+"}}]"))
		if got := probe(t, e, "shop/new", "shop/db", "tcp/80"); got != want {
			t.Errorf("%s: %s, want %s", source, got, want)
		}
	}
	e := build(t, manifests+policyText("in", "selector: \"app in {'db', 'new'}\", ingress: [{action: Allow, destination: {nets: [10.0.1.0/24]}}]"))
	for to, want := range map[string]string{"shop/db": "allowed", "shop/new": "depends"} {
		if got := probe(t, e, "shop/web", to, "tcp/80"); got != want {
			t.Errorf("own side, %s: %s, want %s", to, got, want)
		}
	}
}

// TestNamesWhatItCannotRead holds the list of what is incomplete.
func TestNamesWhatItCannotRead(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a selector":         {policyText("a", "selector: 'app =='"), `in.yaml:1 GlobalNetworkPolicy a is not valid: spec.selector: selector "app ==": a text in quotes is missing before ""; answers that it could change depend on it`},
		"a type":             {policyText("a", "types: [Sideways]"), `in.yaml:1 GlobalNetworkPolicy a is not valid: spec.types: "Sideways" is neither Ingress nor Egress; answers that it could change depend on it`},
		"an action":          {policyText("a", "ingress: [{action: Maybe}]"), `in.yaml:1 GlobalNetworkPolicy a is not valid: spec.ingress[0]: action "Maybe" is none of Allow, Deny, Pass and Log; answers that it could change depend on it`},
		"a field":            {policyText("a", "selectr: all()"), `in.yaml:1 GlobalNetworkPolicy a is not valid: the field spec.selectr isn't known; answers that it could change depend on it`},
		"a version":          {strings.Replace(policyText("a", ""), "/v3", "/v4", 1), `in.yaml:1 GlobalNetworkPolicy a is not valid: the version projectcalico.org/v4 isn't known; answers that it could change depend on it`},
		"a field's type":     {policyText("a", "ingress: 7"), `in.yaml:1 GlobalNetworkPolicy a is not valid: spec: cannot unmarshal number into Go struct field policySpec.ingress of type []calico.ruleSpec; answers that it could change depend on it`},
		"a port":             {policyText("a", "ingress: [{action: Allow, protocol: TCP, destination: {ports: ['9:1']}}]"), `in.yaml:1 GlobalNetworkPolicy a is not valid: spec.ingress[0]: ports: port "9:1" is neither a number, a range nor a name; answers that it could change depend on it`},
		"ports of anything":  {policyText("a", "egress: [{action: Allow, destination: {ports: [80]}}]"), `in.yaml:1 GlobalNetworkPolicy a is not valid: spec.egress[0]: ports without a protocol that has them: TCP, UDP or SCTP; answers that it could change depend on it`},
		"a protocol":         {policyText("a", "egress: [{action: Allow, protocol: QUIC}]"), `in.yaml:1 GlobalNetworkPolicy a is not valid: spec.egress[0]: protocol: "QUIC" is none; answers that it could change depend on it`},
		"a misplaced global": {policyText("a", "selector: global()"), `in.yaml:1 GlobalNetworkPolicy a is not valid: spec.selector: selector "global()": global() stands outside of a namespaceSelector; answers that it could change depend on it`},
		"services and more":  {policyText("shop/a", "egress: [{action: Allow, destination: {services: {name: x}, nets: [10.0.0.0/8]}}]"), `in.yaml:1 NetworkPolicy shop/a is not valid: spec.egress[0]: services need a name, and stand with no selector, net or port; answers that it could change depend on it`},
		"a tier":             {policyText("a", "tier: x"), `in.yaml:1 GlobalNetworkPolicy a: its tier x isn't known; answers that it could change depend on it`},
		"a set":              {objectText("GlobalNetworkSet", "s", "a: b", "nets: [x]") + policyText("a", ""), `in.yaml:1 GlobalNetworkSet s: it can't be read: "x" is neither an address nor a range of addresses`},
		"host endpoints":     {objectText("HostEndpoint", "eth0", "", "") + policyText("a", ""), `in.yaml:1 HostEndpoint eth0: host endpoints are not modelled (1): GlobalNetworkPolicies may hold for nodes and for pods on their network`},
		"before tracking":    {policyText("a", "preDNAT: true, applyOnForward: true"), `in.yaml:1 GlobalNetworkPolicy a: it holds for host endpoints alone, which are not modelled`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := kube.ReadFrom(context.Background(), "", "in.yaml", strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			_, incomplete := calico.Read(s)
			for _, i := range incomplete {
				got = append(got, i.What+" "+i.Why)
			}
			if diff := cmp.Diff([]string{c.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}
