package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/examples/shop"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/splice"
)

// shopCopy is a copy of the example that a test may change.
func shopCopy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "shop")
	if err := os.CopyFS(dir, shop.FS); err != nil {
		t.Fatal(err)
	}
	return dir
}

// manifests are the texts of all manifests, by path.
func manifests(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "k8s", "*", "*.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d manifests, %v", len(files), err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[f] = string(text)
	}
	return out
}

// TestDoIsWhatThePlanSaid carries out an action of each type that do edits,
// on a fresh copy of the shop, and holds the load of a new reading against what
// the plan said. The files that it doesn't name stay as they are, and so does
// every document but the ones that change.
func TestDoIsWhatThePlanSaid(t *testing.T) {
	for name, tc := range map[string]struct {
		action  string
		before  func(t *testing.T, dir string)
		touched int // documents that change or go
		added   int
	}{
		"drop-privilege, a privileged container":        {action: "drop-privilege-bd746958", touched: 1},
		"drop-privilege, a runtime socket":              {action: "drop-privilege-420215bf", touched: 1},
		"split-identity":                                {action: "split-identity-808e218a", touched: 1, added: 1},
		"delete-binding, with a comment above it":       {action: "delete-binding-8626aae2", touched: 1},
		"delete-binding, in the middle of a file":       {action: "delete-binding-e6b095cd", touched: 1},
		"add-policy, where no Ingress needs an opening": {action: "add-policy-347b2148", added: 9, before: withoutIngress},
	} {
		t.Run(name, func(t *testing.T) {
			dir := shopCopy(t)
			if tc.before != nil {
				tc.before(t, dir)
			}
			before := manifests(t, dir)
			got := run(t, "", "do", tc.action, dir, "--as-of", shop.Day, "--format", "json")
			if got.code != exitClean {
				t.Fatalf("exit code %d: %s", got.code, got.err)
			}
			doc := decode[report.Do](t, got)
			if doc.Load.After == nil || *doc.Load.After >= *doc.Load.Before {
				t.Errorf("load %v → %v", doc.Load.Before, doc.Load.After)
			}
			if !doc.Load.AsPlanned() {
				t.Errorf("load %v → %v, the plan said %v", doc.Load.Before, doc.Load.After, doc.Load.Expected)
			}
			after := manifests(t, dir)
			for file, text := range after {
				if len(doc.Files) != 1 || file != doc.Files[0].File {
					if text != before[file] {
						t.Errorf("%s changed, and the report doesn't say so", file)
					}
					continue
				}
				gone, added := documentsOf(before[file], text)
				if gone != tc.touched || added != tc.added+tc.touched-removed(tc.action) {
					t.Errorf("%s: %d documents changed or went, %d are new", file, gone, added)
				}
			}
			if again := run(t, "", "do", tc.action, dir, "--as-of", shop.Day); again.code != exitUsage {
				t.Errorf("the action is still in the plan: exit code %d", again.code)
			}
		})
	}
}

// removed is how many documents an action takes out for good.
func removed(action string) int {
	if strings.HasPrefix(action, "delete-") {
		return 1
	}
	return 0
}

// documentsOf counts the documents that one text has and the other doesn't.
func documentsOf(before, after string) (gone, added int) {
	count := map[string]int{}
	for _, text := range []string{before, after} {
		for _, d := range splice.Split([]byte(text)) {
			doc := strings.Trim(strings.TrimPrefix(text[d.Start:d.End], "---\n"), "\n")
			if text == before {
				count[doc]++
			} else {
				count[doc]--
			}
		}
	}
	for _, n := range count {
		gone += max(n, 0)
		added += max(-n, 0)
	}
	return gone, added
}

// withoutIngress takes the shop's Ingress away: the policies that isolate the
// namespace admit its controller, which the plan doesn't count (package paths).
func withoutIngress(t *testing.T, dir string) {
	t.Helper()
	file := filepath.Join(dir, "k8s/shop/storefront.yaml")
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range splice.Split(text) {
		if doc := text[d.Start:d.End]; bytes.Contains(doc, []byte("kind: Ingress\n")) {
			put(t, dir, "k8s/shop/storefront.yaml", string(text[:d.Start])+string(text[d.End:]))
			return
		}
	}
	t.Fatal("the storefront has no Ingress")
}

func TestReplaceFile(t *testing.T) {
	for name, tc := range map[string]struct {
		now      string // "" for none, "->X" for a link to X
		old, new string // "-" for nil
		want     string
		fails    string
	}{
		"replaced":             {now: "a", old: "a", new: "b", want: "b"},
		"made":                 {old: "-", new: "b", want: "b"},
		"taken away":           {now: "a", old: "a", new: "-"},
		"changed since":        {now: "c", old: "a", new: "b", want: "c", fails: "has changed since it was read"},
		"came since":           {now: "c", old: "-", new: "b", want: "c", fails: "is there by now"},
		"went since":           {old: "a", new: "b", fails: "no such file"},
		"a link inside":        {now: "->other", old: "a", new: "b", want: "a", fails: "is a link"},
		"a link that goes out": {now: "->../out", old: "a", new: "b", want: "a", fails: "is a link"},
	} {
		t.Run(name, func(t *testing.T) {
			top := t.TempDir()
			dir := filepath.Join(top, "estate")
			put(t, dir, "other", "a")
			put(t, top, "out", "a")
			file := filepath.Join(dir, "f")
			if to, link := strings.CutPrefix(tc.now, "->"); link {
				if err := os.Symlink(to, file); err != nil {
					t.Fatal(err)
				}
			} else if tc.now != "" {
				put(t, dir, "f", tc.now)
				if err := os.Chmod(file, 0o640); err != nil {
					t.Fatal(err)
				}
			}
			root, err := os.OpenRoot(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			bytesOf := func(s string) []byte {
				if s == "-" {
					return nil
				}
				return []byte(s)
			}
			err = replaceFile(root, "f", bytesOf(tc.old), bytesOf(tc.new))
			if (err != nil) != (tc.fails != "") || err != nil && !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("error %v, want %q", err, tc.fails)
			}
			got, _ := os.ReadFile(file) // "" where there is none
			if string(got) != tc.want {
				t.Errorf("the file holds %q, want %q", got, tc.want)
			}
			if info, err := os.Stat(file); err == nil && tc.now == "a" && info.Mode().Perm() != 0o640 {
				t.Errorf("mode %v, want that of before", info.Mode())
			}
			entries, err := os.ReadDir(dir)
			if err != nil || len(entries) > 2 {
				t.Errorf("left behind: %v %v", entries, err)
			}
			for _, f := range []string{filepath.Join(dir, "other"), filepath.Join(top, "out")} {
				if text, err := os.ReadFile(f); err != nil || string(text) != "a" {
					t.Errorf("%s holds %q, %v", f, text, err)
				}
			}
		})
	}
}

// TestCarryOutIsAllOrNothing: where the second file can't be written, the
// first is put back.
func TestCarryOutIsAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, "a", "old a")
	put(t, dir, "b", "changed by somebody")
	a := &app{IO: IO{Err: new(bytes.Buffer)}}
	edits := []edit{
		{name: "a", file: "a", old: []byte("old a"), new: []byte("new a")},
		{name: "b", file: "b", old: []byte("old b"), new: []byte("new b")},
	}
	doc := report.Do{}
	if err := a.carryOut(t.Context(), &reader{dir: dir}, edits, &doc); err == nil || doc.Done {
		t.Errorf("error %v, done %v", err, doc.Done)
	}
	got := map[string]string{}
	for _, name := range []string{"a", "b"} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got[name] = string(text)
	}
	if diff := cmp.Diff(map[string]string{"a": "old a", "b": "changed by somebody"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
