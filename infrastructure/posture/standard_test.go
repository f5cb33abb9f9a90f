package posture

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/scantling/scantling/model"
)

// TestJudgeStandardConformance judges every published pod as `cluster check
// --pod-security` does. A pod that must pass has no finding; of one that must
// fail the findings are exactly the checks that the library itself refuses,
// for some violate two.
func TestJudgeStandardConformance(t *testing.T) {
	root, paths := fixtures(t)
	right := 0
	for _, path := range paths {
		below, _ := filepath.Rel(root, path)
		parts := strings.Split(filepath.ToSlash(below), "/")
		level, version := parts[0], parts[1]
		p := podOf(t, path)
		r, err := JudgeStandard(p.snapshot, level, version)
		if err != nil || r.Read != 1 {
			t.Fatalf("%s: %d read, %v", below, r.Read, err)
		}
		got := []string{}
		for _, f := range r.Findings {
			got = append(got, f.Aliases...)
		}
		want := refused(t, p, level, version)
		if diff := cmp.Diff(want, got); diff != "" || (parts[2] == "pass") != (len(got) == 0) {
			t.Errorf("%s: %s", below, diff)
			continue
		}
		right++
	}
	t.Logf("%d of %d pods", right, len(paths))
}

// refused asks the library check by check, apart from newStandard.
func refused(t *testing.T, p *target, level, version string) []string {
	t.Helper()
	v, err := api.ParseVersion(version)
	if err != nil {
		t.Fatal(err)
	}
	overridden := map[policy.CheckID]bool{}
	ids := map[bool][]string{} // by: is a check of the restricted level
	for _, c := range policy.DefaultChecks() {
		var at *policy.VersionedCheck
		for i := range c.Versions {
			if !v.Older(c.Versions[i].MinimumVersion) {
				at = &c.Versions[i]
			}
		}
		strict := c.Level == api.LevelRestricted
		if at == nil || strict && level == "baseline" {
			continue
		}
		for _, id := range at.OverrideCheckIDs {
			overridden[id] = true
		}
		if !at.CheckPod(p.podMeta(), &p.spec).Allowed {
			ids[strict] = append(ids[strict], string(c.ID))
		}
	}
	out := []string{}
	for _, strict := range []bool{false, true} {
		slices.Sort(ids[strict])
		for _, id := range ids[strict] {
			if !overridden[policy.CheckID(id)] {
				out = append(out, "pss:"+id)
			}
		}
	}
	return out
}

func TestStandardVersion(t *testing.T) {
	for in, want := range map[string]string{
		"": "latest", "latest": "latest", "1.30": "v1.30", "v1.37.2": "v1.37", "v1.31.4-gke.1183000": "v1.31", "v1.29.0+k3s1": "v1.29",
		"2.0": "", "v1": "", "1.030": "", "newest": "",
	} {
		got, err := StandardVersion(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", in, got, err, want)
		}
	}
}

func TestJudgeStandardNamesWhatFails(t *testing.T) {
	root, _ := fixtures(t)
	p := podOf(t, filepath.Join(root, "baseline", "v1.37", "fail", "hostnamespaces0.yaml"))
	r, err := JudgeStandard(p.snapshot, "baseline", "v1.37")
	if err != nil || len(r.Findings) != 1 {
		t.Fatal(r.Findings, err)
	}
	f := r.Findings[0]
	if f.Rule != StandardRule || f.Severity != model.High || f.Verdict != model.Fail || f.Asset.Key != "prod/default/Pod/hostnamespaces0" ||
		!strings.HasPrefix(f.Message, "Pod default/hostnamespaces0 violates baseline:v1.37: host namespaces (") {
		t.Errorf("%+v", f)
	}
	if _, err := JudgeStandard(p.snapshot, "strict", "latest"); err == nil {
		t.Error("an unknown level was taken")
	}
}
