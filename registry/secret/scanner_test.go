package secret

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestEveryKind: each kind is found, alone, once, on its line, and the place
// that was found is that of the value.
func TestEveryKind(t *testing.T) {
	samples := samplesOf(t, 0)
	for _, k := range Kinds {
		if len(samples[k.ID]) == 0 {
			t.Errorf("%s: no sample", k.ID)
		}
		for _, s := range samples[k.ID] {
			t.Run(k.ID+" "+s.name, func(t *testing.T) {
				at := strings.Index(s.text, s.value)
				r, found := scan(s.path, s.text, len(s.text))
				want := []Hit{{Kind: k.ID, Line: lineOf(s.text, at)}}
				got := slices.Clone(r.Hits)
				for i := range got {
					got[i].Expires = 0
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Fatalf("(-want +got)\n%s", d)
				}
				if from, to := int(found[0].from), int(found[0].to); to <= at || from >= at+len(s.value) {
					t.Errorf("found at %d to %d, the value is at %d", from, to, at)
				}
			})
		}
	}
}

// TestRecall draws the samples anew, many times: entropy may miss a value that
// is drawn badly, and no more than one in a hundred of a kind.
func TestRecall(t *testing.T) {
	const rounds = 300
	missed := map[string]int{}
	for shift := range uint64(rounds) {
		for kind, list := range samplesOf(t, shift) {
			for _, s := range list {
				if r, _ := scan(s.path, s.text, len(s.text)); len(r.Hits) != 1 || r.Hits[0].Kind != kind {
					missed[kind+" "+s.name]++
				}
			}
		}
	}
	for name, n := range missed {
		t.Logf("%s: %d of %d missed", name, n, rounds)
		if n*100 > rounds {
			t.Errorf("%s: %d of %d missed", name, n, rounds)
		}
	}
}

// TestBlocks: however a file is cut, the same is found; and so behind a
// megabyte of text, where values lie across the ends of the window.
func TestBlocks(t *testing.T) {
	for kind, list := range samplesOf(t, 0) {
		for _, s := range list {
			whole, _ := scan(s.path, s.text, len(s.text))
			for _, n := range []int{1, 7, 4096} {
				if got, _ := scan(s.path, s.text, n); !cmp.Equal(whole, got) {
					t.Errorf("%s %s in blocks of %d: %s", kind, s.name, n, cmp.Diff(whole, got))
				}
			}
		}
	}
	token := summed("gh"+"p", 1)
	filler := strings.Repeat("all work and no play\n", 9000)
	for at := window - ahead - 60; at < window+60; at += 7 {
		text := filler[:at] + "\n" + token + "\n" + filler
		want := []Hit{{Kind: githubToken, Line: lineOf(text, at+1)}}
		if r, _ := scan("a", text, 5000); !cmp.Equal(want, r.Hits) {
			t.Fatalf("at %d: %s", at, cmp.Diff(want, r.Hits))
		}
	}
}

// TestNearMisses: none of these is a secret.
func TestNearMisses(t *testing.T) {
	good := summed("gh"+"p", 1)
	swapped := good[:10] + string(good[11]) + string(good[10]) + good[12:]
	id := "AKI" + "A" + "IOSFODNN7EXAMPLE"
	none := `{"alg":"none"}`
	pass := draw(2, 8, lower) + draw(3, 3, digits) + draw(4, 4, upper) + "!"
	for name, c := range map[string]struct{ path, text string }{
		"checksum of GitHub is wrong":           {"a", swapped},
		"one character more":                    {"a", good + "x"},
		"inside of a word":                      {"a", "x" + good},
		"checksum of npm is wrong":              {"a", "npm_" + draw(1, 36, all62)},
		"example of AWS":                        {"a", id + " wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY"},
		"access key id without its secret":      {"a", "AKI" + "A" + draw(5, 16, "ABCDEFGH234567") + "\n"},
		"digest behind an access key id":        {"a", "AKI" + "A" + draw(5, 16, "ABCDEFGH234567") + " " + draw(6, 40, hex16)},
		"public key":                            {"a", block(t, "PUBLIC KEY", []byte(draw(1, 200, all62)), nil)},
		"certificate":                           {"a", block(t, "CERTIFICATE", []byte(draw(1, 900, all62)), nil)},
		"block without a key":                   {"a", "-----BEGIN RSA PRIVATE KEY-----\n...\n" + pemEnd + "RSA PRIVATE KEY-----\n"},
		"block with another content":            {"a", block(t, "RSA PRIVATE KEY", []byte(draw(1, 900, all62)), nil)},
		"code that speaks of blocks":            {"a.go", `strings.Contains(x, "-----BEGIN RSA PRIVATE KEY-----")`},
		"PGP public key":                        {"a", "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + draw(1, 300, all62)},
		"JWT that nobody signed":                {"a", token64(none) + "." + token64(`{"sub":"a"}`) + "." + draw(1, 43, url64)},
		"example of jwt.io":                     {"a", webTokenOf(`{"alg":"HS256","typ":"JWT"}`, `{"sub":"1234567890","name":"John Doe","iat":1516239022}`)},
		"three parts that are no JSON":          {"a", "eyJ" + draw(1, 40, url64) + ".eyJ" + draw(2, 40, url64) + "." + draw(3, 43, url64)},
		"token of repeated characters":          {"a", "glp" + "at-" + strings.Repeat("x", 20)},
		"token that counts up":                  {"a", "dop_" + "v1_" + strings.Repeat("0123456789abcdef", 4)},
		"test key of Stripe":                    {"a", "sk_" + "test_" + draw(1, 24, all62)},
		"variable in .npmrc":                    {"root/.npmrc", "//registry.npmjs.org/:_authToken=${NPM_TOKEN}"},
		"template in a URL":                     {"a.py", "postgres://user:{{ password }}@host and http://u:${PASS}@h and http://user:<pass>@h"},
		"example in a URL":                      {"a.py", "http://user:password@host/ https://foo:bar@x https://robot:" + pass + "@example.com"},
		"port in a URL":                         {"a.py", "http://host:8080/@x"},
		"look-up at run time":                   {"a.py", `password = os.environ["DB_PASSWORD"]` + "\ntoken = getenv('TOKEN_12345678_abcd')"},
		"placeholder":                           {"a.env", "PASSWORD=changeme\nAPI_KEY=your_api_key_here_1234\nSECRET=xxxxxxxxxxxxxxxxxxxx1\nTOKEN=<token-1234567890abcd>"},
		"word":                                  {"a.yaml", "password: password123\nsecret: my-secret\ntoken: bearer-token-name"},
		"name of a file":                        {"a.yaml", "passwordFile: /run/secrets/db\npassword_file: Abcdef123456!\ntoken_path: a1b2c3d4e5f6g7h8i9"},
		"comparison":                            {"a.py", `if password == "Abcdef12345!": pass`},
		"UUID":                                  {"a.yaml", "token: 123e4567-e89b-12d3-a456-426614174000"},
		"digest":                                {"a.yaml", "secret: sha256:" + draw(1, 64, hex16)},
		"unquoted in code":                      {"a.py", "token = parseToken1234567890abc"},
		"locked accounts":                       {"etc/shadow", "root:*:1::::::\ndaemon:!:1::::::\nx::1::::::\n"},
		"empty auths":                           {"root/.docker/config.json", `{"auths": {"r": {"auth": ""}}, "credsStore": "pass"}`},
		"docker auth that is no user:password":  {"root/.docker/config.json", `{"auth": "` + draw(1, 24, all62) + `"}`},
		"state without resources":               {"terraform.tfstate", `{"terraform_version": "1.9", "resources": []}`},
		"key of the storage emulator":           {"a", "AccountKey=" + "Eby8vdM02xNOcqFlqUwJPLlm" + draw(1, 62, std64) + "=="},
		"documentation of a package":            {"usr/share/doc/x/y.txt", good},
		"test of a package":                     {"usr/lib/python3/dist-packages/x/tests/a.py", good},
		"test file of a module":                 {"usr/local/go/src/x/a_test.go", good},
		"test folder in node_modules":           {"app/node_modules/x/test/a.js", good},
		"password in a source of a package":     {"usr/lib/python3/dist-packages/x/a.py", "password = '" + pass + "'"},
		"key of ssl-cert":                       {"etc/ssl/private/ssl-cert-snakeoil.key", block(t, "EC PRIVATE KEY", ecKey(t), nil)},
		"not a text":                            {"a.bin", "\x7fELF\x00\x00" + good},
		"NUL behind some text":                  {"a.bin", "text\x00" + good},
		"archive":                               {"a.tgz", "\x1f\x8b" + good},
		"netrc without a password":              {"root/.netrc", "machine a login b\n"},
		"comment in .pgpass":                    {"root/.pgpass", "#a:b:c:d:" + pass},
		"word of GitHub that is no token":       {"a.go", `const prefix = "ghp_"`},
		"two halves of an OpenAI key apart":     {"a", "sk-" + draw(1, 20, all62) + " T3Blbk" + "FJ" + draw(2, 20, all62)},
		"hash without the form of Entra secret": {"a", "abc8Q" + draw(1, 34, all62)},
	} {
		t.Run(name, func(t *testing.T) {
			if r, _ := scan(c.path, c.text, len(c.text)); len(r.Hits) > 0 {
				t.Errorf("%+v", r.Hits)
			}
		})
	}
}

// TestPackagesAreSearched: outside of samples a package's file counts.
func TestPackagesAreSearched(t *testing.T) {
	for _, path := range []string{
		"usr/lib/python3/dist-packages/x/a.py", "app/node_modules/x/latest/index.js", "usr/share/app/conf.json", "app/tests/key.txt", "home/docs/a.md",
	} {
		if r, _ := scan(path, summed("gh"+"p", 1), 100); len(r.Hits) != 1 {
			t.Errorf("%s: %+v", path, r.Hits)
		}
	}
}

func TestExpiry(t *testing.T) {
	r, _ := scan("a", webTokenOf(`{"alg":"ES256"}`, `{"exp":1900000000}`), 1000)
	if d := cmp.Diff([]Hit{{Kind: webToken, Line: 1, Expires: 1900000000}}, r.Hits); d != "" {
		t.Error(d)
	}
}

// TestBounds: hits beyond the bound are counted, and a file beyond its own is
// named.
func TestBounds(t *testing.T) {
	var text strings.Builder
	for i := range MaxHits + 10 {
		fmt.Fprintln(&text, summed("gh"+"p", uint64(i)))
	}
	if r, _ := scan("a", text.String(), 1000); len(r.Hits) != MaxHits || r.More != 10 {
		t.Errorf("%d hits, %d more", len(r.Hits), r.More)
	}
	var s Scanner
	s.Begin("a")
	block := bytes.Repeat([]byte("all work and no play\n"), 50000)
	for range MaxFile/len(block) + 1 {
		_, _ = s.Write(block)
	}
	if r := s.End(); r.Unread == "" {
		t.Error("a file that is too long is not named")
	}
	s.Begin("root/.netrc")
	_, _ = s.Write(block)
	_, _ = s.Write(block[:1000])
	if r := s.End(); r.Unread == "" {
		t.Error("a file of credentials that is too long is not named")
	}
	if len(s.buf) > window || cap(s.store) > 2*maxStore {
		t.Errorf("%d and %d bytes kept", len(s.buf), cap(s.store))
	}
}

// TestHostile: texts of nothing but keywords are searched at a bounded cost
// for each byte.
func TestHostile(t *testing.T) {
	const size = 64 << 10
	for _, d := range detectors() {
		for _, k := range d.keys {
			for _, part := range []string{k, k + "=", k + "a1B", "-----BEGIN " + k + "-----", "://" + k, k + "." + k + "\n", k + strings.Repeat("aB3", 20) + " "} {
				start := time.Now()
				scan("a.env", strings.Repeat(part, size/len(part)), size)
				if took := time.Since(start); took > time.Second {
					t.Errorf("%q: %v for %d bytes", part, took, size)
				}
			}
		}
	}
}

// TestStoreOfMany: a file of credentials may hold one in each line.
func TestStoreOfMany(t *testing.T) {
	const lines = 40000
	text := strings.Repeat("\n", 3) + strings.Repeat("h:$aaaaaaaaaaaaaaaaaaaab\n", lines)
	start := time.Now()
	r, _ := scan("etc/shadow", text, len(text))
	if took := time.Since(start); took > time.Second {
		t.Errorf("%v for %d bytes", took, len(text))
	}
	if len(r.Hits) != MaxHits || r.More != lines-MaxHits || r.Hits[0].Line != 4 || r.Hits[MaxHits-1].Line != 3+MaxHits {
		t.Errorf("%d hits from line %d to %d, %d more", len(r.Hits), r.Hits[0].Line, r.Hits[MaxHits-1].Line, r.More)
	}
}

func TestReadError(t *testing.T) {
	broken := errors.New("broken")
	if _, err := Scan("a", iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// naive finds keywords one by one: the oracle of the prefilter.
func naive(text []byte) (out []string) {
	for _, d := range detectors() {
		for _, k := range d.keys {
			hay := text
			if d.fold {
				hay = lowered(text)
			}
			for at := 0; ; at++ {
				i := bytes.Index(hay[at:], []byte(k))
				if i < 0 {
					break
				}
				at += i
				out = append(out, fmt.Sprintf("%s at %d", k, at))
			}
		}
	}
	slices.Sort(out)
	return out
}

func lowered(text []byte) []byte {
	out := bytes.Clone(text)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] += 'a' - 'A'
		}
	}
	return out
}

func prefiltered(text []byte) (out []string) {
	for i := 0; i < len(text); i++ {
		var keys []keyword
		if i, keys = keywords.next(text, i, len(text)); keys == nil {
			break
		}
		for k := range keys {
			if at := keys[k].at(text, i); at >= 0 {
				out = append(out, fmt.Sprintf("%s at %d", keys[k].text, at))
			}
		}
	}
	slices.Sort(out)
	return out
}

func TestPrefilter(t *testing.T) {
	for kind, list := range samplesOf(t, 0) {
		for _, s := range list {
			if d := cmp.Diff(naive([]byte(s.text)), prefiltered([]byte(s.text))); d != "" {
				t.Errorf("%s %s: %s", kind, s.name, d)
			}
		}
	}
	for _, d := range detectors() {
		for _, k := range d.keys {
			if len(k) < gramSize || len(k) > keyMax || d.fold && k != strings.ToLower(k) {
				t.Errorf("keyword %q", k)
			}
		}
	}
}

// leaks reports whether any 8 bytes in a row of a value stand in what is told
// of it.
func leaks(told []byte, value []byte) bool {
	for i := 0; i+8 <= len(value); i++ {
		if bytes.Contains(told, value[i:i+8]) {
			return true
		}
	}
	return false
}

// FuzzScan: what is told of a file holds no part of a value, doesn't depend on
// how the file was cut, and the prefilter finds every keyword.
func FuzzScan(f *testing.F) {
	for _, list := range samplesOf(f, 0) {
		for _, s := range list {
			f.Add(s.path, []byte(s.text), 100)
		}
	}
	f.Fuzz(func(t *testing.T, path string, text []byte, n int) {
		r, found := scan(path, string(text), max(1, n&0xfff))
		for i, h := range r.Hits {
			if KindOf(h.Kind).Name == "" {
				t.Fatalf("kind %q is not in the table", h.Kind)
			}
			r.Hits[i].Kind = "" // one of the table: no bytes of the file
		}
		told, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		told = fmt.Appendf(told, "%+v", r)
		for _, m := range found {
			if m.from < 0 || m.to < m.from || m.to > int64(len(text)) {
				t.Fatalf("%+v in a text of %d bytes", m, len(text))
			}
			if leaks(told, text[m.from:m.to]) {
				t.Fatalf("%s shows", told)
			}
		}
		_, whole := scan(path, string(text), len(text)+1)
		if d := cmp.Diff(whole, found, cmp.AllowUnexported(match{})); d != "" {
			t.Fatal(d)
		}
		if a, b := naive(text), prefiltered(text); !slices.Equal(a, b) {
			t.Fatal(cmp.Diff(a, b))
		}
	})
}
