//go:build !scanner

package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/report"
)

// hostNetworkFlag settles what the API leaves to the network plugin.
func hostNetworkFlag(cmd *cobra.Command, value *string) {
	cmd.Flags().StringVar(value, "host-network", "", "how the network plugin takes pods of the host's network: selected by policies, or ignored (default: both, and where they differ the answer depends)")
}

func engineFor(s *kube.Snapshot, hosts string) (*network.Engine, error) {
	engine := network.Build(s)
	switch hosts {
	case "":
		return engine, nil
	case "selected", "ignored":
		return engine.Settled(hosts == "selected"), nil
	}
	return nil, usage("--host-network %s: use selected or ignored", hosts)
}

// maxDepends bounds the connections that standard error names one by one.
const maxDepends = 20

// talkDepends says on standard error which connections depend on something
// that isn't known, and returns how many do.
func (a *app) talkDepends(listed, unlisted []network.Connection) int {
	n := 0
	say := func(what string, list []network.Connection) {
		for _, c := range list {
			if !c.Depends {
				continue
			}
			if n++; n <= maxDepends {
				fmt.Fprintf(a.Err, "%s: %s\n", what, report.Clean(c.String()))
			}
		}
	}
	say("depends", listed)
	say("depends on whether policies select pods of the host's network, and isn't listed", unlisted)
	if n > maxDepends {
		fmt.Fprintf(a.Err, "%d more connections depend on something\n", n-maxDepends)
	}
	if n > 0 {
		fmt.Fprintln(a.Err, "scantling cluster network probe says on what; --host-network settles how pods of the host's network are taken")
	}
	return n
}

// policyText names a policy: by its kind and tier too, unless it is a plain
// NetworkPolicy.
func policyText(r network.Reason) string {
	if r.Policy == "" || r.Kind == "NetworkPolicy" && r.Tier == "standard" {
		return r.Policy
	}
	return r.Kind + " " + r.Policy + " (" + r.Tier + ")"
}
