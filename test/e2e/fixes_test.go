package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/strategicpatch"
	"sigs.k8s.io/yaml"

	"github.com/scantling/scantling/test/e2e/plane"
)

// fix is what these tests read of `cluster paths --fix`.
type fix struct {
	Paths []struct{ From, To string }
	Fixes []struct{ Change, Patch string }

	FixSet struct {
		State string
		Open  []any
	}
}

// ends are two ends of paths in a live cluster, and words of the changes that
// are expected to part them.
type ends struct {
	from, to string
	expect   []string
}

// testFixes parts the ends as the program says, change by change, and reads the
// cluster again: no path may be left. Then changes are taken back one at a
// time, and a path has to be there again: all that roll out no pods, or one.
func testFixes(t *testing.T, program string, p *plane.Plane, admin *plane.Client, e ends) {
	paths := func(more ...string) fix {
		t.Helper()
		args := append([]string{"cluster", "paths", "--format", "json", "--kubeconfig", p.Kubeconfig(plane.Admin), "--from", e.from, "--to", e.to}, more...)
		got := scantling(t, program, args...)
		if got.code != 0 && got.code != 3 {
			t.Errorf("code %d: %s", got.code, got.talk)
		}
		var f fix
		got.read(t, &f)
		return f
	}
	f := paths("--fix")
	if len(f.Paths) == 0 || len(f.Fixes) == 0 || f.FixSet.State != "verified" || len(f.FixSet.Open) > 0 {
		t.Fatalf("%d paths, %d changes, %s, open: %v", len(f.Paths), len(f.Fixes), f.FixSet.State, f.FixSet.Open)
	}
	var titles []string
	for _, change := range f.Fixes {
		titles = append(titles, change.Change)
	}
	all := strings.Join(titles, "\n")
	for _, word := range e.expect {
		if !strings.Contains(all, word) {
			t.Errorf("no change has %q, so that this isn't tried:\n%s", word, all)
		}
	}
	began := time.Now()
	defer func() { t.Logf("%d changes in %.1f s:\n%s", len(f.Fixes), time.Since(began).Seconds(), all) }()
	undo := make([]func(), len(f.Fixes))
	for i, change := range f.Fixes {
		undo[i] = apply(t, admin, change.Patch)
	}
	if left := paths(); len(left.Paths) > 0 {
		t.Fatalf("after all changes %d paths are left, one %v:\n%s", len(left.Paths), left.Paths[0], all)
	}
	tried := 0
	for i, change := range f.Fixes {
		if rolls(change.Patch) && (tried > 0 || i < len(f.Fixes)-1) {
			continue // to roll pods out takes seconds
		}
		tried++
		undo[i]()
		if back := paths(); len(back.Paths) == 0 {
			t.Errorf("without %q no path is there again: it was not needed", change.Change)
		}
		apply(t, admin, change.Patch)
	}
	if left := paths(); len(left.Paths) > 0 {
		t.Errorf("after all changes once more %d paths are left", len(left.Paths))
	}
}

// rolls is true for a patch after which a controller makes new pods.
func rolls(patch string) bool {
	return strings.Contains(patch, "kind: Deployment") || strings.Contains(patch, "kind: StatefulSet") || strings.Contains(patch, "kind: DaemonSet")
}

// apply makes one change as its patch says, as kubectl would, and returns what
// takes it back. It waits until the cluster has followed.
func apply(t *testing.T, admin *plane.Client, patch string) (undo func()) {
	t.Helper()
	var undos []func()
	for doc := range strings.SplitSeq(patch, "---\n") {
		undos = append(undos, applyOne(t, admin, doc))
	}
	return func() {
		for _, undo := range slices.Backward(undos) {
			undo()
		}
	}
}

func applyOne(t *testing.T, admin *plane.Client, doc string) (undo func()) {
	t.Helper()
	if command, ok := strings.CutPrefix(doc, "kubectl delete "); ok {
		m := deleted(t, command)
		was := get(t, admin, m)
		must(t, admin.Do(t.Context(), plane.Request{Verb: http.MethodDelete, Path: m.Path()}))
		return func() { create1(t, admin, m, was) }
	}
	var change map[string]any
	if err := yaml.Unmarshal([]byte(doc), &change); err != nil {
		t.Fatalf("%v:\n%s", err, doc)
	}
	m := named(change)
	if m.Kind == "NetworkPolicy" { // a new object: server-side, as kubectl apply
		must(t, admin.Do(t.Context(), plane.Request{Verb: http.MethodPatch, Path: m.Path() + "?fieldManager=test", Type: "application/apply-patch+yaml", Body: doc}))
		return func() { must(t, admin.Do(t.Context(), plane.Request{Verb: http.MethodDelete, Path: m.Path()})) }
	}
	was := get(t, admin, m)
	answer := admin.Do(t.Context(), plane.Request{Verb: http.MethodPatch, Path: m.Path(), Type: "application/strategic-merge-patch+json", Body: change})
	if m.Kind == "Pod" {
		if answer.Code != http.StatusUnprocessableEntity {
			t.Errorf("a running pod takes a change of its spec? %d", answer.Code)
		}
		merged, err := strategicpatch.StrategicMergeMapPatch(get(t, admin, m), change, corev1.Pod{}) // it alters what it is given
		if err != nil {
			t.Fatal(err)
		}
		again(t, admin, m, merged)
		return func() { again(t, admin, m, was) }
	}
	must(t, answer)
	settle(t, admin, m)
	return func() {
		must(t, admin.Do(t.Context(), plane.Request{Verb: http.MethodPut, Path: m.Path(), Body: bare(was)}))
		settle(t, admin, m)
	}
}

// deleted is what a command deletes: "rolebinding NAME --namespace SPACE".
func deleted(t *testing.T, command string) plane.Manifest {
	t.Helper()
	m := plane.Manifest{APIVersion: "rbac.authorization.k8s.io/v1", Kind: "ClusterRoleBinding"}
	words := strings.Fields(command)
	switch {
	case len(words) == 4 && words[0] == "rolebinding" && words[2] == "--namespace":
		m.Kind, m.Namespace = "RoleBinding", words[3]
	case len(words) == 2 && words[0] == "clusterrolebinding":
	default:
		t.Fatalf("what is deleted by %q?", command)
	}
	m.Name = words[1]
	return m
}

// named is the object that a document is of.
func named(doc map[string]any) plane.Manifest {
	meta, _ := doc["metadata"].(map[string]any)
	m := plane.Manifest{APIVersion: fmt.Sprint(doc["apiVersion"]), Kind: fmt.Sprint(doc["kind"]), Name: fmt.Sprint(meta["name"])}
	m.Namespace, _ = meta["namespace"].(string)
	return m
}

func get(t *testing.T, admin *plane.Client, m plane.Manifest) map[string]any {
	t.Helper()
	var o map[string]any
	if err := admin.Do(t.Context(), plane.Request{Path: m.Path()}).Decode(&o); err != nil {
		t.Fatal(err)
	}
	return o
}

// bare is an object without what the API server adds, to be sent again.
func bare(o map[string]any) map[string]any {
	out := maps.Clone(o)
	delete(out, "status")
	meta := maps.Clone(o["metadata"].(map[string]any))
	for _, key := range []string{"uid", "resourceVersion", "creationTimestamp", "generation", "managedFields"} {
		delete(meta, key)
	}
	out["metadata"] = meta
	return out
}

func create1(t *testing.T, admin *plane.Client, m plane.Manifest, o map[string]any) {
	t.Helper()
	must(t, admin.Do(t.Context(), plane.Request{Verb: http.MethodPost, Path: m.Collection(), Body: bare(o)}))
}

// again puts a pod in another's place.
func again(t *testing.T, admin *plane.Client, m plane.Manifest, o map[string]any) {
	t.Helper()
	must(t, admin.Do(t.Context(), plane.Request{Verb: http.MethodDelete, Path: m.Path(), Body: `{"gracePeriodSeconds":0}`}))
	until(t, "the pod's end", time.Minute, func() bool {
		return admin.Do(t.Context(), plane.Request{Path: m.Path()}).Code == http.StatusNotFound
	})
	create1(t, admin, m, o)
	until(t, "the pod", time.Minute, func() bool { return sweep(t, admin, m.Namespace) && running(t, admin, []plane.Manifest{m}) })
}

// settle waits until a workload's pods are all of its new template, and the
// old ones gone.
func settle(t *testing.T, admin *plane.Client, m plane.Manifest) {
	t.Helper()
	until(t, "new pods of "+m.Kind+" "+m.Name, 3*time.Minute, func() bool {
		gone := m.Namespace == "" || m.Kind == "CronJob" || sweep(t, admin, m.Namespace)
		var o struct {
			Metadata struct{ Generation int }
			Status   struct {
				ObservedGeneration                                          int
				Replicas, UpdatedReplicas, ReadyReplicas                    int
				CurrentNumberScheduled, UpdatedNumberScheduled, NumberReady int
				CurrentRevision, UpdateRevision                             string
			}
		}
		if err := admin.Do(t.Context(), plane.Request{Path: m.Path()}).Decode(&o); err != nil {
			t.Fatal(err)
		}
		s := o.Status
		switch m.Kind {
		case "Deployment", "StatefulSet":
			gone = gone && s.ObservedGeneration == o.Metadata.Generation && s.Replicas == s.UpdatedReplicas && s.ReadyReplicas == s.Replicas && s.CurrentRevision == s.UpdateRevision
		case "DaemonSet":
			gone = gone && s.ObservedGeneration == o.Metadata.Generation && s.UpdatedNumberScheduled == s.CurrentNumberScheduled && s.NumberReady == s.CurrentNumberScheduled
		}
		return gone
	})
}

// up is the status that a kubelet writes of a pod that runs.
const up = `{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"},{"type":"ContainersReady","status":"True"}]}}`

// sweep plays the kubelet for the pods of a namespace, for kwok comes seconds
// later: those that are to end have ended, without their grace, and those that
// have a node run. It is true where there is nothing of the kind.
func sweep(t *testing.T, admin *plane.Client, namespace string) bool {
	var list struct {
		Items []struct {
			Metadata struct{ Name, DeletionTimestamp string }
			Spec     struct{ NodeName string }
			Status   struct{ Phase string }
		}
	}
	pods := "/api/v1/namespaces/" + namespace + "/pods"
	if err := admin.Do(t.Context(), plane.Request{Path: pods}).Decode(&list); err != nil {
		t.Fatal(err)
	}
	none := true
	for _, pod := range list.Items { // an answer is no matter: kwok may have been first
		switch path := pods + "/" + pod.Metadata.Name; {
		case pod.Metadata.DeletionTimestamp != "":
			none = false
			admin.Do(t.Context(), plane.Request{Verb: http.MethodDelete, Path: path, Body: `{"gracePeriodSeconds":0}`})
		case pod.Spec.NodeName != "" && pod.Status.Phase == "Pending":
			none = false
			admin.Do(t.Context(), plane.Request{Verb: http.MethodPatch, Path: path + "/status", Type: "application/strategic-merge-patch+json", Body: up})
		}
	}
	return none
}

// worldsOf are small clusters beside each other, and what is to be parted in
// them.
var worldsOf = []struct {
	name string
	ends []ends
}{
	{"escape", []ends{{"escape/builder", "cluster-admin", []string{"Isolate namespace agents", "Take from Deployment escape/builder"}}}},
	{"rights", []ends{{"rights/job", "cluster-admin", []string{"Mount no token in Pod rights/job", "Take from ClusterRole rights-ops"}}}},
	{"vault", []ends{{"vault/api", "secret/vault/db", []string{"CronJob vault/backup", "Deployment vault/api", "StatefulSet vault/db"}}}},
	{"gathered", []ends{{"gathered/web", "secret/gathered/keys", []string{"Mount no token in Deployment gathered/web"}}}},
}

// testWorlds parts ends in each small cluster in turn.
func testWorlds(t *testing.T, program string, p *plane.Plane, admin *plane.Client) {
	for _, w := range worldsOf {
		t.Run(w.name, func(t *testing.T) {
			deploy(t, admin, filepath.Join("testdata", "worlds", w.name+".yaml"))
			for _, e := range w.ends {
				testFixes(t, program, p, admin, e)
			}
		})
	}
}
