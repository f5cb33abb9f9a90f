package detect

import (
	"bytes"
	"context"
	"fmt"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/ingest"
)

// Judge returns the judge of the program's rules for rule.RunCases: a case is
// a Kubernetes audit log, on which the rule fails when it raises an alert, and
// is unknown when the log's level keeps it from telling.
func (p *Program) Judge() rule.Judge {
	return func(id, name string, data []byte) (model.Verdict, string, error) {
		r := NewResults(p)
		res, err := ingest.Read(context.Background(), name, bytes.NewReader(data), ingest.Config{}, func(ev model.Event) error {
			r.Add(ev)
			return nil
		})
		if err != nil {
			return "", "", err
		}
		if len(res.Incomplete) > 0 {
			return "", "", fmt.Errorf("%s: %s", res.Incomplete[0].What, res.Incomplete[0].Why)
		}
		for _, a := range r.Alerts() {
			if a.Rule == id {
				return model.Fail, fmt.Sprintf("record %d", a.Index), nil
			}
		}
		for _, u := range r.Unknown() {
			if u.What == "rule "+id {
				return model.Unknown, u.Why, nil
			}
		}
		return model.Pass, "no record matches", nil
	}
}
