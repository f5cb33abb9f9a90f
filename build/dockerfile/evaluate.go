package dockerfile

import (
	"fmt"
	"path"
	"sort"
	"strconv"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/parser"

	"github.com/scantling/scantling/model"
)

// globalArg evaluates an ARG before the first FROM (dockerfile2llb,
// buildMetaArgs).
func (p *reader) globalArg(cmd *instructions.ArgCommand, n *parser.Node) {
	for _, a := range cmd.Args {
		arg := Arg{Name: a.Key, Position: p.position(n.StartLine, n.EndLine)}
		if !p.room(arg.Position) {
			break
		}
		if a.Value != nil {
			arg.HasValue = true
			arg.Default = p.text(arg.Position, *a.Value, p.global)
		}
		given, ok := p.args[a.Key]
		switch {
		case ok:
			arg.Value = Literal(given)
		case arg.HasValue:
			arg.Value = arg.Default
		default:
			arg.Value = Text{Why: "ARG " + a.Key + " " + noDefault}
			if t, set := p.global.lookup(a.Key); set && (t.Known || builderArgs[a.Key] != "") {
				arg.Value = t
			}
		}
		p.global.set(a.Key, arg.Value)
		p.file.Args = append(p.file.Args, arg)
	}
}

// startStage evaluates FROM. parsed is nil where the line couldn't be read.
func (p *reader) startStage(n *parser.Node, parsed *instructions.Stage) bool {
	p.endStage()
	index := len(p.scopes)
	if index >= len(p.file.Stages) {
		p.file.problem(n.StartLine, n.EndLine, fmt.Sprintf("more than %d stages: the rest is not read", MaxStages))
		p.current = nil
		return false
	}
	s := p.file.Stages[index]
	p.current = s
	p.scopes = append(p.scopes, nil)
	p.shells = append(p.shells, nil)
	p.shell = defaultShell
	if parsed == nil {
		s.Base.Text = Text{Raw: s.Original, Why: "the FROM instruction cannot be read"}
	} else {
		s.Base.Text = p.text(s.Position, parsed.BaseName, p.global)
		s.Undeclared = p.expand.missing(parsed.BaseName+" "+parsed.Platform, p.global)
		if parsed.Platform != "" {
			s.Platform = p.text(s.Position, parsed.Platform, p.global)
		}
		p.resolveBase(s)
	}
	p.openStage(s)
	return true
}

var defaultShell = []string{"/bin/sh", "-c"}

// resolveBase says what the name of a base means: a stage above, the empty
// image or an image reference, in that order (dockerfile2llb, addState).
func (p *reader) resolveBase(s *Stage) {
	b := &s.Base
	if !b.Text.Known {
		p.file.Inputs = append(p.file.Inputs, p.imageInput("FROM", ImageInput, b.Text, s.Index, s.Position))
		return
	}
	if b.Text.Value == "" {
		b.Text.Known, b.Text.Why = false, "the name is blank without build arguments"
		p.file.Inputs = append(p.file.Inputs, p.imageInput("FROM", ImageInput, b.Text, s.Index, s.Position))
		return
	}
	for i := s.Index - 1; i >= 0; i-- {
		if p.file.Stages[i].Name != "" && p.file.Stages[i].Name == b.Text.Value {
			b.Stage = i
			return
		}
	}
	if b.Text.Value == "scratch" {
		b.Scratch = true
		return
	}
	in := p.imageInput("FROM", ImageInput, b.Text, s.Index, s.Position)
	b.Text, b.Ref = in.Text, in.Ref
	p.file.Inputs = append(p.file.Inputs, in)
}

// openStage gives the new stage the state of its base, and runs the triggers
// that a parent stage left for it.
func (p *reader) openStage(s *Stage) {
	switch {
	case s.Base.Stage >= 0:
		parent := p.file.Stages[s.Base.Stage]
		p.scope = p.scopes[parent.Index].clone()
		p.shell = p.shells[parent.Index]
		s.End = parent.End.clone()
		for _, in := range parent.Instructions {
			if in.Kind == "ONBUILD" && in.OnBuild != nil && !in.Trigger {
				p.trigger(in)
			}
		}
	case s.Base.Scratch:
		p.scope = newScope("")
		p.scope.set("PATH", Text{Why: "PATH is set by the builder"})
		s.End = State{User: Setting{Text: Literal("")}, Workdir: Setting{Text: Literal("/")}}
	default:
		p.scope = newScope("may be set by the base image")
		why := "the base image decides"
		s.End = State{User: Setting{Text: Text{Why: why}}, Workdir: Setting{Text: Text{Why: why}}}
	}
}

// trigger runs an ONBUILD instruction of the parent stage in the current one.
func (p *reader) trigger(in *Instruction) {
	if p.triggers++; p.triggers > MaxInstructions {
		return // a build would fail long before; what is left out only repeats
	}
	expr := strings.TrimSpace(in.OnBuild.Original)
	for _, doc := range in.OnBuild.Heredocs {
		expr += "\n" + doc.Content + doc.Name
	}
	result, err := parser.Parse(strings.NewReader(expr))
	if err != nil || len(result.AST.Children) != 1 {
		return // the ONBUILD itself was read from the same text
	}
	node := result.AST.Children[0]
	cmd, err := instructions.ParseCommand(node)
	if err != nil {
		return
	}
	node.StartLine, node.EndLine = in.Position.Line, in.Position.EndLine
	ran := p.instruction(cmd, node, p.scope)
	ran.Trigger = true
	p.add(ran)
}

// endStage closes the stage in hand.
func (p *reader) endStage() {
	if p.current == nil {
		return
	}
	s := p.current
	p.scopes[s.Index] = p.scope
	p.shells[s.Index] = p.shell
	sortVariables(s.End.Env)
	sortVariables(s.End.Labels)
	sort.Slice(s.End.Expose, func(i, j int) bool { return s.End.Expose[i].Value < s.End.Expose[j].Value })
	p.current = nil
}

func (s State) clone() State {
	s.Env = append([]Variable(nil), s.Env...)
	s.Labels = append([]Variable(nil), s.Labels...)
	s.Expose = append([]Text(nil), s.Expose...)
	return s
}

func sortVariables(vars []Variable) {
	sort.SliceStable(vars, func(i, j int) bool { return vars[i].Name < vars[j].Name })
}

// put sets or replaces a variable in a list of at most maxVariables.
func put(list []Variable, v Variable) []Variable {
	for i := range list {
		if list[i].Name == v.Name {
			list[i] = v
			return list
		}
	}
	if len(list) >= maxVariables {
		return list
	}
	return append(list, v)
}

// instruction reads and evaluates one instruction of a stage. Settings of
// ONBUILD are not applied: they belong to images built from this one.
func (p *reader) instruction(cmd instructions.Command, n *parser.Node, s *scope) *Instruction {
	in := &Instruction{
		Kind: strings.ToUpper(cmd.Name()), Original: strings.TrimSpace(n.Original),
		Position: p.position(n.StartLine, n.EndLine), Stage: p.current.Index,
	}
	for _, h := range n.Heredocs {
		in.Heredocs = append(in.Heredocs, Heredoc{Name: h.Name, Content: h.Content})
	}
	src := p.source(n)
	if c, ok := cmd.(*instructions.OnbuildCommand); ok {
		in.OnBuild = p.onBuild(c, n, s)
		return in
	}
	p.describe(in, cmd, s, src)
	if s.open == "" && in.Run == nil {
		in.Unset = p.expand.missing(n.Original, s)
	}
	p.apply(in, s)
	return in
}

// onBuild reads the instruction inside an ONBUILD without running it.
func (p *reader) onBuild(c *instructions.OnbuildCommand, n *parser.Node, s *scope) *Instruction {
	result, err := parser.Parse(strings.NewReader(c.Expression))
	if err != nil || len(result.AST.Children) != 1 {
		p.file.problem(n.StartLine, n.EndLine, "the instruction after ONBUILD cannot be read")
		return nil
	}
	node := result.AST.Children[0]
	inner, err := instructions.ParseCommand(node)
	if err != nil {
		p.file.problem(n.StartLine, n.EndLine, reason(err))
		return nil
	}
	in := &Instruction{
		Kind: strings.ToUpper(inner.Name()), Original: strings.TrimSpace(node.Original),
		Position: p.position(n.StartLine, n.EndLine), Stage: p.current.Index,
	}
	for _, h := range node.Heredocs {
		in.Heredocs = append(in.Heredocs, Heredoc{Name: h.Name, Content: h.Content})
	}
	p.describe(in, inner, s.clone(), p.source(n))
	return in
}

// describe fills the fields of an instruction's kind.
func (p *reader) describe(in *Instruction, cmd instructions.Command, s *scope, src source) {
	words := func(raw []string) []Text {
		var out []Text
		for _, r := range raw {
			out = append(out, p.text(in.Position, r, s))
		}
		return out
	}
	switch c := cmd.(type) {
	case *instructions.ArgCommand:
		p.stageArgs(in, c, s)
	case *instructions.EnvCommand:
		in.Pairs = p.pairs(c.Env, in, s)
	case *instructions.LabelCommand:
		in.Pairs = p.pairs(c.Labels, in, s)
	case *instructions.UserCommand:
		in.Value = p.text(in.Position, c.User, s)
	case *instructions.WorkdirCommand:
		in.Value = p.text(in.Position, c.Path, s)
	case *instructions.StopSignalCommand:
		in.Value = p.text(in.Position, c.Signal, s)
	case *instructions.MaintainerCommand:
		in.Value = Literal(c.Maintainer)
	case *instructions.ExposeCommand:
		in.Words = words(c.Ports)
	case *instructions.VolumeCommand:
		in.Words = words(c.Volumes)
	case *instructions.ShellCommand:
		for _, w := range c.Shell {
			in.Words = append(in.Words, Literal(w))
		}
	case *instructions.CopyCommand:
		in.Copy = &Copy{Sources: words(c.SourcePaths), Dest: p.text(in.Position, c.DestPath, s), From: c.From, Stage: p.stageNamed(c.From, true)}
		in.Copy.Chmod, in.Copy.Chown = p.option(in, c.Chmod, s), p.option(in, c.Chown, s)
	case *instructions.AddCommand:
		in.Copy = &Copy{Sources: words(c.SourcePaths), Dest: p.text(in.Position, c.DestPath, s), Stage: -1}
		in.Copy.Checksum = p.option(in, c.Checksum, s)
		in.Copy.Chmod, in.Copy.Chown = p.option(in, c.Chmod, s), p.option(in, c.Chown, s)
	case *instructions.RunCommand:
		p.run(in, c, s, src)
	case *instructions.CmdCommand:
		p.commandLine(in, c.CmdLine, c.PrependShell, s, src)
	case *instructions.EntrypointCommand:
		p.commandLine(in, c.CmdLine, c.PrependShell, s, src)
	case *instructions.HealthCheckCommand:
		p.health(in, c, s, src)
	}
	p.inputs(in)
}

// option expands the value of a flag; zero where it isn't given.
func (p *reader) option(in *Instruction, raw string, s *scope) Text {
	if raw == "" {
		return Text{}
	}
	return p.text(in.Position, raw, s)
}

// text expands a word of an instruction. What BuildKit couldn't expand either
// is a problem of the file.
func (p *reader) text(where model.Position, raw string, s *scope) Text {
	t := p.expand.word(raw, s)
	if strings.HasPrefix(t.Why, cannotExpand) {
		p.file.problem(where.Line, where.EndLine, "a word "+t.Why)
	}
	return t
}

// pairs expands names and values; all see the values from before the
// instruction.
func (p *reader) pairs(kvs instructions.KeyValuePairs, in *Instruction, s *scope) []Variable {
	var out []Variable
	for _, kv := range kvs {
		if !p.room(in.Position) {
			break
		}
		name := p.text(in.Position, kv.Key, s)
		out = append(out, Variable{Name: name.Value, Text: p.text(in.Position, kv.Value, s), Position: in.Position})
	}
	return out
}

// room counts names of variables and says, once, when there are too many.
func (p *reader) room(where model.Position) bool {
	p.pairsSeen++
	if p.pairsSeen == maxPairs+1 {
		p.file.problem(where.Line, where.EndLine, fmt.Sprintf("more than %d variables: the rest is not read", maxPairs))
	}
	return p.pairsSeen <= maxPairs
}

// stageArgs evaluates an ARG inside a stage and declares it at once, because
// later names of the same instruction see earlier ones (dispatchArg).
func (p *reader) stageArgs(in *Instruction, c *instructions.ArgCommand, s *scope) {
	for _, a := range c.Args {
		if !p.room(in.Position) {
			break
		}
		arg := Arg{Name: a.Key, Position: in.Position}
		if a.Value != nil {
			arg.HasValue = true
			arg.Default = p.text(in.Position, *a.Value, s)
		}
		given, ok := p.args[a.Key]
		global, isGlobal := p.global.vars[a.Key]
		before, wasSet := s.vars[a.Key]
		switch {
		case ok:
			arg.Value = Literal(given)
		case arg.HasValue:
			arg.Value = arg.Default
		case isGlobal && !unsetArg(p.global, a.Key):
			arg.Value = global
		case builderArgs[a.Key] != "":
			arg.Value = Text{Why: builderArgs[a.Key]}
		case wasSet:
			arg.Value = before
		default:
			arg.Value = Text{Why: "ARG " + a.Key + " " + noDefault}
		}
		s.set(a.Key, arg.Value)
		in.Args = append(in.Args, arg)
	}
}

// apply makes an instruction's effect on the stage.
func (p *reader) apply(in *Instruction, s *scope) {
	end := &p.current.End
	switch in.Kind {
	case "ENV":
		for _, v := range in.Pairs {
			s.set(v.Name, v.Text)
			end.Env = put(end.Env, v)
		}
	case "LABEL":
		for _, v := range in.Pairs {
			end.Labels = put(end.Labels, v)
		}
	case "USER":
		end.User = Setting{Text: in.Value, Position: in.Position}
	case "WORKDIR":
		end.Workdir = Setting{Text: workdir(end.Workdir.Text, in.Value), Position: in.Position}
	case "EXPOSE":
		room := max(maxVariables-len(end.Expose), 0)
		end.Expose = append(end.Expose, in.Words[:min(room, len(in.Words))]...)
	case "HEALTHCHECK":
		end.Healthcheck = in
	case "ENTRYPOINT":
		end.Entrypoint = in
	case "CMD":
		end.Cmd = in
	case "SHELL":
		p.shell = nil
		for _, w := range in.Words {
			p.shell = append(p.shell, w.Value)
		}
	}
}

// workdir joins a relative path to the folder before it.
func workdir(before, to Text) Text {
	if !to.Known || path.IsAbs(to.Value) || strings.Contains(to.Value, `\`) || strings.Contains(to.Value, ":") {
		return to
	}
	if !before.Known {
		return Text{Value: to.Value, Raw: to.Raw, Why: before.Why}
	}
	return Text{Value: path.Join(before.Value, to.Value), Known: true, Raw: to.Raw}
}

// stageNamed finds the stage that COPY --from or a mount names, by name
// anywhere in the file or, where allowed, by number. It returns -1 for none.
func (p *reader) stageNamed(name string, byNumber bool) int {
	if name == "" {
		return -1
	}
	if i, err := strconv.Atoi(name); err == nil && byNumber {
		if i >= 0 && i < len(p.file.Stages) {
			return i
		}
		return -1
	}
	for i := len(p.file.Stages) - 1; i >= 0; i-- {
		if s := p.file.Stages[i]; s.Name != "" && strings.EqualFold(s.Name, name) {
			return i
		}
	}
	return -1
}
