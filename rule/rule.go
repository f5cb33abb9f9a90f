package rule

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
)

// Rule is one rule of the catalogue as its rule.yaml states it. It is not
// changed after Load and safe to share.
type Rule struct {
	ID       string // letter of the stage and three to five digits, as "B103"; never reused
	Slug     string // of the folder's name, as "runs-as-root"
	Stage    model.Stage
	Title    string
	Severity model.Severity
	Since    string // first rule set that holds it, as "2026.1"
	Why      string
	Fix      string
	Cites    []string // sources of the demand, at least one, as "CIS-Docker-4.1"
	Aliases  []string // ids of the same demand in other tools
	Control  string   // one of Controls
	Attack   []string // ATT&CK ids of what it hinders or detects
	Off      string   // why the rule is off by default; empty: it is on
	Needs    string   // NeedsObject, NeedsNamespace or NeedsGraph

	// CEL logic. Match is empty for the other forms.
	Match     string
	Each      string     // scope whose elements Match is asked for one by one; empty: asked once
	Kinds     []string   // Kubernetes kinds that it judges; empty: all that the stage gives it
	Variables []Variable // as variables.NAME in Match, Message and later variables
	Message   string     // CEL string expression; empty: the title

	Check string // name of a Go function

	// Sigma holds the keys logsource and detection, and correlation,
	// falsepositives and fields where given, of a Sigma rule; its nodes have
	// the lines of File.
	// Nil for the other forms.
	Sigma *yaml.Node

	File string // path of rule.yaml as shown to users
	Line int    // of the logic: match, check or detection

	lines map[string]int // line on which the text of an expression begins, by key
}

// Variable is a named CEL expression, as ValidatingAdmissionPolicy has them.
type Variable struct {
	Name       string
	Expression string
	line       int
}

// What a rule's logic reads, and so where it can be enforced: the object
// alone (anywhere, a native admission policy included), its namespace and the
// authorizer too (with a snapshot, or natively), or the whole cluster (never
// exported).
const (
	NeedsObject    = "object"
	NeedsNamespace = "namespace"
	NeedsGraph     = "graph"
)

// Controls are the ids of the fourteen controls of the model, in its order.
var Controls = []string{
	"base", "deps", "labels", "hygiene", "scan", "patch", "shelf",
	"posture", "threat", "network", "identity", "lifetime",
	"detect", "respond",
}

// Hit is what a rule says about one place of one input. An input without a
// hit passed. Verdict is model.Fail or model.Unknown.
type Hit struct {
	Verdict  model.Verdict
	Position model.Position
	// Cause tells the hit from the rule's other hits on one asset and stays
	// the same when lines move: a container's name, an instruction's text.
	Cause    string
	Message  string // one sentence; of an unknown, why it couldn't be told
	Evidence []model.Evidence
	Fix      *model.Fix      // nil: the rule's own text
	Severity *model.Severity // nil: the rule's
}

// Result is one hit with its rule.
type Result struct {
	Rule *Rule
	Hit
}

// Verdict is the verdict of one rule on one input: fail if any of its results
// fails, else unknown if any is, else pass. id is the rule's.
func Verdict(results []Result, id string) (model.Verdict, string) {
	verdict, reason := model.Pass, ""
	for _, r := range results {
		if r.Rule.ID != id {
			continue
		}
		if r.Verdict == model.Fail {
			return model.Fail, r.Message
		}
		if verdict == model.Pass {
			verdict, reason = r.Verdict, r.Message
		}
	}
	return verdict, reason
}

// Finding fills the rule's part of a finding on an asset. Its ID is the
// fingerprint of rule, asset and cause, never of the position.
func (r *Rule) Finding(asset model.FindingAsset, h Hit) model.Finding {
	fix := h.Fix
	if fix == nil {
		fix = &model.Fix{Text: r.Fix}
	}
	severity := r.Severity
	if h.Severity != nil {
		severity = *h.Severity
	}
	message := h.Message
	if message == "" {
		message = r.Title
	}
	return model.Finding{
		ID:       model.Fingerprint(r.ID, string(asset.Kind), asset.Key, h.Cause),
		Rule:     r.ID,
		Title:    r.Title,
		Aliases:  append([]string{}, r.Aliases...),
		Stage:    string(r.Stage),
		Control:  r.Control,
		Severity: severity,
		Verdict:  h.Verdict,
		Asset:    asset,
		Position: h.Position,
		Message:  message,
		Evidence: append([]model.Evidence{}, h.Evidence...),
		Fix:      fix,
	}
}

// Problem is one thing wrong with a rule or its folder. Line is 0 where the
// whole file is meant.
type Problem struct {
	File string
	Line int
	Text string
}

// Error is "FILE:LINE: TEXT", or "FILE: TEXT" without a line.
func (p *Problem) Error() string {
	if p.Line == 0 {
		return p.File + ": " + p.Text
	}
	return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Text)
}

// problem reports on a key of r's own file.
func (r *Rule) problem(key, format string, args ...any) *Problem {
	line, ok := r.lines[key]
	if !ok {
		line = r.Line
	}
	return &Problem{File: r.File, Line: line, Text: fmt.Sprintf(format, args...)}
}

// hasKind reports whether r judges objects of a kind.
func (r *Rule) hasKind(kind string) bool {
	return len(r.Kinds) == 0 || slices.Contains(r.Kinds, kind)
}
