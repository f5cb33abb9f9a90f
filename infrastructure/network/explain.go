package network

import (
	"fmt"
	"strconv"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// explain names what decides about one connection in one direction, rule by
// rule, in the first reading: every rule that matches, up to the one after
// which nothing is asked. Where no rule of an isolating policy matches, it
// names them all, with why.
func (e *Engine) explain(d policy.Direction, own, other party, atom int) []Reason {
	if own.end == nil {
		return []Reason{{Allows: true, Text: own.name + " is outside the cluster: no policy selects it"}}
	}
	peer := e.as(e.readings[0], own.peer)
	s := e.sides[d][peer]
	if s.open {
		return []Reason{{Allows: true, Text: fmt.Sprintf("no policy selects %s for %s", own.name, d)}}
	}
	if s.beyond {
		return []Reason{{Text: fmt.Sprintf("the policies that select %s have too many rules on too many ports: they aren't evaluated", own.name)}}
	}
	x := explanation{
		row: e.newRow(d, s.parts, peer), own: own, other: other, atom: atom, peer: e.as(e.readings[0], other.peer),
	}
	for first := 0; first < len(s.parts); {
		end := first + 1
		for end < len(s.parts) && sameTier(s.parts[first], s.parts[end]) {
			end++
		}
		if x.layer != s.parts[first].policy.Layer {
			x.layer, x.over = s.parts[first].policy.Layer, false
		}
		if !x.over {
			x.tier(first, end)
		}
		first = end
	}
	if !x.settled {
		x.reasons = append(x.reasons, Reason{Allows: true, Text: fmt.Sprintf("no rule decides about %s: it is allowed by default", d)})
	}
	return x.reasons
}

func sameTier(a, b *part) bool { return a.policy.Layer == b.policy.Layer && a.side.Tier == b.side.Tier }

// explanation is a walk through the rules for one connection.
type explanation struct {
	row        *row
	own, other party
	peer       int // other, in the reading
	atom       int
	layer      policy.Layer
	over       bool // the layer has decided
	settled    bool // some layer has
	reasons    []Reason
}

// tier asks the parts [first, end), which are one tier.
func (x *explanation) tier(first, end int) {
	var steps []step
	for _, s := range x.row.steps {
		if s.part >= first && s.part < end {
			steps = append(steps, s)
		}
	}
	for len(steps) > 0 {
		n := 1
		for n < len(steps) && steps[n].rule.Order == steps[0].rule.Order {
			n++
		}
		if decided, passed := x.order(steps[:n]); decided {
			x.over = !passed
			x.settled = x.settled || x.over
			return
		}
		steps = steps[n:]
	}
	x.isolation(first, end)
}

// order asks rules of one order. Decided says that one of them matches for
// sure; passed, that all such go on with the next tier.
func (x *explanation) order(steps []step) (decided, passed bool) {
	passed = true
	spoken := -1 // part that has matched for sure
	turn := 0
	for i := range steps {
		s := &steps[i]
		p := x.row.parts[s.part]
		if s.part == spoken && s.rule.Turn != turn {
			continue
		}
		sure, may := x.row.matched(s, x.atom)
		switch {
		case sure != nil && sure.has(x.peer):
		case may != nil && may.has(x.peer):
			x.add(p, s.rule, "may match: the node of "+x.other.name+" isn't known")
			continue
		default:
			continue
		}
		text := map[policy.Action]string{policy.Accept: "allows it", policy.Deny: "denies it", policy.Pass: "passes it on to the next tier"}[s.rule.Action]
		switch {
		case s.rule.Depends != "":
			x.add(p, s.rule, text+", perhaps: "+s.rule.Depends)
		case p.side.Depends != "":
			x.add(p, s.rule, text+", perhaps: "+p.side.Depends)
			spoken, turn = s.part, s.rule.Turn
		default:
			x.add(p, s.rule, text)
			decided, passed = true, passed && s.rule.Action == policy.Pass
			spoken, turn = s.part, s.rule.Turn
		}
	}
	return decided, passed
}

// isolation says what isolating parts have to say where no rule decides.
func (x *explanation) isolation(first, end int) {
	for _, p := range x.row.parts[first:end] {
		if !p.side.Isolates {
			continue
		}
		perhaps := ""
		if p.side.Depends != "" {
			perhaps = ", perhaps: " + p.side.Depends
		} else {
			x.over, x.settled = true, true
		}
		if len(p.rules) == 0 {
			x.reasons = append(x.reasons, x.reason(p, "spec."+x.row.d.String(), "", fmt.Sprintf("selects %s and has no %s rule%s", x.own.name, x.row.d, perhaps)))
		}
		for i := range p.rules {
			r := &p.rules[i]
			switch {
			case !r.peers.has(x.peer) && (r.maybe == nil || !r.maybe.has(x.peer)):
				x.add(p, r, x.other.name+" is not among its peers"+perhaps)
			case !x.row.e.rulePorts(x.row.d, r, x.own.peer, x.other.peer).has(x.atom):
				x.add(p, r, "the port is not among its ports"+perhaps)
			}
		}
	}
}

func (x *explanation) add(p *part, r *compiled, text string) {
	x.reasons = append(x.reasons, x.reason(p, r.Field, [...]string{"accept", "deny", "pass"}[r.Action], text))
	if text == "allows it" {
		x.reasons[len(x.reasons)-1].Allows = true
	}
}

func (x *explanation) reason(p *part, field, action, text string) Reason {
	return Reason{
		Policy: p.policy.String(), Kind: p.policy.Object.Kind, Tier: tierName(p), Action: action, Field: field, Text: text, Position: p.policy.Object.Position,
	}
}

func tierName(p *part) string {
	switch {
	case p.policy.Layer == policy.Mesh:
		return "mesh"
	case p.side.Tier == policy.Admin:
		return "admin"
	case p.side.Tier == policy.Standard:
		return "standard"
	case p.side.Tier == policy.Baseline:
		return "baseline"
	}
	return strconv.FormatFloat(p.side.Tier, 'g', -1, 64)
}
