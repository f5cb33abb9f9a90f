//go:build !scanner

package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/kube"
)

// reads gives a command the switches that say which cluster it reads where no
// path is named.
func (a *app) reads(cmd *cobra.Command) *cobra.Command {
	flags := cmd.Flags()
	flags.StringVar(&a.access.Context, "context", "", "live cluster: context of the kubeconfig (default the current one)")
	flags.StringVarP(&a.access.Namespace, "namespace", "n", "", "live cluster: read this namespace alone (default all)")
	flags.StringVar(&a.access.Kubeconfig, "kubeconfig", "", "live cluster: file to use in place of KUBECONFIG and ~/.kube/config")
	flags.StringArrayVar(&a.values, "values", nil, "values file for the charts that are read (repeatable, the last one wins)")
	return cmd
}

// live reads the cluster that the switches name.
func (a *app) live(ctx context.Context, cluster string, access kube.Access) (*kube.Snapshot, error) {
	access.Agent = "scantling/" + Version
	connection, err := kube.Connect(access)
	if err != nil {
		return nil, failed("%w", err)
	}
	s, err := connection.Read(ctx, cluster)
	if err != nil {
		return nil, failed("%w", err)
	}
	return s, nil
}

// tellOrigin says which cluster was read, and that a part of it was.
func (a *app) tellOrigin(s *kube.Snapshot) {
	o := s.Origin
	if o == nil || o.Server == "" {
		return
	}
	a.say("cluster %s, Kubernetes %s, %d objects, as of %s", orUnnamed(o.Cluster), o.Server, len(s.Objects), o.Time.Format("2006-01-02 15:04:05 MST"))
	if len(o.Namespaces) > 0 {
		a.say("note: only namespace %s was read: what lies in others has no part in the answer", strings.Join(o.Namespaces, ", "))
	}
}

func orUnnamed(name string) string {
	if name == "" {
		return "without a name"
	}
	return name
}
