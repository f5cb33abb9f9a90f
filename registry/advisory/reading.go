package advisory

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/vex"
)

// Names of the ladder's conditions that this stage has evidence for.
const (
	condInventoried = "scan.inventoried" // every package of the image was read
	condAssessed    = "scan.assessed"    // the advisories speak for every package
	condPlan        = "patch.plan"       // every weakness with a fix has an action
	condLabels      = "labels.image"     // the required labels are on the built image
)

// Config tunes a reading. The zero value works.
type Config struct {
	// RequiredLabels are the labels that images must carry; none: the
	// condition is not judged.
	RequiredLabels []string
	// Now judges the age of the feed (MaxFeedAge) and whether a release is
	// still supported. The zero time judges support at the date of the feed
	// and its age not at all, which makes a reading repeatable.
	Now time.Time
	// VEX are statements to join with the matches; nil: none.
	VEX *vex.Set
	// Gaps takes what the advisories can't speak for, which is in Incomplete
	// otherwise: for who reads many images a few at a time.
	Gaps Gaps
	// NoPlan leaves out actions and evidence, which take most of the time.
	NoPlan bool
}

// Reading states all that the registry stage knows of the images: one asset an
// image, its weaknesses, the findings and actions that follow, and evidence
// for the ladder. Without advisories (nil db) every image is unknown. The
// result doesn't depend on the order of invs; an image given twice counts
// once.
func (j *Judge) Reading(invs []*image.Inventory, db *DB, cfg Config) model.Reading {
	return j.Judge(invs, db, cfg).Reading
}

// Judge is Reading with what a fix plan over all the images needs.
func (j *Judge) Judge(invs []*image.Inventory, db *DB, cfg Config) *Result {
	out := &Result{Reading: model.Reading{Stage: model.Registry}}
	sorted := slices.Clone(invs)
	slices.SortFunc(sorted, func(a, b *image.Inventory) int {
		return cmp.Or(cmp.Compare(a.Digest, b.Digest), cmp.Compare(a.File, b.File))
	})
	sorted = slices.CompactFunc(sorted, func(a, b *image.Inventory) bool { return a.Digest == b.Digest })
	out.Read = len(sorted)
	if len(sorted) == 0 {
		out.Why = "no image was given"
	}
	gaps := Gaps{}
	for _, inv := range sorted {
		m := db.match(inv, cfg.Now)
		m.state(cfg.VEX.For(inv))
		out.images = append(out.images, judged{inv, m})
		out.Assets = append(out.Assets, asset(inv))
		out.Weaknesses = append(out.Weaknesses, m.weaknesses()...)
		out.Findings = append(out.Findings, j.findings(inv, m, cfg.Now)...)
		if !cfg.NoPlan {
			actions := plan(inv, m, sorted)
			out.Actions = append(out.Actions, actions...)
			out.Facts = append(out.Facts, evidence(inv, m, actions, cfg)...)
		}
		out.Incomplete = append(out.Incomplete, inv.Incomplete...)
		gaps.add(m.uncovered)
		out.Incomplete = append(out.Incomplete, m.unknown...)
	}
	if why := db.unexploited(cfg.Now); why != "" && len(sorted) > 0 {
		out.Incomplete = append(out.Incomplete, model.Incomplete{What: "advisories", Why: why})
	}
	if cfg.Gaps != nil {
		cfg.Gaps.Join(gaps)
	} else {
		out.Incomplete = append(out.Incomplete, gaps.Incomplete()...)
	}
	slices.SortFunc(out.Incomplete, compareIncomplete)
	out.Incomplete = slices.Compact(out.Incomplete)
	return out
}

// Ecosystems lists the base ecosystems of the packages of all images, sorted:
// what Load needs to read for them.
func Ecosystems(invs []*image.Inventory) []string {
	var out []string
	for _, inv := range invs {
		for _, p := range inv.Packages {
			if base := baseOf(p.Ecosystem); base != "" && !slices.Contains(out, base) {
				out = append(out, base)
			}
		}
	}
	slices.Sort(out)
	return out
}

func asset(inv *image.Inventory) model.Asset {
	return model.Asset{Ref: inv.Ref(), Name: inv.Name, Aliases: inv.Aliases, Labels: inv.Config.Labels, Position: model.Position{File: inv.File}}
}

// evidence states what the image meets and lacks. What can't be told is
// neither.
func evidence(inv *image.Inventory, m *matching, actions []model.Action, cfg Config) []model.Fact {
	var out []model.Fact
	state := func(kind model.FactKind, condition, what, value string) {
		out = append(out, model.Fact{
			Kind: kind, Asset: inv.Ref(), Value: condition, P: 1, Origin: model.Measured, Source: inv.File,
			Evidence: []model.Evidence{{What: what, Where: inv.Name, Value: value}},
		})
	}
	if len(inv.Incomplete) == 0 {
		state(model.Meets, condInventoried, "packages read", strconv.Itoa(len(inv.Packages)))
	} else {
		state(model.Lacks, condInventoried, "not read in full", reasons(inv.Incomplete))
	}
	switch {
	case len(m.uncovered) > 0:
		state(model.Lacks, condAssessed, "not covered by advisories", reasons(incomplete(inv, m.uncovered)))
	case len(m.unknown) == 0 && len(inv.Packages) > 0:
		state(model.Meets, condAssessed, "packages compared with advisories", strconv.Itoa(len(inv.Packages)))
	}
	if len(m.uncovered) == 0 {
		if missing := unplanned(m, actions); len(missing) > 0 {
			state(model.Lacks, condPlan, "weaknesses without an action", strings.Join(missing, ", "))
		} else {
			state(model.Meets, condPlan, "weaknesses with a fix, all of them in the plan", strconv.Itoa(fixable(m)))
		}
	}
	if len(cfg.RequiredLabels) > 0 && !inv.Bill {
		if missing := missingLabels(inv, cfg.RequiredLabels); len(missing) > 0 {
			state(model.Lacks, condLabels, "labels missing", strings.Join(missing, ", "))
		} else {
			state(model.Meets, condLabels, "labels present", strings.Join(cfg.RequiredLabels, ", "))
		}
	}
	return out
}

// reasons shows the first reason and counts the others.
func reasons(list []model.Incomplete) string {
	text := list[0].Why
	if len(list) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(list)-1)
	}
	return text
}

func missingLabels(inv *image.Inventory, required []string) []string {
	var out []string
	for _, name := range required {
		if inv.Config.Labels[name] == "" {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func fixable(m *matching) int {
	n := 0
	for _, one := range m.found {
		if one.weakness.Fixable() {
			n++
		}
	}
	return n
}

// unplanned lists advisories with a fix that no action removes.
func unplanned(m *matching, actions []model.Action) []string {
	planned := map[string]bool{}
	for _, a := range actions {
		for _, id := range a.Removes {
			planned[id] = true
		}
	}
	var out []string
	for _, one := range m.found {
		if one.weakness.Fixable() && !planned[one.weakness.ID()] {
			out = append(out, one.weakness.Advisory)
		}
	}
	return union(out, nil)
}

func message(one match) string {
	w := one.weakness
	text := fmt.Sprintf("%s %s has %s", one.pkg.Name, one.pkg.Version, w.Advisory)
	if len(w.CVEs) > 0 && !(len(w.CVEs) == 1 && w.CVEs[0] == w.Advisory) {
		shown := w.CVEs[:min(len(w.CVEs), 4)]
		text += " (" + strings.Join(shown, ", ")
		if len(w.CVEs) > len(shown) {
			text += fmt.Sprintf(" and %d more", len(w.CVEs)-len(shown))
		}
		text += ")"
	}
	if w.KEV {
		text += ", known to be exploited"
	}
	if !one.rated {
		text += fmt.Sprintf("; it is not rated, and counted as %s", w.Severity)
	}
	if w.Fixed == "" {
		return text + "; no fix is known."
	}
	return text + "; fixed in " + w.Fixed + "."
}
