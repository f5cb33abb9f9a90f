package trial

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/ingest"
)

// Bounds of one file of tests.
const (
	maxFile  = 1 << 20 // bytes
	maxTests = 1000
	maxSteps = 10_000   // events of one test as written
	maxTimes = 10_000   // events of one test, repeats counted
	maxText  = 64 << 20 // bytes of one test's events, those of files too
)

// File is one file of tests that was read.
type File struct {
	Name  string // as given, for messages
	Rules []Path // empty: the catalogue's, or those that the caller chooses
	Ours  bool   // rules: ours
	Tests []Test

	start time.Time
	bases map[string]event
	dir   string
}

// Path is a path below the folder of the file, with the line that names it.
type Path struct {
	Name string
	Line int
}

// Test is one test: events, and what they raise.
type Test struct {
	Name string
	Line int

	log    string // kind of log of the events without one of their own
	others bool   // alerts that are not expected are no failure
	steps  []step
	expect []Expectation
}

// Expectation is an alert, or several alike, that a test must raise.
type Expectation struct {
	Rule    string
	Line    int
	Count   int  // how many alerts: 0 for none at all
	Unknown bool // not alerts, but that the rule can't tell

	at     *time.Duration // after the start; nil: any
	level  *model.Severity
	fields map[string]string // all must be in Alert.Fields
	assets []string          // as model.Ref.String
}

// Read reads a file of tests, and looks for the rules and logs that it names.
// Every error is a *rule.Problem.
func Read(name string) (*File, []error) {
	problem := func(err error) (*File, []error) {
		return nil, []error{&rule.Problem{File: name, Text: "reading the tests: " + err.Error()}}
	}
	f, err := os.Open(name)
	if err != nil {
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return problem(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return problem(err)
	}
	if len(data) > maxFile {
		return problem(fmt.Errorf("larger than %d bytes", maxFile))
	}
	return Parse(name, data)
}

// Parse reads the text of a file of tests. Paths in it are below the folder
// of name; they are opened when a test runs. Every error is a *rule.Problem.
func Parse(name string, data []byte) (*File, []error) {
	p := &parser{file: &File{Name: name, dir: filepath.Dir(name), start: firstDay, bases: map[string]event{}}}
	root := p.document(data)
	if root != nil && p.refuseAliases(root) {
		p.top(root)
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return p.file, nil
}

// firstDay is when tests begin that don't say: a day on which nothing else is
// dated, so that nobody takes it for a date of theirs.
var firstDay = time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)

type parser struct {
	file *File
	errs []error
}

func (p *parser) problem(n *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, &rule.Problem{File: p.file.Name, Line: n.Line, Text: fmt.Sprintf(format, args...)})
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?`)

// document parses exactly one YAML document.
func (p *parser) document(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil || len(doc.Content) != 1 {
		text, line := "the file is empty", 1
		if err != nil && !errors.Is(err, io.EOF) {
			m := yamlLine.FindStringSubmatch(err.Error())
			if m != nil {
				line, _ = strconv.Atoi(cmp.Or(m[1], "1"))
			}
			text = yamlLine.ReplaceAllString(err.Error(), "")
		}
		p.problem(&yaml.Node{Line: line}, "%s", text)
		return nil
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		p.problem(doc.Content[0], "a file of tests holds one document")
		return nil
	}
	return doc.Content[0]
}

// refuseAliases keeps a small file from standing for a huge one.
func (p *parser) refuseAliases(n *yaml.Node) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		p.problem(n, "anchors and aliases are not allowed: name the event in bases")
		return false
	}
	for _, c := range n.Content {
		if !p.refuseAliases(c) {
			return false
		}
	}
	return true
}

// keys hands each key of a mapping to its reader. What has no reader is an
// error that names the nearest key.
func (p *parser) keys(n *yaml.Node, what string, read map[string]func(*yaml.Node)) map[string]bool {
	seen := map[string]bool{}
	if n.Kind != yaml.MappingNode {
		p.problem(n, "%s is a mapping of keys to values", what)
		return seen
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		take, known := read[k.Value]
		switch {
		case !known:
			p.problem(k, "%s has no key %q%s", what, k.Value, suggest(k.Value, read))
		case seen[k.Value]:
			p.problem(k, "key %q is given twice", k.Value)
		default:
			take(v)
		}
		seen[k.Value] = true
	}
	return seen
}

func suggest[V any](word string, among map[string]V) string {
	var words []string
	for w := range among {
		words = append(words, w)
	}
	slices.Sort(words)
	if near := model.Nearest(word, words); near != "" {
		return fmt.Sprintf(": did you mean %q?", near)
	}
	return ""
}

func (p *parser) top(root *yaml.Node) {
	var tests *yaml.Node
	p.keys(root, "a file of tests", map[string]func(*yaml.Node){
		"rules": p.rules,
		"start": func(v *yaml.Node) {
			t, err := time.Parse(time.RFC3339, v.Value)
			if err != nil {
				p.problem(v, "start is a time as 2026-01-31T12:00:00Z")
			}
			p.file.start = t.UTC()
		},
		"bases": p.basesOf,
		"tests": func(v *yaml.Node) { tests = v },
	})
	if tests == nil {
		p.problem(root, "tests is missing")
		return
	}
	p.each(tests, "tests", maxTests, p.test) // bases may stand below them
	names := map[string]int{}
	for _, t := range p.file.Tests {
		if first, twice := names[t.Name]; twice {
			p.problem(&yaml.Node{Line: t.Line}, "test %q is already in line %d", t.Name, first)
		}
		names[t.Name] = t.Line
	}
}

// each reads a list that isn't empty.
func (p *parser) each(n *yaml.Node, what string, most int, read func(*yaml.Node)) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 || len(n.Content) > most {
		p.problem(n, "%s is a list of 1 to %d entries", what, most)
		return
	}
	for _, c := range n.Content {
		read(c)
	}
}

// rules reads ours, one path, or a list of them.
func (p *parser) rules(v *yaml.Node) {
	if v.Kind == yaml.ScalarNode && v.Value == "ours" {
		p.file.Ours = true
		return
	}
	add := func(n *yaml.Node) {
		if name := p.path(n); name != "" {
			p.file.Rules = append(p.file.Rules, Path{filepath.Join(p.file.dir, name), n.Line})
		}
	}
	if v.Kind == yaml.ScalarNode {
		add(v)
		return
	}
	p.each(v, "rules", maxTests, add)
}

// path reads a path that stays in the folder of the test file.
func (p *parser) path(n *yaml.Node) string {
	name := p.text(n, "a path")
	if name != "" && !filepath.IsLocal(name) {
		p.problem(n, "%q leaves the folder of the test file", name)
		return ""
	}
	return name
}

func (p *parser) text(n *yaml.Node, what string) string {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		p.problem(n, "%s is text, and not empty", what)
		return ""
	}
	return n.Value
}

func (p *parser) kind(n *yaml.Node) string {
	if slices.Contains(ingest.Kinds(), n.Value) {
		return n.Value
	}
	near := ""
	if word := model.Nearest(n.Value, ingest.Kinds()); word != "" {
		near = fmt.Sprintf(": did you mean %q?", word)
	}
	p.problem(n, "%q is no kind of log%s", n.Value, near)
	return ""
}

func (p *parser) boolean(n *yaml.Node, what string) bool {
	if n.Tag != "!!bool" {
		p.problem(n, "%s is true or false", what)
	}
	return n.Value == "true"
}

// number reads a whole number from low to high.
func (p *parser) number(n *yaml.Node, what string, low, high int) int {
	i, err := strconv.Atoi(n.Value)
	if err != nil || i < low || i > high {
		p.problem(n, "%s is a number from %d to %d", what, low, high)
		return low
	}
	return i
}

// duration reads 90s, 5m, 1h30m.
func (p *parser) duration(n *yaml.Node, text, what string) time.Duration {
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || d > longest {
		p.problem(n, "%s is a duration as 90s, 5m or 1h30m, at most %s", what, longest)
	}
	return d
}

// longest is how far from its start a test may reach.
const longest = 10 * 365 * 24 * time.Hour

func (p *parser) test(n *yaml.Node) {
	t := Test{Line: n.Line, log: ingest.Kind}
	seen := p.keys(n, "a test", map[string]func(*yaml.Node){
		"name":   func(v *yaml.Node) { t.Name = p.text(v, "a test's name") },
		"log":    func(v *yaml.Node) { t.log = p.kind(v) },
		"others": func(v *yaml.Node) { t.others = p.boolean(v, "others") },
		"events": func(v *yaml.Node) {
			p.each(v, "events", maxSteps, func(c *yaml.Node) { t.steps = append(t.steps, p.step(c)) })
		},
		"expect": func(v *yaml.Node) { p.expectations(&t, v) },
	})
	for _, key := range []string{"name", "events", "expect"} {
		if !seen[key] && n.Kind == yaml.MappingNode {
			p.problem(n, "a test has %s", key)
		}
	}
	total := 0
	for i, s := range t.steps {
		if total += s.times; total > maxTimes {
			p.problem(&yaml.Node{Line: s.line}, "more than %d events in one test", maxTimes)
			break
		}
		if s.log == "" {
			t.steps[i].log = t.log
		}
	}
	p.file.Tests = append(p.file.Tests, t)
}

// expectations reads a list, which may be empty: nothing fires.
func (p *parser) expectations(t *Test, v *yaml.Node) {
	if v.Kind == yaml.SequenceNode && len(v.Content) == 0 {
		return
	}
	p.each(v, "expect", maxTests, func(n *yaml.Node) { t.expect = append(t.expect, p.expectation(n)) })
}

func (p *parser) expectation(n *yaml.Node) Expectation {
	e := Expectation{Line: n.Line, Count: 1}
	seen := p.keys(n, "an expectation", map[string]func(*yaml.Node){
		"rule":    func(v *yaml.Node) { e.Rule = p.text(v, "rule") },
		"count":   func(v *yaml.Node) { e.Count = p.number(v, "count", 0, maxTimes) },
		"unknown": func(v *yaml.Node) { e.Unknown = p.boolean(v, "unknown") },
		"at": func(v *yaml.Node) {
			d := p.duration(v, v.Value, "at")
			e.at = &d
		},
		"level": func(v *yaml.Node) {
			level, err := model.ParseSeverity(v.Value)
			if err != nil {
				p.problem(v, "%v", err)
			}
			e.level = &level
		},
		"fields": func(v *yaml.Node) { e.fields = p.words(v) },
		"assets": func(v *yaml.Node) {
			p.each(v, "assets", maxTests, func(c *yaml.Node) { e.assets = append(e.assets, p.text(c, "an asset")) })
		},
	})
	if e.Rule == "" && n.Kind == yaml.MappingNode && !seen["rule"] {
		p.problem(n, "an expectation has rule")
	}
	if e.Unknown && (len(seen) > 2 || len(seen) == 2 && !seen["rule"]) {
		p.problem(n, "of a rule that can't tell nothing else is known")
	}
	return e
}

// words reads a mapping of names to text.
func (p *parser) words(v *yaml.Node) map[string]string {
	out := map[string]string{}
	if v.Kind != yaml.MappingNode || len(v.Content) == 0 {
		p.problem(v, "fields is a mapping of names to text")
		return out
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		if v.Content[i+1].Kind != yaml.ScalarNode {
			p.problem(v.Content[i+1], "the value of a field is text")
		}
		out[v.Content[i].Value] = v.Content[i+1].Value
	}
	return out
}
