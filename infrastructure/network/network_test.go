package network

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// build makes an engine of manifests.
func build(t testing.TB, manifests ...string) *Engine {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "prod", "in.yaml", strings.NewReader(strings.Join(manifests, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	return Build(s)
}

// deploy writes a Deployment; extra is YAML of the pod spec, two spaces in.
func deploy(namespace, name, extra string) string {
	return fmt.Sprintf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: %[2]s, namespace: %[1]s}
spec:
  selector: {matchLabels: {app: %[2]s}}
  template:
    metadata: {labels: {app: %[2]s}}
    spec:
      containers: [{name: c, image: i, ports: [{containerPort: 8080, name: web}]}]
%[3]s`, namespace, name, extra)
}

// policy writes a NetworkPolicy for the pods of an app, "" for all.
func netpol(namespace, name, app, spec string) string {
	selector := "{}"
	if app != "" {
		selector = "{matchLabels: {app: " + app + "}}"
	}
	return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: %s, namespace: %s}\nspec:\n  podSelector: %s\n%s", name, namespace, selector, spec)
}

func service(namespace, name, app, spec string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: Service\nmetadata: {name: %s, namespace: %s}\nspec:\n  selector: {app: %s}\n  ports: [{port: 80, targetPort: web, name: http}]\n%s", name, namespace, app, spec)
}

func ingressTo(namespace, name string) string {
	return fmt.Sprintf("apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: %[2]s, namespace: %[1]s}\nspec: {rules: [{http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: %[2]s, port: {number: 80}}}}]}}]}", namespace, name)
}

func TestList(t *testing.T) {
	world := []string{deploy("shop", "web", ""), deploy("shop", "db", "")}
	const outside = "0.0.0.0-255.255.255.255"
	for name, tc := range map[string]struct {
		policies []string
		want     []string
	}{
		"no policy": {nil, []string{
			outside + " => shop/db[Deployment] : All Connections",
			outside + " => shop/web[Deployment] : All Connections",
			"shop/db[Deployment] => " + outside + " : All Connections",
			"shop/db[Deployment] => shop/web[Deployment] : All Connections",
			"shop/web[Deployment] => " + outside + " : All Connections",
			"shop/web[Deployment] => shop/db[Deployment] : All Connections",
		}},
		"deny all both ways": {[]string{netpol("shop", "deny", "", "  policyTypes: [Ingress, Egress]")}, nil},
		"ranges, names and protocols": {
			[]string{
				netpol("shop", "deny", "", "  policyTypes: [Ingress, Egress]"), netpol("shop", "out", "web", "  policyTypes: [Egress]\n  egress: [{to: [{podSelector: {}}]}]"),
				netpol("shop", "in", "db", "  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: web}, {port: 8081, endPort: 8090}, {port: 53, protocol: UDP}, {protocol: SCTP}]}]"),
			},
			[]string{"shop/web[Deployment] => shop/db[Deployment] : SCTP 1-65535,TCP 8080-8090,UDP 53"},
		},
		"a block with an exception, and IPv6": {
			[]string{netpol("shop", "deny", "", "  policyTypes: [Ingress, Egress]"), netpol("shop", "out", "web",
				"  policyTypes: [Egress]\n  egress: [{to: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}, {ipBlock: {cidr: '2001:db8::/32'}}], ports: [{port: 443}]}]")},
			[]string{
				"shop/web[Deployment] => 10.0.0.0-10.0.255.255 : TCP 443",
				"shop/web[Deployment] => 10.2.0.0-10.255.255.255 : TCP 443",
				"shop/web[Deployment] => 2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff : TCP 443",
			},
		},
		"a policy of another namespace": {[]string{netpol("other", "deny", "", "  policyTypes: [Ingress]"), netpol("shop", "deny", "", "  policyTypes: [Ingress, Egress]")}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, c := range build(t, append(slices.Clone(world), tc.policies...)...).List() {
				got = append(got, c.String())
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestProbeExplains(t *testing.T) {
	e := build(t, deploy("shop", "web", ""), deploy("shop", "db", ""), deploy("shop", "agent", "      hostNetwork: true"),
		netpol("shop", "db-in", "db", "  ingress:\n  - {from: [{podSelector: {matchLabels: {app: web}}}], ports: [{port: 8080}]}\n  - {ports: [{port: 9090}]}"))
	for name, tc := range map[string]struct {
		from, to, port string
		want           Answer
		reasons        []string // of ingress: field and text
	}{
		"by a rule":             {"shop/web", "shop/db", "tcp/8080", Allowed, []string{"spec.ingress[0] allows it"}},
		"by a named port":       {"shop/web", "shop/db", "tcp/web", Allowed, []string{"spec.ingress[0] allows it"}},
		"a bare port is TCP":    {"shop/web", "shop/db", "9090", Allowed, []string{"spec.ingress[1] allows it"}},
		"no rule":               {"shop/web", "shop/db", "udp/8080", Denied, []string{"spec.ingress[0] the port is not among its ports", "spec.ingress[1] the port is not among its ports"}},
		"not a peer":            {"9.9.9.9", "shop/db", "tcp/8080", Denied, []string{"spec.ingress[0] 9.9.9.9 is not among its peers", "spec.ingress[1] the port is not among its ports"}},
		"not isolated":          {"shop/db", "shop/web[Deployment]", "tcp/1", Allowed, []string{" no policy selects shop/web for ingress"}},
		"hostNetwork as source": {"shop/agent", "shop/db", "tcp/8080", Denied, []string{"spec.ingress[0] shop/agent is not among its peers", "spec.ingress[1] the port is not among its ports"}},
		"hostNetwork is open":   {"shop/db", "shop/agent", "tcp/8080", Allowed, []string{" no policy selects shop/agent for ingress"}},
		"itself":                {"shop/db", "shop/db", "tcp/1", Allowed, []string{" a pod always reaches itself"}},
		"an unknown port name":  {"shop/web", "shop/db", "tcp/nope", Denied, []string{` shop/db has no port named "nope" for TCP`}},
		"out of the cluster":    {"shop/web", "2001:db8::1", "sctp/7", Allowed, []string{" 2001:db8::1 is outside the cluster: no policy selects it"}},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := e.Probe(tc.from, tc.to, tc.port)
			if err != nil {
				t.Fatal(err)
			}
			var reasons []string
			for _, r := range v.Ingress.Reasons {
				reasons = append(reasons, r.Field+" "+r.Text)
			}
			if diff := cmp.Diff(tc.reasons, reasons); v.Answer != tc.want || diff != "" {
				t.Errorf("%s, want %s\n%s", v.Answer, tc.want, diff)
			}
			if strings.Contains(name, "hostNetwork") && len(v.Notes) != 1 {
				t.Errorf("the assumption about hostNetwork isn't said: %q", v.Notes)
			}
		})
	}
	for _, bad := range [][3]string{{"shop/no", "shop/db", "80"}, {"shop/web", "10.0.0", "80"}, {"shop/web", "shop/db", "icmp/1"}, {"shop/web", "shop/db", "tcp/0"}, {"shop/web", "shop/db", "tcp/65536"}} {
		if v, err := e.Probe(bad[0], bad[1], bad[2]); err == nil {
			t.Errorf("%v is answered: %+v", bad, v)
		}
	}
}

func TestOtherPoliciesMakeAnswersDepend(t *testing.T) {
	world := []string{deploy("shop", "web", ""), deploy("shop", "db", ""), deploy("bank", "till", ""), deploy("bank", "vault", ""), netpol("shop", "shut", "db", "  policyTypes: [Ingress]")}
	for name, tc := range map[string]struct {
		policy string
		want   string // shop/db->web, shop/web->db, bank/till->vault
		gap    string
	}{
		"none":                  {"", ". X .", ""},
		"an invalid admin one":  {"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}", "? ? ?", "in.yaml"},
		"Cilium, invalid":       {"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: shop}", "? ? .", "in.yaml"},
		"Antrea":                {"apiVersion: crd.antrea.io/v1beta1\nkind: NetworkPolicy\nmetadata: {name: c, namespace: bank}", ". X ?", "network NetworkPolicy c"},
		"Linkerd can only deny": {"apiVersion: policy.linkerd.io/v1alpha1\nkind: AuthorizationPolicy\nmetadata: {name: i, namespace: shop}", "? X .", "network AuthorizationPolicy i"},
		"an invalid Calico one": {"apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: c, namespace: bank}\nspec: {selector: '=='}", ". X ?", "in.yaml"},
		"an invalid policy":     {netpol("bank", "bad", "", "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.300/8}}]}]"), ". X ?", "in.yaml"},
		"an undecodable policy": {netpol("bank", "bad", "", "  ingress: 7"), ". X ?", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := build(t, append(slices.Clone(world), tc.policy)...)
			var got []string
			for _, pair := range [][2]string{{"shop/db", "shop/web"}, {"shop/web", "shop/db"}, {"bank/till", "bank/vault"}} {
				v, err := e.Probe(pair[0], pair[1], "tcp/80")
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, string("X?."[rank(v.Answer)]))
			}
			if s := strings.Join(got, " "); s != tc.want {
				t.Errorf("%s, want %s", s, tc.want)
			}
			if tc.gap == "" && len(e.Incomplete) > 0 || tc.gap != "" && (len(e.Incomplete) != 1 || !strings.HasPrefix(e.Incomplete[0].What, tc.gap)) {
				t.Errorf("incomplete: %v, want %q", e.Incomplete, tc.gap)
			}
		})
	}
}

// TestPorts holds what can be asked for.
func TestPorts(t *testing.T) {
	e := build(t, deploy("shop", "web", ""), deploy("shop", "db", ""))
	for text, want := range map[string]Answer{
		"80": Allowed, "tcp/80": Allowed, "SCTP/65535": Allowed, "web": Allowed, "tcp/web": Allowed, "udp/web": Denied, "tcp/other": Denied,
		"": "", "tcp/": "", "tcp/0": "", "tcp/65536": "", "tcp/80-90": "", "tcp/80,81": "", "tcp/web/x": "", "icmp/1": "", "tcp/a-name-that-no-port-can-have": "",
	} {
		if v, err := e.Probe("shop/web", "shop/db", text); v.Answer != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", text, v.Answer, err, want)
		}
	}
}

// TestNumberedPods asks for pods of a StatefulSet by the names that they will
// have, where the snapshot holds none of them.
func TestNumberedPods(t *testing.T) {
	set := strings.Replace(deploy("shop", "db", ""), "kind: Deployment", "kind: StatefulSet", 1)
	world := []string{set, deploy("shop", "web", ""), netpol("shop", "shut", "db", "  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]")}
	for name, tc := range map[string]struct {
		from, to string
		want     string // "" for no such pod
	}{
		"in":                    {"shop/web", "shop/db-0", "allowed"},
		"out":                   {"shop/db-12", "shop/web", "allowed"},
		"with its kind":         {"shop/web", "shop/db-0[Pod]", "allowed"},
		"a pod reaches itself":  {"shop/db-0", "shop/db-0", "allowed"},
		"but not another one":   {"shop/db-0", "shop/db-1", "denied"},
		"of a Deployment":       {"shop/web-0", "shop/db-0", ""},
		"a zero too many":       {"shop/web", "shop/db-00", ""},
		"another kind":          {"shop/web", "shop/db-0[StatefulSet]", ""},
		"below zero":            {"shop/web", "shop/db--1", ""},
		"of another namespace":  {"shop/web", "bank/db-0", ""},
		"no number":             {"shop/web", "shop/db-", ""},
		"more than can be told": {"shop/web", "shop/db-99999999999999999999", ""},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := build(t, world...).Probe(tc.from, tc.to, "tcp/80")
			if string(v.Answer) != tc.want || (err == nil) != (tc.want != "") {
				t.Errorf("%q %v, want %q", v.Answer, err, tc.want)
			}
		})
	}
}

const controller = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: front, namespace: edge}
spec:
  selector: {matchLabels: {app: front}}
  template: {metadata: {labels: {app: front}}, spec: {containers: [{name: c, image: registry.k8s.io/ingress-nginx/controller:v1}]}}`

func TestExposure(t *testing.T) {
	web := deploy("shop", "web", "")
	shut := netpol("shop", "shut", "", "  policyTypes: [Ingress]")
	for name, tc := range map[string]struct {
		manifests []string
		want      string
		origin    model.Origin
	}{
		"nothing":                       {nil, Inside, model.Measured},
		"shut":                          {[]string{shut}, Hidden, model.Measured},
		"a cluster service":             {[]string{service("shop", "web", "web", "")}, Inside, model.Measured},
		"a load balancer":               {[]string{service("shop", "web", "web", "  type: LoadBalancer")}, Public, model.Measured},
		"a load balancer, but shut":     {[]string{service("shop", "web", "web", "  type: LoadBalancer"), shut}, Hidden, model.Measured},
		"a load balancer of another":    {[]string{service("shop", "web", "other", "  type: LoadBalancer")}, Inside, model.Measured},
		"for private ranges":            {[]string{service("shop", "web", "web", "  type: LoadBalancer\n  loadBalancerSourceRanges: [10.0.0.0/8]")}, Inside, model.Measured},
		"external addresses":            {[]string{service("shop", "web", "web", "  externalIPs: [203.0.113.7]")}, Public, model.Measured},
		"policy lets the internet in":   {[]string{service("shop", "web", "web", "  type: LoadBalancer"), shut, netpol("shop", "in", "web", "  ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 8080}]}]")}, Public, model.Measured},
		"policy lets another port in":   {[]string{service("shop", "web", "web", "  type: LoadBalancer"), shut, netpol("shop", "in", "web", "  ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 9999}]}]")}, Inside, model.Measured},
		"policy lets private ranges in": {[]string{service("shop", "web", "web", "  type: LoadBalancer"), shut, netpol("shop", "in", "web", "  ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]")}, Inside, model.Default},
		"a node port, nodes unknown":    {[]string{service("shop", "web", "web", "  type: NodePort")}, Public, model.Default},
		"a node port, private nodes":    {[]string{service("shop", "web", "web", "  type: NodePort"), "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: InternalIP, address: 10.0.0.1}]}"}, Inside, model.Measured},
		"a node port, public nodes":     {[]string{service("shop", "web", "web", "  type: NodePort"), "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: ExternalIP, address: 203.0.113.1}]}"}, Public, model.Measured},
		"an ingress, no controller":     {[]string{service("shop", "web", "web", ""), ingressTo("shop", "web")}, Public, model.Default},
		"an ingress, but shut":          {[]string{service("shop", "web", "web", ""), ingressTo("shop", "web"), shut}, Hidden, model.Measured},
		"an ingress and its controller": {[]string{service("shop", "web", "web", ""), ingressTo("shop", "web"), controller}, Public, model.Default},
		"a controller that is kept out": {[]string{service("shop", "web", "web", ""), ingressTo("shop", "web"), controller, shut, netpol("shop", "in", "web", "  ingress: [{from: [{podSelector: {}}]}]")}, Hidden, model.Measured},
		"a gateway route": {[]string{
			service("shop", "web", "web", ""),
			"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: shop}\nspec: {parentRefs: [{name: front, namespace: edge}], rules: [{backendRefs: [{name: web, port: 80}]}]}",
		}, Public, model.Default},
		"another port of the service": {[]string{
			service("shop", "web", "web", ""),
			"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: shop}\nspec: {parentRefs: [{name: front, namespace: edge}], rules: [{backendRefs: [{name: web, port: 99}]}]}", shut, netpol("shop", "in", "web", "  ingress: [{ports: [{port: 8080}]}]"),
		}, Inside, model.Measured},
		"a route to no port of the service": {[]string{
			service("shop", "web", "web", ""),
			"apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: shop}\nspec: {parentRefs: [{name: front, namespace: edge}], rules: [{backendRefs: [{name: web, port: 99}]}]}",
		}, Inside, model.Measured},
		"an internal load balancer": {[]string{strings.Replace(service("shop", "web", "web", "  type: LoadBalancer"), "name: web,", "name: web, annotations: {networking.gke.io/load-balancer-type: Internal},", 1)}, Inside, model.Measured},
		"a neighbour may":           {[]string{deploy("shop", "db", ""), shut, netpol("shop", "in", "web", "  ingress: [{from: [{podSelector: {matchLabels: {app: db}}}]}]")}, Inside, model.Measured},
		"other policies":            {[]string{shut, "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: c, namespace: shop}"}, Inside, model.Default},
	} {
		t.Run(name, func(t *testing.T) {
			e := build(t, append([]string{web}, tc.manifests...)...)
			at := slices.IndexFunc(e.world.snapshot.Workloads, func(w *kube.Workload) bool { return w.Name == "web" })
			got := e.Exposure(at)
			if got.Level != tc.want || got.Origin != tc.origin || len(got.Evidence) == 0 {
				t.Errorf("%s %s, want %s %s: %+v", got.Level, got.Origin, tc.want, tc.origin, got.Evidence)
			}
		})
	}
}

func TestReading(t *testing.T) {
	e := build(t, deploy("a", "both", ""), deploy("a", "host", "      hostNetwork: true"), deploy("b", "none", ""), deploy("c", "open", ""),
		netpol("a", "all", "", "  policyTypes: [Ingress, Egress]"), netpol("b", "some", "none", "  policyTypes: [Ingress]"),
		netpol("c", "open", "", "  ingress: [{}]"), "apiVersion: v1\nkind: Namespace\nmetadata: {name: empty}")
	var got []string
	for _, f := range e.Reading().Facts {
		if f.P != 1 || len(f.Evidence) == 0 {
			t.Errorf("fact without proof: %+v", f)
		}
		got = append(got, fmt.Sprintf("%s %s %s", f.Kind, f.Asset, f.Value))
	}
	slices.Sort(got)
	want := []string{
		"exposed workload prod/a/Deployment/both hidden",
		"exposed workload prod/a/Deployment/host public",
		"exposed workload prod/b/Deployment/none hidden",
		"exposed workload prod/c/Deployment/open inside",
		"lacks namespace prod/b network.isolated",
		"lacks namespace prod/c network.isolated",
		"lacks workload prod/a/Deployment/host network.rules",
		"lacks workload prod/b/Deployment/none network.rules",
		"lacks workload prod/c/Deployment/open network.rules",
		"meets namespace prod/a network.isolated",
		"meets workload prod/a/Deployment/both network.rules",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestOrderDoesNotMatter shuffles the documents.
func TestOrderDoesNotMatter(t *testing.T) {
	docs := []string{deploy("shop", "web", ""), deploy("shop", "db", ""), netpol("shop", "in", "db", "  ingress: [{from: [{podSelector: {}}, {ipBlock: {cidr: 1.0.0.0/8}}]}]"), service("shop", "web", "web", "  type: LoadBalancer"), ingressTo("shop", "web")}
	first := build(t, docs...)
	slices.Reverse(docs)
	second := build(t, docs...)
	if diff := cmp.Diff(first.List(), second.List()); diff != "" {
		t.Error(diff)
	}
	for i := range first.world.snapshot.Workloads {
		if a, b := first.Exposure(i), second.Exposure(i); a.Level != b.Level || a.Origin != b.Origin || len(a.Evidence) != len(b.Evidence) {
			t.Errorf("%+v and %+v", a, b)
		}
	}
}

// TestExplainsTiers asks why, across the tiers of all kinds.
func TestExplainsTiers(t *testing.T) {
	admin := func(kind, name, spec string) string {
		version := map[bool]string{true: "v1alpha2", false: "v1alpha1"}[kind == "ClusterNetworkPolicy"]
		return "apiVersion: policy.networking.k8s.io/" + version + "\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec: {subject: {namespaces: {}}, " + spec + "}"
	}
	world := []string{deploy("shop", "web", ""), deploy("shop", "db", ""), netpol("shop", "db-in", "db", "  ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]")}
	for name, tc := range map[string]struct {
		policies []string
		from, to string
		want     Answer
		reasons  []string
	}{
		"denied before": {
			[]string{admin("AdminNetworkPolicy", "a", "priority: 1, ingress: [{action: Deny, from: [{namespaces: {}}]}]")},
			"shop/web", "shop/db", Denied,
			[]string{"admin AdminNetworkPolicy a deny spec.ingress[0] denies it"},
		},
		"passed on": {
			[]string{admin("ClusterNetworkPolicy", "c", "tier: Admin, priority: 1, ingress: [{action: Pass, from: [{namespaces: {}}]}, {action: Deny, from: [{namespaces: {}}]}]")},
			"shop/web", "shop/db", Allowed,
			[]string{
				"admin ClusterNetworkPolicy c pass spec.ingress[0] passes it on to the next tier",
				"standard NetworkPolicy shop/db-in accept spec.ingress[0] allows it",
			},
		},
		"by the baseline": {
			[]string{admin("BaselineAdminNetworkPolicy", "default", "ingress: [{action: Deny, from: [{namespaces: {}}]}]")},
			"shop/db", "shop/web", Denied,
			[]string{"baseline BaselineAdminNetworkPolicy default deny spec.ingress[0] denies it"},
		},
		"by none": {
			[]string{admin("AdminNetworkPolicy", "a", "priority: 1, ingress: [{action: Deny, from: [{namespaces: {matchLabels: {no: such}}}]}]")},
			"shop/db", "shop/web", Allowed,
			[]string{"     no rule decides about ingress: it is allowed by default"},
		},
		"one priority": {
			[]string{
				admin("AdminNetworkPolicy", "a", "priority: 1, ingress: [{action: Deny, from: [{namespaces: {}}]}]"),
				admin("AdminNetworkPolicy", "b", "priority: 1, ingress: [{action: Allow, from: [{namespaces: {}}]}, {action: Deny, from: [{namespaces: {}}]}]"),
			},
			"shop/db", "shop/web", Depends,
			[]string{"admin AdminNetworkPolicy a deny spec.ingress[0] denies it", "admin AdminNetworkPolicy b accept spec.ingress[0] allows it"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := build(t, append(slices.Clone(world), tc.policies...)...).Probe(tc.from, tc.to, "tcp/80")
			if err != nil {
				t.Fatal(err)
			}
			var reasons []string
			for _, r := range v.Ingress.Reasons {
				reasons = append(reasons, strings.Join([]string{r.Tier, r.Kind, r.Policy, r.Action, r.Field, r.Text}, " "))
			}
			if diff := cmp.Diff(tc.reasons, reasons); v.Answer != tc.want || v.Ingress.Answer != tc.want || diff != "" {
				t.Errorf("%s, want %s\n%s", v.Answer, tc.want, diff)
			}
		})
	}
}

// TestHostNetwork asks about a pod of the host's network in both readings.
func TestHostNetwork(t *testing.T) {
	e := build(t, deploy("shop", "agent", "      hostNetwork: true"), deploy("shop", "db", ""), netpol("shop", "deny", "", "  policyTypes: [Ingress]"))
	for name, tc := range map[string]struct {
		engine *Engine
		want   Answer
		list   int
		others int
	}{
		"both":     {e, Depends, 2, 2},
		"selected": {e.Settled(true), Denied, 2, 0},
		"ignored":  {e.Settled(false), Allowed, 4, 0},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := tc.engine.Probe("shop/db", "shop/agent", "tcp/80")
			if err != nil || v.Answer != tc.want || len(v.Notes) != 1 {
				t.Errorf("%s, want %s: %v %v", v.Answer, tc.want, v.Notes, err)
			}
			if list, others := tc.engine.List(), tc.engine.Unlisted(); len(list) != tc.list || len(others) != tc.others {
				t.Errorf("listed %v, not listed %v", list, others)
			}
			if got := tc.engine.CanReach(1, 0); got != (tc.want != Denied) {
				t.Errorf("reaches: %t", got)
			}
		})
	}
	if got := e.Exposure(0); got.Level != Public {
		t.Errorf("the exposure of what may be open is %s", got.Level)
	}
}
