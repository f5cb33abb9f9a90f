package cli

import (
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
