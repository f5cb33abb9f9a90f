package cli

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version, the rule set and the Go version",
		Example: "  scantling version --format json",
		Args:    cobra.NoArgs,
		RunE: a.checked(func(context.Context, []string) error {
			doc := struct {
				Schema     int                `json:"schema"`
				Tool       report.Tool        `json:"tool"`
				Edition    string             `json:"edition,omitempty"` // none: the complete program
				Go         string             `json:"go"`
				Incomplete []model.Incomplete `json:"incomplete"`
			}{report.Schema, a.tool(), edition, runtime.Version(), []model.Incomplete{}}
			return a.show(doc, func(w io.Writer, _ report.Paint) error {
				name := "scantling " + doc.Tool.Version
				if edition != "" {
					name += ", " + edition + " edition"
				}
				_, err := fmt.Fprintf(w, "%s, rules %s, %s\n", name, doc.Tool.Ruleset, doc.Go)
				return err
			})
		}),
	}
}
