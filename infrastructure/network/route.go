package network

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/scantling/scantling/infrastructure/kube"
)

// route leads requests to a Service, through a controller.
type route struct {
	object  *kube.Object
	port    intstr.IntOrString // zero: any port of the service
	ofPods  bool               // port is the one of the pods
	via     []int              // workloads that may be the controller
	assumed string
	shut    string
}

// routeKinds are the kinds that lead requests to Services, with the API groups
// that they are of.
var routeKinds = []struct {
	kind   string
	groups []string
}{
	{"Ingress", []string{"networking.k8s.io", "extensions"}},
	{"HTTPRoute", []string{gatewayGroup}},
	{"GRPCRoute", []string{gatewayGroup}},
	{"TLSRoute", []string{gatewayGroup}},
	{"TCPRoute", []string{gatewayGroup}},
	{"UDPRoute", []string{gatewayGroup}},
	{"Route", []string{"route.openshift.io", ""}},
}

func (x *entries) findRoutes() {
	for _, k := range routeKinds {
		for _, o := range x.engine.world.snapshot.ByKind(k.kind) {
			if !slices.Contains(k.groups, groupOf(o)) {
				continue
			}
			r := route{object: o}
			switch k.kind {
			case "Ingress":
				x.serveIngress(&r)
			case "Route":
				r.via, r.ofPods = x.serving("openshift.io/ingress-to-route", ""), true
			default:
				x.attach(&r)
			}
			if len(r.via) == 0 && r.assumed == "" {
				r.assumed = "the controller that serves it is not in the snapshot"
			}
			x.addRoutes(r, o.Raw["spec"], 0)
		}
	}
}

func groupOf(o *kube.Object) string {
	group, _, versioned := strings.Cut(o.APIVersion, "/")
	if !versioned {
		return ""
	}
	return group
}

// serveIngress finds who serves an Ingress: the controller of its class, of the
// default class where it has none.
func (x *entries) serveIngress(r *route) {
	spec, _ := r.object.Raw["spec"].(map[string]any)
	annotations := r.object.Annotations()
	name, _ := spec["ingressClassName"].(string)
	old := annotations["kubernetes.io/ingress.class"]
	controller, settings := "", false
	for _, c := range x.engine.world.snapshot.ByKind("IngressClass") {
		isDefault := c.Annotations()["ingressclass.kubernetes.io/is-default-class"] == "true"
		if c.Name == cmp.Or(name, old) || name == "" && old == "" && isDefault {
			of, _ := c.Raw["spec"].(map[string]any)
			controller, _ = of["controller"].(string)
			settings = of["parameters"] != nil
		}
	}
	r.via = x.serving(controller, cmp.Or(old, name))
	scheme := annotations["alb.ingress.kubernetes.io/scheme"]
	alb := controller == "ingress.k8s.aws/alb" || controller == "" && cmp.Or(old, name) == "alb"
	switch {
	case old == "gce-internal", scheme == "internal":
		r.shut = "it asks for an address inside only"
	case alb && scheme == "" && !settings:
		r.shut = "without alb.ingress.kubernetes.io/scheme its balancer has an address inside only"
	case onlyPrivate(givenAddresses(r.object)):
		r.shut = "it was given private addresses only"
	}
}

// givenAddresses are the addresses in status.loadBalancer.ingress; none where
// one of them is a host name.
func givenAddresses(o *kube.Object) []string {
	status, _ := o.Raw["status"].(map[string]any)
	balancer, _ := status["loadBalancer"].(map[string]any)
	list, _ := balancer["ingress"].([]any)
	var given []string
	for _, item := range list {
		m, _ := item.(map[string]any)
		ip, _ := m["ip"].(string)
		if ip == "" {
			return nil
		}
		given = append(given, ip)
	}
	return given
}

// maxRouteDepth bounds the walk through a route's spec.
const maxRouteDepth = 12

// addRoutes finds the services that a route names, in the forms of Ingress v1
// (service.name), Ingress v1beta1 (serviceName), the Gateway API (backendRefs,
// and backendRef of a mirror) and OpenShift's Route (to, alternateBackends).
func (x *entries) addRoutes(r route, v any, depth int) {
	if depth > maxRouteDepth {
		return
	}
	switch t := v.(type) {
	case []any:
		for _, item := range t {
			x.addRoutes(r, item, depth+1)
		}
	case map[string]any:
		if service, is := t["service"].(map[string]any); is {
			port, _ := service["port"].(map[string]any)
			x.addRoute(r, "", service["name"], cmp.Or(portOf(port["name"]), portOf(port["number"])))
		}
		x.addRoute(r, "", t["serviceName"], portOf(t["servicePort"]))
		if r.object.Kind == "Route" {
			x.addOpenShift(r, t)
			return
		}
		refs, _ := t["backendRefs"].([]any)
		if mirror := t["backendRef"]; mirror != nil {
			refs = append(slices.Clip(refs), mirror)
		}
		for _, ref := range refs {
			m, _ := ref.(map[string]any)
			x.addBackend(r, m)
			x.addRoutes(r, m["filters"], depth+1)
		}
		for _, key := range slices.Sorted(maps.Keys(t)) {
			if key != "backendRefs" && key != "backendRef" {
				x.addRoutes(r, t[key], depth+1)
			}
		}
	}
}

// addBackend takes one backendRef of the Gateway API, which needs the consent
// of a ReferenceGrant where it leads to another namespace.
func (x *entries) addBackend(r route, ref map[string]any) {
	group, _ := ref["group"].(string)
	kind, _ := ref["kind"].(string)
	if group != "" || kind != "" && kind != "Service" {
		return
	}
	namespace, _ := ref["namespace"].(string)
	name, _ := ref["name"].(string)
	if namespace != "" && namespace != r.object.Namespace && !x.granted(r.object, namespace, name) {
		r.shut = cmp.Or(r.shut, "no ReferenceGrant of namespace "+namespace+" lets it lead there")
	}
	x.addRoute(r, namespace, name, portOf(ref["port"]))
}

// addOpenShift takes the spec of a Route, whose port is the one of the pods.
func (x *entries) addOpenShift(r route, spec map[string]any) {
	port, _ := spec["port"].(map[string]any)
	backends, _ := spec["alternateBackends"].([]any)
	for _, b := range append([]any{spec["to"]}, backends...) {
		m, _ := b.(map[string]any)
		if kind, _ := m["kind"].(string); kind == "" || kind == "Service" {
			x.addRoute(r, "", m["name"], portOf(port["targetPort"]))
		}
	}
}

func (x *entries) addRoute(r route, namespace string, name any, port intstr.IntOrString) {
	s, is := name.(string)
	if !is || s == "" {
		return
	}
	key := cmp.Or(namespace, r.object.Namespace) + "/" + s
	r.port = port
	if !slices.ContainsFunc(x.routes[key], func(o route) bool { return o.object == r.object && o.port == port && o.shut == r.shut }) {
		x.routes[key] = append(x.routes[key], r)
	}
}

func portOf(v any) intstr.IntOrString {
	switch t := v.(type) {
	case int64:
		if t > 0 && t <= maxPort {
			return intstr.FromInt32(int32(t))
		}
	case string:
		return intstr.FromString(t)
	}
	return intstr.IntOrString{}
}
