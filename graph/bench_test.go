package graph

import (
	"fmt"
	"testing"
)

// cluster is a made-up estate: workloads in namespaces, each namespace a
// network hub; identities, rights, nodes and secrets behind them.
type cluster struct {
	g         *Graph
	workloads []Vertex
	jewels    []Vertex
}

// newCluster makes spaces namespaces of size workloads. A namespace lets in
// the ones that lets says; everything else is the same for every shape.
func newCluster(tb testing.TB, spaces, size int, lets func(from, to int) bool) cluster {
	tb.Helper()
	b, c := NewBuilder(), cluster{}
	admin, podMaker, bindMaker := b.Vertex(), b.Vertex(), b.Vertex()
	b.Step(admin, []Vertex{podMaker, bindMaker}, []Fact{b.Fact(.95)})
	c.jewels = append(c.jewels, admin)
	var nodes, hubs []Vertex
	for range spaces * size / 20 {
		nodes = append(nodes, b.Vertex())
	}
	c.jewels = append(c.jewels, nodes...)
	for range spaces {
		hubs = append(hubs, b.Vertex())
	}
	for i, hub := range hubs {
		for k := range size {
			n := i*size + k
			w, identity, role, secret, token := b.Vertex(), b.Vertex(), b.Vertex(), b.Vertex(), b.Vertex()
			vault, volume, image, account := b.Vertex(), b.Vertex(), b.Vertex(), b.Vertex()
			c.workloads = append(c.workloads, w)
			c.jewels = append(c.jewels, secret, vault)
			exploit, node := b.Fact([]float64{.02, .02, .02, .3}[n%4]), nodes[n%len(nodes)]
			b.Step(w, []Vertex{hub}, []Fact{b.Fact(1), exploit})
			for to := range hubs {
				if lets(i, to) {
					b.Step(hubs[to], []Vertex{w}, nil)
				}
			}
			b.Step(token, []Vertex{w}, []Fact{b.Fact(1)})
			b.Step(identity, []Vertex{token}, nil)
			b.Step(role, []Vertex{identity}, []Fact{b.Fact(.95)})
			b.Step(secret, []Vertex{w}, []Fact{b.Fact(1)})
			b.Step(volume, []Vertex{w}, []Fact{b.Fact(.9)})
			b.Step(image, []Vertex{w}, nil)
			b.Step(account, []Vertex{identity, image}, []Fact{b.Fact(.9)})
			b.Step(vault, []Vertex{account, secret}, []Fact{b.Fact(.95)})
			b.Step(w, []Vertex{node}, nil) // a node holds its pods
			switch n % 100 {
			case 3, 50:
				b.Step(node, []Vertex{volume}, []Fact{b.Fact(.9)})
			case 7:
				b.Step(podMaker, []Vertex{role}, nil)
			case 11:
				b.Step(bindMaker, []Vertex{role}, nil)
			}
		}
	}
	for _, n := range nodes {
		b.Step(n, []Vertex{admin}, nil)
		b.Step(n, []Vertex{podMaker}, nil)
	}
	g, err := b.Build()
	if err != nil {
		tb.Fatal(err)
	}
	c.g = g
	return c
}

// flat lets every workload speak to every other, as a cluster without policies.
func flat(tb testing.TB) cluster {
	return newCluster(tb, 1, 1000, func(_, _ int) bool { return true })
}

// layered has 20 namespaces in a row, each of which lets in the one before.
func layered(tb testing.TB) cluster {
	return newCluster(tb, 20, 50, func(from, to int) bool { return to == from || to == from+1 })
}

// BenchmarkSupports is one run from one workload.
func BenchmarkSupports(b *testing.B) {
	for name, c := range map[string]cluster{"flat": flat(b), "layered": layered(b)} {
		for _, limit := range []int{16, DefaultMax} {
			b.Run(fmt.Sprintf("%s/max%d", name, limit), func(b *testing.B) {
				for b.Loop() {
					c.g.Supports(c.workloads[0], Options{Max: limit})
				}
				report(b, c, c.g.Supports(c.workloads[0], Options{Max: limit}))
			})
		}
	}
}

// BenchmarkSupportsEach is 1,000 entries and 2,051 jewels.
func BenchmarkSupportsEach(b *testing.B) {
	for name, c := range map[string]cluster{"flat": flat(b), "layered": layered(b)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.g.SupportsEach(c.workloads, Options{To: c.jewels})
			}
		})
	}
}

func report(b *testing.B, c cluster, s *Supports) {
	most, cut, worst := 0, 0, 0.0
	for _, v := range c.jewels {
		most = max(most, len(s.Of(v)))
		if is, bound := s.Cut(v); is {
			cut++
			worst = max(worst, bound)
		}
	}
	b.ReportMetric(float64(len(s.all)), "supports")
	b.ReportMetric(float64(most), "most/vertex")
	b.ReportMetric(float64(cut), "cut")
	b.ReportMetric(worst, "bound")
}

func BenchmarkClosure(b *testing.B) {
	for name, c := range map[string]cluster{"flat": flat(b), "layered": layered(b)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				c.g.Closure(c.workloads, nil)
			}
		})
		b.Run(name+"-reach", func(b *testing.B) {
			for b.Loop() {
				for _, w := range c.workloads {
					c.g.Reach([]Vertex{w}, nil)
				}
			}
		})
	}
}

func BenchmarkKBest(b *testing.B) {
	c := layered(b)
	for b.Loop() {
		c.g.KBest(c.workloads[0], c.jewels[0], 8, nil)
	}
}
