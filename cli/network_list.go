//go:build !scanner

package cli

import (
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// listing is what of all connections `cluster network list` prints.
type listing struct {
	network.Filter
	exposure bool
}

func (l *listing) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.From, "from", "", "only connections from this one: namespace/workload, its name alone, or an address")
	cmd.Flags().StringVar(&l.To, "to", "", "only connections to this one")
	cmd.Flags().StringVar(&l.Either, "workload", "", "only connections from or to this one")
	cmd.Flags().BoolVar(&l.exposure, "exposure", false, "also what the policies of each workload leave open to pods that may come to exist")
}

func (l *listing) check(engine *network.Engine) error {
	if who := engine.Missing(l.Filter); who != "" {
		return usage("%q is no workload of the snapshot, and no address: use namespace/name", who)
	}
	return nil
}

func (l *listing) pick(list []network.Connection) []network.Connection {
	picked := []network.Connection{}
	for _, c := range list {
		if l.Keeps(c) {
			picked = append(picked, c)
		}
	}
	return picked
}

// missedByNetwork is missedOf without the kinds that the reader doesn't know
// and the network engine evaluates. More is what other engines missed.
func missedByNetwork(s *kube.Snapshot, engine *network.Engine, more ...model.Incomplete) []model.Incomplete {
	return slices.DeleteFunc(missedOf(s, slices.Concat(engine.Incomplete, more)), func(x model.Incomplete) bool { return engine.Evaluates(x.What) })
}

// text is one sorted line a pair.
func (d connections) text(w io.Writer, _ report.Paint) error {
	var lines []string
	for _, c := range slices.Concat(d.Connections, d.Exposure) {
		lines = append(lines, c.String())
	}
	if d.Exposure != nil {
		slices.Sort(lines)
	}
	for _, line := range lines {
		if _, err := fmt.Fprintln(w, report.Clean(line)); err != nil {
			return err
		}
	}
	return nil
}
