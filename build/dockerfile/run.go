package dockerfile

import (
	"path"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

// run reads a RUN instruction.
func (p *reader) run(in *Instruction, c *instructions.RunCommand, s *scope, src source) {
	p.commandLine(in, c.CmdLine, c.PrependShell, s, src)
	if in.Run == nil {
		return
	}
	p.expandMounts(in, c, s)
	for _, m := range instructions.GetMounts(c) {
		mount := Mount{Type: string(m.Type), From: m.From, Stage: p.stageNamed(m.From, false), Target: m.Target, ID: m.CacheID}
		in.Run.Mounts = append(in.Run.Mounts, mount)
	}
	if n := instructions.GetNetwork(c); n != instructions.NetworkDefault {
		in.Run.Network = n
	}
	if s := instructions.GetSecurity(c); s != instructions.SecuritySandbox {
		in.Run.Security = s
	}
}

// expandMounts reads what BuildKit leaves for later: everything in a --mount
// but from. Where that fails although all of it is known, so will the build.
func (p *reader) expandMounts(in *Instruction, c *instructions.RunCommand, s *scope) {
	known := true
	err := c.Expand(func(word string) (string, error) {
		t := p.text(in.Position, word, s)
		known = known && t.Known
		return t.Value, nil
	})
	if err != nil && known {
		p.file.problem(in.Position.Line, in.Position.EndLine, reason(err))
	}
}

// health reads a HEALTHCHECK. BuildKit has already taken the command apart,
// and a check's place inside it doesn't matter.
func (p *reader) health(in *Instruction, c *instructions.HealthCheckCommand, s *scope, src source) {
	if c.Health == nil || len(c.Health.Test) == 0 {
		return
	}
	for _, w := range c.Health.Test {
		in.Words = append(in.Words, Literal(w))
	}
	if len(c.Health.Test) > 1 {
		p.commandLine(in, c.Health.Test[1:], c.Health.Test[0] == "CMD-SHELL", s, src)
	}
}

// commandLine reads what follows RUN, CMD or ENTRYPOINT.
func (p *reader) commandLine(in *Instruction, line []string, shellForm bool, s *scope, src source) {
	r := &Run{Exec: !shellForm}
	in.Run = r
	if !shellForm {
		p.execForm(in, line, src)
		return
	}
	r.Shell = p.shell
	if len(line) == 0 || len(line) == 1 && strings.TrimSpace(line[0]) == "" {
		return
	}
	text := p.script(in, strings.Join(line, " "), src)
	if why := unfitShell(r.Shell); why != "" {
		r.Unread = why
		return
	}
	if first, _, _ := strings.Cut(text.text, "\n"); strings.HasPrefix(first, "#!") {
		if why := unfitShell(shebang(first)); why != "" {
			r.Unread = why
			return
		}
	}
	p.shellText(r, text, s)
}

// script puts the text of a shell form together as BuildKit does
// (dispatchRun): a single heredoc is the script, others follow the command.
func (p *reader) script(in *Instruction, line string, src source) source {
	text := placed(line, in.Position.Line, in.Position.Column)
	text.docs = src.docs
	if trimmed := strings.TrimRight(src.text, " \t\r\n\v\f"); strings.HasSuffix(trimmed, line) {
		text = src.cut(len(trimmed)-len(line), len(trimmed))
	}
	if len(in.Heredocs) == 0 || in.Kind != "RUN" {
		return text
	}
	n := &parser.Node{EndLine: in.Position.EndLine}
	for _, h := range in.Heredocs {
		n.Heredocs = append(n.Heredocs, parser.Heredoc{Name: h.Name, Content: h.Content})
	}
	if doc := parser.MustParseHeredoc(line); doc != nil {
		n.Heredocs[0].Chomp = doc.Chomp
		return p.document(n, text, 0)
	}
	for i := range n.Heredocs {
		end := src.docs
		for _, h := range n.Heredocs[:i+1] {
			end += strings.Count(h.Content, "\n") + 1
		}
		body := p.document(n, text, i)
		text = text.join(placed("\n", in.Position.Line, 1)).join(body).join(placed(n.Heredocs[i].Name, min(end-1, in.Position.EndLine), 1))
	}
	return text
}

// execForm reads ["program", "argument"]. A shell with -c is looked into.
func (p *reader) execForm(in *Instruction, line []string, src source) {
	if len(line) == 0 {
		return
	}
	c := Command{Name: Literal(line[0]), Parent: -1, Position: in.Position}
	for _, w := range line[1:] {
		c.Args = append(c.Args, Literal(w))
	}
	if in.Words == nil {
		for _, w := range line {
			in.Words = append(in.Words, Literal(w))
		}
	}
	in.Run.Commands = append(in.Run.Commands, c)
	p.commands++
	w := &walker{p: p, run: in.Run, src: placed("", in.Position.Line, in.Position.Column), env: newScope("is set by the container")}
	w.nestedAt(0, nil)
}

// unfitShell says why text for a shell can't be read; empty means that it can.
func unfitShell(shell []string) string {
	if len(shell) == 0 {
		return ""
	}
	switch base := program(shell[0]); base {
	case "sh", "bash", "ash", "dash", "ksh", "mksh", "busybox", "zsh":
		return ""
	case "env":
		if len(shell) > 1 {
			return unfitShell(shell[1:])
		}
	case "powershell", "pwsh", "cmd":
		return "the shell is " + base + ", which is not read"
	default:
		if isShellWrapper(shell) {
			return ""
		}
		return "the shell is " + oneLine(base) + ", which is not read"
	}
	return ""
}

// isShellWrapper reports whether a SHELL starts another shell, as
// ["conda", "run", "-n", "env", "/bin/bash", "-c"] does.
func isShellWrapper(shell []string) bool {
	for _, w := range shell[1:] {
		switch program(w) {
		case "sh", "bash", "ash", "dash":
			return true
		}
	}
	return false
}

// program is the name of a program without folder and .exe.
func program(word string) string {
	if word == "" || word == "." {
		return word
	}
	return strings.TrimSuffix(strings.ToLower(path.Base(strings.ReplaceAll(word, `\`, "/"))), ".exe")
}

// shebang splits a #! line into words.
func shebang(line string) []string {
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	for len(words) > 1 && program(words[0]) == "env" && strings.HasPrefix(words[1], "-") {
		words = append(words[:1], words[2:]...)
	}
	return words
}
