package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/report"
)

func (a *app) imageCommand() *cobra.Command {
	var advisories string
	cmd := &cobra.Command{
		Use:     "image IMAGE",
		Short:   "Inventory one image and match it against advisories",
		Long:    "Image reads an OCI layout folder, lists the packages of every image in it by the layer\nthat brought them, and matches them exactly against the advisories of --advisories.",
		Example: "  scantling image examples/shop/images/cart --advisories examples/shop/advisories",
		Args:    cobra.ExactArgs(1),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			return a.image(ctx, args[0], advisories)
		}),
	}
	cmd.Flags().StringVar(&advisories, "advisories", "", "folder of advisories, laid out like the public OSV bucket")
	return cmd
}

// imageReport adds packages and matches to the findings.
type imageReport struct {
	report.Findings
	Packages []advisory.PackageRow `json:"packages"`
	Matches  []advisory.MatchRow   `json:"matches"`
}

func (a *app) image(ctx context.Context, path, feeds string) error {
	if !oci.IsLayout(path) {
		return failed("%s is not an OCI image layout: this version reads folders with oci-layout and index.json", path)
	}
	images, missed, err := openLayouts(ctx, []string{path})
	if err != nil {
		return err
	}
	if len(images) == 0 {
		return nothing(path, "no image is in this layout", missed)
	}
	var invs []*image.Inventory
	bar := a.progress("layers", layersOf(images))
	defer bar.clear()
	reader := &image.Reader{Layer: bar.step}
	for _, img := range images {
		inv, err := reader.Inventory(ctx, img)
		if err != nil {
			return failed("reading image %s: %w", img.Name(), err)
		}
		invs = append(invs, inv)
	}
	db, unread, err := a.loadAdvisories(ctx, feeds, invs)
	if err != nil {
		return err
	}
	cat, broken, err := a.catalogue("", nil)
	if err != nil {
		return err
	}
	judge, errs := advisory.Compile(cat)
	for _, err := range errs {
		broken = append(broken, a.broken(err))
	}
	reading := judge.Reading(invs, db, advisory.Config{Now: time.Now()})
	missed = slices.Concat(broken, missed, unread, reading.Incomplete)
	doc := imageReport{
		Findings: report.NewFindings(a.tool(), reading.Findings, missed, reading.Read),
		Packages: []advisory.PackageRow{}, Matches: advisory.MatchRows(reading.Weaknesses),
	}
	for _, inv := range invs {
		doc.Packages = append(doc.Packages, advisory.PackageRows(inv)...)
	}
	a.outcome(reading.Findings, len(missed), false)
	return a.show(doc, func(w io.Writer, p report.Paint) error { return a.imageText(w, p, doc) })
}

// imageText prints the packages by layer, then the findings.
func (a *app) imageText(w io.Writer, paint report.Paint, d imageReport) error {
	for rest := d.Packages; len(rest) > 0; {
		layer := rest[0].Layer
		if _, err := fmt.Fprintln(w, paint(report.Title, "layer "+layer)); err != nil {
			return err
		}
		var rows [][]string
		for len(rest) > 0 && rest[0].Layer == layer {
			rows = append(rows, []string{rest[0].Name, rest[0].Version, rest[0].Ecosystem})
			rest = rest[1:]
		}
		if err := a.table(w, "  ", []int{32, 28, 0}, rows); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return d.Findings.Text(w, paint)
}

// nothing is the error of a command that could read none of its inputs: a line
// for each with its reason, or that there was none to read.
func nothing(where, none string, missed []model.Incomplete) error {
	if len(missed) == 0 {
		return failed("%s: %s", where, none)
	}
	errs := make([]error, len(missed))
	for i, x := range missed {
		errs[i] = fmt.Errorf("%s: %s", x.What, x.Why)
	}
	return failed("%w", errors.Join(errs...))
}

// layersOf counts the layers of images.
func layersOf(images []*oci.Image) int {
	n := 0
	for _, img := range images {
		n += len(img.Layers)
	}
	return n
}

// openLayouts opens every image of the given layouts. An unreadable layout is
// incomplete, and the others are still read.
func openLayouts(ctx context.Context, dirs []string) ([]*oci.Image, []model.Incomplete, error) {
	var images []*oci.Image
	var missed []model.Incomplete
	for _, dir := range dirs {
		found, unread, err := oci.Open(ctx, dir)
		if ctx.Err() != nil {
			return nil, nil, failed("reading %s: %w", dir, ctx.Err())
		}
		if err != nil {
			unread = append(unread, model.Incomplete{What: dir, Why: cause(err)})
		}
		images = append(images, found...)
		missed = append(missed, unread...)
	}
	return images, missed, nil
}

// loadAdvisories loads the feeds that the inventories need. No folder is no
// feed: matching then says of every image that it is unknown.
func (a *app) loadAdvisories(ctx context.Context, dir string, invs []*image.Inventory) (*advisory.DB, []model.Incomplete, error) {
	if dir == "" {
		return nil, nil, nil
	}
	if info, err := os.Stat(dir); err != nil {
		return nil, nil, failed("reading advisories of %s: %s", dir, cause(err))
	} else if !info.IsDir() {
		return nil, nil, failed("reading advisories of %s: not a folder", dir)
	}
	if len(invs) == 0 {
		return nil, nil, nil
	}
	bar := a.progress("advisories", 1)
	defer bar.clear()
	db, missed, err := advisory.Load(ctx, dir, advisory.Ecosystems(invs)...)
	if err != nil {
		return nil, nil, failed("%w", err)
	}
	return db, missed, nil
}
