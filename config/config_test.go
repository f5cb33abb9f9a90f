package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

func load(t *testing.T, text string) (*Config, error) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "estate")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Load(dir)
}

func TestLoadProblems(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string // each is part of one line
	}{
		"unknown key at the top":  {"estat: x\n", []string{`:1: unknown key "estat": the nearest is "estate"`}},
		"unknown key deep inside": {"build:\n  baseImage: {allow: []}\n", []string{`:2: unknown key "baseImage": the nearest is "baseImages"`}},
		"unknown key in a list":   {"logs:\n- kind: a\n  paths: b\n", []string{`:3: unknown key "paths": the nearest is "path"`}},
		"all problems at once": {
			"estat: x\nrisk: {line: -1}\nclusters: [{platform: aws}]\n",
			[]string{`unknown key "estat"`},
		},
		"wrong type":             {"risk: {line: much}\n", []string{":1: cannot unmarshal"}},
		"an exception is owned":  {"accept: [{advisory: CVE-1, expires: soon}]\n", []string{"needs a reason and an owner", `expires "soon"`}},
		"advisory or rule":       {"accept: [{reason: r, owner: o, expires: 2027-01-01}]\n", []string{"one of the two"}},
		"paths stay inside":      {"logs: [{kind: k, path: ../secret}]\n", []string{`"../secret" leaves the estate`}},
		"absolute paths too":     {"advisories: /etc\n", []string{`"/etc" leaves the estate`}},
		"a jewel names one":      {"jewels: [{name: j, value: 1}]\n", []string{"names 0 assets"}},
		"jewels sum to 1000":     {"jewels: [{name: j, value: 1001, match: {node: n}}]\n", []string{"sum to 1001"}},
		"a jewel has a value":    {"jewels: [{name: j, match: {node: n}}]\n", []string{"worth more than 0"}},
		"negative line":          {"risk: {line: -1}\n", []string{"a line is 0 or more"}},
		"cluster without a name": {"clusters: [{platform: aws}]\n", []string{"needs a name", `platform "aws"`}},
		"a sink without a name":  {"notify: [{to: 'file:x'}]\n", []string{"notify[0]: a sink needs a name"}},
		"two sinks of one name":  {"notify: [{name: a, to: 'file:x'}, {name: a, to: 'file:y', secret: {env: A, file: b}}]\n", []string{`notify[1]: the name "a" is taken`, "env or in file"}},
		"a secret has no place":  {"notify: [{name: a, to: 'file:x', token: abc}]\n", []string{`:1: unknown key "token"`}},
		"truncated":              {"estate: [\n", []string{"scantling.yaml"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, tc.text)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in:\n%v", want, err)
				}
			}
		})
	}
}

func TestLoad(t *testing.T) {
	c, err := load(t, `
estate: shop
jewels: [{name: data, match: {secret: shop/db}, value: 500}]
accept: [{advisory: CVE-1, asset: a, reason: r, owner: o, expires: 2027-01-01}]
risk: {line: 300}
`)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := c.Jewels[0].Match.Ref("prod"), (model.Ref{Kind: model.Secret, Key: "prod/shop/db"}); got != want {
		t.Errorf("jewel = %v, want %v", got, want)
	}
	want := []model.Exception{{Advisory: "CVE-1", Asset: "a", Reason: "r", Owner: "o", Expires: "2027-01-01"}}
	if diff := cmp.Diff(want, c.Exceptions()); diff != "" {
		t.Error(diff)
	}
}

func TestAbsentAndEmptyFilesAreDefaults(t *testing.T) {
	c, err := load(t, "")
	if err != nil || c.Estate != "estate" {
		t.Errorf("empty file: estate %q, %v; want the folder's name", c.Estate, err)
	}
	dir := filepath.Join(t.TempDir(), "bare")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c, err = Load(dir)
	if err != nil || c.Estate != "bare" || c.Risk.Line != nil {
		t.Errorf("no file: %+v, %v", c, err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("estate: shop\nlogs: [{kind: a, path: b}]\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("\r\ri\r\r\r\r\r [@a;;"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c := &Config{file: "f", dir: "."}
		if err := c.decode(data); err != nil {
			for _, line := range strings.Split(err.Error(), "\n") {
				if line == "" {
					t.Errorf("an empty line in %q", err)
				}
			}
			return
		}
		again := &Config{file: "f", dir: "."}
		if err := again.decode(data); err != nil {
			t.Errorf("the same bytes were read once, and then: %v", err)
		}
	})
}

// A link inside the estate is a path like others; one that leads out is told.
func TestPathsBehindLinks(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "k8s"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"in": "k8s", "out": outside, "nowhere": "none"} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	text := "clusters: [{name: c, manifests: [k8s, in, out, nowhere]}]\n"
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := Load(dir)
	if err == nil || !strings.Contains(err.Error(), `path "out" leads out of the estate by a link`) || strings.Count(err.Error(), "leads out") != 1 {
		t.Error(err)
	}
}
