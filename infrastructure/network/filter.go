package network

import (
	"net/netip"
	"strings"
)

// Filter picks connections by their ends: a workload as
// "namespace/name[Kind]", "namespace/name" or "name", or an address, which
// stands for the range that holds it. "" picks all.
type Filter struct {
	From, To string
	Either   string // one of both ends
}

// Keeps reports whether a connection is picked.
func (f Filter) Keeps(c Connection) bool {
	return is(c.Src, f.From) && is(c.Dst, f.To) && (is(c.Src, f.Either) || is(c.Dst, f.Either))
}

// is reports whether an end of a connection is what a name stands for.
func is(end, who string) bool {
	if who == "" || end == who {
		return true
	}
	if ip, err := netip.ParseAddr(who); err == nil {
		first, last, _ := strings.Cut(end, "-")
		a, err1 := netip.ParseAddr(first)
		b, err2 := netip.ParseAddr(last)
		return err1 == nil && err2 == nil && a.Is4() == ip.Is4() && !ip.Less(a) && !b.Less(ip)
	}
	name, _, isLoad := strings.Cut(end, "[")
	_, bare, _ := strings.Cut(name, "/")
	return isLoad && bare != "" && (name == who || bare == who)
}

// Missing returns the first name of a filter that is no workload of the
// snapshot and no address; "" for none.
func (e *Engine) Missing(f Filter) string {
	for _, who := range []string{f.From, f.To, f.Either} {
		if _, err := netip.ParseAddr(who); err == nil {
			continue
		}
		known := who == ""
		for i := range e.world.byLoad {
			known = known || is(e.fullName(i), who)
		}
		if !known {
			return who
		}
	}
	return ""
}
