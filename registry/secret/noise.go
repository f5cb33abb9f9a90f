package secret

import (
	"bytes"
	"math"
	"path"
	"strings"
)

// isText tells a text by its first bytes: no NUL, hardly a control character,
// none of the marks of formats that begin like one.
func isText(head []byte) bool {
	for _, mark := range marks {
		if bytes.HasPrefix(head, mark) {
			return false
		}
	}
	control := 0
	for _, c := range head {
		if c == 0 {
			return false
		}
		if c < 0x20 && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != '\b' && c != 0x1b {
			control++
		}
	}
	return control*20 <= len(head)
}

// marks of archives, documents and media.
var marks = [][]byte{
	[]byte("\x7fELF"), []byte("PK\x03\x04"), []byte("\x1f\x8b"), []byte("BZh"), []byte("\xfd7zXZ"), []byte("\x28\xb5\x2f\xfd"),
	[]byte("!<arch>\n"), []byte("%PDF-"), []byte("\x89PNG"), []byte("\xff\xd8\xff"), []byte("GIF8"), []byte("RIFF"),
	[]byte("wOFF"), []byte("wOF2"), []byte("OggS"), []byte("ID3"), []byte("\xca\xfe\xba\xbe"), []byte("SQLite format 3"), []byte("PACK"),
}

// entropy of a text in bits for each byte (Shannon), over its own bytes.
func entropy(text []byte) float64 {
	var counts [256]int
	for _, c := range text {
		counts[c]++
	}
	sum, n := 0.0, float64(len(text))
	for _, k := range counts {
		if k > 0 {
			p := float64(k) / n
			sum -= p * math.Log2(p)
		}
	}
	return sum
}

// random reports whether a value may be drawn at random: many different bytes
// for its length, and few that count up or repeat.
func random(text []byte) bool {
	steps := 0
	for i := 1; i < len(text); i++ {
		if d := int(text[i]) - int(text[i-1]); d == 0 || d == 1 {
			steps++
		}
	}
	if steps*3 > len(text) {
		return false
	}
	least := 3.5
	if run(text, 0, hexLower) == len(text) {
		least = 2.9
	}
	if len(text) < 24 {
		least -= 0.4
	}
	return entropy(text) >= least
}

// mixed reports whether a text has letters of both cases and digits.
func mixed(text []byte) bool {
	return bytes.ContainsAny(text, lower) && bytes.ContainsAny(text, upper) && bytes.ContainsAny(text, digits)
}

func printable(text []byte) bool {
	for _, c := range text {
		if c < 0x20 || c == 0x7f {
			return false
		}
	}
	return true
}

// example knows values of documentation: words that hardly come about by
// chance in a random value.
func example(text []byte) bool { return holdsAny(text, exampleWords) }

var exampleWords = []string{"example", "changeme", "placeholder", "redacted", "xxxxx", "yourkey", "yourtoken", "insert_", "not-real", "notreal", "dummykey", "fakekey", "00000000", "deadbeef"}

// standIn knows values of files that hold secrets and nothing else: templates,
// documentation, words instead of a value.
func standIn(text []byte) bool {
	if len(text) == 0 || example(text) || bytes.IndexByte([]byte("$<{%*`"), text[0]) >= 0 {
		return true
	}
	for _, open := range []string{"${", "{{", "$(", "<%"} {
		if bytes.Contains(text, []byte(open)) {
			return true
		}
	}
	return words[strings.Trim(strings.ToLower(string(text)), "-_.!0123456789")]
}

// placeholder knows those of any text: those of standIn, a look-up at run
// time, and words that a value of documentation or of tests often holds.
func placeholder(text []byte) bool {
	return standIn(text) || bytes.ContainsAny(text, "<>{}$`") || holdsAny(text, placeWords)
}

var placeWords = []string{"change_me", "change-me", "your_", "your-", "your ", "_here", "-here", "dummy", "sample", "todo", "fixme", "replace", "foobar", "hunter2", "insecure", "test", "fake", "mock", "demo", "...", "***", "xxx", "environ", "getenv", "process.env", "vault:", "scram-", "secretkeyref", "encrypted:", "enc[", "swordfish"}

// words that stand where a password would, digits at their ends left out.
var words = map[string]bool{
	"": true, "password": true, "passwd": true, "pass": true, "passw": true, "pwd": true, "pw": true, "secret": true, "token": true, "user": true, "username": true,
	"foo": true, "bar": true, "baz": true, "none": true, "null": true, "nil": true, "true": true, "false": true, "undefined": true, "string": true, "empty": true,
	"mypassword": true, "mypass": true, "mysecret": true, "mysecretpassword": true, "secretpassword": true, "p": true, "x": true, "abc": true, "key": true, "value": true, "admin": true,
	"hidden": true, "default": true, "required": true, "optional": true, "pa": true, "passphrase": true, "credential": true, "credentials": true, "my_password": true,
}

// wellKnown are keys that everybody has: that of Azure's storage emulator.
func wellKnown(text []byte) bool { return bytes.HasPrefix(text, []byte("Eby8vdM02xNOcqFlqUwJPLlm")) }

func holdsAny(text []byte, list []string) bool {
	low := bytes.ToLower(text)
	for _, w := range list {
		if bytes.Contains(low, []byte(w)) {
			return true
		}
	}
	return false
}

// file is what a path says of a file.
type file struct {
	quiet bool // not searched at all
	plain bool // of an installed package: no detectors that are generic
	loose bool // a file of settings: values need no quotes
	env   bool // one of variables, whose names say plainly what they hold
	store func(text []byte) []value
}

func fileOf(name string) file {
	name = strings.TrimPrefix(name, "/")
	f := file{plain: packaged(name), store: storeOf(name)}
	f.quiet = quiet(name, f.plain)
	f.env = !f.plain && variables(name)
	f.loose = f.env || !f.plain && settings(name)
	return f
}

// roots are folders that hold what packages brought, wherever they lie.
var roots = []string{
	"node_modules/", "site-packages/", "dist-packages/", "pkg/mod/", "/gems/", "/.cargo/registry/", "/.m2/repository/", "/vendor/",
}

// systemRoots are those that begin the path.
var systemRoots = []string{
	"usr/lib/", "usr/lib64/", "usr/libexec/", "usr/share/", "usr/include/", "usr/src/", "usr/local/lib/", "usr/local/go/", "usr/local/share/", "usr/local/include/", "lib/", "lib64/", "opt/conda/", "opt/java/", "var/lib/dpkg/", "var/lib/apt/", "nix/store/",
}

// packaged reports whether a file lies where packages are installed.
func packaged(name string) bool {
	for _, r := range systemRoots {
		if strings.HasPrefix(name, r) {
			return true
		}
	}
	for _, r := range roots {
		if at := strings.Index(name, r); at > 0 || at == 0 && r[0] != '/' {
			return true
		}
	}
	return false
}

// samples are words in names of folders and files of packages that hold
// documentation, tests and examples. Words that begin with test count too.
var samples = map[string]bool{
	"spec": true, "specs": true, "fixture": true, "fixtures": true, "example": true, "examples": true, "demo": true, "demos": true, "sample": true, "samples": true,
	"mock": true, "mocks": true, "doc": true, "docs": true, "man": true, "info": true, "e2e": true, "integration": true, "conformance": true, "dummyserver": true, "idlelib": true,
	"readme": true, "changelog": true, "metadata": true, "md": true, "rst": true,
}

// quiet reports whether nothing of a file is searched: samples of installed
// packages, and the key that Debian's ssl-cert makes for tests on each
// machine. pkg tells that the file is one of a package.
func quiet(name string, pkg bool) bool {
	if name == "etc/ssl/private/ssl-cert-snakeoil.key" {
		return true
	}
	if !pkg {
		return false
	}
	if strings.HasSuffix(name, "/PKG-INFO") || strings.HasSuffix(name, ".d.ts") {
		return true
	}
	from := 0
	for i := 0; i <= len(name); i++ {
		if i < len(name) && word[name[i]] && name[i] != '_' {
			continue
		}
		if w := name[from:i]; strings.HasPrefix(w, "test") || strings.HasSuffix(w, "test") && w != "latest" || samples[w] || len(w) > 2 && w[0] < 'a' && sampleFold(w) {
			return true
		}
		from = i + 1
	}
	return false
}

func sampleFold(w string) bool {
	w = strings.ToLower(w)
	return samples[w] || strings.HasPrefix(w, "test")
}

// variables reports whether a file sets those of an environment.
func variables(name string) bool {
	base := path.Base(name)
	return base == ".env" || strings.HasPrefix(base, ".env.") || path.Ext(base) == ".env"
}

// settings reports whether a file has the form NAME=value or name: value.
func settings(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".ini", ".cfg", ".conf", ".cnf", ".properties", ".yaml", ".yml", ".toml", ".tfvars", ".config":
		return true
	}
	return false
}
