package risk

import (
	"slices"

	"github.com/scantling/scantling/model"
)

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

// SSVC is the deployer's priority of a weakness, as a range where a decision
// point is unknown: nobody measures human impact, and without KEV or CISA's
// enrichment nobody knows whether an exploit is public.
func SSVC(weak model.Weakness, public model.Tri) string {
	exploitation, exposure, automatable := exploitations[:2], exposures, automations
	if i := slices.Index(exploitations, weak.Exploitation); i >= 0 {
		exploitation = exploitations[i : i+1]
	}
	if weak.KEV {
		exploitation = exploitations[2:]
	}
	switch public {
	case model.Yes:
		exposure = exposures[2:]
	case model.No:
		exposure = exposures[:2]
	}
	if weak.Automatable != model.DontSay {
		automatable = []string{string(weak.Automatable)}
	}
	// The tree is monotone, so its least and most urgent corners bound it.
	least, _ := Deployer(exploitation[0], exposure[0], automatable[0], humanImpacts[0])
	most, _ := Deployer(exploitation[len(exploitation)-1], exposure[len(exposure)-1], automatable[len(automatable)-1], humanImpacts[len(humanImpacts)-1])
	if least == most {
		return least
	}
	return least + " to " + most
}
