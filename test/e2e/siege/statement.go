package siege

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Statement says in text what the recording holds and how well the alerts fit.
func (v *Verdict) Statement() string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	length := v.Truth.To.Sub(v.Truth.From)
	say("recorded %.1f minutes, seed %d: %d events, %.1f a second, %.1f KB a second", length.Minutes(), v.Truth.Seed, v.Events, float64(v.Events)/length.Seconds(), float64(v.Bytes)/1000/length.Seconds())
	found, missed := v.Found()
	told, steps := v.StepRecall()
	say("recall: %d of %d attacks; %d of their %d steps", len(found), len(v.Truth.Attacks), told, steps)
	right, groups := v.Grouped()
	say("precision: %.2f (%d of %d alerts stand at an attack); of high and critical ones %s", ratio(v.True(), len(v.Alerts)), v.True(), len(v.Alerts), v.severePrecision())
	say("grouped by rule and actor: %.2f (%d of %d)", ratio(right, groups), right, groups)
	say("false alerts: %.0f an hour: %d at twins, which were played %d times; %d at the rest of the background, %.1f an hour",
		float64(v.False())/v.Hours(), v.Twins(), v.Played(), v.Routine(), float64(v.Routine())/v.Hours())
	if len(missed) > 0 {
		say("missed: %s", strings.Join(missed, "; "))
	}
	for _, what := range v.Unread {
		say("not told: %s", what)
	}
	b.WriteString("\n" + v.attackTable() + "\n" + v.ruleTable() + "\n" + v.twinTable())
	return b.String()
}

func ratio(a, b int) float64 {
	if b == 0 {
		return 0
	}
	return float64(a) / float64(b)
}

func (v *Verdict) severePrecision() string {
	severe := func(j Judged) bool { return j.Level == "high" || j.Level == "critical" }
	all := v.count(severe)
	right := v.count(func(j Judged) bool { return severe(j) && j.Attack != "" })
	return fmt.Sprintf("%.2f (%d of %d)", ratio(right, all), right, all)
}

// attackTable says for each attack which steps have an alert, and how long the
// first took.
func (v *Verdict) attackTable() string {
	var b strings.Builder
	for _, name := range v.Truth.Attacks {
		steps, alerted := v.Steps(name)
		first := "no right alert"
		if d := v.Delay(name); d >= 0 {
			first = fmt.Sprintf("first right alert %.1f s after its first request", d.Seconds())
		}
		fmt.Fprintf(&b, "%s: %s\n", name, first)
		for _, s := range steps {
			mark := "-"
			if alerted[s] {
				mark = "+"
			}
			fmt.Fprintf(&b, "  %s %s\n", mark, s)
		}
	}
	return b.String()
}

// tally counts the alerts of a rule.
type tally struct {
	title             string
	true, twin, other int
	causes            map[string]int // of false ones
}

func (v *Verdict) ruleTable() string {
	rules := map[string]*tally{}
	for _, j := range v.Alerts {
		t := rules[j.Rule]
		if t == nil {
			t = &tally{title: j.Title + " (" + j.Level + ")", causes: map[string]int{}}
			rules[j.Rule] = t
		}
		switch {
		case j.Attack != "":
			t.true++
		case j.Twin != "":
			t.twin++
			t.causes["twin: "+j.Twin]++
		default:
			t.other++
			r := v.records[j.Index]
			t.causes[fmt.Sprintf("%s %s %s %s %s", r.User.Username, r.Verb, r.ObjectRef.Resource, r.ObjectRef.Subresource, r.ObjectRef.Namespace)]++
		}
	}
	var b strings.Builder
	b.WriteString("rule true twin other\n")
	for _, id := range slices.Sorted(maps.Keys(rules)) {
		t := rules[id]
		fmt.Fprintf(&b, "%s %4d %4d %5d  %s\n", id, t.true, t.twin, t.other, t.title)
		for _, cause := range slices.Sorted(maps.Keys(t.causes)) {
			fmt.Fprintf(&b, "                     %d× %s\n", t.causes[cause], cause)
		}
	}
	return b.String()
}

// twinTable names the twins that raised nothing.
func (v *Verdict) twinTable() string {
	var quiet []string
	for _, name := range v.Truth.Twins {
		if v.count(func(j Judged) bool { return j.Twin == name }) == 0 {
			quiet = append(quiet, name)
		}
	}
	return fmt.Sprintf("twins without an alert, %d of %d: %s\n", len(quiet), len(v.Truth.Twins), strings.Join(quiet, "; "))
}
