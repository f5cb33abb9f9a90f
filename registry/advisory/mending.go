package advisory

// mending tells which versions clear a match. It does so without evaluating
// its entries for each of them: a kernel has thousands of matches and hundreds
// of fixed versions.
type mending struct {
	match *match
	order order
	fixed version // the lowest that is named as fixed and clears the match
	top   version // of all versions that the entries name
	plain bool    // the entries don't go by one order: each version is evaluated

	beyond *bool // whether what is above top clears it, once known
}

func newMending(m *match) *mending {
	x := &mending{match: m, plain: true}
	named := []string{m.weakness.Fixed}
	first := true
	for _, a := range m.entries {
		kinds := make([]string, 0, len(a.Ranges)+1)
		for _, r := range a.Ranges {
			kinds = append(kinds, r.Type)
			for _, e := range r.Events {
				if text := e.text(); text != "0" && text != "*" {
					named = append(named, text)
				}
			}
		}
		if len(a.Versions) > 0 {
			kinds = append(kinds, "ECOSYSTEM")
			named = append(named, a.Versions...)
		}
		for _, kind := range kinds {
			o, err := orderOf(a.Ecosystem, kind)
			if err != nil || !first && o != x.order {
				return x
			}
			x.order, first = o, false
		}
	}
	for i, text := range named {
		v, err := x.order.parse(text)
		if err != nil {
			return x
		}
		if i == 0 {
			x.fixed, x.top = v, v
		}
		c, err := v.compare(x.top)
		if err != nil {
			return x
		}
		if c > 0 {
			x.top = v
		}
	}
	x.plain = false
	return x
}

// target is a version that might be taken, with its place in each order that
// was asked for.
type target struct {
	text   string
	places map[order]place
}

type place struct {
	v   version
	err error
}

func newTarget(text string) target { return target{text, map[order]place{}} }

func (t target) in(o order) (version, error) {
	p, ok := t.places[o]
	if !ok {
		p.v, p.err = o.parse(t.text)
		t.places[o] = p
	}
	return p.v, p.err
}

// by reports whether a version is above the installed one and clears the
// match. Below the lowest fixed version the answer is no: there may be a gap
// that the entries leave, and no record says that it is a fix.
func (x *mending) by(candidate target) bool {
	evaluated := func() bool {
		return isAbove(x.match.entries, x.match.weakness.Version, candidate.text) && clears(x.match.entries, candidate.text)
	}
	if x.plain {
		return evaluated()
	}
	v, err := candidate.in(x.order)
	if err != nil {
		return false
	}
	low, err := v.compare(x.fixed)
	if err != nil || low < 0 {
		return false
	}
	if low == 0 {
		return true
	}
	high, err := v.compare(x.top)
	if err != nil {
		return false
	}
	if high <= 0 || !v.exact {
		return evaluated()
	}
	if x.beyond == nil {
		yes := evaluated()
		x.beyond = &yes
	}
	return *x.beyond
}
