package lint

import (
	"path"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
)

// download is what one curl, wget or aria2c fetches.
type download struct {
	url  dockerfile.Text
	file string // empty: standard output
}

// curlValued are the short flags of curl that take a value.
const curlValued = "AbcCdDeEFHhKmoPQrtTuUwxXyYz"

// curlLong are its long flags that take a value and could be taken for one
// with an address behind.
var curlLong = flagSet("--output --header --user-agent --data --data-raw --data-binary --data-urlencode --user --proxy --referer --request --cookie " +
	"--cookie-jar --max-time --connect-timeout --retry --retry-delay --retry-max-time --cacert --capath --cert --key --form --range --resolve --write-out " +
	"--url --output-dir --config --limit-rate --max-redirs --noproxy --proxy-user --socks5 --ciphers --tls-max --interface --speed-limit --speed-time " +
	"--upload-file --time-cond --dump-header --max-filesize --unix-socket --oauth2-bearer --aws-sigv4 --pinnedpubkey --stderr --trace --trace-ascii")

const wgetValued = "aABDeiIloOPQRStTUwX"

var wgetLong = flagSet("--output-document --directory-prefix --header --user --password --user-agent --tries --timeout --wait --quota --output-file " +
	"--append-output --post-data --post-file --method --body-data --referer --ca-certificate --certificate --private-key --execute --limit-rate " +
	"--waitretry --read-timeout --dns-timeout --connect-timeout --http-user --http-password --input-file --base --accept --reject --level --cut-dirs --progress")

func flagSet(list string) map[string]bool {
	set := map[string]bool{}
	for _, f := range strings.Fields(list) {
		set[f] = true
	}
	return set
}

// flags is the arguments of a command taken apart.
type flags struct {
	short []option // by letter, as "-o"
	long  []option // as "--output"
	rest  []dockerfile.Text
}

type option struct {
	name  string
	value dockerfile.Text
	has   bool // a value was given
}

func (f flags) has(names ...string) bool {
	_, ok := f.get(names...)
	return ok
}

// get returns the last value of any of the names, which is the one that counts.
func (f flags) get(names ...string) (dockerfile.Text, bool) {
	var out dockerfile.Text
	found := false
	for _, list := range [][]option{f.short, f.long} {
		for _, o := range list {
			for _, n := range names {
				if o.name == n {
					out, found = o.value, true
				}
			}
		}
	}
	return out, found
}

// all returns every value of any of the names, in order.
func (f flags) all(names ...string) []dockerfile.Text {
	var out []dockerfile.Text
	for _, list := range [][]option{f.short, f.long} {
		for _, o := range list {
			for _, n := range names {
				if o.name == n && o.has {
					out = append(out, o.value)
				}
			}
		}
	}
	return out
}

// parseFlags takes arguments apart as getopt_long does. valued are the short
// flags, long the long ones, that take a value.
func parseFlags(args []dockerfile.Text, valued string, long map[string]bool) flags {
	var f flags
	for i := 0; i < len(args); i++ {
		a := args[i].Value
		next := func() (dockerfile.Text, bool) {
			if i+1 < len(args) {
				i++
				return args[i], true
			}
			return dockerfile.Text{}, false
		}
		switch {
		case a == "--":
			f.rest = append(f.rest, args[i+1:]...)
			return f
		case strings.HasPrefix(a, "--"):
			o := option{name: a}
			if name, v, ok := strings.Cut(a, "="); ok {
				o.name, o.has = name, true
				o.value = dockerfile.Text{Value: v, Known: args[i].Known, Why: args[i].Why, Raw: v}
			} else if long[a] {
				o.value, o.has = next()
			}
			f.long = append(f.long, o)
		case len(a) > 1 && a[0] == '-':
			for j := 1; j < len(a); j++ {
				o := option{name: "-" + a[j:j+1]}
				if strings.IndexByte(valued, a[j]) >= 0 {
					if j+1 < len(a) {
						o.value, o.has = dockerfile.Text{Value: a[j+1:], Known: args[i].Known, Why: args[i].Why, Raw: a[j+1:]}, true
					} else {
						o.value, o.has = next()
					}
					f.short = append(f.short, o)
					break
				}
				f.short = append(f.short, o)
			}
		default:
			f.rest = append(f.rest, args[i])
		}
	}
	return f
}

// downloads lists what a command fetches; nil for other programs.
func downloads(program string, args []dockerfile.Text) []download {
	switch program {
	case "curl":
		return curl(args)
	case "wget", "wget2":
		return wget(args)
	case "aria2c", "axel":
		f := parseFlags(args, "odxsjk", flagSet("--out --dir"))
		name, _ := f.get("-o", "--out")
		dir, _ := f.get("-d", "--dir")
		return named(f.rest, name.Value, dir.Value)
	}
	return nil
}

func curl(args []dockerfile.Text) []download {
	f := parseFlags(args, curlValued, curlLong)
	urls := append(f.all("--url"), f.rest...)
	outputs := f.all("-o", "--output")
	dir, _ := f.get("--output-dir")
	remote := f.has("-O", "--remote-name", "--remote-name-all", "-J")
	var out []download
	for i, u := range urls {
		if !isAddress(u) {
			continue
		}
		d := download{url: u}
		switch {
		case i < len(outputs):
			d.file = path.Join(dir.Value, outputs[i].Value)
			if outputs[i].Value == "-" || outputs[i].Value == "/dev/stdout" {
				d.file = ""
			}
		case remote:
			d.file = path.Join(dir.Value, urlBase(u.Value))
		}
		out = append(out, d)
	}
	return out
}

func wget(args []dockerfile.Text) []download {
	f := parseFlags(args, wgetValued, wgetLong)
	name, _ := f.get("-O", "--output-document")
	dir, _ := f.get("-P", "--directory-prefix")
	return named(f.rest, name.Value, dir.Value)
}

// named gives each address its file: the one named, or its own.
func named(urls []dockerfile.Text, name, dir string) []download {
	var out []download
	for _, u := range urls {
		if !isAddress(u) {
			continue
		}
		d := download{url: u, file: name}
		switch name {
		case "":
			d.file = path.Join(dir, urlBase(u.Value))
		case "-", "/dev/stdout":
			d.file = ""
		}
		out = append(out, d)
	}
	return out
}

// isAddress reports whether an argument can be what to fetch: curl and wget
// take any word for one, so only the machine itself and files are left out.
func isAddress(t dockerfile.Text) bool {
	if t.Value == "" || t.Value == "-" || strings.HasPrefix(t.Value, "file:") {
		return false
	}
	host, ok := hostOf(t)
	if !ok {
		return true
	}
	switch host {
	case "localhost", "127.0.0.1", "::1", "0.0.0.0":
		return false
	}
	return true
}
