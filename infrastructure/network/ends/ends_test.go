package ends

import (
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

func prefixes(texts ...string) []netip.Prefix {
	list, err := ParseAll(texts)
	if err != nil {
		panic(err)
	}
	return list
}

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"10.1.2.3/8": "10.0.0.0/8", "10.1.2.3": "10.1.2.3/32", "::ffff:10.0.0.0/104": "10.0.0.0/8", "2001:db8::1": "2001:db8::1/128",
		"fe80::1%eth0": "", "10.0.0.0/33": "", "": "", "ten": "",
	} {
		got, err := Parse(text)
		if (err != nil) != (want == "") || err == nil && got.String() != want {
			t.Errorf("%q: %v, %v, want %q", text, got, err, want)
		}
	}
}

// TestBlocksAgainstNaive compares the algebra of ranges with asking each of
// them about one address after the other.
func TestBlocksAgainstNaive(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	some := func(most int) []netip.Prefix {
		var list []netip.Prefix
		for range rng.IntN(most + 1) {
			a := netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(2)), byte(rng.IntN(256))})
			if rng.IntN(5) == 0 {
				a = netip.AddrFrom16([16]byte{0xfd, 15: byte(rng.IntN(256))})
			}
			bits := a.BitLen() - rng.IntN(12)
			if rng.IntN(12) == 0 {
				bits = 0
			}
			list = append(list, netip.PrefixFrom(a, bits).Masked())
		}
		return list
	}
	holds := func(list []netip.Prefix, a netip.Addr) bool {
		return slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Contains(a) })
	}
	for range 2000 {
		m := Match{NotIn: some(4)}
		for range rng.IntN(3) {
			m.Within = append(m.Within, some(4))
		}
		if rng.IntN(2) == 0 {
			m.Pods, m.Sets = policy.All{}, some(5)
		}
		blocks := m.blocks()
		for range 60 {
			a := netip.AddrFrom4([4]byte{10, 0, byte(rng.IntN(3)), byte(rng.IntN(256))})
			if rng.IntN(5) == 0 {
				a = netip.AddrFrom16([16]byte{0xfd, 15: byte(rng.IntN(256))})
			}
			want := !holds(m.NotIn, a) && (m.Pods == nil || holds(m.Sets, a))
			for _, list := range m.Within {
				want = want && holds(list, a)
				if got := within(minimal(list), a); got != holds(list, a) {
					t.Fatalf("%v in %v: %v", a, list, got)
				}
			}
			got := slices.ContainsFunc(blocks, func(p policy.Peer) bool { return p.Block.Contains(a) && !holds(p.Except, a) })
			if got != want {
				t.Fatalf("%+v: %v is in %v: %v, want %v", m, a, blocks, got, want)
			}
		}
	}
}

func TestSpans(t *testing.T) {
	a := []Span{{8, 10}, {1, 3}, {4, 4}, {9, 20}}
	if diff := cmp.Diff([]Span{{1, 4}, {8, 20}}, Merge(a)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Span{{1, 1}, {4, 4}, {8, 9}, {12, 20}}, Without(a, []Span{{10, 11}, {2, 3}})); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]Span{{3, 4}, {8, 8}}, Both(a, []Span{{3, 8}})); diff != "" {
		t.Error(diff)
	}
	if got := Without(AllPorts, AllPorts); len(got) > 0 {
		t.Errorf("%v remains", got)
	}
}

// TestMarks asks for the marks that the conditions of a policy look at.
func TestMarks(t *testing.T) {
	web := policy.Test{Key: policy.Key{Of: policy.PodLabel, Name: "app"}, Op: policy.In, Values: []string{"web"}}
	m := Match{Not: web, NotIn: prefixes("10.0.0.0/8"), Within: [][]netip.Prefix{prefixes("0.0.0.0/0"), prefixes("172.16.0.0/12", "10.1.0.0/16", "172.16.3.0/24")}}
	p := policy.Policy{Subject: policy.All{}}
	p.Sides[policy.Egress] = &policy.Side{Rules: []policy.Rule{{Peers: m.Peers().Sure}}}
	marks := Marks([]policy.Policy{p})
	load := &kube.Workload{}
	for name, c := range map[string]struct {
		pod  *kube.Pod
		want map[string]string
	}{
		"no pod yet": {nil, map[string]string{"address in 0.0.0.0/0": ""}},
		"in both":    {&kube.Pod{IPs: []string{"10.1.2.3", "fd00::1"}}, map[string]string{"address": "", "address in 0.0.0.0/0": "", "address in 10.0.0.0/8": "", "address in 10.1.0.0/16 172.16.0.0/12": ""}},
		"in one":     {&kube.Pod{IPs: []string{"172.16.3.1"}}, map[string]string{"address": "", "address in 0.0.0.0/0": "", "address in 10.1.0.0/16 172.16.0.0/12": ""}},
		"in none":    {&kube.Pod{IPs: []string{"fd00::1", "nonsense"}}, map[string]string{"address": ""}},
	} {
		if diff := cmp.Diff(c.want, marks(load, c.pod)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}
