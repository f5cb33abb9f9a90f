package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

// The large cluster: pods of ReplicaSets that are spread over nodes.
const (
	largeNodes = 200
	largeSets  = 200
	setPods    = 100 // of each ReplicaSet
	largePods  = largeSets * setPods
)

// maxPeak is the memory in bytes that reading and judging it may take.
const maxPeak = 300 << 20

// connections that objects are created over.
const connections = 8

// TestLargeCluster reads 20,000 pods from an API server, in pages. No controller
// runs, so that pods come as fast as the API server takes them: each has its
// node and its owner from the start. They stay Pending: to let kwok run them
// too takes three minutes more, and reading them then takes 10 MiB more.
func TestLargeCluster(t *testing.T) {
	plane.Programs(t)
	program := build(t)
	p, admin := start(t, plane.Config{Policy: quiet, Bare: true, Users: []plane.User{{Name: "reader", Groups: []string{"system:masters"}}}})
	began := time.Now()
	create(t, admin)
	t.Logf("%d pods were created in %.0f s", largePods, time.Since(began).Seconds())

	file := filepath.Join(t.TempDir(), "large.snapshot.gz")
	objects := largePods + largeSets + largeNodes
	if got := snapshot(t, program, p, plane.Admin); got.Objects < objects {
		t.Errorf("%d objects were read, there are %d", got.Objects, objects)
	}
	for name, args := range map[string][]string{
		"snapshot": {"cluster", "snapshot", "--kubeconfig", p.Kubeconfig("reader"), "-o", file},
		"check":    {"cluster", "check", "--kubeconfig", p.Kubeconfig("reader")},
		"paths":    {"cluster", "paths", "--kubeconfig", p.Kubeconfig("reader")},
	} {
		t.Run(name, func(t *testing.T) { reads(t, program, args) })
	}
	pagesOf(t, p)
	t.Run("check of the snapshot", func(t *testing.T) { reads(t, program, []string{"cluster", "check", file}) })
}

// reads runs a command that reads the whole cluster within the bound.
func reads(t *testing.T, program string, args []string) {
	began := time.Now()
	got := scantling(t, program, append(args, "--format", "json")...)
	var doc document
	got.read(t, &doc)
	if got.code != 0 || len(doc.Incomplete) > 0 {
		t.Errorf("code %d, not read: %v\n%s", got.code, doc.Incomplete, got.talk)
	}
	t.Logf("%d MiB at most, %.1f s", got.peak>>20, time.Since(began).Seconds())
	if got.peak > maxPeak {
		t.Errorf("%d MiB, more than %d", got.peak>>20, maxPeak>>20)
	}
}

// pagesOf counts what the reader asked the API server for, three times over.
func pagesOf(t *testing.T, p *plane.Plane) {
	t.Helper()
	lists, pages := 0, 0
	for _, r := range requests(t, p, "reader") {
		if r.Verb != "list" {
			continue
		}
		lists++
		if r.ObjectRef.Resource != "pods" {
			continue
		}
		pages++
		if !strings.Contains(r.RequestURI, "limit=") {
			t.Errorf("%s asks for all pods at once", r.RequestURI)
		}
	}
	t.Logf("%d list requests of three runs, %d of them pages of pods", lists, pages)
	if pages < 3*20 {
		t.Errorf("%d pods came three times in %d pages", largePods, pages)
	}
}

// create fills the cluster over several connections.
func create(t *testing.T, admin *plane.Client) {
	t.Helper()
	post := func(path, body string) plane.Answer {
		return admin.Do(t.Context(), plane.Request{Verb: http.MethodPost, Path: path, Body: body})
	}
	must(t, post("/api/v1/namespaces", `{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"large"}}`))
	must(t, post("/api/v1/namespaces/large/serviceaccounts", `{"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default"}}`))
	for n := range largeNodes {
		makeNode(t, admin, fmt.Sprintf("node-%03d", n))
	}
	sets := make(chan int)
	errs := make(chan error, largeSets)
	var group sync.WaitGroup
	for range connections {
		group.Go(func() {
			for set := range sets {
				errs <- createSet(post, set)
			}
		})
	}
	for set := range largeSets {
		sets <- set
	}
	close(sets)
	group.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// createSet creates one ReplicaSet and its pods.
func createSet(post func(path, body string) plane.Answer, set int) error {
	name := fmt.Sprintf("app-%03d", set)
	pod := podTemplate(name)
	body := fmt.Sprintf(`{"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":%q},"spec":{"replicas":%d,"selector":{"matchLabels":{"app":%q}},"template":%s}}`, name, setPods, name, pod)
	var made struct{ Metadata struct{ UID string } }
	if err := post("/apis/apps/v1/namespaces/large/replicasets", body).Decode(&made); err != nil {
		return err
	}
	for n := range setPods {
		text, err := podOf(pod, name, made.Metadata.UID, n, fmt.Sprintf("node-%03d", (set+n)%largeNodes))
		if err != nil {
			return err
		}
		if err := post("/api/v1/namespaces/large/pods", text).Error(); err != nil {
			return err
		}
	}
	return nil
}

// podTemplate is a pod of ordinary size: two containers with environment,
// probes and resources.
func podTemplate(app string) string {
	container := func(name string, port int) string {
		return fmt.Sprintf(`{"name":%q,"image":"registry.example/large/%s-%s:1.4.2","ports":[{"name":"http","containerPort":%d}],
"env":[{"name":"LOG_LEVEL","value":"info"},{"name":"REGION","value":"eu-west-1"},{"name":"DATABASE","value":"postgres.large.svc.cluster.local:5432"},
{"name":"PASSWORD","valueFrom":{"secretKeyRef":{"name":"%s","key":"password"}}},{"name":"POD","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],
"resources":{"requests":{"cpu":"100m","memory":"128Mi"},"limits":{"memory":"256Mi"}},
"readinessProbe":{"httpGet":{"path":"/ready","port":"http"},"periodSeconds":5},"livenessProbe":{"httpGet":{"path":"/live","port":"http"},"initialDelaySeconds":20},
"securityContext":{"allowPrivilegeEscalation":false,"readOnlyRootFilesystem":true,"capabilities":{"drop":["ALL"]}},
"volumeMounts":[{"name":"tmp","mountPath":"/tmp"},{"name":"config","mountPath":"/etc/app"}]}`, name, app, name, port, app)
	}
	return fmt.Sprintf(`{"metadata":{"labels":{"app":%q,"team":"large","version":"1.4.2"},"annotations":{"prometheus.io/scrape":"true","prometheus.io/port":"8080","checksum/config":"%064d"}},
"spec":{"securityContext":{"runAsNonRoot":true,"seccompProfile":{"type":"RuntimeDefault"}},"containers":[%s,%s],
"volumes":[{"name":"tmp","emptyDir":{}},{"name":"config","configMap":{"name":"app"}}]}}`, app, 7, container("main", 8080), container("proxy", 8081))
}

// podOf makes a pod of a template.
func podOf(template, set, uid string, n int, node string) (string, error) {
	var pod map[string]any
	if err := json.Unmarshal([]byte(template), &pod); err != nil {
		return "", err
	}
	pod["apiVersion"], pod["kind"] = "v1", "Pod"
	meta, spec := pod["metadata"].(map[string]any), pod["spec"].(map[string]any)
	meta["name"] = fmt.Sprintf("%s-%05d", set, n)
	meta["ownerReferences"] = []any{map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": set, "uid": uid, "controller": true}}
	spec["nodeName"] = node
	text, err := json.Marshal(pod)
	return string(text), err
}
