package model

// Stage names one of the four stages.
type Stage string

// The stages, in the order of a container's life.
const (
	Build          Stage = "build"
	Registry       Stage = "registry"
	Infrastructure Stage = "infrastructure"
	Runtime        Stage = "runtime"
)

// Stages lists the four in order.
var Stages = []Stage{Build, Registry, Infrastructure, Runtime}

// Reading is everything that one stage hands over: what it read and what it
// concluded. Read counts inputs. A stage with Read == 0 has no data: it is
// unknown, never clean, and Why says what was missing.
type Reading struct {
	Stage      Stage
	Read       int
	Why        string
	Assets     []Asset
	Facts      []Fact
	Weaknesses []Weakness
	Findings   []Finding
	Actions    []Action
	Alerts     []Alert
	Incomplete []Incomplete
}

// Merge appends the contents of o, of the same stage, to r.
func (r *Reading) Merge(o Reading) {
	r.Read += o.Read
	if r.Why == "" {
		r.Why = o.Why
	}
	r.Assets = append(r.Assets, o.Assets...)
	r.Facts = append(r.Facts, o.Facts...)
	r.Weaknesses = append(r.Weaknesses, o.Weaknesses...)
	r.Findings = append(r.Findings, o.Findings...)
	r.Actions = append(r.Actions, o.Actions...)
	r.Alerts = append(r.Alerts, o.Alerts...)
	r.Incomplete = append(r.Incomplete, o.Incomplete...)
}
