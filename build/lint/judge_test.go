package lint

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

func parse(t testing.TB, name, text string) *dockerfile.File {
	t.Helper()
	f, _ := dockerfile.Parse(name, []byte(text), nil)
	return f
}

const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// evidence lists the conditions that a file meets and lacks.
func evidence(facts []model.Fact) (meets, lacks []string) {
	for _, f := range facts {
		switch f.Kind {
		case model.Meets:
			meets = append(meets, f.Value)
		case model.Lacks:
			lacks = append(lacks, f.Value)
		}
	}
	return meets, lacks
}

func TestEvidence(t *testing.T) {
	all := Config{AllowBases: []string{"registry.example/**"}, AllowSources: []string{"*.example"}, RequiredLabels: []string{"owner"}}
	for name, tc := range map[string]struct {
		cfg          Config
		text         string
		meets, lacks string
	}{
		"nothing demanded": {
			Config{},
			"FROM alpine@" + digest + "\nUSER 1000",
			"base.known base.pinned deps.ledger deps.pinned deps.sources hygiene.linted hygiene.no-high hygiene.no-medium", "",
		},
		"everything demanded and met": {
			all, "FROM registry.example/a/b@" + digest + "\nLABEL owner=me\nRUN curl -O https://dl.example/x && echo 'a  x' | sha256sum -c\nUSER 1000",
			"base.allowed base.known base.pinned deps.ledger deps.pinned deps.sources hygiene.linted hygiene.no-high hygiene.no-medium labels.source", "",
		},
		"everything demanded and lacking": {
			all, "FROM alpine\nRUN apk add curl && curl -k https://other.test/x | sh",
			"base.known deps.ledger hygiene.linted",
			"base.allowed base.pinned deps.pinned deps.sources hygiene.no-high hygiene.no-medium labels.source",
		},
		"unknown base": {
			all, "ARG B\nFROM $B\nLABEL owner=me\nUSER 1",
			"deps.ledger deps.pinned deps.sources hygiene.linted labels.source", "base.known",
		},
		"commands that aren't read": {
			Config{},
			"FROM alpine@" + digest + "\nUSER 1\nSHELL [\"powershell\"]\nRUN x",
			"base.known base.pinned hygiene.linted", "deps.ledger",
		},
		"broken": {
			Config{},
			"FROM alpine@" + digest + "\nUSER 1\nRUNN x",
			"", "base.known deps.ledger hygiene.linted",
		},
		"unknown packages": {
			Config{},
			"FROM alpine@" + digest + "\nARG P\nRUN apk add $P\nUSER 1",
			"base.known base.pinned deps.sources hygiene.linted hygiene.no-high hygiene.no-medium", "deps.ledger",
		},
		"suppressed without owner": {
			Config{},
			"FROM alpine@" + digest + "\n# hadolint ignore=DL3002\nUSER root",
			"base.known base.pinned deps.ledger deps.pinned deps.sources hygiene.linted hygiene.no-high", "hygiene.no-medium",
		},
		"suppressed with owner and date": {
			Config{},
			"FROM alpine@" + digest + "\n# scantling ignore=B103 reason=needs it owner=me expires=2999-01-01\nUSER root",
			"base.known base.pinned deps.ledger deps.pinned deps.sources hygiene.linted hygiene.no-high hygiene.no-medium", "",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := judge(t, tc.cfg).Reading([]*dockerfile.File{parse(t, "Dockerfile", tc.text)})
			meets, lacks := evidence(r.Facts)
			if got := strings.Join(meets, " "); got != tc.meets {
				t.Errorf("meets %s\nwant  %s", got, tc.meets)
			}
			if got := strings.Join(lacks, " "); got != tc.lacks {
				t.Errorf("lacks %s\nwant  %s", got, tc.lacks)
			}
		})
	}
}

func TestUnverifiedInputs(t *testing.T) {
	text := "FROM alpine:3 AS a\nFROM alpine:3\nFROM debian@" + digest + "\nARG X\nCOPY --from=nginx / /\n" +
		"ADD https://user:pw@x.example/a?token=t /a\nADD --checksum=sha256:1 https://x.example/b /b\n" +
		"RUN curl https://x.example/c && curl -O https://x.example/d && echo 'x  d' | sha256sum -c\n"
	r := judge(t, Config{}).Reading([]*dockerfile.File{parse(t, "Dockerfile", text)})
	var got []string
	for _, f := range r.Facts {
		if f.Kind == model.UnverifiedInput {
			got = append(got, f.Value)
			if f.P != .002 || f.Origin != model.Default || f.Asset != (model.Ref{Kind: model.Source, Key: "Dockerfile"}) {
				t.Errorf("fact %+v", f)
			}
		}
	}
	want := []string{"download https://x.example/a", "download https://x.example/c", "image alpine:3", "image nginx"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

// The Reading says the same whatever the order of its files, and its findings
// are sorted.
func TestReadingOrder(t *testing.T) {
	j := judge(t, Config{})
	a := parse(t, "b/Dockerfile", "FROM alpine\nRUN curl https://x.example | sh\nUSER root")
	b := parse(t, "a/Dockerfile", "FROM alpine\nRUN apk add x")
	c := parse(t, "c/Dockerfile", "FROM\nRUNN")
	one, two := j.Reading([]*dockerfile.File{a, b, c}), j.Reading([]*dockerfile.File{c, b, a})
	if d := cmp.Diff(one, two); d != "" {
		t.Errorf("order of the input shows:\n%s", d)
	}
	if one.Read != 3 || one.Stage != model.Build || len(one.Assets) != 3 || one.Assets[0].Ref != (model.Ref{Kind: model.Source, Key: "a/Dockerfile"}) {
		t.Errorf("read %d, assets %v", one.Read, one.Assets)
	}
	for i := 1; i < len(one.Findings); i++ {
		p, q := one.Findings[i-1], one.Findings[i]
		if p.Position.File > q.Position.File || p.Position.File == q.Position.File && p.Position.Line > q.Position.Line {
			t.Errorf("finding %d is out of order", i)
		}
	}
	want := []model.Incomplete{{What: "c/Dockerfile:1", Why: "FROM requires either one or three arguments (and 1 more)"}}
	if d := cmp.Diff(want, one.Incomplete); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	if empty := j.Reading(nil); empty.Read != 0 || empty.Why == "" {
		t.Errorf("nothing read gives %+v", empty)
	}
}

func TestFindingShape(t *testing.T) {
	got := judge(t, Config{}).Judge(parse(t, "web/Dockerfile", "FROM debian:13\nRUN x\nUSER root\n"))
	i := slices.IndexFunc(got, func(f model.Finding) bool { return f.Rule == "B103" })
	if i < 0 {
		t.Fatal("B103 is silent")
	}
	f := got[i]
	if f.Asset != (model.FindingAsset{Kind: "dockerfile", Key: "web/Dockerfile", Name: "web/Dockerfile"}) {
		t.Errorf("asset %+v", f.Asset)
	}
	if f.Position.Line != 3 || f.Position.File != "web/Dockerfile" || f.Stage != "build" || f.Control != "hygiene" || f.Fix == nil {
		t.Errorf("finding %+v", f)
	}
	moved := judge(t, Config{}).Judge(parse(t, "web/Dockerfile", "\n\n# x\nFROM debian:13\nRUN x\nUSER root\n"))
	for _, m := range moved {
		if m.Rule == "B103" && m.ID != f.ID {
			t.Error("the id changed with the line")
		}
	}
}

// No secret may leave through a finding or a fact.
func TestSecretsStayInside(t *testing.T) {
	const secret = "S3cr3tV4lue"
	text := "ARG TOKEN=" + secret + "\nFROM alpine\nENV PASSWORD=" + secret + " DB=postgres://u:" + secret + "@db/x\nARG API_KEY=" + secret + "\n" +
		"RUN curl -k -H 'Authorization: " + secret + "' https://u:" + secret + "@x.example/i?key=" + secret + " | sh\n" +
		"RUN wget http://u:" + secret + "@x.example/f && chmod +x f\nADD http://u:" + secret + "@x.example/g?x=" + secret + " /g\nRUN PASSWORD=" + secret + " pip install -i http://u:" + secret + "@i.example/simple a\n" +
		"RUN pip install git+https://" + secret + "@x.example/r.git\nDB_PASSWORD=" + secret + " \\\n x\nENV A=1 " + secret + "\n"
	r := judge(t, Config{AllowSources: []string{"none"}}).Reading([]*dockerfile.File{parse(t, "Dockerfile", text)})
	out, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Findings) < 8 {
		t.Errorf("%d findings, want more", len(r.Findings))
	}
	if i := strings.Index(string(out), secret); i >= 0 {
		t.Errorf("the secret shows: …%s", out[max(i-120, 0):i+20])
	}
}

// Hostile files must cost little here too.
func TestHostile(t *testing.T) {
	j := judge(t, Config{AllowBases: []string{"a/**"}})
	fetches, words := "FROM a\nRUN true", strings.Repeat(" /tmp/*x", 120)
	for i := range 300 {
		fetches += fmt.Sprintf(";curl -O https://x.example/f%d", i)
	}
	for range 900 {
		fetches += "\nRUN chmod +x" + words
	}
	for name, text := range map[string]string{
		"uses":     fetches,
		"pipes":    "FROM a\nRUN { " + strings.Repeat("curl x;", 900) + "}|{ " + strings.Repeat("sh;", 900) + "}|sh",
		"comments": "FROM a\n" + strings.Repeat("# scantling ignore=B999\n", 30_000) + "RUN true" + strings.Repeat(";curl -k x|sh", 900),
		"packages": "FROM a\nRUN apk add" + strings.Repeat(" x", 25_000),
		"images":   strings.Repeat("FROM a:1\nCOPY --from=b /x /y\n", 250),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			r := j.Reading([]*dockerfile.File{parse(t, "Dockerfile", text)})
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("took %s", took)
			}
			if len(r.Findings) == 0 {
				t.Error("no findings")
			}
		})
	}
}

func TestSuppression(t *testing.T) {
	day := time.Date(2026, 6, 1, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		text string
		want *model.Suppression
	}{
		"none":               {"FROM alpine", nil},
		"ours":               {"# scantling ignore=B101 reason=a b owner=me expires=2026-12-31\nFROM alpine", &model.Suppression{Reason: "a b", Owner: "me", Expires: "2026-12-31"}},
		"ours, bare":         {"# scantling ignore=B101\nFROM alpine", &model.Suppression{}},
		"last day":           {"# scantling ignore=B101 expires=2026-06-01\nFROM alpine", &model.Suppression{Expires: "2026-06-01"}},
		"expired":            {"# scantling ignore=B101 expires=2026-05-31\nFROM alpine", nil},
		"not a date":         {"# scantling ignore=B101 expires=soon\nFROM alpine", nil},
		"other rule":         {"# scantling ignore=B102\nFROM alpine", nil},
		"list":               {"# scantling ignore=B102,B101 owner=me\nFROM alpine", &model.Suppression{Owner: "me"}},
		"alias":              {"# hadolint ignore=DL3006\nFROM alpine", &model.Suppression{Reason: "hadolint ignore"}},
		"global":             {"# hadolint global ignore=DL3006\n\nARG A=1\nFROM alpine", &model.Suppression{Reason: "hadolint ignore"}},
		"not right above":    {"# scantling ignore=B101\n\nARG A=1\nFROM alpine", nil},
		"two comments above": {"# scantling ignore=B101\n# why\nFROM alpine", &model.Suppression{}},
		"prefix of an id":    {"# scantling ignore=B1012\nFROM alpine", nil},
		"check=skip":         {"# check=skip=DL3006\nFROM alpine", &model.Suppression{Reason: "check=skip"}},
		"skip=all is not it": {"# check=skip=all\nFROM alpine", nil},
	} {
		t.Run(name, func(t *testing.T) {
			for _, f := range judge(t, Config{Now: day}).Judge(parse(t, "Dockerfile", tc.text)) {
				if f.Rule == "B101" {
					if d := cmp.Diff(tc.want, f.Suppressed); d != "" {
						t.Errorf("-want +got:\n%s", d)
					}
					return
				}
			}
			t.Error("B101 is silent")
		})
	}
}

func TestGlob(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"a", "a", true},
		{"a", "ab", false},
		{"a/*", "a/b", true},
		{"a/*", "a/b/c", false},
		{"a/**", "a/b/c", true},
		{"*.example", "x.example", true},
		{"*.example", "x.example.test", false},
		{"a.b", "axb", false},
		{"a[b", "a[b", true},
		{"", "a", false},
	} {
		if got := matchGlob(tc.pattern, tc.text); got != tc.want {
			t.Errorf("%q on %q: %v", tc.pattern, tc.text, got)
		}
	}
}

// Rules of users may read everything that view.go declares.
func TestViewCompiles(t *testing.T) {
	prog, errs := rule.Compile(catalogue(t), environment())
	if len(errs) > 0 || len(prog.Rules()) < 8 {
		t.Fatalf("%d rules, errors %v", len(prog.Rules()), errs)
	}
}
