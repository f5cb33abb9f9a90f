//go:build !scanner

package cli

import (
	"context"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// pathsReport is the answer of `cluster paths` with what every JSON object
// carries.
type pathsReport struct {
	Schema int         `json:"schema"`
	Tool   report.Tool `json:"tool"`
	paths.Report
	Incomplete []model.Incomplete `json:"incomplete"`

	most    int  // paths that the text prints
	patches bool // print the patches of the fixes
}

// maxPaths bounds --most.
const maxPaths = 1000

// pathsAsk is what the switches of `cluster paths` ask for.
type pathsAsk struct {
	from, to   []string
	cloud      []string // exports of clouds
	fix, edges bool
	compat     string
	most       int
}

func (a *app) pathsCommand() *cobra.Command {
	var ask pathsAsk
	cmd := &cobra.Command{
		Use:   "paths [PATH…]",
		Short: "What a compromised container reaches, and the smallest change that stops it",
		Example: "  scantling cluster paths examples/shop/k8s\n" +
			"  scantling cluster paths k8s --from internet --to cluster-admin --fix\n" +
			"  scantling cluster paths k8s --from shop/web --to secret/payments/db --format dot | dot -Tsvg\n" +
			"  scantling cluster paths k8s --cloud exports/ --to cloud/arn:aws:iam::111122223333:role/admin\n" +
			"  scantling cluster paths k8s --edges --format json",
		RunE: a.checked(func(ctx context.Context, args []string) error {
			if ask.most < 1 || ask.most > maxPaths {
				return usage("--most %d: use 1 to %d", ask.most, maxPaths)
			}
			if ask.compat != "" && len(ask.cloud) > 0 {
				return usage("--compat knows no cloud: leave out --cloud")
			}
			if ask.compat != "" {
				return a.compat(ctx, args, ask.compat)
			}
			doc, err := a.paths(ctx, args, ask)
			if err != nil {
				return err
			}
			a.outcome(nil, len(doc.Incomplete), false)
			return a.show(doc, func(w io.Writer, p report.Paint) error { return a.pathsText(w, p, doc) }, rendering{"dot", doc.dot}, rendering{"svg", doc.svg})
		}, "dot", "svg"),
	}
	cmd.Flags().StringArrayVar(&ask.from, "from", nil, "where an attack starts: internet, namespace/workload, sa/namespace/name, user/name, group/name, node/name, cloud/name (repeatable; default every workload)")
	cmd.Flags().StringArrayVar(&ask.to, "to", nil, "what it is after: cluster-admin, secret/namespace/name, or one of those of --from (repeatable; default all of worth)")
	cmd.Flags().StringArrayVar(&ask.cloud, "cloud", nil, cloudUsage)
	cmd.Flags().BoolVar(&ask.fix, "fix", false, "print the patches of the smallest fix, and verify them by judging the changed cluster anew")
	cmd.Flags().BoolVar(&ask.edges, "edges", false, "print every edge of the graph as well")
	cmd.Flags().StringVar(&ask.compat, "compat", "", "print edges as another tool names them, and nothing else: kubehound")
	cmd.Flags().IntVar(&ask.most, "most", 10, "number of paths to print, the most probable first")
	return a.reads(cmd)
}

// paths builds the graph and asks it.
func (a *app) paths(ctx context.Context, args []string, ask pathsAsk) (pathsReport, error) {
	s, err := a.snapshot(ctx, args)
	if err != nil {
		return pathsReport{}, err
	}
	net, id := network.Build(s), identity.Build(s)
	links, doubts, err := cloudLinks(ctx, s, id, ask.cloud)
	if err != nil {
		return pathsReport{}, err
	}
	m, err := paths.Build(s, net, id, links...)
	if err != nil {
		return pathsReport{}, failed("building the attack graph: %w", err)
	}
	ends, err := m.Ends(net, ask.from, ask.to)
	if err != nil {
		return pathsReport{}, usage("%w", err)
	}
	if len(ends.From) == 0 && slices.Contains(ask.from, paths.Internet) {
		a.say("no workload is reached from outside of the cluster")
	}
	doc := pathsReport{
		Schema: report.Schema, Tool: a.tool(), Report: m.Ask(paths.Query{Ends: ends, Most: ask.most, Fix: ask.fix}),
		Incomplete: missedByNetwork(s, net, slices.Concat(id.Incomplete(), m.Incomplete(), doubts, ends.Incomplete)...), most: ask.most, patches: ask.fix,
	}
	if doc.FixSet.State == paths.Unverified {
		doc.Incomplete = append(doc.Incomplete, model.Incomplete{What: "the smallest fix", Why: "not verified: " + doc.FixSet.Why})
	}
	if ask.edges {
		doc.Edges = m.Edges()
	}
	return doc, nil
}
