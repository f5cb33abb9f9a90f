package ends

import (
	"slices"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// MaxPort is the highest port; the lowest is 1.
const MaxPort = 65535

// Span is a range of ports, both ends in it.
type Span struct{ Low, High int }

// AllPorts is every port.
var AllPorts = []Span{{1, MaxPort}}

// Merge sorts spans and joins those that touch.
func Merge(spans []Span) []Span {
	sorted := slices.SortedFunc(slices.Values(spans), func(a, b Span) int { return a.Low - b.Low })
	var list []Span
	for _, s := range sorted {
		if n := len(list); n > 0 && s.Low <= list[n-1].High+1 {
			list[n-1].High = max(list[n-1].High, s.High)
			continue
		}
		list = append(list, s)
	}
	return list
}

// Without gives what of spans is in none of holes, merged.
func Without(spans, holes []Span) []Span {
	holes = Merge(holes)
	var rest []Span
	for _, s := range Merge(spans) {
		for _, h := range holes {
			if h.High < s.Low || h.Low > s.High {
				continue
			}
			if h.Low > s.Low {
				rest = append(rest, Span{s.Low, h.Low - 1})
			}
			s.Low = h.High + 1
		}
		if s.Low <= s.High {
			rest = append(rest, s)
		}
	}
	return rest
}

// Both gives what is in both of two lists of spans, merged.
func Both(a, b []Span) []Span { return Without(a, Without(AllPorts, b)) }

// Ports are spans under one protocol.
func Ports(protocol string, spans []Span) []policy.Port {
	list := make([]policy.Port, 0, len(spans))
	for _, s := range spans {
		list = append(list, policy.Port{Protocol: protocol, Low: s.Low, High: s.High})
	}
	return list
}
