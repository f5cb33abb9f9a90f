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
				Go         string             `json:"go"`
				Incomplete []model.Incomplete `json:"incomplete"`
			}{report.Schema, a.tool(), runtime.Version(), []model.Incomplete{}}
			return a.show(doc, func(w io.Writer, _ report.Paint) error {
				_, err := fmt.Fprintf(w, "scantling %s, rules %s, %s\n", doc.Tool.Version, doc.Tool.Ruleset, doc.Go)
				return err
			})
		}),
	}
}
