package network

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

const shutAll = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: shut, namespace: shop}\nspec: {podSelector: {}, policyTypes: [Ingress]}"

// gatewayWith is a Gateway edge/front with one HTTP listener.
func gatewayWith(allowed string) string {
	return "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {name: front, namespace: edge}\nspec:\n  gatewayClassName: c\n  listeners:\n  - {name: http, port: 80, protocol: HTTP" + allowed + "}"
}

// httpRoute is an HTTPRoute of a namespace to Service shop/web.
func httpRoute(namespace, spec string) string {
	return "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: " + namespace + "}\nspec:\n  rules: [{backendRefs: [{name: web, namespace: shop, port: 80}]}]\n" + spec
}

func referenceGrant(from, to string) string {
	return "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: g, namespace: shop}\nspec: {from: [" + from + "], to: [" + to + "]}"
}

func nodeWith(typ, address string) string {
	return "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\nstatus: {addresses: [{type: " + typ + ", address: " + address + "}]}"
}

func annotated(manifest, annotations string) string {
	return strings.Replace(manifest, "name: web, namespace: shop", "name: web, namespace: shop, annotations: {"+annotations+"}", 1)
}

func allow(ingress string) string { return netpol("shop", "in", "web", "  ingress: "+ingress) }

// TestEntries: which ways lead to shop/web, and what of them its policies let
// through.
func TestEntries(t *testing.T) {
	balancer := service("shop", "web", "web", "  type: LoadBalancer")
	plain := service("shop", "web", "web", "")
	const all = "allowedRoutes: {namespaces: {from: All}}"
	edge := "  parentRefs: [{name: front, namespace: edge}]"
	parsed := func(n int) []string { // n times the port of the pods
		return slices.Repeat([]string{"TCP 8080"}, n)
	}
	for name, tc := range map[string]struct {
		manifests []string
		want      []string // ports of each open way
		why       string   // in the evidence
		origin    model.Origin
	}{
		"load balancer": {[]string{balancer}, parsed(1), "of type LoadBalancer", model.Measured},
		"two ports, one let in": {[]string{
			strings.Replace(balancer, "ports: [", "ports: [{port: 9000, name: admin}, ", 1), shutAll, allow("[{from: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 9000}]}]"),
		}, []string{"TCP 9000"}, "let public addresses in", model.Measured},
		"IPv6 clients":                       {[]string{balancer, shutAll, allow("[{from: [{ipBlock: {cidr: '2000::/3'}}]}]")}, parsed(1), "let public addresses in", model.Measured},
		"private IPv6 clients":               {[]string{balancer, shutAll, allow("[{from: [{ipBlock: {cidr: 'fd00::/8'}}]}]"), nodeWith("InternalIP", "10.0.0.1")}, nil, "no policy lets its traffic in", model.Measured},
		"source ranges outside the policy's": {[]string{balancer + "\n  loadBalancerSourceRanges: [203.0.113.0/24]", shutAll, allow("[{from: [{ipBlock: {cidr: 198.51.100.0/24}}]}]"), nodeWith("InternalIP", "10.0.0.1")}, nil, "no policy lets its traffic in", model.Measured},
		"source ranges inside the policy's":  {[]string{balancer + "\n  loadBalancerSourceRanges: [203.0.113.0/24]", shutAll, allow("[{from: [{ipBlock: {cidr: 203.0.0.0/16}}]}]")}, parsed(1), "let public addresses in", model.Measured},
		"under the node's address":           {[]string{balancer, shutAll, allow("[{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"), nodeWith("InternalIP", "10.0.0.1")}, parsed(1), "externalTrafficPolicy Local would prevent", model.Default},
		"not under the node's address":       {[]string{balancer + "\n  externalTrafficPolicy: Local", shutAll, allow("[{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"), nodeWith("InternalIP", "10.0.0.1")}, nil, "no policy lets its traffic in", model.Measured},
		"perhaps under the node's address":   {[]string{balancer, shutAll, allow("[{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]")}, nil, "may be those of nodes", model.Default},

		"internal on GKE":        {[]string{annotated(balancer, "networking.gke.io/load-balancer-type: Internal")}, nil, "", model.Measured},
		"internal on AKS":        {[]string{annotated(balancer, "service.beta.kubernetes.io/azure-load-balancer-internal: 'true'")}, nil, "", model.Measured},
		"not internal on AKS":    {[]string{annotated(balancer, "service.beta.kubernetes.io/azure-load-balancer-internal: 'false'")}, parsed(1), "", model.Measured},
		"internal on EKS, old":   {[]string{annotated(balancer, "service.beta.kubernetes.io/aws-load-balancer-internal: 'true'")}, nil, "", model.Measured},
		"internal by default":    {[]string{annotated(balancer, "service.beta.kubernetes.io/aws-load-balancer-type: external")}, nil, "", model.Measured},
		"internet-facing":        {[]string{annotated(balancer, "service.beta.kubernetes.io/aws-load-balancer-type: external, service.beta.kubernetes.io/aws-load-balancer-scheme: internet-facing")}, parsed(1), "", model.Measured},
		"by its class, internal": {[]string{balancer + "\n  loadBalancerClass: service.k8s.aws/nlb"}, nil, "", model.Measured},
		"given private addresses": {
			[]string{balancer + "\nstatus: {loadBalancer: {ingress: [{ip: 192.168.7.1}]}}"}, nil, "", model.Measured,
		},
		"given a host name":                {[]string{balancer + "\nstatus: {loadBalancer: {ingress: [{ip: 192.168.7.1}, {hostname: lb.example}]}}"}, parsed(1), "", model.Measured},
		"internal, with public node ports": {[]string{annotated(balancer, "networking.gke.io/load-balancer-type: Internal"), nodeWith("ExternalIP", "203.0.113.1")}, parsed(1), "whose node ports are open", model.Measured},
		"internal, without node ports":     {[]string{annotated(balancer, "networking.gke.io/load-balancer-type: Internal") + "\n  allocateLoadBalancerNodePorts: false", nodeWith("ExternalIP", "203.0.113.1")}, nil, "", model.Measured},
		"private external addresses":       {[]string{service("shop", "web", "web", "  externalIPs: [10.0.0.1]")}, nil, "", model.Measured},
		"a name outside":                   {[]string{service("shop", "web", "web", "  type: ExternalName\n  externalName: a.example\n  externalIPs: [203.0.113.9]")}, nil, "", model.Measured},

		"by Endpoints": {[]string{
			"apiVersion: v1\nkind: Service\nmetadata: {name: hand, namespace: shop}\nspec: {type: LoadBalancer, ports: [{port: 80, targetPort: 8080}]}",
			"apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: hand-1, namespace: shop, labels: {kubernetes.io/service-name: hand}}\naddressType: IPv6\nendpoints: [{addresses: ['2001:db8::7']}]",
		}, parsed(1), "shop/hand of type LoadBalancer", model.Measured},
		"by Endpoints of another": {[]string{
			"apiVersion: v1\nkind: Service\nmetadata: {name: hand, namespace: shop}\nspec: {type: LoadBalancer, ports: [{port: 80, targetPort: 8080}]}",
			"apiVersion: v1\nkind: Endpoints\nmetadata: {name: hand, namespace: shop}\nsubsets: [{addresses: [{ip: 10.1.1.1}]}]",
		}, nil, "", model.Measured},

		"ingress of the default backend": {[]string{plain, "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: i, namespace: shop}\nspec: {defaultBackend: {service: {name: web, port: {name: http}}}}"}, parsed(1), "controller that serves it is not in the snapshot", model.Default},
		"ingress of another group":       {[]string{plain, strings.Replace(ingressTo("shop", "web"), "networking.k8s.io/v1", "networking.example/v1", 1)}, nil, "", model.Measured},
		"ingress, internal":              {[]string{plain, annotated(ingressTo("shop", "web"), "kubernetes.io/ingress.class: gce-internal")}, nil, "asks for an address inside", model.Measured},
		"ingress of AWS":                 {[]string{plain, strings.Replace(ingressTo("shop", "web"), "spec: {", "spec: {ingressClassName: alb, ", 1)}, nil, "without alb.ingress.kubernetes.io/scheme", model.Measured},
		"ingress of another controller": {[]string{
			plain, controller, strings.Replace(ingressTo("shop", "web"), "spec: {", "spec: {ingressClassName: kong, ", 1),
			"apiVersion: networking.k8s.io/v1\nkind: IngressClass\nmetadata: {name: kong}\nspec: {controller: ingress-controllers.konghq.com/kong}", shutAll, allow("[{from: [{namespaceSelector: {}}]}]"),
		}, parsed(1), "controller that serves it is not in the snapshot", model.Default},
		"ingress of its controller, which is led to": {[]string{
			plain, controller, ingressTo("shop", "web"), strings.Replace(service("edge", "front", "front", "  type: LoadBalancer"), "targetPort: web", "targetPort: 443", 1), shutAll, allow("[{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: edge}}}]}]"),
		}, parsed(1), "its controller edge/front may connect", model.Measured},
		"ingress of its controller, which is not led to": {[]string{plain, controller, ingressTo("shop", "web"), strings.Replace(service("edge", "front", "front", ""), "targetPort: web", "targetPort: 443", 1)}, nil, "has no way in from outside", model.Measured},

		"route, its gateway not known":           {[]string{plain, httpRoute("shop", edge)}, parsed(1), "not in the snapshot", model.Default},
		"route of the gateway's own namespace":   {[]string{plain, gatewayWith(""), httpRoute("edge", edge), referenceGrant("{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}", "{group: '', kind: Service}")}, parsed(1), "", model.Default},
		"route without a grant":                  {[]string{plain, gatewayWith(""), httpRoute("edge", edge)}, nil, "no ReferenceGrant of namespace shop", model.Measured},
		"grant for another kind":                 {[]string{plain, gatewayWith(""), httpRoute("edge", edge), referenceGrant("{group: gateway.networking.k8s.io, kind: TCPRoute, namespace: edge}", "{group: '', kind: Service}")}, nil, "no ReferenceGrant", model.Measured},
		"grant for another service":              {[]string{plain, gatewayWith(""), httpRoute("edge", edge), referenceGrant("{group: gateway.networking.k8s.io, kind: HTTPRoute, namespace: edge}", "{group: '', kind: Service, name: db}")}, nil, "no ReferenceGrant", model.Measured},
		"route of a namespace that is not taken": {[]string{plain, gatewayWith(""), httpRoute("shop", edge)}, nil, "has no listener that takes it", model.Measured},
		"route of any namespace":                 {[]string{plain, gatewayWith(", " + all), httpRoute("shop", edge)}, parsed(1), "", model.Default},
		"route of a selected namespace":          {[]string{plain, gatewayWith(", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}"), httpRoute("shop", edge)}, parsed(1), "", model.Default},
		"route of a namespace not selected":      {[]string{plain, gatewayWith(", allowedRoutes: {namespaces: {from: Selector, selector: {matchLabels: {a: b}}}}"), httpRoute("shop", edge)}, nil, "has no listener", model.Measured},
		"route to another section":               {[]string{plain, gatewayWith(", " + all), httpRoute("shop", "  parentRefs: [{name: front, namespace: edge, sectionName: https}]")}, nil, "has no listener", model.Measured},
		"route to another port":                  {[]string{plain, gatewayWith(", " + all), httpRoute("shop", "  parentRefs: [{name: front, namespace: edge, port: 81}]")}, nil, "has no listener", model.Measured},
		"route of another host":                  {[]string{plain, gatewayWith(", hostname: '*.shop.example', " + all), httpRoute("shop", edge+"\n  hostnames: [shop.example]")}, nil, "has no listener", model.Measured},
		"route of a host below":                  {[]string{plain, gatewayWith(", hostname: '*.shop.example', " + all), httpRoute("shop", edge+"\n  hostnames: [a.SHOP.example]")}, parsed(1), "", model.Default},
		"route of a kind that is not taken":      {[]string{plain, gatewayWith(", allowedRoutes: {namespaces: {from: All}, kinds: [{kind: GRPCRoute}]}"), httpRoute("shop", edge)}, nil, "has no listener", model.Measured},
		"TCPRoute on an HTTP listener":           {[]string{plain, gatewayWith(", " + all), strings.Replace(httpRoute("shop", edge), "HTTPRoute", "TCPRoute", 1)}, nil, "has no listener", model.Measured},
		"route in the mesh":                      {[]string{plain, httpRoute("shop", "  parentRefs: [{group: '', kind: Service, name: web}]")}, nil, "inside the mesh", model.Measured},
		"second parent takes it":                 {[]string{plain, gatewayWith(", " + all), httpRoute("shop", "  parentRefs: [{group: '', kind: Service, name: web}, {name: front, namespace: edge}]")}, parsed(1), "", model.Default},
		"a mirror":                               {[]string{plain, gatewayWith(", " + all), "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: r, namespace: shop}\nspec:\n  rules: [{filters: [{type: RequestMirror, requestMirror: {backendRef: {name: web, port: 80}}}]}]\n" + edge}, parsed(1), "", model.Default},
		"gateway with private addresses":         {[]string{plain, gatewayWith(", "+all) + "\n  addresses: [{value: 10.0.0.9}]", httpRoute("shop", edge)}, nil, "addresses inside only", model.Measured},
		"its own pods serve a gateway": {[]string{
			plain, gatewayWith(", " + all), httpRoute("shop", edge), strings.Replace(deploy("edge", "proxy", ""), "labels: {app: proxy}", "labels: {app: proxy, gateway.networking.k8s.io/gateway-name: front}", 1),
			service("edge", "proxy", "proxy", "  type: LoadBalancer"), shutAll, allow("[{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: proxy}}}]}]"),
		}, parsed(1), "its controller edge/proxy may connect", model.Measured},

		"OpenShift route":                 {[]string{plain, "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: r, namespace: shop}\nspec: {to: {kind: Service, name: web}, port: {targetPort: web}}"}, parsed(1), "", model.Default},
		"OpenShift route, another port":   {[]string{plain, "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: r, namespace: shop}\nspec: {to: {kind: Service, name: web}, port: {targetPort: 9000}}"}, nil, "no port of the pods", model.Measured},
		"OpenShift route, as alternative": {[]string{plain, "apiVersion: route.openshift.io/v1\nkind: Route\nmetadata: {name: r, namespace: shop}\nspec: {to: {kind: Service, name: old}, alternateBackends: [{kind: Service, name: web}]}"}, parsed(1), "", model.Default},
		"Knative route":                   {[]string{plain, "apiVersion: serving.knative.dev/v1\nkind: Route\nmetadata: {name: r, namespace: shop}\nspec: {to: {kind: Service, name: web}}"}, nil, "", model.Measured},
	} {
		t.Run(name, func(t *testing.T) {
			web := deploy("shop", "web", "")
			if strings.HasPrefix(name, "by Endpoints") {
				web = "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop, labels: {app: web}}\nspec: {containers: [{name: c, image: i}]}\nstatus: {podIP: '2001:db8::7', podIPs: [{ip: '2001:db8::7'}]}"
			}
			e := build(t, append([]string{web}, tc.manifests...)...)
			at := slices.IndexFunc(e.world.snapshot.Workloads, func(w *kube.Workload) bool { return w.Name == "web" })
			var got []string
			for _, way := range e.open(e.findEntries(), at) {
				got = append(got, e.describe(way.ports))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
			exposure := e.Exposure(at)
			if (exposure.Level == Public) != (len(got) > 0) || exposure.Origin != tc.origin {
				t.Errorf("%s, %s, want %s", exposure.Level, exposure.Origin, tc.origin)
			}
			if !slices.ContainsFunc(exposure.Evidence, func(v model.Evidence) bool { return strings.Contains(v.What, tc.why) }) {
				t.Errorf("no evidence says %q: %+v", tc.why, exposure.Evidence)
			}
		})
	}
}

// TestHostPorts: what a node's own address leads to.
func TestHostPorts(t *testing.T) {
	for name, tc := range map[string]struct {
		ports string
		want  string
	}{
		"a host port":                   {"{containerPort: 8080, hostPort: 80}", "TCP 8080"},
		"none":                          {"{containerPort: 8080}", ""},
		"bound to all addresses":        {"{containerPort: 8080, hostPort: 80, hostIP: 0.0.0.0}", "TCP 8080"},
		"bound to the loopback address": {"{containerPort: 8080, hostPort: 80, hostIP: 127.0.0.1}", ""},
		"bound to a public address":     {"{containerPort: 53, hostPort: 53, protocol: UDP, hostIP: '2001:db8::1'}", "UDP 53"},
	} {
		t.Run(name, func(t *testing.T) {
			e := build(t, "apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: c, image: i, ports: ["+tc.ports+"]}]}")
			got := ""
			for _, way := range e.open(e.findEntries(), 0) {
				got += e.describe(way.ports)
			}
			if got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// TestRoutesThatDoNotFit: what can't be read is told, and counts as open.
func TestRoutesThatDoNotFit(t *testing.T) {
	e := build(t, deploy("shop", "web", ""), service("shop", "web", "web", ""), gatewayWith(", allowedRoutes: 7"), httpRoute("shop", "  parentRefs: [{name: front, namespace: edge}]\n  hostnames: 5"))
	x := e.findEntries()
	if len(x.missed) != 2 || len(e.open(x, 0)) != 1 {
		t.Errorf("told %v, open %v", x.missed, e.open(x, 0))
	}
	if n := len(e.Reading().Incomplete); n != 2 {
		t.Errorf("the reading tells of %d", n)
	}
}

func TestEvaluates(t *testing.T) {
	e := build(t, gatewayWith(""), httpRoute("shop", ""), "apiVersion: serving.knative.dev/v1\nkind: Route\nmetadata: {name: r, namespace: shop}\nspec: {}",
		"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\nspec: {priority: 1, subject: {namespaces: {}}}",
		"apiVersion: policy.networking.k8s.io/v9\nkind: AdminNetworkPolicy\nmetadata: {name: b}\nspec: {}")
	for gap, want := range map[string]bool{
		"kind Gateway/gateway.networking.k8s.io/v1":                   true,
		"kind HTTPRoute/gateway.networking.k8s.io/v1":                 true,
		"kind Route/serving.knative.dev/v1":                           false,
		"kind AdminNetworkPolicy/policy.networking.k8s.io/v1alpha1":   true,
		"kind ClusterNetworkPolicy/policy.networking.k8s.io/v1alpha2": false,
		"in.yaml:7": false,
	} {
		if got := e.Evaluates(gap); got != want {
			t.Errorf("%s: %t, want %t", gap, got, want)
		}
	}
	for _, x := range e.world.snapshot.Incomplete {
		if strings.Contains(x.What, "v9") && e.Evaluates(x.What) && len(e.Incomplete) == 0 {
			t.Errorf("%s is told nowhere", x.What)
		}
	}
}
