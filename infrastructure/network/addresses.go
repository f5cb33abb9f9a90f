package network

import (
	"cmp"
	"net/netip"
	"slices"
	"sort"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// block is a range of addresses of one family that no policy cuts. cut says
// whether a policy of a direction cuts before it.
type block struct {
	first, last netip.Addr
	cut         [2]bool
}

func (b block) String() string { return b.first.String() + "-" + b.last.String() }

// addressSpace splits all addresses into disjoint blocks: IPv4 first, then
// IPv6, each sorted.
type addressSpace struct {
	blocks []block
	v6     int   // index of the first IPv6 block
	like   []int // of each block, the first that the same prefixes hold
}

// cidr is a prefix that a policy of a direction names.
type cidr struct {
	prefix    netip.Prefix
	direction policy.Direction
}

func newAddressSpace(cidrs []cidr) addressSpace {
	var space addressSpace
	space.blocks = family(netip.IPv4Unspecified(), cidrs)
	space.v6 = len(space.blocks)
	space.blocks = append(space.blocks, family(netip.IPv6Unspecified(), cidrs)...)
	space.findAlike(cidrs)
	return space
}

// findAlike fills like. Prefixes hold each other or nothing in common, so the
// longest one that holds a block tells all others.
func (s *addressSpace) findAlike(cidrs []cidr) {
	prefixes := make([]netip.Prefix, len(cidrs))
	for i, c := range cidrs {
		prefixes[i] = c.prefix.Masked()
	}
	slices.SortFunc(prefixes, netip.Prefix.Compare)
	prefixes = slices.Compact(prefixes)
	slices.SortStableFunc(prefixes, func(a, b netip.Prefix) int { return cmp.Compare(a.Bits(), b.Bits()) })
	longest := make([]int, len(s.blocks)) // index of a prefix, from 1; 0 and -1 for none, by family
	for i := s.v6; i < len(longest); i++ {
		longest[i] = -1
	}
	for n, p := range prefixes {
		from, to := s.within(p)
		for i := from; i < to; i++ {
			longest[i] = n + 1
		}
	}
	first := map[int]int{}
	s.like = make([]int, len(longest))
	for i, p := range longest {
		if _, known := first[p]; !known {
			first[p] = i
		}
		s.like[i] = first[p]
	}
}

// family returns the blocks of one family, whose lowest address is given.
func family(lowest netip.Addr, cidrs []cidr) []block {
	cuts := map[netip.Addr][2]bool{lowest: {true, true}}
	for _, c := range cidrs {
		if c.prefix.Addr().Is4() != lowest.Is4() {
			continue
		}
		for _, at := range []netip.Addr{c.prefix.Masked().Addr(), lastOf(c.prefix).Next()} {
			if at.IsValid() {
				cut := cuts[at]
				cut[c.direction] = true
				cuts[at] = cut
			}
		}
	}
	blocks := make([]block, 0, len(cuts))
	for at, cut := range cuts {
		blocks = append(blocks, block{first: at, cut: cut})
	}
	slices.SortFunc(blocks, func(a, b block) int { return a.first.Compare(b.first) })
	for i := range blocks {
		if i+1 < len(blocks) {
			blocks[i].last = blocks[i+1].first.Prev()
		} else {
			blocks[i].last = lastOf(netip.PrefixFrom(lowest, 0))
		}
	}
	return blocks
}

// lastOf returns the highest address of a prefix.
func lastOf(p netip.Prefix) netip.Addr {
	bytes := p.Addr().AsSlice()
	for bit := p.Bits(); bit < len(bytes)*8; bit++ {
		bytes[bit/8] |= 1 << (7 - bit%8)
	}
	last, _ := netip.AddrFromSlice(bytes) // has the length of an address
	return last
}

// of returns the block that holds an address.
func (s *addressSpace) of(a netip.Addr) int {
	from, to := 0, s.v6
	if !a.Is4() {
		from, to = s.v6, len(s.blocks)
	}
	return from + sort.Search(to-from, func(i int) bool { return s.blocks[from+i].last.Compare(a) >= 0 })
}

// within returns the blocks [from, to) that lie in a prefix, whose ends must
// be among the cuts.
func (s *addressSpace) within(p netip.Prefix) (from, to int) {
	return s.of(p.Masked().Addr()), s.of(lastOf(p)) + 1
}

// private are the address ranges that don't come in from the internet: those
// of RFC 1918, 6598, 1122, 3927, 4193, 4291, and multicast.
var private = func() []netip.Prefix {
	var list []netip.Prefix
	for _, text := range []string{
		"0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16", "224.0.0.0/3",
		"::/8", "fc00::/7", "fe80::/10", "ff00::/8",
	} {
		list = append(list, netip.MustParsePrefix(text))
	}
	return list
}()

// public reports whether b holds an address that isn't private.
func (b block) public() bool {
	at := b.first
	for at.IsValid() && at.Compare(b.last) <= 0 {
		inside := slices.IndexFunc(private, func(p netip.Prefix) bool { return p.Contains(at) })
		if inside < 0 {
			return true
		}
		at = lastOf(private[inside]).Next()
	}
	return false
}
