package istio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/network/istio"
)

// pod writes a pod that runs. A name "shop/x" has its namespace first.
func pod(name, ip, labels, more string) string {
	namespace, own, _ := strings.Cut(name, "/")
	return fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata: {name: %s, namespace: %s, labels: {app: %s%s}}\nspec: {nodeName: n1, serviceAccountName: %s%s}\nstatus: {podIP: %s}\n---\n", own, namespace, own, labels, own, more, ip)
}

const (
	bare  = ", containers: [{name: c}]"
	proxy = ", containers: [{name: c}, {name: istio-proxy}]"
)

// world: web and db have proxies, api is in ambient mode, job is outside of the
// mesh.
var world = "apiVersion: v1\nkind: Namespace\nmetadata: {name: calm, labels: {istio.io/dataplane-mode: ambient}}\n---\n" +
	pod("shop/web", "10.0.0.1", "", proxy) + pod("shop/db", "10.0.0.2", "", proxy) + pod("calm/api", "10.0.0.3", "", bare) + pod("shop/job", "10.0.0.4", "", bare)

// object writes one of Istio's.
func objectText(kind, name, spec string) string {
	namespace, own, _ := strings.Cut(name, "/")
	return fmt.Sprintf("apiVersion: security.istio.io/v1\nkind: %s\nmetadata: {name: %s, namespace: %s}\nspec: {%s}\n---\n", kind, own, namespace, spec)
}

func authorization(name, spec string) string { return objectText("AuthorizationPolicy", name, spec) }

func authentication(name, spec string) string { return objectText("PeerAuthentication", name, spec) }

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

func TestPolicies(t *testing.T) {
	for name, c := range map[string]struct{ objects, want string }{
		"none":                                    {"", "shop/job shop/db tcp/80 allowed"},
		"a policy without rules shuts":            {authorization("shop/shut", ""), "shop/web shop/db tcp/80 denied\nshop/web shop/db udp/53 allowed\nshop/web shop/job tcp/80 allowed\n8.8.8.8 shop/db tcp/80 denied"},
		"an empty rule matches all":               {authorization("shop/open", "rules: [{}]"), "shop/job shop/db tcp/80 allowed\n8.8.8.8 shop/db tcp/80 allowed"},
		"one that denies without rules":           {authorization("shop/nothing", "action: DENY"), "shop/job shop/db tcp/80 allowed"},
		"AUDIT":                                   {authorization("shop/log", "action: AUDIT, rules: [{}]"), "shop/job shop/db tcp/80 allowed"},
		"CUSTOM":                                  {authorization("shop/ext", "action: CUSTOM, provider: {name: oidc}, rules: [{to: [{operation: {ports: ['80']}}]}]"), "shop/web shop/db tcp/80 depends\nshop/web shop/db tcp/81 allowed"},
		"a dry run":                               {strings.Replace(authorization("shop/try", ""), "namespace: shop", "namespace: shop, annotations: {istio.io/dry-run: 'true'}", 1), "shop/job shop/db tcp/80 allowed"},
		"a selector":                              {authorization("shop/shut", "selector: {matchLabels: {app: db}}"), "shop/web shop/db tcp/80 denied\nshop/db shop/web tcp/80 allowed"},
		"the root namespace":                      {authorization("istio-system/shut", ""), "shop/web shop/db tcp/80 denied\nshop/web calm/api tcp/80 denied\nshop/web shop/job tcp/80 allowed"},
		"another root namespace":                  {config("rootNamespace: mesh") + authorization("istio-system/shut", "") + authorization("mesh/none", "action: DENY, rules: [{to: [{operation: {ports: ['81']}}]}]"), "shop/web shop/db tcp/80 allowed\nshop/web shop/db tcp/81 denied"},
		"a principal":                             {authorization("shop/a", "rules: [{from: [{source: {principals: [cluster.local/ns/shop/sa/web]}}]}]"), "shop/web shop/db tcp/80 allowed\ncalm/api shop/db tcp/80 denied\nshop/job shop/db tcp/80 denied"},
		"a principal of another trust domain":     {config("trustDomain: corp.example\n    trustDomainAliases: [old.example]") + authorization("shop/a", "rules: [{from: [{source: {principals: [old.example/ns/shop/sa/web, cluster.local/ns/calm/sa/*]}}]}]"), "shop/web shop/db tcp/80 allowed\ncalm/api shop/db tcp/80 allowed"},
		"any principal":                           {authorization("shop/a", "rules: [{from: [{source: {principals: ['*']}}]}]"), "calm/api shop/db tcp/80 allowed\nshop/job shop/db tcp/80 denied\n8.8.8.8 shop/db tcp/80 denied"},
		"a principal by its end":                  {authorization("shop/a", "rules: [{from: [{source: {principals: ['*/sa/api']}}]}]"), "calm/api shop/db tcp/80 allowed\nshop/web shop/db tcp/80 denied"},
		"namespaces":                              {authorization("shop/a", "rules: [{from: [{source: {namespaces: [ca*]}}]}]"), "calm/api shop/db tcp/80 allowed\nshop/web shop/db tcp/80 denied"},
		"a namespace without identity":            {authorization("shop/a", "rules: [{from: [{source: {namespaces: [shop]}}]}]"), "shop/web shop/db tcp/80 allowed\nshop/job shop/db tcp/80 denied"},
		"notNamespaces holds without one":         {authorization("shop/a", "action: DENY, rules: [{from: [{source: {notNamespaces: [shop]}}]}]"), "shop/web shop/db tcp/80 allowed\ncalm/api shop/db tcp/80 denied\nshop/job shop/db tcp/80 denied\n8.8.8.8 shop/db tcp/80 denied"},
		"service accounts":                        {authorization("shop/a", "rules: [{from: [{source: {serviceAccounts: [web, calm/api]}}]}]"), "shop/web shop/db tcp/80 allowed\ncalm/api shop/db tcp/80 allowed\nshop/job shop/db tcp/80 denied"},
		"blocks of addresses":                     {authorization("shop/a", "rules: [{from: [{source: {ipBlocks: [10.0.0.0/24, 8.8.8.8], notIpBlocks: [10.0.0.3]}}]}]"), "shop/job shop/db tcp/80 allowed\ncalm/api shop/db tcp/80 denied\n8.8.8.8 shop/db tcp/80 allowed\n8.8.8.9 shop/db tcp/80 denied"},
		"a principal at an address":               {authorization("shop/a", "rules: [{from: [{source: {principals: ['*'], ipBlocks: [10.0.0.1, 10.0.0.4]}}]}]"), "shop/web shop/db tcp/80 allowed\ncalm/api shop/db tcp/80 denied\nshop/job shop/db tcp/80 denied"},
		"ports of the workload":                   {authorization("shop/a", "rules: [{to: [{operation: {ports: ['80', '81']}}, {operation: {notPorts: ['80', '81', '82']}}]}]"), "shop/job shop/db tcp/81 allowed\nshop/job shop/db tcp/82 denied\nshop/job shop/db tcp/83 allowed"},
		"conditions":                              {authorization("shop/a", "rules: [{when: [{key: destination.port, values: ['80']}, {key: source.namespace, notValues: [calm]}, {key: source.ip, values: [10.0.0.0/8]}]}]"), "shop/web shop/db tcp/80 allowed\nshop/web shop/db tcp/81 denied\ncalm/api shop/db tcp/80 denied\n8.8.8.8 shop/db tcp/80 denied"},
		"DENY goes first":                         {authorization("shop/a", "rules: [{}]") + authorization("shop/d", "action: DENY, rules: [{to: [{operation: {ports: ['80']}}]}]"), "shop/web shop/db tcp/80 denied\nshop/web shop/db tcp/81 allowed"},
		"HTTP in ALLOW at a proxy":                {authorization("shop/a", "rules: [{from: [{source: {namespaces: [shop]}}], to: [{operation: {methods: [GET]}}]}]"), "shop/web shop/db tcp/80 depends\ncalm/api shop/db tcp/80 denied"},
		"HTTP in ALLOW at ztunnel":                {authorization("calm/a", "rules: [{to: [{operation: {methods: [GET]}}]}]"), "shop/web calm/api tcp/80 denied"},
		"HTTP in DENY at a proxy":                 {authorization("shop/a", "action: DENY, rules: [{to: [{operation: {paths: [/x], ports: ['80']}}]}]"), "shop/web shop/db tcp/80 depends\nshop/web shop/db tcp/81 allowed"},
		"HTTP in DENY at ztunnel":                 {authorization("calm/a", "action: DENY, rules: [{to: [{operation: {paths: [/x], ports: ['80']}}]}]"), "shop/web calm/api tcp/80 denied\nshop/web calm/api tcp/81 allowed"},
		"HTTP alone in DENY at ztunnel":           {authorization("calm/a", "action: DENY, rules: [{to: [{operation: {paths: [/x]}}]}]"), "shop/web calm/api tcp/80 depends"},
		"the name in TLS":                         {authorization("shop/a", "rules: [{when: [{key: connection.sni, values: [x.example]}]}]"), "shop/web shop/db tcp/80 depends"},
		"a field of tomorrow":                     {authorization("shop/a", "action: DENY, rules: [{from: [{source: {trustDomains: [x]}}]}]"), "shop/web shop/db tcp/80 depends"},
		"STRICT for a namespace":                  {authentication("shop/default", "mtls: {mode: STRICT}"), "shop/web shop/db tcp/80 allowed\ncalm/api shop/db tcp/80 allowed\nshop/job shop/db tcp/80 denied\n8.8.8.8 shop/db tcp/80 denied\nshop/job shop/db udp/53 allowed\nshop/job calm/api tcp/80 allowed"},
		"STRICT for the mesh":                     {authentication("istio-system/default", "mtls: {mode: STRICT}"), "shop/job shop/db tcp/80 denied\nshop/job calm/api tcp/80 denied"},
		"a namespace goes before the mesh":        {authentication("istio-system/default", "mtls: {mode: STRICT}") + authentication("shop/default", "mtls: {mode: PERMISSIVE}"), "shop/job shop/db tcp/80 allowed\nshop/job calm/api tcp/80 denied"},
		"UNSET inherits":                          {authentication("istio-system/default", "mtls: {mode: STRICT}") + authentication("shop/default", "mtls: {mode: UNSET}"), "shop/job shop/db tcp/80 denied"},
		"a workload goes before its namespace":    {authentication("shop/default", "mtls: {mode: STRICT}") + authentication("shop/db", "selector: {matchLabels: {app: db}}, mtls: {mode: PERMISSIVE}"), "shop/job shop/db tcp/80 allowed\nshop/job shop/web tcp/80 denied"},
		"modes by port":                           {authentication("shop/db", "selector: {matchLabels: {app: db}}, mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: DISABLE}}"), "shop/job shop/db tcp/80 denied\nshop/job shop/db tcp/8080 allowed"},
		"nobody has an identity where TLS is off": {authentication("shop/db", "selector: {matchLabels: {app: db}}, portLevelMtls: {80: {mode: DISABLE}}") + authorization("shop/a", "rules: [{from: [{source: {namespaces: [shop]}}]}]"), "shop/web shop/db tcp/80 denied\nshop/web shop/db tcp/81 allowed\nshop/db shop/web tcp/80 allowed"},
		"two of one level and no ages":            {authentication("shop/a", "mtls: {mode: STRICT}") + authentication("shop/b", "mtls: {mode: PERMISSIVE}"), "shop/job shop/db tcp/80 depends\nshop/web shop/db tcp/80 allowed"},
		"a gateway's policy":                      {pod("shop/gw", "10.0.0.9", ", gateway.networking.k8s.io/gateway-name: edge", proxy) + authorization("shop/a", "targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: edge}], rules: [{}]"), "8.8.8.8 shop/gw tcp/80 depends\nshop/web shop/db tcp/80 allowed"},
		"a waypoint": {
			"apiVersion: v1\nkind: Namespace\nmetadata: {name: pool, labels: {istio.io/dataplane-mode: ambient, istio.io/use-waypoint: wp}}\n---\n" + pod("pool/fish", "10.0.0.8", "", bare) + authorization("shop/x", "action: DENY"),
			"shop/web pool/fish tcp/80 depends\nshop/web pool/fish udp/80 allowed\nshop/web shop/db tcp/80 allowed",
		},
		"excluded ports":             {annotated("shop/cache", "10.0.0.7", "traffic.sidecar.istio.io/excludeInboundPorts: '6379, 22'") + authorization("shop/shut", ""), "shop/job shop/cache tcp/6379 allowed\nshop/job shop/cache tcp/80 denied"},
		"included ports":             {annotated("shop/cache", "10.0.0.7", "traffic.sidecar.istio.io/includeInboundPorts: '80'") + authorization("shop/shut", ""), "shop/job shop/cache tcp/6379 allowed\nshop/job shop/cache tcp/80 denied"},
		"an invalid one":             {authorization("shop/bad", "action: PERHAPS"), "shop/web shop/db tcp/80 depends\nshop/web shop/job tcp/80 allowed\nshop/web calm/api tcp/80 allowed"},
		"an invalid mode":            {authentication("shop/bad", "mtls: {mode: TLS}"), "shop/web shop/db tcp/80 depends\nshop/web shop/db udp/80 allowed\nshop/web calm/api tcp/80 allowed"},
		"egress is nobody's concern": {authorization("shop/shut", ""), "shop/web 8.8.8.8 tcp/80 allowed"},
	} {
		t.Run(name, func(t *testing.T) {
			e := build(t, world+c.objects)
			for _, line := range strings.Split(c.want, "\n") {
				f := strings.Fields(line)
				v, err := e.Probe(f[0], f[1], f[2])
				if err != nil {
					t.Fatal(err)
				}
				if string(v.Answer) != f[3] {
					t.Errorf("%s -> %s %s: %s, want %s", f[0], f[1], f[2], v.Answer, f[3])
				}
			}
		})
	}
}

func config(mesh string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n    " + mesh + "\n---\n"
}

func annotated(name, ip, annotations string) string {
	return strings.Replace(pod(name, ip, "", proxy), ", labels:", ", annotations: {"+annotations+"}, labels:", 1)
}

// TestMembership asks who of those that have no pods yet will be in the mesh:
// a STRICT port tells.
func TestMembership(t *testing.T) {
	for name, c := range map[string]struct{ space, labels, annotations, spec, want string }{
		"nothing said":                    {"", "", "", "", ""},
		"the namespace injects":           {"istio-injection: enabled", "", "", "", "sidecar"},
		"the namespace has a revision":    {"istio.io/rev: canary", "", "", "", "sidecar"},
		"the pod opts in":                 {"", "sidecar.istio.io/inject: 'true'", "", "", "sidecar"},
		"the pod has a revision":          {"", "istio.io/rev: canary", "", "", "sidecar"},
		"the pod opts out":                {"istio-injection: enabled", "sidecar.istio.io/inject: 'false'", "", "", ""},
		"an annotation opts out":          {"istio-injection: enabled", "", "sidecar.istio.io/inject: 'false'", "", ""},
		"an annotation can't opt in":      {"", "", "sidecar.istio.io/inject: 'true'", "", ""},
		"the namespace refuses":           {"istio-injection: disabled", "sidecar.istio.io/inject: 'true'", "", "", ""},
		"on the host's network":           {"istio-injection: enabled", "", "", "hostNetwork: true,", ""},
		"ambient":                         {"istio.io/dataplane-mode: ambient", "", "", "", "ambient"},
		"ambient by the pod":              {"", "istio.io/dataplane-mode: ambient", "", "", "ambient"},
		"ambient, and the pod opts out":   {"istio.io/dataplane-mode: ambient", "istio.io/dataplane-mode: none", "", "", ""},
		"a proxy goes before ambient":     {"istio.io/dataplane-mode: ambient, istio-injection: enabled", "", "", "", "sidecar"},
		"a proxy that the manifest has":   {"", "", "", "initContainers: [{name: istio-proxy, restartPolicy: Always}],", "sidecar"},
		"a waypoint of the namespace":     {"istio.io/dataplane-mode: ambient, istio.io/use-waypoint: wp", "", "", "", "ambient wp"},
		"a waypoint that the pod refuses": {"istio.io/dataplane-mode: ambient, istio.io/use-waypoint: wp", "istio.io/use-waypoint: none", "", "", "ambient"},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: {name: inn, labels: {%s}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d, namespace: inn}\n"+
				"spec: {selector: {matchLabels: {a: b}}, template: {metadata: {labels: {%s}, annotations: {%s}}, spec: {%s containers: [{name: c}]}}}\n---\n"+authorization("inn/shut", ""), c.space, c.labels, c.annotations, c.spec)
			s, err := kube.ReadFrom(context.Background(), "", "in.yaml", strings.NewReader(text))
			if err != nil || len(s.Workloads) == 0 {
				t.Fatal(err, s.Incomplete)
			}
			policies, _ := istio.Read(s)
			marks := istio.Marks(s, policies)(s.Workloads[0], nil)
			if got := strings.TrimSpace(marks["istio"] + " " + marks["istio waypoint"]); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if principal := marks["istio principal"]; (principal == "cluster.local/ns/inn/sa/default") != (c.want != "") {
				t.Errorf("principal %q", principal)
			}
		})
	}
}

// TestNamesWhatItCannotRead holds the list of what is incomplete.
func TestNamesWhatItCannotRead(t *testing.T) {
	invalid := func(why string) string {
		return "in.yaml:1 AuthorizationPolicy shop/a is not valid: " + why + "; answers that it could change depend on it"
	}
	for name, c := range map[string]struct{ text, want string }{
		"an action":             {authorization("shop/a", "action: PERHAPS"), invalid(`spec.action: "PERHAPS" is none of ALLOW, DENY, AUDIT and CUSTOM`)},
		"a field":               {authorization("shop/a", "selector: {matchExpressions: []}"), invalid("the field spec.selector.matchExpressions isn't known")},
		"a version":             {strings.Replace(authorization("shop/a", ""), "/v1", "/v2", 1), invalid("the version security.istio.io/v2 isn't known")},
		"a source of nothing":   {authorization("shop/a", "rules: [{from: [{source: {}}]}]"), invalid("spec.rules[0]: from[0]: it names no source")},
		"an operation of none":  {authorization("shop/a", "rules: [{to: [{}]}]"), invalid("spec.rules[0]: to[0]: it names no operation")},
		"a port":                {authorization("shop/a", "rules: [{to: [{operation: {ports: [http]}}]}]"), invalid(`spec.rules[0]: to[0]: port "http" is none`)},
		"a block":               {authorization("shop/a", "rules: [{from: [{source: {ipBlocks: [ten]}}]}]"), invalid(`spec.rules[0]: from[0]: "ten" is neither an address nor a range of addresses`)},
		"a condition":           {authorization("shop/a", "rules: [{when: [{key: moon.phase, values: [full]}]}]"), invalid(`spec.rules[0]: when[0]: "moon.phase" is no condition`)},
		"one without values":    {authorization("shop/a", "rules: [{when: [{key: source.ip}]}]"), invalid(`spec.rules[0]: when[0]: "source.ip" has no values`)},
		"a star in the middle":  {authorization("shop/a", "rules: [{from: [{source: {principals: [a*b]}}]}]"), invalid(`spec.rules[0]: from[0]: "a*b" has a star that is neither at its start nor at its end`)},
		"a type":                {authorization("shop/a", "rules: 7"), invalid("spec: cannot unmarshal number into Go struct field authorization.rules of type []istio.rule")},
		"a mode":                {authentication("shop/a", "mtls: {mode: TLS}"), `in.yaml:1 PeerAuthentication shop/a is not valid: spec.mtls: mode "TLS" is none; answers that it could change depend on it`},
		"settings of the mesh":  {config("rootNamespace: [") + authorization("shop/a", ""), "in.yaml:1 ConfigMap istio-system/istio: the settings of the mesh can't be read: error converting YAML to JSON: yaml: line 1: did not find expected node content"},
		"a list of ports":       {annotated("shop/cache", "10.0.0.7", "traffic.sidecar.istio.io/excludeInboundPorts: all") + authorization("shop/a", ""), `in.yaml:1 Pod shop/cache: traffic.sidecar.istio.io/excludeInboundPorts: port "all" is none: it is taken to be empty`},
		"accounts and more":     {authorization("shop/a", "rules: [{from: [{source: {serviceAccounts: [x], namespaces: [shop]}}]}]"), invalid("spec.rules[0]: from[0]: serviceAccounts stand with principals or namespaces")},
		"an account with stars": {authorization("shop/a", "rules: [{from: [{source: {serviceAccounts: ['*']}}]}]"), invalid(`spec.rules[0]: from[0]: "*" is no ServiceAccount`)},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := kube.ReadFrom(context.Background(), "", "in.yaml", strings.NewReader(c.text))
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			_, incomplete := istio.Read(s)
			for _, i := range incomplete {
				got = append(got, i.What+" "+i.Why)
			}
			if diff := cmp.Diff([]string{c.want}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add(`{"action":"DENY","selector":{"matchLabels":{"app":"a"}},"rules":[{"from":[{"source":{"principals":["*"],"notIpBlocks":["10.0.0.0/8"]}}],"to":[{"operation":{"ports":["80"],"paths":["/x"]}}],"when":[{"key":"source.ip","values":["::1"]}]}]}`)
	f.Add(`{"mtls":{"mode":"STRICT"},"selector":{"matchLabels":{"app":"a"}},"portLevelMtls":{"80":{"mode":"DISABLE"}}}`)
	f.Add(`{"targetRefs":[{"kind":"Service","name":"s"}],"rules":[{}]}`)
	f.Fuzz(func(t *testing.T, spec string) {
		text := `{"apiVersion":"v1","kind":"List","items":[
			{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n","labels":{"app":"a"}},"spec":{"containers":[{"name":"istio-proxy"}]},"status":{"podIP":"10.0.0.1"}},
			{"apiVersion":"security.istio.io/v1","kind":"AuthorizationPolicy","metadata":{"name":"a","namespace":"n"},"spec":` + spec + `},
			{"apiVersion":"security.istio.io/v1","kind":"PeerAuthentication","metadata":{"name":"a","namespace":"n"},"spec":` + spec + `}]}`
		s, err := kube.ReadFrom(context.Background(), "", "in.json", strings.NewReader(text))
		if err != nil || len(s.Workloads) == 0 {
			return
		}
		if _, err := network.Build(s).Probe("8.8.8.8", "n/p", "tcp/80"); err != nil {
			t.Fatal(err)
		}
	})
}
