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
// any of the checks that its aliases name fails on what no other rule reports.
type aliasOracle map[string]func(*metav1.ObjectMeta, *corev1.PodSpec) bool

// reportedElsewhere takes from a pod what is another rule's to report, so that
// one cause is one finding. A rule that isn't here sees the pod as it is.
var reportedElsewhere = map[string]func(*corev1.PodSpec){
	// I105 reports capabilities beyond the default set: a container that adds
	// one has the default set that it should drop in that finding already.
	"I109": func(spec *corev1.PodSpec) {
		eachContainer(spec, func(c *corev1.Container) {
			if c.SecurityContext != nil && c.SecurityContext.Capabilities != nil {
				c.SecurityContext.Capabilities.Add = slices.DeleteFunc(c.SecurityContext.Capabilities.Add, beyondDefault)
			}
		})
	},
	// I102 reports the node's network, where every port is one of the node's.
	"I112": func(spec *corev1.PodSpec) {
		if spec.HostNetwork {
			eachContainer(spec, func(c *corev1.Container) { c.Ports = nil })
		}
	},
	// I103 reports hostPath volumes.
	"I118": func(spec *corev1.PodSpec) {
		spec.Volumes = slices.DeleteFunc(spec.Volumes, func(v corev1.Volume) bool { return v.HostPath != nil })
	},
}

func beyondDefault(c corev1.Capability) bool {
	spec := &corev1.PodSpec{Containers: []corev1.Container{{SecurityContext: &corev1.SecurityContext{
		Capabilities: &corev1.Capabilities{Add: []corev1.Capability{c}},
	}}}}
	return !policy.CheckCapabilitiesBaseline().Versions[0].CheckPod(&metav1.ObjectMeta{}, spec).Allowed
}

func eachContainer(spec *corev1.PodSpec, visit func(*corev1.Container)) {
	for i := range spec.InitContainers {
		visit(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		visit(&spec.Containers[i])
	}
	for i := range spec.EphemeralContainers {
		c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		visit(&c)
		spec.EphemeralContainers[i].EphemeralContainerCommon = corev1.EphemeralContainerCommon(c)
	}
}

// latestChecks are the library's newest checks by id, of both levels, those
// included that a restricted one overrides.
func latestChecks(t testing.TB) map[string]policy.CheckPodFn {
	t.Helper()
	run := map[string]policy.CheckPodFn{}
	for _, level := range []string{"restricted", "baseline"} {
		std, err := newStandard(level, "latest")
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range std.checks {
			run[c.id] = c.run
		}
	}
	return run
}

// podSecurityRules compiles the rules that name a Pod Security check, and
// gives the verdict that each must have. Every check has a rule.
func podSecurityRules(t testing.TB) (*Judge, aliasOracle) {
	t.Helper()
	cat, _ := load(t)
	run, oracle := latestChecks(t), aliasOracle{}
	named := map[string]bool{}
	var ids []string
	for _, r := range cat.Stage(model.Infrastructure) {
		var checks []policy.CheckPodFn
		for _, alias := range r.Aliases {
			if id, ok := strings.CutPrefix(alias, "pss:"); ok {
				if run[id] == nil {
					t.Fatalf("%s: no Pod Security check is called %q", r.ID, id)
				}
				named[id] = true
				checks = append(checks, run[id])
			}
		}
		if len(checks) == 0 {
			continue
		}
		ids = append(ids, r.ID)
		oracle[r.ID] = func(meta *metav1.ObjectMeta, spec *corev1.PodSpec) bool {
			if take := reportedElsewhere[r.ID]; take != nil {
				spec = spec.DeepCopy()
				take(spec)
			}
			return slices.ContainsFunc(checks, func(c policy.CheckPodFn) bool { return !c(meta, spec).Allowed })
		}
	}
	for id := range run {
		if !named[id] {
			t.Errorf("no rule is about the Pod Security check %s", id)
		}
	}
	some, err := cat.Select(strings.Join(ids, ","))
	if err != nil {
		t.Fatal(err)
	}
	j, errs := Compile(some)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return j, oracle
}

// compare holds our rules against the library on one pod: rule by rule, and
// all of them against the restricted level as it is.
func (oracle aliasOracle) compare(t *testing.T, j *Judge, p *target, name string) (fails int, agree bool) {
	t.Helper()
	results := j.program.Eval(p)
	agree = true
	for id, must := range oracle {
		want := model.Pass
		if must(p.podMeta(), &p.spec) {
			want = model.Fail
			fails++
		}
		if got, why := rule.Verdict(results, id); got != want {
			agree = false
			spec, _ := json.Marshal(p.spec)
			t.Errorf("%s: %s says %s (%s), the Pod Security library %s\n%s", name, id, got, why, want, spec)
		}
	}
	denied := len(j.baseline.violations(p.podMeta(), &p.spec))+len(j.restricted.violations(p.podMeta(), &p.spec)) > 0
	if denied != (len(results) > 0) {
		agree = false
		t.Errorf("%s: %d findings of all rules, denied by the library: %v", name, len(results), denied)
	}
	return fails, agree
}

// TestRulesAgreeWithStandard: a rule that carries the alias of a Pod Security
// check has the verdict of that check on every published fixture, and some
// rule finds something exactly where the library denies the pod. Fixtures of
// many versions are the same text, which is judged once.
func TestRulesAgreeWithStandard(t *testing.T) {
	j, oracle := podSecurityRules(t)
	_, paths := fixtures(t)
	type outcome struct {
		fails int
		agree bool
	}
	seen := map[string]outcome{}
	right, fails := 0, 0
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		o, known := seen[string(text)]
		if !known {
			o.fails, o.agree = oracle.compare(t, j, podOf(t, path), path)
			seen[string(text)] = o
		}
		fails += o.fails
		if o.agree {
			right++
		}
	}
	t.Logf("%d of %d fixtures agree in all of %d rules (%d different texts): %d verdicts, %d of them fail",
		right, len(paths), len(oracle), len(seen), len(paths)*len(oracle), fails)
	if right != len(paths) {
		t.Errorf("%d fixtures disagree", len(paths)-right)
	}
}

// TestRulesAgreeOnRandomPods is the same on random pods.
func TestRulesAgreeOnRandomPods(t *testing.T) {
	j, oracle := podSecurityRules(t)
	random := rand.New(rand.NewPCG(5, 6))
	fails, pods := 0, 1500
	failing := map[string]int{}
	for i := range pods {
		annotations, spec := randomPod(random)
		doc, err := json.Marshal(map[string]any{"apiVersion": "v1", "kind": "Pod", "metadata": map[string]any{"name": "p", "annotations": annotations}, "spec": spec})
		if err != nil {
			t.Fatal(err)
		}
		s, err := kube.ReadFrom(context.Background(), "prod", "pod.json", strings.NewReader(string(doc)))
		if err != nil {
			t.Fatal(err)
		}
		p := targets(s)[0]
		n, _ := oracle.compare(t, j, p, fmt.Sprintf("pod %d", i))
		fails += n
		for id, must := range oracle {
			if must(p.podMeta(), &p.spec) {
				failing[id]++
			}
		}
	}
	t.Logf("%d verdicts compared, %d of them fail", pods*len(oracle), fails)
	for id := range oracle {
		if n := failing[id]; n < pods/50 || n > pods-pods/50 {
			t.Errorf("%s must fail on %d of %d random pods: they are all alike", id, n, pods)
		}
	}
}

func randomPod(r *rand.Rand) (annotations, spec map[string]any) {
	annotations, spec = map[string]any{}, map[string]any{}
	maybe := func(into map[string]any, key string, chance float64, values ...any) {
		if r.Float64() < chance {
			into[key] = values[r.IntN(len(values))]
		}
	}
	for _, field := range []string{"hostPID", "hostIPC", "hostNetwork", "hostUsers"} {
		maybe(spec, field, 0.3, true, false)
	}
	const apparmor = "container.apparmor.security.beta.kubernetes.io/"
	maybe(annotations, apparmor+"containers-0", 0.2, "unconfined", "runtime/default", "localhost/x", "")
	maybe(spec, "os", 0.2, map[string]any{"name": "windows"}, map[string]any{"name": "linux"})
	context := map[string]any{}
	maybe(context, "runAsNonRoot", 0.5, true, false)
	maybe(context, "runAsUser", 0.4, 0, 1000)
	profiles(maybe, context, 0.15)
	maybe(context, "seccompProfile", 0.5, map[string]any{"type": "RuntimeDefault"})
	maybe(context, "sysctls", 0.2, []any{}, []any{map[string]any{"name": "kernel.shm_rmid_forced", "value": "1"}},
		[]any{map[string]any{"name": "net.ipv4.tcp_rmem", "value": "1"}, map[string]any{"name": "kernel.msgmax", "value": "1"}})
	maybe(spec, "securityContext", 0.8, context, context, nil)
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
				map[string]any{"add": []any{"CHOWN", "KILL"}}, map[string]any{"add": []any{"CHOWN", "NET_RAW"}}, map[string]any{"add": []any{}},
				map[string]any{"drop": []any{"ALL"}, "add": []any{"NET_BIND_SERVICE"}}, map[string]any{"drop": []any{"ALL"}, "add": []any{"SYS_TIME"}},
				map[string]any{"drop": []any{"ALL"}, "add": []any{"CHOWN"}}, map[string]any{"drop": []any{"KILL"}})
			maybe(own, "procMount", 0.2, "Default", "Unmasked", "")
			profiles(maybe, own, 0.1)
			c := map[string]any{"name": fmt.Sprintf("%s-%d", strings.ToLower(list), i), "image": "x"}
			maybe(c, "securityContext", 0.8, own, own, nil)
			maybe(c, "ports", 0.3, []any{map[string]any{"containerPort": 80}}, []any{map[string]any{"containerPort": 80}, map[string]any{"containerPort": 81, "hostPort": 81}})
			handler := []any{
				map[string]any{"httpGet": map[string]any{"port": 80, "host": "10.0.0.1"}},
				map[string]any{"httpGet": map[string]any{"port": 80, "host": ""}},
				map[string]any{"tcpSocket": map[string]any{"port": 80, "host": "localhost"}},
				map[string]any{"exec": map[string]any{"command": []any{"x"}}},
			}
			maybe(c, "livenessProbe", 0.1, handler...)
			maybe(c, "startupProbe", 0.1, handler...)
			maybe(c, "lifecycle", 0.1, map[string]any{"preStop": handler[0]}, map[string]any{"postStart": handler[2], "preStop": handler[3]})
			all = append(all, c)
		}
		spec[list] = all
	}
	var volumes []any
	for i := range r.IntN(3) {
		v := map[string]any{"name": fmt.Sprintf("v%d", i)}
		switch r.IntN(5) {
		case 0:
			v["nfs"] = map[string]any{"server": "x", "path": "/"}
		case 1:
			v["secret"] = map[string]any{"secretName": "x"}
		default:
			maybe(v, "hostPath", 0.4, map[string]any{"path": "/srv"}, nil)
		}
		volumes = append(volumes, v)
	}
	spec["volumes"] = volumes
	return annotations, spec
}

// profiles sets what both a pod and a container may say about their profiles.
func profiles(maybe func(map[string]any, string, float64, ...any), into map[string]any, chance float64) {
	maybe(into, "seccompProfile", chance, map[string]any{"type": "Unconfined"}, map[string]any{"type": "Localhost", "localhostProfile": "x"}, nil)
	maybe(into, "appArmorProfile", chance, map[string]any{"type": "Unconfined"}, map[string]any{"type": "RuntimeDefault"})
	maybe(into, "seLinuxOptions", chance, map[string]any{"type": "spc_t"}, map[string]any{"level": "s0"}, map[string]any{"user": "u"}, map[string]any{"role": "r"})
	maybe(into, "windowsOptions", chance, map[string]any{"hostProcess": true}, map[string]any{"hostProcess": false}, map[string]any{"runAsUserName": "x"})
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
