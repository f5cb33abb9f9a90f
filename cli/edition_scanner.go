//go:build scanner

package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// The scanner edition judges Dockerfiles and images, for a job of a pipeline
// that does nothing else: a third of the size, about half of the
// memory, and no client of clusters or log server in it.
const (
	edition  = "scanner"
	short    = "Container security, the scanner edition: Dockerfiles and images"
	long     = "This edition of Scantling judges Dockerfiles and images. The complete program reads\nclusters and logs as well, joins them all, and prints an ordered list of actions."
	examples = "  scantling lint\n  scantling advisories sync --ecosystem Debian\n  scantling image app.tar"

	aboutRules  = "List, show, test and begin rules"
	aboutEstate = "folder of an estate: the complete program reads one"
)

type wider struct{}

// commands are those of files and images; in place of each other one stands
// where it is to be found.
func (a *app) commands() []*cobra.Command {
	list := []*cobra.Command{
		a.lintCommand(), a.imageCommand(), a.advisoriesCommand(), a.registryCommand(),
		a.rulesCommand(absent("docs")), a.versionCommand(), a.completionCommand(),
	}
	for _, name := range []string{"assess", "plan", "why", "do", "ci", "demo", "cluster", "detect"} {
		list = append(list, absent(name))
	}
	return list
}

// absent is a command of the complete program alone.
func absent(name string) *cobra.Command {
	return &cobra.Command{
		Use: name, Short: "Only the complete program has this, and this is the scanner edition", Hidden: true, DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error { return elsewhere(cmd.CommandPath()) },
	}
}

func elsewhere(what string) error {
	return usage("%s: this is the scanner edition; the complete program has it", what)
}

// workloadsOf is of the complete program: it takes an estate.
func (a *app) workloadsOf(context.Context, string) (workloads, error) {
	return nil, elsewhere("--estate")
}

// addJudges adds none: there are those of the other stages.
func addJudges(map[model.Stage]rule.Judge, *rule.Catalogue) []error { return nil }
