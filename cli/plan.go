//go:build !scanner

package cli

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/risk"
)

func (a *app) planCommand() *cobra.Command {
	var flags estateFlags
	cmd := &cobra.Command{
		Use:     "plan [DIR]",
		Short:   "Print the plan alone",
		Example: "  scantling plan .\n  scantling plan . --all --format json",
		Args:    cobra.MaximumNArgs(1),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			_, doc, err := a.assess(ctx, folder(args), flags)
			if err != nil {
				return err
			}
			return a.show(doc, func(w io.Writer, p report.Paint) error { return doc.PlanText(w, p, flags.atMost()) },
				rendering{"html", doc.PlanHTML}, rendering{"svg", doc.SVG})
		}, "html", "svg"),
	}
	flags.add(cmd)
	flags.addLine(cmd)
	return cmd
}

func (a *app) whyCommand() *cobra.Command {
	var flags estateFlags
	cmd := &cobra.Command{
		Use:               "why N|ID [DIR]",
		Short:             "Print one action's reasons: factors, chain and proof",
		Long:              "Why explains one action of the plan, by its number or id: every factor with its value,\nsource and origin, the chain from the workload to the jewel with the proof of each step,\nand which of its facts the action cuts.",
		Example:           "  scantling why 1 examples/shop\n  scantling why split-identity-1a2b3c4d .",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.completeSteps,
		RunE: a.checked(func(ctx context.Context, args []string) error {
			r, err := a.read(ctx, folder(args[1:]), flags)
			if err != nil {
				return err
			}
			n, err := stepOf(r.ranked, args[0])
			if err != nil {
				return err
			}
			reasons, err := r.ranked.Why(n)
			if err != nil {
				return failed("%w", err)
			}
			reasons.Step.Action = r.patched(reasons.Step.Action)
			if a.code == exitFound {
				a.code = exitClean // an explanation finds nothing of its own
			}
			why := report.NewWhy(r.doc, reasons)
			return a.show(why, why.Text)
		}),
	}
	flags.add(cmd)
	return cmd
}

// stepOf finds a step by its number or its action's id.
func stepOf(ranked *risk.Assessment, which string) (int, error) {
	n, err := strconv.Atoi(which)
	if err != nil {
		var ok bool
		if n, ok = ranked.Find(which); !ok {
			ids := make([]string, len(ranked.Plan))
			for i, s := range ranked.Plan {
				ids[i] = s.Action.ID
			}
			return 0, usage("no action %q in the plan%s: scantling plan --all lists their ids with --format json", which, nearest(which, ids))
		}
	}
	if len(ranked.Plan) == 0 {
		return 0, usage("the plan has no step %d: it is empty", n)
	}
	if n < 1 || n > len(ranked.Plan) {
		return 0, usage("the plan has no step %d: it has 1 to %d", n, len(ranked.Plan))
	}
	return n, nil
}

// completeTime is how long a completion may read an estate.
const completeTime = 3 * time.Second

// completeSteps proposes the ids of the plan's actions where the current folder
// has an estate file, and the plan can be made in completeTime. Then comes a
// folder.
func (a *app) completeSteps(cmd *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	if _, err := os.Stat(filepath.Join(".", config.FileName)); err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), completeTime)
	defer cancel()
	quiet := &app{IO: IO{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Env: a.Env}, quiet: true, failOn: "high"}
	r, err := quiet.read(ctx, ".", estateFlags{})
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var out []cobra.Completion
	for _, s := range r.ranked.Plan {
		out = append(out, cobra.CompletionWithDesc(s.Action.ID, report.Clean(s.Action.Title)))
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
