package splice

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// replace puts text in the place of the bytes [start, end) of the document.
func (e *editor) replace(start, end int, text string) {
	e.text = append(e.text[:start:start], append([]byte(text), e.text[end:]...)...)
}

// offset is the place of a node in bytes.
func (e *editor) offset(n *yaml.Node) (int, error) {
	at := 0
	for range n.Line - 1 {
		i := bytes.IndexByte(e.text[at:], '\n')
		if i < 0 {
			return 0, errors.New("a position behind the text")
		}
		at += i + 1
	}
	for range n.Column - 1 { // the parser counts characters
		if at >= len(e.text) {
			return 0, errors.New("a position behind the text")
		}
		_, size := utf8.DecodeRune(e.text[at:])
		at += size
	}
	return at, nil
}

// lineStart is where the line of a place begins, lineEnd where the next does.
func (e *editor) lineStart(at int) int { return bytes.LastIndexByte(e.text[:at], '\n') + 1 }

func (e *editor) lineEnd(at int) int {
	if i := bytes.IndexByte(e.text[at:], '\n'); i >= 0 {
		return at + i + 1
	}
	return len(e.text)
}

// set gives the key at the end of a path a value.
func (e *editor) set(p path, v any) error {
	parent, err := e.at(p[:len(p)-1])
	if err != nil {
		return err
	}
	key := p[len(p)-1].(string)
	k, old := pair(parent, key)
	if old == nil {
		return e.insert(parent, key, v)
	}
	flow, err := flowText(v)
	if err != nil {
		return err
	}
	start, err := e.offset(old)
	if err != nil {
		return err
	}
	switch {
	case old.Kind == yaml.ScalarNode && old.Tag == "!!null" && old.Value == "":
		after, err := e.afterColon(k)
		if err != nil {
			return err
		}
		e.replace(after, after, " "+flow)
	case old.Kind == yaml.ScalarNode || old.Style&yaml.FlowStyle != 0:
		end, err := e.tokenEnd(old, start)
		if err != nil {
			return err
		}
		e.replace(start, end, flow)
	default: // a block below the key
		after, err := e.afterColon(k)
		if err != nil {
			return err
		}
		end, err := e.blockEnd(k, old)
		if err != nil {
			return err
		}
		e.replace(after, end, " "+flow+e.newline())
	}
	return nil
}

// flowText renders a value on one line.
func flowText(v any) (string, error) {
	var n yaml.Node
	if err := n.Encode(v); err != nil {
		return "", fmt.Errorf("writing %v as YAML: %w", v, err)
	}
	if n.Kind != yaml.ScalarNode {
		n.Style = yaml.FlowStyle
	}
	out, err := yaml.Marshal(&n)
	if err != nil {
		return "", fmt.Errorf("writing %v as YAML: %w", v, err)
	}
	text := strings.TrimRight(string(out), "\n")
	if strings.Contains(text, "\n") {
		return "", errors.New("a value of several lines is not written")
	}
	return text, nil
}

// newline is how lines of the document end.
func (e *editor) newline() string {
	if bytes.Contains(e.text, []byte("\r\n")) {
		return "\r\n"
	}
	return "\n"
}

// afterColon is the place behind the colon of a key.
func (e *editor) afterColon(key *yaml.Node) (int, error) {
	start, err := e.offset(key)
	if err != nil {
		return 0, err
	}
	end, err := e.tokenEnd(key, start)
	if err != nil {
		return 0, err
	}
	for end < len(e.text) && e.text[end] == ' ' {
		end++
	}
	if end >= len(e.text) || e.text[end] != ':' {
		return 0, fmt.Errorf("line %d: a key without its colon is not edited", key.Line)
	}
	return end + 1, nil
}

// tokenEnd is where a scalar of one line, or a node in flow style, ends.
func (e *editor) tokenEnd(n *yaml.Node, start int) (int, error) {
	rest := e.text[start:]
	switch {
	case n.Kind != yaml.ScalarNode:
		return e.flowEnd(start)
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && len(rest) > 0 && (rest[0] == '"' || rest[0] == '\''):
		return quoteEnd(e.text, start)
	case n.Style == 0 && n.Value != "" && bytes.HasPrefix(rest, []byte(n.Value)):
		return start + len(n.Value), nil
	}
	return 0, fmt.Errorf("line %d: a value of several lines, or with an anchor or a tag, is not edited", n.Line)
}

// quoteEnd is where the quoted scalar that begins at a place ends.
func quoteEnd(text []byte, start int) (int, error) {
	quote := text[start]
	for i := start + 1; i < len(text); i++ {
		switch {
		case quote == '"' && text[i] == '\\':
			i++
		case text[i] == quote && quote == '\'' && i+1 < len(text) && text[i+1] == quote:
			i++
		case text[i] == quote:
			return i + 1, nil
		}
	}
	return 0, errors.New("a quote that doesn't end")
}

// flowEnd is where the collection in flow style that begins at a place ends.
func (e *editor) flowEnd(start int) (int, error) {
	depth := 0
	for i := start; i < len(e.text); i++ {
		switch c := e.text[i]; c {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return i + 1, nil
			}
		case '"', '\'':
			if strings.IndexByte(" \t\n[{,:", e.text[max(i-1, 0)]) < 0 {
				continue // an apostrophe inside a word
			}
			end, err := quoteEnd(e.text, i)
			if err != nil {
				return 0, err
			}
			i = end - 1
		case '#':
			if strings.IndexByte(" \t\n", e.text[max(i-1, 0)]) >= 0 {
				i = e.lineEnd(i) - 1
			}
		}
		if depth == 0 {
			break
		}
	}
	return 0, errors.New("a collection in flow style that is not edited")
}

// blockEnd is where the entry of a key in block style ends: behind its last
// line that holds more than a comment.
func (e *editor) blockEnd(key, value *yaml.Node) (int, error) {
	at, err := e.offset(key)
	if err != nil {
		return 0, err
	}
	// The dashes of a list may stand below the key itself.
	dashes := value.Kind == yaml.SequenceNode && value.Style&yaml.FlowStyle == 0
	return e.linesEnd(at, key.Column-1, dashes), nil
}

// linesEnd is the end of the lines that belong to what begins at a place and
// is indented by so many characters.
func (e *editor) linesEnd(at, indent int, dashes bool) int {
	end := e.lineEnd(at)
	for next := end; next < len(e.text); {
		row := e.text[next:e.lineEnd(next)]
		next += len(row)
		trimmed := bytes.TrimSpace(row)
		if len(trimmed) == 0 || trimmed[0] == '#' {
			continue
		}
		depth := len(row) - len(bytes.TrimLeft(row, " "))
		if depth < indent || depth == indent && !(dashes && (bytes.HasPrefix(trimmed, []byte("- ")) || string(trimmed) == "-")) {
			break
		}
		end = next
	}
	return end
}

// insert adds a key to a mapping: on a line of its own in block style, a
// scalar before the first key and anything else behind the last.
func (e *editor) insert(m *yaml.Node, key string, v any) error {
	if m.Style&yaml.FlowStyle != 0 || len(m.Content) == 0 {
		return e.insertFlow(m, key, v)
	}
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := errors.Join(enc.Encode(map[string]any{key: v}), enc.Close()); err != nil {
		return fmt.Errorf("writing %s as YAML: %w", key, err)
	}
	first, last := m.Content[0], m.Content[len(m.Content)-2]
	at, err := e.offset(first)
	if err != nil {
		return err
	}
	indent := string(e.text[e.lineStart(at):at])
	ownLine := strings.Trim(indent, " ") == ""
	var lines strings.Builder
	for line := range strings.Lines(out.String()) {
		lines.WriteString(strings.Repeat(" ", m.Column-1) + strings.TrimRight(line, "\n") + e.newline())
	}
	place := e.lineStart(at)
	if isCollection(v) || !ownLine {
		if place, err = e.blockEnd(last, m.Content[len(m.Content)-1]); err != nil {
			return err
		}
		if place > 0 && e.text[place-1] != '\n' {
			e.replace(place, place, e.newline())
			place = len(e.text)
		}
	}
	e.replace(place, place, lines.String())
	return nil
}

func isCollection(v any) bool {
	switch v.(type) {
	case map[string]any, []any:
		return true
	}
	return false
}

func (e *editor) insertFlow(m *yaml.Node, key string, v any) error {
	start, err := e.offset(m)
	if err != nil {
		return err
	}
	end, err := e.flowEnd(start)
	if err != nil {
		return err
	}
	flow, err := flowText(map[string]any{key: v})
	if err != nil {
		return err
	}
	flow = strings.TrimSuffix(strings.TrimPrefix(flow, "{"), "}")
	if len(m.Content) > 0 {
		flow = ", " + flow
	}
	place := end - 1
	for place > 0 && strings.IndexByte(" \t\r\n", e.text[place-1]) >= 0 {
		place--
	}
	if e.text[place-1] == ',' { // a comma behind the last
		flow = strings.TrimPrefix(flow, ",")
	}
	e.replace(place, place, flow)
	return nil
}
