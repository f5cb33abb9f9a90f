package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/deploy"
)

func (a *app) roleCommand() *cobra.Command {
	var bare bool
	cmd := &cobra.Command{
		Use:     "role",
		Short:   "Print the account and the roles that let Scantling read a cluster",
		Example: "  scantling cluster role | kubectl apply -f -",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if a.format != "text" {
				return usage("--format %q: %s prints YAML: leave out --format", a.format, cmd.CommandPath())
			}
			return a.checked(func(context.Context, []string) error {
				text := deploy.ReadOnly
				if bare {
					text = deploy.WithoutSecrets()
				}
				if _, err := fmt.Fprint(a.Out, text); err != nil {
					return failed("writing the result: %w", err)
				}
				return nil
			})(cmd, args)
		},
	}
	cmd.Flags().BoolVar(&bare, "no-secrets", false, "leave out the right to list Secrets, which RBAC can't grant without their values")
	return cmd
}
