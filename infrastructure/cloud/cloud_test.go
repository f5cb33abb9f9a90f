package cloud

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// TestLinks: each case is a cluster (k8s.yaml), exports (all *.json), and what
// comes of them: the links, the powers of the cloud's identities, and what was
// not read.
func TestLinks(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no case below testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			var manifests string
			golden := -1
			for i, f := range archive.Files {
				switch {
				case f.Name == "k8s.yaml":
					manifests = string(f.Data)
				case f.Name == "want":
					golden = i
				case strings.HasSuffix(f.Name, ".json"):
					if err := os.WriteFile(filepath.Join(dir, f.Name), f.Data, 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			got := strings.ReplaceAll(told(t, dir, manifests), dir+string(filepath.Separator), "")
			if golden < 0 {
				t.Fatal("the case has no want")
			}
			if *update {
				archive.Files[golden].Data = []byte(got)
				if err := os.WriteFile(file, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(archive.Files[golden].Data), got); diff != "" {
				t.Errorf("want (-), got (+):\n%s", diff)
			}
		})
	}
}

// told is all that comes of an export and a cluster, as text.
func told(t *testing.T, dir, manifests string) string {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "prod", "k8s.yaml", strings.NewReader(manifests))
	if err != nil {
		t.Fatal(err)
	}
	export, missed, err := Read(context.Background(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	links, more := export.Links(s)
	names := map[string]bool{}
	for _, l := range links {
		fmt.Fprintf(&b, "%s -> %s by %s", l.From, l.To, l.How)
		for _, word := range []string{l.Reach, l.Token} {
			if word != "" {
				fmt.Fprintf(&b, ", %s", word)
			}
		}
		if l.Given {
			b.WriteString(", given")
		}
		b.WriteString("\n")
		for _, p := range l.Proof {
			fmt.Fprintf(&b, "  %s %s = %s\n", p.Document, p.Field, p.Value)
		}
		if l.Depends != "" {
			fmt.Fprintf(&b, "  depends: %s\n", l.Depends)
		}
		if l.To.Kind == KindCloud {
			names[l.To.Name] = true
		}
	}
	for _, l := range links {
		if names[l.To.Name] {
			delete(names, l.To.Name)
			p := export.Power(l.To.Name)
			fmt.Fprintf(&b, "%s: %s, %s\n", l.To.Name, p.Level, p.Why)
		}
	}
	for _, i := range append(append(missed, more...), []model.Incomplete{}...) {
		fmt.Fprintf(&b, "not read: %s: %s\n", i.What, i.Why)
	}
	return b.String()
}

// TestRead: what is no export, damaged or too much is told, and the rest counts.
func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"roles.json":   `{"Roles": [{"RoleName": "r", "Arn": "arn:aws:iam::1:role/r"}]}`,
		"other.json":   `{"hello": "world"}`,
		"list.json":    `["a", 1, null]`,
		"broken.json":  `{"Roles": [`,
		"wrong.json":   `{"Roles": "none"}`,
		"notes.txt":    `{"Roles": []}`,
		"members.json": `{"RoleDetailList": [{"Arn": "x", "AssumeRolePolicyDocument": {"Statement": [{"Principal": 7}]}}]}`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "link.json")); err != nil {
		t.Fatal(err)
	}
	x, missed, err := Read(context.Background(), dir, filepath.Join(dir, "other.json"), filepath.Join(dir, "gone.json"))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, i := range missed {
		got = append(got, filepath.Base(i.What)+": "+i.Why)
	}
	want := []string{
		"broken.json: not JSON: unexpected end of JSON input",
		"members.json: cannot unmarshal number into Go struct field awsRole.RoleDetailList.AssumeRolePolicyDocument.Principal of type map[string]cloud.texts",
		"wrong.json: cannot unmarshal string into Go struct field .Roles of type []cloud.awsRole",
		"other.json: no export of a cloud that is known",
		"gone.json: no such file or directory",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("not read (-want +got):\n%s", diff)
	}
	if x.Documents != 1 || len(x.roles) != 1 {
		t.Errorf("%d documents, %d roles", x.Documents, len(x.roles))
	}
	if _, missed, _ := Read(context.Background(), t.TempDir()); len(missed) != 1 {
		t.Errorf("an empty folder: %v", missed)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := Read(ended, dir); err == nil {
		t.Error("the context had ended")
	}
	if err := (&Export{}).parse("x", []byte(`{"Roles": [`+strings.Repeat(",", maxValues+1))); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too many values: %v", err)
	}
}

// FuzzExport: no document makes links without a proof, and each is sorted after
// the one before.
func FuzzExport(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	var manifests string
	for _, file := range files {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, part := range archive.Files {
			if strings.HasSuffix(part.Name, ".json") {
				f.Add(part.Name, part.Data)
			}
			if part.Name == "k8s.yaml" {
				manifests += "---\n" + string(part.Data)
			}
		}
	}
	s, err := kube.ReadFrom(context.Background(), "prod", "k8s.yaml", strings.NewReader(manifests))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		x := &Export{policies: map[string]awsPolicy{}}
		if err := x.parse(name, text); err != nil {
			return
		}
		if !json.Valid(text) && !strings.HasPrefix(string(text), "\xef\xbb\xbf") {
			t.Fatal("read what is no JSON")
		}
		x.weigh()
		links, _ := x.Links(s)
		for i, l := range links {
			if len(l.Proof) == 0 || l.From == (Party{}) || l.To.Kind == "" {
				t.Fatalf("no proof: %+v", l)
			}
			if i > 0 && compareLinks(links[i-1], l) > 0 {
				t.Fatalf("not sorted: %v, %v", links[i-1], l)
			}
			x.Power(l.To.Name)
		}
	})
}
