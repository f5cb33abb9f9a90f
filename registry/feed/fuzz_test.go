package feed

import (
	"archive/tar"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// FuzzArchive: whatever all.zip holds, its records have names of files, come
// sorted and once, and none is longer than a record may be.
func FuzzArchive(f *testing.F) {
	f.Add([]byte(zipOf(map[string]entry{"X-1": {body: "{}"}, "../x": {body: "{}"}, "a/b": {body: ""}})))
	f.Add([]byte("PK"))
	f.Fuzz(func(t *testing.T, data []byte) {
		entries, err := listArchive(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			return
		}
		last := ""
		for _, e := range entries {
			if checkName(e.id) != nil || e.id <= last {
				t.Errorf("%q after %q", e.id, last)
			}
			last = e.id
			if body, err := e.read(); err == nil && len(body) > maxRecord {
				t.Errorf("%d bytes", len(body))
			}
		}
	})
}

// FuzzTar: a tar gives what it holds, byte for byte, or is refused.
func FuzzTar(f *testing.F) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	w.WriteHeader(&tar.Header{Name: "Go/all.zip", Size: 4, Mode: 0o600}) //nolint:errcheck // to memory
	w.Write([]byte("text"))                                              //nolint:errcheck // to memory
	w.Close()                                                            //nolint:errcheck // to memory
	f.Add(buf.Bytes())
	f.Add([]byte("no tar"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file := filepath.Join(t.TempDir(), "x.tar")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		p, err := openTar(file)
		if err != nil {
			return
		}
		defer p.close()
		for name := range p.members {
			c, err := p.open(t.Context(), name, Mark{})
			if err != nil {
				t.Fatal(err)
			}
			if text, err := readBounded(c, maxRecord); err != nil || !bytes.Contains(data, text) {
				t.Errorf("%q: %v", name, err)
			}
			if again, err := p.open(t.Context(), name, c.mark); again != nil || err != errUnchanged {
				t.Errorf("%q has changed: %v", name, err)
			}
		}
		if names, err := p.names(""); err != nil || strings.Contains(strings.Join(names, ""), "/") {
			t.Errorf("%q, %v", names, err)
		}
	})
}

// FuzzList: what is read as a list is written as one that reads the same.
func FuzzList(f *testing.F) {
	for _, seed := range []string{"2026-01-01T00:00:00Z,A\n", "2026-01-01T00:00:00.123456Z,A\r\n2025-01-01T00:00:00+01:00,A\n", "x,../y", ""} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := parseList(strings.NewReader(text))
		if err != nil {
			return
		}
		again := ""
		for id, at := range list {
			if checkName(id) != nil {
				t.Fatalf("%q is a name", id)
			}
			again += at.Format(time.RFC3339Nano) + "," + id + "\n"
		}
		second, err := parseList(strings.NewReader(again))
		if err != nil || !maps.EqualFunc(list, second, time.Time.Equal) {
			t.Fatalf("%v: %q", err, again)
		}
	})
}

// TestNames: what the public list has beside ecosystems is left out.
func TestNames(t *testing.T) {
	names, refused, err := parseNames(strings.NewReader("Debian:12\nGIT\nGo\n[EMPTY]\nDebian\n../x\n"))
	if diff := cmp.Diff([][]string{{"Debian", "Go"}, {"../x"}}, [][]string{names, refused}); diff != "" || err != nil {
		t.Errorf("(-want +got)\n%s\n%v", diff, err)
	}
}

// FuzzNames: no name of an ecosystem leads out of a folder.
func FuzzNames(f *testing.F) {
	f.Add("Go\nDebian:12\n../x\n[EMPTY]\nkev\n")
	f.Fuzz(func(t *testing.T, text string) {
		names, _, err := parseNames(strings.NewReader(text))
		for _, name := range names {
			if err == nil && (!filepath.IsLocal(name) || strings.Contains(name, "/") || name == KEV) {
				t.Errorf("%q", name)
			}
		}
	})
}
