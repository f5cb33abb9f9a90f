package lint

import (
	"path"
	"slices"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
)

// hashers compute or check checksums.
var hashers = flagSet("sha1sum sha224sum sha256sum sha384sum sha512sum md5sum b2sum b3sum shasum cksum sha256 sha512")

// checks clears the downloads that a command verifies.
func (w *stream) checks(i int, name string, args []dockerfile.Text) {
	c := w.run.Commands[i]
	w.hash[i] = w.hashes(i, name, args)
	if c.Ignored {
		return // whatever it says, the build goes on
	}
	switch {
	case hashers[name] && isCheck(args):
		w.checkList(i, args)
	case verifies(name, args):
		for _, a := range args {
			w.clear(c, w.t.find(signed(a.Value)))
		}
	case name == "test" || name == "[" || name == "[[":
		w.compared(c, c.Inner)
	case name == "grep" || name == "cmp" || name == "diff":
		w.compared(c, append(slices.Clone(c.Stdin), c.Inner...))
	}
}

// isCheck reports whether a checksum program compares instead of printing.
func isCheck(args []dockerfile.Text) bool {
	for _, a := range args {
		v := a.Value
		if v == "--check" || strings.HasPrefix(v, "--check=") {
			return true
		}
		if strings.HasPrefix(v, "-") && !strings.HasPrefix(v, "--") && strings.Contains(v, "c") {
			return true
		}
	}
	return false
}

// hashes reports whether the output of a command holds a checksum: of its own
// making or passed on.
func (w *stream) hashes(i int, name string, args []dockerfile.Text) bool {
	if hashers[name] && !isCheck(args) {
		return true
	}
	if name == "openssl" && len(args) > 0 && (args[0].Value == "dgst" || strings.HasPrefix(args[0].Value, "sha")) {
		return true
	}
	for _, id := range w.run.Commands[i].Stdin {
		if w.hash[id] {
			return true
		}
	}
	return false
}

// compared clears the files whose checksum one of some commands computed,
// because something compares it.
func (w *stream) compared(c dockerfile.Command, ids []int) {
	for depth := 0; depth < 8 && len(ids) > 0; depth++ {
		var before []int
		for _, id := range ids {
			if !w.hash[id] {
				continue
			}
			from := w.run.Commands[id]
			_, args := from.Program()
			for _, a := range args {
				w.clear(c, w.t.find(a.Value))
			}
			for _, r := range from.Redirs {
				if r.Op == "<" {
					w.clear(c, w.t.find(r.Target.Value))
				}
			}
			before = append(before, from.Stdin...)
		}
		ids = before
	}
}

// verifies reports whether a command checks a signature or provenance.
func verifies(name string, args []dockerfile.Text) bool {
	has := func(words ...string) bool {
		return slices.ContainsFunc(args, func(a dockerfile.Text) bool { return slices.Contains(words, a.Value) })
	}
	switch name {
	case "gpg", "gpg2":
		return has("--verify")
	case "gpgv", "gpgv2", "debsig-verify":
		return true
	case "cosign":
		return has("verify-blob", "verify-blob-attestation")
	case "slsa-verifier":
		return has("verify-artifact")
	case "minisign", "signify":
		return slices.ContainsFunc(args, func(a dockerfile.Text) bool {
			return strings.HasPrefix(a.Value, "-") && strings.Contains(a.Value, "V")
		})
	case "openssl":
		return has("-verify")
	case "gh":
		return has("attestation")
	case "rpm", "rpmkeys":
		return has("-K", "--checksig")
	case "dpkg-sig", "jarsigner", "apksigner":
		return has("--verify", "-verify", "verify")
	}
	return false
}

// signed is the file that a detached signature belongs to.
func signed(name string) string {
	for _, ext := range []string{".asc", ".sig", ".gpg", ".sign", ".minisig", ".sigstore.json", ".bundle", ".pem"} {
		if base, ok := strings.CutSuffix(name, ext); ok {
			return base
		}
	}
	return name
}

// checkList clears what a list of checksums names. Where the list is a file,
// or its text isn't known, everything downloaded so far is taken as checked.
func (w *stream) checkList(i int, args []dockerfile.Text) {
	c := w.run.Commands[i]
	for k, a := range args {
		if strings.HasPrefix(a.Value, "-") || k > 0 && (args[k-1].Value == "-a" || args[k-1].Value == "--algorithm") {
			continue
		}
		w.clearAll(c)
		return
	}
	text, known := w.input(i)
	var named []int
	for at, h := range w.t.held {
		if slices.ContainsFunc(h.paths, func(p string) bool { return strings.Contains(text, path.Base(p)) }) {
			named = append(named, at)
		}
	}
	switch {
	case len(named) > 0:
		w.clear(c, named)
	case !known:
		w.clearAll(c)
	}
}

// input is the text that a command reads, as far as the script tells, and
// whether it tells all of it.
func (w *stream) input(i int) (string, bool) {
	c := w.run.Commands[i]
	var parts []string
	known := true
	for _, r := range c.Redirs {
		switch r.Op {
		case "<<", "<<-", "<<<":
			parts = append(parts, r.Doc, r.Target.Value)
			known = known && (r.Op != "<<<" || r.Target.Known)
		case "<":
			known = false
		}
	}
	for _, id := range c.Stdin {
		from := w.run.Commands[id]
		name, args := from.Program()
		known = known && (name.Is("echo") || name.Is("printf"))
		for _, a := range args {
			parts = append(parts, a.Value)
			known = known && a.Known
		}
	}
	return cleanNames(strings.Join(parts, " ")), known
}

// cleanNames writes ${x} as $x, as cleanPath does.
func cleanNames(text string) string {
	words := strings.Fields(text)
	for i, w := range words {
		words[i] = cleanPath(w)
	}
	return strings.Join(words, " ")
}

func (w *stream) clearAll(c dockerfile.Command) {
	all := make([]int, len(w.t.held))
	for i := range all {
		all[i] = i
	}
	w.clear(c, all)
}

// clear marks files as checked. Under a condition that is not certain.
func (w *stream) clear(c dockerfile.Command, which []int) {
	for _, at := range which {
		h := &w.t.held[at]
		switch {
		case h.fetch.use != nil:
		case c.Maybe:
			h.doubt = "the check runs only under a condition"
		default:
			h.fetch.verified = true
		}
	}
}
