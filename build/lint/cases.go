package lint

import (
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// Cases returns the judge of the cases of build rules, for rule.RunCases. A
// case is a Dockerfile. Comments of the form `# allow: PATTERN` in it are the
// allow-list of base images that holds for it.
func Cases(cat *rule.Catalogue) rule.Judge {
	judge, errs := Compile(cat, Config{})
	return func(ruleID, name string, data []byte) (model.Verdict, string, error) {
		if len(errs) > 0 {
			return "", "", errs[0]
		}
		f, err := dockerfile.Parse(name, data, nil)
		if err != nil && len(f.Stages) == 0 {
			return "", "", err
		}
		one := *judge
		for _, c := range f.Comments {
			if p, ok := strings.CutPrefix(c.Text, "allow:"); ok {
				one.cfg.AllowBases = append(one.cfg.AllowBases, strings.TrimSpace(p))
			}
		}
		verdict, reason := rule.Verdict(one.prog.Eval(one.subject(f)), ruleID)
		return verdict, reason, nil
	}
}
