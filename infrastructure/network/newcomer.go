package network

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// AnyPod stands for a pod that no condition of a policy is meant for.
const AnyPod = "[any namespace]/[any pod]"

// Newcomers returns what the policies of each workload leave open to pods that
// don't exist yet, sorted: to AnyPod, and to pods as a condition of its
// policies describes them where that makes a difference. Conn is "No
// Connections" where such pods are shut out and AnyPod isn't. What the policies
// of the other end say is not asked: it has none yet.
//
// Each line holds for pods that meet the condition that it names, and as few
// others as can be; what others add is on their own lines. A condition that
// names labels with their values, of pods and of namespaces, and that a pod
// meets already is left out, for List shows that pod. Conditions on the labels of accounts, on what only a reader can
// tell of a pod, and with more than maxTerms ways to be met are told as missed.
func (e *Engine) Newcomers() (list []Connection, missed []model.Incomplete) {
	n := e.newNewcomers()
	for i := range e.world.snapshot.Workloads {
		for d := range n.engine.sides {
			list = append(list, n.openings(policy.Direction(d), i)...)
		}
	}
	slices.SortFunc(list, func(a, b Connection) int {
		return cmp.Or(strings.Compare(a.Src, b.Src), strings.Compare(a.Dst, b.Dst))
	})
	return list, n.missed
}

// newcomers is a world with a pod more for every condition of a policy.
type newcomers struct {
	engine *Engine // of that world
	own    int     // workloads that were there before
	terms  []term  // the first is AnyPod's
	byName map[string]int
	stands [][]int // workloads made up for the terms; none where no pod can meet it
	names  map[named]int
	missed []model.Incomplete
}

func (e *Engine) newNewcomers() *newcomers {
	n := &newcomers{own: len(e.world.byLoad), terms: []term{nil}, byName: map[string]int{AnyPod: 0}}
	for i := range e.policies {
		for _, side := range e.policies[i].Sides {
			if side != nil {
				n.collect(&e.policies[i], side)
			}
		}
	}
	n.names = namesOut(e.policies)
	spaces := map[string]map[string]string{}
	for _, s := range e.world.spaces {
		spaces[s.Name] = s.Labels
	}
	old := e.world.snapshot
	s := &kube.Snapshot{Cluster: old.Cluster, Objects: slices.Clip(old.Objects), Workloads: slices.Clip(old.Workloads)}
	// Two pods a term, one as bare of labels as can be and one with all of them:
	// what others add by chance, because they exclude each other, is not in both.
	n.stands = make([][]int, len(n.terms))
	for _, bare := range []bool{true, false} {
		base := newDomains(n.terms, bare)
		for i, t := range n.terms {
			others := slices.Concat(n.terms[1:max(1, i)], n.terms[i+1:])
			found, can := witness(base, t, others, spaces)
			if !can {
				continue
			}
			n.stands[i] = append(n.stands[i], len(s.Workloads))
			space, load := n.newcomer(len(s.Workloads), found)
			if spaces[load.Namespace] == nil {
				s.Objects = append(s.Objects, space)
			}
			s.Workloads = append(s.Workloads, load)
		}
	}
	n.engine = Build(s)
	return n
}

// collect adds the terms of the peers of a side.
func (n *newcomers) collect(p *policy.Policy, side *policy.Side) {
	for i := range side.Rules {
		for _, peer := range side.Rules[i].Peers {
			if peer.Pods == nil {
				continue
			}
			list, whole := termsOf(peer.Pods, false)
			if !whole || slices.ContainsFunc(list, unseeable) {
				n.missed = append(n.missed, model.Incomplete{
					What: where(p.Object), Why: fmt.Sprintf("%s of %s: its condition on pods is none that a pod can be made up for", side.Rules[i].Field, p),
				})
				continue
			}
			for _, t := range list {
				n.add(t)
			}
		}
	}
}

// maxMadeUp bounds the conditions for which pods are made up: each is compared
// with all others.
const maxMadeUp = 5000

// add takes a term in, unless it is known or there are too many.
func (n *newcomers) add(t term) {
	name := t.String()
	if _, known := n.byName[name]; known {
		return
	}
	if len(n.terms) < maxMadeUp {
		n.byName[name] = len(n.terms)
		n.terms = append(n.terms, t)
		return
	}
	beyond := model.Incomplete{What: "network exposure", Why: fmt.Sprintf("policies name more than %d conditions on pods: pods are made up for the first of them", maxMadeUp)}
	if !slices.Contains(n.missed, beyond) {
		n.missed = append(n.missed, beyond)
	}
}

// unseeable reports whether a term looks at what a made-up pod can't have.
func unseeable(t term) bool {
	return slices.ContainsFunc(t, func(l literal) bool { return l.Key.Of == policy.AccountLabel || l.Key.Of == policy.Mark })
}

// namesOut gives every port name that an egress rule mentions a number beside
// which no policy has a bound, as the ports that newcomers have by these names.
func namesOut(policies []policy.Policy) map[named]int {
	names, taken := map[named]int{}, map[int]bool{}
	for i := range policies {
		for d, side := range policies[i].Sides {
			if side == nil {
				continue
			}
			for _, r := range side.Rules {
				for _, p := range r.Ports {
					taken[p.Low], taken[p.High] = true, true
					if protocol := protocolIndex(p.Protocol); policy.Direction(d) == egress && p.Name != "" && protocol >= 0 {
						names[named{p.Name, protocol}] = 0
					}
				}
			}
		}
	}
	at := maxPort - 1
	last := func(a, b named) int { return compareNamed(b, a) }
	for _, k := range slices.SortedFunc(maps.Keys(names), last) {
		for taken[at-1] || taken[at] || taken[at+1] {
			at--
		}
		names[k] = max(at, 1)
		at -= 2
	}
	return names
}

// newcomer makes up the pod of a term, and the namespace that it is in.
func (n *newcomers) newcomer(i int, found map[policy.Key]value) (*kube.Object, *kube.Workload) {
	load := &kube.Workload{Kind: "Pod", Name: fmt.Sprintf("newcomer-%d", i), Namespace: fmt.Sprintf("newcomer-%d", i), Labels: map[string]string{}, ServiceAccount: "default"}
	space := map[string]any{}
	for k, v := range found {
		switch {
		case v.absent:
		case k.Of == policy.PodLabel:
			load.Labels[k.Name] = v.text
		case k.Of == policy.NamespaceLabel:
			space[k.Name] = v.text
		case k.Of == policy.Account:
			load.ServiceAccount = v.text
		case k.Of == policy.NamespaceName && v.text != fresh:
			load.Namespace = v.text
		}
	}
	c := corev1.Container{Name: "c"}
	for k, number := range n.names {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: k.name, ContainerPort: int32(number), Protocol: corev1.Protocol(protocols[k.protocol])})
	}
	load.Spec.Containers = []corev1.Container{c}
	return &kube.Object{
		APIVersion: "v1", Kind: "Namespace", Name: load.Namespace,
		Raw: map[string]any{"metadata": map[string]any{"name": load.Namespace, "labels": space}}, Typed: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: load.Namespace}},
	}, load
}

// openings compares what one direction of a workload says of AnyPod and of the
// pods that its policies describe.
func (n *newcomers) openings(d policy.Direction, workload int) []Connection {
	all, depends := n.ports(d, workload, 0)
	own := n.engine.fullName(workload)
	line := func(other, conn string, depends bool) Connection {
		if d == egress {
			return Connection{own, other, conn, depends}
		}
		return Connection{other, own, conn, depends}
	}
	var list []Connection
	if all != "" {
		list = append(list, line(AnyPod, all, depends))
	}
	for _, at := range n.described(d, workload) {
		conn, depends := n.ports(d, workload, at)
		if conn != all {
			list = append(list, line(n.terms[at].String(), cmp.Or(conn, "No Connections"), depends))
		}
	}
	return list
}

// described lists the terms of the policies that select a workload for a
// direction.
func (n *newcomers) described(d policy.Direction, workload int) []int {
	var list []int
	for _, p := range n.engine.parts[d] {
		if !slices.ContainsFunc(n.engine.classesOf(workload), p.subject.has) {
			continue
		}
		for i := range p.side.Rules {
			for _, peer := range p.side.Rules[i].Peers {
				if peer.Pods == nil {
					continue
				}
				terms, _ := termsOf(peer.Pods, false)
				for _, t := range terms {
					if at := n.byName[t.String()]; at > 0 && len(n.stands[at]) > 0 && !n.seen(t) {
						list = append(list, at)
					}
				}
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// seen reports whether a term names labels of pods and of their namespaces,
// each with its value, and a pod of the snapshot meets it.
func (n *newcomers) seen(t term) bool {
	onPods, onSpaces := false, false
	for _, l := range t {
		onPods = onPods || l.Key.Of == policy.PodLabel
		onSpaces = onSpaces || ofNamespace(l.Key)
		if l.not || l.Op != policy.In || len(l.Values) != 1 {
			return false
		}
	}
	return onPods && onSpaces && slices.ContainsFunc(n.engine.world.endpoints, func(p endpoint) bool {
		return p.workload < n.own && !slices.ContainsFunc(t, func(l literal) bool {
			got, has := n.engine.world.value(&p, l.Key)
			return !has || got != l.Values[0]
		})
	})
}

// ports says on which ports one direction of a workload allows every pod made
// up for a term; "" for none.
func (n *newcomers) ports(d policy.Direction, workload, at int) (conn string, depends bool) {
	e := n.engine
	sure, may := e.ports.all.clone(), e.ports.all.clone()
	for _, stand := range n.stands[at] {
		oneSure, oneMay := e.ports.none(), e.ports.none()
		for _, c := range e.classesOf(workload) {
			for _, other := range e.classesOf(stand) {
				source, destination := other, c
				if d == egress {
					source, destination = c, other
				}
				surely, possibly := e.half(d, source, destination)
				oneSure.or(surely)
				oneMay.or(possibly)
			}
		}
		sure.and(oneSure)
		may.and(oneMay)
	}
	if may.empty() {
		return "", false
	}
	return n.named(e.ports.format(may)), !sure.equal(may)
}

// named puts names in place of the numbers that newcomers have for them.
func (n *newcomers) named(conn string) string {
	parts := strings.Split(conn, ",")
	protocol := ""
	for i, p := range parts {
		prefix, number, changes := strings.Cut(p, " ")
		if changes {
			protocol = prefix
		} else {
			number = p
		}
		for k, at := range n.names {
			if protocols[k.protocol] == protocol && number == fmt.Sprint(at) {
				parts[i] = strings.TrimSuffix(p, number) + k.name
			}
		}
	}
	return strings.Join(parts, ",")
}
