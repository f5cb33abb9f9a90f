package network

import (
	"fmt"
	"slices"
	"strings"
)

// Matrix is every pod pair for some ports. In each table the row is the source
// and the column the destination, both in the order of Pods; a cell has one
// character a port: '.' allowed, 'X' denied, '?' depends.
type Matrix struct {
	Pods    []string `json:"pods"`
	Ports   []string `json:"ports"`
	Allowed struct {
		Ingress  [][]string `json:"ingress"`
		Egress   [][]string `json:"egress"`
		Combined [][]string `json:"combined"`
	} `json:"allowed"`
}

// maxPairs bounds the pairs of a matrix: of 4,096 pods.
const maxPairs = 1 << 24

// Matrix probes every pod pair on the given ports, written as for Probe. Pods
// are "namespace/name"; a workload without pods stands for itself. The error
// is about a port that can't be read, and about more pods than make maxPairs.
func (e *Engine) Matrix(ports []string) (Matrix, error) {
	m := Matrix{Pods: []string{}, Ports: slices.Clone(ports)}
	specs := make([]portSpec, 0, len(ports))
	for _, text := range ports {
		spec, err := parsePort(text)
		if err != nil {
			return m, err
		}
		specs = append(specs, spec)
	}
	if n := len(e.world.endpoints); n*n > maxPairs {
		return m, fmt.Errorf("%d pods make %d pairs, and a matrix has at most %d: ask for pairs, or list connections", n, n*n, maxPairs)
	}
	parties := e.allParties()
	for _, p := range parties {
		m.Pods = append(m.Pods, p.name)
	}
	for _, s := range parties {
		var rows [3][]string
		for _, d := range parties {
			for i, cell := range e.cells(s, d, specs) {
				rows[i] = append(rows[i], cell)
			}
		}
		m.Allowed.Ingress = append(m.Allowed.Ingress, rows[0])
		m.Allowed.Egress = append(m.Allowed.Egress, rows[1])
		m.Allowed.Combined = append(m.Allowed.Combined, rows[2])
	}
	return m, nil
}

// allParties lists the endpoints, sorted by name; two workloads of one name
// carry their kind.
func (e *Engine) allParties() []party {
	parties := make([]party, 0, len(e.world.endpoints))
	count := map[string]int{}
	for i := range e.world.endpoints {
		parties = append(parties, e.party(i))
		count[parties[i].name]++
	}
	for i := range parties {
		if count[parties[i].name] > 1 {
			parties[i].name += "[" + e.world.snapshot.Workloads[parties[i].end.workload].Kind + "]"
		}
	}
	slices.SortFunc(parties, func(a, b party) int { return strings.Compare(a.name, b.name) })
	return parties
}

// cells returns the cells of one pair: ingress, egress, combined.
func (e *Engine) cells(s, d party, specs []portSpec) [3]string {
	var text [3]strings.Builder
	for _, spec := range specs {
		best := [3]Answer{Denied, Denied, Denied}
		if s.is(d) {
			best = [3]Answer{Allowed, Allowed, Allowed}
		}
		for _, atom := range e.atoms(spec, d) {
			for i, answer := range e.answers(s, d, atom) {
				best[i] = stronger(best[i], answer)
			}
		}
		for i := range text {
			text[i].WriteByte("X?."[rank(best[i])])
		}
	}
	return [3]string{text[0].String(), text[1].String(), text[2].String()}
}

func stronger(a, b Answer) Answer {
	if rank(b) > rank(a) {
		return b
	}
	return a
}
