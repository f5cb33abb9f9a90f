package posture

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

// standard is one level of the Pod Security Standards at one version: the
// checks that a pod must pass, baseline ones first, each group sorted by id.
type standard struct {
	checks []standardCheck
}

type standardCheck struct {
	id  string
	run policy.CheckPodFn
}

// violation is one check that a pod fails: its id, as "hostNamespaces", and
// what it says about the pod.
type violation struct {
	id     string
	detail string
}

// newStandard picks the checks of a level, "baseline" or "restricted", at a
// version, "latest" or as "v1.37". It reads them from the library one by one,
// because policy.Evaluator gives results without the ids of their checks.
func newStandard(level, version string) (*standard, error) {
	lv, err := api.ParseLevel(level)
	if err != nil {
		return nil, fmt.Errorf("reading Pod Security level %q: %w", level, err)
	}
	v, err := api.ParseVersion(version)
	if err != nil {
		return nil, fmt.Errorf("reading Pod Security version %q: %w", version, err)
	}
	baseline, restricted := []standardCheck{}, []standardCheck{}
	overridden := map[policy.CheckID]bool{}
	for _, check := range policy.DefaultChecks() {
		at := atVersion(check, v)
		if at == nil {
			continue
		}
		c := standardCheck{id: string(check.ID), run: at.CheckPod}
		if check.Level == api.LevelBaseline {
			baseline = append(baseline, c)
			continue
		}
		restricted = append(restricted, c)
		for _, id := range at.OverrideCheckIDs {
			overridden[id] = true
		}
	}
	s := &standard{}
	switch lv {
	case api.LevelPrivileged:
	case api.LevelBaseline:
		s.checks = sortChecks(baseline)
	case api.LevelRestricted:
		baseline = slices.DeleteFunc(baseline, func(c standardCheck) bool { return overridden[policy.CheckID(c.id)] })
		s.checks = append(sortChecks(baseline), sortChecks(restricted)...)
	}
	return s, nil
}

// atVersion is the newest form of a check that is not newer than v; nil where
// the check came later.
func atVersion(check policy.Check, v api.Version) *policy.VersionedCheck {
	var found *policy.VersionedCheck
	for i := range check.Versions {
		if !v.Older(check.Versions[i].MinimumVersion) {
			found = &check.Versions[i]
		}
	}
	return found
}

func sortChecks(checks []standardCheck) []standardCheck {
	slices.SortFunc(checks, func(a, b standardCheck) int {
		if a.id < b.id {
			return -1
		}
		return 1
	})
	return checks
}

// violations returns the checks that a pod fails. The spec must have the API
// server's defaults: a volume without a source counts as no emptyDir else.
func (s *standard) violations(meta *metav1.ObjectMeta, spec *corev1.PodSpec) []violation {
	var out []violation
	for _, c := range s.checks {
		if res := c.run(meta, spec); !res.Allowed {
			v := violation{id: c.id, detail: res.ForbiddenReason}
			if res.ForbiddenDetail != "" {
				v.detail += " (" + res.ForbiddenDetail + ")"
			}
			out = append(out, v)
		}
	}
	return out
}
