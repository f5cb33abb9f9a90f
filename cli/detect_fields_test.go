package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDetectRunNamesFields: what no event has is named once there are enough
// events, and --quiet is quiet.
func TestDetectRunNamesFields(t *testing.T) {
	rules := filepath.Join(t.TempDir(), "rules.yml")
	var text strings.Builder
	for i := range 12 {
		fmt.Fprintf(&text, "---\ntitle: R%d\nid: r%d\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {field%d: x}, condition: s}\n", i, i, i)
	}
	if err := os.WriteFile(rules, []byte(strings.TrimPrefix(text.String(), "---\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(events int, more ...string) string {
		var in, out, errs bytes.Buffer
		for i := range events {
			fmt.Fprintf(&in, `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"%d","stage":"ResponseComplete","verb":"get"}`+"\n", i)
		}
		args := append([]string{"detect", "run", "-", "--rules", rules}, more...)
		if code := Main(context.Background(), args, IO{In: &in, Out: &out, Err: &errs, Env: func(string) string { return "" }}); code != 0 {
			t.Fatalf("exit code %d: %s", code, errs.String())
		}
		var notes []string
		for line := range strings.Lines(errs.String()) {
			if strings.HasPrefix(line, "note: ") {
				notes = append(notes, line)
			}
		}
		return strings.Join(notes, "")
	}
	if got := run(999); got != "" {
		t.Errorf("999 events: %s", got)
	}
	got := run(1000)
	if n := strings.Count(got, "\n"); n != 11 || !strings.HasPrefix(got, "note: field field0 is in none of 1000 events of kubernetes-audit: asked for by r0; can't match without: r0\n") ||
		!strings.HasSuffix(got, "note: 2 more fields that rules ask for are in no event\n") {
		t.Errorf("%d notes:\n%s", n, got)
	}
	if got := run(1000, "--quiet"); got != "" {
		t.Errorf("quiet: %s", got)
	}
}
