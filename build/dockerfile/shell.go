package dockerfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"mvdan.cc/sh/v3/syntax"
)

// walker turns the syntax tree of one script into commands.
type walker struct {
	p      *reader
	run    *Run
	src    source
	env    *scope
	parent int
	depth  int        // of scripts within scripts
	maybe  int        // conditions around the statement in hand
	redirs []Redirect // of the groups around it
	quiet  bool       // substitutions were walked already
}

// shellText reads a script into r.Commands.
func (p *reader) shellText(r *Run, text source, s *scope) {
	w := &walker{p: p, run: r, src: text, env: s.clone(), parent: -1}
	w.read()
}

// read parses and walks the script of w.
func (w *walker) read() {
	if why := w.tooMuch(); why != "" {
		w.unread(why)
		return
	}
	w.p.scripts += len(w.src.text)
	shell := syntax.NewParser(syntax.Variant(syntax.LangBash))
	for stmt, err := range shell.StmtsSeq(strings.NewReader(w.src.text)) {
		if err != nil {
			w.unread(w.syntaxError(err))
			return
		}
		w.stmt(stmt, nil)
	}
}

func (w *walker) unread(why string) {
	if w.run.Unread == "" {
		w.run.Unread = oneLine(why)
	}
}

// tooMuch says why a script isn't parsed at all.
func (w *walker) tooMuch() string {
	switch {
	case len(w.src.text) > maxScript:
		return fmt.Sprintf("the command is longer than %d bytes", maxScript)
	case w.p.scripts+len(w.src.text) > maxScripts:
		return fmt.Sprintf("the commands of the file are longer than %d bytes", maxScripts)
	case nesting(w.src.text) > maxNesting:
		return fmt.Sprintf("the command nests more than %d brackets", maxNesting)
	}
	return ""
}

// nesting is an upper bound of how deep brackets nest.
func nesting(text string) int {
	depth, deepest := 0, 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '(', '{', '[', '`':
			depth++
			deepest = max(deepest, depth)
		case ')', '}', ']':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}

// syntaxError says where and why a script isn't one, without quoting it.
func (w *walker) syntaxError(err error) string {
	var parse syntax.ParseError
	var quote syntax.QuoteError
	var lang syntax.LangError
	switch {
	case errors.As(err, &parse):
		line, _ := w.src.at(int(parse.Pos.Offset()))
		return fmt.Sprintf("not shell syntax at line %d: %s", line, parse.Text)
	case errors.As(err, &lang):
		line, _ := w.src.at(int(lang.Pos.Offset()))
		return fmt.Sprintf("not shell syntax at line %d", line)
	case errors.As(err, &quote):
		return "not shell syntax: " + quote.Message
	}
	return "not shell syntax"
}

// stmts walks a list and returns the commands that write to its output.
func (w *walker) stmts(list []*syntax.Stmt, stdin []int) []int {
	var out []int
	for _, s := range list {
		out = append(out, w.stmt(s, stdin)...)
	}
	return out
}

// under walks a list that runs only under a condition.
func (w *walker) under(list []*syntax.Stmt, stdin []int) []int {
	w.maybe++
	defer func() { w.maybe-- }()
	return w.stmts(list, stdin)
}

// stmt walks one statement. stdin are the commands that write into its input.
func (w *walker) stmt(s *syntax.Stmt, stdin []int) []int {
	if s == nil || s.Cmd == nil {
		return nil
	}
	switch c := s.Cmd.(type) {
	case *syntax.CallExpr:
		return w.call(c, s, stdin)
	case *syntax.DeclClause:
		return w.declare(c, s)
	case *syntax.BinaryCmd:
		return w.binary(c, stdin)
	}
	before := len(w.redirs)
	for _, r := range s.Redirs {
		w.redirs = append(w.redirs, w.redirect(r))
	}
	out := w.compound(s.Cmd, stdin)
	w.redirs = w.redirs[:before]
	return out
}

func (w *walker) binary(c *syntax.BinaryCmd, stdin []int) []int {
	first := w.stmt(c.X, stdin)
	switch c.Op {
	case syntax.Pipe, syntax.PipeAll:
		return w.stmt(c.Y, first)
	case syntax.OrStmt:
		w.maybe++
		second := w.stmt(c.Y, stdin)
		w.maybe--
		w.ignore(c.X, first, second)
		return append(first, second...)
	}
	return append(first, w.stmt(c.Y, stdin)...)
}

// ignore marks a command whose failure is answered by something that doesn't
// give up. In a && b || c only a chain's own commands could tell, so chains
// are left alone.
func (w *walker) ignore(left *syntax.Stmt, first, second []int) {
	if chain, ok := left.Cmd.(*syntax.BinaryCmd); ok && chain.Op != syntax.Pipe && chain.Op != syntax.PipeAll {
		return
	}
	for _, id := range second {
		switch w.run.Commands[id].Name.Value {
		case "exit", "return", "false", "kill", "die", "abort":
			return
		}
	}
	if len(first) > 0 {
		w.run.Commands[first[len(first)-1]].Ignored = true
	}
}

// compound walks everything that holds other statements.
func (w *walker) compound(cmd syntax.Command, stdin []int) []int {
	switch c := cmd.(type) {
	case *syntax.Block:
		return w.stmts(c.Stmts, stdin)
	case *syntax.Subshell:
		outer := w.env
		w.env = outer.clone()
		defer func() { w.env = outer }()
		return w.stmts(c.Stmts, stdin)
	case *syntax.IfClause:
		var out []int
		for at := c; at != nil; at = at.Else {
			out = append(out, w.stmts(at.Cond, stdin)...)
			out = append(out, w.under(at.Then, stdin)...)
		}
		return out
	case *syntax.WhileClause:
		return append(w.stmts(c.Cond, stdin), w.under(c.Do, stdin)...)
	case *syntax.ForClause:
		return w.loop(c, stdin)
	case *syntax.CaseClause:
		var out []int
		for _, item := range c.Items {
			out = append(out, w.under(item.Stmts, stdin)...)
		}
		return out
	case *syntax.FuncDecl:
		if c.Body != nil {
			return w.under([]*syntax.Stmt{c.Body}, stdin)
		}
	case *syntax.TimeClause:
		return w.stmt(c.Stmt, stdin)
	case *syntax.CoprocClause:
		return w.stmt(c.Stmt, stdin)
	case *syntax.TestClause:
		return w.keep(Command{
			Name: Literal("[["), Inner: w.within(cmd), Parent: w.parent, Maybe: w.maybe > 0, Position: w.pos(cmd),
		})
	default:
		return w.within(cmd)
	}
	return nil
}

// loop walks a for loop. Its variable is unknown, except that its words hold
// whatever substitutions hold.
func (w *walker) loop(c *syntax.ForClause, stdin []int) []int {
	iter, ok := c.Loop.(*syntax.WordIter)
	if !ok {
		return w.under(c.Do, stdin)
	}
	for _, item := range iter.Items {
		w.word(item)
	}
	if iter.Name != nil {
		w.env.set(iter.Name.Value, Text{Why: iter.Name.Value + " is the variable of a loop"})
	}
	if len(iter.Items) == 0 {
		return w.under(c.Do, stdin)
	}
	return w.stmts(c.Do, stdin)
}

// within walks only the substitutions of a node such as [[ … ]].
func (w *walker) within(n syntax.Node) []int {
	var out []int
	syntax.Walk(n, func(n syntax.Node) bool {
		if sub, ok := n.(*syntax.CmdSubst); ok {
			out = append(out, w.stmts(sub.Stmts, nil)...)
			return false
		}
		return true
	})
	return out
}

// declare walks export, declare, local and readonly.
func (w *walker) declare(c *syntax.DeclClause, s *syntax.Stmt) []int {
	cmd := Command{Name: Literal(c.Variant.Value), Parent: w.parent, Maybe: w.maybe > 0, Position: w.pos(s)}
	var inner []int
	for _, a := range c.Args {
		switch {
		case a.Naked && a.Value != nil:
			texts, ids := w.word(a.Value)
			cmd.Args = append(cmd.Args, texts...)
			inner = append(inner, ids...)
		case a.Naked && a.Name != nil:
			cmd.Args = append(cmd.Args, Literal(a.Name.Value))
		case a.Name != nil:
			v, ids := w.assign(a)
			inner = append(inner, ids...)
			cmd.Assigns = append(cmd.Assigns, v)
			w.bind(v)
		}
	}
	cmd.Inner = inner
	return w.keep(cmd)
}

// call walks a simple command.
func (w *walker) call(c *syntax.CallExpr, s *syntax.Stmt, stdin []int) []int {
	cmd := Command{Name: Literal(""), Stdin: stdin, Parent: w.parent, Maybe: w.maybe > 0, Position: w.pos(s)}
	var inner []int
	for _, a := range c.Assigns {
		v, ids := w.assign(a)
		inner = append(inner, ids...)
		cmd.Assigns = append(cmd.Assigns, v)
		if len(c.Args) == 0 {
			w.bind(v)
		}
	}
	var words []Text
	for _, word := range c.Args {
		texts, ids := w.word(word)
		inner = append(inner, ids...)
		words = append(words, texts...)
	}
	if len(words) > 0 {
		cmd.Name, cmd.Args = words[0], words[1:]
	} else if len(c.Args) > 0 {
		cmd.Name = Text{Why: "the command word expands to nothing"}
	}
	for _, r := range s.Redirs {
		redir := w.redirect(r)
		cmd.Redirs = append(cmd.Redirs, redir)
		inner = append(inner, w.within(r.Word)...)
	}
	cmd.Redirs = append(cmd.Redirs, w.redirs...)
	cmd.Inner = inner
	ids := w.keep(cmd)
	if len(ids) > 0 {
		w.nestedIn(ids[0], c, s)
	}
	return ids
}

// keep records a command and returns its index, none where there is no room.
func (w *walker) keep(c Command) []int {
	if len(w.run.Commands) >= MaxCommands || w.p.commands >= maxFileCommands {
		w.unread("has too many commands to follow")
		return nil
	}
	w.p.commands++
	w.run.Commands = append(w.run.Commands, c)
	return []int{len(w.run.Commands) - 1}
}

// assign evaluates NAME=VALUE.
func (w *walker) assign(a *syntax.Assign) (Variable, []int) {
	v := Variable{Name: a.Name.Value, Position: w.pos(a)}
	switch {
	case a.Append || a.Index != nil || a.Array != nil:
		v.Text = Text{Why: v.Name + " is put together by the script"}
		return v, w.within(a)
	case a.Value == nil:
		v.Text = Literal("")
		return v, nil
	}
	text, ids := w.quoted(a.Value)
	v.Text = text
	return v, ids
}

// bind gives a variable its value for the rest of the script.
func (w *walker) bind(v Variable) {
	if w.maybe > 0 {
		v.Text = Text{Why: v.Name + " is set under a condition"}
	}
	w.env.set(v.Name, v.Text)
}

func (w *walker) redirect(r *syntax.Redirect) Redirect {
	out := Redirect{Op: r.Op.String()}
	if r.N != nil {
		out.Op = r.N.Value + out.Op
	}
	if r.Hdoc != nil {
		text, _ := w.quotedQuietly(r.Hdoc)
		out.Doc = text.Value
	}
	if r.Word != nil {
		out.Target, _ = w.quotedQuietly(r.Word)
	}
	return out
}

// nestedIn looks for a script inside the words or the heredoc of a command.
// The places of single-quoted words and plain heredocs are exact.
func (w *walker) nestedIn(id int, c *syntax.CallExpr, s *syntax.Stmt) {
	exact := map[string]source{}
	for _, word := range c.Args {
		if len(word.Parts) == 1 {
			if q, ok := word.Parts[0].(*syntax.SglQuoted); ok && !q.Dollar {
				from, to := int(q.Left.Offset())+1, int(q.Right.Offset())
				if from <= to && to <= len(w.src.text) {
					exact[q.Value] = w.src.cut(from, to)
				}
			}
		}
	}
	for _, r := range s.Redirs {
		if r.Hdoc != nil {
			from, to := int(r.Hdoc.Pos().Offset()), int(r.Hdoc.End().Offset())
			if from <= to && to <= len(w.src.text) {
				src := w.src.cut(from, to)
				exact[src.text] = src
			}
		}
	}
	w.nestedAt(id, exact)
}

// nestedAt walks the script that a command hands to a shell; exact holds the
// places of texts that stand in the file as they are.
func (w *walker) nestedAt(id int, exact map[string]source) {
	script, ok := w.run.Commands[id].script()
	text := script.Value
	if !ok || strings.TrimSpace(text) == "" {
		return
	}
	if w.depth+1 > maxScriptDepth {
		w.unread("has scripts within scripts")
		return
	}
	src, ok := exact[text]
	if !ok {
		at := w.run.Commands[id].Position
		src = placed(text, at.Line, at.Column)
	}
	inner := &walker{p: w.p, run: w.run, src: src, env: w.env.clone(), parent: id, depth: w.depth + 1, maybe: w.maybe}
	inner.quiet = !script.Known // what is substituted outside was walked there
	inner.read()
}

// script returns the text that a command hands to a shell: of -c, eval, or a
// heredoc.
func (c Command) script() (Text, bool) {
	name, args := c.Program()
	if !name.Known {
		return Text{}, false
	}
	switch name.Value {
	case "eval":
		all := Text{Known: true}
		words := make([]string, 0, len(args))
		for _, a := range args {
			words = append(words, a.Value)
			all.Known = all.Known && a.Known
		}
		all.Value = strings.Join(words, " ")
		return all, len(args) > 0
	case "su", "runuser":
		return afterFlag(args, func(a string) bool { return a == "-c" || a == "--command" })
	case "sh", "bash", "ash", "dash", "ksh", "zsh":
		if text, ok := afterFlag(args, isDashC); ok {
			return text, true
		}
		if slices.ContainsFunc(args, func(a Text) bool { return !strings.HasPrefix(a.Value, "-") }) {
			return Text{}, false
		}
		for _, r := range c.Redirs {
			if r.Doc != "" {
				return Literal(r.Doc), true
			}
		}
	}
	return Text{}, false
}

func isDashC(a string) bool {
	return strings.HasPrefix(a, "-") && !strings.HasPrefix(a, "--") && strings.HasSuffix(a, "c")
}

func afterFlag(args []Text, is func(string) bool) (Text, bool) {
	for i, a := range args[:max(len(args)-1, 0)] {
		if is(a.Value) {
			return args[i+1], true
		}
	}
	return Text{}, false
}
