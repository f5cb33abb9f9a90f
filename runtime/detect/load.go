package detect

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// Bounds of a folder of rules. SigmaHQ holds 4,000 files, the largest of 60 kB.
const (
	maxFile      = 1 << 20 // bytes
	maxFiles     = 50_000
	maxDocuments = 1000 // in one file
)

// Form is what a document among rules is.
type Form uint8

const (
	Detection   Form = iota // a rule about single events
	Correlation             // a rule about the matches of others
	Filter                  // a change of other rules
	Pipeline                // field names and placeholders of a log source
)

// forms are the keys that tell them.
var forms = map[string]Form{"detection": Detection, "correlation": Correlation, "filter": Filter, "pipeline": Pipeline}

// Source is one document before compilation.
type Source struct {
	Rule
	Form    Form
	Name    string // other documents refer to it by this, or by its id
	unrated bool   // it gives no level
	doc     *yaml.Node
}

// FromCatalogue takes the Sigma rules of a selected catalogue; rules of other
// forms are left out. A rule counts as tested when its cases hold one that it
// must see and one that it must not.
//
// A rule with correlation: beside its detection counts its own matches: it is
// two sources, the detection under another id, which is silent, and the
// correlation of it under the rule's.
func FromCatalogue(cat *rule.Catalogue) []Source {
	var out []Source
	for _, r := range cat.Rules {
		if r.Sigma == nil {
			continue
		}
		src := Source{doc: r.Sigma, Rule: Rule{
			ID: r.ID, Title: r.Title, Level: r.Severity, Attack: slices.Sorted(slices.Values(r.Attack)), File: r.File, Line: r.Line,
		}}
		seen := map[model.Verdict]bool{}
		for _, c := range cat.Cases(r.ID) {
			seen[c.Want] = true
		}
		src.Tested = seen[model.Fail] && seen[model.Pass]
		if corr := child(r.Sigma, "correlation"); corr != nil {
			counted := src
			counted.Form, counted.doc = Correlation, correlationOf(corr, src.ID+ofMatches)
			src.ID += ofMatches
			out = append(out, counted)
		}
		out = append(out, src)
	}
	return out
}

// ofMatches ends the id of the detection whose matches a rule counts.
const ofMatches = ".matches"

// correlationOf is the document of a correlation of one rule. What is no
// mapping, or names rules itself, is refused when it is compiled.
func correlationOf(body *yaml.Node, name string) *yaml.Node {
	text := func(s string) *yaml.Node {
		return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s, Line: body.Line, Column: body.Column}
	}
	whole := *body
	if whole.Kind == yaml.MappingNode {
		whole.Content = append(slices.Clone(body.Content), text("rules"), text(name))
	}
	return &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map", Line: body.Line, Content: []*yaml.Node{text("correlation"), &whole}}
}

// child is the value of a key, nil without one.
func child(n *yaml.Node, key string) *yaml.Node {
	for k, v := range pairs(n) {
		if k.Value == key {
			return v
		}
	}
	return nil
}

// Load reads Sigma rules: one file, or every .yml and .yaml below a folder.
// Links are not followed, and tests of rules (NAME.test.yaml) are passed over. A
// file that holds no rule is a problem. Sources come in order of file; every
// error is a *rule.Problem.
func Load(name string) ([]Source, []error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, []error{&rule.Problem{File: name, Text: "reading rules: " + err.Error()}}
	}
	dir, only := name, ""
	if !info.IsDir() {
		dir, only = filepath.Split(filepath.Clean(name))
		dir = cmp.Or(dir, ".")
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, []error{&rule.Problem{File: name, Text: "reading rules: " + err.Error()}}
	}
	defer root.Close()
	l := &loader{fsys: root.FS(), label: filepath.ToSlash(dir)}
	if only != "" {
		l.file(only)
		return l.sources, l.errs
	}
	l.folder()
	return l.sources, l.errs
}

type loader struct {
	fsys    fs.FS
	label   string
	files   int
	sources []Source
	errs    []error
}

func (l *loader) problem(name string, line int, format string, args ...any) {
	l.errs = append(l.errs, &rule.Problem{File: path.Join(l.label, name), Line: line, Text: fmt.Sprintf(format, args...)})
}

func (l *loader) folder() {
	err := fs.WalkDir(l.fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			l.problem(name, 0, "reading rules: %v", err)
			return nil
		}
		ext := path.Ext(name)
		if !d.Type().IsRegular() || ext != ".yml" && ext != ".yaml" || path.Ext(strings.TrimSuffix(name, ext)) == ".test" {
			return nil
		}
		if l.files++; l.files > maxFiles {
			l.problem(name, 0, "more than %d files: the rest is not read", maxFiles)
			return fs.SkipAll
		}
		l.file(name)
		return nil
	})
	if err == nil && l.files == 0 {
		l.problem(".", 0, "no .yml or .yaml file")
	}
}

// file reads the documents of one file.
func (l *loader) file(name string) {
	f, err := l.fsys.Open(name)
	if err != nil {
		l.problem(name, 0, "reading the rule: %v", err)
		return
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		l.problem(name, 0, "reading the rule: %v", err)
	case len(data) > maxFile:
		l.problem(name, 0, "larger than %d bytes", maxFile)
	default:
		sources, errs := Parse(path.Join(l.label, name), data)
		l.sources = append(l.sources, sources...)
		l.errs = append(l.errs, errs...)
	}
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?(.*)$`)

// Parse reads the Sigma rules of one file's text: one a YAML document. file
// names it in messages. What is no rule, correlation, filter or pipeline is a
// *rule.Problem.
func Parse(file string, data []byte) ([]Source, []error) {
	var out []Source
	var errs []error
	dec := yaml.NewDecoder(bytes.NewReader(data))
	empty := 0
	for n := 0; ; n++ {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) && n > empty {
			return out, errs
		}
		if err != nil || n == maxDocuments || len(doc.Content) != 1 {
			return out, append(errs, yamlProblem(file, err))
		}
		if top := doc.Content[0]; top.Kind == yaml.ScalarNode && top.Tag == "!!null" {
			empty++ // as behind a last marker
			continue
		}
		if err := follow(doc.Content[0]); err != nil {
			return out, append(errs, &rule.Problem{File: file, Line: doc.Content[0].Line, Text: err.Error()})
		}
		src, err := source(file, n, doc.Content[0])
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, src)
	}
}

// yamlProblem moves the line of a YAML error to its place.
func yamlProblem(file string, err error) error {
	p := &rule.Problem{File: file, Line: 1, Text: "the file holds no rule, or too many"}
	if err == nil || errors.Is(err, io.EOF) {
		return p
	}
	p.Text = err.Error()
	if m := yamlLine.FindStringSubmatch(p.Text); m != nil {
		p.Text = m[2]
		if line, err := strconv.Atoi(m[1]); err == nil {
			p.Line = line
		}
	}
	return p
}

// source reads one document up to its metadata.
func source(file string, n int, doc *yaml.Node) (Source, error) {
	problem := func(at *yaml.Node, format string, args ...any) (Source, error) {
		return Source{}, &rule.Problem{File: file, Line: at.Line, Text: fmt.Sprintf(format, args...)}
	}
	if doc.Kind != yaml.MappingNode {
		return problem(doc, "a rule is a mapping of keys to values")
	}
	src := Source{doc: doc, unrated: true, Rule: Rule{File: file, Level: model.Medium}}
	seen := map[string]bool{}
	found := 0
	for k, v := range pairs(doc) {
		if seen[k.Value] {
			return problem(k, "key %q is given twice", k.Value)
		}
		seen[k.Value] = true
		if form, ok := forms[k.Value]; ok {
			if found++; found > 1 {
				return problem(k, "a document is one of rule, correlation, filter and pipeline")
			}
			src.Form, src.Line = form, v.Line
		}
		if err := src.metadata(k, v); err != nil {
			return problem(k, "%v", err)
		}
	}
	if found == 0 {
		return problem(doc, "detection is missing")
	}
	src.ID = cmp.Or(src.ID, src.Name, fmt.Sprintf("%s#%d", path.Base(file), n))
	src.Title = cmp.Or(src.Title, src.ID)
	return src, nil
}

// metadata reads one key that speaks of the rule rather than of events.
func (src *Source) metadata(k, v *yaml.Node) error {
	switch k.Value {
	case "id":
		src.ID = v.Value
	case "name":
		src.Name = v.Value
	case "title":
		src.Title = v.Value
	case "author":
		src.Author = v.Value
	case "level":
		level, ok := sigmaLevels[strings.ToLower(v.Value)]
		if v.Tag == "!!null" {
			return nil
		}
		if !ok {
			return fmt.Errorf("level %q is not one of Sigma's", v.Value)
		}
		src.Level, src.unrated = level, false
	case "tags":
		src.Attack = techniques(v)
	case "action":
		return errors.New("action is of an older Sigma: write a rule a document")
	}
	return nil
}

// sigmaLevels maps the levels of the specification. A rule without one is medium.
var sigmaLevels = map[string]model.Severity{
	"informational": model.Info, "low": model.Low, "medium": model.Medium, "high": model.High, "critical": model.Critical,
}

var techniqueTag = regexp.MustCompile(`^attack\.t[0-9]{4}(\.[0-9]{3})?$`)

// techniques reads the ATT&CK techniques of a rule's tags, sorted.
func techniques(n *yaml.Node) []string {
	var out []string
	for _, t := range n.Content {
		if tag := strings.ToLower(t.Value); techniqueTag.MatchString(tag) {
			out = append(out, strings.ToUpper(strings.TrimPrefix(tag, "attack.")))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
