//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// networkDiff is what `cluster network diff` prints as JSON.
type networkDiff struct {
	Schema int         `json:"schema"`
	Tool   report.Tool `json:"tool"`
	*network.Difference
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) networkDiffCommand() *cobra.Command {
	var hosts string
	cmd := &cobra.Command{
		Use:   "diff [OLD] NEW",
		Short: "What changed in who may connect to whom",
		Long: "Diff compares two folders, files or snapshots by what they allow, not by how they are written.\n" +
			"With one of them, the live cluster is the old one. A connection that was opened ends with exit code 3.",
		Example: "  scantling cluster network diff main/k8s branch/k8s\n  scantling cluster network diff k8s --context prod",
		RunE: a.checked(func(ctx context.Context, args []string) error {
			old, now, err := a.twoSnapshots(ctx, args)
			if err != nil {
				return err
			}
			before, err := engineFor(old, hosts)
			if err != nil {
				return err
			}
			after, err := engineFor(now, hosts)
			if err != nil {
				return err
			}
			doc := networkDiff{Schema: report.Schema, Tool: a.tool(), Difference: network.Diff(before, after)}
			doc.Incomplete = append(missedByNetwork(old, before), missedByNetwork(now, after)...)
			doc.Incomplete = dropRepeats(append(doc.Incomplete, doc.Missed...))
			depends := a.talkUnknown(doc.Difference)
			a.talkIncomplete(doc.Incomplete)
			a.outcome(nil, len(doc.Incomplete)+depends, doc.Opened())
			return a.show(doc, doc.text)
		}),
	}
	hostNetworkFlag(cmd, &hosts)
	return a.reads(cmd)
}

// talkUnknown says on standard error what may have changed otherwise, and
// returns how much does.
func (a *app) talkUnknown(d *network.Difference) int {
	var lines []string
	for _, c := range d.Connections {
		if c.Depends {
			lines = append(lines, "depends: "+c.String())
		}
	}
	for _, c := range d.Unknown {
		lines = append(lines, "may have changed: "+c.String())
	}
	for i, line := range lines {
		if i == maxDepends {
			fmt.Fprintf(a.Err, "%d more connections depend on something\n", len(lines)-maxDepends)
			break
		}
		fmt.Fprintln(a.Err, report.Clean(line))
	}
	return len(lines)
}

func dropRepeats(list []model.Incomplete) []model.Incomplete {
	kept := []model.Incomplete{}
	for _, x := range list {
		if !slices.Contains(kept, x) {
			kept = append(kept, x)
		}
	}
	return kept
}

// twoSnapshots reads what two arguments name, or the live cluster and what one
// names.
func (a *app) twoSnapshots(ctx context.Context, args []string) (old, now *kube.Snapshot, err error) {
	switch {
	case len(args) == 0 || len(args) > 2:
		return nil, nil, usage("name two folders, files or snapshots to compare, or one to compare the live cluster with")
	case len(args) == 2 && args[0] == "-" && args[1] == "-":
		return nil, nil, usage("- stands for all input: name it once")
	}
	if old, err = a.snapshot(ctx, args[:len(args)-1]); err != nil {
		return nil, nil, err
	}
	if len(args) == 1 {
		a.access = kube.Access{} // it was for the live cluster, which is read by now
	}
	now, err = a.snapshot(ctx, args[len(args)-1:])
	return old, now, err
}

// text is one line a change, all sorted.
func (d networkDiff) text(w io.Writer, _ report.Paint) error {
	var lines []string
	for _, c := range d.Connections {
		lines = append(lines, string(c.Change)+" "+c.String())
	}
	for _, c := range d.Entries {
		lines = append(lines, fmt.Sprintf("entry %s %s", c.Change, c))
	}
	for _, c := range d.Workloads {
		lines = append(lines, fmt.Sprintf("workload %s %s", c.Change, c.Workload))
	}
	slices.Sort(lines)
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, report.Clean(line)); err != nil {
			return err
		}
	}
	return nil
}
