package splice

import (
	"bytes"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// masked stands for a line of a Secret's values.
const masked = "(a value of a Secret)"

// Mask returns text with the values of Secrets of Kubernetes put out of sight,
// line by line, so that a difference of two texts can be shown. The number of
// lines stays. A text that mentions Secrets and can't be read is masked as a
// whole.
func Mask(text []byte) []byte {
	if !bytes.Contains(text, []byte("Secret")) {
		return text
	}
	lines := strings.SplitAfter(string(text), "\n")
	for _, d := range Split(text) {
		e := &editor{text: text[d.Start:d.End], doc: d}
		root, err := e.root()
		if err != nil {
			e.hideAll(lines)
			continue
		}
		e.maskSecrets(root, lines, false, 0)
	}
	return []byte(strings.Join(lines, ""))
}

// maskSecrets takes an object, or a list and what is in it; listed is true for
// the items of a SecretList, which need not say what they are.
func (e *editor) maskSecrets(n *yaml.Node, lines []string, listed bool, depth int) {
	kind := child(n, "kind")
	is := func(name string) bool { return kind != nil && kind.Value == name }
	if is("Secret") || listed && kind == nil {
		for _, name := range []string{"data", "stringData", "metadata"} {
			k, v := pair(n, name)
			if v == nil {
				continue
			}
			if name == "metadata" {
				if k, v = pair(v, "annotations"); v == nil { // kubectl repeats the values there
					continue
				}
			}
			if hasAlias(v) { // the value is written elsewhere
				e.hideAll(lines)
				return
			}
			from, to := e.doc.Before+k.Line, e.doc.Before+max(v.Line, k.Line)
			if at, err := e.offset(k); err == nil {
				to = max(to, e.doc.Before+bytes.Count(e.text[:e.linesEnd(at, k.Column-1, false)], []byte("\n")))
			}
			to = max(to, e.doc.Before+lastLine(v))
			if from < to && v.Style&yaml.FlowStyle == 0 {
				from++ // the key's own line says nothing
			}
			hide(lines, from, to)
		}
	}
	if items := child(n, "items"); items != nil && items.Kind == yaml.SequenceNode && depth < maxDepth {
		for _, item := range items.Content {
			e.maskSecrets(item, lines, is("SecretList"), depth+1)
		}
	}
}

// hideAll masks the whole document.
func (e *editor) hideAll(lines []string) {
	hide(lines, e.doc.Before+1, e.doc.Before+bytes.Count(e.text, []byte("\n"))+1)
}

func hasAlias(n *yaml.Node) bool {
	return n.Kind == yaml.AliasNode || slices.ContainsFunc(n.Content, hasAlias)
}

// lastLine is the last line on which a node below n begins.
func lastLine(n *yaml.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

// hide masks the lines from and to, counted from 1, and those between.
func hide(lines []string, from, to int) {
	for i := max(from-1, 0); i < min(to, len(lines)); i++ {
		end := lines[i][len(strings.TrimRight(lines[i], "\r\n")):]
		lines[i] = masked + end
	}
}
