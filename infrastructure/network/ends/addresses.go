package ends

import (
	"fmt"
	"net/netip"
	"slices"
	"sort"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

var (
	all4 = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	all6 = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
)

// private are the ranges in which pods have their addresses: those of RFC
// 1918, 6598, 3927, 4193 and 4291.
var private = func() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range []string{"10.0.0.0/8", "100.64.0.0/10", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "fe80::/10"} {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}()

// Family returns all addresses of IPv4 or of IPv6.
func Family(version int) []netip.Prefix {
	if version == 4 {
		return []netip.Prefix{all4}
	}
	return []netip.Prefix{all6}
}

// Parse reads a range of addresses, or one address: host bits are cleared, and
// IPv4 written as IPv6 is IPv4.
func Parse(text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil {
		var a netip.Addr
		if a, err = netip.ParseAddr(text); err != nil || a.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a range of addresses", text)
		}
		p = netip.PrefixFrom(a, a.BitLen())
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// ParseAll reads a list of ranges.
func ParseAll(texts []string) ([]netip.Prefix, error) {
	list := make([]netip.Prefix, 0, len(texts))
	for _, text := range texts {
		p, err := Parse(text)
		if err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, nil
}

// answer to whether a pod whose address isn't known lies in some ranges.
type answer int

const (
	no answer = iota
	maybe
	yes
)

func unknownIn(list []netip.Prefix) answer {
	found := no
	for _, p := range list {
		if p == all4 {
			return yes
		}
		if slices.ContainsFunc(private, p.Overlaps) {
			found = maybe
		}
	}
	return found
}

// blocks are the addresses that m holds for, whoever has them. Where m asks
// for pods, only those of Sets are.
func (m *Match) blocks() []policy.Peer {
	ranges := []netip.Prefix{all4, all6}
	if m.Pods != nil {
		ranges = minimal(m.Sets)
	}
	for _, list := range m.Within {
		ranges = intersect(ranges, minimal(list))
	}
	holes := minimal(m.NotIn)
	peers := make([]policy.Peer, 0, len(ranges))
	for _, r := range ranges {
		if peer, some := except(r, holes); some {
			peers = append(peers, peer)
		}
	}
	return peers
}

// minimal sorts prefixes and drops those that others hold: what remains is
// disjoint.
func minimal(list []netip.Prefix) []netip.Prefix {
	sorted := slices.SortedFunc(slices.Values(list), netip.Prefix.Compare)
	kept := sorted[:0]
	for _, p := range sorted {
		if n := len(kept); n == 0 || !kept[n-1].Overlaps(p) {
			kept = append(kept, p)
		}
	}
	return kept
}

// intersect gives what lies in both of two minimal lists: of two prefixes that
// overlap one holds the other.
func intersect(a, b []netip.Prefix) []netip.Prefix {
	var both []netip.Prefix
	for len(a) > 0 && len(b) > 0 {
		p, q := a[0], b[0]
		switch {
		case p.Overlaps(q) && p.Bits() >= q.Bits():
			both = append(both, p)
			a = a[1:]
		case p.Overlaps(q):
			both = append(both, q)
			b = b[1:]
		case p.Compare(q) < 0:
			a = a[1:]
		default:
			b = b[1:]
		}
	}
	return both
}

// except is r without what lies in holes, a minimal list; false where nothing
// remains.
func except(r netip.Prefix, holes []netip.Prefix) (policy.Peer, bool) {
	peer := policy.Peer{Block: r}
	from := sort.Search(len(holes), func(i int) bool { return holes[i].Compare(r) >= 0 })
	if from > 0 && holes[from-1].Overlaps(r) {
		return peer, false // it starts before r, so it holds r
	}
	for _, h := range holes[from:] {
		if !h.Overlaps(r) {
			break
		}
		if h == r {
			return peer, false
		}
		peer.Except = append(peer.Except, h)
	}
	return peer, true
}

// within reports whether a lies in one of a minimal list.
func within(list []netip.Prefix, a netip.Addr) bool {
	after := sort.Search(len(list), func(i int) bool { return list[i].Addr().Compare(a) > 0 })
	return after > 0 && list[after-1].Contains(a)
}
