// Command detect prints how many events of real logs one core parses and asks
// rules of in a second, in processor time: records in, hits out, all between
// included. Beside it stand, measured in turns with it, parsing the same bytes
// into a DOM and nothing else, and decoding them into a map.
//
// The events are those of the example's audit log and, where the public test
// data is at hand (SCANTLING_CORPORA), audit and CloudTrail records of other
// projects. The rules are made (internal/testkit/sigma): 470 and 3,100.
//
// Routed, each rule reads the logs that it is for. Unrouted, all of them are
// turned to the log of the event, with their own fields: this is how the peers
// were measured, and the goals are judged by it. Crowded, the rules of other
// products look at fields that the events have. It fails where a goal is missed.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
)

// The goals, in events a second, without keywords.
const (
	goalServer = 200_000 // 470 rules
	goalAll    = 150_000 // 3,100 rules
)

func main() {
	rounds := flag.Int("rounds", 7, "turns, of which the best counts")
	profile := flag.String("profile", "", "write a profile of processor time of one task to a file")
	only := flag.String("only", "", "with -profile: the task's name")
	flag.Parse()
	if err := run(*rounds, *profile, *only); err != nil {
		fmt.Fprintln(os.Stderr, "detect:", err)
		os.Exit(1)
	}
}

func run(rounds int, profile, only string) error {
	runtime.GOMAXPROCS(1)
	logs, err := readLogs()
	if err != nil {
		return err
	}
	tasks, err := tasks(logs)
	if err != nil {
		return err
	}
	if profile != "" {
		return profiled(tasks, profile, only)
	}
	runtime.GC()
	debug.FreeOSMemory()
	for range rounds {
		for _, t := range tasks {
			if err := t.turn(); err != nil {
				return err
			}
		}
	}
	logs.print()
	return printTasks(tasks)
}

// profiled runs one task for some seconds.
func profiled(tasks []*task, file, name string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := pprof.StartCPUProfile(f); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	for _, t := range tasks {
		for range 20 {
			if t.name != name {
				continue
			}
			if err := t.turn(); err != nil {
				return err
			}
		}
		if t.name == name {
			fmt.Printf("%s: %.0f events/s\n", t.name, t.best)
		}
	}
	return nil
}
