package splice

import (
	"bytes"
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
			hide(lines, d.Before+1, d.Before+bytes.Count(e.text, []byte("\n"))+1)
			continue
		}
		e.maskSecrets(root, lines, 0)
	}
	return []byte(strings.Join(lines, ""))
}

func (e *editor) maskSecrets(n *yaml.Node, lines []string, depth int) {
	if kind := child(n, "kind"); kind != nil && kind.Value == "Secret" {
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
			e.maskSecrets(item, lines, depth+1)
		}
	}
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
