package render

import "strings"

// maxCells bounds the table by which lines are aligned: 2,000 lines of source
// against 2,000 of text take 16 MiB and some 10 ms.
const maxCells = 1 << 22

// linesOf finds for each line of a rendered text the line of its source, from
// 1, by the longest common subsequence of both, indentation aside. A line
// between two that were found is taken to be the one at the same distance,
// where as many lines lie between them on both sides; else it has the line of
// the one before it. Nil where the two are too large to compare.
func linesOf(source, text string) []int {
	from, to := trimmed(source), trimmed(text)
	if len(from)*len(to) > maxCells {
		return nil
	}
	out := paired(from, to)
	last, lastAt := 0, -1 // line in source of the last line found, and its place in text
	for i := 0; i <= len(out); i++ {
		if i < len(out) && out[i] == 0 {
			continue
		}
		next := len(from) + 1
		if i < len(out) {
			next = out[i]
		}
		straight := next-last == i-lastAt
		for k := lastAt + 1; k < i; k++ {
			out[k] = max(last, 1)
			if straight {
				out[k] = last + k - lastAt
			}
		}
		last, lastAt = next, i
	}
	return out
}

// paired returns for each line of to the line of from (from 1) that the
// longest common subsequence pairs it with, 0 where it pairs none. Blank lines
// pair with nothing.
func paired(from, to []string) []int {
	width := len(to) + 1
	best := make([]int32, (len(from)+1)*width)
	for i := len(from) - 1; i >= 0; i-- {
		for k := len(to) - 1; k >= 0; k-- {
			here := max(best[(i+1)*width+k], best[i*width+k+1])
			if from[i] != "" && from[i] == to[k] {
				here = max(here, best[(i+1)*width+k+1]+1)
			}
			best[i*width+k] = here
		}
	}
	out := make([]int, len(to))
	for i, k := 0, 0; i < len(from) && k < len(to); {
		switch {
		case from[i] != "" && from[i] == to[k] && best[i*width+k] == best[(i+1)*width+k+1]+1:
			out[k] = i + 1
			i, k = i+1, k+1
		case best[(i+1)*width+k] >= best[i*width+k+1]:
			i++
		default:
			k++
		}
	}
	return out
}

func trimmed(text string) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, l := range lines {
		lines[i] = strings.TrimSpace(l)
	}
	return lines
}
