//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/posture"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

func (a *app) clusterCommand() *cobra.Command {
	net := group(&cobra.Command{
		Use:   "network",
		Short: "Who may connect to whom under NetworkPolicy",

		Example: "  scantling cluster network list examples/shop/k8s",
	}, a.networkListCommand(), a.networkProbeCommand(), a.networkDiffCommand())
	return group(&cobra.Command{
		Use:   "cluster",
		Short: "Judge a cluster, live or from its manifests: posture, network, attack paths",

		Example: "  scantling cluster check examples/shop/k8s\n  scantling cluster snapshot -o prod.snapshot.gz",
	}, a.snapshotCommand(), a.checkCommand(), net, a.identityCommand(), a.pathsCommand(), a.roleCommand())
}

// snapshot reads the manifests and snapshots that the arguments name; - is
// standard input, and no argument the live cluster.
func (a *app) snapshot(ctx context.Context, args []string) (*kube.Snapshot, error) {
	if len(args) == 0 {
		s, err := a.live(ctx, "cluster", a.access)
		if err == nil {
			a.tellOrigin(s)
		}
		return s, err
	}
	if a.access != (kube.Access{}) {
		return nil, usage("--context, --namespace and --kubeconfig are for the live cluster, which is read where no path is named: leave out %s", args[0])
	}
	if slices.Contains(args, "-") && len(args) > 1 {
		return nil, usage("- stands for all input: name nothing beside it")
	}
	bar := a.progress("manifests", 1)
	defer bar.clear()
	var s *kube.Snapshot
	var err error
	if args[0] == "-" {
		s, err = kube.ReadFrom(ctx, "cluster", "-", a.In)
	} else {
		s, err = a.manifests("").Read(ctx, "cluster", args)
	}
	if err != nil {
		return nil, failed("%w", err)
	}
	if len(s.Objects) == 0 && len(s.Incomplete) == 0 {
		return nil, failed("%s: no Kubernetes object was found", args[0])
	}
	a.tellOrigin(s)
	return s, nil
}

func (a *app) checkCommand() *cobra.Command {
	var by standard
	cmd := &cobra.Command{
		Use:     "check [PATH…]",
		Short:   "Judge the posture of workloads and of the objects around them",
		Example: "  scantling cluster check examples/shop/k8s\n  kubectl get all -A -o yaml | scantling cluster check -",
		RunE: a.checked(func(ctx context.Context, args []string) error {
			if err := by.check(); err != nil {
				return err
			}
			s, err := a.snapshot(ctx, args)
			if err != nil {
				return err
			}
			reading, missed, err := a.judge(s, by)
			if err != nil {
				return err
			}
			missed = slices.Concat(missed, s.Incomplete, reading.Incomplete)
			doc := report.NewFindings(a.tool(), reading.Findings, missed, len(s.Objects))
			a.outcome(reading.Findings, len(missed), false)
			return a.show(doc, doc.Text, a.forCI(doc)...)
		}, ciFormats...),
	}
	cmd.Flags().StringVar(&by.spec, "pod-security", "", "judge by a level of the Pod Security Standards alone, as restricted:v1.37")
	cmd.Flags().StringVar(&by.kubernetes, "kubernetes-version", "", "version that version-bound checks go by (default the live cluster's own, else the newest)")
	return a.reads(cmd)
}

// judge judges the posture of a snapshot: by our rules, or by one standard.
func (a *app) judge(s *kube.Snapshot, by standard) (model.Reading, []model.Incomplete, error) {
	if by.spec != "" {
		reading, what, err := by.judge(s)
		a.say("Pod Security Standards: %s", what)
		return reading, nil, err
	}
	cat, missed, err := a.catalogue("", nil, model.Infrastructure)
	if err != nil {
		return model.Reading{}, nil, err
	}
	judge, errs := posture.Compile(cat)
	for _, err := range errs {
		missed = append(missed, a.broken(err))
	}
	return judge.Judge(s), missed, nil
}

// connections is what `cluster network list` prints as JSON.
type connections struct {
	Schema      int                  `json:"schema"`
	Tool        report.Tool          `json:"tool"`
	Connections []network.Connection `json:"connections"`
	Exposure    []network.Connection `json:"exposure,omitempty"` // with --exposure
	Incomplete  []model.Incomplete   `json:"incomplete"`
}

func (a *app) networkListCommand() *cobra.Command {
	var hosts string
	var by listing
	cmd := &cobra.Command{
		Use:     "list [PATH…]",
		Short:   "One line a pair that may connect",
		Example: "  scantling cluster network list examples/shop/k8s\n  scantling cluster network list k8s --to shop/db --exposure",
		RunE: a.checked(func(ctx context.Context, args []string) error {
			s, err := a.snapshot(ctx, args)
			if err != nil {
				return err
			}
			engine, err := engineFor(s, hosts)
			if err != nil {
				return err
			}
			if err := by.check(engine); err != nil {
				return err
			}
			doc := connections{Schema: report.Schema, Tool: a.tool(), Connections: by.pick(engine.List()), Incomplete: missedByNetwork(s, engine)}
			if by.exposure {
				list, missed := engine.Newcomers()
				doc.Exposure, doc.Incomplete = by.pick(list), append(doc.Incomplete, missed...)
			}
			depends := a.talkDepends(slices.Concat(doc.Connections, doc.Exposure), by.pick(engine.Unlisted()))
			a.talkIncomplete(doc.Incomplete)
			a.outcome(nil, len(doc.Incomplete)+depends, false)
			return a.show(doc, doc.text)
		}),
	}
	hostNetworkFlag(cmd, &hosts)
	by.flags(cmd)
	return a.reads(cmd)
}

// missedOf joins what the reader and an engine could not tell. A kind that is
// kept but not known has no part in a list of connections, yet it may be a
// policy of a sort that nobody here evaluates, so it stays.
func missedOf(s *kube.Snapshot, more []model.Incomplete) []model.Incomplete {
	return append(append([]model.Incomplete{}, s.Incomplete...), more...)
}

// talkIncomplete says on standard error what a line-by-line result can't.
func (a *app) talkIncomplete(list []model.Incomplete) {
	(&printer{w: a.Err}).missed(list)
}

func (a *app) networkProbeCommand() *cobra.Command {
	var from, to, hosts string
	var ports []string
	var matrix bool
	cmd := &cobra.Command{
		Use:     "probe [PATH…]",
		Short:   "Whether one connection is allowed, with the rules that decide",
		Example: "  scantling cluster network probe k8s --from shop/web --to shop/db --port tcp/5432\n  scantling cluster network probe k8s --matrix --port tcp/80 --port udp/53",
		RunE: a.checked(func(ctx context.Context, args []string) error {
			switch {
			case len(ports) == 0:
				return usage("name at least one port: --port tcp/80")
			case matrix && (from != "" || to != ""):
				return usage("--matrix prints every pair: leave out --from and --to")
			case !matrix && (from == "" || to == ""):
				return usage("name both ends with --from and --to, or ask for --matrix")
			}
			s, err := a.snapshot(ctx, args)
			if err != nil {
				return err
			}
			engine, err := engineFor(s, hosts)
			if err != nil {
				return err
			}
			if matrix {
				return a.matrix(engine, s, ports)
			}
			return a.probe(engine, s, from, to, ports)
		}),
	}
	cmd.Flags().StringVar(&from, "from", "", "source: namespace/pod, namespace/workload or an address")
	cmd.Flags().StringVar(&to, "to", "", "destination: namespace/pod, namespace/workload or an address")
	cmd.Flags().StringArrayVar(&ports, "port", nil, "protocol and port or name, as tcp/80 (repeatable)")
	cmd.Flags().BoolVar(&matrix, "matrix", false, "print every pair of pods")
	hostNetworkFlag(cmd, &hosts)
	return a.reads(cmd)
}

// matrixReport is the matrix with what every JSON object carries.
type matrixReport struct {
	Schema int         `json:"schema"`
	Tool   report.Tool `json:"tool"`
	network.Matrix
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) matrix(engine *network.Engine, s *kube.Snapshot, ports []string) error {
	m, err := engine.Matrix(ports)
	if err != nil {
		return &failure{exitUsage, err}
	}
	doc := matrixReport{report.Schema, a.tool(), m, missedByNetwork(s, engine)}
	a.talkIncomplete(doc.Incomplete)
	depends := 0
	for _, row := range m.Allowed.Combined {
		for _, cell := range row {
			depends += count(cell, '?')
		}
	}
	a.outcome(nil, len(doc.Incomplete)+depends, false)
	return a.show(doc, func(w io.Writer, _ report.Paint) error {
		rows := make([][]string, len(m.Pods))
		for i, row := range m.Allowed.Combined {
			rows[i] = []string{m.Pods[i], strings.Join(row, " ")}
		}
		return a.table(w, "", []int{40, 0}, rows)
	})
}

func count(text string, mark rune) int {
	n := 0
	for _, r := range text {
		if r == mark {
			n++
		}
	}
	return n
}

// probes is what `cluster network probe` prints as JSON.
type probes struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Probes     []network.Verdict  `json:"probes"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) probe(engine *network.Engine, s *kube.Snapshot, from, to string, ports []string) error {
	doc := probes{report.Schema, a.tool(), nil, missedByNetwork(s, engine)}
	depends := 0
	for _, port := range ports {
		v, err := engine.Probe(from, to, port)
		if err != nil {
			return &failure{exitUsage, err}
		}
		if v.Answer == network.Depends {
			depends++
		}
		doc.Probes = append(doc.Probes, v)
	}
	a.talkIncomplete(doc.Incomplete)
	a.outcome(nil, len(doc.Incomplete)+depends, false)
	return a.show(doc, doc.text)
}

func (d probes) text(w io.Writer, paint report.Paint) error {
	role := map[network.Answer]report.Role{network.Allowed: report.Good, network.Denied: report.Bad, network.Depends: report.Caution}
	for _, v := range d.Probes {
		if _, err := fmt.Fprintf(w, "%s: %s\n", report.Clean(fmt.Sprintf("%s => %s %s", v.From, v.To, v.Port)), paint(role[v.Answer], string(v.Answer))); err != nil {
			return err
		}
		for _, half := range []struct {
			name string
			half network.Half
		}{{"egress", v.Egress}, {"ingress", v.Ingress}} {
			for _, r := range half.half.Reasons {
				if _, err := fmt.Fprintf(w, "  %-8s %-8s %s\n", half.name, half.half.Answer, report.Clean(strings.Join([]string{policyText(r), r.Field, r.Text}, " "))); err != nil {
					return err
				}
			}
		}
		for _, n := range v.Notes {
			if _, err := fmt.Fprintf(w, "  note: %s\n", report.Clean(n)); err != nil {
				return err
			}
		}
	}
	return nil
}
