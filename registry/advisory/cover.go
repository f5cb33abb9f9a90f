package advisory

import (
	"slices"

	"github.com/scantling/scantling/model"
)

// option is one thing that could be done, and the items that it clears.
type option struct {
	kind   model.ActionType
	to     string // version of an upgrade
	clears []int  // items, ascending
}

// cover chooses options that together clear all of n items, as far as any
// does: always the one that clears most of what is left, the first of equals.
// What the others clear anyway is dropped afterwards. Every item stays with
// exactly one of the chosen options.
func cover(n int, options []option) []option {
	owner := make([]int, n) // place in chosen, -1: not cleared yet
	for i := range owner {
		owner[i] = -1
	}
	var chosen []int // places in options
	for {
		best, most := -1, 0
		for i, o := range options {
			gain := 0
			for _, item := range o.clears {
				if owner[item] < 0 {
					gain++
				}
			}
			if gain > most {
				best, most = i, gain
			}
		}
		if best < 0 {
			break
		}
		for _, item := range options[best].clears {
			if owner[item] < 0 {
				owner[item] = len(chosen)
			}
		}
		chosen = append(chosen, best)
	}
	return assigned(options, chosen, needed(options, chosen, owner))
}

// needed drops, the last chosen first, each option of which all items have
// another chosen one, and gives them to the first of those. It returns the
// owners.
func needed(options []option, chosen, owner []int) []int {
	clearedBy := make([][]int, len(owner)) // places in chosen, ascending
	for at, i := range chosen {
		for _, item := range options[i].clears {
			clearedBy[item] = append(clearedBy[item], at)
		}
	}
	for at := len(chosen) - 1; at >= 0; at-- {
		mine := options[chosen[at]].clears
		if slices.ContainsFunc(mine, func(item int) bool { return len(clearedBy[item]) == 1 }) {
			continue
		}
		for _, item := range mine {
			clearedBy[item] = slices.DeleteFunc(clearedBy[item], func(x int) bool { return x == at })
			if owner[item] == at {
				owner[item] = clearedBy[item][0]
			}
		}
	}
	return owner
}

// assigned gives each chosen option the items that it owns.
func assigned(options []option, chosen, owner []int) []option {
	out := make([]option, len(chosen))
	for at, i := range chosen {
		out[at] = options[i]
		out[at].clears = nil
	}
	for item, at := range owner {
		if at >= 0 {
			out[at].clears = append(out[at].clears, item)
		}
	}
	return slices.DeleteFunc(out, func(o option) bool { return len(o.clears) == 0 })
}
