package risk

import (
	"math"
	"time"

	"github.com/scantling/scantling/model"
)

// Settings are what the user decides.
type Settings struct {
	Line     *Points // the load that the user accepts; nil: a third of this run's load
	Jewels   []Jewel
	Accept   []model.Exception
	AsOf     time.Time // the day of the assessment, for due and expiry dates
	Defaults *Defaults // nil: Standard()
}

// Jewel is an asset that the user prices. All jewels sum to 1000 points; what
// the user leaves over is shared among the defaults.
type Jewel struct {
	Name  string
	Match model.Ref
	Value float64
}

// Defaults are the numbers used where nothing was measured. All are printed
// by `why`.
type Defaults struct {
	NoEPSS      float64 // p of an advisory without an EPSS score
	MaxP        float64 // highest p of an advisory; also the floor of one in KEV
	UnknownFlaw float64 // p that a workload has a flaw that nobody knows
	Public      float64 // x of a workload reachable from outside
	Inside      float64 // x of one reachable from another workload
	Hidden      float64 // x otherwise
	Loaded      float64 // u of a component seen loaded
	UnknownUse  float64 // u of a component of which nobody knows
	NeverLoaded float64 // u of one never seen loaded
	Exploit     float64 // p of breaking into a neighbour without a known weakness
	Rho         float64 // share of a seen loss that response averts
	RhoTested   float64 // the same where a playbook is tested
	SeenRule    float64 // d with log and rule
	SeenTested  float64 // d with log and tested rule
	ClusterWide float64 // value of cluster admin
	Secrets     float64 // shared by all mounted Secrets
	CloudRoles  float64 // shared by all cloud roles
	Nodes       float64 // shared by all nodes
	scale       float64 // factor on every fact whose probability is a default
}

// Standard returns the defaults of docs/model.md.
func Standard() *Defaults {
	return &Defaults{
		NoEPSS: .01, MaxP: .97, UnknownFlaw: .005,
		Public: 1, Inside: .2, Hidden: .02,
		Loaded: 1, UnknownUse: .5, NeverLoaded: .1,
		Exploit: .02, Rho: .5, RhoTested: .8, SeenRule: .3, SeenTested: .8,
		ClusterWide: 400, Secrets: 300, CloudRoles: 200, Nodes: 100,
		scale: 1,
	}
}

// Scaled multiplies every default probability by k, for the stability that is
// shown to the user: exposure, use, values and measured scores stay.
func (d *Defaults) Scaled(k float64) *Defaults {
	c := *d
	for _, p := range []*float64{&c.NoEPSS, &c.UnknownFlaw, &c.Exploit, &c.Rho, &c.RhoTested, &c.SeenRule, &c.SeenTested} {
		*p = math.Min(*p*k, d.MaxP)
	}
	c.scale = d.scale * k
	return &c
}

// hours is the effort of one action of a type (docs/model.md, Effort).
var hours = map[model.ActionType]float64{
	model.UpgradeComponent: 2, model.RebuildBase: 2, model.SplitIdentity: 2,
	model.AddPolicy: 1.5, model.DropPrivilege: 1, model.EnableLog: 1, model.AddRule: 1,
	model.TestRule: 1, model.TestPlaybook: 3, model.ShortenLifetime: .5,
	model.DeleteBinding: .25, model.RetireImage: .25,
}

// Hours is the effort of an action of type t.
func Hours(t model.ActionType) float64 { return hours[t] }
