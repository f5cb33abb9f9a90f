package main

import (
	"fmt"
	"math"
	"strings"
)

// How much more than that of n log n an exponent may be. Counts vary with the
// random cluster. Processor time does so with other work on the machine too, and
// with what the caches hold: hardly anything of 10,000 workloads.
const (
	countTolerance = 0.1
	timeTolerance  = 0.2
)

// quantity is something that grows.
type quantity struct {
	name      string
	tolerance float64 // 0: printed and not judged
	of        func(r result, phase int) float64
	free      int // a phase whose share of it is a matrix of n² bits; total, which is never judged, for none
}

// The time that counts is that without the collector. It goes through all that
// is alive, the snapshot above all, as often as garbage happens to add up: once
// in a phase or not at all.
var quantities = []quantity{
	{"processor time", 0, func(r result, p int) float64 { return float64(r.CPU[p]) }, total},
	{"processor time without the collector", timeTolerance, func(r result, p int) float64 { return float64(r.Alone[p]) }, total},
	{"bytes asked of the heap", countTolerance, func(r result, p int) float64 { return float64(r.Bytes[p]) }, classes},
	{"allocations", countTolerance, func(r result, p int) float64 { return float64(r.Allocations[p]) }, total},
}

// judged are the phases that may grow no faster than n log n. All pairs are n²
// bits. Of the network the bytes are such rows for the greater part (whom each
// rule selects, one bit for each class), and its time and its allocations are
// not.
var judged = []int{classes, rights, steps, blast}

// printGrowth prints with which power of the number of workloads each phase
// grows from one size to the next, and whether that is n log n. It returns an
// error where it is more.
func printGrowth(results []result) error {
	if len(results) < 2 {
		return nil
	}
	spans := make([][2]result, 0, len(results))
	for i := range results[1:] {
		spans = append(spans, [2]result{results[i], results[i+1]})
	}
	if len(results) > 2 {
		spans = append(spans, [2]result{results[0], results[len(results)-1]})
	}
	fmt.Print("\nexponents of growth; n² would be 2\n")
	for _, q := range quantities {
		fmt.Printf("%s\n%15s", q.name, "")
		for _, p := range phases {
			fmt.Printf(" %9s", p)
		}
		fmt.Printf(" %9s\n", "n log n")
		for _, s := range spans {
			fmt.Printf("%6d to %5d", s[0].Workloads, s[1].Workloads)
			for p := range phases {
				fmt.Printf(" %9.2f", q.exponent(s, p))
			}
			fmt.Printf(" %9.2f\n", linearithmic(s))
		}
	}
	return printVerdicts(spans[max(0, len(spans)-2):])
}

// printVerdicts judges each phase by the last step and by the whole.
func printVerdicts(spans [][2]result) error {
	fmt.Printf("no faster than n log n in the last step and from the first size to the last, within %.1f (counts) and %.1f (time without the collector)\n", countTolerance, timeTolerance)
	var missed []string
	for _, p := range judged {
		why := exceeded(spans, p)
		if len(why) == 0 {
			fmt.Printf("%15s met\n", phases[p])
			continue
		}
		fmt.Printf("%15s MISSED: %s\n", phases[p], strings.Join(why, "; "))
		missed = append(missed, phases[p])
	}
	if len(missed) > 0 {
		return fmt.Errorf("grows faster than n log n: %s", strings.Join(missed, ", "))
	}
	return nil
}

// exceeded lists what of a phase grows faster than it may.
func exceeded(spans [][2]result, phase int) (why []string) {
	for _, q := range quantities {
		if q.tolerance == 0 || q.free == phase {
			continue
		}
		for _, s := range spans {
			if e := q.exponent(s, phase); !(e <= linearithmic(s)+q.tolerance) { // not a number is no answer
				why = append(why, fmt.Sprintf("%s, %.2f from %d to %d", q.name, e, s[0].Workloads, s[1].Workloads))
			}
		}
	}
	return why
}

func (q quantity) exponent(s [2]result, phase int) float64 {
	return math.Log(q.of(s[1], phase)/q.of(s[0], phase)) / scale(s)
}

// linearithmic is the exponent that n log n has between two sizes.
func linearithmic(s [2]result) float64 {
	return 1 + math.Log(math.Log(float64(s[1].Workloads))/math.Log(float64(s[0].Workloads)))/scale(s)
}

func scale(s [2]result) float64 { return math.Log(float64(s[1].Workloads) / float64(s[0].Workloads)) }
