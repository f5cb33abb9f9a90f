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
	var from imageSource
	cmd := &cobra.Command{
		Use:     "image IMAGE",
		Short:   "Inventory one image and match it against advisories",
		Long:    "Image reads an OCI layout folder, an archive of docker save or of an OCI layout, the folder\nof a root file system, an SBOM file (CycloneDX, SPDX), or an image of a registry. It lists\nthe packages of every image in it by the layer that brought them, and matches them exactly\nagainst the advisories of --advisories. What exists as a file or folder is read from there;\nall else is a reference to a registry.",
		Example: "  scantling image examples/shop/images/cart --advisories examples/shop/advisories\n  scantling image app.tar\n  scantling image registry.example/app:1 --platform linux/arm64",
		Args:    cobra.ExactArgs(1),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			return a.image(ctx, args[0], from, advisories)
		}, ciFormats...),
	}
	a.sbomFlag(cmd)
	cmd.Flags().StringVar(&advisories, "advisories", "", "advisories, laid out like the public OSV bucket: a folder, an address, or oci:// (default: those that were synced)")
	from.flags(cmd)
	return cmd
}

// imageReport adds packages and matches to the findings.
type imageReport struct {
	report.Findings
	Packages []advisory.PackageRow `json:"packages"`
	Matches  []advisory.MatchRow   `json:"matches"`
}

func (a *app) image(ctx context.Context, path string, from imageSource, feeds string) error {
	if bill, err := readSBOM(path); err != nil {
		return err
	} else if bill != nil {
		return a.judgeImages(ctx, []*image.Inventory{bill}, nil, feeds)
	}
	images, missed, err := a.openImage(ctx, path, from)
	if err != nil {
		return err
	}
	if len(images) == 0 {
		return nothing(path, "no image is in it", missed)
	}
	var invs []*image.Inventory
	bar := a.progress("layers", layersOf(images))
	defer bar.clear()
	reader := a.imageReader(bar.step, nil)
	for _, img := range images {
		inv, err := reader.Inventory(ctx, img)
		if err != nil {
			return failed("reading image %s: %w", img.Name(), err)
		}
		invs = append(invs, inv)
	}
	return a.judgeImages(ctx, invs, missed, feeds)
}

// judgeImages matches inventories against advisories and shows the result.
func (a *app) judgeImages(ctx context.Context, invs []*image.Inventory, missed []model.Incomplete, feeds string) error {
	if a.sbom != "" && len(invs) != 1 {
		return failed("--sbom describes one image, and here are %d", len(invs))
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
	unread = slices.Concat(broken, missed, unread)
	missed = slices.Concat(unread, reading.Incomplete)
	doc := imageReport{
		Findings: report.NewFindings(a.tool(), reading.Findings, missed, reading.Read),
		Packages: []advisory.PackageRow{}, Matches: advisory.MatchRows(reading.Weaknesses),
	}
	for _, inv := range invs {
		doc.Packages = append(doc.Packages, advisory.PackageRows(inv)...)
	}
	a.outcome(reading.Findings, len(missed), false)
	if a.sbom != "" {
		return a.writeSBOM(invs[0], unread, db != nil)
	}
	return a.show(doc, func(w io.Writer, p report.Paint) error { return a.imageText(w, p, doc) }, a.forCI(doc.Findings)...)
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

// loadAdvisories loads the feeds that the inventories need, of a folder or an
// address, and of the data folder where neither is named. Where nothing was
// synced there is no feed: matching then says of every image that it is
// unknown.
func (a *app) loadAdvisories(ctx context.Context, dir string, invs []*image.Inventory) (*advisory.DB, []model.Incomplete, error) {
	switch {
	case (dir == "" || isAddress(dir)) && len(invs) == 0:
		return nil, nil, nil
	case dir == "":
		return a.syncedAdvisories(ctx, invs)
	case isAddress(dir):
		return a.fetchedAdvisories(ctx, dir, invs)
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
