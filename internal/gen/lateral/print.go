package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/scantling/scantling/internal/testkit/lateral"
)

func printCosts(results []result) {
	fmt.Printf("median of %d; MiB: heap at its largest, resident at its largest, held by the snapshot, held with all results\n", *runs)
	fmt.Printf("%9s %8s %8s %7s", "workloads", "pods", "policies", "roles")
	for _, p := range phases {
		fmt.Printf(" %9s", p)
	}
	fmt.Printf(" %9s %6s %8s %8s %6s  %s\n", "CPU", "heap", "resident", "snapshot", "held", "bounds")
	for _, r := range results {
		fmt.Printf("%9d %8d %8d %7d", r.Workloads, r.Pods, r.Policies, r.Roles)
		for _, took := range r.Median {
			fmt.Printf(" %9s", short(took))
		}
		fmt.Printf(" %9s %6d %8d %8d %6d ", short(r.CPU[total]), r.Heap, r.Peak, r.Estate, r.Held)
		for _, b := range bounds(r) {
			fmt.Printf(" %s;", b)
		}
		fmt.Println()
	}
	fmt.Printf("\n%9s %9s %12s %6s %9s %9s %8s %6s\n", "workloads", "assembled", "pairs", "hubs", "vertices", "steps", "facts", "radii")
	for _, r := range results {
		fmt.Printf("%9d %9s %12d %6d %9d %9d %8d %6d\n", r.Workloads, short(r.Assembled), r.AllPairs, r.Hubs, r.Vertices, r.Steps, r.Facts, r.Radii)
	}
}

// bound is what a size may cost, and whether it keeps to it.
type bound struct {
	what  string
	holds bool
}

func (b bound) String() string { return b.what + " " + kept(b.holds) }

// bounds are those of a size, but for that of one changed policy.
func bounds(r result) []bound {
	switch r.Workloads {
	case 1000:
		return []bound{{boundThousand.String(), r.Median[total] <= boundThousand}}
	case 10_000:
		return []bound{
			{boundTenThousand.String(), r.Median[total] <= boundTenThousand},
			{fmt.Sprintf("%d MiB", boundMemory), r.Peak <= boundMemory},
		}
	}
	return nil
}

// missed is an error that names the bounds that were not kept.
func missed(results []result) error {
	var out []string
	for _, r := range results {
		for _, b := range append(bounds(r), bound{"one policy in " + boundPolicy.String(), r.Policy <= boundPolicy}) {
			if !b.holds {
				out = append(out, fmt.Sprintf("%s of %d workloads", b.what, r.Workloads))
			}
		}
	}
	if len(out) > 0 {
		return fmt.Errorf("bounds missed: %s", strings.Join(out, ", "))
	}
	return nil
}

func kept(holds bool) string {
	if holds {
		return "met"
	}
	return "MISSED"
}

// short rounds to three digits.
func short(d time.Duration) string {
	unit := time.Duration(1)
	for d/unit >= 1000 {
		unit *= 10
	}
	return d.Round(unit).String()
}

func printPolicy(results []result) {
	fmt.Printf("\none changed policy, all pairs answered anew (bound %s)\n", boundPolicy)
	for _, r := range results {
		fmt.Printf("%9d %9s, %s of CPU: %s\n", r.Workloads, short(r.Policy), short(r.PolicyCPU), kept(r.Policy <= boundPolicy))
	}
}

// printReading reads the cluster as YAML, which is no part of the costs above.
func printReading(r result) error {
	read, cpu, err := onDisk(lateral.Estate{Seed: 1, Workloads: r.Workloads})
	if err != nil {
		return err
	}
	fmt.Printf("\nreading %d workloads as YAML: %d objects, %d MiB in %s, %s of CPU, %d MiB resident\n",
		r.Workloads, read.Objects, read.Bytes>>20, short(read.Took), short(cpu), read.Peak)
	return nil
}

func printPeer() error {
	read, cpu, err := onDisk(lateral.Estate{Seed: 1, Workloads: peerWorkloads, Policies: peerPolicies, NoPods: true}, "-list")
	if err != nil {
		return err
	}
	fmt.Printf("\nlist of %d workloads under %d policies, manifests read and all: %s of CPU for %d connections; netpol-analyzer v1.4.4 took %s for as many: %.0f times that\n",
		peerWorkloads, peerPolicies, short(cpu), read.Connections, peerTime, peerTime.Seconds()/cpu.Seconds())
	return nil
}
