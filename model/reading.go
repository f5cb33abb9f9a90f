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
