package network

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/scantling/scantling/infrastructure/kube"
)

// entry is one way by which traffic from outside the cluster is led to a
// workload, before any policy is asked.
type entry struct {
	what    string // as "Service shop/web of type LoadBalancer selects it"
	where   string // file:line field
	ports   []portRange
	proxied bool   // through an ingress controller or gateway, which is then the source
	assumed string // why this is an assumption; "" for what was measured
}

// entries holds what the snapshot says about ways in.
type entries struct {
	engine      *Engine
	services    map[string][]kube.Typed[*corev1.Service] // by namespace
	routes      map[string][]route                       // by "namespace/service"
	controllers []int                                    // workloads
	noPublic    bool                                     // nodes are known and none has a public address
	noNodes     bool                                     // nodes aren't known
}

// route leads requests to a Service, through a controller.
type route struct {
	object *kube.Object
	port   intstr.IntOrString // zero: any port of the service
}

func (e *Engine) findEntries() *entries {
	x := &entries{engine: e, services: map[string][]kube.Typed[*corev1.Service]{}, routes: map[string][]route{}}
	for _, s := range kube.All[*corev1.Service](e.world.snapshot) {
		x.services[s.Object.Namespace] = append(x.services[s.Object.Namespace], s)
	}
	for _, kind := range []string{"Ingress", "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "Route"} {
		for _, o := range e.world.snapshot.ByKind(kind) {
			if !internalRoute(o) {
				x.addRoutes(o, o.Raw["spec"], 0)
			}
		}
	}
	nodes := kube.All[*corev1.Node](e.world.snapshot)
	x.noNodes = len(nodes) == 0
	x.noPublic = !x.noNodes && !slices.ContainsFunc(nodes, func(n kube.Typed[*corev1.Node]) bool {
		return slices.ContainsFunc(n.Value.Status.Addresses, func(a corev1.NodeAddress) bool {
			ip, err := netip.ParseAddr(a.Address)
			return err == nil && a.Type == corev1.NodeExternalIP || err == nil && block{first: ip, last: ip}.public()
		})
	})
	for i, load := range e.world.snapshot.Workloads {
		if isController(load) {
			x.controllers = append(x.controllers, i)
		}
	}
	return x
}

// maxRouteDepth bounds the walk through a route's spec.
const maxRouteDepth = 12

// addRoutes finds the services that a route names, in the forms of Ingress v1
// (service.name), Ingress v1beta1 (serviceName), the Gateway API (backendRefs)
// and OpenShift's Route (to).
func (x *entries) addRoutes(o *kube.Object, v any, depth int) {
	if depth > maxRouteDepth {
		return
	}
	switch t := v.(type) {
	case []any:
		for _, item := range t {
			x.addRoutes(o, item, depth+1)
		}
	case map[string]any:
		if service, is := t["service"].(map[string]any); is {
			port, _ := service["port"].(map[string]any)
			x.addRoute(o, "", service["name"], cmp.Or(portOf(port["name"]), portOf(port["number"])))
		}
		x.addRoute(o, "", t["serviceName"], portOf(t["servicePort"]))
		if to, is := t["to"].(map[string]any); is && o.Kind == "Route" {
			x.addRoute(o, "", to["name"], intstr.IntOrString{})
		}
		if refs, is := t["backendRefs"].([]any); is {
			for _, ref := range refs {
				m, _ := ref.(map[string]any)
				namespace, _ := m["namespace"].(string)
				if kind, _ := m["kind"].(string); kind == "" || kind == "Service" {
					x.addRoute(o, namespace, m["name"], portOf(m["port"]))
				}
			}
		}
		for _, key := range slices.Sorted(maps.Keys(t)) {
			if key != "backendRefs" {
				x.addRoutes(o, t[key], depth+1)
			}
		}
	}
}

func (x *entries) addRoute(o *kube.Object, namespace string, name any, port intstr.IntOrString) {
	if s, is := name.(string); is && s != "" {
		key := cmp.Or(namespace, o.Namespace) + "/" + s
		if !slices.Contains(x.routes[key], route{o, port}) {
			x.routes[key] = append(x.routes[key], route{o, port})
		}
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

// internalRoute reports whether an Ingress asks for an address inside only.
func internalRoute(o *kube.Object) bool {
	a := o.Annotations()
	return a["kubernetes.io/ingress.class"] == "gce-internal" || a["alb.ingress.kubernetes.io/scheme"] == "internal"
}

// internalBalancer reports whether a Service asks its cloud for an address
// inside only. Sources: the load balancer annotations of AWS, Azure, GKE,
// OpenStack and Oracle's controllers.
func internalBalancer(o *kube.Object) bool {
	a := o.Annotations()
	aws := a["service.beta.kubernetes.io/aws-load-balancer-internal"]
	return aws != "" && aws != "false" ||
		a["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internal" ||
		a["service.beta.kubernetes.io/azure-load-balancer-internal"] == "true" ||
		strings.EqualFold(a["networking.gke.io/load-balancer-type"], "internal") ||
		strings.EqualFold(a["cloud.google.com/load-balancer-type"], "internal") ||
		a["service.beta.kubernetes.io/openstack-internal-load-balancer"] == "true" ||
		a["service.beta.kubernetes.io/oci-load-balancer-internal"] == "true"
}

// controllerImages are parts of the image names of what serves Ingress and
// Gateway objects.
var controllerImages = []string{
	"ingress-nginx/controller", "nginx/nginx-ingress", "nginx-ingress-controller", "traefik", "haproxytech/kubernetes-ingress",
	"haproxy-ingress", "kong/kong", "projectcontour/", "envoyproxy/gateway", "openshift/origin-haproxy-router",
}

func isController(load *kube.Workload) bool {
	return slices.ContainsFunc(load.Spec.Containers, func(c corev1.Container) bool {
		return slices.ContainsFunc(controllerImages, func(part string) bool { return strings.Contains(c.Image, part) })
	})
}

// of lists the ways to one workload.
func (x *entries) of(workload int) []entry {
	load := x.engine.world.snapshot.Workloads[workload]
	var list []entry
	for _, s := range x.services[load.Namespace] {
		if len(s.Value.Spec.Selector) == 0 || !x.selects(s.Value, workload) {
			continue
		}
		if why, assumed := x.direct(s); why != "" {
			list = append(list, entry{
				what:    fmt.Sprintf("Service %s/%s %s selects it", s.Object.Namespace, s.Object.Name, why),
				where:   where(s.Object) + " spec.selector",
				ports:   x.targets(s.Value, workload, intstr.IntOrString{}),
				assumed: assumed,
			})
		}
		for _, r := range x.routes[s.Object.Namespace+"/"+s.Object.Name] {
			assumed := ""
			if len(x.controllers) == 0 {
				assumed = "the controller that serves it is not in the snapshot"
			}
			list = append(list, entry{
				what:    fmt.Sprintf("%s %s/%s leads to it through Service %s", r.object.Kind, r.object.Namespace, r.object.Name, s.Object.Name),
				where:   where(r.object) + " spec",
				ports:   x.targets(s.Value, workload, r.port),
				proxied: true,
				assumed: assumed,
			})
		}
	}
	return append(list, x.hostPorts(load)...)
}

// selects reports whether a Service's selector matches a pod of the workload.
func (x *entries) selects(s *corev1.Service, workload int) bool {
	return slices.ContainsFunc(x.engine.world.byLoad[workload], func(at int) bool {
		for k, v := range s.Spec.Selector {
			if got, has := x.engine.world.endpoints[at].labels[k]; !has || got != v {
				return false
			}
		}
		return true
	})
}

// direct says by which sort of public address a Service is reached without a
// controller; "" for none.
func (x *entries) direct(s kube.Typed[*corev1.Service]) (why, assumed string) {
	spec := &s.Value.Spec
	balancer := spec.Type == corev1.ServiceTypeLoadBalancer && !internalBalancer(s.Object)
	switch {
	case balancer && !onlyPrivate(spec.LoadBalancerSourceRanges):
		return "of type LoadBalancer", ""
	case len(spec.ExternalIPs) > 0 && !onlyPrivate(spec.ExternalIPs):
		return "with externalIPs", ""
	case spec.Type == corev1.ServiceTypeNodePort && !x.noPublic:
		return "of type NodePort", x.nodesAssumed()
	}
	return "", ""
}

func (x *entries) nodesAssumed() string {
	if x.noNodes {
		return "nodes are not in the snapshot: assumed to have public addresses"
	}
	return ""
}

// onlyPrivate reports whether all of some CIDRs or addresses are private.
func onlyPrivate(list []string) bool {
	for _, text := range list {
		p, err := netip.ParsePrefix(strings.TrimSpace(text))
		if err != nil {
			a, err := netip.ParseAddr(text)
			if err != nil {
				return false
			}
			p = netip.PrefixFrom(a, a.BitLen())
		}
		if (block{first: p.Masked().Addr(), last: lastOf(p)}).public() {
			return false
		}
	}
	return len(list) > 0
}

// targets returns the pod ports behind a Service port, or behind all of them.
func (x *entries) targets(s *corev1.Service, workload int, only intstr.IntOrString) []portRange {
	var list []portRange
	for _, p := range s.Spec.Ports {
		if only != (intstr.IntOrString{}) && only.String() != p.Name && only.IntValue() != int(p.Port) {
			continue
		}
		protocol := protocolIndex(cmp.Or(string(p.Protocol), "TCP"))
		if protocol < 0 {
			continue
		}
		numbers := []int{p.TargetPort.IntValue()}
		switch {
		case p.TargetPort.Type == intstr.String:
			numbers = nil
			for _, at := range x.engine.world.byLoad[workload] {
				numbers = append(numbers, x.engine.world.endpoints[at].ports[named{p.TargetPort.StrVal, protocol}]...)
			}
		case numbers[0] == 0:
			numbers[0] = int(p.Port)
		}
		for _, n := range numbers {
			if r := (portRange{protocol, n, n}); n >= 1 && n <= maxPort && !slices.Contains(list, r) {
				list = append(list, r)
			}
		}
	}
	return list
}

// hostPorts are ways in through the address of the node.
func (x *entries) hostPorts(load *kube.Workload) []entry {
	if x.noPublic {
		return nil
	}
	var ports []portRange
	for _, c := range load.Spec.Containers {
		for _, p := range c.Ports {
			protocol := protocolIndex(cmp.Or(string(p.Protocol), "TCP"))
			if p.HostPort > 0 && protocol >= 0 && p.ContainerPort > 0 && p.ContainerPort <= maxPort {
				ports = append(ports, portRange{protocol, int(p.ContainerPort), int(p.ContainerPort)})
			}
		}
	}
	if len(ports) == 0 {
		return nil
	}
	what := "a container takes a hostPort"
	if load.Spec.HostNetwork {
		what = "a container listens on the host's network"
	}
	place := ""
	if load.Object != nil {
		place = where(load.Object) + " spec.containers[].ports"
	}
	return []entry{{what: what, where: place, ports: ports, assumed: x.nodesAssumed()}}
}
