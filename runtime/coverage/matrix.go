package coverage

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scantling/scantling/runtime/detect"
)

// unseen says of techniques that no rule here detects why that is.
var unseen = map[string]string{
	"T1068": "only system calls show it: pass on the alerts of Falco, Tracee or Tetragon",
	"T1498": "only counts of packets show it, which no log has",
}

// letters names what each letter of signals stands for.
const letters = "A audit log of Kubernetes, B the same with bodies of requests (level Request), C audit log of a cloud, L output of containers and logs of hosts, " +
	"R events of container runtimes, of Kubernetes and of sensors, S system calls, N network flows, G registry, D build, H metrics"

// Matrix is a page in Markdown on ATT&CK's Containers matrix (v18.1, ids
// alone): what can show each technique, and which rules look for it. Rules
// that only serve others are left out.
func Matrix(rules []detect.Rule) string {
	var b strings.Builder
	b.WriteString("# What is seen of ATT&CK\n\n")
	fmt.Fprintf(&b, "The techniques of the Containers matrix with what can show them, and the rules that look for each. Signals: %s.\n\n", letters)
	b.WriteString("| technique | signals | rules |\n|---|---|---|\n")
	seen := 0
	for _, technique := range slices.Sorted(maps.Keys(signals)) {
		text := "none: " + unseen[technique]
		if ids := rulesFor(rules, technique); len(ids) > 0 {
			seen++
			text = strings.Join(ids, ", ")
		}
		fmt.Fprintf(&b, "| [%s](https://attack.mitre.org/techniques/%s/) | %s | %s |\n",
			technique, strings.ReplaceAll(technique, ".", "/"), signals[technique], strings.TrimSuffix(text, ": "))
	}
	fmt.Fprintf(&b, "\n%d of %d techniques have a rule. Rules also look for these, which are not of that matrix: %s.\n",
		seen, len(signals), strings.Join(others(rules), ", "))
	return b.String()
}

// rulesFor links the pages of the rules for a technique, sorted by id.
func rulesFor(rules []detect.Rule, technique string) []string {
	var out []string
	for _, r := range rules {
		if !r.Silent && slices.Contains(r.Attack, technique) {
			out = append(out, fmt.Sprintf("[%s](%s.md)", r.ID, r.ID))
		}
	}
	slices.Sort(out)
	return out
}

// others are the techniques of rules that the matrix doesn't have, sorted.
func others(rules []detect.Rule) []string {
	set := map[string]bool{}
	for _, r := range rules {
		for _, technique := range r.Attack {
			if signals[technique] == "" {
				set[technique] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(set))
}
