//go:build !scanner

package cli

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/ladder"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/risk"
)

// estateFlags are the switches of the commands that read a whole estate.
type estateFlags struct {
	advisories string
	asOf       string
	all        bool
	saveLine   bool
}

func (f *estateFlags) add(cmd *cobra.Command) {
	f.addInputs(cmd)
	cmd.Flags().BoolVar(&f.all, "all", false, "print every action of the plan")
}

// addInputs adds the switches that say what is read.
func (f *estateFlags) addInputs(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.advisories, "advisories", "", "advisories, laid out like the public OSV bucket: a folder, an address, or oci:// (default: those that were synced)")
	cmd.Flags().StringVar(&f.asOf, "as-of", "", "assess as of this day, YYYY-MM-DD (default: today)")
}

// addLine adds the switch of the commands that show the line.
func (f *estateFlags) addLine(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&f.saveLine, "save-line", false, "write the line of this run into scantling.yaml as risk.line")
}

// steps is how many actions of each lane are printed without --all.
const steps = 6

func (f *estateFlags) atMost() int {
	if f.all {
		return 0
	}
	return steps
}

// day is the day of the assessment.
func (f *estateFlags) day() (time.Time, error) {
	if f.asOf == "" {
		return time.Now().UTC(), nil
	}
	day, err := time.Parse(time.DateOnly, f.asOf)
	if err != nil {
		return time.Time{}, usage("--as-of %q: use a date as 2027-01-31", f.asOf)
	}
	return day, nil
}

func (a *app) assessCommand() *cobra.Command {
	var flags estateFlags
	cmd := &cobra.Command{
		Use:     "assess [DIR]",
		Short:   "Read all stages, join them, and print the plan and the ladder",
		Long:    "Assess finds Dockerfiles, images, SBOMs, Kubernetes manifests, charts, kustomizations, audit\nlogs and advisories below DIR (or takes those that scantling.yaml names), judges each, joins\nthem, and prints the load, an ordered plan, the ladder of fourteen controls, and what was not read.",
		Example: "  scantling assess .\n  scantling assess examples/shop --format json\n  scantling assess . --advisories ~/osv",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			_, doc, err := a.assess(ctx, folder(args), flags)
			if err != nil {
				return err
			}
			more := append(a.forCI(doc.Judged()), rendering{"html", doc.HTML}, rendering{"svg", doc.SVG})
			return a.show(doc, func(w io.Writer, p report.Paint) error { return doc.Text(w, p, flags.atMost()) }, more...)
		}, append(slices.Clone(ciFormats), "html", "svg")...),
	}
	flags.add(cmd)
	flags.addLine(cmd)
	return cmd
}

// folder is the argument, or the current one.
func folder(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

// assess runs the main job on a folder and sets the exit code.
func (a *app) assess(ctx context.Context, dir string, flags estateFlags) (*risk.Assessment, report.Assessment, error) {
	r, err := a.read(ctx, dir, flags)
	if err != nil {
		return nil, report.Assessment{}, err
	}
	if flags.saveLine {
		if err := a.saveLine(r); err != nil {
			return nil, report.Assessment{}, err
		}
	}
	return r.ranked, r.doc, nil
}

// read reads and ranks a folder and sets the exit code.
func (a *app) read(ctx context.Context, dir string, flags estateFlags) (*reader, error) {
	asOf, err := flags.day()
	if err != nil {
		return nil, err
	}
	r, err := a.reader(ctx, dir, flags.advisories, asOf)
	if err != nil {
		return nil, err
	}
	e, err := r.read(ctx)
	if err != nil {
		return nil, err
	}
	r.joined, r.ranked = e, risk.Assess(e, r.settings())
	controls := ladder.Measure(e.Assets, append(e.Facts, r.ranked.Facts()...))
	r.doc = report.NewAssessment(a.tool(), e, r.ranked, controls, asOf)
	r.doc.Notes = append(r.doc.Notes, r.found.left.notes(r.config.Exclude)...)
	a.outcome(unknownOnly(e), len(r.doc.Incomplete), r.ranked.Over())
	return r, nil
}

// reader prepares the reading of a folder: its estate file, rules and inputs.
func (a *app) reader(ctx context.Context, dir, advisories string, asOf time.Time) (*reader, error) {
	if err := isFolder(dir); err != nil {
		return nil, err
	}
	cfg, err := config.Load(dir)
	if err != nil {
		return nil, &failure{exitUsage, err}
	}
	r := &reader{app: a, dir: dir, config: cfg, asOf: asOf, feeds: advisories}
	if r.found, err = discover(ctx, dir, cfg.Excluded); err != nil {
		return nil, err
	}
	if r.rules, r.missed, err = a.catalogue(cfg.Rules.Set, r.below(cfg.Rules.Dirs)); err != nil {
		return nil, err
	}
	return r, nil
}

// unknownOnly are the findings that decide the exit code of an assessment:
// unknown verdicts make it incomplete, failures count through the load.
func unknownOnly(e *estate.Estate) []model.Finding {
	var out []model.Finding
	for _, f := range e.Findings {
		if f.Verdict == model.Unknown {
			out = append(out, f)
		}
	}
	return out
}
