package network

import "slices"

// nodes says on which nodes the pods of a workload run, and on which of them
// they share the node's network. Both are sorted.
type nodes struct{ all, host []string }

// findNodes fills the nodes of each workload. The API always allows traffic
// between a pod and its own node, and a hostNetwork pod's traffic is its
// node's.
func (e *Engine) findNodes() {
	e.nodes = make([]nodes, len(e.world.byLoad))
	for _, p := range e.world.endpoints {
		if p.node == "" {
			continue
		}
		n := &e.nodes[p.workload]
		n.all = append(n.all, p.node)
		if p.host {
			n.host = append(n.host, p.node)
		}
	}
	for i := range e.nodes {
		for _, list := range []*[]string{&e.nodes[i].all, &e.nodes[i].host} {
			slices.Sort(*list)
			*list = slices.Compact(*list)
		}
	}
}

// shareNode reports whether a hostNetwork pod of one workload runs on the
// node of a pod of the other.
func (e *Engine) shareNode(a, b int) bool {
	return overlap(e.nodes[a].host, e.nodes[b].all) || overlap(e.nodes[a].all, e.nodes[b].host)
}

func overlap(a, b []string) bool {
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0] == b[0]:
			return true
		case a[0] < b[0]:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return false
}

// podsShareNode is shareNode for two pods.
func podsShareNode(a, b *endpoint) bool {
	return (a.host || b.host) && a.node != "" && a.node == b.node
}
