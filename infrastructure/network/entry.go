package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// entry is one way by which traffic from outside the cluster is led to a
// workload, before any policy is asked.
type entry struct {
	what    string // as "Service shop/web of type LoadBalancer selects it"
	where   string // file:line field
	ports   []portRange
	proxied bool           // through a controller or gateway, which is then the source
	via     []int          // proxied: workloads that may be it; none where it isn't in the snapshot
	from    []netip.Prefix // clients that are let in; nil for all
	masked  bool           // the node's address may stand in place of the client's
	assumed string         // why this is an assumption; "" for what was measured
	shut    string         // why it is no way though it looks like one
}

// entries holds what the snapshot says about ways in.
type entries struct {
	engine   *Engine
	services map[string][]kube.Typed[*corev1.Service] // by namespace
	backends map[string][]int                         // workloads behind Services without a selector, by "namespace/service"
	routes   map[string][]route                       // by "namespace/service"
	servers  []int                                    // workloads that serve Ingress objects
	gateways gateways
	nodeIPs  []netip.Addr
	noPublic bool // nodes are known and none has a public address
	noNodes  bool // nodes aren't known
	missed   []model.Incomplete
}

func (e *Engine) findEntries() *entries {
	x := &entries{engine: e, services: map[string][]kube.Typed[*corev1.Service]{}, routes: map[string][]route{}}
	for _, s := range kube.All[*corev1.Service](e.world.snapshot) {
		x.services[s.Object.Namespace] = append(x.services[s.Object.Namespace], s)
	}
	x.findBackends()
	for i, load := range e.world.snapshot.Workloads {
		if isServer(load) {
			x.servers = append(x.servers, i)
		}
	}
	x.findGateways()
	x.findRoutes()
	nodes := kube.All[*corev1.Node](e.world.snapshot)
	x.noNodes = len(nodes) == 0
	x.noPublic = !x.noNodes
	for _, n := range nodes {
		for _, a := range n.Value.Status.Addresses {
			ip, err := netip.ParseAddr(a.Address)
			if err != nil {
				continue
			}
			x.nodeIPs = append(x.nodeIPs, ip)
			if a.Type == corev1.NodeExternalIP || (block{first: ip, last: ip}).public() {
				x.noPublic = false
			}
		}
	}
	return x
}

// findBackends lists the workloads that Endpoints and EndpointSlices name, for
// Services without a selector.
func (x *entries) findBackends() {
	x.backends = map[string][]int{}
	byIP := map[string]int{}
	for _, p := range x.engine.world.endpoints {
		for _, ip := range p.ips {
			if !p.host {
				byIP[ip.String()] = p.workload
			}
		}
	}
	add := func(o *kube.Object, service, address string) {
		ip, err := netip.ParseAddr(address)
		if at, known := byIP[ip.Unmap().String()]; err == nil && known {
			key := o.Namespace + "/" + service
			x.backends[key] = append(x.backends[key], at)
		}
	}
	for _, s := range kube.All[*discoveryv1.EndpointSlice](x.engine.world.snapshot) {
		for _, p := range s.Value.Endpoints {
			for _, a := range p.Addresses {
				add(s.Object, s.Value.Labels[discoveryv1.LabelServiceName], a)
			}
		}
	}
	//lint:ignore SA1019 manifests still give them to Services without a selector
	for _, s := range kube.All[*corev1.Endpoints](x.engine.world.snapshot) {
		for _, subset := range s.Value.Subsets {
			for _, a := range subset.Addresses {
				add(s.Object, s.Object.Name, a.IP)
			}
		}
	}
}

// of lists the ways to one workload.
func (x *entries) of(workload int) []entry {
	load := x.engine.world.snapshot.Workloads[workload]
	var list []entry
	for _, s := range x.services[load.Namespace] {
		if !x.selects(s, workload) {
			continue
		}
		list = append(list, x.direct(s, workload)...)
		for _, r := range x.routes[s.Object.Namespace+"/"+s.Object.Name] {
			list = append(list, entry{
				what:    fmt.Sprintf("%s %s/%s leads to it through Service %s", r.object.Kind, r.object.Namespace, r.object.Name, s.Object.Name),
				where:   where(r.object) + " spec",
				ports:   x.targets(s.Value, workload, r.port, r.ofPods),
				proxied: true,
				via:     r.via,
				assumed: r.assumed,
				shut:    r.shut,
			})
		}
	}
	return append(list, x.hostPorts(load)...)
}

// selects reports whether a Service leads to a pod of the workload: by its
// selector, or by its Endpoints where it has none.
func (x *entries) selects(s kube.Typed[*corev1.Service], workload int) bool {
	if s.Value.Spec.Type == corev1.ServiceTypeExternalName {
		return false
	}
	if len(s.Value.Spec.Selector) == 0 {
		return slices.Contains(x.backends[s.Object.Namespace+"/"+s.Object.Name], workload)
	}
	return slices.ContainsFunc(x.engine.world.byLoad[workload], func(at int) bool {
		for k, v := range s.Value.Spec.Selector {
			if got, has := x.engine.world.endpoints[at].labels[k]; !has || got != v {
				return false
			}
		}
		return true
	})
}

// direct lists the public addresses by which a Service is reached without a
// controller. Traffic to a node is passed on under the node's address unless
// externalTrafficPolicy is Local; many load balancers don't do so, hence
// masked is only a possibility.
func (x *entries) direct(s kube.Typed[*corev1.Service], workload int) []entry {
	spec := &s.Value.Spec
	way := func(why, assumed string) entry {
		return entry{
			what:    fmt.Sprintf("Service %s/%s %s selects it", s.Object.Namespace, s.Object.Name, why),
			where:   where(s.Object) + " spec.selector",
			ports:   x.targets(s.Value, workload, intstr.IntOrString{}, false),
			masked:  spec.ExternalTrafficPolicy != corev1.ServiceExternalTrafficPolicyLocal,
			assumed: assumed,
		}
	}
	var list []entry
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		internal := internalBalancer(s.Object, s.Value)
		nodePorts := spec.AllocateLoadBalancerNodePorts == nil || *spec.AllocateLoadBalancerNodePorts
		switch {
		case !internal && !onlyPrivate(spec.LoadBalancerSourceRanges):
			w := way("of type LoadBalancer", "")
			w.from = prefixesOf(spec.LoadBalancerSourceRanges)
			list = append(list, w)
		case nodePorts && !x.noNodes && !x.noPublic && len(spec.LoadBalancerSourceRanges) == 0:
			list = append(list, way("of type LoadBalancer, whose node ports are open on public nodes,", ""))
		}
	}
	if len(spec.ExternalIPs) > 0 && !onlyPrivate(spec.ExternalIPs) {
		list = append(list, way("with externalIPs", ""))
	}
	if spec.Type == corev1.ServiceTypeNodePort && !x.noPublic {
		list = append(list, way("of type NodePort", x.nodesAssumed()))
	}
	return list
}

func (x *entries) nodesAssumed() string {
	if x.noNodes {
		return "nodes are not in the snapshot: assumed to have public addresses"
	}
	return ""
}

// onlyPrivate reports whether all of some CIDRs or addresses are private.
func onlyPrivate(list []string) bool {
	prefixes := prefixesOf(list)
	return len(prefixes) > 0 && !slices.ContainsFunc(prefixes, func(p netip.Prefix) bool {
		return (block{first: p.Masked().Addr(), last: lastOf(p)}).public()
	})
}

// prefixesOf reads CIDRs and addresses. One that can't be read might be any.
func prefixesOf(list []string) []netip.Prefix {
	var prefixes []netip.Prefix
	for _, text := range list {
		text = strings.TrimSpace(text)
		p, err := netip.ParsePrefix(text)
		if a, wrong := netip.ParseAddr(text); err != nil && wrong == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		if err != nil {
			return nil
		}
		if p.Addr().Is4In6() && p.Bits() >= 96 {
			p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
		}
		prefixes = append(prefixes, p)
	}
	return prefixes
}

// targets returns the pod ports behind a Service port, or behind all of them.
// A port by the number that it has at the pods is asked for with ofPods.
func (x *entries) targets(s *corev1.Service, workload int, only intstr.IntOrString, ofPods bool) []portRange {
	var list []portRange
	for _, p := range s.Spec.Ports {
		number := int(p.Port)
		if ofPods {
			number = cmp.Or(p.TargetPort.IntValue(), number)
		}
		byName := only.String() == p.Name || ofPods && only.String() == p.TargetPort.String()
		if only != (intstr.IntOrString{}) && !byName && only.IntValue() != number {
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

// hostPorts are ways in through the address of the node. A hostPort that is
// bound to a private address of it is none.
func (x *entries) hostPorts(load *kube.Workload) []entry {
	if x.noPublic {
		return nil
	}
	var ports []portRange
	add := func(c *corev1.Container) {
		for _, p := range c.Ports {
			protocol := protocolIndex(cmp.Or(string(p.Protocol), "TCP"))
			if p.HostPort > 0 && protocol >= 0 && p.ContainerPort > 0 && p.ContainerPort <= maxPort && !boundInside(p.HostIP) {
				ports = append(ports, portRange{protocol, int(p.ContainerPort), int(p.ContainerPort)})
			}
		}
	}
	for i := range load.Spec.Containers {
		add(&load.Spec.Containers[i])
	}
	for i := range load.Spec.InitContainers {
		if p := load.Spec.InitContainers[i].RestartPolicy; p != nil && *p == corev1.ContainerRestartPolicyAlways {
			add(&load.Spec.InitContainers[i])
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

// boundInside reports whether a hostIP is one that the internet can't reach.
// The unspecified addresses stand for all of the node's.
func boundInside(hostIP string) bool {
	ip, err := netip.ParseAddr(hostIP)
	return err == nil && !ip.IsUnspecified() && !(block{first: ip, last: ip}).public()
}
