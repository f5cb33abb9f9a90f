package config

import (
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

func TestExcluded(t *testing.T) {
	for _, tc := range []struct {
		pattern, name string
		want          bool
	}{
		{"examples", "examples", true},
		{"examples/", "examples", true},
		{"./examples", "examples", true},
		{"examples", "a/examples", false},
		{"**/testdata", "testdata", true},
		{"**/testdata", "a/b/testdata", true},
		{"**/testdata", "a/testdata/b", false}, // its folder matches before
		{"a/**/b", "a/b", true},
		{"a/**/b", "a/x/y/b", true},
		{"a/**/b/**/c", "a/b/x/b/c", true},
		{"a/**", "a", true},
		{"a/**", "a/b/c", true},
		{"*.tmp", "x.tmp", true},
		{"*.tmp", "a/x.tmp", false},
		{"**/*.[jt]s", "a/x.ts", true},
		{"**/*.[jt]s", "a/x.cs", false},
		{"k8s/*/test-?.yaml", "k8s/a/test-1.yaml", true},
		{"k8s/*/test-?.yaml", "k8s/a/b/test-1.yaml", false},
	} {
		c := &Config{Exclude: []string{"other", tc.pattern}}
		got, ok := c.Excluded(tc.name)
		if ok != tc.want || ok && got != tc.pattern {
			t.Errorf("%q on %q: %v (%q), want %v", tc.pattern, tc.name, ok, got, tc.want)
		}
	}
}

func TestBadExclude(t *testing.T) {
	for pattern, want := range map[string]string{
		"":          "leaves nothing",
		".":         "leaves nothing",
		"a/..":      "leaves nothing",
		"../x":      "leaves the estate",
		"a/../../b": "leaves the estate",
		"/etc":      "is no path below the estate",
		`a\b`:       "is no path below the estate",
		"a**":       "has ** beside other letters",
		"[":         "can't be read",
	} {
		dir := t.TempDir()
		text := "exclude: ['" + pattern + "']\n"
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Load(dir)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "exclude[0]") {
			t.Errorf("%q: error %v, want %q", pattern, err, want)
		}
	}
}

// FuzzMatchPath compares with the definition, by recursion.
func FuzzMatchPath(f *testing.F) {
	f.Add("a/**/b", "a/x/b")
	f.Add("**/**/*/a", "b/c/a")
	f.Add("**", "x")
	f.Fuzz(func(t *testing.T, pattern, name string) {
		p, n := strings.Split(pattern, "/"), strings.Split(name, "/")
		if len(p) > 7 || len(n) > 7 {
			t.Skip()
		}
		if got, want := matchPath(p, n), naive(p, n); got != want {
			t.Errorf("%q on %q: %v, want %v", pattern, name, got, want)
		}
	})
}

func naive(p, n []string) bool {
	switch {
	case len(p) == 0:
		return len(n) == 0
	case p[0] == "**":
		return naive(p[1:], n) || len(n) > 0 && naive(p, n[1:])
	case len(n) == 0:
		return false
	}
	ok, err := path.Match(p[0], n[0])
	return ok && err == nil && naive(p[1:], n[1:])
}
