package model

import (
	"strings"
	"time"
)

// FactKind says what a Fact states.
type FactKind string

// Facts that join the stages. The comment names Asset -> Object and Value.
const (
	Runs    FactKind = "runs"     // workload -> image; Key of Object may be any alias (the pod's image reference)
	BuiltBy FactKind = "built-by" // image -> source
	ActsAs  FactKind = "acts-as"  // workload -> identity
	RunsOn  FactKind = "runs-on"  // workload -> node
	Mounts  FactKind = "mounts"   // workload -> secret (volume or environment)
	Exposed FactKind = "exposed"  // workload; Value "public", "inside" or "hidden"
	InUse   FactKind = "in-use"   // component on an image; Value "loaded" or "never"
	// UnverifiedInput is a base or download of a source that nothing verifies;
	// P is the chance that it brings a flaw.
	UnverifiedInput FactKind = "unverified-input"
	// UsedRight is a right that a log shows in use: identity -> namespace (zero
	// for the whole cluster); Value is "VERB GROUP/RESOURCE[/SUB]".
	UsedRight FactKind = "used-right"
)

// Facts that attack steps rest on: each has a probability P and may be
// removed by an action. They are the leaves of the attack graph.
const (
	Right   FactKind = "right"   // binding -> identity: Value is "ROLE rules[N]: VERBS on GROUP/RESOURCES[ named NAMES]"
	Token   FactKind = "token"   // workload -> identity: its token is readable in the container; Value is whom it is for, "" the API server
	Escape  FactKind = "escape"  // workload -> node: Value is the way out, as "privileged"
	Network FactKind = "network" // namespace (destination): Value says whom its open workloads let in; namespace or workload (source): Value says what outside it reaches
	Exploit FactKind = "exploit" // workload: a neighbour can break into it; P is set from its weaknesses
	Holds   FactKind = "holds"   // workload -> secret: its value is readable in the container
	Trusts  FactKind = "trusts"  // identity, node or cloud role -> cloud role or identity; Value says by what
)

// Facts about sight and response.
const (
	LogRead        FactKind = "log-read"        // log source; Value is its level where it has one
	RuleFor        FactKind = "rule-for"        // technique -> log source: a detection exists; Value is the rule id
	RuleTested     FactKind = "rule-tested"     // technique -> log source: it has an attack and a benign case
	PlaybookTested FactKind = "playbook-tested" // cluster or estate
)

// Evidence for the ladder: Value is the name of a condition, as "base.pinned".
// An asset that neither meets nor lacks a condition is unknown for it.
const (
	Meets FactKind = "meets"
	Lacks FactKind = "lacks" // Evidence says why
)

// Fact is one statement with its probability and its proof. Facts that were
// simply read have P = 1.
type Fact struct {
	Kind     FactKind   `json:"kind"`
	Asset    Ref        `json:"asset"`
	Object   Ref        `json:"object,omitzero"`
	Value    string     `json:"value,omitempty"`
	P        float64    `json:"p"`
	Origin   Origin     `json:"origin"`
	Source   string     `json:"source,omitempty"`
	Date     time.Time  `json:"date,omitzero"`
	Attack   string     `json:"attack,omitempty"` // ATT&CK id of using it: what a detection would see
	Evidence []Evidence `json:"evidence,omitempty"`
}

// ID identifies a fact by what it states, not by where it was read.
func (f Fact) ID() string {
	return strings.Join([]string{string(f.Kind), string(f.Asset.Kind), f.Asset.Key, string(f.Object.Kind), f.Object.Key, f.Value}, "|")
}

// Tri is a three-valued answer. The zero value means that nobody knows.
type Tri string

// The three answers.
const (
	Yes     Tri = "yes"
	No      Tri = "no"
	DontSay Tri = ""
)

// Weakness is one advisory that touches one component of one image.
type Weakness struct {
	Advisory   string   `json:"advisory"`
	Aliases    []string `json:"aliases,omitempty"`
	CVEs       []string `json:"cves,omitempty"`
	Image      Ref      `json:"image"`
	Component  string   `json:"component"` // package URL of the installed package
	Package    string   `json:"package"`   // name that the advisory uses (the source package on Debian)
	Version    string   `json:"version"`
	Ecosystem  string   `json:"ecosystem"`
	Fixed      string   `json:"fixed,omitempty"` // lowest version that is not affected; empty: no fix known
	Layer      string   `json:"layer,omitempty"` // digest of the uncompressed layer that brought the component
	Path       string   `json:"path,omitempty"`  // where it was found inside the image
	Severity   Severity `json:"severity"`
	CVSS       float64  `json:"cvss,omitempty"`       // base score 0..10; 0 unknown
	CVSSVector string   `json:"cvssVector,omitempty"` // as the record has it
	EPSS       float64  `json:"epss,omitempty"`       // 30-day probability; 0 with HasEPSS false means none given
	HasEPSS    bool     `json:"hasEpss,omitempty"`
	KEV        bool     `json:"kev,omitempty"`
	// Automatable and TotalImpact are SSVC decision points: from CISA's
	// enrichment when given, else from the CVSS vector (Assumed is true then).
	Automatable Tri       `json:"automatable,omitempty"`
	TotalImpact Tri       `json:"totalImpact,omitempty"`
	Assumed     bool      `json:"assumed,omitempty"`
	Source      string    `json:"source,omitempty"`
	Modified    time.Time `json:"modified,omitzero"`
	Published   time.Time `json:"published,omitzero"` // of the record
	KEVAdded    time.Time `json:"kevAdded,omitzero"`  // earliest day on which one of its CVEs joined the catalogue
	// Exploitation is an SSVC decision point from CISA's enrichment: "none",
	// "public poc" or "active"; "" where none was given.
	Exploitation string     `json:"exploitation,omitempty"`
	Statement    *Statement `json:"statement,omitempty"` // of a VEX document; nil: none
}

// Fixable reports whether there is a fix, and no statement that none is
// needed.
func (w Weakness) Fixable() bool { return w.Fixed != "" && !w.Statement.Favourable() }

// ID identifies the weakness: advisory, image and component.
func (w Weakness) ID() string {
	return strings.Join([]string{"weakness", w.Advisory, w.Image.Key, w.Component, w.Path}, "|")
}
