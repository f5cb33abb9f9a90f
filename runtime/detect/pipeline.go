package detect

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/runtime/ingest"
)

// pipeline fits the rules of a log source to the events at hand: it renames
// fields, fills placeholders, and adds what must hold too.
type pipeline struct {
	name         string
	logsource    logsource // zero: every rule
	fields       map[string][]string
	placeholders map[string][]string
	add          *expr
	names        map[string]string // of fields that no pipeline renames; see ingest.Source
}

// familiar are pipelines for the products whose rules were written for records
// with other names than ours have.
func familiar() []pipeline {
	var out []pipeline
	for _, s := range ingest.Sources() {
		if len(s.Names) > 0 {
			out = append(out, pipeline{name: s.Kind, logsource: logsource{product: s.Product}, names: s.Names})
		}
	}
	return out
}

// pipeline compiles one document.
func (b *builder) pipeline(src Source) error {
	b.begin(src)
	p := pipeline{fields: map[string][]string{}, placeholders: map[string][]string{}}
	for k, v := range pairs(src.doc) {
		var err error
		switch k.Value {
		case "pipeline":
			if p.name = v.Value; p.name == "" {
				err = b.problem(v, "a pipeline has a name")
			}
		case "logsource":
			p.logsource, err = b.logsource(v)
		case "fields":
			err = b.lists(v, p.fields)
		case "placeholders":
			err = b.lists(v, p.placeholders)
		case "add":
			p.add, err = b.identifier(v)
		case "id", "name", "title", "description", "author", "date", "modified":
		default:
			err = b.problem(k, "a pipeline has no %q, only logsource, fields, placeholders and add", k.Value)
		}
		if err != nil {
			return err
		}
	}
	b.pipelines = append(b.pipelines, p)
	return nil
}

// lists reads a mapping of names to one text or several.
func (b *builder) lists(n *yaml.Node, into map[string][]string) error {
	if n.Kind != yaml.MappingNode {
		return b.problem(n, "this is a mapping of names to text, or to lists of text")
	}
	for k, v := range pairs(n) {
		values := []*yaml.Node{v}
		if v.Kind == yaml.SequenceNode {
			values = v.Content
		}
		if len(values) == 0 || into[k.Value] != nil {
			return b.problem(k, "%q is given twice, or stands for nothing", k.Value)
		}
		for _, value := range values {
			if value.Kind != yaml.ScalarNode || value.Value == "" {
				return b.problem(value, "%q stands for text", k.Value)
			}
			if b.values++; b.values > maxValues {
				return b.problem(value, "more than %d values", maxValues)
			}
			into[k.Value] = append(into[k.Value], value.Value)
		}
	}
	return nil
}

// covers reports whether a log source is the other or holds it.
func (l logsource) covers(other logsource) bool {
	return (l.product == "" || l.product == other.product) &&
		(l.service == "" || l.service == other.service) &&
		(l.category == "" || l.category == other.category)
}

// fitting lists the pipelines for rules of a log source.
func (b *builder) fitting(l logsource) []*pipeline {
	var out []*pipeline
	for i := range b.pipelines {
		if b.pipelines[i].logsource.covers(l) {
			out = append(out, &b.pipelines[i])
		}
	}
	return out
}

// mapped returns the fields of an event that a rule's field stands for. Two
// pipelines that differ on it would make the outcome depend on their order.
func mapped(pipelines []*pipeline, field string) ([]string, error) {
	own := field
	for _, p := range pipelines {
		own = p.ours(own)
	}
	return only(pipelines, []string{own}, "field", field, func(p *pipeline) []string { return p.fields[field] })
}

// ours is the field of our records that has a name in rules of others.
func (p *pipeline) ours(field string) string {
	if own, known := p.names[field]; known {
		return own
	}
	longest := ""
	for name := range p.names {
		if strings.HasSuffix(name, ".") && strings.HasPrefix(field, name) && len(name) > len(longest) {
			longest = name
		}
	}
	if longest == "" {
		return field
	}
	return p.names[longest] + field[len(longest):]
}

func (b *builder) placeholder(name string) ([]string, error) {
	return only(b.active, nil, "placeholder", name, func(p *pipeline) []string { return p.placeholders[name] })
}

// only returns the one answer of the pipelines, or the default.
func only(pipelines []*pipeline, none []string, what, name string, of func(*pipeline) []string) ([]string, error) {
	var from *pipeline
	for _, p := range pipelines {
		if of(p) == nil {
			continue
		}
		if from != nil && !slices.Equal(of(p), of(from)) {
			return nil, fmt.Errorf("%s %q means one thing in pipeline %s and another in %s", what, name, from.name, p.name)
		}
		from = p
	}
	if from == nil {
		return none, nil
	}
	return of(from), nil
}
