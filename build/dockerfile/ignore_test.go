package dockerfile

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExcludes(t *testing.T) {
	for name, tc := range map[string]struct {
		patterns, source string
		want             bool
	}{
		"name":                {"a", "a", true},
		"other name":          {"a", "b", false},
		"below a folder":      {"a", "a/b/c", true},
		"from the root":       {"a", "/a", true},
		"dots":                {"a", "./x/../a", true},
		"glob":                {"*.jar", "app.jar", true},
		"glob in a folder":    {"*.jar", "lib/app.jar", false},
		"any depth":           {"**/*.jar", "lib/app.jar", true},
		"comment":             {"# a", "a", false},
		"taken back in":       {"*\n!b", "a", false},
		"everything":          {"*", ".", true},
		"everything, deeply":  {"**", "./", true},
		"not quite all":       {".*", ".", false},
		"nothing":             {"", "a", false},
		"outside the context": {"a", "../a", false},
	} {
		t.Run(name, func(t *testing.T) {
			i, err := ParseIgnore("x", []byte(tc.patterns))
			if err != nil {
				t.Fatal(err)
			}
			if got := i.Excludes(tc.source); got != tc.want {
				t.Errorf("%q on %q: %v", tc.source, tc.patterns, got)
			}
		})
	}
	var none *Ignore
	if none.Excludes("a") || (&Ignore{}).Excludes("a") {
		t.Error("without a .dockerignore something is excluded")
	}
}

func TestIgnoreIsBounded(t *testing.T) {
	for name, text := range map[string]string{
		"bytes":    strings.Repeat("#", maxIgnore+1),
		"patterns": strings.Repeat("a\n", maxPatterns+1),
		"syntax":   "[",
	} {
		if _, err := ParseIgnore("x", []byte(text)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestIgnoreIsFound: the file's own, else the nearest above, never one outside
// of what was named.
func TestIgnoreIsFound(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/.dockerignore": "x", "a/b/Dockerfile": "FROM x", "a/own.Dockerfile": "FROM x", "a/own.Dockerfile.dockerignore": "y",
		"c/Dockerfile": "FROM x", "d/Dockerfile": "FROM x", "d/.dockerignore": "[", "e/Dockerfile": "FROM x",
	} {
		full := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(full, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(filepath.Join(dir, "a", ".dockerignore"), filepath.Join(dir, "e", ".dockerignore")); err != nil {
		t.Fatal(err)
	}
	files, _, err := ReadDir(context.Background(), dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"a/b/Dockerfile": "a/.dockerignore", "a/own.Dockerfile": "a/own.Dockerfile.dockerignore", "c/Dockerfile": "", "d/Dockerfile": "?", "e/Dockerfile": "?"}
	for _, f := range files {
		name, _ := filepath.Rel(dir, f.Name)
		got := "?"
		if f.Ignore != nil {
			got = strings.TrimPrefix(strings.TrimPrefix(f.Ignore.Name, filepath.ToSlash(dir)), "/")
		}
		if got != want[filepath.ToSlash(name)] {
			t.Errorf("%s: %q, want %q", name, got, want[name])
		}
	}
	one, err := Read(context.Background(), filepath.Join(dir, "a", "b", "Dockerfile"), nil)
	if err != nil || one.Ignore == nil || one.Ignore.Name != "" {
		t.Errorf("by an absolute path: %+v, %v", one.Ignore, err)
	}
	t.Chdir(filepath.Join(dir, "a"))
	one, err = Read(context.Background(), filepath.Join("b", "Dockerfile"), nil)
	if err != nil || one.Ignore == nil || one.Ignore.Name != ".dockerignore" {
		t.Errorf("below the working folder: %+v, %v", one.Ignore, err)
	}
	if parsed, _ := Parse("x", []byte("FROM x"), nil); parsed.Ignore != nil {
		t.Error("bytes alone have a build context")
	}
}

// FuzzIgnore: no text makes the matcher panic, and a name that it excludes it
// excludes in every folder below itself too.
func FuzzIgnore(f *testing.F) {
	f.Add("*\n!a", "a/b")
	f.Add("**/x?[a-z]\n# c", "x/xxa")
	f.Fuzz(func(t *testing.T, patterns, source string) {
		i, err := ParseIgnore("x", []byte(patterns))
		if err != nil {
			return
		}
		if strings.Contains(source, "..") || strings.ContainsAny(source, "\x00\\") {
			return
		}
		if i.Excludes(source) && !i.Excludes(source+"/y") && filepath.Clean("/"+source) != "/" {
			t.Errorf("%q excludes %q but nothing below", patterns, source)
		}
	})
}
