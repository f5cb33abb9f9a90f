package detect

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/ingest"
)

// Judge returns the judge of the program's rules for rule.RunCases: a case is
// a log of a kind that the rule reads, on which it fails when it raises an
// alert, and is unknown when the log's level keeps it from telling. A case
// without any such record would prove nothing: it is an error.
func (p *Program) Judge() rule.Judge {
	kinds := map[string][]string{}
	for _, r := range p.Rules() {
		kinds[r.ID] = r.Kinds
	}
	return func(id, name string, data []byte) (model.Verdict, string, error) {
		r := NewResults(p)
		meant := false
		res, err := ingest.Read(context.Background(), name, bytes.NewReader(data), ingest.Config{}, func(ev model.Event) error {
			meant = meant || slices.Contains(kinds[id], ev.Source)
			r.Add(ev)
			return nil
		})
		if err != nil {
			return "", "", err
		}
		if len(res.Incomplete) > 0 {
			return "", "", fmt.Errorf("%s: %s", res.Incomplete[0].What, res.Incomplete[0].Why)
		}
		if !meant {
			return "", "", fmt.Errorf("no record of a log that rule %s reads, which are %s: it is %s", id, strings.Join(kinds[id], ", "), res.Kind)
		}
		for _, a := range r.Alerts() {
			if a.Rule == id {
				return model.Fail, fmt.Sprintf("record %d", a.Index), nil
			}
		}
		for _, u := range r.Unknown() {
			if u.What == "rule "+id || u.What == "rule "+id+ofMatches {
				return model.Unknown, u.Why, nil
			}
		}
		return model.Pass, "no record matches", nil
	}
}
