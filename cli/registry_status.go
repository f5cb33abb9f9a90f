package cli

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

func (a *app) registryStatusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Say what is indexed, how large it is, and how old the advisories are",
		Example: "  scantling registry status\n  scantling registry status --format json",
		Args:    cobra.NoArgs,
		RunE:    a.checked(func(ctx context.Context, _ []string) error { return a.registryStatus(ctx) }),
	}
}

// kindRow is how much of one kind the store holds.
type kindRow struct {
	Kind  string `json:"kind"`
	Rows  int64  `json:"rows"`
	Bytes int64  `json:"bytes"` // of keys and bodies
}

type indexReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Data       string             `json:"data"` // the folder
	Images     int                `json:"images"`
	Sets       int                `json:"sets"` // what layers bring, each once
	Packages   int                `json:"packages"`
	Components int                `json:"components"` // their versions
	Findings   int64              `json:"findings"`   // pairs of advisory and package
	Layers     int64              `json:"layers"`     // whose facts are kept
	Pending    map[string]int     `json:"pending"`    // transitions that nobody was told of, by kind
	Size       int64              `json:"size"`       // of the database in bytes
	Free       int64              `json:"free"`
	Kinds      []kindRow          `json:"kinds"`
	Feeds      []feedRow          `json:"feeds"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) registryStatus(ctx context.Context) error {
	doc := indexReport{
		Schema: report.Schema, Tool: a.tool(), Data: a.dataFolder(), Pending: map[string]int{},
		Kinds: []kindRow{}, Feeds: []feedRow{}, Incomplete: []model.Incomplete{},
	}
	data, err := a.openIndexIfAny(ctx)
	if err != nil {
		return err
	}
	if data != nil {
		defer data.close()
		if err := data.measure(ctx, &doc); err != nil {
			return failed("%w", err)
		}
	}
	if doc.Images == 0 {
		doc.Incomplete = append(doc.Incomplete, model.Incomplete{What: "images", Why: "none is indexed here: run `scantling registry scan`"})
	}
	if len(doc.Feeds) == 0 {
		doc.Incomplete = append(doc.Incomplete, model.Incomplete{What: "advisories", Why: "none are here: run `scantling advisories sync`"})
	}
	a.outcome(nil, len(doc.Incomplete), false)
	return a.show(doc, func(w io.Writer, p report.Paint) error { return a.indexText(w, p, doc) })
}

// measure counts what is kept.
func (x *indexed) measure(ctx context.Context, doc *indexReport) error {
	size := x.engine.Size()
	doc.Images, doc.Sets, doc.Packages, doc.Components = size.Images, size.Sets, size.Packages, size.Components
	for t, err := range x.engine.Pending(ctx) {
		if err != nil {
			return err
		}
		doc.Pending[string(t.Kind)]++
	}
	stats, err := x.store.Stats(ctx)
	if err != nil {
		return err
	}
	doc.Size, doc.Free = stats.Size, stats.Free
	for _, k := range stats.Kinds {
		doc.Kinds = append(doc.Kinds, kindRow{k.Kind, k.Rows, k.Bytes})
		switch k.Kind {
		case "finding":
			doc.Findings = k.Rows
		case "layer-facts":
			doc.Layers = k.Rows
		}
	}
	all, err := x.library.Status(ctx, time.Now())
	for _, one := range all {
		doc.Feeds = append(doc.Feeds, newFeedRow(one))
		doc.Incomplete = append(doc.Incomplete, one.Missed()...)
	}
	return err
}

// indexText prints the counts, the feeds, and the kinds of records.
func (a *app) indexText(w io.Writer, paint report.Paint, d indexReport) error {
	rows := [][]string{
		{"images", strconv.Itoa(d.Images)},
		{"sets of packages", strconv.Itoa(d.Sets)},
		{"packages", fmt.Sprintf("%d, %s", d.Packages, several(d.Components, "version", "versions"))},
		{"findings", strconv.FormatInt(d.Findings, 10)},
		{"layers kept", strconv.FormatInt(d.Layers, 10)},
	}
	for _, kind := range slices.Sorted(maps.Keys(d.Pending)) {
		rows = append(rows, []string{"not told: " + kind, strconv.Itoa(d.Pending[kind])})
	}
	rows = append(rows, []string{"database", sizeText(d.Size)})
	for _, k := range d.Kinds {
		rows = append(rows, []string{"  " + k.Kind, fmt.Sprintf("%s, %s", several(int(k.Rows), "row", "rows"), sizeText(k.Bytes))})
	}
	if err := a.table(w, "", []int{24, 0}, rows); err != nil {
		return err
	}
	if len(d.Feeds) > 0 {
		if _, err := fmt.Fprintln(w); err != nil {
			return err
		}
	}
	return a.feedsText(w, paint, feedsReport{Feeds: d.Feeds, Incomplete: d.Incomplete})
}

// sizeText writes bytes for people.
func sizeText(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func (a *app) forgetCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "forget DIGEST|NAME…",
		Short:   "Take images out of the index",
		Long:    "Forget takes images out of the index: no change of an advisory names them any more. What\nlayers hold stays kept. A name takes out each image that has it, on every platform.",
		Example: "  scantling registry forget registry.example/app:1\n  scantling registry forget sha256:fa8843332165ca921fa8ca5cbdf9df6f55853ac8f5aa675b75b4b5a2a2b2a2c0",
		Args:    cobra.MinimumNArgs(1),
		RunE:    a.checked(a.forget),
	}
}

type forgetReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Forgotten  []string           `json:"forgotten"` // digests
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) forget(ctx context.Context, args []string) error {
	data, err := a.openIndexIfAny(ctx)
	if err != nil {
		return err
	}
	if data == nil {
		return failed("no image is indexed here: run `scantling registry scan` first")
	}
	defer data.close()
	assets, err := data.assets(ctx)
	if err != nil {
		return err
	}
	doc := forgetReport{Schema: report.Schema, Tool: a.tool(), Forgotten: []string{}, Incomplete: []model.Incomplete{}}
	for _, arg := range args {
		found := false
		for digest, one := range assets {
			if digest == arg || one.Name == arg || slices.Contains(one.Aliases, arg) {
				doc.Forgotten = append(doc.Forgotten, digest)
				found = true
			}
		}
		if !found {
			return failed("%s: no image of this digest or name is indexed: nothing was forgotten", arg)
		}
	}
	slices.Sort(doc.Forgotten)
	doc.Forgotten = slices.Compact(doc.Forgotten)
	if err := data.engine.Remove(ctx, doc.Forgotten...); err != nil {
		return failed("%w", err)
	}
	var writes []model.Write
	for _, digest := range doc.Forgotten {
		writes = append(writes, model.Write{Record: model.Record{Kind: kindAsset, Key: digest}, Delete: true})
	}
	if err := data.store.Apply(ctx, writes); err != nil {
		return failed("%w", err)
	}
	return a.show(doc, func(w io.Writer, _ report.Paint) error {
		for _, digest := range doc.Forgotten {
			if _, err := fmt.Fprintln(w, report.Clean("forgotten: "+nameOf(assets, digest)+" "+digest)); err != nil {
				return err
			}
		}
		return nil
	})
}
