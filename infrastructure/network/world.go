package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// endpoint is one pod, or the pods that a workload would have where the
// snapshot holds none.
type endpoint struct {
	workload int    // index into Snapshot.Workloads
	pod      string // name; "" for a workload's template
	space    int    // index into Snapshot.Namespaces
	labels   map[string]string
	ports    map[named][]int // numbers of the named ports
	host     bool            // hostNetwork
	ips      []netip.Addr
	node     string // "" where it isn't known
	class    int
}

// class is a set of endpoints that no policy tells apart.
type class struct {
	member  int // an endpoint of it
	space   int
	host    bool
	blocks  []int // address blocks of its pods' addresses
	members []int
}

// world is what policies select from.
type world struct {
	snapshot  *kube.Snapshot
	spaces    []kube.Namespace
	endpoints []endpoint // sorted by namespace, kind, name, pod
	byLoad    [][]int    // endpoints of each workload
	classes   []class
	ofSpace   []set // classes of each namespace
	hosts     set   // classes of hostNetwork pods
	postings  map[string]map[string]set
	all       set            // every class and every address block
	selected  map[string]set // memo of selectors
}

// newWorld lists the endpoints; classes come later, when it is known what
// policies look at.
func newWorld(s *kube.Snapshot) *world {
	w := &world{snapshot: s, spaces: s.Namespaces(), selected: map[string]set{}}
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
		for _, e := range endpointsOf(load) {
			e.workload, e.space = i, space
			w.byLoad[i] = append(w.byLoad[i], len(w.endpoints))
			w.endpoints = append(w.endpoints, e)
		}
	}
	return w
}

func endpointsOf(load *kube.Workload) []endpoint {
	if len(load.Pods) == 0 {
		return []endpoint{{labels: load.Labels, ports: namedPorts(&load.Spec), host: load.Spec.HostNetwork}}
	}
	list := make([]endpoint, 0, len(load.Pods))
	for _, p := range load.Pods {
		spec := &load.Spec
		if p.Object != nil {
			if pod, is := p.Object.Typed.(*corev1.Pod); is {
				spec = &pod.Spec
			}
		}
		e := endpoint{pod: p.Name, node: p.Node, labels: p.Labels, ports: namedPorts(spec), host: spec.HostNetwork}
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

// namedPorts lists the numbers of each port name of the containers that run
// along, sidecars among the init containers included.
func namedPorts(spec *corev1.PodSpec) map[named][]int {
	ports := map[named][]int{}
	add := func(c *corev1.Container) {
		for _, p := range c.Ports {
			protocol := protocolIndex(cmp.Or(string(p.Protocol), "TCP"))
			number := int(p.ContainerPort)
			if p.Name == "" || protocol < 0 || number < 1 || number > maxPort {
				continue
			}
			key := named{p.Name, protocol}
			if !slices.Contains(ports[key], number) {
				ports[key] = append(ports[key], number)
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

// classify groups the endpoints by what policies can see of them: namespace,
// the labels whose keys some selector names, the numbers of the port names
// that some rule names, hostNetwork and the address blocks.
func (w *world) classify(keys []string, names []named, space *addressSpace) {
	bySignature := map[string]int{}
	var b strings.Builder
	for i := range w.endpoints {
		e := &w.endpoints[i]
		b.Reset()
		fmt.Fprintf(&b, "%d %t", e.space, e.host)
		for _, k := range keys {
			if v, has := e.labels[k]; has {
				fmt.Fprintf(&b, " %s=%q", k, v)
			}
		}
		for _, n := range names {
			if numbers := e.ports[n]; len(numbers) > 0 {
				slices.Sort(numbers)
				fmt.Fprintf(&b, " %s/%d:%v", n.name, n.protocol, numbers)
			}
		}
		var blocks []int
		for _, ip := range e.ips {
			blocks = append(blocks, space.of(ip))
		}
		slices.Sort(blocks)
		fmt.Fprintf(&b, " %v", blocks)
		at, known := bySignature[b.String()]
		if !known {
			at = len(w.classes)
			bySignature[b.String()] = at
			w.classes = append(w.classes, class{member: i, space: e.space, host: e.host, blocks: blocks})
		}
		e.class = at
		w.classes[at].members = append(w.classes[at].members, i)
	}
	w.fillSets(keys, len(space.blocks))
}

func (w *world) fillSets(keys []string, blocks int) {
	w.all = fill(len(w.classes) + blocks)
	w.hosts = w.none()
	w.ofSpace = make([]set, len(w.spaces))
	for i := range w.ofSpace {
		w.ofSpace[i] = w.none()
	}
	w.postings = make(map[string]map[string]set, len(keys))
	for _, k := range keys {
		w.postings[k] = map[string]set{}
	}
	for i, c := range w.classes {
		w.ofSpace[c.space].add(i)
		if c.host {
			w.hosts.add(i)
		}
		for _, k := range keys {
			v, has := w.endpoints[c.member].labels[k]
			if !has {
				continue
			}
			if w.postings[k][v] == nil {
				w.postings[k][v] = w.none()
			}
			w.postings[k][v].add(i)
		}
	}
}

// none returns an empty set of peers: classes, then address blocks.
func (w *world) none() set { return make(set, len(w.all)) }

// pods returns the classes that the selector of a policy in a namespace
// matches, hostNetwork pods left out. A nil namespaceSelector means the
// policy's own namespace, a nil podSelector all pods. Both must be valid.
func (w *world) pods(space int, namespaces, pods *metav1.LabelSelector) set {
	key := fmt.Sprintf("%d %s %s", space, selectorKey(namespaces), selectorKey(pods))
	if namespaces != nil {
		key = fmt.Sprintf("* %s %s", selectorKey(namespaces), selectorKey(pods))
	}
	if found, known := w.selected[key]; known {
		return found
	}
	result := w.none()
	if namespaces == nil {
		result.or(w.ofSpace[space])
	} else {
		for i, n := range w.spaces {
			if matches(namespaces, n.Labels) {
				result.or(w.ofSpace[i])
			}
		}
	}
	if pods != nil {
		w.narrow(result, pods)
	}
	result.andNot(w.hosts)
	w.selected[key] = result
	return result
}

// narrow keeps the classes of s whose labels a selector matches.
func (w *world) narrow(s set, selector *metav1.LabelSelector) {
	for k, v := range selector.MatchLabels {
		w.keep(s, k, metav1.LabelSelectorOpIn, []string{v})
	}
	for _, r := range selector.MatchExpressions {
		w.keep(s, r.Key, r.Operator, r.Values)
	}
}

func (w *world) keep(s set, key string, operator metav1.LabelSelectorOperator, values []string) {
	match := w.none()
	for v, classes := range w.postings[key] {
		anyValue := operator == metav1.LabelSelectorOpExists || operator == metav1.LabelSelectorOpDoesNotExist
		if anyValue || slices.Contains(values, v) {
			match.or(classes)
		}
	}
	// NotIn and DoesNotExist also match where the key is absent.
	if operator == metav1.LabelSelectorOpNotIn || operator == metav1.LabelSelectorOpDoesNotExist {
		s.andNot(match)
		return
	}
	s.and(match)
}

// matches evaluates one selector on one set of labels.
func matches(selector *metav1.LabelSelector, labels map[string]string) bool {
	for k, v := range selector.MatchLabels {
		if got, has := labels[k]; !has || got != v {
			return false
		}
	}
	for _, r := range selector.MatchExpressions {
		got, has := labels[r.Key]
		in := has && slices.Contains(r.Values, got)
		switch r.Operator {
		case metav1.LabelSelectorOpIn:
			has = in
		case metav1.LabelSelectorOpNotIn:
			has = !in
		case metav1.LabelSelectorOpDoesNotExist:
			has = !has
		}
		if !has {
			return false
		}
	}
	return true
}

// checkSelector refuses what the API server would refuse.
func checkSelector(selector *metav1.LabelSelector) error {
	if selector == nil {
		return nil
	}
	_, err := metav1.LabelSelectorAsSelector(selector)
	return err
}

// selectorKey is one text for equal selectors.
func selectorKey(selector *metav1.LabelSelector) string {
	if selector == nil {
		return "-"
	}
	parts := make([]string, 0, len(selector.MatchLabels)+len(selector.MatchExpressions))
	for k, v := range selector.MatchLabels {
		parts = append(parts, fmt.Sprintf("%q In %q", k, []string{v}))
	}
	for _, r := range selector.MatchExpressions {
		values := slices.Sorted(slices.Values(r.Values))
		parts = append(parts, fmt.Sprintf("%q %s %q", r.Key, r.Operator, values))
	}
	slices.Sort(parts)
	return "{" + strings.Join(parts, ",") + "}"
}
