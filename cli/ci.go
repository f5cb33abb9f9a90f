//go:build !scanner

package cli

import (
	"context"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/risk"
)

// maxBaseline is the size in bytes of the largest baseline that is read: that
// of an estate of 1,000 workloads has under 20 MB.
const maxBaseline = 256 << 20

func (a *app) ciCommand() *cobra.Command {
	var flags estateFlags
	var most, baseline string
	cmd := &cobra.Command{
		Use:     "ci [DIR]",
		Short:   "Compare the load with an earlier assessment: a ratchet for pipelines",
		Long:    "Ci assesses a folder as assess does and compares the load with that of an earlier run.\n--max-load +0 lets it never rise, +N lets it rise by N points, and N is a bound of its own\nthat needs no baseline. The baseline is what assess --format json printed. New steps of the\nplan and new findings are listed by their ids. A raised load ends with exit code 3.",
		Example: "  scantling assess . --format json > baseline.json\n  scantling ci . --baseline baseline.json\n  scantling ci . --max-load +25 --baseline baseline.json\n  scantling ci . --max-load 300 --allow-unknown",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			allowed, raise, err := bound(most)
			if err != nil {
				return err
			}
			return a.ci(ctx, folder(args), flags, allowed, raise, baseline)
		}),
	}
	flags.addInputs(cmd)
	cmd.Flags().StringVar(&most, "max-load", "+0", "what the load may be: +N over the baseline's, or N points")
	cmd.Flags().StringVar(&baseline, "baseline", "", "file with the JSON of an earlier assess")
	return cmd
}

// bound reads --max-load.
func bound(text string) (allowed risk.Points, raise bool, err error) {
	number, raise := strings.CutPrefix(text, "+")
	v, err := strconv.ParseFloat(number, 64)
	if err != nil || !(v >= 0) || math.IsInf(v, 0) || v > 1e12 || strings.HasPrefix(number, "+") {
		return 0, false, usage("--max-load %q: use +N for a raise of N points over the baseline, or N for a bound in points", text)
	}
	return risk.FromFloat(v), raise, nil
}

func (a *app) ci(ctx context.Context, dir string, flags estateFlags, allowed risk.Points, raise bool, baseline string) error {
	if raise && baseline == "" {
		return usage("--max-load +%s is counted from an earlier run: name its JSON with --baseline FILE; `scantling assess %s --format json > FILE` makes it, and a plain number needs none", strings.TrimSuffix(allowed.String(), ".000"), dir)
	}
	var base *report.Baseline
	if baseline != "" {
		var err error
		if base, err = readBaseline(baseline); err != nil {
			return err
		}
	}
	r, err := a.read(ctx, dir, flags)
	if err != nil {
		return err
	}
	doc := report.NewRatchet(r.doc, base, allowed, raise)
	unknown := len(doc.Incomplete)
	if doc.Raised == nil {
		unknown++
	}
	a.code = exitClean // the line doesn't count here
	a.outcome(unknownOnly(r.joined), unknown, doc.Raised != nil && *doc.Raised)
	return a.show(doc, doc.Text)
}

// readBaseline reads a baseline's file.
func readBaseline(name string) (*report.Baseline, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, failed("reading the baseline %s: %s", name, cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBaseline+1))
	switch {
	case err != nil:
		return nil, failed("reading the baseline %s: %s", name, cause(err))
	case len(text) > maxBaseline:
		return nil, failed("reading the baseline %s: more than %d bytes", name, maxBaseline)
	}
	base, err := report.ReadBaseline(text)
	if err != nil {
		return nil, usage("--baseline %s: %w", name, err)
	}
	return base, nil
}
