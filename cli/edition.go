//go:build !scanner

package cli

import (
	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/posture"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/signal"
)

// The complete program calls itself nothing else.
const (
	edition  = ""
	short    = "Where to start with container security: one ordered list of actions"
	long     = "Scantling reads Dockerfiles, images, a cluster's manifests and logs, joins them,\nand prints an ordered list of actions, each with the risk that it removes."
	examples = "  scantling demo\n  scantling assess .\n  scantling why 1 ."

	aboutRules  = "List, show, test, document and begin rules"
	aboutEstate = "folder of an estate, as assess reads it: name the workloads that run what a change touches"
)

// wider holds the switches of clusters.
type wider struct {
	access kube.Access // --context, --namespace, --kubeconfig
	values []string    // --values
}

func (a *app) commands() []*cobra.Command {
	return []*cobra.Command{
		a.assessCommand(), a.planCommand(), a.whyCommand(), a.doCommand(), a.ciCommand(), a.demoCommand(),
		a.lintCommand(), a.imageCommand(), a.advisoriesCommand(), a.registryCommand(), a.clusterCommand(), a.detectCommand(),
		a.rulesCommand(a.rulesDocsCommand()), a.versionCommand(), a.completionCommand(), a.renderInIsolationCommand(),
	}
}

// addJudges adds the functions that judge cases of stages which this edition
// alone has.
func addJudges(judges map[model.Stage]rule.Judge, cat *rule.Catalogue) []error {
	infrastructure, errs := posture.Compile(cat)
	runtime, more := detect.Compile(detect.FromCatalogue(cat))
	judges[model.Infrastructure] = infrastructure.Case
	judges[model.Runtime] = runtimeCases(cat, runtime.Judge(), signal.Cases(cat))
	return append(errs, more...)
}

// runtimeCases judges the cases of detections, and those of alarms.
func runtimeCases(cat *rule.Catalogue, detection, alarm rule.Judge) rule.Judge {
	return func(id, name string, data []byte) (model.Verdict, string, error) {
		if r, err := cat.Rule(id); err == nil && r.Check != "" {
			return alarm(id, name, data)
		}
		return detection(id, name, data)
	}
}
