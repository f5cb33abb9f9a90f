package lint

import (
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// Cases returns the judge of the cases of build rules, for rule.RunCases. A
// case is a Dockerfile. Comments in it are the policy that holds for it:
// `# allow: PATTERN` a base image, `# allow-source: HOST` a host of downloads,
// `# require-label: NAME` a label. `# dockerignore: PATTERN` is a line of the
// .dockerignore; `# no-dockerignore` says that there is none.
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
		var ignore []string
		for _, c := range f.Comments {
			key, p, _ := strings.Cut(c.Text, ":")
			p = strings.TrimSpace(p)
			switch key {
			case "allow":
				one.cfg.AllowBases = append(one.cfg.AllowBases, p)
			case "allow-source":
				one.cfg.AllowSources = append(one.cfg.AllowSources, p)
			case "require-label":
				one.cfg.RequiredLabels = append(one.cfg.RequiredLabels, p)
			case "dockerignore":
				ignore = append(ignore, p)
			case "no-dockerignore":
				f.Ignore = &dockerfile.Ignore{}
			}
		}
		if len(ignore) > 0 {
			if f.Ignore, err = dockerfile.ParseIgnore(".dockerignore", []byte(strings.Join(ignore, "\n"))); err != nil {
				return "", "", err
			}
		}
		verdict, reason := rule.Verdict(one.prog.Eval(one.subject(f)), ruleID)
		return verdict, reason, nil
	}
}
