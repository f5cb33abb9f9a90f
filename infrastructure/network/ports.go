package network

import (
	"cmp"
	"slices"
	"sort"
	"strconv"
	"strings"
)

// maxPort is the highest port; the lowest is 1.
const maxPort = 65535

// protocols are those of the API, in the order in which connections print.
var protocols = [...]string{"SCTP", "TCP", "UDP"}

// portRange is a range of ports, both ends in it, of one protocol (an index
// of protocols).
type portRange struct{ protocol, low, high int }

// named is a port name under one protocol.
type named struct {
	name     string
	protocol int
}

// portSpace splits the ports of all protocols into disjoint ranges (atoms)
// that no policy cuts, sorted by protocol and port.
type portSpace struct {
	atoms []portRange
	start [len(protocols) + 1]int // of each protocol in atoms
	all   set
}

// newPortSpace cuts at the ends of the given ranges.
func newPortSpace(ranges []portRange) portSpace {
	var space portSpace
	for p := range protocols {
		cuts := []int{1}
		for _, r := range ranges {
			if r.protocol == p {
				cuts = append(cuts, r.low, r.high+1)
			}
		}
		slices.Sort(cuts)
		cuts = slices.Compact(cuts)
		space.start[p] = len(space.atoms)
		for i, low := range cuts {
			high := maxPort
			if i+1 < len(cuts) {
				high = cuts[i+1] - 1
			}
			if low <= maxPort {
				space.atoms = append(space.atoms, portRange{p, low, high})
			}
		}
	}
	space.start[len(protocols)] = len(space.atoms)
	space.all = fill(len(space.atoms))
	return space
}

// none returns the empty set of ports.
func (s *portSpace) none() set { return newSet(len(s.atoms)) }

// add puts a range into ports; its ends must be among the cuts.
func (s *portSpace) add(ports set, r portRange) {
	for i := s.atom(r.protocol, r.low); i <= s.atom(r.protocol, r.high); i++ {
		ports.add(i)
	}
}

// atom returns the atom of one port.
func (s *portSpace) atom(protocol, port int) int {
	from, to := s.start[protocol], s.start[protocol+1]
	return from + sort.Search(to-from, func(i int) bool { return s.atoms[from+i].high >= port })
}

// format writes a set of ports as "TCP 80,443,8080-8090,UDP 53", and all of
// them as "All Connections".
func (s *portSpace) format(ports set) string {
	if ports.equal(s.all) {
		return "All Connections"
	}
	var b strings.Builder
	for p, name := range protocols {
		separator := name + " "
		for i := s.start[p]; i < s.start[p+1]; i++ {
			if !ports.has(i) {
				continue
			}
			r := s.atoms[i]
			for i+1 < s.start[p+1] && ports.has(i+1) {
				i++
				r.high = s.atoms[i].high
			}
			if b.Len() > 0 && separator != "," {
				b.WriteByte(',')
			}
			b.WriteString(separator)
			b.WriteString(strconv.Itoa(r.low))
			if r.high > r.low {
				b.WriteString("-" + strconv.Itoa(r.high))
			}
			separator = ","
		}
	}
	return b.String()
}

// protocolIndex returns the index of a protocol's name in any case, -1 for
// another.
func protocolIndex(name string) int {
	return slices.Index(protocols[:], strings.ToUpper(name))
}

func compareNamed(a, b named) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.protocol, b.protocol))
}
