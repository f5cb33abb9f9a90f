package posture

import (
	"bytes"
	"context"
	"fmt"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// Case is the rule.Judge of this package: a case is a manifest, on which the
// worst finding of the rule is its verdict.
func (j *Judge) Case(id, name string, data []byte) (model.Verdict, string, error) {
	s, err := kube.ReadFrom(context.Background(), "case", name, bytes.NewReader(data))
	if err != nil {
		return "", "", err
	}
	reading := j.Judge(s)
	if reading.Read == 0 {
		return "", "", fmt.Errorf("nothing to judge in the case")
	}
	verdict, why := model.Pass, ""
	for _, f := range reading.Findings {
		if f.Rule == id && verdict != model.Fail {
			verdict, why = f.Verdict, f.Message
		}
	}
	return verdict, why, nil
}
