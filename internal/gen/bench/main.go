// Command bench prints how long `scantling assess` takes and how much memory
// it peaks at, on the example and on a generated estate of 1,000 workloads.
// Beside each run stands, as the physical limit of the same machine in the
// same minute, the time to read the same bytes from the same files.
package main

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/scantling/scantling/internal/testkit"
)

const (
	binary    = "dist/scantling"
	workloads = 1000
	runs      = 3 // the quickest counts
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	dir, err := os.MkdirTemp("", "scantling-bench-")
	if err != nil {
		return fmt.Errorf("making room: %w", err)
	}
	defer os.RemoveAll(dir)
	if err := (testkit.Estate{Seed: 1, Workloads: workloads}).Write(dir); err != nil {
		return err
	}
	fmt.Printf("%-28s %10s %10s %12s %8s\n", "estate", "assess", "peak", "read alone", "ratio")
	if err := measure("examples/shop", "examples/shop"); err != nil {
		return err
	}
	return measure(fmt.Sprintf("generated, %d workloads", workloads), dir)
}

// measure assesses an estate and prints one row.
func measure(name, dir string) error {
	best, peak := time.Duration(0), int64(0)
	for range runs {
		took, memory, err := assess(dir)
		if err != nil {
			return err
		}
		if best == 0 || took < best {
			best = took
		}
		peak = max(peak, memory)
	}
	read, err := readAll(dir)
	if err != nil {
		return err
	}
	fmt.Printf("%-28s %10s %7d MiB %12s %7.0fx\n", name, best.Round(time.Millisecond), peak>>20, read.Round(time.Millisecond), best.Seconds()/read.Seconds())
	return nil
}

// assess runs the program once and returns its time and peak memory in bytes.
func assess(dir string) (time.Duration, int64, error) {
	cmd := exec.Command(binary, "assess", dir, "--quiet", "--format", "json")
	cmd.Stderr = os.Stderr
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	if code := cmd.ProcessState.ExitCode(); code != 0 && code != 3 && code != 4 {
		return 0, 0, fmt.Errorf("assessing %s: exit code %d: %w", dir, code, err)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0, 0, fmt.Errorf("assessing %s: no resource usage on this system", dir)
	}
	return took, usage.Maxrss << 10, nil // Linux counts in KiB
}

// readAll reads every file once and returns how long it took.
func readAll(dir string) (time.Duration, error) {
	start := time.Now()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		_, err = os.ReadFile(path)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", dir, err)
	}
	return time.Since(start), nil
}
