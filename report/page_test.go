package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/ladder"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/risk"
)

// updatePages rewrites the golden files: go test ./report -update-pages.
var updatePages = flag.Bool("update-pages", false, "rewrite the golden pages")

var day = time.Date(2026, 8, 26, 0, 0, 0, 0, time.UTC)

// hostileName is what a file, a package or a message may be called.
const hostileName = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>\x00\x1b[31m\u202egpj.exe\xff {{.}}"

// digestName is the key of the only image.
const digestName = "sha256:4c078e8c671d500b5cd7ba9b59d5a4a8711f8b032533288cfc415bd1eb1dc0ea"

// world is a small cluster: web can be broken into, holds an identity that may
// read everything, and a Secret lies at the end. name is part of every name.
func world(t *testing.T, name string) report.Assessment {
	t.Helper()
	ref := func(k model.Kind, key string) model.Ref { return model.Ref{Kind: k, Key: "c/" + key + name} }
	web, id, secret := ref(model.Workload, "shop/Deployment/web"), ref(model.Identity, "shop/web"), ref(model.Secret, "shop/db")
	image := model.Ref{Kind: model.Image, Key: digestName}
	facts := []model.Fact{
		{Kind: model.Token, Asset: web, Object: id, P: 1, Attack: "T1528"},
		{Kind: model.Right, Asset: ref(model.Binding, "shop/RoleBinding/web"), Object: id, Value: "Role web" + name, P: .95},
	}
	b := graph.NewBuilder()
	v := []graph.Vertex{b.Vertex(), b.Vertex(), b.Vertex()}
	b.Step(v[1], v[:1], []graph.Fact{b.Fact(1)})
	b.Step(v[2], v[1:2], []graph.Fact{b.Fact(.95)})
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	names := []model.Ref{web, id, secret}
	attack := estate.Attack{Graph: g, Vertices: names, Facts: facts, Step: func(s graph.Step) model.Step {
		return model.Step{Edge: []string{"token", "read-secrets"}[s], From: names[s].String(), To: names[s+1].String(), Attack: facts[s].Attack, Why: []model.Proof{{Object: "Role" + name, Field: "rules[0]"}}}
	}}
	weak := model.Weakness{Advisory: "DSA-1" + name, Image: image, Component: "pkg:deb/debian/a@1", Package: "a", Version: "1", Fixed: "2", Severity: model.Critical, KEV: true, KEVAdded: day.AddDate(-1, 0, 0)}
	reading := model.Reading{
		Stage: model.Infrastructure, Read: 3,
		Assets: []model.Asset{{Ref: web, Name: "shop/web" + name}, {Ref: id}, {Ref: secret}, {Ref: image, Name: "registry.example/web" + name}},
		Facts: []model.Fact{
			{Kind: model.Runs, Asset: web, Object: model.Ref{Kind: model.Image, Key: digestName}, P: 1},
			{Kind: model.Mounts, Asset: web, Object: secret, P: 1},
			{Kind: model.Exposed, Asset: web, Value: "public", P: 1, Origin: model.Measured, Evidence: []model.Evidence{{What: "Ingress" + name}}},
		},
		Weaknesses: []model.Weakness{weak},
		Actions: []model.Action{
			{ID: "upgrade-component-1", Type: model.UpgradeComponent, Title: "upgrade a 1 → 2 in web" + name, Assets: []model.Ref{image}, Removes: []string{weak.ID()}, Patch: "RUN apt-get install a=2\n# " + name, Evidence: []model.Evidence{{What: "installed" + name, Where: "/var/lib/dpkg/status", Value: "a 1"}}},
			{ID: "delete-binding-1", Type: model.DeleteBinding, Title: "Delete RoleBinding web" + name, Removes: []string{facts[1].ID()}},
		},
		Findings: []model.Finding{
			{ID: "1", Rule: "I101", Stage: "infrastructure", Severity: model.High, Verdict: model.Fail, Message: "container is privileged" + name, Position: model.Position{File: "k8s/web.yaml" + name, Line: 3}, Fix: &model.Fix{Text: "Drop it." + name}},
			{ID: "2", Rule: "R101", Stage: "registry", Severity: model.Medium, Verdict: model.Unknown, Message: "could not tell" + name, Asset: model.FindingAsset{Kind: model.Image, Name: "web" + name}},
			{ID: "3", Rule: "B103", Stage: "build", Severity: model.Critical, Verdict: model.Fail, Message: "runs as root", Suppressed: &model.Suppression{Reason: "known" + name, Owner: "team", Expires: "2027-01-01"}},
		},
		Alerts:     []model.Alert{{Rule: "D101", Title: "Command run" + name, Level: model.High, Time: day, Fields: map[string]string{"actor": "system:anonymous" + name}}},
		Incomplete: []model.Incomplete{{What: "broken.yaml" + name, Why: "not YAML" + name}},
	}
	e := estate.Join(estate.Config{Name: "small" + name}, attack, reading)
	a := risk.Assess(e, risk.Settings{AsOf: day})
	a.Notes = append(a.Notes, "a note"+name)
	return report.NewAssessment(report.Tool{"scantling", "test", "2026.1"}, e, a, ladder.Measure(e.Assets, e.Facts), day)
}

// pages are the cases of the golden files.
func pages(t *testing.T) map[string]report.Assessment {
	empty := estate.Join(estate.Config{Name: "empty"}, estate.Attack{})
	unknown := estate.Join(estate.Config{Name: "no-cluster"}, estate.Attack{}, model.Reading{
		Stage: model.Build, Read: 1,
		Actions: []model.Action{{ID: "rebuild-base-1", Type: model.RebuildBase, Title: "rebuild a", Removes: []string{"x"}}},
	})
	out := map[string]report.Assessment{"normal": world(t, ""), "hostile": world(t, hostileName)}
	for name, e := range map[string]*estate.Estate{"empty": empty, "unknown": unknown} {
		out[name] = report.NewAssessment(report.Tool{"scantling", "test", "2026.1"}, e, risk.Assess(e, risk.Settings{AsOf: day}), ladder.Measure(e.Assets, e.Facts), day)
	}
	return out
}

func html(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var b bytes.Buffer
	if err := write(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

var (
	styleForm  = regexp.MustCompile(`(?s)<style>(.*?)</style>`)
	scriptForm = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
	policyForm = regexp.MustCompile(`content="default-src [^"]*"`)
)

// bare leaves out what all pages share, so that a golden page holds its own.
func bare(page string) string {
	page = styleForm.ReplaceAllString(page, "<style></style>")
	page = policyForm.ReplaceAllString(page, `content=""`)
	return scriptForm.ReplaceAllString(page, "<script></script>")
}

func TestPageGolden(t *testing.T) {
	for name, d := range pages(t) {
		for kind, write := range map[string]func(io.Writer) error{"": d.HTML, "-plan": d.PlanHTML, ".svg": d.SVG} {
			t.Run(name+kind, func(t *testing.T) {
				got := html(t, write)
				if again := html(t, write); again != got {
					t.Fatal("the page is different each time")
				}
				file := filepath.Join("testdata", "page", name+kind+".html")
				if kind == ".svg" {
					file, got = strings.TrimSuffix(file, ".html"), styleForm.ReplaceAllString(got, "<style></style>")
				} else {
					got = bare(got)
				}
				if *updatePages {
					if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
					return
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), got); d != "" {
					t.Errorf("differs from %s (-want +got):\n%s", file, d)
				}
			})
		}
	}
}

var (
	voidForm = regexp.MustCompile(`<(meta|input|wbr|br)\b([^>]*)>`)
	bareForm = regexp.MustCompile(` (hidden)([ >])`)
)

// elements reads a page strictly, as XML, and calls visit for every element.
func elements(t *testing.T, page string, visit func(xml.StartElement)) {
	t.Helper()
	page = strings.TrimPrefix(bare(page), "<!DOCTYPE html>")
	page = voidForm.ReplaceAllString(page, "<$1$2/>")
	page = bareForm.ReplaceAllString(page, ` $1=""$2`)
	dec := xml.NewDecoder(strings.NewReader(page))
	for {
		tok, err := dec.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatalf("not well-formed: %v", err)
		}
		if el, ok := tok.(xml.StartElement); ok {
			visit(el)
		}
	}
}

// The pages are well-formed, their ids unique, their links lead somewhere,
// their headings in order, and nothing hostile is an element or an attribute.
func TestPageStructure(t *testing.T) {
	known := map[string]bool{}
	for e := range strings.FieldsSeq("html head meta title style body script a p b header nav ul ol li main h1 h2 h3 h4 dl dt dd div small section span time code figure svg desc defs pattern rect path line text g table thead tbody tr th td details summary pre form label select option input output footer button wbr") {
		known[e] = true
	}
	for name, d := range pages(t) {
		for kind, write := range map[string]func(io.Writer) error{"": d.HTML, "-plan": d.PlanHTML} {
			t.Run(name+kind, func(t *testing.T) {
				page := html(t, write)
				ids, links, level := map[string]bool{}, []string{}, 0
				elements(t, page, func(el xml.StartElement) {
					tag := el.Name.Local
					if !known[tag] {
						t.Errorf("element %s", tag)
					}
					if len(tag) == 2 && tag[0] == 'h' && tag[1] >= '1' && tag[1] <= '4' {
						if now := int(tag[1] - '0'); now > level+1 {
							t.Errorf("a heading of level %d follows one of %d", now, level)
						} else {
							level = now
						}
					}
					for _, a := range el.Attr {
						switch {
						case a.Name.Local == "id":
							if ids[a.Value] {
								t.Errorf("two elements have the id %s", a.Value)
							}
							ids[a.Value] = true
						case a.Name.Local == "href", strings.HasPrefix(a.Name.Local, "aria-labelledby"):
							links = append(links, strings.Fields(strings.ReplaceAll(a.Value, "#", ""))...)
							if a.Name.Local == "href" && !strings.HasPrefix(a.Value, "#") {
								t.Errorf("a link leaves the page: %s", a.Value)
							}
						case strings.HasPrefix(a.Name.Local, "on"), a.Name.Local == "src", a.Name.Local == "style":
							t.Errorf("attribute %s of %s", a.Name.Local, tag)
						}
					}
				})
				for _, id := range links {
					if !ids[id] {
						t.Errorf("a link leads to #%s, which isn't there", id)
					}
				}
				for i, b := range []byte(page) {
					if b < 0x20 && b != '\n' && b != '\t' || b == 0x7f {
						t.Fatalf("byte %#x at %d", b, i)
					}
				}
				if strings.ContainsAny(page, "\u202e\u2066") || strings.Count(page, "<script") != 1 {
					t.Error("hostile text came through")
				}
			})
		}
	}
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// The policy allows the style and the script of the page by their digests,
// and nothing else.
func TestPagePolicy(t *testing.T) {
	page := html(t, world(t, "").HTML)
	style, script := styleForm.FindStringSubmatch(page)[1], scriptForm.FindStringSubmatch(page)[1]
	policy := strings.NewReplacer("&#39;", "'", "&#43;", "+").Replace(policyForm.FindString(page))
	want := fmt.Sprintf(`content="default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'"`, digest(style), digest(script))
	if policy != want {
		t.Errorf("policy %s, want %s", policy, want)
	}
	if lines := strings.Count(script, "\n"); lines > 150 {
		t.Errorf("the script has %d lines", lines)
	}
}

// What is too much for a page is counted.
func TestPageBounds(t *testing.T) {
	small := world(t, "")
	d := report.Assessment{Estate: "large", Load: small.Load, Line: small.Line, Ladder: small.Ladder, Stages: small.Stages}
	long := strings.Repeat("long/", 2000)
	step := small.Plan[0]
	for range 3000 {
		d.Findings = append(d.Findings, model.Finding{Rule: "I101", Stage: "infrastructure", Severity: model.High, Verdict: model.Fail, Message: long, Position: model.Position{File: long}})
		d.Incomplete = append(d.Incomplete, model.Incomplete{What: long, Why: long})
		d.Unplaced = append(d.Unplaced, estate.Unplaced{Kind: model.Image, Key: long, Why: long})
		d.Notes = append(d.Notes, long)
		d.Alerts = append(d.Alerts, small.Alerts[0])
		step.N = len(d.Plan) + 1
		step.Action.Title, step.Action.Patch = long, strings.Repeat(long+"\n", 20)
		step.Evidence = make([]model.Evidence, 50)
		d.Plan = append(d.Plan, step)
	}
	page := html(t, d.HTML)
	if len(page) > 2_000_000 {
		t.Errorf("%d bytes", len(page))
	}
	for _, form := range []string{
		`The page has room for the first (\d+). There are (\d+) more`, `… and (\d+) more: see --format json`,
		`… and (\d+) alerts more`, `… and (\d+) actions more, which remove`, `\d+ actions more \([0-9.e+]+ h\) that remove [0-9.]+ are not drawn`,
	} {
		if !regexp.MustCompile(form).MatchString(page) {
			t.Errorf("nothing says %s", form)
		}
	}
	m := regexp.MustCompile(`first (\d+). There are (\d+) more`).FindStringSubmatch(page)
	shown, left := 0, 0
	if m != nil {
		fmt.Sscan(m[1], &shown)
		fmt.Sscan(m[2], &left)
	}
	if shown != strings.Count(page, "<tr data-f=") || shown+left != len(d.Findings) {
		t.Errorf("%d shown and %d left of %d", shown, left, len(d.Findings))
	}
}
