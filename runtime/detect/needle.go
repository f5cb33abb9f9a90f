package detect

import (
	"regexp/syntax"
	"slices"
	"strings"
	"unicode/utf8"
)

// exactText returns the folded text that a value must be for the predicate to
// hold. Of a cased one the case still has to be tested.
func (p *predicate) exactText() (string, bool) {
	if p.op != opEqual {
		return "", false
	}
	if p.cased {
		return string(fold(nil, p.text)), true
	}
	return string(p.text), true
}

// needles returns texts of which one stands in the folded form of every value
// that the predicate holds for; nil where there are none.
func (p *predicate) needles(pred int) []needle {
	use := needleUse{int32(pred), within}
	switch p.op {
	case opGlob:
		if lit, at, ok := p.glob.plain(); ok && !p.cased {
			return []needle{{lit, needleUse{int32(pred), at}}}
		}
		if lit := p.glob.longest(p.cased); lit != "" {
			return []needle{{lit, use}}
		}
	case opRegex:
		var out []needle
		for _, lit := range p.parts {
			out = append(out, needle{lit, use})
		}
		return out
	}
	return nil
}

// watched reports whether what was seen of a field's values can rule the
// predicate out.
func (p *predicate) watched() bool {
	_, exact := p.exactText()
	return exact || p.needles(0) != nil
}

// weight guesses how often a predicate holds: a long text is seen less often
// than a short one, a whole value less often than a part, and a field with any
// value most often of all.
func (p *predicate) weight() float64 {
	if text, ok := p.exactText(); ok {
		return 4 / float64(len(text)+2)
	}
	weight := 0.0
	for _, n := range p.needles(0) {
		w := 100 / float64(len(n.text)*len(n.text))
		if n.use.where == atStart || n.use.where == atEnd {
			w /= 4
		}
		weight += w
	}
	if weight == 0 {
		return anyValue
	}
	return weight
}

// anyValue is the weight of a predicate that is tested for any value at all.
const anyValue = 200

// plain returns the text of a glob that has one piece of it between stars, and
// where it must stand.
func (g *glob) plain() (string, where, bool) {
	if len(g.segments) != 1 || len(g.segments[0]) != 1 || g.segments[0][0].kind != literal || !g.open && !g.closed {
		return "", 0, false
	}
	at := anywhere
	if !g.open {
		at = atStart
	} else if !g.closed {
		at = atEnd
	}
	return string(g.segments[0][0].lit), at, true
}

// longest returns the longest text that every match of a glob holds, folded.
func (g *glob) longest(cased bool) string {
	best := ""
	for _, seg := range g.segments {
		for _, x := range seg {
			lit := string(x.lit)
			if cased {
				lit = longestASCII(lit)
			}
			if len(lit) > len(best) {
				best = lit
			}
		}
	}
	return best
}

// longestASCII returns the longest run of ASCII in a text, folded. Folding
// leaves the bytes of ASCII in their order and lets no other byte into a run;
// of longer characters a text may hold a half.
func longestASCII(s string) string {
	best := ""
	for _, run := range strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return r >= utf8.RuneSelf }) {
		if len(run) > len(best) {
			best = run
		}
	}
	return string(fold(nil, []byte(best)))
}

// maxRequired is how many texts stand for one regular expression.
const maxRequired = 64

// required returns folded texts of which every match of a regular expression
// holds one; nil where there are none.
func required(re *syntax.Regexp) []string {
	switch re.Op {
	case syntax.OpLiteral:
		if lit := longestASCII(string(re.Rune)); lit != "" {
			return []string{lit}
		}
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []string
		for _, sub := range re.Sub {
			if texts := required(sub); best == nil || texts != nil && shortest(texts) > shortest(best) {
				best = texts
			}
		}
		return best
	case syntax.OpAlternate:
		var all []string
		for _, sub := range re.Sub {
			texts := required(sub)
			if texts == nil || len(all)+len(texts) > maxRequired {
				return nil
			}
			all = append(all, texts...)
		}
		return all
	}
	return nil
}

// shortest is the length of the shortest of some texts.
func shortest(texts []string) int {
	return len(slices.MinFunc(texts, func(a, b string) int { return len(a) - len(b) }))
}
