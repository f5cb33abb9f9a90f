package notify

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify/format"
	"github.com/scantling/scantling/notify/sink"
)

func TestParse(t *testing.T) {
	got, err := Parse("splunk+https://s.example:8088#secretEnv=TOKEN&index=sec&window=10m&by=identity&level=high&ack=true&name=s")
	want := Config{Name: "s", Window: "10m", By: ByIdentity, Level: "high", Config: sink.Config{To: "splunk+https://s.example:8088", Secret: sink.Secret{Env: "TOKEN"}, Index: "sec", Ack: true}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Error(err, diff)
	}
	for text, want := range map[string]string{
		"":                          "it has no form",
		"file:x#token=abc":          `unknown key "token"`,
		"file:x#ack=perhaps":        "ack is true or false",
		"file:x#%zz":                "no list of key=value",
		"https://u:p@h#window=none": "a user or a password",
	} {
		if _, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

// Every problem is told at once.
func TestOpen(t *testing.T) {
	_, err := Open([]Config{
		{Name: "Upper", Config: sink.Config{To: "file:x"}},
		{Name: "a", Window: "2d", Level: "loud", By: "rule", Config: sink.Config{To: "smtp://h"}},
		{Name: "b", Config: sink.Config{To: "file:x"}},
		{Name: "b", Config: sink.Config{To: "file:y"}},
	}, format.Options{})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{`name "Upper"`, `window "2d"`, "loud", `grouping by "rule"`, `"smtp" is no kind of sink`, "sink 4, b: another sink has this name"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in:\n%v", want, err)
		}
	}
	out, err := Open([]Config{{Config: sink.Config{To: "file:x"}}, {Config: sink.Config{To: "file:y"}, Window: "none", Level: "high"}}, format.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Name == out[1].Name || out[0].Window != 5*time.Minute || out[1].Window != 0 || out[1].Level != model.High || out[0].By != ByAsset {
		t.Errorf("%+v", out)
	}
}
