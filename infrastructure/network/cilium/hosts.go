package cilium

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

func (r *reader) nodes(o object, field string, _ scope, to *peers) (int, error) {
	list, _, err := o.objects(field)
	if err != nil {
		return 0, err
	}
	for _, item := range list {
		s, err := newSelector(item)
		if err != nil {
			return 0, err
		}
		expr, depends := nodeExpr(s)
		if !r.settings.on("enable-node-selector-labels") {
			depends = join(depends, o.at(field)+" counts where enable-node-selector-labels is on")
		}
		to.add(depends, policy.Peer{Nodes: expr})
	}
	return len(list), nil
}

// nodeExpr returns a selector as a condition on the labels of nodes.
func nodeExpr(s selector) (policy.Expr, string) {
	expr := policy.All{}
	depends := s.depends
	for _, req := range s.all {
		switch req.source {
		case "any", "node", "k8s":
			expr = append(expr, req.test(policy.Key{Of: policy.PodLabel, Name: req.key}))
		default:
			depends = join(depends, fmt.Sprintf("labels of the source %s count", short(req.source)))
		}
	}
	return expr, depends
}

// nodeMark is the Mark of pods on the network of a node: its name, "" where it
// isn't known.
var nodeMark = policy.Key{Of: policy.Mark, Name: "cilium/node"}

// Marks returns what policies for nodes ask about a pod.
func Marks(*kube.Snapshot, []policy.Policy) policy.Marker {
	return func(load *kube.Workload, pod *kube.Pod) map[string]string {
		spec, node := &load.Spec, load.Spec.NodeName
		if pod != nil {
			node = pod.Node
			if pod.Object != nil {
				if own, is := pod.Object.Typed.(*corev1.Pod); is {
					spec = &own.Spec
				}
			}
		}
		if !spec.HostNetwork {
			return nil
		}
		return map[string]string{nodeMark.Name: node}
	}
}

// forNodes makes a policy one for the pods on the network of the nodes that a
// selector matches, and in doubt for those of nodes that aren't known.
func (r *reader) forNodes(p policy.Policy, s selector) []policy.Policy {
	p.Hosts = true
	firewall := ""
	if !r.settings.on("enable-host-firewall") {
		firewall = "policies for nodes are in force with the host firewall"
	}
	expr, depends := nodeExpr(s)
	p = doubted(p, firewall, depends)
	if len(s.all) == 0 {
		p.Subject = policy.Test{Key: nodeMark, Op: policy.Exists}
		return []policy.Policy{p}
	}
	var known, selected []string
	for _, n := range r.nodeObjects {
		known = append(known, n.Object.Name)
		labels := n.Value.Labels
		if expr.Match(func(k policy.Key) (string, bool) { v, has := labels[k.Name]; return v, has }) {
			selected = append(selected, n.Object.Name)
		}
	}
	p.Subject = policy.Test{Key: nodeMark, Op: policy.In, Values: selected}
	other := doubted(p, "the labels of the pod's node are not known")
	other.Subject = policy.All{policy.Test{Key: nodeMark, Op: policy.Exists}, policy.Not{Expr: policy.Test{Key: nodeMark, Op: policy.In, Values: known}}}
	return []policy.Policy{p, other}
}

// doubted returns a policy whose sides depend on more.
func doubted(p policy.Policy, reasons ...string) policy.Policy {
	for d, side := range p.Sides {
		if side != nil {
			own := *side
			own.Depends = join(append([]string{own.Depends}, reasons...)...)
			p.Sides[d] = &own
		}
	}
	return p
}
