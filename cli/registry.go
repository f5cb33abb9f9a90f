package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/index"
	"github.com/scantling/scantling/report"
)

func (a *app) registryCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:     "registry",
		Short:   "Keep images indexed, so that a changed advisory leads to its images without reading any",
		Example: "  scantling registry scan registry.example/app:1\n  scantling advisories sync\n  scantling registry status",
	}, a.scanCommand(), a.registryStatusCommand(), a.forgetCommand())
}

func (a *app) scanCommand() *cobra.Command {
	var from imageSource
	cmd := &cobra.Command{
		Use:     "scan IMAGE…",
		Short:   "Read images once, index them, and match them against the advisories that were synced",
		Long:    "Scan reads images (OCI layouts, archives, SBOM files, references to registries), keeps what\neach holds in the data folder, and says how many advisories touch it. From then on each\n`advisories sync` says which of them a changed advisory touches, without reading them again.\nAn image that is indexed already is the same afterwards. One that can't be read is an error,\nand the rest goes on.",
		Example: "  scantling registry scan registry.example/app:1 registry.example/db:7\n  scantling registry scan examples/shop/images/*\n  scantling registry scan app.cdx.json --format json",
		Args:    cobra.MinimumNArgs(1),
		RunE:    a.checked(func(ctx context.Context, args []string) error { return a.scan(ctx, args, from) }),
	}
	from.flags(cmd)
	return cmd
}

// scanRow is one image as registry scan prints it.
type scanRow struct {
	Digest   string         `json:"digest"`
	Name     string         `json:"name"`
	Aliases  []string       `json:"aliases"`
	Platform string         `json:"platform"`
	File     string         `json:"file"`
	New      bool           `json:"new"` // nobody was told of it before, or it holds something else
	Packages int            `json:"packages"`
	Matches  map[string]int `json:"matches"` // by severity
	KEV      int            `json:"kev"`     // of the matches
	Fixable  int            `json:"fixable"` // of the matches: a fixed version is known
	Unknown  int            `json:"unknown"` // what could not be told of it
}

type scanReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Images     []scanRow          `json:"images"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

// scanGroup is how many images are read before what they hold is indexed: the
// inventories of so many are in memory at once. Of small files, which are bills
// of materials, a few stand for one: what a group has in common is looked up
// once.
const (
	scanGroup = 16
	smallFile = 256 << 10 // bytes
	manySmall = 8
)

// groups cuts arguments into such groups, in their order.
func groups(args []string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		from, weight := 0, 0
		for i, arg := range args {
			one := manySmall
			if info, err := os.Stat(arg); err == nil && info.Mode().IsRegular() && info.Size() <= smallFile {
				one = 1
			}
			if weight += one; weight > scanGroup*manySmall {
				if !yield(args[from:i]) {
					return
				}
				from, weight = i, one
			}
		}
		if from < len(args) {
			yield(args[from:])
		}
	}
}

// scanning is a scan under way.
type scanning struct {
	app    *app
	data   *indexed
	names  *names
	from   imageSource
	judge  *advisory.Judge
	reader *image.Reader
	now    time.Time

	doc      scanReport
	gaps     advisory.Gaps   // of all images
	findings []model.Finding // one for each verdict that counts for the exit code
	errs     []error
}

func (a *app) scan(ctx context.Context, args []string, from imageSource) error {
	if _, err := oci.ParsePlatform(from.platform); err != nil {
		return usage("--platform: %w", err)
	}
	a.sparing()
	cat, broken, err := a.catalogue("", nil, model.Registry)
	if err != nil {
		return err
	}
	judge, errs := advisory.Compile(cat)
	for _, err := range errs {
		broken = append(broken, a.broken(err))
	}
	data, err := a.openIndex(ctx)
	if err != nil {
		return err
	}
	defer data.close()
	assets, err := data.assets(ctx)
	if err != nil {
		return err
	}
	s := &scanning{
		app: a, data: data, names: newNames(assets), from: from, judge: judge, reader: a.imageReader(nil, data.store), now: time.Now().UTC().Truncate(time.Second),
		gaps: advisory.Gaps{}, doc: scanReport{Schema: report.Schema, Tool: a.tool(), Images: []scanRow{}, Incomplete: append([]model.Incomplete{}, broken...)},
	}
	if err := s.all(ctx, args); err != nil {
		return err
	}
	told, err := s.tell(ctx)
	if err != nil {
		return err
	}
	a.outcome(s.findings, len(s.doc.Incomplete), false)
	if err := a.show(s.doc, func(w io.Writer, p report.Paint) error { return a.scanText(w, p, s.doc) }); err != nil {
		return err
	}
	return wrapped(data.engine.Done(ctx, told...))
}

// all reads and indexes the arguments, some at a time and in their order.
func (s *scanning) all(ctx context.Context, args []string) error {
	bar := s.app.progress("images", len(args))
	defer bar.clear()
	for some := range groups(args) {
		read := make([]scanned, len(some))
		var g errgroup.Group
		g.SetLimit(min(4, runtime.GOMAXPROCS(0)))
		for i, name := range some {
			g.Go(func() error {
				read[i] = s.read(ctx, name)
				return nil
			})
		}
		_ = g.Wait() // errors are in read
		if ctx.Err() != nil {
			return failed("reading images: %w; those that were indexed stay", ctx.Err())
		}
		var invs []*image.Inventory
		for i, one := range read {
			if one.err != nil {
				s.fail(some[i], one.err)
			}
			s.doc.Incomplete = append(s.doc.Incomplete, one.missed...)
			invs = append(invs, one.invs...)
			bar.step()
		}
		if err := s.index(ctx, invs); err != nil {
			return err
		}
	}
	if len(s.doc.Images) == 0 {
		return failed("%w", errors.Join(s.errs...))
	}
	for _, err := range s.errs {
		fmt.Fprintf(s.app.Err, "error: %s\n", report.Clean(err.Error()))
	}
	s.doc.Incomplete = append(s.doc.Incomplete, s.gaps.Incomplete()...)
	slices.SortFunc(s.doc.Incomplete, compareMissed)
	s.doc.Incomplete = slices.Compact(s.doc.Incomplete)
	return nil
}

// scanned is what one argument holds.
type scanned struct {
	invs   []*image.Inventory
	missed []model.Incomplete
	err    error
}

func (s *scanning) read(ctx context.Context, name string) (out scanned) {
	bill, err := readSBOM(name)
	if err != nil {
		return scanned{err: err}
	}
	if bill != nil {
		return scanned{invs: []*image.Inventory{bill}}
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() && !oci.IsLayout(name) && oci.IsRoot(name) {
		return scanned{err: fmt.Errorf("%s: the root folder of a system has no digest by which it could be indexed: `scantling image` reads it", name)}
	}
	images, missed, err := s.app.openImage(ctx, name, s.from)
	out = scanned{missed: missed, err: err}
	if err == nil && len(images) == 0 {
		out.err = nothing(name, "no image is in it", missed)
	}
	for _, img := range images {
		inv, err := s.reader.Inventory(ctx, img)
		if err != nil {
			out.err = errors.Join(out.err, fmt.Errorf("%s: reading image %s: %w", name, img.Name(), err))
			continue
		}
		out.invs = append(out.invs, inv)
	}
	return out
}

// fail notes an argument, or an image of one, that can't be read or indexed.
func (s *scanning) fail(what string, err error) {
	s.errs = append(s.errs, err)
	s.doc.Incomplete = append(s.doc.Incomplete, model.Incomplete{What: what, Why: strings.TrimPrefix(err.Error(), what+": ")})
}

// index enters images as one change, each by itself where that can't be, and
// judges them.
func (s *scanning) index(ctx context.Context, invs []*image.Inventory) error {
	var entered []*image.Inventory
	var list []index.Image
	for _, inv := range invs {
		list = append(list, index.NewImage(inv))
	}
	together := s.data.engine.Add(ctx, list...)
	for i, inv := range invs {
		if together != nil {
			if err := s.data.engine.Add(ctx, list[i]); err != nil {
				if ctx.Err() != nil {
					return failed("%w", err)
				}
				s.fail(inv.Name, err)
				continue
			}
		}
		entered = append(entered, inv)
	}
	var writes []model.Write
	for _, inv := range entered {
		more, err := s.names.take(inv, s.now)
		if err != nil {
			return failed("%w", err)
		}
		writes = append(writes, more...)
	}
	if err := s.data.store.Apply(ctx, writes); err != nil {
		return failed("%w", err)
	}
	return s.match(ctx, entered)
}

// match compares images with the advisories that were synced, as scantling
// image does.
func (s *scanning) match(ctx context.Context, invs []*image.Inventory) error {
	var db *advisory.DB
	empty, err := s.data.library.Empty(ctx)
	if err == nil && !empty && len(invs) > 0 {
		var missed []model.Incomplete
		db, missed, err = s.data.library.LoadFor(ctx, invs)
		s.doc.Incomplete = append(s.doc.Incomplete, missed...)
	}
	if err != nil {
		return failed("%w", err)
	}
	for _, inv := range invs {
		gaps := advisory.Gaps{}
		r := s.judge.Reading([]*image.Inventory{inv}, db, advisory.Config{Now: s.now, Gaps: gaps, NoPlan: true})
		s.gaps.Join(gaps)
		row := scanRow{
			Digest: inv.Digest, Name: inv.Name, Aliases: append([]string{}, inv.Aliases...), Platform: inv.Platform, File: inv.File,
			Packages: len(inv.Packages), Matches: map[string]int{}, Unknown: len(r.Incomplete) + len(gaps),
		}
		for _, w := range r.Weaknesses {
			row.Matches[w.Severity.String()]++
			if w.KEV {
				row.KEV++
			}
			if w.Fixed != "" {
				row.Fixable++
			}
		}
		s.doc.Images = append(s.doc.Images, row)
		s.doc.Incomplete = append(s.doc.Incomplete, r.Incomplete...)
		s.count(r.Findings)
	}
	return nil
}

// count keeps of the findings what the exit code asks for.
func (s *scanning) count(findings []model.Finding) {
	for _, f := range findings {
		if f.Suppressed == nil && f.Severity >= s.app.threshold() && !slices.ContainsFunc(s.findings, func(k model.Finding) bool { return k.Verdict == f.Verdict }) {
			s.findings = append(s.findings, model.Finding{Verdict: f.Verdict, Severity: f.Severity})
		}
	}
}

// tell marks the images that nobody was told of, and returns the transitions
// that say so and that this report makes known as a whole.
func (s *scanning) tell(ctx context.Context) (ids []string, err error) {
	rows := map[string][]int{}
	for i, row := range s.doc.Images {
		rows[row.Digest] = append(rows[row.Digest], i)
	}
	for t, err := range s.data.engine.Pending(ctx) {
		if err != nil {
			return nil, failed("%w", err)
		}
		if t.Kind != index.Indexed {
			continue
		}
		for _, digest := range t.Images {
			for _, i := range rows[digest] {
				s.doc.Images[i].New = true
			}
		}
		if !slices.ContainsFunc(t.Images, func(digest string) bool { return rows[digest] == nil }) {
			ids = append(ids, t.ID)
		}
	}
	return ids, nil
}

func compareMissed(a, b model.Incomplete) int {
	return slices.Compare([]string{a.What, a.Why}, []string{b.What, b.Why})
}

// scanText prints a line an image, and what was not read.
func (a *app) scanText(w io.Writer, paint report.Paint, d scanReport) error {
	rows := [][]string{{"image", "packages", "critical", "high", "medium", "low", "kev", "fixable", "unknown", "digest"}}
	for _, row := range d.Images {
		cells := []string{row.Name, strconv.Itoa(row.Packages)}
		for _, severity := range []model.Severity{model.Critical, model.High, model.Medium, model.Low} {
			cells = append(cells, strconv.Itoa(row.Matches[severity.String()]))
		}
		rows = append(rows, append(cells, strconv.Itoa(row.KEV), strconv.Itoa(row.Fixable), strconv.Itoa(row.Unknown), row.Digest))
	}
	if err := a.table(w, "", []int{32, -8, -8, -4, -6, -3, -3, -7, -7, 0}, rows); err != nil {
		return err
	}
	return notRead(w, paint, d.Incomplete)
}

// notRead prints what a run did not read, if anything.
func notRead(w io.Writer, paint report.Paint, missed []model.Incomplete) error {
	if len(missed) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "\n%s\n", paint(report.Caution, fmt.Sprintf("NOT READ (%d)", len(missed)))); err != nil {
		return err
	}
	for _, x := range missed {
		if _, err := fmt.Fprintf(w, "  %s\n", report.Clean(x.What+": "+x.Why)); err != nil {
			return err
		}
	}
	return nil
}
