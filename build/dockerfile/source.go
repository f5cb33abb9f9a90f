package dockerfile

import (
	"sort"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/scantling/scantling/model"
)

// place is where one piece of a text stands in the file: text from offset Off
// on, up to the next place, starts at Line and Column.
type place struct {
	off, line, column int
	fixed             bool // the piece isn't a copy of the file: columns don't advance
}

// source is a text that was put together from lines of the file, with the way
// back.
type source struct {
	text   string
	places []place // by off, the first at 0
	docs   int     // line where the first heredoc starts
}

// at returns line and column of an offset.
func (s source) at(off int) (line, column int) {
	if len(s.places) == 0 {
		return 0, 0
	}
	i := sort.Search(len(s.places), func(i int) bool { return s.places[i].off > off }) - 1
	p := s.places[max(i, 0)]
	if p.fixed {
		return p.line, p.column
	}
	return p.line, p.column + off - p.off
}

// cut returns the part [from, to) with its places.
func (s source) cut(from, to int) source {
	out := source{text: s.text[from:to], docs: s.docs}
	line, column := s.at(from)
	i := sort.Search(len(s.places), func(i int) bool { return s.places[i].off > from })
	out.places = append(out.places, place{line: line, column: column, fixed: i > 0 && s.places[i-1].fixed})
	for ; i < len(s.places) && s.places[i].off < to; i++ {
		p := s.places[i]
		p.off -= from
		out.places = append(out.places, p)
	}
	return out
}

// join appends t to s.
func (s source) join(t source) source {
	out := source{text: s.text + t.text, places: append([]place(nil), s.places...), docs: s.docs}
	for _, p := range t.places {
		p.off += len(s.text)
		out.places = append(out.places, p)
	}
	return out
}

// placed is a text that is not a copy of the file, at one line of it.
func placed(text string, line, column int) source {
	return source{text: text, places: []place{{line: line, column: column, fixed: true}}}
}

// source finds the lines that BuildKit joined into node.Original: it drops
// comment lines and continuation characters, so offsets into the text don't
// count lines. Where the text can't be found again, all of it is placed on the
// first line.
func (p *reader) source(n *parser.Node) source {
	var b strings.Builder
	var places []place
	line := n.StartLine
	for ; line <= min(n.EndLine, len(p.lines)); line++ {
		text := p.lines[line-1]
		first := line == n.StartLine
		trimmed := strings.TrimLeft(text, " \t\v\f\u0085\u00A0\r")
		if !first && (strings.HasPrefix(trimmed, "#") || trimmed == "") {
			continue
		}
		column := 1
		if first {
			text = strings.TrimPrefix(text, "\uFEFF")
			column += len(text) - len(strings.TrimLeft(text, " \t\v\f"))
			text = strings.TrimLeft(text, " \t\v\f")
		}
		text, more := p.continued(text)
		places = append(places, place{off: b.Len(), line: line, column: column})
		b.WriteString(text)
		if !more {
			break
		}
	}
	if b.String() != n.Original {
		src := placed(n.Original, n.StartLine, 1)
		src.docs = n.EndLine
		return src
	}
	return source{text: n.Original, places: places, docs: line + 1}
}

// continued drops the continuation character at the end of a line, as
// BuildKit does: not where it is itself escaped.
func (p *reader) continued(text string) (string, bool) {
	trimmed := strings.TrimRight(text, " \t")
	escape := string(p.file.Escape)
	if !strings.HasSuffix(trimmed, escape) {
		return text, false
	}
	before := strings.TrimSuffix(trimmed, escape)
	if strings.HasSuffix(before, escape) {
		return text, false
	}
	return before, true
}

// document is the content of the i-th heredoc of an instruction, with the
// lines where it stands.
func (p *reader) document(n *parser.Node, src source, i int) source {
	line := src.docs
	for _, h := range n.Heredocs[:i] {
		line += strings.Count(h.Content, "\n") + 1
	}
	out := source{text: n.Heredocs[i].Content}
	if n.Heredocs[i].Chomp {
		out.text = parser.ChompHeredocContent(out.text)
	}
	off := 0
	for _, text := range strings.SplitAfter(out.text, "\n") {
		out.places = append(out.places, place{off: off, line: min(line, n.EndLine), column: 1})
		off += len(text)
		line++
	}
	return out
}

// span makes the Position of [from, to) in a text.
func (p *reader) span(src source, from, to int) model.Position {
	line, column := src.at(from)
	endLine, endColumn := src.at(max(to-1, from))
	lines := max(p.file.Lines, 1)
	line, endLine = min(max(line, 1), lines), min(max(endLine, line, 1), lines)
	return model.Position{File: p.file.Name, Line: line, Column: column, EndLine: endLine, EndColumn: endColumn + 1}
}
