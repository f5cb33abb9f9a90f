package network

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// The parts of the Gateway API (gateway.networking.k8s.io v1, v1alpha2 and
// v1beta1) that decide whether a route is served.
const (
	gatewayGroup     = "gateway.networking.k8s.io"
	gatewayNameLabel = "gateway.networking.k8s.io/gateway-name" // on the pods that serve a Gateway
)

type gatewaySpec struct {
	GatewayClassName string     `json:"gatewayClassName"`
	Addresses        []address  `json:"addresses"`
	Listeners        []listener `json:"listeners"`
}

type address struct {
	Type  string `json:"type"` // IPAddress where it is ""
	Value string `json:"value"`
}

type listener struct {
	Name          string `json:"name"`
	Hostname      string `json:"hostname"`
	Port          int    `json:"port"`
	Protocol      string `json:"protocol"`
	AllowedRoutes struct {
		Namespaces struct {
			From     string                `json:"from"` // Same where it is ""
			Selector *metav1.LabelSelector `json:"selector"`
		} `json:"namespaces"`
		Kinds []struct {
			Group *string `json:"group"`
			Kind  string  `json:"kind"`
		} `json:"kinds"`
	} `json:"allowedRoutes"`
}

type routeSpec struct {
	ParentRefs []parentRef `json:"parentRefs"`
	Hostnames  []string    `json:"hostnames"`
}

type parentRef struct {
	Group       *string `json:"group"`
	Kind        string  `json:"kind"` // Gateway where it is ""
	Namespace   string  `json:"namespace"`
	Name        string  `json:"name"`
	SectionName string  `json:"sectionName"`
	Port        int     `json:"port"`
}

type grantSpec struct {
	From []struct {
		Group     string `json:"group"`
		Kind      string `json:"kind"`
		Namespace string `json:"namespace"`
	} `json:"from"`
	To []struct {
		Group string `json:"group"`
		Kind  string `json:"kind"`
		Name  string `json:"name"` // any where it is ""
	} `json:"to"`
}

// gateways holds what can serve routes and what lets them lead elsewhere.
type gateways struct {
	byName map[string]*gateway    // by "namespace/name"
	grants map[string][]grantSpec // by the namespace that grants
}

type gateway struct {
	spec gatewaySpec
	via  []int  // workloads that may serve it
	shut string // why nothing from outside comes in by it
}

// decode reads a part of an object; what doesn't fit is told once and false.
func (x *entries) decode(o *kube.Object, part string, into any) bool {
	text, err := json.Marshal(o.Raw[part])
	if err == nil {
		err = json.Unmarshal(text, into)
	}
	if err != nil {
		x.missed = append(x.missed, model.Incomplete{What: where(o), Why: fmt.Sprintf("%s has a %s that does not fit: not followed: %v", o, part, err)})
	}
	return err == nil
}

func (x *entries) findGateways() {
	x.gateways = gateways{byName: map[string]*gateway{}, grants: map[string][]grantSpec{}}
	s := x.engine.world.snapshot
	for _, o := range s.ByKind("ReferenceGrant") {
		var spec grantSpec
		if groupOf(o) == gatewayGroup && x.decode(o, "spec", &spec) {
			x.gateways.grants[o.Namespace] = append(x.gateways.grants[o.Namespace], spec)
		}
	}
	controllers := map[string]string{} // of each GatewayClass
	for _, o := range s.ByKind("GatewayClass") {
		spec, _ := o.Raw["spec"].(map[string]any)
		controllers[o.Name], _ = spec["controllerName"].(string)
	}
	for _, o := range s.ByKind("Gateway") {
		g := &gateway{}
		if groupOf(o) == gatewayGroup && x.decode(o, "spec", &g.spec) {
			g.via = x.servingGateway(o, controllers[g.spec.GatewayClassName])
			g.shut = x.shutGateway(o, g)
			x.gateways.byName[o.Namespace+"/"+o.Name] = g
		}
	}
}

// servingGateway finds the pods that serve a Gateway: those that bear its name
// in the label of the API, else the known programs of its class.
func (x *entries) servingGateway(o *kube.Object, controller string) []int {
	var list []int
	for i, load := range x.engine.world.snapshot.Workloads {
		own := load.Namespace == o.Namespace && load.Labels[gatewayNameLabel] == o.Name
		envoy := load.Labels["gateway.envoyproxy.io/owning-gateway-name"] == o.Name && load.Labels["gateway.envoyproxy.io/owning-gateway-namespace"] == o.Namespace
		if own || envoy {
			list = append(list, i)
		}
	}
	if list != nil {
		return list
	}
	return x.serving(controller, "")
}

// shutGateway says why a Gateway is reached from inside only; "" where it isn't.
func (x *entries) shutGateway(o *kube.Object, g *gateway) string {
	status, _ := o.Raw["status"].(map[string]any)
	var given []address
	if status["addresses"] != nil {
		text, err := json.Marshal(status["addresses"])
		if err != nil || json.Unmarshal(text, &given) != nil {
			given = nil // a status that can't be read says nothing
		}
	}
	internal := strings.HasPrefix(g.spec.GatewayClassName, "gke-l7-rilb") || strings.HasPrefix(g.spec.GatewayClassName, "gke-l7-cross-regional-internal")
	if internal || onlyPrivate(values(given)) || len(given) == 0 && onlyPrivate(values(g.spec.Addresses)) {
		return "Gateway " + o.Namespace + "/" + o.Name + " has addresses inside only"
	}
	return ""
}

// values are the addresses; none where one of them is a host name.
func values(list []address) []string {
	var values []string
	for _, a := range list {
		if a.Type != "" && a.Type != "IPAddress" {
			return nil
		}
		values = append(values, a.Value)
	}
	return values
}

// attach finds who serves a route of the Gateway API. One of its parents is
// enough; where none takes it, the route leads nowhere.
func (x *entries) attach(r *route) {
	var spec routeSpec
	if !x.decode(r.object, "spec", &spec) {
		r.assumed = "its spec can't be read: assumed to be served"
		return
	}
	if len(spec.ParentRefs) == 0 {
		r.shut = "it names no Gateway that serves it"
		return
	}
	for i, p := range spec.ParentRefs {
		via, assumed, shut := x.parent(r.object, spec, p)
		better := shut == "" && (r.shut != "" || r.assumed != "" && assumed == "")
		if i == 0 || better {
			r.via, r.assumed, r.shut = via, assumed, shut
		} else if shut == "" && assumed == "" {
			r.via = append(slices.Clip(r.via), via...)
		}
	}
}

// parent judges one parent of a route.
func (x *entries) parent(o *kube.Object, spec routeSpec, p parentRef) (via []int, assumed, shut string) {
	if p.Group != nil && *p.Group != gatewayGroup || p.Kind != "" && p.Kind != "Gateway" {
		if p.Kind == "Service" {
			return nil, "", "it is for traffic inside the mesh"
		}
		return nil, "its parent " + p.Kind + " " + p.Name + " is of a kind that is not known: assumed to serve it", ""
	}
	name := cmp.Or(p.Namespace, o.Namespace) + "/" + p.Name
	g, known := x.gateways.byName[name]
	if !known {
		return nil, "Gateway " + name + " is not in the snapshot: assumed to serve it", ""
	}
	if g.shut != "" {
		return nil, "", g.shut
	}
	shut = "Gateway " + name + " has no listener that takes it"
	for _, l := range g.spec.Listeners {
		if (p.SectionName == "" || p.SectionName == l.Name) && (p.Port == 0 || p.Port == l.Port) && x.takes(l, o, spec, name) {
			return g.via, "", ""
		}
	}
	return nil, "", shut
}

// takes reports whether a listener takes a route: by kind, namespace and host.
func (x *entries) takes(l listener, o *kube.Object, spec routeSpec, name string) bool {
	if !l.kinds(o.Kind) || !shareHost(l.Hostname, spec.Hostnames) {
		return false
	}
	own, _, _ := strings.Cut(name, "/")
	switch l.AllowedRoutes.Namespaces.From {
	case "", "Same":
		return o.Namespace == own
	case "All":
		return true
	case "Selector":
		selector, err := metav1.LabelSelectorAsSelector(l.AllowedRoutes.Namespaces.Selector)
		if err != nil {
			return false // the API server refuses it
		}
		for _, n := range x.engine.world.spaces {
			if n.Name == o.Namespace {
				return selector.Matches(labels.Set(n.Labels))
			}
		}
	}
	return false
}

// kinds reports whether a listener takes routes of a kind: those that it
// names, else those of its protocol. A protocol of an implementation's own may
// take any.
func (l listener) kinds(kind string) bool {
	if named := l.AllowedRoutes.Kinds; len(named) > 0 {
		for _, k := range named {
			if k.Kind == kind && (k.Group == nil || *k.Group == gatewayGroup) {
				return true
			}
		}
		return false
	}
	byProtocol := map[string][]string{
		"HTTP": {"HTTPRoute", "GRPCRoute"}, "HTTPS": {"HTTPRoute", "GRPCRoute"},
		"TLS": {"TLSRoute", "TCPRoute"}, "TCP": {"TCPRoute"}, "UDP": {"UDPRoute"},
	}
	list, known := byProtocol[l.Protocol]
	return !known || slices.Contains(list, kind)
}

// shareHost reports whether a listener's host and one of a route's can be the
// same. "*.example.com" stands for any name that ends so; none for all.
func shareHost(listener string, route []string) bool {
	if listener == "" || len(route) == 0 {
		return true
	}
	return slices.ContainsFunc(route, func(host string) bool {
		listener, host := strings.ToLower(listener), strings.ToLower(host)
		return listener == host || covers(listener, host) || covers(host, listener)
	})
}

func covers(wildcard, host string) bool {
	suffix, is := strings.CutPrefix(wildcard, "*")
	return is && strings.HasPrefix(suffix, ".") && strings.HasSuffix(host, suffix) && len(host) > len(suffix)
}

// granted reports whether a ReferenceGrant lets a route lead to a Service of
// another namespace.
func (x *entries) granted(o *kube.Object, namespace, service string) bool {
	for _, g := range x.gateways.grants[namespace] {
		from, to := false, false
		for _, f := range g.From {
			from = from || f.Group == gatewayGroup && f.Kind == o.Kind && f.Namespace == o.Namespace
		}
		for _, t := range g.To {
			to = to || t.Group == "" && t.Kind == "Service" && (t.Name == "" || t.Name == service)
		}
		if from && to {
			return true
		}
	}
	return false
}
