//go:build !scanner

package cli

import (
	"fmt"
	"io"

	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/report/drawing"
)

// What a drawing of paths lists below the graph at most.
const (
	drawnBlasts = 20
	drawnFixes  = 10
	drawnMissed = 10
)

// The blast radius of who reaches everything, and where links lead to roles of a
// cloud.
const (
	fullScore  = 800
	cloudScore = 1000
)

// svg draws the paths in one graph, the blast radius of each workload as a
// bar, and lists the smallest fix and what was not read.
func (d pathsReport) svg(w io.Writer) error {
	shown := d.Paths[:min(d.most, len(d.Paths))]
	ways := report.Ways{
		Title: "Attack paths",
		Desc:  fmt.Sprintf("The %d most probable of %d paths from what is compromised to what is of worth.", len(shown), len(d.Paths)),
	}
	for _, p := range shown {
		ways.Ways = append(ways.Ways, report.Way{From: startOf(p), To: p.To, Steps: p.Steps, Cut: p.Cut})
	}
	first := drawing.Part{Heading: "Attack paths", Lines: []string{ways.Desc}}
	if len(shown) == 0 {
		first.Lines = []string{"No path to anything of worth was found in what was read."}
	} else {
		first.Picture = ways.Graph("paths").Draw()
	}
	fixes := drawing.Part{Heading: "Smallest fix for " + ends(d.FixSet.To), Lines: []string{"Arrows that it cuts are dashed and crossed."}}
	for i, f := range d.Fixes {
		if i == drawnFixes {
			fixes.Lines = append(fixes.Lines, fmt.Sprintf("… and %d more", len(d.Fixes)-i))
			break
		}
		fixes.Lines = append(fixes.Lines, fmt.Sprintf("%d  %s  (cuts %.0f %%)", i+1, f.Change, f.Cuts))
	}
	if len(d.Fixes) == 0 {
		fixes.Lines = []string{"None: no path to " + ends(d.FixSet.To) + " was found, or nothing known ends those that were."}
	}
	parts := []drawing.Part{first, fixes, d.blastPart(min(max(first.Picture.W, 720), 960))}
	if len(d.Incomplete) > 0 {
		parts = append(parts, d.missedPart())
	}
	_, err := drawing.Sheet("sheet", ways.Title, ways.Desc, parts...).WriteTo(w)
	return err
}

func (d pathsReport) blastPart(width float64) drawing.Part {
	bars := drawing.Bars{ID: "blast", Title: "Blast radius", Desc: "What each compromised workload leads to, in points of the default values.", Most: fullScore}
	part := drawing.Part{Heading: "Blast radius"}
	for i, b := range d.Blast {
		if b.Reaches.CloudRoles != nil {
			bars.Most = cloudScore
		}
		if i == drawnBlasts {
			part.Lines = []string{fmt.Sprintf("The first %d of %d workloads.", i, len(d.Blast))}
			break
		}
		text := fmt.Sprintf("%.1f: workloads %d, secrets %d, nodes %d", b.Score, b.Reaches.Workloads, b.Reaches.Secrets, b.Reaches.Nodes)
		if b.Reaches.ClusterAdmin {
			text += ", cluster admin"
		}
		if b.Reaches.CloudRoles != nil {
			text += fmt.Sprintf(", cloud roles %d", *b.Reaches.CloudRoles)
		}
		bars.Rows = append(bars.Rows, drawing.Bar{Name: b.Workload, Value: b.Score, Text: text})
	}
	if len(bars.Rows) == 0 {
		part.Lines = []string{"No workload was read."}
		return part
	}
	part.Picture = bars.Draw(width)
	return part
}

// missedPart says what was not read: the drawing may miss it.
func (d pathsReport) missedPart() drawing.Part {
	part := drawing.Part{Heading: fmt.Sprintf("Not read (%d)", len(d.Incomplete))}
	for i, x := range d.Incomplete {
		if i == drawnMissed {
			part.Lines = append(part.Lines, fmt.Sprintf("… and %d more", len(d.Incomplete)-i))
			break
		}
		part.Lines = append(part.Lines, x.What+": "+x.Why)
	}
	return part
}
