// Command estate writes a generated estate into a folder: estate DIR WORKLOADS.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/scantling/scantling/internal/testkit"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "estate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: estate DIR WORKLOADS")
	}
	n, err := strconv.Atoi(args[1])
	if err != nil || n < 2 {
		return fmt.Errorf("%q workloads: use a number from 2", args[1])
	}
	return testkit.Estate{Seed: 1, Workloads: n}.Write(args[0])
}
