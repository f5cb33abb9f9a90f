package lint

import (
	"regexp"
	"slices"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// What rules may read. Texts that can't be known without building are
// unknown: a rule that needs one gets the verdict unknown with the reason.
//
//	file      name, syntax, frontend (Image), ignore (name of the .dockerignore), stages (number), casing (of most keywords: upper, lower)
//	policy    allowBases, allowSources, requiredLabels: of the estate file, empty where none are set
//	each: final         final         the last stage, as a Stage
//	each: stages        stage         Stage: index, name, base (Image), nameless (no image without build arguments), platform, platformText, text, duplicate, undeclared,
//	                                  programs (that its RUNs start), user, userSet, workdir, workdirSet,
//	                                  labels (map), blankLabels, expose, healthcheck, entrypoint, cmd
//	each: images        image         Image: via, name, registry, repository, tag, digest, pinned, allowed, scratch, stage
//	each: variables     variable      kind (ARG, ENV), name, hasValue, value, text (value with unknown parts as written)
//	each: instructions  instruction   keyword (as written), name (upper case; FROM too), text, args, stage, final, trigger,
//	                                  form (exec, shell), ownShell (SHELL was set), replaced (a later one of the stage
//	                                  takes its place), folder (WORKDIR is absolute, or not the first), unset (names without a value)
//	each: copies        copy          kind (COPY, ADD), sources, texts (the same with unknown parts as written), many,
//	                                  names (each source, and what it becomes), dest, destText, from, fromStage, chown, checksum,
//	                                  verified (what ADD fetches is checked), ignored (sources that .dockerignore keeps out),
//	                                  stage, shipped
//	each: modes         mode          via (chmod, COPY, ADD), value (755, u+s), raw (as written), stage, shipped
//	each: ports         port          text, raw (as written), low, high (-1 where it is no port), protocol
//	each: runs          run           commands, programs (their names), mounts (type, from, target, id), env (names), network, security, text, stage, shipped
//	each: commands      command       name (pip for pip3 and python -m pip), args, text, flags (-x, --long), words (the rest), via (sudo), writes (files),
//	                                  piped (reads a pipe), stage, final, conditional
//	each: downloads     download      via, url, host, verified, allowed, stage
//	each: clones        clone         url, ref (branch or tag, empty for none), chosen (a checkout follows), stage
//	each: gaps          gap           line: empty, inside a continued instruction
//
// A stage, or what stands in it, is shipped if the final image holds its
// layers. What RUN instructions that can't be read start is not among the
// commands: the reading says so.
var (
	imageType = rule.Object("Image", map[string]rule.Type{
		"via": rule.String(), "name": rule.String(), "registry": rule.String(), "repository": rule.String(), "tag": rule.String(),
		"digest": rule.String(), "pinned": rule.Bool(), "allowed": rule.Bool(), "scratch": rule.Bool(), "stage": rule.Int(),
	})
	stageType = rule.Object("Stage", map[string]rule.Type{
		"index": rule.Int(), "name": rule.String(), "base": imageType, "nameless": rule.Bool(), "platform": rule.String(), "platformText": rule.String(),
		"text": rule.String(), "duplicate": rule.Bool(), "undeclared": rule.List(rule.String()), "programs": rule.List(rule.String()),
		"user": rule.String(), "userSet": rule.Bool(), "workdir": rule.String(), "workdirSet": rule.Bool(),
		"labels": rule.Map(rule.String()), "blankLabels": rule.List(rule.String()), "expose": rule.List(rule.String()),
		"healthcheck": rule.Bool(), "entrypoint": rule.Bool(), "cmd": rule.Bool(),
	})
	variableType = rule.Object("Variable", map[string]rule.Type{
		"kind": rule.String(), "name": rule.String(), "value": rule.String(), "text": rule.String(), "hasValue": rule.Bool(),
	})
	instructionType = rule.Object("Instruction", map[string]rule.Type{
		"keyword": rule.String(), "name": rule.String(), "text": rule.String(), "args": rule.List(rule.String()),
		"stage": rule.Int(), "final": rule.Bool(), "trigger": rule.Bool(),
		"form": rule.String(), "ownShell": rule.Bool(), "replaced": rule.Bool(), "folder": rule.Bool(), "unset": rule.List(rule.String()),
	})
	fileType = rule.Object("File", map[string]rule.Type{
		"name": rule.String(), "syntax": rule.String(), "frontend": imageType, "ignore": rule.String(), "stages": rule.Int(), "casing": rule.String(),
	})
	policyType = rule.Object("Policy", map[string]rule.Type{
		"allowBases": rule.List(rule.String()), "allowSources": rule.List(rule.String()), "requiredLabels": rule.List(rule.String()),
	})
)

// environment declares the above.
func environment() rule.Env[*subject] {
	return rule.Env[*subject]{
		Stage: model.Build,
		Vars: map[string]rule.Var[*subject]{
			"file":   {Type: fileType, Value: fileValue},
			"policy": {Type: policyType, Value: policyValue},
		},
		Scopes: map[string]rule.Scope[*subject]{
			"final":        {Var: "final", Type: stageType, List: finalStage},
			"stages":       {Var: "stage", Type: stageType, List: allStages},
			"images":       {Var: "image", Type: imageType, List: images},
			"variables":    {Var: "variable", Type: variableType, List: variables},
			"instructions": {Var: "instruction", Type: instructionType, List: instructions},
			"copies":       {Var: "copy", Type: copyType, List: copies},
			"modes":        {Var: "mode", Type: modeType, List: modes},
			"ports":        {Var: "port", Type: portType, List: ports},
			"runs":         {Var: "run", Type: runType, List: runs},
			"commands":     {Var: "command", Type: commandType, List: commands},
			"downloads":    {Var: "download", Type: downloadType, List: downloadList},
			"clones":       {Var: "clone", Type: cloneType, List: clones},
			"gaps":         {Var: "gap", Type: gapType, List: gaps},
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

func fileValue(s *subject) any {
	v := map[string]any{
		"name": s.file.Name, "syntax": s.file.Syntax, "frontend": map[string]any{}, "stages": len(s.file.Stages), "casing": casing(s.file),
	}
	v["ignore"] = rule.Unknown{Reason: "whether the build context has a .dockerignore is not known"}
	if s.file.Ignore != nil {
		v["ignore"] = s.file.Ignore.Name
	}
	for _, in := range s.file.Inputs {
		if in.Origin == dockerfile.FrontendInput {
			v["frontend"] = imageValue(s, in)
		}
	}
	return v
}

func policyValue(s *subject) any {
	list := func(of []string) []string { return append([]string{}, of...) }
	return map[string]any{"allowBases": list(s.cfg.AllowBases), "allowSources": list(s.cfg.AllowSources), "requiredLabels": list(s.cfg.RequiredLabels)}
}

// casing is how most keywords of a file are written, upper where it is even.
func casing(f *dockerfile.File) string {
	lower := 0
	count := func(text string) {
		switch word := keyword(text); word {
		case strings.ToLower(word):
			lower++
		case strings.ToUpper(word):
			lower--
		}
	}
	for _, st := range f.Stages {
		count(st.Original)
		for _, in := range st.Instructions {
			if !in.Trigger {
				count(in.Original)
			}
		}
	}
	if lower > 0 {
		return "lower"
	}
	return "upper"
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
	labels, blank := map[string]any{}, []string{}
	for _, l := range end.Labels {
		labels[l.Name] = value(l.Text)
		if l.Known && strings.TrimSpace(l.Value) == "" {
			blank = append(blank, l.Name)
		}
	}
	v := map[string]any{
		"index": st.Index, "name": st.Name, "base": baseValue(s, st), "nameless": nameless(st),
		"platform": "", "platformText": st.Platform.Raw, "text": st.Original, "duplicate": duplicate(s.file, st),
		"undeclared": append([]string{}, st.Undeclared...), "programs": programs(st),
		"user": userName(end.User), "userSet": end.User.Set(),
		"workdir": setting(end.Workdir), "workdirSet": end.Workdir.Set(),
		"labels": labels, "blankLabels": blank, "expose": values(end.Expose),
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

// nameless reports whether a base has no valid name unless build arguments
// are given.
func nameless(st *dockerfile.Stage) bool {
	b := st.Base
	if !b.External() || b.Ref != nil || len(st.Undeclared) > 0 {
		return false
	}
	_, err := dockerfile.ParseReference(variable.ReplaceAllString(b.Text.Value, ""))
	return err != nil && variable.MatchString(b.Text.Raw)
}

var variable = regexp.MustCompile(`\$(\{[A-Za-z0-9_]+\}|[A-Za-z0-9_]+)`)

// duplicate reports whether a stage above has the same name.
func duplicate(f *dockerfile.File, st *dockerfile.Stage) bool {
	return st.Name != "" && slices.ContainsFunc(f.Stages[:st.Index], func(o *dockerfile.Stage) bool { return o.Name == st.Name })
}

// programs lists what the RUNs of a stage are known to start, each once.
func programs(st *dockerfile.Stage) []string {
	out := []string{}
	for _, in := range st.Instructions {
		if in.Kind != "RUN" || in.Run == nil || in.Trigger {
			continue
		}
		for _, c := range in.Run.Commands {
			if name, _ := c.Program(); name.Known && name.Value != "" && !slices.Contains(out, name.Value) && len(out) < maxPrograms {
				out = append(out, name.Value)
			}
		}
	}
	return out
}

// maxPrograms bounds the names of one stage: real ones start a few dozen.
const maxPrograms = 500

func instructions(s *subject) []rule.Element {
	var out []rule.Element
	last := len(s.file.Stages) - 1
	for _, st := range s.file.Stages {
		out = append(out, fromElement(st, st.Index == last))
		folder := folderBefore(s.file, st)
		replaced := replacedIn(st)
		for i, in := range st.Instructions {
			certain := folder || in.Kind == "WORKDIR" && rooted(in.Value)
			v := map[string]any{
				"keyword": keyword(in.Original), "name": in.Kind, "text": in.Original, "args": values(arguments(in)),
				"stage": st.Index, "final": st.Index == last, "trigger": in.Trigger,
				"form": "", "ownShell": false, "replaced": replaced[i], "folder": certain, "unset": append([]string{}, in.Unset...),
			}
			if in.Run != nil {
				v["form"], v["ownShell"] = form(in.Run)
			}
			folder = folder || in.Kind == "WORKDIR" // what is relative to another is told there
			out = append(out, rule.Element{Value: v, Position: in.Position, Cause: in.Original})
		}
	}
	return out
}

// fromElement is the FROM of a stage as an instruction.
func fromElement(st *dockerfile.Stage, final bool) rule.Element {
	v := map[string]any{
		"keyword": keyword(st.Original), "name": "FROM", "text": st.Original, "args": []any{},
		"stage": st.Index, "final": final, "trigger": false, "form": "", "ownShell": false, "replaced": false, "folder": false, "unset": []string{},
	}
	return rule.Element{Value: v, Position: st.Position, Cause: st.Original}
}

// keyword is the first word of an instruction.
func keyword(text string) string {
	if i := strings.IndexAny(text, " \t"); i >= 0 {
		return text[:i]
	}
	return text
}

// replacedIn tells, by index, the instructions of a stage that a later one of
// the same kind takes the place of.
func replacedIn(st *dockerfile.Stage) map[int]bool {
	out := map[int]bool{}
	last := map[string]int{}
	for i, in := range st.Instructions {
		if in.Trigger || in.Kind != "CMD" && in.Kind != "ENTRYPOINT" && in.Kind != "HEALTHCHECK" {
			continue
		}
		if before, ok := last[in.Kind]; ok {
			out[before] = true
		}
		last[in.Kind] = i
	}
	return out
}

// folderBefore reports whether a stage starts in a folder that the file sets.
func folderBefore(f *dockerfile.File, st *dockerfile.Stage) bool {
	return st.Base.Stage >= 0 && f.Stages[st.Base.Stage].End.Workdir.Set()
}

// rooted reports whether a path is absolute, as far as it is written: for
// Windows too.
func rooted(t dockerfile.Text) bool {
	v := strings.Trim(t.Value, `"'`)
	return strings.HasPrefix(v, "/") || strings.HasPrefix(v, `\`) || len(v) > 1 && v[1] == ':'
}

// form is how a command line is given, and whether its shell is not the usual
// one.
func form(r *dockerfile.Run) (form string, ownShell bool) {
	if r.Exec {
		return "exec", false
	}
	return "shell", !slices.Equal(r.Shell, []string{"/bin/sh", "-c"})
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
