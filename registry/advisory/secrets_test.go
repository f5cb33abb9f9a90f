package advisory

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/secret"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
)

func secretJudge(t *testing.T) *Judge {
	t.Helper()
	cat, errs := rule.Load(rules.FS, "rules")
	judge, more := Compile(cat)
	for _, err := range append(errs, more...) {
		t.Fatal(err)
	}
	return judge
}

// TestSecretFindings: every secret of an image is one finding, without
// advisories too, and says where it can be read.
func TestSecretFindings(t *testing.T) {
	now := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	inv := &image.Inventory{Digest: "sha256:a", Name: "shop", File: "shop.tar", Secrets: []image.Secret{
		{Kind: "private-key", Layer: "sha256:one", Path: "/key", Line: 2, Visible: true},
		{Kind: "encrypted-private-key", Layer: "sha256:one", Path: "/locked", Line: 1},
		{Kind: "jwt", Layer: "sha256:one", Path: "/old", Line: 1, Visible: true, Expires: now.AddDate(0, -1, 0)},
		{Kind: "jwt", Layer: "sha256:one", Path: "/young", Line: 1, Visible: true, Expires: now.AddDate(1, 0, 0)},
		{Kind: "netrc", Layer: "sha256:two", Path: "/root/.netrc", Line: 3, Visible: true},
		{Kind: "url-password", Layer: "sha256:two", Path: "/app/.env", Line: 3, Visible: true},
		{Kind: "github-token", Path: "config env TOKEN", Visible: true},
	}}
	type row struct {
		rule, message string
		severity      model.Severity
		state, layer  string
	}
	var got []row
	for _, f := range secretJudge(t).Reading([]*image.Inventory{inv}, nil, Config{Now: now}).Findings {
		r := row{rule: f.Rule, message: f.Message, severity: f.Severity}
		for _, e := range f.Evidence {
			switch e.What {
			case "state":
				r.state = e.Value
			case "layer":
				r.layer = e.Value
			}
		}
		got = append(got, r)
	}
	want := []row{
		{"R201", "/key:2: private key.", model.High, stateVisible, "sha256:one"},
		{"R201", "/locked:1: private key with a passphrase, " + stateHidden + ".", model.Low, stateHidden, "sha256:one"},
		{"R202", "/old:1: JSON web token.", model.Low, stateVisible, "sha256:one"},
		{"R202", "/young:1: JSON web token.", model.Medium, stateVisible, "sha256:one"},
		{"R203", "/root/.netrc:3: password in .netrc.", model.High, stateVisible, "sha256:two"},
		{"R204", "config env TOKEN: GitHub token.", model.High, stateConfig, ""},
		{"R205", "/app/.env:3: password in a URL.", model.Medium, stateVisible, "sha256:two"},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(row{})); d != "" {
		t.Errorf("(-want +got)\n%s", d)
	}
}

// TestEveryKindHasOneRule: of a layer and of the configuration alike.
func TestEveryKindHasOneRule(t *testing.T) {
	judge := secretJudge(t)
	for _, k := range secret.Kinds {
		for _, layer := range []string{"sha256:one", ""} {
			inv := &image.Inventory{Digest: "sha256:a", Secrets: []image.Secret{{Kind: k.ID, Layer: layer, Path: "x"}}}
			found := judge.Reading([]*image.Inventory{inv}, nil, Config{}).Findings
			if len(found) != 1 || found[0].Severity != k.Severity {
				t.Errorf("%s in layer %q: %+v", k.ID, layer, found)
			}
		}
	}
}

// TestCaseOfUnknownKind: a case that names no kind is an error.
func TestCaseOfUnknownKind(t *testing.T) {
	data, err := json.Marshal(caseInput{Secrets: []caseSecret{{Kind: "no-such-kind"}}})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := secretJudge(t).Case("R201", "a.json", data); err == nil {
		t.Error("no error")
	}
}
