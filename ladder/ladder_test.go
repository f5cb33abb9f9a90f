package ladder

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

func source(key string) model.Asset {
	return model.Asset{Ref: model.Ref{Kind: model.Source, Key: key}}
}

func evidenceOf(kind model.FactKind, key, condition, why string) model.Fact {
	f := model.Fact{Kind: kind, Asset: model.Ref{Kind: model.Source, Key: key}, Value: condition, P: 1}
	if why != "" {
		f.Evidence = []model.Evidence{{What: why}}
	}
	return f
}

func TestMeasureBase(t *testing.T) {
	both := []model.Asset{source("a/Dockerfile"), source("b/Dockerfile")}
	for name, tc := range map[string]struct {
		subjects []model.Asset
		facts    []model.Fact
		level    int // -1: unknown
		next     string
		blockers []Blocker
	}{
		"no sources at all is unknown": {
			level: -1, next: "every base is known", blockers: []Blocker{{"", "base.known: no evidence"}},
		},
		"one lacks the first level": {
			subjects: both,
			facts:    []model.Fact{evidenceOf(model.Meets, "a/Dockerfile", "base.known", ""), evidenceOf(model.Lacks, "b/Dockerfile", "base.known", "ARG unset")},
			level:    0, next: "every base is known", blockers: []Blocker{{"b/Dockerfile", "base.known: ARG unset"}},
		},
		"one says nothing: unknown, not zero": {
			subjects: both,
			facts:    []model.Fact{evidenceOf(model.Meets, "a/Dockerfile", "base.known", "")},
			level:    -1, next: "every base is known", blockers: []Blocker{{"b/Dockerfile", "base.known: unknown"}},
		},
		"evidence against outweighs evidence for": {
			subjects: both[:1],
			facts:    []model.Fact{evidenceOf(model.Meets, "a/Dockerfile", "base.known", ""), evidenceOf(model.Lacks, "a/Dockerfile", "base.known", "")},
			level:    0, next: "every base is known", blockers: []Blocker{{"a/Dockerfile", "base.known: not met"}},
		},
		"a level above an unmet one doesn't count": {
			subjects: both[:1],
			facts: []model.Fact{
				evidenceOf(model.Meets, "a/Dockerfile", "base.known", ""), evidenceOf(model.Lacks, "a/Dockerfile", "base.allowed", "not on the list"),
				evidenceOf(model.Meets, "a/Dockerfile", "base.pinned", ""), evidenceOf(model.Meets, "a/Dockerfile", "base.fresh", ""),
			},
			level: 1, next: "only allowed bases", blockers: []Blocker{{"a/Dockerfile", "base.allowed: not on the list"}},
		},
		"all four": {
			subjects: both[:1],
			facts: []model.Fact{
				evidenceOf(model.Meets, "a/Dockerfile", "base.known", ""), evidenceOf(model.Meets, "a/Dockerfile", "base.allowed", ""),
				evidenceOf(model.Meets, "a/Dockerfile", "base.pinned", ""), evidenceOf(model.Meets, "a/Dockerfile", "base.fresh", ""),
				evidenceOf(model.Meets, "a/Dockerfile", "base.verified", ""),
			},
			level: 4, blockers: []Blocker{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			got := Measure(tc.subjects, tc.facts)[0]
			want := Control{ID: "base", Name: "base images", Area: "build", Next: tc.next, Blockers: tc.blockers}
			if tc.level >= 0 {
				want.Level = &tc.level
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEstateConditionsNeedNoSubject(t *testing.T) {
	ref := model.Ref{Kind: model.Cluster, Key: "shop"}
	facts := []model.Fact{{Kind: model.Meets, Asset: ref, Value: "detect.audit", P: 1}, {Kind: model.Lacks, Asset: ref, Value: "detect.logs", P: 1}}
	for _, c := range Measure(nil, facts) {
		if c.ID != "detect" {
			continue
		}
		if c.Level == nil || *c.Level != 1 || len(c.Blockers) != 2 {
			t.Errorf("detect = level %v, blockers %v; want 1, one lacking and one unknown", c.Level, c.Blockers)
		}
	}
}

// The table is the contract with the stages: fourteen controls, four levels
// each, no level without a condition, no condition twice.
func TestTable(t *testing.T) {
	if len(Controls) != 14 {
		t.Fatalf("%d controls, want 14", len(Controls))
	}
	seen := map[string]bool{}
	for _, c := range Controls {
		for i, l := range c.Levels {
			if l.Text == "" || len(l.Conditions) == 0 {
				t.Errorf("%s level %d says nothing", c.ID, i+1)
			}
			for _, cond := range l.Conditions {
				if seen[cond.Name] {
					t.Errorf("condition %s is used twice", cond.Name)
				}
				seen[cond.Name] = true
			}
		}
	}
}
