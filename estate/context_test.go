package estate_test

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store"
)

var noon = time.Date(2026, 8, 25, 12, 0, 0, 0, time.UTC)

func ref(kind model.Kind, key string) model.Ref { return model.Ref{Kind: kind, Key: key} }

// small is an estate of one team: web runs an image that was read and one that
// wasn't, acts as runner, and leads to db, a secret and a node.
func small(t *testing.T, severities ...model.Severity) *estate.Estate {
	t.Helper()
	web, db := ref(model.Workload, "prod/shop/Deployment/web"), ref(model.Workload, "prod/shop/StatefulSet/db")
	img, runner := ref(model.Image, "sha256:aa"), ref(model.Identity, "prod/shop/runner")
	secret, node := ref(model.Secret, "prod/shop/password"), ref(model.Node, "prod/n1")
	b := graph.NewBuilder()
	refs := []model.Ref{web, db, secret, node}
	for range refs {
		b.Vertex()
	}
	b.Step(1, []graph.Vertex{0}, []graph.Fact{b.Fact(1)})
	b.Step(2, []graph.Vertex{1}, []graph.Fact{b.Fact(1)})
	b.Step(3, []graph.Vertex{1}, []graph.Fact{b.Fact(1)})
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	right := model.Fact{Kind: model.Right, Object: runner, Value: "Role r rules[0]: list on secrets", P: 1}
	all := model.Fact{Kind: model.Right, Object: ref(model.Identity, "prod//group:system:serviceaccounts"), Value: "ClusterRole c rules[0]: get on pods", P: 1}
	r := model.Reading{
		Stage: model.Infrastructure, Read: 1,
		Assets: []model.Asset{
			{Ref: web, Name: "shop/web", Labels: map[string]string{"shop.example/owner": "web-team"}, Aliases: []string{"prod/shop/Pod/web-odd"}},
			{Ref: db},
			{Ref: img, Name: "registry.example/web:1"},
			{Ref: runner},
			{Ref: ref(model.Identity, "prod//user:alice")},
		},
		Facts: []model.Fact{
			{Kind: model.Runs, Asset: web, Object: ref(model.Image, "registry.example/web:1"), P: 1},
			{Kind: model.Runs, Asset: web, Object: ref(model.Image, "registry.example/proxy:1"), P: 1},
			{Kind: model.ActsAs, Asset: web, Object: runner, P: 1},
			{Kind: model.Exposed, Asset: web, Value: "public", P: 1},
		},
		Findings: []model.Finding{
			{ID: "1", Rule: "I1", Severity: model.High, Verdict: model.Fail, Asset: model.FindingAsset{Kind: model.Workload, Key: web.Key}},
			{ID: "2", Rule: "I2", Verdict: model.Unknown, Message: "no feed", Asset: model.FindingAsset{Kind: model.Image, Key: img.Key}},
			{ID: "3", Rule: "I3", Severity: model.Low, Verdict: model.Fail, Suppressed: &model.Suppression{}, Asset: model.FindingAsset{Kind: model.Workload, Key: web.Key}},
		},
	}
	for i, s := range severities {
		r.Weaknesses = append(r.Weaknesses, model.Weakness{Advisory: fmt.Sprintf("OSV-%d", i), CVEs: []string{fmt.Sprintf("CVE-2026-%d", i)}, Image: img, Severity: s, KEV: i == 1})
	}
	return estate.Join(estate.Config{}, estate.Attack{Graph: g, Vertices: refs, Facts: []model.Fact{right, all}}, r)
}

func alert(assets ...model.Ref) model.Alert {
	return model.Alert{Time: noon.Add(time.Hour), Assets: assets}
}

func TestContext(t *testing.T) {
	c := estate.NewContexts(small(t, model.Critical, model.Low, model.Critical), noon)
	got := c.Of(alert(ref(model.Workload, "prod/shop/Pod/web-6f7c9d8b54-q2xmk"), ref(model.Workload, "prod/shop/Pod/gone"), ref(model.Identity, "prod//user:alice")))
	want := &model.Context{
		AsOf: noon,
		Workloads: []model.WorkloadContext{{
			Asset: "prod/shop/Pod/web-6f7c9d8b54-q2xmk", Key: "prod/shop/Deployment/web", PlacedBy: "name", Owner: "web-team", Exposed: "public", Identity: "prod/shop/runner",
			Images: []model.ImageContext{
				{Name: "registry.example/proxy:1"},
				{Name: "registry.example/web:1", Digest: "sha256:aa", Advisories: map[string]int{"critical": 2, "low": 1}, KEV: 1, Worst: []string{"CVE-2026-1", "CVE-2026-0", "CVE-2026-2"}},
			},
			Findings: map[string]int{"high": 1},
			Blast:    &model.BlastContext{Workloads: 1, Secrets: 1, Nodes: 1},
			Unknown: []model.Incomplete{
				{What: "image registry.example/proxy:1", Why: "it was not read: its packages and advisories are unknown"}, {What: "I2 on image sha256:aa", Why: "no feed"},
			},
		}},
		Identities: []model.IdentityContext{
			{Key: "prod//user:alice", Rights: []string{}},
			{Key: "prod/shop/runner", Rights: []string{"ClusterRole c rules[0]: get on pods (by group system:serviceaccounts)", "Role r rules[0]: list on secrets"}},
		},
		Unknown: []model.Incomplete{
			{What: "workload prod/shop/Pod/gone", Why: "it is not in the estate"},
			{What: "identity prod//user:alice", Why: "which groups it is in, and so what else it may do, is not for the cluster to say"},
		},
	}
	if diff := cmp.Diff(want, got, cmp.Transformer("empty", func(s []string) string { return strings.Join(s, "|") })); diff != "" {
		t.Error(diff)
	}
	if got := c.Of(model.Alert{Time: noon}); len(got.Unknown) != 1 || got.Unknown[0].What != "alert" {
		t.Errorf("an alert of nothing: %+v", got)
	}
	early := alert(ref(model.Workload, "prod/shop/StatefulSet/db"))
	early.Time = noon.Add(-time.Hour)
	if got := c.Of(early); len(got.Unknown) == 0 || got.Unknown[len(got.Unknown)-1].What != "estate" {
		t.Errorf("an event before the estate was read: %+v", got.Unknown)
	}
}

func TestPlace(t *testing.T) {
	r := model.Reading{Stage: model.Infrastructure}
	for _, key := range []string{
		"c/n/Deployment/web", "c/n/StatefulSet/db", "c/n/CronJob/mail", "c/n/DaemonSet/agent", "c/n/Job/once", "c/n/Deployment/a", "c/n/ReplicaSet/a-bcdfg", "c/m/Deployment/web",
	} {
		r.Assets = append(r.Assets, model.Asset{Ref: ref(model.Workload, key)})
	}
	r.Assets[0].Aliases = []string{"c/n/Pod/odd", "uid-1"}
	c := estate.NewContexts(estate.Join(estate.Config{}, estate.Attack{}, r), noon)
	for key, want := range map[string]string{
		"c/n/Deployment/web": "c/n/Deployment/web key", "c/n/Pod/odd": "c/n/Deployment/web alias", "c/n/Pod/web-6f7c9d8b54-q2xmk": "c/n/Deployment/web name",
		"c/n/ReplicaSet/web-6f7c9d8b54": "c/n/Deployment/web name", "c/n/Pod/db-0": "c/n/StatefulSet/db name", "c/n/Pod/agent-x2k9z": "c/n/DaemonSet/agent name",
		"c/n/Job/mail-29312": "c/n/CronJob/mail name", "c/n/Pod/mail-29312-x2k9z": "c/n/CronJob/mail name", "c/n/Pod/once-x2k9z": "c/n/Job/once name",
		"c/n/Pod/web-6f7c9d8b54-aeiou": "", "c/n/Pod/web-q2xmk": "", "c/n/Pod/db-x": "", "c/x/Pod/db-0": "", "c/n/Pod/web": "", "web": "", "": "",
		"c/n/Pod/a-bcdfg-q2xmk": "fits 2",
	} {
		got := c.Of(alert(ref(model.Workload, key)))
		text := ""
		if len(got.Workloads) == 1 {
			text = got.Workloads[0].Key + " " + got.Workloads[0].PlacedBy
		} else if strings.Contains(got.Unknown[0].Why, "fits 2") {
			text = "fits 2"
		}
		if text != want {
			t.Errorf("%s: %q, want %q", key, text, want)
		}
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "store.db")
	s, err := store.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h, err := estate.OpenHistory(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := h.Of(t.Context(), alert()); err != nil || len(got.Unknown) != 1 || got.Unknown[0].Why != "none was read yet" {
		t.Errorf("without an estate: %+v, %v", got, err)
	}
	read := func(hours int, e *estate.Estate) {
		t.Helper()
		if err := h.Update(t.Context(), estate.NewContexts(e, noon.Add(time.Duration(hours)*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	versions := func() int {
		n := 0
		for _, err := range s.Scan(t.Context(), "context", "", "") {
			if err != nil {
				t.Fatal(err)
			}
			n++
		}
		return n
	}
	read(0, small(t, model.High))
	before := versions()
	read(1, small(t, model.High))
	if got := versions(); got != before {
		t.Errorf("nothing changed, and %d versions became %d", before, got)
	}
	read(2, small(t, model.High, model.High, model.High)) // web's image got worse
	if got := versions(); got != before+1 {
		t.Errorf("one workload changed, and %d versions became %d", before, got)
	}
	read(4, estate.Join(estate.Config{}, estate.Attack{}, model.Reading{Stage: model.Infrastructure})) // all gone
	read(6, small(t, model.Low))
	// The same answers from what is on disk.
	h2, err := estate.OpenHistory(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*estate.History{h, h2} {
		for minutes, want := range map[int]string{
			-60: "high:1 0 later", 0: "high:1 0", 90: "high:1 0", 119: "high:1 0", 120: "high:3 2", 239: "high:3 2", 240: "high:3 2 gone", 359: "high:3 2 gone", 360: "low:1 6", 9999: "low:1 6",
		} {
			a := alert(ref(model.Workload, "prod/shop/Pod/web-odd"))
			a.Time = noon.Add(time.Duration(minutes) * time.Minute)
			got, err := h.Of(t.Context(), a)
			if err != nil {
				t.Fatal(err)
			}
			if text := summary(got); text != want {
				t.Errorf("%d minutes: %q, want %q", minutes, text, want)
			}
		}
	}
	// What is gone for long is forgotten.
	read(7, estate.Join(estate.Config{}, estate.Attack{}, model.Reading{Stage: model.Infrastructure}))
	read(7+31*24, estate.Join(estate.Config{}, estate.Attack{}, model.Reading{Stage: model.Infrastructure}))
	if got := versions(); got != 0 {
		t.Errorf("%d versions of what is gone", got)
	}
}

func summary(c *model.Context) string {
	var words []string
	for _, w := range c.Workloads {
		for _, i := range w.Images {
			for level, n := range i.Advisories {
				words = append(words, fmt.Sprintf("%s:%d", level, n))
			}
		}
	}
	words = append(words, fmt.Sprint(int(c.AsOf.Sub(noon).Hours())))
	for _, u := range c.Unknown {
		switch {
		case strings.Contains(u.Why, "after the event"):
			words = append(words, "later")
		case strings.Contains(u.Why, "no longer") && strings.HasPrefix(u.What, "workload"):
			words = append(words, "gone")
		}
	}
	return strings.Join(words, " ")
}

// Versions are bounded: the oldest go.
func TestHistoryIsBounded(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h, err := estate.OpenHistory(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	for n := range 40 {
		if err := h.Update(t.Context(), estate.NewContexts(small(t, make([]model.Severity, n)...), noon.Add(time.Duration(n)*time.Hour))); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for _, err := range s.Scan(t.Context(), "context", "workload\x00prod/shop/Deployment/web\x00", "workload\x00prod/shop/Deployment/web\x01") {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 32 {
		t.Errorf("%d versions of web", n)
	}
}

// TestHistoryAfterAWrongClock reads an estate once with a clock years ahead:
// what is read with the right one counts all the same.
func TestHistoryAfterAWrongClock(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h, err := estate.OpenHistory(context.Background(), s)
	if err != nil {
		t.Fatal(err)
	}
	for n, at := range []time.Time{noon, noon.AddDate(10, 0, 0), noon.Add(time.Hour), noon.Add(2 * time.Hour)} {
		if err := h.Update(t.Context(), estate.NewContexts(small(t, make([]model.Severity, n)...), at)); err != nil {
			t.Fatal(err)
		}
	}
	if h, err = estate.OpenHistory(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	alert := model.Alert{Time: noon.Add(3 * time.Hour), Assets: []model.Ref{{Kind: model.Workload, Key: "prod/shop/Deployment/web"}}}
	c, err := h.Of(t.Context(), alert)
	if err != nil || !c.AsOf.Equal(noon.Add(2*time.Hour)) {
		t.Errorf("%v, as of %v", err, c.AsOf)
	}
}
