package main

import "fmt"

// reference is how many events a second the machine that the goals were set on
// parses into a DOM: real audit records, of 1.8 kB. The goals are absolute. On
// a machine that parses fewer, because it is slower or its caches are shared
// with other work, the same share of what it parses meets them too.
const reference = 645_000

// printTasks prints the speeds and their ratios, and fails where a goal is missed.
func printTasks(tasks []*task) error {
	speed := map[string]float64{}
	for _, t := range tasks {
		speed[t.name] = t.best
	}
	alone := speed[parseAlone]
	fmt.Printf("\n%-32s %9s %11s %11s %8s %8s\n", "one core, processor time", "events/s", "of DOM", "x map", "hits", "MiB")
	var missed []string
	for _, t := range tasks {
		fmt.Printf("%-32s %9.0f %10.0f%% %11.1f %8d %8d", t.name, t.best, 100*t.best/alone, t.best/speed[decodeMap], t.hits, t.heap)
		if t.goal > 0 {
			v := verdict(t.best, t.goal, alone)
			fmt.Printf("  goal %.0f: %s", t.goal, v)
			if v == goalMissed {
				missed = append(missed, t.name)
			}
		}
		fmt.Println()
	}
	if len(missed) > 0 {
		return fmt.Errorf("too slow: %q", missed)
	}
	return nil
}

const goalMissed = "MISSED"

// verdict judges a speed by a goal, where a DOM alone is parsed at the speed
// alone. All are events a second.
func verdict(speed, goal, alone float64) string {
	switch {
	case speed >= goal:
		return "met"
	case alone > 0 && alone < reference && speed/alone >= goal/reference:
		return "met, for what this machine parses"
	}
	return goalMissed
}
