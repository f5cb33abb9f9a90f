package rule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
)

var (
	idForm       = regexp.MustCompile(`^[BRITD][0-9]{3,5}$`)
	slugForm     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	setForm      = regexp.MustCompile(`^[0-9]{4}\.[0-9]{1,3}$`)
	attackForm   = regexp.MustCompile(`^T[0-9]{4}(\.[0-9]{3})?$`)
	variableForm = regexp.MustCompile(`^[a-z][a-zA-Z0-9]*$`)
)

// stageOf gives the stage that an id's letter stands for.
var stageOf = map[byte]model.Stage{
	'B': model.Build, 'R': model.Registry, 'I': model.Infrastructure, 'T': model.Runtime, 'D': model.Runtime,
}

// sigmaKeys are the keys of a Sigma rule that say what it matches; the rest
// of a Sigma rule is metadata, which rule.yaml has under its own names.
var sigmaKeys = []string{"logsource", "detection", "correlation", "falsepositives", "fields"}

// required keys of every rule.yaml, in the order in which they are missed.
var required = []string{"id", "title", "severity", "since", "why", "fix", "cites", "control"}

// maxVariables of one rule: each may cost a full evaluation.
const maxVariables = 16

// decoder gathers the problems of one file while it fills a rule.
type decoder struct {
	rule     *Rule
	problems []*Problem
	sigma    []*yaml.Node // key, value, key, value …
}

// decode reads one rule.yaml strictly: an unknown, repeated or missing key, a
// wrong type and a malformed value are problems, all of which are reported.
// The rule is nil when there is any.
func decode(file, id, slug string, stage model.Stage, data []byte) (*Rule, []*Problem) {
	d := &decoder{rule: &Rule{Slug: slug, Stage: stage, File: file, Needs: NeedsObject, lines: map[string]int{}}}
	root, err := parseOne(data)
	if err != nil {
		return nil, []*Problem{yamlProblem(file, err)}
	}
	if root.Kind != yaml.MappingNode {
		return nil, []*Problem{{File: file, Line: root.Line, Text: "a rule is a mapping of keys to values"}}
	}
	d.refuseAliases(root)
	for i := 0; i+1 < len(root.Content); i += 2 {
		d.key(root.Content[i], root.Content[i+1])
	}
	d.finish(id)
	if len(d.problems) > 0 {
		return nil, d.problems
	}
	return d.rule, nil
}

// parseOne parses exactly one YAML document.
func parseOne(data []byte) (*yaml.Node, error) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty")
		}
		return nil, err
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("a rule file holds one document")
	}
	if len(doc.Content) != 1 {
		return nil, errors.New("the file is empty")
	}
	return doc.Content[0], nil
}

var yamlLine = regexp.MustCompile(`^yaml: line ([0-9]+): (.*)$`)

// yamlProblem moves the line of a YAML error to its place.
func yamlProblem(file string, err error) *Problem {
	var types *yaml.TypeError
	if errors.As(err, &types) && len(types.Errors) > 0 {
		// They quote values, line ends and all; a problem is one line.
		err = errors.New("yaml: " + strings.Join(strings.Fields(strings.Join(types.Errors, "; ")), " "))
	}
	p := &Problem{File: file, Text: strings.TrimPrefix(err.Error(), "yaml: ")}
	if m := yamlLine.FindStringSubmatch(err.Error()); m != nil {
		if _, scan := fmt.Sscan(m[1], &p.Line); scan == nil {
			p.Text = m[2]
		}
	}
	return p
}

func (d *decoder) problem(n *yaml.Node, format string, args ...any) {
	d.problems = append(d.problems, &Problem{File: d.rule.File, Line: n.Line, Text: fmt.Sprintf(format, args...)})
}

// refuseAliases keeps a small file from standing for a huge one.
func (d *decoder) refuseAliases(n *yaml.Node) {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		d.problem(n, "anchors and aliases are not allowed in a rule")
		return
	}
	for _, c := range n.Content {
		d.refuseAliases(c)
	}
}

// key stores one key of the file.
func (d *decoder) key(k, v *yaml.Node) {
	r, name := d.rule, k.Value
	if _, twice := r.lines[name]; twice {
		d.problem(k, "key %q is given twice", name)
		return
	}
	r.lines[name] = textLine(v)
	switch name {
	case "id":
		r.ID = d.text(name, v)
	case "title":
		r.Title = d.text(name, v)
	case "severity":
		d.severity(v)
	case "since":
		r.Since = d.form(name, v, setForm, "the name of a rule set, as 2026.1")
	case "why":
		r.Why = d.text(name, v)
	case "fix":
		r.Fix = d.text(name, v)
	case "cites":
		r.Cites = d.list(name, v)
	case "aliases":
		r.Aliases = d.list(name, v)
	case "control":
		r.Control = d.oneOf(name, v, Controls)
	case "attack":
		r.Attack = d.attack(v)
	case "off":
		r.Off = d.text(name, v)
	case "needs":
		r.Needs = d.oneOf(name, v, []string{NeedsObject, NeedsNamespace, NeedsGraph})
	default:
		d.logic(k, v)
	}
}

// logic stores a key that says what the rule matches.
func (d *decoder) logic(k, v *yaml.Node) {
	r, name := d.rule, k.Value
	switch {
	case name == "match":
		r.Match = d.text(name, v)
	case name == "each":
		r.Each = d.text(name, v)
	case name == "kinds":
		r.Kinds = d.list(name, v)
	case name == "variables":
		d.variables(v)
	case name == "message":
		r.Message = d.text(name, v)
	case name == "check":
		r.Check = d.form(name, v, slugForm, "lower-case words joined by hyphens")
	case slices.Contains(sigmaKeys, name):
		d.sigma = append(d.sigma, k, v)
	default:
		d.problem(k, "unknown key %q%s", name, suggest(name, allKeys()))
	}
}

func allKeys() []string {
	keys := append([]string{}, required...)
	keys = append(keys, "aliases", "attack", "off", "needs", "match", "each", "kinds", "variables", "message", "check")
	return append(keys, sigmaKeys...)
}

// textLine is the line on which the text of a scalar begins: a block scalar
// begins below its key.
func textLine(n *yaml.Node) int {
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		return n.Line + 1
	}
	return n.Line
}

// text reads a string that is not empty.
func (d *decoder) text(name string, n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Tag != "!!str" {
		d.problem(n, "%s must be text", name)
		return ""
	}
	s := strings.TrimSpace(n.Value)
	if s == "" {
		d.problem(n, "%s is empty", name)
	}
	return s
}

// form reads a scalar, a bare number too, that has a given form.
func (d *decoder) form(name string, n *yaml.Node, form *regexp.Regexp, want string) string {
	if n.Kind != yaml.ScalarNode || !form.MatchString(n.Value) {
		d.problem(n, "%s must be %s", name, want)
		return ""
	}
	return n.Value
}

func (d *decoder) oneOf(name string, n *yaml.Node, words []string) string {
	s := d.text(name, n)
	if s != "" && !slices.Contains(words, s) {
		d.problem(n, "%s %q is not one of %s", name, s, strings.Join(words, ", "))
	}
	return s
}

func (d *decoder) severity(n *yaml.Node) {
	s := d.text("severity", n)
	if s == "" {
		return
	}
	level, err := model.ParseSeverity(s)
	if err != nil {
		d.problem(n, "%v", err)
	}
	d.rule.Severity = level
}

// list reads a list of texts, none empty, none twice, at least one.
func (d *decoder) list(name string, n *yaml.Node) []string {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.problem(n, "%s must be a list with at least one entry", name)
		return nil
	}
	var out []string
	for _, c := range n.Content {
		s := d.text("an entry of "+name, c)
		if s != "" && slices.Contains(out, s) {
			d.problem(c, "%s has %q twice", name, s)
		}
		out = append(out, s)
	}
	return out
}

func (d *decoder) attack(n *yaml.Node) []string {
	ids := d.list("attack", n)
	for i, id := range ids {
		if id != "" && !attackForm.MatchString(id) {
			d.problem(n.Content[i], "%q is not an ATT&CK id, as T1611 or T1078.004", id)
		}
	}
	return ids
}

// variables reads a list of {name, expression}.
func (d *decoder) variables(n *yaml.Node) {
	if n.Kind != yaml.SequenceNode || len(n.Content) == 0 {
		d.problem(n, "variables must be a list with at least one entry")
		return
	}
	if len(n.Content) > maxVariables {
		d.problem(n, "%d variables, more than %d", len(n.Content), maxVariables)
		return
	}
	seen := map[string]bool{}
	for _, c := range n.Content {
		v, ok := d.variable(c)
		if ok && seen[v.Name] {
			d.problem(c, "variable %q is given twice", v.Name)
		}
		seen[v.Name] = true
		d.rule.Variables = append(d.rule.Variables, v)
	}
}

func (d *decoder) variable(n *yaml.Node) (Variable, bool) {
	if n.Kind != yaml.MappingNode {
		d.problem(n, "a variable has a name and an expression")
		return Variable{}, false
	}
	var v Variable
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, value := n.Content[i], n.Content[i+1]
		switch {
		case k.Value == "name" && v.Name == "":
			v.Name = d.form("a variable's name", value, variableForm, "one word, as podSpec")
		case k.Value == "expression" && v.Expression == "":
			v.Expression, v.line = d.text("a variable's expression", value), textLine(value)
		default:
			d.problem(k, "key %q is unknown in a variable, or given twice", k.Value)
		}
	}
	if v.Name == "" || v.Expression == "" {
		d.problem(n, "a variable has a name and an expression")
		return v, false
	}
	return v, true
}

// finish checks what concerns more than one key.
func (d *decoder) finish(id string) {
	r := d.rule
	top := &yaml.Node{Line: 1}
	for _, name := range required {
		if _, ok := r.lines[name]; !ok {
			d.problem(top, "key %q is missing", name)
		}
	}
	if r.ID != "" && r.ID != id {
		d.problem(&yaml.Node{Line: r.lines["id"]}, "id %q is not that of its folder, %q", r.ID, id)
	}
	forms := 0
	for _, name := range []string{"match", "check", "detection"} {
		if line, ok := r.lines[name]; ok {
			forms++
			r.Line = line
		}
	}
	if forms != 1 {
		d.problem(top, "a rule has exactly one of match, check, and logsource with detection")
		return
	}
	d.finishForm()
}

// finishForm refuses keys that the rule's form has no use for.
func (d *decoder) finishForm() {
	r := d.rule
	if r.lines["match"] == 0 {
		for _, name := range []string{"each", "variables", "message"} {
			if line, ok := r.lines[name]; ok {
				d.problem(&yaml.Node{Line: line}, "%s is of use with match only", name)
			}
		}
	}
	_, sigma := r.lines["detection"]
	if !sigma {
		if len(d.sigma) > 0 {
			d.problem(d.sigma[0], "%s is of use in a Sigma rule only", d.sigma[0].Value)
		}
		return
	}
	if _, ok := r.lines["logsource"]; !ok {
		d.problem(&yaml.Node{Line: r.Line}, "detection without logsource")
	}
	if r.Stage != model.Runtime {
		d.problem(&yaml.Node{Line: r.Line}, "Sigma rules belong to the runtime stage")
	}
	r.Sigma = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Content: d.sigma, Line: d.sigma[0].Line, Column: d.sigma[0].Column}
}
