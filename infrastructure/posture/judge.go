package posture

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// The conditions of the ladder that this package has evidence on, each for
// every workload: it was judged, it keeps the Pod Security baseline, it keeps
// the restricted level, it has no token that nobody asked for.
const (
	Checked    = "posture.checked"
	Baseline   = "posture.baseline"
	Restricted = "posture.restricted"
	Token      = "identity.token"
)

// Judge holds the compiled infrastructure rules. It is immutable and safe for
// concurrent use.
type Judge struct {
	program    *rule.Program[*target]
	baseline   *standard
	restricted *standard
}

// Compile compiles the infrastructure rules of the selected catalogue. A rule
// that can't be compiled is left out and reported as a *rule.Problem; the
// judge works with the rest.
func Compile(cat *rule.Catalogue) (*Judge, []error) {
	program, errs := rule.Compile(cat, env())
	j := &Judge{program: program}
	var err error
	if j.baseline, err = newStandard("baseline", "latest"); err != nil {
		errs = append(errs, err)
	}
	if j.restricted, err = newStandard("restricted", "latest"); err != nil {
		errs = append(errs, err)
	}
	return j, errs
}

// Rules returns the rules that the judge works with, sorted by id.
func (j *Judge) Rules() []*rule.Rule { return j.program.Rules() }

// Judge judges every workload of a snapshot, and every object of another kind
// that rules are about. Read counts them; Findings are sorted by asset, rule and cause; Facts are the ladder's
// evidence, Meets or Lacks of the conditions above. Incomplete is empty: the
// snapshot's own list is for the caller to pass on.
func (j *Judge) Judge(s *kube.Snapshot) model.Reading {
	r := model.Reading{Stage: model.Infrastructure}
	for _, t := range targets(s) {
		r.Read++
		asset := t.asset()
		for _, res := range j.program.Eval(t) {
			f := res.Rule.Finding(asset, res.Hit)
			if len(f.Evidence) == 0 {
				f.Evidence = []model.Evidence{{What: "object", Where: place(t), Value: t.name()}}
			}
			r.Findings = append(r.Findings, f)
		}
		if t.workload != nil {
			r.Facts = append(r.Facts, j.conditions(t)...)
		}
	}
	if r.Read == 0 {
		r.Why = "nothing was read that a rule is about"
	}
	slices.SortStableFunc(r.Findings, func(a, b model.Finding) int {
		return cmp.Or(cmp.Compare(a.Asset.Kind, b.Asset.Kind), cmp.Compare(a.Asset.Key, b.Asset.Key), cmp.Compare(a.Rule, b.Rule))
	})
	return r
}

// conditions is the ladder's evidence on one workload.
func (j *Judge) conditions(t *target) []model.Fact {
	meta := t.podMeta()
	return []model.Fact{
		t.condition(Checked, nil),
		t.condition(Baseline, t.violations(j.baseline.violations(meta, &t.spec))),
		t.condition(Restricted, t.violations(j.restricted.violations(meta, &t.spec))),
		t.condition(Token, t.tokenEvidence()),
	}
}

// condition is met where nothing speaks against it.
func (t *target) condition(name string, against []model.Evidence) model.Fact {
	f := model.Fact{Kind: model.Meets, Asset: t.snapshot.Ref(t.workload), Value: name, P: 1, Origin: model.Measured}
	if len(against) > 0 {
		f.Kind, f.Evidence = model.Lacks, against
	}
	return f
}

// violations is the evidence against a level: the id of each failed check.
func (t *target) violations(found []violation) []model.Evidence {
	var out []model.Evidence
	for _, v := range found {
		out = append(out, model.Evidence{What: "pss:" + v.id, Where: place(t), Value: v.detail})
	}
	return out
}

// tokenEvidence is non-empty for a workload that carries the token of the
// default account. Whether a named account's token is needed can't be seen.
func (t *target) tokenEvidence() []model.Evidence {
	if t.workload.ServiceAccount != "default" || !t.mountsToken() {
		return nil
	}
	return []model.Evidence{{What: "token of the default service account", Where: place(t), Value: "automountServiceAccountToken isn't false"}}
}

// place is "FILE:LINE" of what is judged.
func place(t *target) string {
	p := t.position()
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}
