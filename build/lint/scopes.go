package lint

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// The lists that view.go declares of what a build copies, runs and fetches.
var (
	copyType = rule.Object("Copy", map[string]rule.Type{
		"kind": rule.String(), "sources": rule.List(rule.String()), "texts": rule.List(rule.String()), "many": rule.Bool(),
		"names": rule.List(rule.String()), "dest": rule.String(), "destText": rule.String(), "from": rule.String(), "fromStage": rule.Int(),
		"chown": rule.String(), "checksum": rule.String(), "verified": rule.Bool(), "ignored": rule.List(rule.String()), "stage": rule.Int(), "shipped": rule.Bool(),
	})
	modeType = rule.Object("Mode", map[string]rule.Type{"via": rule.String(), "value": rule.String(), "raw": rule.String(), "stage": rule.Int(), "shipped": rule.Bool()})
	portType = rule.Object("Port", map[string]rule.Type{"text": rule.String(), "raw": rule.String(), "low": rule.Int(), "high": rule.Int(), "protocol": rule.String()})
	runType  = rule.Object("Run", map[string]rule.Type{
		"commands": rule.List(commandType), "programs": rule.List(rule.String()), "mounts": rule.List(mountType), "env": rule.List(rule.String()), "network": rule.String(), "security": rule.String(),
		"text": rule.String(), "stage": rule.Int(), "shipped": rule.Bool(),
	})
	mountType   = rule.Object("Mount", map[string]rule.Type{"type": rule.String(), "from": rule.String(), "target": rule.String(), "id": rule.String()})
	commandType = rule.Object("Command", map[string]rule.Type{
		"name": rule.String(), "args": rule.List(rule.String()), "text": rule.String(),
		"flags": rule.List(rule.String()), "words": rule.List(rule.String()), "via": rule.List(rule.String()), "writes": rule.List(rule.String()),
		"piped": rule.Bool(), "stage": rule.Int(), "final": rule.Bool(), "conditional": rule.Bool(),
	})
	downloadType = rule.Object("Download", map[string]rule.Type{
		"via": rule.String(), "url": rule.String(), "host": rule.String(), "verified": rule.Bool(), "allowed": rule.Bool(), "stage": rule.Int(),
	})
	gapType = rule.Object("Gap", map[string]rule.Type{"line": rule.Int()})
)

// shipped tells, by index, the stages whose layers are in the final image.
func shipped(f *dockerfile.File) map[int]bool {
	out := map[int]bool{}
	for i := len(f.Stages) - 1; i >= 0 && !out[i]; i = f.Stages[i].Base.Stage {
		out[i] = true
	}
	return out
}

// optional is the value of a flag, empty where it isn't given.
func optional(t dockerfile.Text) any {
	if t == (dockerfile.Text{}) {
		return ""
	}
	return value(t)
}

// copies are what COPY and ADD bring, those behind ONBUILD among them.
func copies(s *subject) []rule.Element {
	var out []rule.Element
	in, verified := shipped(s.file), s.verifiedAdds()
	s.each(func(i *dockerfile.Instruction) {
		c := i.Copy
		if c == nil {
			return
		}
		texts := make([]string, 0, len(c.Sources))
		for _, t := range c.Sources {
			texts = append(texts, t.Value)
		}
		v := map[string]any{
			"kind": i.Kind, "sources": values(c.Sources), "texts": texts, "many": len(texts)+len(i.Heredocs) > 1, "names": namesOf(c),
			"dest": value(c.Dest), "destText": c.Dest.Value, "from": c.From, "fromStage": c.Stage,
			"chown": optional(c.Chown), "checksum": optional(c.Checksum), "verified": verified[i], "ignored": ignored(s.file, c), "stage": i.Stage, "shipped": in[i.Stage],
		}
		out = append(out, rule.Element{Value: v, Position: i.Position, Cause: i.Original})
	})
	return out
}

// verifiedAdds tells the ADDs all of whose downloads are checked, by a
// checksum of their own or by a later command.
func (s *subject) verifiedAdds() map[*dockerfile.Instruction]bool {
	open, some := map[model.Position]bool{}, map[model.Position]bool{}
	for _, fx := range s.ledger.fetches {
		if fx.via == "ADD" {
			some[fx.at] = true
			open[fx.at] = open[fx.at] || !fx.verified
		}
	}
	out := map[*dockerfile.Instruction]bool{}
	s.each(func(in *dockerfile.Instruction) {
		out[in] = in.Kind == "ADD" && some[in.Position] && !open[in.Position]
	})
	return out
}

// ignored lists the sources that are kept out of the build context. Without a
// .dockerignore that was read there are none to speak of.
func ignored(f *dockerfile.File, c *dockerfile.Copy) []string {
	out := []string{}
	for _, src := range c.Sources {
		if c.From == "" && src.Known && dockerfile.Remote(src.Value) == "" && f.Ignore.Excludes(src.Value) {
			out = append(out, src.Raw)
		}
	}
	return out
}

// namesOf says what each file of a COPY is called: "source target", or the
// source alone where the target is a folder. It is unknown where a variable is
// all that is written.
func namesOf(c *dockerfile.Copy) []any {
	out := make([]any, 0, len(c.Sources))
	folder := len(c.Sources) > 1 || intoFolder.MatchString(c.Dest.Value)
	for _, s := range c.Sources {
		switch {
		case !folder:
			out = append(out, s.Value+" "+c.Dest.Value)
		case !s.Known && variable.FindString(s.Value) == s.Value:
			out = append(out, value(s))
		default:
			out = append(out, s.Value)
		}
	}
	return out
}

// intoFolder matches a target that is certainly a folder.
var intoFolder = regexp.MustCompile(`(^|[/\\])\.{0,2}$`)

// modes are what chmod, and the flag of COPY and ADD, set modes of files to.
func modes(s *subject) []rule.Element {
	var out []rule.Element
	in := shipped(s.file)
	add := func(via string, t dockerfile.Text, stage int, at model.Position) {
		v := map[string]any{"via": via, "value": value(t), "raw": t.Raw, "stage": stage, "shipped": in[stage]}
		out = append(out, rule.Element{Value: v, Position: at, Cause: via + " " + t.Value})
	}
	s.each(func(i *dockerfile.Instruction) {
		if i.Copy != nil && i.Copy.Chmod != (dockerfile.Text{}) {
			add(i.Kind, i.Copy.Chmod, i.Stage, i.Position)
		}
		if i.Kind != "RUN" || i.Run == nil {
			return
		}
		for _, c := range i.Run.Commands {
			if name, args := c.Program(); name.Is("chmod") {
				if f := parseFlags(args, "", nil); len(f.rest) > 1 {
					add("chmod", f.rest[0], i.Stage, c.Position)
				}
			}
		}
	})
	return out
}

// ports are the words of EXPOSE.
func ports(s *subject) []rule.Element {
	var out []rule.Element
	s.each(func(in *dockerfile.Instruction) {
		if in.Kind != "EXPOSE" {
			return
		}
		for _, w := range in.Words {
			v := map[string]any{"text": value(w), "raw": w.Raw, "low": value(w), "high": value(w), "protocol": value(w)}
			if w.Known {
				number, protocol, _ := strings.Cut(w.Value, "/")
				low, high, ranged := strings.Cut(number, "-")
				if !ranged {
					high = low
				}
				v["low"], v["high"], v["protocol"] = portNumber(low), portNumber(high), protocol
			}
			out = append(out, rule.Element{Value: v, Position: in.Position, Cause: "EXPOSE " + w.Raw})
		}
	})
	return out
}

func portNumber(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// runs are the RUN instructions whose commands could be read.
func runs(s *subject) []rule.Element {
	var out []rule.Element
	in := shipped(s.file)
	s.eachRun(func(i *dockerfile.Instruction, commands []map[string]any) {
		mounts := []any{}
		for _, m := range i.Run.Mounts {
			mounts = append(mounts, map[string]any{"type": m.Type, "from": m.From, "target": m.Target, "id": m.ID})
		}
		v := map[string]any{
			"commands": commands, "programs": programsOf(commands), "mounts": mounts, "env": envNames(s.file.Stages[i.Stage]), "network": i.Run.Network, "security": i.Run.Security,
			"text": i.Original, "stage": i.Stage, "shipped": in[i.Stage],
		}
		out = append(out, rule.Element{Value: v, Position: i.Position, Cause: i.Original})
	})
	return out
}

// programsOf lists the names of commands, each known one once.
func programsOf(commands []map[string]any) []any {
	out := []any{}
	seen := map[any]bool{}
	for _, c := range commands {
		name := c["name"]
		if _, known := name.(string); known && seen[name] || len(out) >= maxPrograms {
			continue
		}
		seen[name] = true
		out = append(out, name)
	}
	return out
}

// envNames lists the variables that a stage sets for its commands.
func envNames(st *dockerfile.Stage) []string {
	out := make([]string, 0, len(st.End.Env))
	for _, v := range st.End.Env {
		out = append(out, v.Name)
	}
	return out
}

func commands(s *subject) []rule.Element {
	var out []rule.Element
	s.eachRun(func(i *dockerfile.Instruction, commands []map[string]any) {
		for k, v := range commands {
			out = append(out, rule.Element{Value: v, Position: i.Run.Commands[k].Position, Cause: v["text"].(string)})
		}
	})
	return out
}

// eachRun visits every RUN with its commands as rules see them, which are
// worked out once.
func (s *subject) eachRun(visit func(*dockerfile.Instruction, []map[string]any)) {
	if s.commands == nil {
		s.commands = map[*dockerfile.Instruction][]map[string]any{}
	}
	s.each(func(in *dockerfile.Instruction) {
		if in.Kind != "RUN" || in.Run == nil {
			return
		}
		list, ok := s.commands[in]
		if !ok {
			list = make([]map[string]any, 0, len(in.Run.Commands))
			for _, c := range in.Run.Commands {
				list = append(list, commandValue(c, in.Stage, len(s.file.Stages)-1))
			}
			s.commands[in] = list
		}
		visit(in, list)
	})
}

func commandValue(c dockerfile.Command, stage, last int) map[string]any {
	name, args := c.Program()
	name.Value, args = pythonModule(name.Value, args)
	text := make([]string, 0, len(args)+1)
	text = append(text, name.Value)
	for _, a := range args {
		text = append(text, a.Value)
	}
	flags, words := flagsAndWords(name.Value, args)
	writes := []any{}
	for _, r := range c.Redirs {
		if strings.Contains(r.Op, ">") && !strings.Contains(r.Op, ">&") {
			writes = append(writes, value(r.Target))
		}
	}
	return map[string]any{
		"name": value(name), "args": values(args), "text": strings.Join(text, " "),
		"flags": flags, "words": words, "via": append([]string{}, c.Wrappers()...), "writes": writes,
		"piped": len(c.Stdin) > 0, "stage": stage, "final": stage == last, "conditional": c.Maybe,
	}
}

// otherFlags are the flags with a value of programs that install nothing.
var otherFlags = map[string]struct {
	valued string
	long   map[string]bool
}{
	"git":     {gitValued, gitLong},
	"useradd": {"bcdefgGkKpRPsuZ", userLong},
	"usermod": {"cdefgGlpRPsuvVwWZ", userLong},
}

var userLong = flagSet("--base-dir --comment --home-dir --home --expiredate --inactive --gid --groups --skel --key --login --password --root --prefix --shell --uid --selinux-user")

// flagsAndWords takes arguments apart: -yq is -y and -q, --a=b is --a, values
// of flags that are known to take one are left out. A variable of unknown
// value may stand for either.
func flagsAndWords(name string, args []dockerfile.Text) (flags, words []any) {
	f := parseFlags(args, managers[name].valued, managers[name].long)
	if o, ok := otherFlags[name]; ok {
		f = parseFlags(args, o.valued, o.long)
	}
	flags, words = []any{}, []any{}
	for _, o := range slices.Concat(f.short, f.long) {
		flags = append(flags, o.name)
	}
	for _, w := range f.rest {
		words = append(words, value(w))
		if !w.Known && strings.HasPrefix(w.Value, "$") {
			flags = append(flags, value(w))
		}
	}
	return flags, words
}

// downloadList is what commands and ADD fetch.
func downloadList(s *subject) []rule.Element {
	var out []rule.Element
	for _, fx := range s.ledger.fetches {
		v := map[string]any{"via": fx.via, "url": safeURL(fx.url.Value), "verified": fx.verified, "stage": fx.stage}
		if host, ok := hostOf(fx.url); ok {
			v["host"], v["allowed"] = host, allowedHost(s.cfg.AllowSources, host)
		} else {
			v["host"] = rule.Unknown{Reason: "the host isn't written out: " + fx.url.Why}
			v["allowed"] = v["host"]
		}
		out = append(out, rule.Element{Value: v, Position: fx.at, Cause: fx.via + " " + safeURL(fx.url.Value)})
	}
	return out
}

// allowedHost reports whether a host is on a list.
func allowedHost(list []string, host string) bool {
	return slices.ContainsFunc(list, func(p string) bool { return matchGlob(strings.ToLower(p), host) })
}

func gaps(s *subject) []rule.Element {
	var out []rule.Element
	for _, at := range s.file.Gaps {
		out = append(out, rule.Element{Value: map[string]any{"line": at.Line}, Position: at, Cause: "gap"})
	}
	return out
}
