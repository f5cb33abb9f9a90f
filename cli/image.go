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
	var how imageFlags
	cmd := &cobra.Command{
		Use:     "image IMAGE",
		Short:   "Inventory one image and match it against advisories",
		Long:    "Image reads an OCI layout folder, an archive of docker save or of an OCI layout, the folder\nof a root file system, an SBOM file (CycloneDX, SPDX), or an image of a registry. It lists\nthe packages of every image in it by the layer that brought them, and matches them exactly\nagainst the advisories of --advisories. Each match has a lane and a date by CISA's Binding\nOperational Directive 26-04; the fix plan is the fewest actions that clear all matches with\na fix. What a VEX document says of a match is believed and shown where --vex names the\ndocument. What exists as a file or folder is read from there;\nall else is a reference to a registry.",
		Example: "  scantling image examples/shop/images/cart --advisories examples/shop/advisories\n  scantling image app.tar\n  scantling image registry.example/app:1 --platform linux/arm64",
		Args:    cobra.ExactArgs(1),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			return a.image(ctx, args[0], from, how, advisories)
		}, ciFormats...),
	}
	a.sbomFlag(cmd)
	cmd.Flags().StringVar(&advisories, "advisories", "", "advisories, laid out like the public OSV bucket: a folder, an address, or oci:// (default: those that were synced)")
	from.flags(cmd)
	how.add(cmd)
	return cmd
}

// imageReport adds packages and matches to the findings.
type imageReport struct {
	report.Findings
	Packages []advisory.PackageRow `json:"packages"`
	Matches  []advisory.MatchRow   `json:"matches"`
	fixReport

	all bool // print every package and match
}

func (a *app) image(ctx context.Context, path string, from imageSource, how imageFlags, feeds string) error {
	if _, err := how.public(); err != nil {
		return err
	}
	a.sparing()
	if bill, err := readSBOM(path); err != nil {
		return err
	} else if bill != nil {
		return a.judgeImages(ctx, []*image.Inventory{bill}, nil, how, feeds)
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
	data := a.layersKept(ctx)
	if data != nil {
		defer data.Close()
	}
	reader := a.imageReader(bar.step, data)
	for _, img := range images {
		inv, err := reader.Inventory(ctx, img)
		if err != nil {
			return failed("reading image %s: %w", img.Name(), err)
		}
		invs = append(invs, inv)
	}
	return a.judgeImages(ctx, invs, missed, how, feeds)
}

// judgeImages matches inventories against advisories and shows the result.
func (a *app) judgeImages(ctx context.Context, invs []*image.Inventory, missed []model.Incomplete, how imageFlags, feeds string) error {
	if a.sbom != "" && len(invs) != 1 {
		return failed("--sbom describes one image, and here are %d", len(invs))
	}
	db, unread, err := a.loadAdvisories(ctx, feeds, invs)
	if err != nil {
		return err
	}
	cat, broken, err := a.catalogue("", nil, model.Registry)
	if err != nil {
		return err
	}
	judge, errs := advisory.Compile(cat)
	for _, err := range errs {
		broken = append(broken, a.broken(err))
	}
	said, undecided, err := a.readVEX(ctx, how.vex)
	if err != nil {
		return err
	}
	now := time.Now()
	reading := judge.Judge(invs, db, advisory.Config{Now: now, VEX: said})
	decided, err := a.enrich(ctx, how.enrichment, feeds, reading.Weaknesses)
	if err != nil {
		return err
	}
	unread = slices.Concat(broken, missed, unread, undecided, decided)
	missed = slices.Concat(unread, reading.Incomplete)
	doc := imageReport{
		Findings: report.NewFindings(a.tool(), reading.Findings, missed, reading.Read),
		Packages: []advisory.PackageRow{}, Matches: advisory.MatchRows(reading.Weaknesses), all: how.all,
	}
	doc.fixReport = newFixReport(reading, doc.Matches, invs, said, how, now)
	for _, inv := range invs {
		doc.Packages = append(doc.Packages, advisory.PackageRows(inv)...)
	}
	a.outcome(reading.Findings, len(missed), false)
	if a.sbom != "" {
		return a.writeSBOM(invs[0], unread, db != nil)
	}
	return a.show(doc, func(w io.Writer, p report.Paint) error { return a.imageText(w, p, doc) }, a.forCI(doc.Findings)...)
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
		return nil, nil, failed("reading advisories of %s: not a folder: `scantling advisories import` takes a file in", dir)
	}
	if len(invs) == 0 {
		return nil, nil, nil
	}
	bar := a.progress("advisories", 1)
	defer bar.clear()
	db, missed, err := advisory.LoadFor(ctx, dir, invs)
	if err != nil {
		return nil, nil, failed("%w", err)
	}
	return db, missed, nil
}
