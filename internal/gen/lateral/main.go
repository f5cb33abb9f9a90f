// Command lateral prints what the engines of lateral movement cost on generated
// clusters (internal/testkit/lateral) of 100 to 10,000 workloads: the network
// (who may connect to whom, all pairs), RBAC, the attack graph, and the blast
// radius of every workload. Each size runs in a process of its own, so that
// its peak memory is its own; of several runs in it the median counts.
//
// Beside that stand how each part grows between two sizes, in processor time and
// in what it asks of the heap, one changed policy, reading the same clusters as
// YAML, and processor time beside what netpol-analyzer v1.4.4 took for a list of
// 800 workloads on such a machine. It fails where a bound is missed, or a part
// other than the pair matrix grows faster than n log n.
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/scantling/scantling/internal/testkit/lateral"
)

// The bounds, from decoded objects, with two processors.
const (
	boundThousand    = 3 * time.Second  // 1,000 workloads
	boundTenThousand = 10 * time.Second // 10,000 workloads
	boundMemory      = 2 << 10          // MiB, 10,000 workloads
	boundPolicy      = 100 * time.Millisecond
)

// The peer's list of 800 workloads under 23 policies for each 20.
const (
	peerWorkloads = 800
	peerPolicies  = peerWorkloads / 20 * 23
	peerTime      = 64700 * time.Millisecond
)

var runs = flag.Int("runs", 5, "measurements of each size, of which the median counts")

func main() {
	sizes := flag.String("sizes", "100,300,1000,3000,10000", "numbers of workloads")
	child := flag.Int("child", 0, "measure one size in this process and print JSON")
	profile := flag.String("profile", "", "with -child: write a profile of processor time to a file")
	read := flag.String("read", "", "read the manifests of a folder in this process and print JSON")
	list := flag.Bool("list", false, "with -read: list all connections as well")
	flag.Parse()
	if err := run(*sizes, *child, *profile, *read, *list); err != nil {
		fmt.Fprintln(os.Stderr, "lateral:", err)
		os.Exit(1)
	}
}

func run(sizes string, child int, profile, read string, list bool) error {
	switch {
	case child > 0:
		r, err := measure(child, profile)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	case read != "":
		r, err := readFolder(read, list)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(r)
	}
	var results []result
	for text := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 20 {
			return fmt.Errorf("%q workloads: use numbers from 20", text)
		}
		var r result
		if _, err := inChild(&r, "-child", text, "-runs", strconv.Itoa(*runs)); err != nil {
			return err
		}
		results = append(results, r)
	}
	printCosts(results)
	growth := printGrowth(results)
	printPolicy(results)
	for _, r := range results {
		if r.Workloads >= 1000 {
			if err := printReading(r); err != nil {
				return err
			}
		}
	}
	return errors.Join(printPeer(), growth, missed(results))
}

// inChild runs this program anew and decodes what it prints. It returns the
// processor time of the whole process.
func inChild(into any, args ...string) (time.Duration, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, fmt.Errorf("finding this program: %w", err)
	}
	cmd := exec.Command(self, args...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("running %s: %w", strings.Join(args, " "), err)
	}
	if err := json.Unmarshal(out, into); err != nil {
		return 0, fmt.Errorf("running %s: %w", strings.Join(args, " "), err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}

// onDisk writes a cluster and reads it in a process of its own.
func onDisk(e lateral.Estate, args ...string) (r reading, cpu time.Duration, err error) {
	dir, err := os.MkdirTemp("", "scantling-lateral-")
	if err != nil {
		return r, 0, fmt.Errorf("making room: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := e.Write(dir); err != nil {
		return r, 0, err
	}
	cpu, err = inChild(&r, slices.Concat([]string{"-read", dir}, args)...)
	return r, cpu, err
}
