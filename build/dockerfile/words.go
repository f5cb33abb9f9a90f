package dockerfile

import (
	"strings"

	"mvdan.cc/sh/v3/syntax"

	"github.com/scantling/scantling/model"
)

// fields collects the words that one shell word expands to.
type fields struct {
	done  []Text
	value strings.Builder
	why   string
	open  bool // a field was begun
	inner []int
}

func (f *fields) add(s string) {
	f.value.WriteString(s)
	f.open = true
}

func (f *fields) unknown(raw, why string) {
	f.add(raw)
	if f.why == "" {
		f.why = why
	}
}

func (f *fields) end() {
	if f.open {
		f.done = append(f.done, Text{Value: f.value.String(), Known: f.why == "", Why: f.why})
	}
	f.value.Reset()
	f.why, f.open = "", false
}

// split adds an unquoted value, which the shell splits at blanks.
func (f *fields) split(s string) {
	for len(s) > 0 {
		i := strings.IndexAny(s, " \t\n")
		if i < 0 {
			f.add(s)
			return
		}
		if i > 0 {
			f.add(s[:i])
		}
		f.end()
		s = strings.TrimLeft(s[i:], " \t\n")
	}
}

// word expands a word of a command into its fields, and returns the commands
// of its substitutions.
func (w *walker) word(word *syntax.Word) ([]Text, []int) {
	if word == nil {
		return nil, nil
	}
	f := &fields{}
	for _, part := range word.Parts {
		w.part(f, part, false, false)
	}
	f.end()
	raw := w.raw(word)
	for i := range f.done {
		f.done[i].Raw = raw
	}
	return f.done, f.inner
}

// quoted expands a word that isn't split: a value or a target.
func (w *walker) quoted(word *syntax.Word) (Text, []int) {
	f := &fields{open: true}
	for _, part := range word.Parts {
		w.part(f, part, true, false)
	}
	return Text{Value: f.value.String(), Known: f.why == "", Why: f.why, Raw: w.raw(word)}, f.inner
}

// quotedQuietly is quoted without walking substitutions.
func (w *walker) quotedQuietly(word *syntax.Word) (Text, []int) {
	f := &fields{open: true}
	for _, part := range word.Parts {
		w.part(f, part, true, true)
	}
	return Text{Value: f.value.String(), Known: f.why == "", Why: f.why, Raw: w.raw(word)}, nil
}

// part expands one part of a word. whole means that values aren't split, quiet
// that substitutions aren't walked.
func (w *walker) part(f *fields, part syntax.WordPart, whole, quiet bool) {
	switch x := part.(type) {
	case *syntax.Lit:
		f.add(unescape(x.Value))
	case *syntax.SglQuoted:
		f.add(x.Value)
	case *syntax.DblQuoted:
		f.open = true
		for _, inner := range x.Parts {
			if lit, ok := inner.(*syntax.Lit); ok {
				f.add(unescapeQuoted(lit.Value))
				continue
			}
			w.part(f, inner, true, quiet)
		}
	case *syntax.ParamExp:
		w.param(f, x, whole)
	case *syntax.CmdSubst:
		if len(x.Stmts) == 0 {
			return // `# a comment`
		}
		if !quiet && !w.quiet {
			f.inner = append(f.inner, w.stmts(x.Stmts, nil)...)
		}
		f.unknown(w.raw(x), "it is the output of a command")
	case *syntax.ProcSubst:
		if !quiet && !w.quiet {
			f.inner = append(f.inner, w.stmts(x.Stmts, nil)...)
		}
		f.unknown(w.raw(x), "it is the output of a command")
	case *syntax.ArithmExp:
		f.unknown(w.raw(x), "it is computed")
	default:
		f.add(w.raw(x))
	}
}

// param expands $name and ${name…} with what is known of the environment.
func (w *walker) param(f *fields, x *syntax.ParamExp, whole bool) {
	raw := w.raw(x)
	name := ""
	if x.Param != nil {
		name = x.Param.Value
	}
	if !syntax.ValidName(name) || x.Excl || x.Length || x.Index != nil || x.Slice != nil || x.Names != 0 {
		f.unknown(raw, "it depends on the running shell")
		return
	}
	t := w.p.expand.word(raw, w.env)
	switch {
	case !t.Known:
		f.unknown(raw, t.Why)
	case whole:
		f.add(t.Value)
	default:
		f.split(t.Value)
	}
}

// unescape removes the backslashes of unquoted text.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// unescapeQuoted removes the backslashes that mean something in double quotes.
func unescapeQuoted(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) && strings.IndexByte("$`\"\\\n", s[i+1]) >= 0 {
			i++
			if s[i] == '\n' {
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// raw is the text of a node as written.
func (w *walker) raw(n syntax.Node) string {
	from, to := int(n.Pos().Offset()), int(n.End().Offset())
	if from > to || to > len(w.src.text) {
		return ""
	}
	return w.src.text[from:to]
}

// pos is the place of a node in the file.
func (w *walker) pos(n syntax.Node) model.Position {
	from, to := int(n.Pos().Offset()), int(n.End().Offset())
	to = min(to, len(w.src.text))
	return w.p.span(w.src, min(from, to), to)
}
