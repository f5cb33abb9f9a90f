package cli

import (
	"strings"
	"testing"
)

// TestQuiet: with --quiet no command says anything on standard error but
// errors, and what was not read or depends where the result can't say it
// (docs/decisions/022).
func TestQuiet(t *testing.T) {
	dir := sound(t)
	put(t, dir, "scantling.yaml", "exclude: [none]\nrules: {disable: [{id: B101, reason: r, owner: o, expires: 2020-01-01}]}\n")
	put(t, dir, "bad.yaml", "apiVersion: v1\nkind: [\n")
	k8s := dir + "/k8s.yaml"
	for _, args := range [][]string{
		{"assess", dir},
		{"assess", dir, "--save-line"},
		{"plan", dir},
		{"why", "1", dir},
		{"do", "1", dir, "--dry-run"},
		{"ci", dir, "--max-load", "1"},
		{"demo"},
		{"lint", dir},
		{"image", "../examples/shop/images/cart", "--advisories", "../examples/shop/advisories"},
		{"cluster", "check", dir},
		{"cluster", "paths", dir},
		{"cluster", "network", "list", dir},
		{"cluster", "network", "probe", dir, "--matrix", "--port", "tcp/80"},
		{"detect", "run", dir},
		{"rules", "list"},
		{"rules", "show", "B101"},
		{"rules", "test", "B101"},
		{"completion", "bash"},
		{"version"},
		{"cluster", "check", k8s + "-missing"},
		{"assess", dir + "-missing"},
	} {
		got := run(t, "", append(args, "--quiet")...)
		for line := range strings.Lines(got.err) {
			known := false
			for _, begin := range []string{"error: ", "not read: ", "depends on "} {
				known = known || strings.HasPrefix(line, begin)
			}
			if !known {
				t.Errorf("%q says %q", args, line)
			}
		}
		if got.code == exitFailed && got.err == "" && got.out == "" {
			t.Errorf("%q fails and says nothing", args)
		}
	}
}
