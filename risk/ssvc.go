package risk

import "slices"

// The values of the decision points of SSVC's deployer tree, least urgent
// first (CERT/CC, "Deployer Patch Application Priority" version 1.0.0).
var (
	exploitations = []string{"none", "public poc", "active"}
	exposures     = []string{"small", "controlled", "open"}
	automations   = []string{"no", "yes"}
	humanImpacts  = []string{"low", "medium", "high", "very high"}
)

// Priorities are the outcomes, least urgent first.
var Priorities = []string{"defer", "scheduled", "out-of-cycle", "immediate"}

// deployer holds the 72 outcomes as their first letters: a row for each
// exploitation, exposure and automatable; a column for each human impact.
const deployer = "" +
	"ddss" + "dsss" + // none, small: not automatable, automatable
	"dsss" + "ssss" + // none, controlled
	"dsss" + "ssso" + // none, open
	"dsss" + "ssss" + // public poc, small
	"dsss" + "ssso" + // public poc, controlled
	"ssso" + "ssoo" + // public poc, open
	"ssoo" + "sooo" + // active, small
	"ssoo" + "oooo" + // active, controlled
	"sooi" + "ooii" //   active, open

// Deployer is SSVC's priority for whoever deploys a patch. ok is false where
// one of the values is none of the tree's.
func Deployer(exploitation, exposure, automatable, humanImpact string) (priority string, ok bool) {
	at := 0
	for _, point := range []struct {
		value  string
		values []string
	}{{exploitation, exploitations}, {exposure, exposures}, {automatable, automations}, {humanImpact, humanImpacts}} {
		i := slices.Index(point.values, point.value)
		if i < 0 {
			return "", false
		}
		at = at*len(point.values) + i
	}
	for _, p := range Priorities {
		if p[0] == deployer[at] {
			return p, true
		}
	}
	return "", false
}
