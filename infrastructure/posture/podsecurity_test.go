package posture

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// fixtures lists the pods that ship with the Pod Security library, by path
// below its testdata: LEVEL/VERSION/pass|fail/NAME.yaml.
func fixtures(t *testing.T) (root string, paths []string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/pod-security-admission").Output()
	if err != nil {
		t.Skipf("the fixtures are in the module cache, and the go command can't name it: %v", err)
	}
	root = filepath.Join(strings.TrimSpace(string(out)), "test", "testdata")
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".yaml") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Skipf("the fixtures of the Pod Security library are absent: %v", err)
	}
	if len(paths) < 4000 {
		t.Fatalf("%d fixtures, want thousands", len(paths))
	}
	return root, paths
}

// podOf reads one fixture as our reader does, as the target that is judged.
func podOf(t *testing.T, path string) *target {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s, err := kube.ReadFrom(context.Background(), "prod", path, f)
	if err != nil {
		t.Fatal(err)
	}
	all := targets(s)
	if len(all) != 1 || len(s.Incomplete) > 0 {
		t.Fatalf("%s: %d targets, incomplete %v", path, len(all), s.Incomplete)
	}
	return all[0]
}

// TestStandardConformance judges every fixture at its own level and version.
func TestStandardConformance(t *testing.T) {
	root, paths := fixtures(t)
	standards := map[string]*standard{}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	right := 0
	for _, path := range paths {
		below, _ := filepath.Rel(root, path)
		parts := strings.Split(filepath.ToSlash(below), "/")
		level, version := parts[0], parts[1]
		std := standards[level+version]
		if std == nil {
			if std, err = newStandard(level, version); err != nil {
				t.Fatal(err)
			}
			standards[level+version] = std
		}
		p := podOf(t, path)
		found := std.violations(p.podMeta(), &p.spec)
		if (parts[2] == "pass") == (len(found) == 0) {
			right++
		} else {
			t.Errorf("%s: %v", below, found)
		}
		v, _ := api.ParseVersion(version)
		wrong := slices.DeleteFunc(evaluator.EvaluatePod(api.LevelVersion{Level: api.Level(level), Version: v}, p.podMeta(), &p.spec), func(r policy.CheckResult) bool { return r.Allowed })
		if len(wrong) != len(found) {
			t.Errorf("%s: %d violations, the library's evaluator finds %d", below, len(found), len(wrong))
		}
	}
	t.Logf("%d of %d fixtures as published", right, len(paths))
}

// aliasOracle says, by the library's latest checks, whether a rule must fail:
// any of the checks that its aliases name fails.
func aliasOracle(t *testing.T, cat *rule.Catalogue) map[string]func(*metav1.ObjectMeta, *corev1.PodSpec) bool {
	t.Helper()
	std, err := newStandard("restricted", "latest")
	if err != nil {
		t.Fatal(err)
	}
	baseline, err := newStandard("baseline", "latest")
	if err != nil {
		t.Fatal(err)
	}
	run := map[string]policy.CheckPodFn{}
	for _, c := range append(std.checks, baseline.checks...) {
		run[c.id] = c.run
	}
	oracle := map[string]func(*metav1.ObjectMeta, *corev1.PodSpec) bool{}
	for _, r := range cat.Stage(model.Infrastructure) {
		var checks []policy.CheckPodFn
		for _, alias := range r.Aliases {
			if id, ok := strings.CutPrefix(alias, "pss:"); ok {
				if run[id] == nil {
					t.Errorf("%s: no Pod Security check is called %q", r.ID, id)
					continue
				}
				checks = append(checks, run[id])
			}
		}
		if len(checks) > 0 {
			oracle[r.ID] = func(meta *metav1.ObjectMeta, spec *corev1.PodSpec) bool {
				return slices.ContainsFunc(checks, func(c policy.CheckPodFn) bool { return !c(meta, spec).Allowed })
			}
		}
	}
	if len(oracle) < 6 {
		t.Fatalf("%d rules name a Pod Security check, want 6", len(oracle))
	}
	return oracle
}

// compare holds our rules against the library on one pod.
func compare(t *testing.T, j *Judge, oracle map[string]func(*metav1.ObjectMeta, *corev1.PodSpec) bool, p *target, name string) (fails int) {
	t.Helper()
	results := j.program.Eval(p)
	for id, must := range oracle {
		want := model.Pass
		if must(p.podMeta(), &p.spec) {
			want = model.Fail
			fails++
		}
		if got, why := rule.Verdict(results, id); got != want {
			spec, _ := json.Marshal(p.spec)
			t.Errorf("%s: %s says %s (%s), the Pod Security library %s\n%s", name, id, got, why, want, spec)
		}
	}
	return fails
}

// TestRulesAgreeWithStandard: a rule that carries the alias of a Pod Security
// check has the verdict of that check, on every published fixture.
func TestRulesAgreeWithStandard(t *testing.T) {
	cat, j := load(t)
	oracle := aliasOracle(t, cat)
	_, paths := fixtures(t)
	fails := 0
	for i, path := range paths {
		if i%4 == 0 { // the versions repeat each other: a quarter of them is enough
			fails += compare(t, j, oracle, podOf(t, path), path)
		}
	}
	t.Logf("%d verdicts compared, %d of them fail", (len(paths)+3)/4*len(oracle), fails)
}

// TestRulesAgreeOnRandomPods is the same on random pods.
func TestRulesAgreeOnRandomPods(t *testing.T) {
	cat, j := load(t)
	oracle := aliasOracle(t, cat)
	random := rand.New(rand.NewPCG(5, 6))
	fails, pods := 0, 1500
	for i := range pods {
		spec := randomPod(random)
		doc, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p"}, "spec": spec})
		if err != nil {
			t.Fatal(err)
		}
		s, err := kube.ReadFrom(context.Background(), "prod", "pod.json", strings.NewReader(string(doc)))
		if err != nil {
			t.Fatal(err)
		}
		fails += compare(t, j, oracle, targets(s)[0], fmt.Sprintf("pod %d", i))
	}
	t.Logf("%d verdicts compared, %d of them fail", pods*len(oracle), fails)
	if fails < pods || fails > pods*len(oracle)-pods {
		t.Error("the random pods are all alike")
	}
}

func randomPod(r *rand.Rand) map[string]any {
	spec := map[string]any{}
	maybe := func(into map[string]any, key string, chance float64, values ...any) {
		if r.Float64() < chance {
			into[key] = values[r.IntN(len(values))]
		}
	}
	for _, field := range []string{"hostPID", "hostIPC", "hostNetwork", "hostUsers"} {
		maybe(spec, field, 0.3, true, false)
	}
	maybe(spec, "os", 0.2, map[string]any{"name": "windows"}, map[string]any{"name": "linux"})
	context := map[string]any{}
	maybe(context, "runAsNonRoot", 0.5, true, false)
	maybe(context, "runAsUser", 0.4, 0, 1000)
	maybe(spec, "securityContext", 0.7, context, nil)
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		var all []any
		count := r.IntN(3)
		if list == "containers" {
			count++ // the API server refuses a pod without one
		}
		for i := range count {
			own := map[string]any{}
			maybe(own, "privileged", 0.3, true, false)
			maybe(own, "allowPrivilegeEscalation", 0.7, true, false, false, nil)
			maybe(own, "runAsNonRoot", 0.5, true, true, false)
			maybe(own, "runAsUser", 0.4, 0, 1000)
			maybe(own, "capabilities", 0.5, map[string]any{}, map[string]any{"drop": []any{"ALL"}},
				map[string]any{"add": []any{"CHOWN", "KILL"}}, map[string]any{"add": []any{"CHOWN", "NET_RAW"}}, map[string]any{"add": []any{}})
			c := map[string]any{"name": fmt.Sprintf("%s-%d", strings.ToLower(list), i), "image": "x"}
			maybe(c, "securityContext", 0.8, own, own, nil)
			all = append(all, c)
		}
		spec[list] = all
	}
	var volumes []any
	for i := range r.IntN(3) {
		v := map[string]any{"name": fmt.Sprintf("v%d", i)}
		maybe(v, "hostPath", 0.4, map[string]any{"path": "/srv"}, nil)
		volumes = append(volumes, v)
	}
	spec["volumes"] = volumes
	return spec
}

func TestNewStandardRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ level, version, want string }{
		"level":   {"strict", "latest", `reading Pod Security level "strict"`},
		"version": {"baseline", "1.30", `reading Pod Security version "1.30"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := newStandard(tc.level, tc.version)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("error %v, want %s", err, tc.want)
			}
		})
	}
	std, err := newStandard("privileged", "latest")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(0, len(std.checks)); diff != "" {
		t.Errorf("the privileged level has checks: %s", diff)
	}
}
