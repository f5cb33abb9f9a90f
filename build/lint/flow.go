package lint

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// Downloads are followed as a reader of the Dockerfile would: from curl or
// wget through pipes, files, mv and COPY --from to whatever runs or unpacks
// them, in the order of the build and over all its RUNs. A checksum or
// signature check before that clears the file that it names; a list of
// checksums clears everything downloaded so far.

// unverifiedDownloads is the check of that name.
func unverifiedDownloads(s *subject) []rule.Hit {
	var hits []rule.Hit
	for _, fx := range s.ledger.fetches {
		if fx.use == nil {
			continue
		}
		what := safeURL(fx.url.Value)
		h := rule.Hit{
			Verdict: model.Fail, Position: fx.at, Cause: fx.via + " " + what,
			Message:  fmt.Sprintf("%s %s without a check of checksum or signature", what, fx.use.what),
			Evidence: []model.Evidence{{What: "download", Where: place(fx.at), Value: what}, {What: fx.use.what, Where: place(fx.use.at), Value: ""}},
		}
		if fx.doubt != "" {
			h.Verdict, h.Message = model.Unknown, fmt.Sprintf("%s %s, but %s", what, fx.use.what, fx.doubt)
		}
		hits = append(hits, h)
	}
	return append(hits, s.unreadHits()...)
}

// unreadHits is one unknown for all RUN instructions of a file that couldn't
// be read: what a rule about commands would have found there, nobody knows.
func (s *subject) unreadHits() []rule.Hit {
	list := unread(s.file)
	if len(list) == 0 {
		return nil
	}
	why := list[0].Run.Unread
	if n := len(list) - 1; n > 0 {
		why = fmt.Sprintf("%s (and %d more RUN)", why, n)
	}
	return []rule.Hit{{Verdict: model.Unknown, Position: list[0].Position, Cause: "unread", Message: why}}
}

// run follows the commands of one RUN, CMD or ENTRYPOINT.
func (t *tracker) run(r *dockerfile.Run, at model.Position) {
	w := &stream{t: t, run: r, out: make([][]*fetch, len(r.Commands)), hash: make([]bool, len(r.Commands))}
	for i := range r.Commands {
		w.command(i)
	}
}

// stream follows what flows through one script.
type stream struct {
	t    *tracker
	run  *dockerfile.Run
	out  [][]*fetch // by command: the downloads that its output may hold
	hash []bool     // by command: its output holds a checksum of a file
}

// maxFlow bounds the downloads in one pipe.
const maxFlow = 50

func (w *stream) command(i int) {
	c := w.run.Commands[i]
	prog, args := c.Program()
	name := prog.Value
	if !prog.Known {
		name = ""
	}
	flow := w.gather(c.Stdin)
	inner := w.gather(c.Inner)
	w.checks(i, name, args)
	w.uses(i, name, prog.Raw, args, flow, inner)
	for _, d := range downloads(name, args) {
		fx := &fetch{via: name, url: d.url, at: c.Position, stage: w.t.stage}
		w.t.ledger.fetches = append(w.t.ledger.fetches, fx)
		if d.file != "" {
			w.t.hold(fx, d.file, path.Join(d.file, urlBase(d.url.Value)))
		} else {
			w.out[i] = append(w.out[i], fx)
		}
	}
	if in, ok := installed(name, args, c.Position, w.t.stage); ok {
		w.t.ledger.installs = append(w.t.ledger.installs, in)
	}
	if name == "git" {
		w.t.git(args, c.Position)
	}
	w.pass(i, name, args, flow, inner)
	w.move(name, args)
}

// gather unites what several commands put out.
func (w *stream) gather(ids []int) []*fetch {
	var out []*fetch
	for _, id := range ids {
		for _, fx := range w.out[id] {
			if len(out) < maxFlow && !slices.Contains(out, fx) {
				out = append(out, fx)
			}
		}
	}
	return out
}

// readers print the files that they are given.
var readers = flagSet("cat zcat gzcat bzcat xzcat zstdcat gunzip gzip bunzip2 xz unxz sed awk head tail tr envsubst base64 openssl gpg gpg2 dos2unix tee")

// pass works out what the output of a command may hold, and where it goes.
func (w *stream) pass(i int, name string, args []dockerfile.Text, flow, inner []*fetch) {
	c := w.run.Commands[i]
	out := append(w.out[i], flow...)
	if name == "echo" || name == "printf" {
		out = append(out, inner...)
	}
	if readers[name] {
		for _, a := range args {
			for _, at := range w.t.find(a.Value) {
				out = append(out, w.t.held[at].fetch)
			}
		}
	}
	if name == "tee" {
		for _, a := range args {
			for _, fx := range flow {
				if !strings.HasPrefix(a.Value, "-") {
					w.t.hold(fx, a.Value)
				}
			}
		}
	}
	for _, r := range c.Redirs {
		if r.Op == ">" || r.Op == ">>" || r.Op == ">|" || r.Op == "1>" || r.Op == "&>" {
			for _, fx := range out {
				w.t.hold(fx, r.Target.Value)
			}
			if len(out) > 0 && r.Target.Value != "/dev/stdout" {
				out = nil
			}
		}
	}
	w.out[i] = out[:min(len(out), maxFlow)]
}

// interpreters read a program from their input or from a file.
var interpreters = flagSet("sh bash ash dash ksh zsh fish python python2 python3 perl ruby node nodejs php lua Rscript tclsh pwsh deno bun groovy")

// uses notes what runs or unpacks a download.
func (w *stream) uses(i int, name, full string, args []dockerfile.Text, flow, inner []*fetch) {
	c := w.run.Commands[i]
	mark := func(list []*fetch, what string) {
		for _, fx := range list {
			w.t.used(fx, what, c, "")
		}
	}
	switch {
	case interpreters[name] || strings.HasPrefix(name, "python3.") || strings.HasPrefix(name, "python2."):
		if readsInput(name, args) {
			mark(flow, "is piped to "+name)
			w.redirected(c, "is fed to "+name)
		}
		if substituted(args) {
			mark(inner, "is executed by "+name)
		}
	case name == "eval" || name == "source" || name == ".":
		mark(inner, "is executed by "+name)
	case unpacks(name, args):
		mark(flow, "is unpacked by "+name)
		w.redirected(c, "is unpacked by "+name)
	}
	if strings.Contains(full, "/") {
		w.named(c, full, "is executed")
	}
	if what := consumes(name, args); what != "" {
		packages := strings.HasPrefix(what, "is installed by")
		for _, a := range args {
			if strings.HasPrefix(a.Value, "-") || packages && !strings.ContainsAny(a.Value, "/*.") {
				continue
			}
			w.named(c, a.Value, what)
		}
	}
}

// redirected notes the use of files that are a command's input.
func (w *stream) redirected(c dockerfile.Command, what string) {
	for _, r := range c.Redirs {
		if r.Op == "<" {
			w.named(c, r.Target.Value, what)
		}
	}
}

// named notes the use of files that a word names.
func (w *stream) named(c dockerfile.Command, word, what string) {
	for _, at := range w.t.find(word) {
		h := w.t.held[at]
		w.t.used(h.fetch, what, c, h.doubt)
	}
}

// used records the first use of a download. A check that runs only under a
// condition is enough for a use under a condition.
func (t *tracker) used(fx *fetch, what string, c dockerfile.Command, doubt string) {
	if fx.use != nil || fx.verified || doubt != "" && c.Maybe {
		return
	}
	fx.use = &use{what: what, at: c.Position}
	fx.doubt = doubt
}

// readsInput reports whether an interpreter takes its program from its input:
// no file, no -c, or an explicit - or -s.
func readsInput(name string, args []dockerfile.Text) bool {
	for _, a := range args {
		switch v := a.Value; {
		case v == "-" || v == "/dev/stdin" || v == "-s" || v == "--":
			return true
		case isProgramFlag(name, v):
			return false
		case strings.HasPrefix(v, "-") || strings.HasPrefix(v, "+"):
			if strings.Contains(v, "s") && !strings.HasPrefix(v, "--") && shellLike(name) {
				return true
			}
		default:
			return false
		}
	}
	return true
}

// isProgramFlag reports whether a flag brings the program itself along.
func isProgramFlag(name, flag string) bool {
	switch {
	case shellLike(name):
		return strings.HasPrefix(flag, "-") && !strings.HasPrefix(flag, "--") && strings.HasSuffix(flag, "c")
	case strings.HasPrefix(name, "python"):
		return strings.HasPrefix(flag, "-c") || strings.HasPrefix(flag, "-m")
	case name == "php":
		return strings.HasPrefix(flag, "-r")
	}
	return strings.HasPrefix(flag, "-e") || flag == "--eval" || strings.HasPrefix(flag, "-p")
}

func shellLike(name string) bool {
	switch name {
	case "sh", "bash", "ash", "dash", "ksh", "zsh":
		return true
	}
	return false
}

// substituted reports whether an argument is, as a whole, what a command put
// out: sh -c "$(curl …)", bash <(curl …).
func substituted(args []dockerfile.Text) bool {
	for _, a := range args {
		v := strings.TrimSpace(a.Value)
		if !a.Known && (strings.HasPrefix(v, "$(") || strings.HasPrefix(v, "`") || strings.HasPrefix(v, "<(")) {
			return true
		}
	}
	return false
}

// unpacks reports whether a command unpacks an archive.
func unpacks(name string, args []dockerfile.Text) bool {
	switch name {
	case "tar", "bsdtar", "gtar":
		for i, a := range args {
			v := a.Value
			switch {
			case v == "--extract" || v == "--get":
				return true
			case strings.HasPrefix(v, "--"):
			case strings.HasPrefix(v, "-") || i == 0:
				if strings.Contains(v, "x") && !strings.ContainsAny(v, "/.") {
					return true
				}
			}
		}
	case "unzip", "funzip", "cpio", "unsquashfs", "rpm2cpio":
		return true
	case "7z", "7za", "jar", "ar", "unrar":
		return len(args) > 0 && strings.HasPrefix(args[0].Value, "x")
	}
	return false
}

// consumes says what a command does to the files among its arguments; empty
// where it neither runs, unpacks nor installs them.
func consumes(name string, args []dockerfile.Text) string {
	has := func(words ...string) bool {
		return slices.ContainsFunc(args, func(a dockerfile.Text) bool { return slices.Contains(words, a.Value) })
	}
	switch {
	case interpreters[name], strings.HasPrefix(name, "python3."), name == "java", name == "source", name == ".":
		return "is executed by " + name
	case unpacks(name, args):
		return "is unpacked by " + name
	case name == "chmod" && slices.ContainsFunc(args, func(a dockerfile.Text) bool { return makesExecutable(a.Value) }):
		return "is made executable"
	case name == "install" && !has("-d"):
		return "is installed"
	case name == "dpkg" && has("-i", "--install"), name == "gdebi":
		return "is installed by " + name
	case name == "rpm" && len(args) > 0 && !has("--import", "-K", "--checksig"):
		return "is installed by rpm"
	case (name == "apt" || name == "apt-get" || name == "apk" || name == "yum" || name == "dnf" || name == "microdnf" || name == "zypper") &&
		has("install", "add", "localinstall"):
		return "is installed by " + name
	case (strings.HasPrefix(name, "pip") || name == "gem" || name == "npm") && has("install", "i"):
		return "is installed by " + name
	}
	return ""
}

// makesExecutable reports whether a mode of chmod sets an executable bit.
func makesExecutable(mode string) bool {
	if who, what, ok := strings.Cut(mode, "+"); ok && strings.Trim(who, "ugoa") == "" {
		return strings.ContainsAny(what, "xX")
	}
	if who, what, ok := strings.Cut(mode, "="); ok && strings.Trim(who, "ugoa") == "" {
		return strings.Contains(what, "x")
	}
	if len(mode) < 3 || len(mode) > 4 || strings.Trim(mode, "01234567") != "" {
		return false
	}
	return strings.ContainsAny(mode[len(mode)-3:], "1357")
}

// move follows files that get another name.
func (w *stream) move(name string, args []dockerfile.Text) {
	var words []string
	for _, a := range args {
		if !strings.HasPrefix(a.Value, "-") {
			words = append(words, a.Value)
		}
	}
	switch name {
	case "mv", "cp", "ln", "install":
		if len(words) < 2 {
			return
		}
		to := words[len(words)-1]
		for _, from := range words[:len(words)-1] {
			for _, at := range w.t.find(from) {
				h := w.t.held[at]
				w.t.keep(held{fetch: h.fetch, doubt: h.doubt, paths: []string{to, path.Join(to, path.Base(from))}})
			}
		}
	case "gunzip", "gzip", "bunzip2", "xz", "unxz", "zstd", "unzstd":
		for _, word := range words {
			for _, at := range w.t.find(word) {
				h := w.t.held[at]
				plain := strings.TrimSuffix(word, path.Ext(word))
				w.t.keep(held{fetch: h.fetch, doubt: h.doubt, paths: []string{plain}})
			}
		}
	}
}
