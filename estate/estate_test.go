package estate

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

func image(digest, name string, labels map[string]string, aliases ...string) model.Asset {
	return model.Asset{Ref: model.Ref{Kind: model.Image, Key: digest}, Name: name, Aliases: aliases, Labels: labels}
}

func runs(workload, image string) model.Fact {
	return model.Fact{Kind: model.Runs, Asset: model.Ref{Kind: model.Workload, Key: workload}, Object: model.Ref{Kind: model.Image, Key: image}, P: 1}
}

func TestPlaceImages(t *testing.T) {
	images := []model.Asset{
		image("sha256:aa", "registry.example/web:1", nil, "sha256:index", "sha256:config"),
		image("sha256:bb", "docker.io/library/redis:7", nil),
		image("sha256:cc", "registry.example/twice:1", nil),
		image("sha256:dd", "registry.example/twice:1", nil),
	}
	for name, tc := range map[string]struct {
		reference string
		want      string // key, or a part of why it is unplaced
		unplaced  bool
	}{
		"by tag":                    {reference: "registry.example/web:1", want: "sha256:aa"},
		"by digest":                 {reference: "registry.example/web@sha256:aa", want: "sha256:aa"},
		"by index digest":           {reference: "registry.example/web:9@sha256:index", want: "sha256:aa"},
		"by config digest":          {reference: "sha256:config", want: "sha256:aa"},
		"a pod's imageID":           {reference: "docker-pullable://registry.example/web@sha256:aa", want: "sha256:aa"},
		"Docker Hub's short name":   {reference: "redis:7", want: "sha256:bb"},
		"Docker Hub's library name": {reference: "library/redis:7", want: "sha256:bb"},
		"another tag":               {reference: "registry.example/web:2", want: "no image of this name", unplaced: true},
		"the tag doesn't help where the digest is another": {reference: "registry.example/web:1@sha256:ee", want: "no image of this name", unplaced: true},
		"two images of one name":                           {reference: "registry.example/twice:1", want: "several images", unplaced: true},
		"an empty name":                                    {reference: "", want: "no image of this name", unplaced: true},
	} {
		t.Run(name, func(t *testing.T) {
			e := Join(Config{}, Attack{}, model.Reading{Stage: model.Registry, Read: 1, Assets: images, Facts: []model.Fact{runs("c/ns/Deployment/w", tc.reference)}})
			got := e.FactsOf(model.Runs)[0].Object.Key
			why := ""
			for _, u := range e.Unplaced {
				if u.Key == tc.reference && strings.Contains(u.Why, "runs in") {
					why = u.Why
				}
			}
			if tc.unplaced && !strings.Contains(why, tc.want) || !tc.unplaced && (got != tc.want || why != "") {
				t.Errorf("placed at %q, unplaced because %q; want %q", got, why, tc.want)
			}
		})
	}
}

func TestPlaceSources(t *testing.T) {
	source := func(key string) model.Asset {
		return model.Asset{Ref: model.Ref{Kind: model.Source, Key: key}, Name: key}
	}
	labels := map[string]string{sourceLabel: "https://git.example/web", revisionLabel: "abc"}
	for name, tc := range map[string]struct {
		image   model.Asset
		sources []string
		file    map[string]string
		want    string // source key; empty: unplaced
	}{
		"labels":               {image("sha256:1", "r/web:1", labels), []string{"https://git.example/web@abc:Dockerfile"}, nil, "https://git.example/web@abc:Dockerfile"},
		"another revision":     {image("sha256:1", "r/web:1", labels), []string{"https://git.example/web@def:Dockerfile"}, nil, ""},
		"estate file":          {image("sha256:1", "r/web:1", nil), []string{"web/Dockerfile"}, map[string]string{"r/web": "web/Dockerfile"}, "web/Dockerfile"},
		"estate file, a port":  {image("sha256:1", "r:5000/web:1", nil), []string{"web/Dockerfile"}, map[string]string{"r:5000/web": "web/Dockerfile"}, "web/Dockerfile"},
		"estate file, unread":  {image("sha256:1", "r/web:1", nil), nil, map[string]string{"r/web": "web/Dockerfile"}, ""},
		"nothing ties them":    {image("sha256:1", "r/web:1", nil), []string{"web/Dockerfile"}, nil, ""},
		"an alias ties them":   {image("sha256:1", "", nil, "r/web:2"), []string{"web/Dockerfile"}, map[string]string{"r/web": "web/Dockerfile"}, "web/Dockerfile"},
		"labels go before all": {image("sha256:1", "r/web:1", labels), []string{"https://git.example/web@abc:Dockerfile", "x"}, map[string]string{"r/web": "x"}, "https://git.example/web@abc:Dockerfile"},
	} {
		t.Run(name, func(t *testing.T) {
			assets := []model.Asset{tc.image}
			for _, s := range tc.sources {
				assets = append(assets, source(s))
			}
			e := Join(Config{Sources: tc.file}, Attack{}, model.Reading{Stage: model.Build, Read: 1, Assets: assets})
			got := ""
			for _, f := range e.FactsOf(model.BuiltBy) {
				got = f.Object.Key
			}
			if got != tc.want {
				t.Errorf("built by %q, want %q", got, tc.want)
			}
			// What isn't tied is said, image and source alike.
			if n := len(e.Unplaced); tc.want == "" && n != 1+len(tc.sources) {
				t.Errorf("%d unplaced, want the image and %d sources: %v", n, len(tc.sources), e.Unplaced)
			}
		})
	}
}

func TestStages(t *testing.T) {
	e := Join(Config{}, Attack{},
		model.Reading{Stage: model.Build, Read: 2}, model.Reading{Stage: model.Build, Read: 1},
		model.Reading{Stage: model.Runtime, Why: "no audit log was found"})
	want := []Stage{
		{model.Build, "read", "", 3},
		{model.Registry, "unknown", "nothing of this stage was found", 0},
		{model.Infrastructure, "unknown", "nothing of this stage was found", 0},
		{model.Runtime, "unknown", "no audit log was found", 0},
	}
	if diff := cmp.Diff(want, e.Stages); diff != "" {
		t.Error(diff)
	}
}

func TestJoinDoesNotDependOnOrder(t *testing.T) {
	parts := []model.Reading{
		{Stage: model.Build, Read: 1, Assets: []model.Asset{{Ref: model.Ref{Kind: model.Source, Key: "d"}, Name: "d"}}, Incomplete: []model.Incomplete{{What: "b", Why: "1"}, {What: "a", Why: "2"}}},
		{Stage: model.Registry, Read: 1, Assets: []model.Asset{image("sha256:1", "r/web:1", map[string]string{"k": "v"}, "x"), image("sha256:2", "r/two:1", nil)}, Weaknesses: []model.Weakness{{Advisory: "B"}, {Advisory: "A"}, {Advisory: "A"}}},
		{Stage: model.Registry, Read: 1, Assets: []model.Asset{image("sha256:1", "r/web:1", map[string]string{"l": "w"}, "y")}, Actions: []model.Action{{ID: "2"}, {ID: "1"}, {ID: "2"}}},
		{Stage: model.Infrastructure, Read: 1, Facts: []model.Fact{runs("c/n/D/b", "r/two:1"), runs("c/n/D/a", "r/web:1")}, Findings: []model.Finding{{ID: "2", Rule: "I1"}, {ID: "1", Rule: "I1"}}},
	}
	first := Join(Config{Name: "e"}, Attack{}, parts...)
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 0))
		r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		again := Join(Config{Name: "e"}, Attack{}, parts...)
		if diff := cmp.Diff(first, again, cmpopts.IgnoreFields(Attack{}, "Step")); diff != "" {
			t.Fatalf("seed %d: %s", seed, diff)
		}
	}
	a, ok := first.Asset(model.Ref{Kind: model.Image, Key: "sha256:1"})
	if !ok || len(a.Labels) != 2 || len(a.Aliases) != 2 {
		t.Errorf("merged asset %+v", a)
	}
	if _, ok := first.Asset(model.Ref{Kind: model.Image, Key: "sha256:3"}); ok {
		t.Error("an asset that nobody read was found")
	}
	if len(first.Weaknesses) != 2 || len(first.Actions) != 2 {
		t.Errorf("repetitions stay: %v %v", first.Weaknesses, first.Actions)
	}
}

func TestSuppress(t *testing.T) {
	asOf := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	image := image("sha256:1", "r/web:1", nil, "r/web:latest")
	finding := func() model.Finding {
		return model.Finding{
			Rule: "R101", Aliases: []string{"X1"}, Asset: model.FindingAsset{Kind: model.Image, Key: "sha256:1", Name: "r/web:1"},
			Evidence: []model.Evidence{{What: AdvisoryEvidence, Value: "CVE-1"}},
		}
	}
	owned := func(x model.Exception) model.Exception {
		x.Reason, x.Owner = "r", "o"
		if x.Expires == "" {
			x.Expires = "2027-01-01"
		}
		return x
	}
	for name, tc := range map[string]struct {
		exception model.Exception
		covered   bool
		notes     int
	}{
		"by rule":                  {model.Exception{Rule: "R101"}, true, 0},
		"by alias of the rule":     {model.Exception{Rule: "X1"}, true, 0},
		"by advisory":              {model.Exception{Advisory: "CVE-1"}, true, 0},
		"another advisory":         {model.Exception{Advisory: "CVE-2"}, false, 0},
		"on the asset's key":       {model.Exception{Rule: "R101", Asset: "sha256:1"}, true, 0},
		"on the name without tag":  {model.Exception{Rule: "R101", Asset: "r/web"}, true, 0},
		"on another asset":         {model.Exception{Rule: "R101", Asset: "r/api"}, false, 1},
		"another rule":             {model.Exception{Rule: "R102"}, false, 1},
		"expired":                  {model.Exception{Rule: "R101", Expires: "2026-11-22"}, false, 1},
		"valid on its last day":    {model.Exception{Rule: "R101", Expires: "2026-11-23"}, true, 0},
		"advisory and asset agree": {model.Exception{Advisory: "CVE-1", Asset: "r/web"}, true, 0},
	} {
		t.Run(name, func(t *testing.T) {
			e := Join(Config{}, Attack{}, model.Reading{Stage: model.Registry, Read: 1, Assets: []model.Asset{image}, Findings: []model.Finding{finding()}})
			notes := e.Suppress([]model.Exception{owned(tc.exception)}, asOf)
			if got := e.Findings[0].Suppressed != nil; got != tc.covered || len(notes) != tc.notes {
				t.Errorf("suppressed %v, notes %v; want %v and %d", got, notes, tc.covered, tc.notes)
			}
		})
	}
}

func attack(t *testing.T, cluster string) Attack {
	t.Helper()
	b := graph.NewBuilder()
	from, to := b.Vertex(), b.Vertex()
	b.Step(to, []graph.Vertex{from}, []graph.Fact{b.Fact(.5)})
	g, err := b.Build()
	if err != nil {
		t.Fatal(err)
	}
	return Attack{
		Graph: g, Vertices: []model.Ref{{Kind: model.Workload, Key: cluster + "/w"}, {Kind: model.Cluster, Key: cluster}},
		Facts: []model.Fact{{Kind: model.Escape, Asset: model.Ref{Kind: model.Workload, Key: cluster + "/w"}, P: .5}},
		Step:  func(st graph.Step) model.Step { return model.Step{Edge: cluster} },
	}
}

func TestMerge(t *testing.T) {
	if a, err := Merge(nil); err != nil || a.Graph != nil {
		t.Errorf("no cluster: %v, %v", a, err)
	}
	one := attack(t, "a")
	if a, err := Merge([]Attack{one}); err != nil || a.Graph != one.Graph {
		t.Errorf("one cluster is not itself: %v", err)
	}
	both, err := Merge([]Attack{one, attack(t, "b")})
	if err != nil {
		t.Fatal(err)
	}
	for _, cluster := range []string{"a", "b"} {
		from, ok := both.Vertex(model.Ref{Kind: model.Workload, Key: cluster + "/w"})
		if !ok {
			t.Fatalf("no vertex of cluster %s", cluster)
		}
		reached := both.Graph.Reach([]graph.Vertex{from}, nil)
		for _, other := range []string{"a", "b"} {
			to, _ := both.Vertex(model.Ref{Kind: model.Cluster, Key: other})
			if got := reached.Has(int(to)); got != (cluster == other) {
				t.Errorf("cluster %s reaches %s: %v", cluster, other, got)
			}
		}
	}
	if a, b := both.Step(0).Edge, both.Step(1).Edge; a != "a" || b != "b" {
		t.Errorf("steps are proved by %s and %s", a, b)
	}
}

func TestMiss(t *testing.T) {
	e := Join(Config{}, Attack{}, model.Reading{Stage: model.Build, Incomplete: []model.Incomplete{{What: "b"}}})
	e.Miss(model.Incomplete{What: "a"}, model.Incomplete{What: "b"})
	if diff := cmp.Diff([]model.Incomplete{{What: "a"}, {What: "b"}}, e.Incomplete); diff != "" {
		t.Error(diff)
	}
}
