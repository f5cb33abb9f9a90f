package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

// manifests describe the example's cluster.
var manifests = filepath.Join("..", "..", "examples", "shop", "k8s")

// quiet is an audit policy that logs nothing but reading users.
const quiet = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
  - level: Metadata
    users: [reader]
  - level: None
`

// theNode is the only node, so that every pod may sit beside every other, as is
// assumed of manifests.
const theNode = "node-a"

// alive is what manifests describe, in a live cluster.
func alive(t *testing.T, manifests string) (*plane.Plane, *plane.Client) {
	t.Helper()
	p, admin := start(t, plane.Config{Policy: quiet, Kwok: true, Users: []plane.User{{Name: "reader"}, {Name: "half"}, {Name: "nobody"}}})
	makeNode(t, admin, theNode)
	volume := `{"apiVersion":"v1","kind":"PersistentVolume","metadata":{"name":"data"},"spec":{"capacity":{"storage":"50Gi"},"accessModes":["ReadWriteOnce"],"csi":{"driver":"shop.example","volumeHandle":"data"}}}`
	must(t, admin.Do(t.Context(), plane.Request{Verb: http.MethodPost, Path: "/api/v1/persistentvolumes", Body: volume}))
	deploy(t, admin, manifests)
	return p, admin
}

// deploy creates what manifests describe, and waits until its pods run.
func deploy(t *testing.T, admin *plane.Client, manifests string) []plane.Manifest {
	t.Helper()
	known, left, err := plane.Manifests(manifests)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d objects are created; left out, for their kinds need a CustomResourceDefinition: %v", len(known), left)
	for i, m := range known {
		if i == 0 || known[i-1].Kind != m.Kind {
			before := known[:i]
			until(t, "what "+m.Kind+" needs", time.Minute, func() bool { return ready(t, admin, before, m) })
		}
		if err := admin.Create(t.Context(), known[i:i+1]); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the pods", 3*time.Minute, func() bool { return running(t, admin, known) })
	return known
}

// ready is true when objects of the manifest's kind can be created: the kind
// is known, and each namespace that was created has the account that a bare
// pod needs.
func ready(t *testing.T, admin *plane.Client, before []plane.Manifest, m plane.Manifest) bool {
	if !admin.Do(t.Context(), plane.Request{Path: m.Collection()}).OK() {
		return false
	}
	for _, b := range before {
		if b.Kind == "Namespace" && !admin.Do(t.Context(), plane.Request{Path: b.Path() + "/serviceaccounts/default"}).OK() {
			return false
		}
	}
	return true
}

func makeNode(t *testing.T, admin *plane.Client, name string) {
	t.Helper()
	body := fmt.Sprintf(`{"apiVersion":"v1","kind":"Node","metadata":{"name":%q},"status":{"capacity":{"cpu":"64","memory":"512Gi","pods":"250"},"allocatable":{"cpu":"64","memory":"512Gi","pods":"250"}}}`, name)
	must(t, admin.Do(t.Context(), plane.Request{Verb: http.MethodPost, Path: "/api/v1/nodes", Body: body}))
}

// running is true when each workload that keeps pods has them all, and each
// bare pod has come up.
func running(t *testing.T, admin *plane.Client, known []plane.Manifest) bool {
	for _, m := range known {
		var o struct {
			Spec   struct{ Replicas int }
			Status struct {
				ReadyReplicas, NumberReady int
				Phase                      string
			}
		}
		switch m.Kind {
		case "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Pod":
			if err := admin.Do(t.Context(), plane.Request{Path: m.Path()}).Decode(&o); err != nil {
				t.Fatal(err)
			}
			if up := o.Status.ReadyReplicas + o.Status.NumberReady; up < max(o.Spec.Replicas, 1) && o.Status.Phase != "Running" {
				return false
			}
		}
	}
	return true
}

// TestLiveShop: a live cluster gives what its own manifests give.
func TestLiveShop(t *testing.T) {
	plane.Programs(t)
	program := build(t)
	p, admin := alive(t, manifests)
	compareLive(t, program, p, manifests, differingKeys)
	t.Run("rights", func(t *testing.T) { testRights(t, program, p) })
	t.Run("diff", func(t *testing.T) { testDiff(t, program, p) })
	for _, e := range []ends{
		{"internet", "cluster-admin", []string{"Delete RoleBinding shop/runner"}},
		{"shop/storefront", "secret/payments/postgres-credentials", []string{"Isolate namespace monitoring", "to StatefulSet payments/postgres"}},
	} {
		t.Run("fixes for "+e.to, func(t *testing.T) { testFixes(t, program, p, admin, e) })
	}
}

// TestLiveShapes: the same of objects that the API server changes most.
func TestLiveShapes(t *testing.T) {
	plane.Programs(t)
	shapes := filepath.Join("testdata", "shapes.yaml")
	differing := maps.Clone(differingKeys)
	differing["why"] = "admission adds the token's volume to a bare pod, and a controller fills in a gathered role: the proof names what they wrote"
	differing["Take from ClusterRole part: list on secrets"] = "live, the gathered role itself holds the rule, and to change that is no use"
	p, _ := alive(t, shapes)
	compareLive(t, build(t), p, shapes, differing)
}

// judges are the commands whose results are compared.
var judges = [][]string{{"check", "--rules", "all"}, {"network", "list"}, {"paths", "--edges", "--most", "1000"}}

// compareLive holds each judge's result on the live cluster against those on
// its snapshot and on its manifests.
func compareLive(t *testing.T, program string, p *plane.Plane, manifests string, differing map[string]string) {
	t.Helper()
	admin := p.Kubeconfig(plane.Admin)
	file := filepath.Join(t.TempDir(), "live.snapshot.gz")
	if got := scantling(t, program, "cluster", "snapshot", "--kubeconfig", admin, "-o", file); got.code != 0 {
		t.Fatalf("snapshot: code %d\n%s%s", got.code, got.out, got.talk)
	}
	for _, command := range judges {
		t.Run(strings.Join(command, " "), func(t *testing.T) {
			args := append(append([]string{"cluster"}, command...), "--format", "json")
			live := normal(t, scantling(t, program, append(args, "--kubeconfig", admin)...), differing)
			compare(t, live, "a snapshot", normal(t, scantling(t, program, append(args, file)...), differing))
			compare(t, live, "manifests", normal(t, scantling(t, program, append(args, manifests)...), differing))
		})
	}
}

// What may differ between a live cluster and the manifests that made it. All
// that is not here has to be equal.
var (
	differingKeys = map[string]string{
		"position":   "objects have a file and a line in manifests, a line in a snapshot, and neither live",
		"where":      "the same, in evidence",
		"incomplete": "there is no live ServiceMonitor: no CustomResourceDefinition was installed",
		"summary":    "it counts the objects read, and a live cluster has some of its own",
		"nodes":      "the one node counts beside the unknown one that a new pod may get",
	}
	differingText = map[string]string{
		theNode: "(any node)", // manifests don't say where pods run
		"; pods whose node is unknown may share one": "", // they do say so
	}
	// The API server's own namespaces, service accounts that it makes in every
	// namespace, and groups that its own bindings give rights to.
	// What only a live cluster has, nodes beside these, is judged there alone.
	liveAssets = regexp.MustCompile(`"asset":\{"key":"cluster/(default|kube-[a-z-]+|\(any node\))","kind":"(namespace|node)"`)
	liveOnly   = regexp.MustCompile(`\bnamespace (default|kube-[a-z-]+)$|^identity cluster/(default|kube-[a-z-]+)/|^identity cluster/[a-z-]+/default$|^identity cluster//group:system:`)
)

// normal is a result without what may differ: for each key of the document its
// text, or for a list the texts of its entries.
func normal(t *testing.T, o outcome, differing map[string]string) map[string][]string {
	t.Helper()
	for from, to := range differingText {
		o.out = strings.ReplaceAll(o.out, from, to)
	}
	var doc map[string]any
	o.read(t, &doc)
	out := map[string][]string{}
	for key, v := range doc {
		if differing[key] != "" {
			continue
		}
		if key == "edges" {
			v = reachable(v, doc["entries"])
		}
		list, isList := v.([]any)
		if !isList {
			list = []any{v}
		}
		for _, x := range list {
			straighten(x)
			text, err := json.Marshal(without(x, differing))
			if err != nil {
				t.Fatal(err)
			}
			if !liveAssets.Match(text) {
				out[key] = append(out[key], string(text))
			}
		}
		slices.Sort(out[key])
		out[key] = slices.Compact(out[key])
	}
	return out
}

// without drops keys, and texts of lists, at any depth.
func without(v any, keys map[string]string) any {
	switch t := v.(type) {
	case map[string]any:
		for key, x := range t {
			if keys[key] != "" {
				delete(t, key)
				continue
			}
			t[key] = without(x, keys)
		}
	case []any:
		var kept []any
		for _, x := range t {
			if text, ok := x.(string); !ok || keys[text] == "" {
				kept = append(kept, without(x, keys))
			}
		}
		return kept
	}
	return v
}

// straighten takes from a path the steps that became circles because the one
// node is the unknown one by now.
func straighten(path any) {
	p, _ := path.(map[string]any)
	steps, _ := p["steps"].([]any)
	at := make([]int, len(steps)) // where each is found after that
	kept := []any{}
	for i := range steps {
		step, _ := steps[i].(map[string]any)
		needs, _ := step["needs"].([]any)
		for j, n := range needs {
			needs[j] = at[int(n.(float64))]
		}
		switch {
		case step["from"] != step["to"]:
			at[i], kept = len(kept), append(kept, step)
		case len(needs) > 0:
			at[i] = needs[0].(int)
		}
	}
	if len(steps) > 0 {
		p["steps"] = kept
	}
}

// reachable keeps the edges that lead on from a workload: beside them, a live
// cluster has what the controllers of Kubernetes may do. It drops those to
// what only a live cluster has.
func reachable(edges, entries any) []any {
	all, _ := edges.([]any)
	names, _ := entries.([]any)
	end := func(edge any, side string) string {
		e, _ := edge.(map[string]any)
		name, _ := e[side].(string)
		return name
	}
	seen := map[string]bool{}
	for _, name := range names {
		seen[fmt.Sprint("workload ", name)] = true
	}
	for grown := true; grown; {
		grown = false
		for _, e := range all {
			if to := end(e, "to"); seen[end(e, "from")] && !seen[to] && !liveOnly.MatchString(to) {
				seen[to], grown = true, true
			}
		}
	}
	var kept []any
	for _, e := range all {
		// The one node is the unknown one by now: what joins the two is a circle.
		if from, to := end(e, "from"), end(e, "to"); seen[from] && seen[to] && from != to {
			delete(e.(map[string]any), "needs") // indexes of other edges
			kept = append(kept, e)
		}
	}
	return kept
}

// compare holds the live result against another one.
func compare(t *testing.T, live map[string][]string, what string, other map[string][]string) {
	t.Helper()
	for key := range live {
		t.Logf("%s: %d %s", what, len(other[key]), key)
		for _, x := range live[key] {
			if !slices.Contains(other[key], x) {
				t.Errorf("%s: only live, not of %s: %.2000s", key, what, x)
			}
		}
		for _, x := range other[key] {
			if !slices.Contains(live[key], x) {
				t.Errorf("%s: only of %s, not live: %.2000s", key, what, x)
			}
		}
	}
	if len(live) != len(other) {
		t.Errorf("%d keys live, %d of %s", len(live), len(other), what)
	}
}

// testRights reads the cluster with the shipped roles, with the half of them,
// and with none.
func testRights(t *testing.T, program string, p *plane.Plane) {
	roles, _, err := plane.Manifests(filepath.Join("..", "..", "deploy"))
	if err != nil {
		t.Fatal(err)
	}
	admin, err := p.Client(plane.Admin)
	if err != nil {
		t.Fatal(err)
	}
	bind := func(user, role string) {
		name := user + "-" + role
		roles = append(roles, plane.Manifest{
			APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding", Name: name,
			Text: fmt.Sprintf(`{"apiVersion":"rbac.authorization.k8s.io/v1","kind":"ClusterRoleBinding","metadata":{"name":%q},
"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":%q},
"subjects":[{"apiGroup":"rbac.authorization.k8s.io","kind":"User","name":%q}]}`, name, role, user),
		})
	}
	bind("reader", "scantling-read")
	bind("reader", "scantling-read-secrets")
	bind("half", "scantling-read")
	if err := admin.Create(t.Context(), roles); err != nil {
		t.Fatal(err)
	}
	whole := snapshot(t, program, p, plane.Admin)
	if got := snapshot(t, program, p, "reader"); got.code != 0 || len(got.Incomplete) > 0 || got.Objects != whole.Objects {
		t.Errorf("with the shipped roles: code %d, %d objects of %d, not read: %v", got.code, got.Objects, whole.Objects, got.Incomplete)
	}
	if got := snapshot(t, program, p, "half"); got.code != 4 || len(got.Incomplete) != 1 || got.Incomplete[0].What != "list secrets" || got.Objects == 0 {
		t.Errorf("without a right on Secrets: code %d, %d objects, not read: %v", got.code, got.Objects, got.Incomplete)
	}
	if got := snapshot(t, program, p, "nobody"); got.code != 1 || !strings.Contains(got.talk, "lets this account read nothing") {
		t.Errorf("without any right: code %d\n%s", got.code, got.talk)
	}
	asked := map[string]int{}
	for _, r := range requests(t, p, "reader") {
		asked[r.Verb]++
		if r.ResponseStatus.Code >= 400 {
			t.Errorf("the reader's %s got code %d", r.RequestURI, r.ResponseStatus.Code)
		}
		if r.Verb != "list" && r.ObjectRef.Resource != "" {
			t.Errorf("the reader asks for %s %s: its roles let it list", r.Verb, r.RequestURI)
		}
	}
	if asked["list"] == 0 {
		t.Error("the audit log has nothing of the reader")
	}
}

// snapshotDocument is what `cluster snapshot` prints, and how it ended.
type snapshotDocument struct {
	outcome
	Objects    int
	Incomplete []struct{ What, Why string }
}

func snapshot(t *testing.T, program string, p *plane.Plane, user string) snapshotDocument {
	t.Helper()
	got := snapshotDocument{outcome: scantling(t, program, "cluster", "snapshot", "--kubeconfig", p.Kubeconfig(user), "-o", filepath.Join(t.TempDir(), "x"), "--format", "json")}
	if got.code != 1 {
		got.read(t, &got)
	}
	return got
}

// request is what these tests read of an audit event.
type request struct {
	Verb, RequestURI string
	User             struct{ Username string }
	ObjectRef        struct{ Resource string }
	ResponseStatus   struct{ Code int }
}

// requests are those of one user, off the audit log.
func requests(t *testing.T, p *plane.Plane, user string) []request {
	t.Helper()
	text, err := os.ReadFile(p.AuditLog)
	if err != nil {
		t.Fatal(err)
	}
	var found []request
	for line := range strings.Lines(string(text)) {
		var r request
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if r.User.Username == user {
			found = append(found, r)
		}
	}
	return found
}
