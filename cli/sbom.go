package cli

import (
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/sbom"
)

func (a *app) sbomFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&a.sbom, "sbom", "", "write the packages as cyclonedx (1.6) or spdx (2.3), in JSON, in place of the report")
	cmd.PreRunE = func(*cobra.Command, []string) error {
		if a.sbom != "" && !slices.Contains(sbom.Formats, a.sbom) {
			return usage("--sbom %q: the formats are %s", a.sbom, strings.Join(sbom.Formats, " and "))
		}
		return nil
	}
}

// readSBOM reads an inventory from a bill of materials; nil where the file is
// none.
func readSBOM(path string) (*image.Inventory, error) {
	yes, err := sbom.Detect(path)
	if err != nil || !yes {
		return nil, nil // whoever reads it as something else says why it can't be
	}
	inv, err := sbom.Read(path)
	if err != nil {
		return nil, failed("%w", err)
	}
	return inv, nil
}

// sbom takes a file in if it is named like a bill of materials and, where
// others are named so, begins like one.
func (f *found) sbom(path string) bool {
	is, sure := sbom.IsName(filepath.Base(path))
	if is && !sure {
		var err error
		if is, err = sbom.Detect(path); err != nil {
			f.miss(path, "can't be read: "+cause(err))
			return true
		}
	}
	if is {
		f.sboms = append(f.sboms, path)
	}
	return is
}

// readSBOMs reads those of an estate. One that can't be read is incomplete;
// one of an image that is at hand itself is passed over.
func readSBOMs(paths []string, images []*image.Inventory) (invs []*image.Inventory, missed []model.Incomplete) {
	for _, path := range paths {
		inv, err := sbom.Read(path)
		if err != nil {
			missed = append(missed, model.Incomplete{What: path, Why: strings.TrimPrefix(err.Error(), path+": ")})
			continue
		}
		if !slices.ContainsFunc(images, func(known *image.Inventory) bool { return known.Digest == inv.Digest }) {
			invs = append(invs, inv)
		}
	}
	return invs, missed
}

// writeSBOM writes the inventory in place of the report. Where no advisories
// were asked for only what was not read makes the result incomplete; what it
// is goes to standard error, as there is no report to hold it.
func (a *app) writeSBOM(inv *image.Inventory, missed []model.Incomplete, judged bool) error {
	missed = slices.Concat(missed, inv.Incomplete)
	if !judged {
		a.code = exitClean
		a.outcome(nil, len(missed), false)
	}
	for _, m := range missed {
		a.say("not read: %s: %s", m.What, m.Why)
	}
	if err := sbom.Write(a.Out, a.sbom, inv, Version); err != nil {
		return failed("writing the result: %w", err)
	}
	return nil
}
