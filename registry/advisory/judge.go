package advisory

import (
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/rule"
)

// Judge holds the compiled registry rules. It is immutable and safe for
// concurrent use.
type Judge struct {
	program *rule.Program[*subject]
}

// subject is one image compared with the advisories.
type subject struct {
	inv *image.Inventory
	m   *matching
	now time.Time // zero: no token is taken for expired
}

// Compile compiles the registry rules of a catalogue. A rule that can't be
// compiled is left out and reported; the judge works with the rest.
func Compile(cat *rule.Catalogue) (*Judge, []error) {
	program, errs := rule.Compile(cat, rule.Env[*subject]{
		Stage:  model.Registry,
		Checks: checks(),
	})
	return &Judge{program: program}, errs
}

// checks are the functions that registry rules may name.
func checks() map[string]rule.Check[*subject] {
	out := map[string]rule.Check[*subject]{knownWeaknessCheck: knownWeakness}
	maps.Copy(out, secretChecks)
	return out
}

const knownWeaknessCheck = "known-weakness"

// knownWeakness has one hit for each package and advisory, in the order of
// the matches; what can't be compared is a hit that is unknown.
func knownWeakness(s *subject) []rule.Hit {
	var out []rule.Hit
	for _, one := range s.m.found {
		w := one.weakness
		h := rule.Hit{
			Verdict: model.Fail, Position: model.Position{File: s.inv.File}, Message: message(one),
			Cause: w.Component + " " + w.Path + " " + w.Advisory, Severity: &w.Severity,
			Evidence: []model.Evidence{
				{What: "installed", Where: w.Path, Value: w.Package + " " + w.Version},
				{What: "layer", Where: s.inv.Name, Value: w.Layer},
				{What: "advisory", Where: w.Source, Value: w.Advisory},
			},
		}
		if w.Fixed != "" {
			h.Evidence = append(h.Evidence, model.Evidence{What: "fixed in", Where: w.Source, Value: w.Fixed})
			h.Fix = &model.Fix{Text: fmt.Sprintf("Upgrade %s to %s or later.", w.Package, w.Fixed)}
		}
		out = append(out, h)
	}
	return out
}

// findings are the rules' hits on one image. Those of known weaknesses are one
// for each match and in their order: the aliases are the weakness's, because a
// rule can't know them.
func (j *Judge) findings(inv *image.Inventory, m *matching, now time.Time) []model.Finding {
	asset := model.FindingAsset{Kind: model.Image, Key: inv.Digest, Name: inv.Name}
	var out []model.Finding
	next := 0
	for _, res := range j.program.Eval(&subject{inv, m, now}) {
		f := res.Rule.Finding(asset, res.Hit)
		if res.Rule.Check == knownWeaknessCheck {
			f.Aliases = union(m.found[next].weakness.CVEs, nil)
			f.Suppressed = suppression(m.found[next].weakness.Statement)
			next++
		}
		out = append(out, f)
	}
	return out
}

// caseInput is what a case of a registry rule holds.
type caseInput struct {
	Packages []struct {
		Name      string `json:"name"`
		Version   string `json:"version"`
		Ecosystem string `json:"ecosystem"`
	} `json:"packages"`
	Advisories []json.RawMessage `json:"advisories"`
	Secrets    []caseSecret      `json:"secrets"`
}

// Case is the rule.Judge of this package: a case is a list of packages with
// the advisories that are known, or a list of secrets.
func (j *Judge) Case(id, name string, data []byte) (model.Verdict, string, error) {
	var in caseInput
	if err := json.Unmarshal(data, &in); err != nil {
		return "", "", fmt.Errorf("reading %s: %w", name, err)
	}
	db := &DB{feeds: map[string]*feed{}}
	for _, raw := range in.Advisories {
		r, err := parseRecord(raw, "")
		if err != nil {
			return "", "", fmt.Errorf("reading %s: %w", name, err)
		}
		for _, a := range r.Affected {
			base := baseOf(a.Ecosystem)
			if db.feeds[base] == nil {
				db.feeds[base] = newFeed()
			}
			db.feeds[base].add(r)
		}
	}
	for _, f := range db.feeds {
		f.index()
	}
	inv := &image.Inventory{Digest: "sha256:case", Name: name, File: name}
	for _, p := range in.Packages {
		inv.Packages = append(inv.Packages, image.Package{
			PURL: "pkg:generic/" + p.Name + "@" + p.Version, Name: p.Name, Version: p.Version,
			Source: p.Name, SourceVersion: p.Version, Ecosystem: p.Ecosystem,
		})
	}
	for _, s := range in.Secrets {
		one, err := s.secret()
		if err != nil {
			return "", "", fmt.Errorf("reading %s: %w", name, err)
		}
		inv.Secrets = append(inv.Secrets, one)
	}
	m := db.match(inv, time.Time{})
	verdict, why := rule.Verdict(j.program.Eval(&subject{inv: inv, m: m}), id)
	if missed := append(incomplete(inv, m.uncovered), m.unknown...); verdict == model.Pass && len(missed) > 0 {
		return model.Unknown, missed[0].Why, nil
	}
	return verdict, why, nil
}
