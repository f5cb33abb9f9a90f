package posture

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// StandardRule is the rule id of findings by a Pod Security Standard.
const StandardRule = "pod-security"

// Latest is the newest version of the Pod Security Standards that is known.
const Latest = "latest"

var versionForm = regexp.MustCompile(`^v?1\.(0|[1-9][0-9]{0,3})(?:[.+-].*)?$`)

// StandardVersion is the version of the standards that a Kubernetes version
// has: "v1.37" for "1.37", "v1.37.2" and "v1.37.2-gke.1"; Latest for "" and
// itself.
func StandardVersion(kubernetes string) (string, error) {
	if kubernetes == "" || kubernetes == Latest {
		return Latest, nil
	}
	m := versionForm.FindStringSubmatch(kubernetes)
	if m == nil {
		return "", fmt.Errorf("%q is no version of Kubernetes: use one as v1.37", kubernetes)
	}
	return "v1." + m[1], nil
}

// JudgeStandard judges every workload of a snapshot by one level of the Pod
// Security Standards, "privileged", "baseline" or "restricted", at a version
// as StandardVersion gives it, and by nothing else. A check that a workload's
// pods fail is a finding with the alias "pss:" and the check's id, as Pod
// Security admission would refuse or warn of them; namespaces' own levels and
// exemptions don't count. Findings are in the order of workloads and checks.
func JudgeStandard(s *kube.Snapshot, level, version string) (model.Reading, error) {
	std, err := newStandard(level, version)
	if err != nil {
		return model.Reading{}, err
	}
	r := model.Reading{Stage: model.Infrastructure}
	for _, t := range targets(s) {
		if t.workload == nil {
			continue
		}
		r.Read++
		for _, v := range std.violations(t.podMeta(), &t.spec) {
			r.Findings = append(r.Findings, t.violation(level, version, v))
		}
	}
	if r.Read == 0 {
		r.Why = "no workload was read"
	}
	return r, nil
}

// violation is the finding about one check.
func (t *target) violation(level, version string, v violation) model.Finding {
	asset := t.asset()
	id, _, _ := strings.Cut(v.id, "_") // the id without the level that some have
	return model.Finding{
		ID:       model.Fingerprint(StandardRule, string(asset.Kind), asset.Key, v.id),
		Rule:     StandardRule,
		Title:    "Pod Security Standards, " + level + ": " + id,
		Aliases:  []string{"pss:" + v.id},
		Stage:    string(model.Infrastructure),
		Control:  "posture",
		Severity: model.High,
		Verdict:  model.Fail,
		Asset:    asset,
		Position: t.position(),
		Message:  fmt.Sprintf("%s violates %s:%s: %s", t.name(), level, version, v.detail),
		Evidence: []model.Evidence{{What: "pss:" + v.id, Where: place(t), Value: v.detail}},
		Fix:      &model.Fix{Text: "Change what the message names, in the pod's spec or template, until the check passes."},
	}
}
