//go:build !scanner

package cli

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/deploy"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// roleReport is what `cluster role` prints as JSON.
type roleReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Manifest   string             `json:"manifest"` // YAML to apply
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) roleCommand() *cobra.Command {
	var bare bool
	cmd := &cobra.Command{
		Use:     "role",
		Short:   "Print the account and the roles that let Scantling read a cluster",
		Example: "  scantling cluster role | kubectl apply -f -",
		Args:    cobra.NoArgs,
		RunE: a.checked(func(context.Context, []string) error {
			doc := roleReport{Schema: report.Schema, Tool: a.tool(), Manifest: deploy.ReadOnly, Incomplete: []model.Incomplete{}}
			if bare {
				doc.Manifest = deploy.WithoutSecrets()
			}
			return a.show(doc, func(w io.Writer, _ report.Paint) error {
				_, err := io.WriteString(w, doc.Manifest)
				return err
			})
		}),
	}
	cmd.Flags().BoolVar(&bare, "no-secrets", false, "leave out the right to list Secrets, which RBAC can't grant without their values")
	return cmd
}
