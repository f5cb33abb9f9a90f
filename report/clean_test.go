package report

import "testing"

// TestClean: foreign text neither drives a terminal nor turns a line around.
func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain\tüäö 日本":   "plain\tüäö 日本",
		"\x1b[31mred\x07": "�[31mred�",
		"two\nlines\r":    "two�lines�",
		"\u009b2J":        "�2J",
		"a\u202egpj.exe":  "a�gpj.exe",
		"\u2066x\u2069":   "�x�",
	} {
		if got := Clean(in); got != want {
			t.Errorf("%q: %q", in, got)
		}
	}
}
