package report

import (
	"cmp"
	"fmt"
	"html/template"
	"slices"
	"time"

	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/ladder"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report/drawing"
)

type stageLine struct {
	Name, Text string
	Unknown    bool
}

func stageLines(stages []estate.Stage) []stageLine {
	var out []stageLine
	for _, s := range stages {
		l := stageLine{Name: string(s.Stage), Text: fmt.Sprintf("read %d", s.Read)}
		if s.State != "read" {
			l.Text, l.Unknown = "unknown: "+clip(s.Why), true
		}
		out = append(out, l)
	}
	return out
}

type alertList struct {
	Total int
	Rows  []alertRow
	More  string
}

type alertRow struct{ Time, Level, Rule, Title, Actor string }

func alertsOf(list []model.Alert) *alertList {
	if len(list) == 0 {
		return nil
	}
	out := &alertList{Total: len(list)}
	for i, a := range list {
		if i == pageAlerts {
			out.More = fmt.Sprintf("… and %s: see --format json", plural(len(list)-i, "alert more", "alerts more"))
			break
		}
		out.Rows = append(out.Rows, alertRow{a.Time.UTC().Format(time.DateTime), a.Level.String(), clip(a.Rule), clip(a.Title), clip(a.Fields["actor"])})
	}
	return out
}

// area is a part of the ladder.
type area struct {
	Name     string
	Controls []rung
}

type rung struct {
	Name, ID, Level, Next string
	Bars                  template.HTML
	Blockers              []ladder.Blocker
	More                  string
}

// levels is how many each control has.
const levels = 4

func areas(controls []ladder.Control) []area {
	var out []area
	for _, c := range controls {
		if n := len(out); n == 0 || out[n-1].Name != c.Area {
			out = append(out, area{Name: c.Area})
		}
		r := rung{Name: c.Name, ID: c.ID, Level: "unknown", Next: clip(c.Next)}
		level := -1
		if c.Level != nil {
			level, r.Level = *c.Level, fmt.Sprintf("%d of %d", *c.Level, levels)
		}
		r.Bars = drawn(drawing.Level(level, levels))
		for i, b := range c.Blockers {
			if i == pageBlockers {
				r.More = fmt.Sprintf("… and %d more", len(c.Blockers)-i)
				break
			}
			r.Blockers = append(r.Blockers, ladder.Blocker{Asset: clip(b.Asset), Why: clip(b.Why)})
		}
		last := &out[len(out)-1]
		last.Controls = append(last.Controls, r)
	}
	return out
}

type findingTable struct {
	Total                        int
	Rows                         []findingRow
	More                         string
	Severities, Stages, Verdicts []string
}

type findingRow struct{ Severity, Stage, Verdict, Rule, Message, Place, Fix string }

// accepted is what the page calls a suppressed finding.
const accepted = "accepted"

// findingsOf orders findings by weight and takes as many as fit in a page:
// accepted ones last.
func findingsOf(list []model.Finding) findingTable {
	t := findingTable{Total: len(list)}
	sorted := slices.Clone(list)
	slices.SortStableFunc(sorted, func(a, b model.Finding) int {
		return cmp.Or(cmp.Compare(rank(b), rank(a)), cmp.Compare(b.Severity, a.Severity))
	})
	size := 0
	for _, f := range sorted {
		row := findingRow{
			Severity: f.Severity.String(), Stage: clip(f.Stage), Verdict: string(f.Verdict),
			Rule: clip(f.Rule), Message: clip(f.Message), Place: clip(place(f)),
		}
		switch {
		case f.Suppressed != nil:
			row.Verdict = accepted
			row.Fix = clip(acceptedBy(*f.Suppressed))
		case f.Fix != nil:
			row.Fix = clip(f.Fix.Text)
		}
		if size += 220 + cost(row.Message, row.Place, row.Fix); size > pageFindings {
			break
		}
		t.Rows = append(t.Rows, row)
		t.Severities, t.Stages, t.Verdicts = with(t.Severities, row.Severity), with(t.Stages, row.Stage), with(t.Verdicts, row.Verdict)
	}
	if n := t.Total - len(t.Rows); n > 0 {
		t.More = fmt.Sprintf("The page has room for the first %d. There are %d more: see --format json.", len(t.Rows), n)
	}
	slices.Sort(t.Stages)
	slices.Sort(t.Verdicts)
	return t
}

func rank(f model.Finding) int {
	if f.Suppressed != nil {
		return 0
	}
	return 1
}

func with(list []string, word string) []string {
	if slices.Contains(list, word) {
		return list
	}
	return append(list, word)
}

// pairs is a closing list: a thing and what is to be said of it.
type pairs struct {
	ID, Title, Text string
	Total           int
	Rows            []pair
	More            string
}

type pair struct{ What, Why string }

func pairsOf(id, title, text string, rows []pair) *pairs {
	if len(rows) == 0 {
		return nil
	}
	p := &pairs{ID: id, Title: title, Text: text, Total: len(rows)}
	size := 0
	for _, r := range rows {
		if size += 30 + cost(r.What, r.Why); size > pagePairs {
			break
		}
		p.Rows = append(p.Rows, r)
	}
	if n := len(rows) - len(p.Rows); n > 0 {
		p.More = fmt.Sprintf("… and %d more: see --format json", n)
	}
	return p
}

func unplacedRows(list []estate.Unplaced) []pair {
	var out []pair
	for _, u := range list {
		out = append(out, pair{clip(string(u.Kind) + " " + u.Key), clip(u.Why)})
	}
	return out
}

func missedRows(list []model.Incomplete) []pair {
	var out []pair
	for _, x := range list {
		out = append(out, pair{clip(x.What), clip(x.Why)})
	}
	return out
}

func noteRows(list []string) []pair {
	var out []pair
	for _, n := range list {
		out = append(out, pair{"", clip(n)})
	}
	return out
}
