package lint

import (
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
)

// ledger is everything that a build downloads and installs, in its order.
type ledger struct {
	fetches  []*fetch
	installs []install
	clones   []*clone
}

// fetch is one download.
type fetch struct {
	via      string // "curl", "wget", "ADD", …
	url      dockerfile.Text
	at       model.Position
	stage    int
	verified bool   // checked, before any use where there is one
	doubt    string // why that can't be told; empty where it can
	use      *use   // the first use that executes or unpacks it unchecked
}

// use says how a download was used.
type use struct {
	what string // "is executed", "is unpacked", …
	at   model.Position
}

// held is a downloaded file in a stage's file system.
type held struct {
	paths []string // where it may be: a target can be a file or a folder
	fetch *fetch
	doubt string
}

// maxHeld bounds the downloads followed in one stage.
const maxHeld = 100

// tracker follows the files of one stage after the other.
type tracker struct {
	file   *dockerfile.File
	ledger *ledger
	held   []held   // of the stage in hand
	stages [][]held // of each stage at its end
	cloned []*clone // in the stage in hand
	stage  int
}

// readLedger goes through a file once, in the order of the build.
func readLedger(f *dockerfile.File) *ledger {
	t := &tracker{file: f, ledger: &ledger{}}
	for _, st := range f.Stages {
		t.stage = st.Index
		t.held, t.cloned = nil, nil
		if b := st.Base.Stage; b >= 0 && b < len(t.stages) {
			t.held = slices.Clone(t.stages[b])
		}
		for _, in := range st.Instructions {
			t.instruction(in)
		}
		t.stages = append(t.stages, t.held)
	}
	if final := f.Final(); final != nil {
		for _, in := range []*dockerfile.Instruction{final.End.Entrypoint, final.End.Cmd} {
			if in != nil && in.Run != nil {
				t.run(in.Run, in.Position)
			}
		}
	}
	return t.ledger
}

func (t *tracker) instruction(in *dockerfile.Instruction) {
	switch {
	case in.Kind == "ADD" && in.Copy != nil:
		t.add(in)
	case in.Kind == "COPY" && in.Copy != nil:
		t.copy(in.Copy)
	case in.Kind == "RUN" && in.Run != nil && !in.Trigger:
		t.run(in.Run, in.Position)
	case in.OnBuild != nil && !in.Trigger:
		before := slices.Clone(t.held)
		t.instruction(in.OnBuild)
		t.held = before
	}
}

// add notes what ADD downloads. BuildKit checks --checksum itself.
func (t *tracker) add(in *dockerfile.Instruction) {
	for _, src := range in.Copy.Sources {
		if dockerfile.Remote(src.Value) != dockerfile.URLInput {
			continue
		}
		fx := &fetch{via: "ADD", url: src, at: in.Position, stage: t.stage, verified: in.Copy.Checksum.Raw != ""}
		t.ledger.fetches = append(t.ledger.fetches, fx)
		if !fx.verified {
			t.hold(fx, in.Copy.Dest.Value, path.Join(in.Copy.Dest.Value, urlBase(src.Value)))
		}
	}
}

// copy carries downloads from another stage of the file over.
func (t *tracker) copy(c *dockerfile.Copy) {
	if c.Stage < 0 || c.Stage >= len(t.stages) {
		return
	}
	for _, src := range c.Sources {
		folder := strings.TrimSuffix(src.Value, "/") + "/"
		for _, h := range t.stages[c.Stage] {
			for _, p := range h.paths {
				rest, below := strings.CutPrefix(p, folder)
				switch {
				case samePath(src.Value, p):
					t.keep(held{fetch: h.fetch, doubt: h.doubt, paths: []string{c.Dest.Value, path.Join(c.Dest.Value, path.Base(p))}})
				case below:
					t.keep(held{fetch: h.fetch, doubt: h.doubt, paths: []string{path.Join(c.Dest.Value, rest)}})
				}
			}
		}
	}
}

// hold remembers that a download now lies at one of some paths.
func (t *tracker) hold(fx *fetch, paths ...string) {
	t.keep(held{fetch: fx, paths: paths})
}

func (t *tracker) keep(h held) {
	if len(t.held) >= maxHeld {
		return
	}
	var clean []string
	for _, p := range h.paths {
		if p = cleanPath(p); p != "" && !slices.Contains(clean, p) {
			clean = append(clean, p)
		}
	}
	h.paths = clean
	t.held = append(t.held, h)
}

// find lists the indexes of the held files that a word names.
func (t *tracker) find(word string) []int {
	word = cleanPath(word)
	if word == "" || word == "-" || strings.ContainsAny(word, " \t\n") {
		return nil
	}
	var out []int
	last := word[len(word)-1]
	wild := strings.IndexByte("*?]", last) >= 0
	for i, h := range t.held {
		// Most files are told by their last letter.
		if slices.ContainsFunc(h.paths, func(p string) bool { return (wild || p[len(p)-1] == last) && samePath(word, p) }) {
			out = append(out, i)
		}
	}
	return out
}

// cleanPath makes ${x} and $x, and ./a and a, the same.
func cleanPath(p string) string {
	for {
		i := strings.Index(p, "${")
		if i < 0 {
			break
		}
		end := strings.IndexByte(p[i:], '}')
		if end < 0 || strings.ContainsAny(p[i+2:i+end], ":-+?#%/{$") {
			break
		}
		p = p[:i] + "$" + p[i+2:i+end] + p[i+end+1:]
	}
	if p == "" || p == "-" {
		return p
	}
	return path.Clean(p)
}

// samePath reports whether a word of a command may name a file: the same path,
// or the same name where one of the two is relative to a folder that isn't
// followed. The word may be a pattern.
func samePath(word, file string) bool {
	if word == file {
		return true
	}
	if path.IsAbs(word) && path.IsAbs(file) {
		return matches(word, file)
	}
	a, b := path.Base(word), path.Base(file)
	if a == b {
		return a != "." && a != "/"
	}
	return a != "*" && matches(a, b)
}

// matches reports whether a pattern with wildcards matches a name.
func matches(pattern, name string) bool {
	if !strings.ContainsAny(pattern, "*?[") {
		return false
	}
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// urlBase is the file name that a download gets from its address.
func urlBase(u string) string {
	u, _, _ = strings.Cut(u, "?")
	u, _, _ = strings.Cut(u, "#")
	base := path.Base(u)
	if base == "." || base == "/" {
		return "index.html"
	}
	return base
}

// safeURL is an address without credentials and query, for people.
func safeURL(text string) string {
	u, _, _ := strings.Cut(text, "?")
	u, _, _ = strings.Cut(u, "#")
	scheme, rest, ok := strings.Cut(u, "://")
	if !ok {
		scheme, rest = "", u
	}
	host, tail, slash := strings.Cut(rest, "/")
	if at := strings.LastIndex(host, "@"); at >= 0 {
		host = host[at+1:]
	}
	out := host
	if ok {
		out = scheme + "://" + host
	}
	if slash {
		out += "/" + tail
	}
	if len(out) > 200 {
		out = out[:200] + "…"
	}
	return strings.ToValidUTF8(out, "")
}

// hostOf is the host of an address, false where it isn't written out.
func hostOf(t dockerfile.Text) (string, bool) {
	_, rest, ok := strings.Cut(t.Value, "://")
	if !ok {
		rest = t.Value
	}
	host, _, _ := strings.Cut(rest, "/")
	if strings.ContainsAny(host, "$`") || host == "" {
		return "", false
	}
	u, err := url.Parse("https://" + host)
	if err != nil {
		return "", false
	}
	return strings.ToLower(u.Hostname()), true
}
