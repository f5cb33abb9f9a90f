package report

import "github.com/scantling/scantling/model"

// Rule is what a format says of a rule beside its findings. A rule without
// one is described by the findings alone.
type Rule struct {
	ID       string
	Slug     string // a name in one word, as "runs-as-root"
	Title    string
	Why      string
	Fix      string
	Cites    []string
	Attack   []string
	Severity model.Severity
}
