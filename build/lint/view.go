package lint

import (
	"regexp"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// What rules may read. Texts that can't be known without building are
// unknown: a rule that needs one gets the verdict unknown with the reason.
//
//	file      name, syntax, stages (number)
//	policy    allowBases: patterns of the estate file, empty where none are set
//	each: final         final         the last stage, as a Stage
//	each: stages        stage         Stage: index, name, base (Image), platform, user, userSet, workdir, workdirSet,
//	                                  labels (map of known ones), expose, healthcheck, entrypoint, cmd
//	each: images        image         Image: via, name, registry, repository, tag, digest, pinned, allowed, scratch, stage
//	each: variables     variable      kind (ARG, ENV), name, hasValue, value, text (value with unknown parts as written)
//	each: instructions  instruction   name, text, args, stage, final, trigger
//	each: commands      command       name, args, text, stage, final, conditional
var (
	imageType = rule.Object("Image", map[string]rule.Type{
		"via": rule.String(), "name": rule.String(), "registry": rule.String(), "repository": rule.String(), "tag": rule.String(),
		"digest": rule.String(), "pinned": rule.Bool(), "allowed": rule.Bool(), "scratch": rule.Bool(), "stage": rule.Int(),
	})
	stageType = rule.Object("Stage", map[string]rule.Type{
		"index": rule.Int(), "name": rule.String(), "base": imageType, "platform": rule.String(),
		"user": rule.String(), "userSet": rule.Bool(), "workdir": rule.String(), "workdirSet": rule.Bool(),
		"labels": rule.Map(rule.String()), "expose": rule.List(rule.String()),
		"healthcheck": rule.Bool(), "entrypoint": rule.Bool(), "cmd": rule.Bool(),
	})
	variableType = rule.Object("Variable", map[string]rule.Type{
		"kind": rule.String(), "name": rule.String(), "value": rule.String(), "text": rule.String(), "hasValue": rule.Bool(),
	})
	instructionType = rule.Object("Instruction", map[string]rule.Type{
		"name": rule.String(), "text": rule.String(), "args": rule.List(rule.String()), "stage": rule.Int(), "final": rule.Bool(), "trigger": rule.Bool(),
	})
	commandType = rule.Object("Command", map[string]rule.Type{
		"name": rule.String(), "args": rule.List(rule.String()), "text": rule.String(), "stage": rule.Int(), "final": rule.Bool(), "conditional": rule.Bool(),
	})
	fileType   = rule.Object("File", map[string]rule.Type{"name": rule.String(), "syntax": rule.String(), "stages": rule.Int()})
	policyType = rule.Object("Policy", map[string]rule.Type{"allowBases": rule.List(rule.String())})
)

// environment declares the above.
func environment() rule.Env[*subject] {
	return rule.Env[*subject]{
		Stage: model.Build,
		Vars: map[string]rule.Var[*subject]{
			"file": {Type: fileType, Value: func(s *subject) any {
				return map[string]any{"name": s.file.Name, "syntax": s.file.Syntax, "stages": len(s.file.Stages)}
			}},
			"policy": {Type: policyType, Value: func(s *subject) any {
				return map[string]any{"allowBases": append([]string{}, s.cfg.AllowBases...)}
			}},
		},
		Scopes: map[string]rule.Scope[*subject]{
			"final":        {Var: "final", Type: stageType, List: finalStage},
			"stages":       {Var: "stage", Type: stageType, List: allStages},
			"images":       {Var: "image", Type: imageType, List: images},
			"variables":    {Var: "variable", Type: variableType, List: variables},
			"instructions": {Var: "instruction", Type: instructionType, List: instructions},
			"commands":     {Var: "command", Type: commandType, List: commands},
		},
		Position: func(s *subject) model.Position {
			return model.Position{File: s.file.Name, Line: min(1, s.file.Lines)}
		},
		Checks: map[string]rule.Check[*subject]{
			"unverified-download": unverifiedDownloads,
			"unpinned-package":    unpinnedPackages,
			"insecure-transport":  insecureTransport,
		},
	}
}

// value is a text for a rule: unknown stays unknown.
func value(t dockerfile.Text) any {
	if t.Known {
		return t.Value
	}
	why := t.Why
	if why == "" {
		why = "it cannot be known without building"
	}
	return rule.Unknown{Reason: why}
}

func values(texts []dockerfile.Text) []any {
	out := make([]any, 0, len(texts))
	for _, t := range texts {
		out = append(out, value(t))
	}
	return out
}

// finalStage gives the stage that a build produces. It is placed where its
// user is set, which is what rules about it ask for first, else at its FROM.
func finalStage(s *subject) []rule.Element {
	final := s.file.Final()
	if final == nil {
		return nil
	}
	e := stageElement(s, final)
	if final.End.User.Set() {
		e.Position = final.End.User.Position
	}
	e.Cause = "final stage"
	return []rule.Element{e}
}

func allStages(s *subject) []rule.Element {
	var out []rule.Element
	for _, st := range s.file.Stages {
		out = append(out, stageElement(s, st))
	}
	return out
}

func stageElement(s *subject, st *dockerfile.Stage) rule.Element {
	end := st.End
	labels := map[string]any{}
	for _, l := range end.Labels {
		labels[l.Name] = value(l.Text)
	}
	v := map[string]any{
		"index": st.Index, "name": st.Name, "base": baseValue(s, st), "platform": "",
		"user": userName(end.User), "userSet": end.User.Set(),
		"workdir": setting(end.Workdir), "workdirSet": end.Workdir.Set(),
		"labels": labels, "expose": values(end.Expose),
		"healthcheck": end.Healthcheck != nil, "entrypoint": end.Entrypoint != nil, "cmd": end.Cmd != nil,
	}
	if st.Platform != (dockerfile.Text{}) {
		v["platform"] = value(st.Platform)
	}
	return rule.Element{Value: v, Position: st.Position, Cause: st.Original}
}

// setting is empty where the file sets nothing: rules tell by the Set field.
func setting(s dockerfile.Setting) any {
	if !s.Set() {
		return ""
	}
	return value(s.Text)
}

// userName is the user without group; a numeric zero is "0" however it is
// written. Empty where no USER is set.
func userName(s dockerfile.Setting) any {
	if !s.Set() {
		return ""
	}
	if !s.Known && !strings.Contains(s.Value, ":") {
		return value(s.Text)
	}
	name, _, _ := strings.Cut(s.Value, ":")
	if !s.Known && strings.Contains(name, "$") {
		return value(s.Text)
	}
	if name != "" && strings.Trim(name, "0") == "" {
		return "0"
	}
	return strings.TrimSpace(name)
}

func baseValue(s *subject, st *dockerfile.Stage) map[string]any {
	b := st.Base
	v := imageValue(s, dockerfile.Input{Via: "FROM", Text: b.Text, Ref: b.Ref})
	v["scratch"] = b.Scratch
	v["stage"] = b.Stage
	if !b.External() {
		for _, k := range []string{"name", "registry", "repository", "tag", "digest"} {
			v[k] = ""
		}
		v["pinned"], v["allowed"] = true, true
	}
	return v
}

// images are the images that a build fetches, but for the frontend.
func images(s *subject) []rule.Element {
	var out []rule.Element
	for _, in := range s.file.Inputs {
		if in.Origin == dockerfile.ImageInput {
			out = append(out, rule.Element{Value: imageValue(s, in), Position: in.Position, Cause: in.Via + " " + in.Text.Raw})
		}
	}
	return out
}

// imageValue describes an image. Of a name that is only partly known, a tag or
// digest that is written out is used all the same.
func imageValue(s *subject, in dockerfile.Input) map[string]any {
	v := map[string]any{"via": in.Via, "scratch": false, "stage": -1}
	if in.Ref != nil {
		v["name"], v["registry"], v["repository"] = in.Text.Value, in.Ref.Registry, in.Ref.Repository
		v["tag"], v["digest"], v["pinned"] = in.Ref.Tag, in.Ref.Digest, in.Ref.Digest != ""
		v["allowed"] = allowed(s.cfg.AllowBases, in.Ref)
		return v
	}
	why := value(dockerfile.Text{Why: in.Text.Why})
	for _, k := range []string{"name", "registry", "repository", "tag", "digest", "pinned", "allowed"} {
		v[k] = why
	}
	if m := digestAtEnd.FindString(in.Text.Value); m != "" {
		v["digest"], v["pinned"] = m[1:], true
	} else if m := tagAtEnd.FindString(in.Text.Value); m != "" {
		v["tag"], v["digest"], v["pinned"] = m[1:], "", false
	}
	return v
}

var (
	digestAtEnd = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)
	tagAtEnd    = regexp.MustCompile(`:[A-Za-z0-9_][A-Za-z0-9_.-]*$`)
)

// variables are the names that ARG and ENV declare, wherever they stand.
// Triggers that run again are left out: their ONBUILD is among them.
func variables(s *subject) []rule.Element {
	var out []rule.Element
	add := func(kind, name string, t dockerfile.Text, has bool, at model.Position) {
		v := map[string]any{"kind": kind, "name": name, "hasValue": has, "value": "", "text": t.Value}
		if has {
			v["value"] = value(t)
		}
		out = append(out, rule.Element{Value: v, Position: at, Cause: kind + " " + name})
	}
	for _, a := range s.file.Args {
		add("ARG", a.Name, a.Default, a.HasValue, a.Position)
	}
	s.each(func(in *dockerfile.Instruction) {
		for _, a := range in.Args {
			add("ARG", a.Name, a.Default, a.HasValue, a.Position)
		}
		if in.Kind == "ENV" {
			for _, p := range in.Pairs {
				add("ENV", p.Name, p.Text, true, in.Position)
			}
		}
	})
	return out
}

// each visits every instruction of every stage, and the one inside an ONBUILD.
func (s *subject) each(visit func(*dockerfile.Instruction)) {
	for _, st := range s.file.Stages {
		for _, in := range st.Instructions {
			if in.Trigger {
				continue
			}
			visit(in)
			if in.OnBuild != nil {
				visit(in.OnBuild)
			}
		}
	}
}

func instructions(s *subject) []rule.Element {
	var out []rule.Element
	last := len(s.file.Stages) - 1
	for _, st := range s.file.Stages {
		for _, in := range st.Instructions {
			v := map[string]any{
				"name": in.Kind, "text": in.Original, "args": values(arguments(in)),
				"stage": st.Index, "final": st.Index == last, "trigger": in.Trigger,
			}
			out = append(out, rule.Element{Value: v, Position: in.Position, Cause: in.Original})
		}
	}
	return out
}

// arguments are the words of an instruction, expanded.
func arguments(in *dockerfile.Instruction) []dockerfile.Text {
	switch {
	case in.Copy != nil:
		return append(append([]dockerfile.Text{}, in.Copy.Sources...), in.Copy.Dest)
	case len(in.Words) > 0:
		return in.Words
	case in.Kind == "USER" || in.Kind == "WORKDIR" || in.Kind == "STOPSIGNAL" || in.Kind == "MAINTAINER":
		return []dockerfile.Text{in.Value}
	}
	return nil
}

func commands(s *subject) []rule.Element {
	var out []rule.Element
	last := len(s.file.Stages) - 1
	s.each(func(in *dockerfile.Instruction) {
		if in.Kind != "RUN" || in.Run == nil {
			return
		}
		for _, c := range in.Run.Commands {
			name, args := c.Program()
			text := make([]string, 0, len(args)+1)
			text = append(text, name.Value)
			for _, a := range args {
				text = append(text, a.Value)
			}
			v := map[string]any{
				"name": value(name), "args": values(args), "text": strings.Join(text, " "),
				"stage": in.Stage, "final": in.Stage == last, "conditional": c.Maybe,
			}
			out = append(out, rule.Element{Value: v, Position: c.Position, Cause: strings.Join(text, " ")})
		}
	})
	return out
}
