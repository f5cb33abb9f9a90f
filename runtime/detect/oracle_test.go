package detect_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

// The oracle judges decoded maps with regular expressions and plain recursion:
// it shares neither pattern, nor reader, nor condition with the engine. Times
// are cut out of their text, and base64 and UTF-16 are undone rather than done.

// naiveRule is a rule as a tree, from which its YAML is written.
type naiveRule struct {
	ids  [][]naiveTest // search identifiers s0, s1, …: maps of tests
	cond naiveCond
}

type naiveTest struct {
	field, mods string
	values      []string // as YAML scalars are meant: always text, "" mods with nil values means null
	null        bool
}

type naiveCond struct {
	op   string // "id", "and", "or", "not", "1", "all"
	id   int
	kids []naiveCond
}

func (r naiveRule) yaml(id int) string {
	var b strings.Builder
	fmt.Fprintf(&b, "title: t\nid: r%03d\nlogsource: {product: kubernetes}\ndetection:\n", id)
	for i, tests := range r.ids {
		fmt.Fprintf(&b, "  s%d:\n", i)
		for _, t := range tests {
			key := t.field
			if t.mods != "" {
				key += "|" + t.mods
			}
			if t.null {
				fmt.Fprintf(&b, "    %s: null\n", key)
				continue
			}
			fmt.Fprintf(&b, "    %s:\n", key)
			for _, v := range t.values {
				if t.mods != "exists" {
					v = "'" + v + "'"
				}
				fmt.Fprintf(&b, "      - %s\n", v)
			}
		}
	}
	fmt.Fprintf(&b, "  condition: %s\n", r.cond.text())
	return b.String()
}

func (c naiveCond) text() string {
	switch c.op {
	case "id":
		return fmt.Sprintf("s%d", c.id)
	case "not":
		return "not (" + c.kids[0].text() + ")"
	case "1", "all":
		return c.op + " of s*"
	}
	var words []string
	for _, k := range c.kids {
		words = append(words, "("+k.text()+")")
	}
	return strings.Join(words, " "+c.op+" ")
}

func (r naiveRule) holds(doc any) bool {
	ids := make([]bool, len(r.ids))
	for i, tests := range r.ids {
		ids[i] = true
		for _, t := range tests {
			ids[i] = ids[i] && t.holds(doc)
		}
	}
	return r.cond.holds(ids)
}

func (c naiveCond) holds(ids []bool) bool {
	switch c.op {
	case "id":
		return ids[c.id]
	case "not":
		return !c.kids[0].holds(ids)
	case "1":
		return slices.Contains(ids, true)
	case "all":
		return !slices.Contains(ids, false)
	}
	for _, k := range c.kids {
		if k.holds(ids) != (c.op == "and") {
			return c.op == "or"
		}
	}
	return c.op == "and"
}

func (t naiveTest) holds(doc any) bool {
	values := naiveValues(doc, strings.Split(t.field, "."))
	if t.null {
		return len(values) == 0
	}
	if t.mods == "exists" {
		return naiveExists(doc, strings.Split(t.field, ".")) == (t.values[0] == "true")
	}
	count := 0
	for _, want := range t.values {
		match := naiveMatch(doc, want, strings.Split(t.mods, "|"))
		if slices.ContainsFunc(values, func(v string) bool { return v != anObject && match(v) }) {
			count++
		}
	}
	switch {
	case strings.Contains(t.mods, "all"):
		return count == len(t.values)
	case strings.Contains(t.mods, "neq"):
		return count == 0
	}
	return count > 0
}

// anObject stands for a value without a text.
const anObject = "\x00object"

// naiveValues lists the texts that a path leads to; nulls are left out.
func naiveValues(v any, path []string) []string {
	switch v := v.(type) {
	case []any:
		var out []string
		for _, x := range v {
			out = append(out, naiveValues(x, path)...)
		}
		return out
	case map[string]any:
		if len(path) == 0 {
			return []string{anObject}
		}
		if child, rest, ok := naiveChild(v, path); ok {
			return naiveValues(child, rest)
		}
		return nil
	case nil:
		return nil
	}
	if len(path) > 0 {
		return nil
	}
	return []string{fmt.Sprint(v)}
}

// naiveExists reports whether a path leads anywhere, to null or an empty list too.
func naiveExists(v any, path []string) bool {
	switch v := v.(type) {
	case []any:
		return len(path) == 0 || slices.ContainsFunc(v, func(x any) bool { return naiveExists(x, path) })
	case map[string]any:
		if len(path) == 0 {
			return true
		}
		_, _, ok := naiveChild(v, path)
		return ok
	}
	return len(path) == 0
}

// naiveChild takes the first key of a path, or as many as are joined by dots to
// a key that leads further; the fewest that do.
func naiveChild(v map[string]any, path []string) (child any, rest []string, ok bool) {
	for n := 1; n <= len(path); n++ {
		child, ok := v[strings.Join(path[:n], ".")]
		if ok && naiveExists(child, path[n:]) {
			return child, path[n:], true
		}
	}
	return nil, nil, false
}

// naiveMatch returns the test of one value.
func naiveMatch(doc any, want string, mods []string) func(string) bool {
	has := func(m string) bool { return slices.Contains(mods, m) }
	switch {
	case has("re"):
		if has("i") {
			want = "(?i)" + want
		}
		return regexp.MustCompile(want).MatchString
	case has("hour"):
		return func(v string) bool {
			return len(v) > 19 && strings.TrimPrefix(v[11:13], "0") == want
		}
	case has("month"):
		return func(v string) bool { return len(v) > 19 && strings.TrimPrefix(v[5:7], "0") == want }
	case has("gt"), has("gte"), has("lt"), has("lte"):
		return func(v string) bool {
			a, err := strconv.ParseFloat(v, 64)
			b, _ := strconv.ParseFloat(want, 64)
			return err == nil && (has("gt") && a > b || has("gte") && a >= b || has("lt") && a < b || has("lte") && a <= b)
		}
	case has("cidr"):
		head := strings.TrimSuffix(want, "0/24")
		return func(v string) bool { return strings.HasPrefix(v, head) }
	case has("base64"), has("base64offset"):
		return func(v string) bool { return naiveEncoded(v, want, mods) }
	case has("fieldref"):
		others := naiveValues(doc, strings.Split(want, "."))
		return func(v string) bool {
			return slices.ContainsFunc(others, func(o string) bool {
				return o != anObject && naivePattern(regexp.QuoteMeta(o), append(mods, "quoted")).MatchString(v)
			})
		}
	case has("expand"):
		return func(v string) bool {
			return slices.ContainsFunc(naivePlaceholders, func(filled string) bool {
				return naivePattern(strings.ReplaceAll(want, "%p%", filled), mods).MatchString(v)
			})
		}
	}
	return naivePattern(want, mods).MatchString
}

var naivePlaceholders = []string{"a", "B*"}

// naiveEncoded decodes a value, which of base64offset lies somewhere within
// it, and looks for the text there, after one shift or another.
func naiveEncoded(v, want string, mods []string) bool {
	wide := slices.Contains(mods, "wide")
	text := want
	if wide {
		text = ""
		for _, r := range want {
			text += string(r) + "\x00"
		}
	}
	if !slices.Contains(mods, "base64offset") {
		return strings.EqualFold(v, base64.StdEncoding.EncodeToString([]byte(text)))
	}
	plain, err := base64.StdEncoding.DecodeString(v)
	return err == nil && strings.Contains(string(plain), text)
}

func naivePattern(want string, mods []string) *regexp.Regexp {
	has := func(m string) bool { return slices.Contains(mods, m) }
	text := want
	if !has("quoted") {
		text = strings.NewReplacer(`\\\\`, `\\`, `\\\*`, `\*`, `\\\?`, `\?`, `\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(want))
	}
	switch {
	case has("contains"):
		text = ".*" + text + ".*"
	case has("startswith"):
		text += ".*"
	case has("endswith"):
		text = ".*" + text
	}
	if has("cased") {
		return regexp.MustCompile("^(?s:" + text + ")$")
	}
	return regexp.MustCompile("^(?is:" + text + ")$")
}

// world makes up rules and events.
type world struct {
	*rand.Rand
	letters string // of what rules look for
	most    int    // letters of it
	found   string // letters of values
	long    int    // letters of them
	dots    bool   // keys hold dots
}

// smallWorld has texts so short that they often meet.
func smallWorld(seed uint64) world {
	return world{Rand: rand.New(rand.NewPCG(seed, 7)), letters: "abAB*?é", most: 3, found: "abABéÉ", long: 4}
}

// wideWorld has texts that overlap, letters with several forms, escapes, texts
// longer than an automaton keeps, and keys with dots.
func wideWorld(seed uint64) world {
	w := world{Rand: rand.New(rand.NewPCG(seed, 11)), letters: `abABkKsſéÉ*?\`, most: 5, found: "abaBkK\u212asſSéÉ*?\\", long: 12, dots: true}
	if seed%4 == 0 {
		w.letters, w.most, w.found, w.long = "aaab*", 48, "aaaB", 90
	}
	return w
}

func (w world) pick(from ...string) string { return from[w.IntN(len(from))] }

func (w world) text(letters string, most int) string {
	runes := []rune(letters)
	var b strings.Builder
	for range w.IntN(most + 1) {
		b.WriteRune(runes[w.IntN(len(runes))])
	}
	return b.String()
}

func (w world) rule() naiveRule {
	var r naiveRule
	for range 1 + w.IntN(3) {
		var tests []naiveTest
		for _, field := range []string{"a", "b", "c.d", "c.e.f"} {
			if w.IntN(2) == 0 {
				continue
			}
			t := naiveTest{field: field, mods: w.pick("", "", "", "contains", "startswith", "endswith", "contains|all", "cased", "contains|cased", "neq")}
			for range 1 + w.IntN(3) {
				v := w.text(w.letters, w.most)
				if strings.Trim(v, "*") == "" {
					v = "a" // a lone star also matches objects, which the oracle has no text for
				}
				t.values = append(t.values, v)
			}
			if w.IntN(8) == 0 {
				t = naiveTest{field: field, null: true}
			}
			tests = append(tests, t)
		}
		if w.IntN(2) == 0 {
			tests = append(tests, w.special())
		}
		if len(tests) == 0 {
			tests = []naiveTest{{field: "a", values: []string{"a"}}}
		}
		r.ids = append(r.ids, tests)
	}
	r.cond = w.cond(len(r.ids), 3)
	return r
}

// special is a test with one of the modifiers that take values of their own.
func (w world) special() naiveTest {
	neq := w.pick("", "", "|neq")
	number := func(most int) string { return strconv.Itoa(w.IntN(most)) }
	switch w.IntN(8) {
	case 0:
		return naiveTest{"n", w.pick("gt", "gte", "lt", "lte") + neq, []string{number(4)}, false}
	case 1:
		return naiveTest{"t", "hour" + neq, []string{number(4), number(24)}, false}
	case 2:
		return naiveTest{"t", "month" + neq, []string{strconv.Itoa(1 + w.IntN(12))}, false}
	case 3:
		return naiveTest{w.pick("a", "c.d"), "exists", []string{w.pick("true", "false")}, false}
	case 4:
		return naiveTest{w.pick("a", "b"), "re" + w.pick("", "|i") + neq, []string{w.pick("^a", "b$", "a+B", "[^a]b", "^(ab|é)+$")}, false}
	case 5:
		return naiveTest{"a", w.pick("fieldref", "fieldref|contains", "fieldref|startswith", "endswith|fieldref", "fieldref|cased") + neq, []string{w.pick("b", "c.d")}, false}
	case 6:
		return naiveTest{"ip", "cidr" + neq, []string{w.pick("10.0.0.0/24", "10.0.1.0/24")}, false}
	default:
		if w.IntN(2) == 0 {
			return naiveTest{"a", w.pick("expand", "expand|contains", "expand|cased") + neq, []string{w.pick("%p%", "%p%b", "a%p%")}, false}
		}
		return naiveTest{"e", w.pick("base64offset|contains", "wide|base64offset|contains") + neq, []string{w.pick("abcd", "secret")}, false}
	}
}

// encoded is a text that may hold what special looks for, in base64.
func (w world) encoded() string {
	text := w.text("xyz", 4) + w.pick("abcd", "secret", "abxd", "a\x00b\x00c\x00d\x00", "s\x00e\x00c\x00r\x00e\x00t\x00") + w.text("xyz", 4)
	return base64.StdEncoding.EncodeToString([]byte(text))
}

func (w world) cond(ids, depth int) naiveCond {
	if depth == 0 || w.IntN(3) == 0 {
		if w.IntN(4) == 0 {
			return naiveCond{op: w.pick("1", "all")}
		}
		return naiveCond{op: "id", id: w.IntN(ids)}
	}
	c := naiveCond{op: w.pick("and", "or", "and", "or", "not")}
	n := 1
	if c.op != "not" {
		n = 2 + w.IntN(2)
	}
	for range n {
		c.kids = append(c.kids, w.cond(ids, depth-1))
	}
	return c
}

func (w world) value(depth int) any {
	switch w.IntN(8 - min(depth, 3)) {
	case 0, 1, 2, 3:
		return w.text(w.found, w.long)
	case 4:
		return nil
	case 5:
		var list []any
		for range w.IntN(4) {
			list = append(list, w.value(depth+1))
		}
		return append([]any{}, list...)
	default:
		doc := map[string]any{}
		keys := []string{"d", "e", "f"}
		if w.dots {
			keys = append(keys, "e.f", "d.x")
		}
		for _, k := range keys {
			if w.IntN(2) == 0 {
				doc[k] = w.value(depth + 1)
			}
		}
		return doc
	}
}

func (w world) event() map[string]any {
	doc := map[string]any{}
	for _, k := range []string{"a", "b", "c"} {
		if w.IntN(4) > 0 {
			doc[k] = w.value(0)
		}
	}
	for _, k := range []string{"c.d", "c.e", "c.e.f"} {
		if w.dots && w.IntN(4) == 0 {
			doc[k] = w.value(0)
		}
	}
	if w.IntN(4) > 0 {
		doc["n"] = float64(w.IntN(8)) / 2
		doc["t"] = fmt.Sprintf("2026-%02d-11T%02d:30:00Z", 1+w.IntN(12), w.IntN(24))
		doc["ip"] = []any{fmt.Sprintf("10.0.%d.7", w.IntN(3)), "none"}
		doc["e"] = w.encoded()
	}
	return doc
}

// TestOracle compares the engine with the oracle on random rules and events.
func TestOracle(t *testing.T) {
	hits := 0
	for seed := range uint64(400) {
		hits += compareWithOracle(t, fmt.Sprint("small ", seed), smallWorld(seed), 8, 12)
	}
	if hits < 1000 {
		t.Errorf("only %d hits: the worlds are too poor to prove anything", hits)
	}
}

// TestOracleOfMany has so many rules in one program that their needles share
// automata, and one event is a witness of many.
func TestOracleOfMany(t *testing.T) {
	hits := 0
	for seed := range uint64(24) {
		w := wideWorld(seed)
		hits += compareWithOracle(t, fmt.Sprint("wide ", seed), w, 50+w.IntN(250), 12)
	}
	if hits < 5_000 {
		t.Errorf("only %d hits: the worlds are too poor to prove anything", hits)
	}
}

// compareWithOracle returns how many hits both found.
func compareWithOracle(t *testing.T, name string, w world, n, events int) int {
	t.Helper()
	var rules []naiveRule
	var texts []string
	for i := range n {
		rules = append(rules, w.rule())
		texts = append(texts, rules[i].yaml(i))
	}
	m := compile(t, append(texts, "pipeline: p\nplaceholders: {p: [a, 'B*']}\n")...).NewMatcher()
	count := 0
	for range events {
		doc := w.event()
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		var want, got []int
		for id, r := range rules {
			if r.holds(any(doc)) {
				want = append(want, id)
			}
		}
		hits, err := m.Hits(model.Event{Source: "kubernetes-audit", Raw: raw}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range hits {
			got = append(got, h.Rule)
		}
		slices.Sort(got)
		count += len(got)
		if diff := cmp.Diff(want, got); diff != "" {
			for id := range rules {
				if slices.Contains(want, id) != slices.Contains(got, id) {
					t.Log(texts[id])
				}
			}
			t.Fatalf("%s: event %s: rules (-oracle +engine) %s", name, raw, diff)
		}
	}
	return count
}
