package network

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// endpoint is one pod, or the pods that a workload would have where the
// snapshot holds none.
type endpoint struct {
	workload int    // index into Snapshot.Workloads
	pod      string // name; "" for a workload's template
	space    int    // index into world.spaces
	labels   map[string]string
	marks    map[string]string // values of Mark keys
	ports    map[named][]int   // numbers of the named ports
	host     bool              // hostNetwork
	ips      []netip.Addr
	node     string // "" where it isn't known
	class    int
}

// node is one node of the cluster.
type node struct {
	name   string
	labels map[string]string
	ips    []netip.Addr
}

// world is what policies select from.
type world struct {
	snapshot  *kube.Snapshot
	spaces    []kube.Namespace
	accounts  map[[2]string]map[string]string // labels, by namespace and name
	nodes     []node
	endpoints []endpoint // sorted by namespace, kind, name, pod
	byLoad    [][]int    // endpoints of each workload
	bySpace   [][]int    // endpoints of each namespace

	classes  []class
	postings map[policy.Key]map[string][]int // classes that have a value
	atBlock  map[int][]int                   // classes with an address in a block
	unplaced []int                           // classes whose addresses aren't known
	onNode   map[string][]int                // classes of pods on a node's network, where policies name nodes
	all      set                             // every class and every address block
	pods     set                             // every class
	hosts    set                             // classes of the host's network that are no ghosts
	ghosts   set
	selected map[string]set // memo of conditions
}

// newWorld lists the endpoints; classes come later, when it is known what
// policies look at.
func newWorld(s *kube.Snapshot, markers []policy.Marker) *world {
	w := &world{snapshot: s, spaces: s.Namespaces(), accounts: map[[2]string]map[string]string{}, selected: map[string]set{}}
	spaceOf := make(map[string]int, len(w.spaces))
	for i, n := range w.spaces {
		spaceOf[n.Name] = i
	}
	w.byLoad = make([][]int, len(s.Workloads))
	for i, load := range s.Workloads {
		space, known := spaceOf[load.Namespace]
		if !known { // only where a snapshot was put together by hand
			space = len(w.spaces)
			spaceOf[load.Namespace] = space
			w.spaces = append(slices.Clip(w.spaces), kube.Namespace{
				Name: load.Namespace, Labels: map[string]string{corev1.LabelMetadataName: load.Namespace},
			})
		}
		for _, e := range endpointsOf(load, markers) {
			e.workload, e.space = i, space
			w.byLoad[i] = append(w.byLoad[i], len(w.endpoints))
			w.endpoints = append(w.endpoints, e)
		}
	}
	w.bySpace = make([][]int, len(w.spaces))
	for i := range w.endpoints {
		space := w.endpoints[i].space
		w.bySpace[space] = append(w.bySpace[space], i)
	}
	for _, a := range kube.All[*corev1.ServiceAccount](s) {
		w.accounts[[2]string{a.Object.Namespace, a.Object.Name}] = a.Value.Labels
	}
	for _, n := range kube.All[*corev1.Node](s) {
		known := node{name: n.Object.Name, labels: n.Value.Labels}
		for _, a := range n.Value.Status.Addresses {
			if ip, err := netip.ParseAddr(a.Address); err == nil {
				known.ips = append(known.ips, ip.Unmap().WithZone(""))
			}
		}
		w.nodes = append(w.nodes, known)
	}
	return w
}

func endpointsOf(load *kube.Workload, markers []policy.Marker) []endpoint {
	if len(load.Pods) == 0 {
		return []endpoint{{labels: load.Labels, marks: marked(markers, load, nil), ports: namedPorts(&load.Spec), host: load.Spec.HostNetwork}}
	}
	list := make([]endpoint, 0, len(load.Pods))
	for i := range load.Pods {
		p := &load.Pods[i]
		spec := &load.Spec
		if p.Object != nil {
			if pod, is := p.Object.Typed.(*corev1.Pod); is {
				spec = &pod.Spec
			}
		}
		e := endpoint{pod: p.Name, node: p.Node, labels: p.Labels, marks: marked(markers, load, p), ports: namedPorts(spec), host: spec.HostNetwork}
		if e.labels == nil {
			e.labels = load.Labels
		}
		for _, text := range p.IPs {
			if ip, err := netip.ParseAddr(text); err == nil {
				e.ips = append(e.ips, ip.Unmap().WithZone(""))
			}
		}
		list = append(list, e)
	}
	return list
}

// marked joins what the markers say of one pod.
func marked(markers []policy.Marker, load *kube.Workload, pod *kube.Pod) map[string]string {
	var marks map[string]string
	for _, m := range markers {
		for k, v := range m(load, pod) {
			if marks == nil {
				marks = map[string]string{}
			}
			marks[k] = v
		}
	}
	return marks
}

// namedPorts lists the numbers of each port name of the containers that run
// along, sidecars among the init containers included, each list sorted.
func namedPorts(spec *corev1.PodSpec) map[named][]int {
	var ports map[named][]int
	add := func(c *corev1.Container) {
		for _, p := range c.Ports {
			protocol := protocolIndex(cmp.Or(string(p.Protocol), "TCP"))
			number := int(p.ContainerPort)
			if p.Name == "" || protocol < 0 || number < 1 || number > maxPort {
				continue
			}
			if ports == nil {
				ports = map[named][]int{}
			}
			key := named{p.Name, protocol}
			if at, has := slices.BinarySearch(ports[key], number); !has {
				ports[key] = slices.Insert(ports[key], at, number)
			}
		}
	}
	for i := range spec.Containers {
		add(&spec.Containers[i])
	}
	for i := range spec.InitContainers {
		if p := spec.InitContainers[i].RestartPolicy; p != nil && *p == corev1.ContainerRestartPolicyAlways {
			add(&spec.InitContainers[i])
		}
	}
	return ports
}

// value looks up what an endpoint has under a key.
func (w *world) value(e *endpoint, k policy.Key) (value string, has bool) {
	switch k.Of {
	case policy.PodLabel:
		value, has = e.labels[k.Name]
	case policy.NamespaceLabel:
		value, has = w.spaces[e.space].Labels[k.Name]
	case policy.NamespaceName:
		value, has = w.spaces[e.space].Name, true
	case policy.Account:
		value, has = w.snapshot.Workloads[e.workload].ServiceAccount, true
	case policy.AccountLabel:
		value, has = w.accountLabels(e)[k.Name]
	case policy.Mark:
		value, has = e.marks[k.Name]
	}
	return value, has
}

func (w *world) accountLabels(e *endpoint) map[string]string {
	return w.accounts[[2]string{w.spaces[e.space].Name, w.snapshot.Workloads[e.workload].ServiceAccount}]
}
