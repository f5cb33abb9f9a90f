package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci/ocitest"
)

// TestHostileNamesStayOffTheTerminal puts an escape sequence wherever a name
// may come from and wants none of it in any text. JSON is checked by its
// encoder.
func TestHostileNamesStayOffTheTerminal(t *testing.T) {
	const evil = "\x1b]0;owned\x07"
	dir := sound(t)
	put(t, dir, evil+"/Dockerfile", "FROM "+evil+"\nRUNN "+evil+"\n")
	put(t, dir, "k8s/"+evil+".yaml", `apiVersion: v1
kind: Pod
metadata: {name: "p\e]0;owned\a", namespace: "n\e]0;owned\a"}
spec: {containers: [{name: "c\e]0;owned\a", image: "x:1", securityContext: {privileged: true}, env: [{name: A, valueFrom: {secretKeyRef: {name: "s\e]0;owned\a", key: k}}}]}]}
---
apiVersion: v1
kind: "K\e]0;owned\a"
metadata: {name: k}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: "q\e]0;owned\a", namespace: "n\e]0;owned\a"}
spec: {podSelector: {}, policyTypes: [Ingress]}
`)
	layout(t, dir, ocitest.Tar(
		ocitest.Entry{Name: "var/lib/dpkg/status", Body: "Package: p" + evil + "\nStatus: install ok installed\nArchitecture: amd64\nVersion: 1" + evil + "\n\n"},
		ocitest.Entry{Name: "../" + evil, Body: "x"},
	))
	put(t, dir, evil+".jsonl", `{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":"`+"\n{")
	put(t, dir, "mine/infrastructure/"+evil+"/rule.yaml", "id: "+evil)
	seen := 0
	for _, args := range [][]string{
		{"assess", dir, "--all"},
		{"assess", dir, "--rules-dir", dir + "/mine"},
		{"assess", dir + "/" + evil + "/none"},
		{"plan", dir, "--all"},
		{"why", "1", dir},
		{"why", evil, dir},
		{"lint", dir},
		{"lint", dir + "/" + evil + "/none"},
		{"image", dir + "/bad-image"},
		{"image", evil},
		{"cluster", "check", dir + "/k8s"},
		{"cluster", "network", "list", dir + "/k8s"},
		{"cluster", "network", "probe", dir + "/k8s", "--from", "n" + evil + "/p" + evil, "--to", "team-0/w0", "--port", "tcp/80"},
		{"cluster", "network", "probe", dir + "/k8s", "--from", "team-0/w0", "--to", "n" + evil + "/p" + evil, "--port", "tcp/80"},
		{"cluster", "network", "probe", dir + "/k8s", "--matrix", "--port", "tcp/80"},
		{"cluster", "paths", dir + "/k8s"},
		{"detect", "run", dir + "/" + evil + ".jsonl"},
		{"rules", "list", "--rules-dir", dir + "/mine"},
		{"rules", "show", evil},
		{evil},
		{"--" + evil},
	} {
		got := run(t, "", args...)
		if strings.Contains(got.out+got.err, "\uFFFD") {
			seen++
		}
		if i := strings.IndexAny(got.out+got.err, "\x1b\x07"); i >= 0 {
			t.Errorf("%q: an escape sequence at …%q", args, (got.out + got.err)[max(0, i-80):i+1])
		}
	}
	if seen < 12 {
		t.Errorf("only %d runs met a hostile name: the test proves little", seen)
	}
}

// TestColour: colours stand where standard output takes them, and nowhere else.
func TestColour(t *testing.T) {
	for name, tc := range map[string]struct {
		io   IO
		want bool
	}{
		"terminal": {IO{Colour: true}, true},
		"pipe":     {IO{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var out, talk bytes.Buffer
			tc.io.In, tc.io.Out, tc.io.Err, tc.io.Env = strings.NewReader(""), &out, &talk, func(string) string { return "" }
			Main(t.Context(), []string{"demo"}, tc.io)
			if got := strings.Contains(out.String(), "\x1b["); got != tc.want {
				t.Errorf("colours: %v, want %v", got, tc.want)
			}
			if strings.Contains(talk.String(), "\x1b") {
				t.Error("the talk is painted without a terminal")
			}
		})
	}
}

// TestBar: a bar is redrawn on a terminal, replaced by one line, and silent
// with --quiet.
func TestBar(t *testing.T) {
	for name, tc := range map[string]struct {
		terminal, quiet bool
		want            string
	}{
		"terminal": {true, false, "\r\x1b[K  build           ░░░░░░░░░░░░░░░░░░░░ 0/2\r\x1b[K  build           ██████████░░░░░░░░░░ 1/2\r\x1b[K  build           one\n"},
		"pipe":     {false, false, "  build           one\n"},
		"quiet":    {true, true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			var talk bytes.Buffer
			a := &app{IO: IO{Err: &talk, Terminal: tc.terminal}, quiet: tc.quiet}
			b := a.progress("build", 2)
			b.step()
			b.end("one")
			if talk.String() != tc.want {
				t.Errorf("got %q, want %q", talk.String(), tc.want)
			}
		})
	}
}

// TestOutcome covers every way to an exit code.
func TestOutcome(t *testing.T) {
	at := func(s model.Severity, v model.Verdict) model.Finding { return model.Finding{Severity: s, Verdict: v} }
	accepted := at(model.Critical, model.Fail)
	accepted.Suppressed = &model.Suppression{}
	for name, tc := range map[string]struct {
		findings   []model.Finding
		incomplete int
		found      bool
		lenient    bool
		want       int
	}{
		"nothing":                  {want: exitClean},
		"under the threshold":      {findings: []model.Finding{at(model.Medium, model.Fail), at(model.Medium, model.Unknown)}, want: exitClean},
		"at the threshold":         {findings: []model.Finding{at(model.High, model.Fail)}, want: exitFound},
		"accepted":                 {findings: []model.Finding{accepted}, want: exitClean},
		"unknown at the threshold": {findings: []model.Finding{at(model.High, model.Unknown)}, want: exitIncomplete},
		"unknown allowed":          {findings: []model.Finding{at(model.High, model.Unknown)}, lenient: true, want: exitClean},
		"incomplete before found":  {findings: []model.Finding{at(model.High, model.Fail)}, incomplete: 1, want: exitIncomplete},
		"incomplete allowed":       {findings: []model.Finding{at(model.High, model.Fail)}, incomplete: 1, lenient: true, want: exitFound},
		"load over the line":       {found: true, want: exitFound},
	} {
		t.Run(name, func(t *testing.T) {
			a := &app{failOn: "high", lenient: tc.lenient}
			a.outcome(tc.findings, tc.incomplete, tc.found)
			if a.code != tc.want {
				t.Errorf("exit code %d, want %d", a.code, tc.want)
			}
		})
	}
}
