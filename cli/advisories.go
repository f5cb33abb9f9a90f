package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/feed"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/store"
)

// Where advisories are published: the bucket of osv.dev, CISA's catalogue of
// exploited vulnerabilities, and the scores of FIRST.
const (
	publicBucket = "https://osv-vulnerabilities.storage.googleapis.com"
	publicKEV    = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
	publicEPSS   = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
)

func (a *app) advisoriesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "advisories",
		Short:   "Keep advisories here and up to date, and carry them to where there is no network",
		Example: "  scantling advisories sync --ecosystem Debian --ecosystem Go\n  scantling advisories status\n  scantling advisories export advisories.tar",
	}
	return group(cmd, a.syncCommand(), a.statusCommand(), a.exportCommand(), a.importCommand())
}

// syncFlags are the switches that say what comes, and from where.
type syncFlags struct {
	from       string
	ecosystems []string
	kev, epss  string
	insecure   bool
	estate     string
}

func (a *app) syncCommand() *cobra.Command {
	var flags syncFlags
	cmd := &cobra.Command{
		Use:     "sync",
		Short:   "Fetch the advisories that changed since the last time",
		Long:    "Sync keeps advisories in the data folder, where the other commands find them. It asks the\nsource what changed, and fetches that alone; a sync that was interrupted goes on where it was.\nThe source is laid out like the public OSV bucket: an http or https address, a folder, a tar,\nor an OCI artifact (oci://HOST/REPOSITORY:TAG, oci:FOLDER of a layout).",
		Example: "  scantling advisories sync --ecosystem Debian --ecosystem Go --ecosystem npm\n  scantling advisories sync --from https://mirror.example/osv\n  scantling advisories sync --from oci://registry.example/advisories:latest",
		Args:    cobra.NoArgs,
		RunE:    a.checked(func(ctx context.Context, _ []string) error { return a.sync(ctx, flags) }),
	}
	cmd.Flags().StringVar(&flags.from, "from", publicBucket, "source to sync from")
	cmd.Flags().StringVar(&flags.kev, "kev", publicKEV, "address of the catalogue of exploited vulnerabilities, where an address as source has none")
	cmd.Flags().StringVar(&flags.epss, "epss", publicEPSS, "address of the exploit predictions, likewise")
	flags.add(cmd)
	return cmd
}

func (f *syncFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&f.ecosystems, "ecosystem", nil, "ecosystem to fetch, as Debian (repeatable; default all that the source has)")
	cmd.Flags().BoolVar(&f.insecure, "insecure", false, "allow plain http to the registry of an artifact; on this machine it always is")
	cmd.Flags().StringVar(&f.estate, "estate", "", aboutEstate)
}

func (a *app) importCommand() *cobra.Command {
	var flags syncFlags
	cmd := &cobra.Command{
		Use:     "import SOURCE",
		Short:   "Take in advisories that export wrote: no network but the source's own",
		Example: "  scantling advisories import advisories.tar\n  scantling advisories import oci://registry.example/advisories:latest",
		Args:    cobra.ExactArgs(1),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			flags.from = args[0]
			return a.sync(ctx, flags)
		}),
	}
	flags.add(cmd)
	return cmd
}

// feedRow is one feed in the outputs of these commands.
type feedRow struct {
	Feed    string       `json:"feed"`
	Records int          `json:"records"`
	Newest  *time.Time   `json:"newest"`
	Synced  *time.Time   `json:"synced"`
	Source  string       `json:"source"`
	ETag    string       `json:"etag"`
	Pending int          `json:"pending"`
	Broken  []brokenRow  `json:"broken"`
	Stale   string       `json:"stale"`
	Changed *feedChanges `json:"changes,omitempty"`
}

type brokenRow struct {
	ID  string `json:"id"`
	Why string `json:"why"`
}

// feedChanges is what a sync did to a feed.
type feedChanges struct {
	Unchanged bool `json:"unchanged"`
	New       int  `json:"new"`
	Changed   int  `json:"changed"`
	Removed   int  `json:"removed"`
}

// feedsReport is what these commands print.
type feedsReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Source     string             `json:"source,omitempty"` // of sync and import
	File       string             `json:"file,omitempty"`   // of export
	Feeds      []feedRow          `json:"feeds"`
	Changes    []changeRow        `json:"changes,omitzero"` // of sync and import: what changed for indexed images
	Incomplete []model.Incomplete `json:"incomplete"`
}

// sync brings the library of the data folder to what a source has.
func (a *app) sync(ctx context.Context, flags syncFlags) error {
	src, err := feed.Open(ctx, flags.from, feed.Access{Agent: "scantling/" + Version, Insecure: flags.insecure})
	if err != nil {
		return failed("%w", err)
	}
	defer src.Close()
	news := &newsReader{app: a}
	if flags.estate != "" {
		if news.estate, err = a.workloadsOf(ctx, flags.estate); err != nil {
			return err
		}
	}
	data, err := a.openIndex(ctx)
	if err != nil {
		return err
	}
	defer data.close()
	if err := a.tellLeft(ctx, data); err != nil {
		return err
	}
	library := data.library
	opt := feed.Options{Ecosystems: flags.ecosystems}
	if src.IsRemote() {
		opt.KEV, opt.EPSS = flags.kev, flags.epss
	}
	if len(flags.ecosystems) == 0 {
		if err := a.tellSizes(ctx, src, library); err != nil {
			return err
		}
	}
	bars := &feedBars{app: a}
	opt.Progress = bars.step
	got, err := src.Sync(ctx, library, opt)
	bars.end()
	if err != nil {
		return failed("%w; what was kept until then stays, and the next sync goes on there", err)
	}
	doc := feedsReport{Schema: report.Schema, Tool: a.tool(), Source: src.Name(), Feeds: []feedRow{}, Incomplete: missedFeeds(got.Incomplete)}
	all, err := library.Status(ctx, time.Now())
	if err != nil {
		return failed("%w", err)
	}
	for _, one := range all {
		i := slices.IndexFunc(got.Results, func(r feed.Result) bool { return r.Feed == one.Feed })
		if i >= 0 {
			r := got.Results[i]
			row := newFeedRow(one)
			row.Changed = &feedChanges{r.Unchanged, r.New, r.Changed, r.Removed}
			doc.Feeds = append(doc.Feeds, row)
		}
	}
	if err := news.read(ctx, data); err != nil {
		return err
	}
	doc.Changes, doc.Incomplete = news.rows, append(doc.Incomplete, news.missed...)
	a.outcome(nil, len(doc.Incomplete)+news.undecided(), news.found())
	if err := a.show(doc, func(w io.Writer, p report.Paint) error { return a.feedsText(w, p, doc) }); err != nil {
		return err
	}
	return wrapped(data.engine.Done(ctx, news.ids...)) // from here on they were told
}

// missedFeeds is a list that is written as one, also where it is empty.
func missedFeeds(list []model.Incomplete) []model.Incomplete {
	out := []model.Incomplete{}
	for _, x := range list {
		out = append(out, model.Incomplete{What: "advisories/" + strings.TrimPrefix(x.What, "advisories/"), Why: x.Why})
	}
	return out
}

// tellSizes says how much an address offers before all of it is fetched for
// the first time.
func (a *app) tellSizes(ctx context.Context, src *feed.Source, library *advisory.Library) error {
	if !src.IsRemote() {
		return nil
	}
	names, err := src.Ecosystems(ctx)
	if err != nil {
		return failed("%w", err)
	}
	var total int64
	var fresh []string
	for _, name := range names {
		s, err := library.State(ctx, name)
		if err != nil {
			return failed("%w", err)
		}
		if s.Source != "" {
			continue
		}
		if size, err := src.Size(ctx, name); err == nil && size > 0 {
			total += size
		}
		fresh = append(fresh, name)
	}
	if len(fresh) > 1 {
		a.say("note: %d ecosystems come for the first time, %d MiB packed; --ecosystem %s --ecosystem %s would take those alone", len(fresh), total>>20, fresh[0], fresh[1])
	}
	return nil
}

// feedBars draws one bar after the other.
type feedBars struct {
	app  *app
	name string
	bar  *bar
}

func (b *feedBars) step(name string, done, total int) {
	if b.name != name {
		b.end()
		b.name, b.bar = name, b.app.progress(name, total)
	}
	b.bar.done = done
	b.bar.draw()
}

func (b *feedBars) end() {
	if b.bar != nil {
		b.bar.clear()
		b.bar = nil
	}
}

func newFeedRow(s advisory.FeedStatus) feedRow {
	row := feedRow{
		Feed: s.Feed, Records: s.Records, Source: s.State.Source, ETag: s.State.Mark.ETag, Pending: s.State.Pending,
		Newest: timeOrNone(s.State.Newest), Synced: timeOrNone(s.State.Synced), Broken: []brokenRow{}, Stale: s.Stale,
	}
	for _, b := range s.State.Broken {
		row.Broken = append(row.Broken, brokenRow{b.ID, b.Why})
	}
	return row
}

// timeOrNone is null for no time.
func timeOrNone(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.Truncate(time.Second)
	return &t
}

// feedsText prints a line a feed, and what is incomplete.
func (a *app) feedsText(w io.Writer, paint report.Paint, d feedsReport) error {
	var rows [][]string
	for _, f := range d.Feeds {
		what := dayOf(f.Synced)
		switch c := f.Changed; {
		case c == nil:
		case c.Unchanged && c.New+c.Changed+c.Removed == 0:
			what = "unchanged"
		default:
			what = fmt.Sprintf("%d new, %d changed, %d removed", c.New, c.Changed, c.Removed)
		}
		state := "fresh"
		if f.Stale != "" {
			state = "stale"
		}
		if n := f.Pending + len(f.Broken); n > 0 {
			state += fmt.Sprintf(", %d not here", n)
		}
		rows = append(rows, []string{f.Feed, strconv.Itoa(f.Records), dayOf(f.Newest), what, state})
	}
	if len(rows) > 0 {
		rows = slices.Insert(rows, 0, []string{"feed", "records", "newest", "synced", "state"})
	}
	if err := a.table(w, "", []int{16, -8, 10, 10, 0}, rows); err != nil {
		return err
	}
	if err := a.changesText(w, paint, d.Changes); err != nil {
		return err
	}
	return notRead(w, paint, d.Incomplete)
}

func dayOf(t *time.Time) string {
	if t == nil {
		return "never"
	}
	return t.Format(time.DateOnly)
}

func (a *app) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "status",
		Short:   "Say which advisories are here, how old they are, and what is missing",
		Example: "  scantling advisories status\n  scantling advisories status --format json",
		Args:    cobra.NoArgs,
		RunE:    a.checked(func(ctx context.Context, _ []string) error { return a.advisoryStatus(ctx) }),
	}
}

func (a *app) advisoryStatus(ctx context.Context) error {
	doc := feedsReport{Schema: report.Schema, Tool: a.tool(), Feeds: []feedRow{}}
	s, err := a.openDataIfAny(ctx)
	if err != nil {
		return err
	}
	var missed []model.Incomplete
	if s != nil {
		defer s.Close()
		all, err := advisory.NewLibrary(s, nil).Status(ctx, time.Now())
		if err != nil {
			return failed("%w", err)
		}
		for _, one := range all {
			doc.Feeds = append(doc.Feeds, newFeedRow(one))
			missed = append(missed, one.Missed()...)
		}
	}
	if len(doc.Feeds) == 0 {
		missed = append(missed, model.Incomplete{What: "advisories", Why: "none are here: run `scantling advisories sync`"})
	}
	doc.Incomplete = append([]model.Incomplete{}, missed...)
	a.outcome(nil, len(missed), false)
	return a.show(doc, func(w io.Writer, p report.Paint) error { return a.feedsText(w, p, doc) })
}

func (a *app) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "export FILE",
		Short:   "Write the advisories that are here as a tar, a folder or an OCI layout",
		Long:    "Export writes what was synced, laid out like the public OSV bucket: as one file where the\nname ends with .tar, as an OCI image layout where it begins with oci:, and else as a folder.\nNothing may be there yet. The layout is an artifact that skopeo and oras push to a registry.",
		Example: "  scantling advisories export advisories.tar\n  scantling advisories export oci:advisories",
		Args:    cobra.ExactArgs(1),
		RunE:    a.checked(func(ctx context.Context, args []string) error { return a.exportAdvisories(ctx, args[0]) }),
	}
}

func (a *app) exportAdvisories(ctx context.Context, to string) error {
	s, err := a.openDataIfAny(ctx)
	if err != nil {
		return err
	}
	if s == nil {
		return failed("there are no advisories here: run `scantling advisories sync` first")
	}
	defer s.Close()
	library := advisory.NewLibrary(s, nil)
	if err := feed.Write(ctx, to, library); err != nil {
		return failed("%w", err)
	}
	doc := feedsReport{Schema: report.Schema, Tool: a.tool(), File: to, Feeds: []feedRow{}, Incomplete: []model.Incomplete{}}
	all, err := library.Status(ctx, time.Now())
	if err != nil {
		return failed("%w", err)
	}
	for _, one := range all {
		doc.Feeds = append(doc.Feeds, newFeedRow(one))
		one.Stale = "" // an old copy is a whole one
		doc.Incomplete = append(doc.Incomplete, one.Missed()...)
	}
	a.outcome(nil, len(doc.Incomplete), false)
	return a.show(doc, func(w io.Writer, p report.Paint) error {
		if _, err := fmt.Fprintf(w, "%s: %d feeds\n", report.Clean(to), len(doc.Feeds)); err != nil {
			return err
		}
		return a.feedsText(w, p, feedsReport{Incomplete: doc.Incomplete})
	})
}

// isAddress reports whether --advisories names something that has to be
// fetched.
func isAddress(from string) bool {
	return strings.HasPrefix(from, "http://") || strings.HasPrefix(from, "https://") || strings.HasPrefix(from, "oci:")
}

// syncedAdvisories loads what the images need from the library of the data
// folder; nil where there is none.
func (a *app) syncedAdvisories(ctx context.Context, invs []*image.Inventory) (*advisory.DB, []model.Incomplete, error) {
	s, err := a.openDataIfAny(ctx)
	if s == nil || err != nil {
		return nil, nil, err
	}
	defer s.Close()
	library := advisory.NewLibrary(s, nil)
	empty, err := library.Empty(ctx)
	if err != nil || empty {
		return nil, nil, wrapped(err)
	}
	db, missed, err := library.LoadFor(ctx, invs)
	return db, missed, wrapped(err)
}

// wrapped is nil for no error.
func wrapped(err error) error {
	if err == nil {
		return nil
	}
	return failed("%w", err)
}

// fetchedAdvisories syncs what the images need into a store that goes with
// this run, so that a switch changes nothing that other runs see.
func (a *app) fetchedAdvisories(ctx context.Context, from string, invs []*image.Inventory) (*advisory.DB, []model.Incomplete, error) {
	src, err := feed.Open(ctx, from, feed.Access{Agent: "scantling/" + Version})
	if err != nil {
		return nil, nil, failed("%w", err)
	}
	defer src.Close()
	dir, err := os.MkdirTemp("", "scantling-*")
	if err != nil {
		return nil, nil, failed("making a temporary folder: %s", cause(err))
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what stays is in a temporary folder
	s, err := store.Open(ctx, filepath.Join(dir, database))
	if err != nil {
		return nil, nil, failed("%w", err)
	}
	defer s.Close()
	library := advisory.NewLibrary(s, nil)
	has, err := src.Ecosystems(ctx)
	if err != nil {
		return nil, nil, failed("%w", err)
	}
	wanted := slices.DeleteFunc(advisory.Ecosystems(invs), func(name string) bool { return !slices.Contains(has, name) })
	var missed []model.Incomplete
	if len(wanted) > 0 {
		bars := &feedBars{app: a}
		got, err := src.Sync(ctx, library, feed.Options{Ecosystems: wanted, Progress: bars.step})
		bars.end()
		if err != nil {
			return nil, nil, failed("%w", err)
		}
		missed = missedFeeds(got.Incomplete)
	}
	db, more, err := library.LoadFor(ctx, invs)
	for _, x := range more {
		if !slices.Contains(missed, x) {
			missed = append(missed, x)
		}
	}
	return db, missed, wrapped(err)
}
