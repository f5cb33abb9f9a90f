package cli

import (
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/vex"
	"github.com/scantling/scantling/risk"
)

// imageFlags are the switches of image that say what follows from matches.
type imageFlags struct {
	vex        []string
	exposed    string
	enrichment string
	all        bool
}

func (f *imageFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.vex, "vex", nil, "a VEX document (OpenVEX, CSAF) or a folder of them, to be believed; repeatable")
	cmd.Flags().StringVar(&f.exposed, "exposed", "", "yes or no: can the image be reached from outside (default: unknown, the strictest date)")
	cmd.Flags().StringVar(&f.enrichment, "enrichment", "", "folder of CVE records with CISA's decisions (default: vulnrichment in the folder of advisories)")
	cmd.Flags().BoolVar(&f.all, "all", false, "print every package and match")
}

// public is the exposure as the decision tables ask for it.
func (f *imageFlags) public() (model.Tri, error) {
	answers := map[string]model.Tri{"": model.DontSay, "yes": model.Yes, "no": model.No}
	t, ok := answers[f.exposed]
	if !ok {
		return t, usage("--exposed %q: use yes or no", f.exposed)
	}
	return t, nil
}

// readVEX reads the documents that --vex names. A path that isn't there is a
// slip of the user's; what can't be read inside is incomplete.
func (a *app) readVEX(ctx context.Context, paths []string) (*vex.Set, []model.Incomplete, error) {
	if len(paths) == 0 {
		return nil, nil, nil
	}
	for _, path := range paths {
		if _, err := os.Stat(path); err != nil {
			return nil, nil, failed("reading VEX documents of %s: %s", path, cause(err))
		}
	}
	set, missed, err := vex.Read(ctx, paths...)
	if err != nil {
		return nil, nil, failed("%w", err)
	}
	return set, missed, nil
}

// enrich sets CISA's decisions where a folder of them is named, or lies in the
// folder of advisories.
func (a *app) enrich(ctx context.Context, dir, feeds string, list []model.Weakness) ([]model.Incomplete, error) {
	if dir == "" {
		if feeds == "" {
			return nil, nil
		}
		dir = filepath.Join(feeds, advisory.EnrichmentFolder)
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return nil, nil
		}
	}
	decided, missed, err := advisory.Enrich(ctx, dir, list)
	if err != nil {
		return nil, failed("%w", err)
	}
	a.say("note: enrichment: CISA decided on %d CVEs of the matches", decided)
	return missed, nil
}

// vexSummary counts what came of the documents.
type vexSummary struct {
	Documents  int `json:"documents"`
	Statements int `json:"statements"` // about products that can be placed
	Matches    int `json:"matches"`    // of which a statement counts
	Unknown    int `json:"unknown"`    // statements about vulnerabilities that no match is of
	Unplaced   int `json:"unplaced"`   // products that can't be placed
}

func newVEXSummary(set *vex.Set, list []model.Weakness) *vexSummary {
	if set == nil {
		return nil
	}
	out := &vexSummary{Documents: set.Documents, Statements: set.Len(), Unplaced: set.Unplaced}
	ids := map[string]bool{}
	for _, w := range list {
		if w.Statement != nil {
			out.Matches++
		}
		for _, id := range slices.Concat([]string{w.Advisory}, w.Aliases, w.CVEs) {
			ids[strings.ToUpper(id)] = true
		}
	}
	out.Unknown = out.Statements - set.Names(ids)
	return out
}

// counted are the weaknesses that no statement takes back.
func counted(list []model.Weakness) []model.Weakness {
	return slices.DeleteFunc(slices.Clone(list), func(w model.Weakness) bool { return w.Statement.Favourable() })
}

// ranked fills in the lane, date and priority of matches, and the step of the
// plan that clears each. It returns the dates by the ids of the weaknesses.
func ranked(rows []advisory.MatchRow, list []model.Weakness, public model.Tri, now time.Time) (due map[string]string) {
	due = map[string]string{}
	for i, w := range list {
		if w.Statement.Favourable() {
			continue
		}
		day, _ := risk.Due(w, public, now)
		if !day.IsZero() {
			due[w.ID()] = day.Format(time.DateOnly)
		}
		rows[i].Due, rows[i].Lane = due[w.ID()], string(risk.LaneOf(day))
		rows[i].SSVC, rows[i].Assumed = risk.SSVC(w, public), risk.Assumed(w, public)
	}
	return due
}

// numbered writes the step that clears it into each match.
func numbered(rows []advisory.MatchRow, list []model.Weakness, plan []advisory.Step) {
	step := map[string]int{}
	for _, s := range plan {
		for _, id := range s.Removes {
			step[id] = s.N
		}
	}
	for i, w := range list {
		rows[i].Step = step[w.ID()]
	}
}

// fixReport is what follows from the matches of a call.
type fixReport struct {
	Images  []imageRow         `json:"images"`
	Exposed string             `json:"exposed"` // yes, no or unknown
	Counts  advisory.Clears    `json:"counts"`  // of the matches that no statement takes back, aliases once
	Plan    []advisory.Step    `json:"plan"`
	Unfixed []advisory.Unfixed `json:"unfixed"`
	VEX     *vexSummary        `json:"vex,omitempty"`
}

// imageRow names one image of the call.
type imageRow struct {
	Key      string   `json:"key"`
	Name     string   `json:"name"`
	Platform string   `json:"platform"`
	Layers   []string `json:"layers"` // lowest first

	packages []advisory.PackageRow
}

// newFixReport ranks the matches, in place, and plans their fixes.
func newFixReport(r *advisory.Result, rows []advisory.MatchRow, invs []*image.Inventory, said *vex.Set, how imageFlags, now time.Time) fixReport {
	public, _ := how.public() // was checked
	due := ranked(rows, r.Weaknesses, public, now)
	out := fixReport{
		Images: []imageRow{}, Exposed: cmp.Or(how.exposed, "unknown"), Counts: advisory.Count(counted(r.Weaknesses)),
		Plan:    r.FixPlan(func(id string) string { return due[id] }, now),
		Unfixed: r.Unfixed(now), VEX: newVEXSummary(said, r.Weaknesses),
	}
	numbered(rows, r.Weaknesses, out.Plan)
	for _, inv := range invs {
		row := imageRow{Key: inv.Digest, Name: inv.Name, Platform: inv.Platform, Layers: []string{}, packages: advisory.PackageRows(inv)}
		for _, l := range inv.Layers {
			row.Layers = append(row.Layers, l.DiffID)
		}
		out.Images = append(out.Images, row)
	}
	return out
}
