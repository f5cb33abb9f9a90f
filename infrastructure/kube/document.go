package kube

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/splice"
)

// Bounds on one document. A hostile one must cost little more than its size.
const (
	// maxDepth of nesting: a CustomResourceDefinition, the deepest known
	// kind, stays under 60.
	maxDepth = 100
	// maxAliasNodes is how many nodes may be reached through aliases in one
	// document; manifests that use anchors stay under a thousand.
	maxAliasNodes = 100_000
	// maxMarks is how many bytes that can begin a node one document may
	// hold: about 48 MiB of ordinary YAML, and at most 1 GiB of memory.
	maxMarks = 4 << 20
)

// document is one decoded document before it is known what it is.
type document struct {
	raw       map[string]any // nil where the document is no mapping
	line      int            // of its first line, from 1
	itemLines []int          // lines of raw["items"], where that is a list
	cut       bool           // the text ended inside: only whole items are there
}

// scan is what the text of one file gave.
type scan struct {
	docs       []document
	incomplete []model.Incomplete
}

func (s *scan) fail(file string, line int, why string) {
	s.incomplete = append(s.incomplete, model.Incomplete{What: place(file, line), Why: why})
}

// place is "path:line", the form in which all parts name a position.
func place(file string, line int) string {
	if line <= 0 {
		return file
	}
	return file + ":" + strconv.Itoa(line)
}

// scanText splits text into parts that decode by themselves, in their order.
func scanText(file string, text []byte) []func() scan {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	var s scan
	if bytes.HasPrefix(text, []byte("\xff\xfe")) || bytes.HasPrefix(text, []byte("\xfe\xff")) {
		s.fail(file, 1, "encoded as UTF-16: only UTF-8 is read")
		return []func() scan{func() scan { return s }}
	}
	if looksLikeJSON(file, text) {
		s = scanJSON(file, text)
		if len(s.incomplete) == 0 || len(s.docs) > 0 || strings.HasSuffix(file, ".json") {
			return []func() scan{func() scan { return s }}
		}
	}
	var parts []func() scan
	for _, c := range splice.Split(text) {
		parts = append(parts, func() scan { return scanYAML(file, text[c.Start:c.End], c.Before) })
	}
	return parts
}

// looksLikeJSON is true for a .json file and for text that begins with an
// object whose first key is quoted.
func looksLikeJSON(file string, text []byte) bool {
	trimmed := bytes.TrimLeft(text, " \t\r\n")
	if strings.HasSuffix(strings.ToLower(file), ".json") {
		return true
	}
	if len(trimmed) == 0 || trimmed[0] != '{' {
		return false
	}
	return bytes.HasPrefix(bytes.TrimLeft(trimmed[1:], " \t\r\n"), []byte(`"`))
}

// scanYAML decodes one chunk of a text, of which so many lines stand before.
func scanYAML(file string, chunk []byte, before int) scan {
	var s scan
	if marks(chunk) > maxMarks {
		s.fail(file, before+1, fmt.Sprintf("one document with more than %d nodes: not read", maxMarks))
		return s
	}
	docs, line, err := decodeYAML(chunk)
	for _, d := range docs {
		d.line += before
		for i := range d.itemLines {
			d.itemLines[i] += before
		}
		s.docs = append(s.docs, d)
	}
	if err != nil {
		s.fail(file, before+line, err.Error())
	}
	return s
}

// marks counts the bytes that can begin a YAML or JSON node: an upper bound
// on the nodes that a parser makes, found without parsing.
func marks(text []byte) int {
	n := 0
	for _, c := range text {
		switch c {
		case '\n', '\r', ',', ':', '[', '{', '-', '?':
			n++
		}
	}
	return n
}

var errorLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?`)

// decodeYAML decodes the documents of one chunk (more than one where "..."
// ends a document). The line belongs to the error.
func decodeYAML(text []byte) (docs []document, line int, err error) {
	defer func() {
		// A fault of the parser on hostile text must cost one document, not the run.
		if r := recover(); r != nil {
			line, err = 1, fmt.Errorf("not readable as YAML: the parser gave up (%v)", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var node yaml.Node
		switch err := decoder.Decode(&node); {
		case errors.Is(err, io.EOF):
			return docs, 0, nil
		case err != nil:
			return docs, yamlErrorLine(err, text), fmt.Errorf("not readable as YAML: %s", errorLine.ReplaceAllString(err.Error(), ""))
		}
		if len(node.Content) == 0 {
			continue
		}
		root := node.Content[0]
		doc := document{line: root.Line}
		value, err := (&yamlReader{}).value(root, 0)
		if err != nil {
			var at *nodeError
			if errors.As(err, &at) {
				line = at.line
			}
			return docs, line, err
		}
		if value == nil {
			continue
		}
		doc.raw, _ = value.(map[string]any)
		doc.itemLines = itemLines(root)
		docs = append(docs, doc)
	}
}

// yamlErrorLine finds the line of a syntax error in its message. The parser
// counts from 0 in its own messages, from 1 in its scanner's, and leaves the
// first line out.
func yamlErrorLine(err error, text []byte) int {
	line := 0
	if m := errorLine.FindStringSubmatch(err.Error()); len(m) > 1 {
		line, _ = strconv.Atoi(m[1]) // 0 where there is none
	}
	if line == 0 || strings.Contains(err.Error(), ": did not find expected ") {
		line++
	}
	return min(line, bytes.Count(bytes.TrimRight(text, "\n"), []byte("\n"))+1)
}

// itemLines returns the lines of a list's items.
func itemLines(root *yaml.Node) []int {
	if root.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != "items" || root.Content[i+1].Kind != yaml.SequenceNode {
			continue
		}
		lines := make([]int, 0, len(root.Content[i+1].Content))
		for _, item := range root.Content[i+1].Content {
			lines = append(lines, item.Line)
		}
		return lines
	}
	return nil
}

// nodeError is a fault of one node, with its line in the chunk.
type nodeError struct {
	line int
	why  string
}

func (e *nodeError) Error() string { return e.why }

// yamlReader turns nodes into the values that JSON would give: map[string]any,
// []any, string, bool, int64, float64 and nil.
type yamlReader struct {
	aliases    int // aliases that are open
	aliasNodes int // nodes reached through aliases
}

func (r *yamlReader) value(n *yaml.Node, depth int) (any, error) {
	if depth > maxDepth {
		return nil, &nodeError{n.Line, fmt.Sprintf("nested deeper than %d levels: not read", maxDepth)}
	}
	if r.aliases > 0 {
		if r.aliasNodes++; r.aliasNodes > maxAliasNodes {
			return nil, &nodeError{n.Line, fmt.Sprintf("aliases expand to more than %d nodes: not read", maxAliasNodes)}
		}
	}
	switch n.Kind {
	case yaml.AliasNode:
		r.aliases++
		v, err := r.value(n.Alias, depth+1)
		r.aliases--
		return v, err
	case yaml.SequenceNode:
		list := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			v, err := r.value(c, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		return list, nil
	case yaml.MappingNode:
		return r.mapping(n, depth)
	case yaml.ScalarNode:
		return scalar(n)
	default:
		return nil, &nodeError{n.Line, "a YAML node of an unexpected sort"}
	}
}

func (r *yamlReader) mapping(n *yaml.Node, depth int) (any, error) {
	m := make(map[string]any, len(n.Content)/2)
	var merges []*yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		for key.Kind == yaml.AliasNode {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			return nil, &nodeError{key.Line, "a mapping key that is no scalar"}
		}
		if key.Style == 0 && key.Value == "<<" {
			merges = append(merges, n.Content[i+1])
			continue
		}
		if _, twice := m[key.Value]; twice {
			return nil, &nodeError{key.Line, fmt.Sprintf("the key %q stands twice in one mapping", key.Value)}
		}
		v, err := r.value(n.Content[i+1], depth+1)
		if err != nil {
			return nil, err
		}
		m[key.Value] = v
	}
	for _, node := range merges {
		if err := r.merge(m, node, depth); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// merge adds the pairs of a "<<" value that the mapping doesn't have.
func (r *yamlReader) merge(into map[string]any, n *yaml.Node, depth int) error {
	v, err := r.value(n, depth+1)
	if err != nil {
		return err
	}
	sources, isList := v.([]any)
	if !isList {
		sources = []any{v}
	}
	for _, s := range sources {
		from, isMap := s.(map[string]any)
		if !isMap {
			return &nodeError{n.Line, "a merge key (<<) whose value is no mapping"}
		}
		for k, value := range from {
			if _, has := into[k]; !has {
				into[k] = value
			}
		}
	}
	return nil
}

// yaml11 holds the plain words that kubectl's parser takes for booleans.
var yaml11 = map[string]bool{
	"y": true, "Y": true, "yes": true, "Yes": true, "YES": true, "on": true, "On": true, "ON": true,
	"n": false, "N": false, "no": false, "No": false, "NO": false, "off": false, "Off": false, "OFF": false,
}

func scalar(n *yaml.Node) (any, error) {
	switch n.ShortTag() {
	case "!!null":
		return nil, nil
	case "!!bool":
		return strings.EqualFold(n.Value, "true"), nil
	case "!!int":
		plain := strings.ReplaceAll(n.Value, "_", "")
		if i, err := strconv.ParseInt(plain, 0, 64); err == nil {
			return i, nil
		}
		if f, err := strconv.ParseFloat(plain, 64); err == nil {
			return f, nil
		}
		return nil, &nodeError{n.Line, "a number that can't be read"}
	case "!!float":
		f, err := strconv.ParseFloat(strings.ReplaceAll(n.Value, "_", ""), 64)
		if err != nil || f-f != 0 {
			return nil, &nodeError{n.Line, "a number that JSON doesn't have"}
		}
		return f, nil
	case "!!str":
		if b, is := yaml11[n.Value]; is && n.Style == 0 {
			return b, nil
		}
	}
	return n.Value, nil
}
