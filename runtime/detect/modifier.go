package detect

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"

	"go.yaml.in/yaml/v3"
)

// maxRegex is the longest regular expression in bytes. RE2 matches in linear
// time, but its program grows with the pattern.
const maxRegex = 8 << 10

// maxSteps is how many characters of a value may stand for others, stars aside:
// each costs a look at every byte of a field.
const maxSteps = 100

// modifiers is the chain after a field's name, as it changes what is tested.
type modifiers struct {
	op    predOp
	flags string // of re
	cmp   compareOp
	part  timePart // of a time, which the number is compared with
	where refWhere
	cased bool
	all   bool
	neq   bool
	fill  bool     // expand: placeholders are filled in
	steps []string // changes of a string value, in order
}

// parseModifiers reads "contains|all" and the like.
func parseModifiers(words []string) (modifiers, error) {
	m := modifiers{op: opEqual}
	for i, w := range words {
		if slices.Contains(words[:i], w) {
			return m, fmt.Errorf("modifier %q is given twice", w)
		}
		if err := m.add(w); err != nil {
			return m, err
		}
	}
	return m, m.check()
}

func (m *modifiers) add(w string) error {
	switch w {
	case "all":
		m.all = true
	case "expand":
		m.fill = true
	case "neq":
		m.neq = true
	case "cased":
		m.cased = true
	case "contains", "startswith", "endswith", "windash",
		"base64", "base64offset", "wide", "utf16le", "utf16be", "utf16":
		m.steps = append(m.steps, w)
	case "i", "m", "s":
		if m.op != opRegex {
			return fmt.Errorf("modifier %q stands after re only", w)
		}
		m.flags += w
	case "re":
		return m.become(w, opRegex)
	case "cidr":
		return m.become(w, opNet)
	case "exists":
		return m.become(w, opExists)
	case "fieldref":
		return m.become(w, opFieldref)
	case "lt", "lte", "gt", "gte":
		if m.part != 0 && m.cmp == equal {
			m.op = opEqual // the part alone stands for equality; this says what it is instead
		}
		m.cmp = map[string]compareOp{"lt": less, "lte": lessEqual, "gt": greater, "gte": greaterEqual}[w]
		return m.become(w, opCompare)
	default:
		part, ok := timeParts[w]
		if !ok {
			return fmt.Errorf("unknown modifier %q", w)
		}
		return m.ofTime(w, part)
	}
	return nil
}

// ofTime turns the test into one of a part of a time.
func (m *modifiers) ofTime(w string, part timePart) error {
	if m.part != 0 || m.op != opEqual && m.op != opCompare {
		return fmt.Errorf("modifier %q contradicts one before it", w)
	}
	if m.op == opEqual {
		m.op, m.cmp = opCompare, equal
	}
	m.part = part
	return nil
}

func (m *modifiers) become(w string, op predOp) error {
	if m.op != opEqual {
		return fmt.Errorf("modifier %q contradicts one before it", w)
	}
	m.op = op
	return nil
}

// check refuses combinations without a meaning.
func (m *modifiers) check() error {
	if m.fill && m.op != opEqual && m.op != opNet {
		return errors.New("modifier \"expand\" is for strings and cidr")
	}
	ends := 0
	for _, s := range m.steps {
		if s == "contains" || s == "startswith" || s == "endswith" {
			ends++
		}
	}
	if ends > 1 {
		return errors.New("contains, startswith and endswith exclude each other")
	}
	if m.op == opExists && (m.all || m.neq) {
		return errors.New("modifier \"exists\" takes true or false, and no all or neq")
	}
	if m.op == opFieldref {
		for _, s := range m.steps {
			where, ok := map[string]refWhere{"contains": refContains, "startswith": refStarts, "endswith": refEnds}[s]
			if !ok || m.where != refWhole {
				return fmt.Errorf("modifier %q can't be joined with fieldref", s)
			}
			m.where = where
		}
		return nil
	}
	if m.op != opEqual && len(m.steps) > 0 {
		return fmt.Errorf("modifier %q needs a string value of its own", m.steps[0])
	}
	if m.op != opEqual && m.cased {
		return errors.New("modifier \"cased\" is for strings and fieldref")
	}
	return nil
}

// predicates turns one value of a rule into the tests that stand for it, of
// which one must hold. Fields are filled in by the caller, but for refField.
func (m *modifiers) predicates(n *yaml.Node) (preds []predicate, refField string, err error) {
	if n.Kind != yaml.ScalarNode {
		return nil, "", errors.New("a value is text, a number, true, false or null")
	}
	one := predicate{op: m.op, cased: m.cased}
	if n.Tag == "!!null" {
		if m.op != opEqual || len(m.steps) > 0 {
			return nil, "", errors.New("null takes no modifier but neq")
		}
		one.op = opNull
		return []predicate{one}, "", nil
	}
	switch m.op {
	case opEqual:
		return m.strings(n)
	case opRegex:
		one.re, one.parts, err = compileRegex(n.Value, m.flags)
	case opNet:
		one.net, err = parseNet(n.Value)
	case opExists:
		if err = n.Decode(&one.want); err != nil {
			err = errors.New("exists takes true or false")
		}
	case opCompare:
		one.cmp, one.part = m.cmp, m.part
		one.num, err = strconv.ParseFloat(canonical(n.Value), 64)
		if err != nil || math.IsNaN(one.num) || math.IsInf(one.num, 0) {
			err = fmt.Errorf("%q is not a number", n.Value)
		} else if m.part != 0 {
			err = m.part.check(one.num)
		}
	case opFieldref:
		one.where, refField = m.where, n.Value
	}
	return []predicate{one}, refField, err
}

// compileRegex returns a regular expression, and texts of which each match
// holds one.
func compileRegex(text, flags string) (*regexp.Regexp, []string, error) {
	if len(text) > maxRegex {
		return nil, nil, fmt.Errorf("regular expression is longer than %d bytes", maxRegex)
	}
	if flags != "" {
		text = "(?" + flags + ")" + text
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, nil, fmt.Errorf("regular expression: %w", err)
	}
	tree, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, nil, fmt.Errorf("regular expression: %w", err)
	}
	return re, required(tree), nil
}

func parseNet(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Unmap().Prefix(addr.Unmap().BitLen())
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is not an address range", text)
	}
	return p.Masked(), nil
}

// strings makes the predicates of a text, number or boolean.
func (m *modifiers) strings(n *yaml.Node) ([]predicate, string, error) {
	patterns := []pattern{parsePattern(n.Value)}
	if n.Tag != "!!str" && len(patterns[0]) > 0 {
		patterns[0] = pattern{{kind: literal, lit: []byte(n.Value)}}
	}
	if number := canonical(n.Value); n.Tag != "!!str" && number != n.Value && len(m.steps) == 0 {
		// The log may have it as a number, or as it is written. A part of a text
		// is what is written: 10.1 stands in 10.15, and 10.10 doesn't.
		patterns = append(patterns, pattern{{kind: literal, lit: []byte(number)}})
	}
	for _, step := range m.steps {
		var out []pattern
		for _, p := range patterns {
			more, err := transform(step, p)
			if err != nil {
				return nil, "", err
			}
			out = append(out, more...)
		}
		patterns = out
	}
	preds := make([]predicate, 0, len(patterns))
	for _, p := range patterns {
		if p.steps() > maxSteps {
			return nil, "", fmt.Errorf("value has more than %d question marks and dashes", maxSteps)
		}
		preds = append(preds, stringPredicate(p, m.cased))
	}
	return preds, "", nil
}

// stringPredicate picks the cheapest test for a pattern.
func stringPredicate(p pattern, cased bool) predicate {
	if !cased {
		p = p.mapLiterals(func(b []byte) []byte { return fold(nil, b) })
	}
	if text, ok := p.plain(); ok {
		return predicate{op: opEqual, cased: cased, text: text}
	}
	g := newGlob(p)
	if len(g.segments) == 0 {
		return predicate{op: opAnything}
	}
	return predicate{op: opGlob, cased: cased, glob: g}
}

// transform applies one modifier that changes a string.
func transform(step string, p pattern) ([]pattern, error) {
	switch step {
	case "contains":
		return []pattern{p.around(true, true)}, nil
	case "startswith":
		return []pattern{p.around(false, true)}, nil
	case "endswith":
		return []pattern{p.around(true, false)}, nil
	case "windash":
		return []pattern{p.withDashes()}, nil
	case "wide", "utf16le":
		return []pattern{p.mapLiterals(func(b []byte) []byte { return utf16Bytes(b, false) })}, nil
	case "utf16be":
		return []pattern{p.mapLiterals(func(b []byte) []byte { return utf16Bytes(b, true) })}, nil
	case "utf16":
		bom := part{kind: literal, lit: []byte{0xff, 0xfe}}
		return []pattern{append(pattern{bom}, p.mapLiterals(func(b []byte) []byte { return utf16Bytes(b, false) })...)}, nil
	}
	text, ok := p.plain()
	if !ok {
		return nil, fmt.Errorf("modifier %q takes no wildcards before it", step)
	}
	if step == "base64" {
		return []pattern{{{kind: literal, lit: []byte(base64.StdEncoding.EncodeToString(text))}}}, nil
	}
	return base64Offsets(text)
}

// base64Offsets gives, for the three places that a text can have within a
// longer one, the part of the encoding that doesn't depend on its neighbours.
func base64Offsets(text []byte) ([]pattern, error) {
	var out []pattern
	for shift := range 3 {
		encoded := base64.StdEncoding.EncodeToString(append(make([]byte, shift), text...))
		first := []int{0, 2, 3}[shift]                             // characters that hold bits of what comes before
		last := len(encoded) - []int{0, 3, 2}[(shift+len(text))%3] // and after
		if first >= last {
			return nil, errors.New("value is too short for base64offset")
		}
		out = append(out, pattern{{kind: literal, lit: []byte(encoded[first:last])}})
	}
	return out, nil
}

func utf16Bytes(b []byte, big bool) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune(string(b))) {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return out
}

// canonical writes a number as it compares: an integer by its digits, anything
// else in its shortest form. Text that is no number stays.
func canonical(text string) string {
	if strings.HasPrefix(text, "0x") || strings.HasPrefix(text, "0o") || strings.HasPrefix(text, "0b") || strings.Contains(text, "_") {
		if n, err := strconv.ParseInt(text, 0, 64); err == nil {
			return strconv.FormatInt(n, 10)
		}
	}
	if !strings.ContainsAny(text, ".eE") || len(text) > longestNumber {
		return text
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return text
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}
