package kube

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/infrastructure/kube/kubetest"
)

// bigCluster serves n pods of n/20 Deployments, each with a ReplicaSet in use
// and one from before, as heavy as those of an ordinary cluster: 8 KB of JSON
// with what the API server keeps beside the spec.
func bigCluster(t testing.TB, n int) *kubetest.Server {
	server := kubetest.New(t, nil)
	deployments := max(n/20, 1)
	server.Make("apps/v1", "Deployment", deployments, func(i int) map[string]any {
		return heavy("apps/v1", "Deployment", i, fmt.Sprintf("app-%05d", i), nil, map[string]any{"replicas": int64(20), "template": podTemplate(i, "")})
	})
	server.Make("apps/v1", "ReplicaSet", 2*deployments, func(i int) map[string]any {
		owner := map[string]any{"apiVersion": "apps/v1", "kind": "Deployment", "name": fmt.Sprintf("app-%05d", i/2), "uid": uid(i / 2), "controller": true}
		return heavy("apps/v1", "ReplicaSet", i/2, fmt.Sprintf("app-%05d-%09d", i/2, i), owner, map[string]any{"replicas": int64(i % 2 * 20), "template": podTemplate(i/2, "")})
	})
	server.Make("v1", "Pod", n, func(i int) map[string]any {
		app := i / 20
		owner := map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": fmt.Sprintf("app-%05d-%09d", app, 2*app+1), "uid": uid(app), "controller": true}
		spec := podTemplate(app, fmt.Sprintf("kube-api-access-%05d", i))["spec"].(map[string]any)
		spec["nodeName"] = fmt.Sprintf("node-%04d.example.internal", i%300)
		pod := heavy("v1", "Pod", app, fmt.Sprintf("app-%05d-%09d-%05d", app, 2*app+1, i), owner, spec)
		pod["status"] = podStatus(i)
		return pod
	})
	return server
}

func uid(i int) string { return fmt.Sprintf("%08d-2b5e-4f6a-9d6e-1c2d3e4f5a6b", i) }

func heavy(apiVersion, kind string, app int, name string, owner map[string]any, spec map[string]any) map[string]any {
	fields := strings.Repeat(`"f:containers":{"k:{\"name\":\"app\"}":{".":{},"f:image":{}}},`, 20)
	meta := map[string]any{
		"name": name, "namespace": fmt.Sprintf("team-%03d", app/50), "uid": uid(app), "resourceVersion": "123456", "creationTimestamp": "2026-08-25T13:46:18Z",
		"labels":        podTemplate(app, "")["metadata"].(map[string]any)["labels"],
		"managedFields": []any{map[string]any{"manager": "kube-controller-manager", "operation": "Update", "fieldsType": "FieldsV1", "fieldsV1": map[string]any{"f:spec": map[string]any{"f": fields}}}},
	}
	if owner != nil {
		meta["ownerReferences"] = []any{owner}
	}
	return map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": meta, "spec": spec}
}

// podTemplate has two containers with environment, limits, probes and mounts,
// and the token's volume of a running pod where it is named.
func podTemplate(app int, token string) map[string]any {
	container := func(name string) map[string]any {
		env := []any{}
		for i := range 12 {
			env = append(env, map[string]any{"name": fmt.Sprintf("SETTING_%d", i), "value": fmt.Sprintf("value-of-setting-%d-of-app-%d", i, app)})
		}
		mounts := []any{map[string]any{"name": "config", "mountPath": "/etc/app"}}
		if token != "" {
			mounts = append(mounts, map[string]any{"name": token, "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount", "readOnly": true})
		}
		probe := map[string]any{"httpGet": map[string]any{"path": "/healthz", "port": "http"}, "periodSeconds": int64(10)}
		return map[string]any{
			"name": name, "image": fmt.Sprintf("registry.example/team/app-%d:1.2.3", app), "env": env, "volumeMounts": mounts,
			"ports":          []any{map[string]any{"name": "http-" + name, "containerPort": int64(8080), "protocol": "TCP"}},
			"resources":      map[string]any{"limits": map[string]any{"memory": "256Mi", "cpu": "500m"}, "requests": map[string]any{"memory": "128Mi", "cpu": "100m"}},
			"readinessProbe": probe, "livenessProbe": probe, "securityContext": map[string]any{"allowPrivilegeEscalation": false, "runAsNonRoot": true},
			"terminationMessagePath": "/dev/termination-log", "imagePullPolicy": "IfNotPresent",
		}
	}
	volumes := []any{map[string]any{"name": "config", "configMap": map[string]any{"name": "app"}}}
	if token != "" {
		volumes = append(volumes, map[string]any{"name": token, "projected": map[string]any{"sources": []any{
			map[string]any{"serviceAccountToken": map[string]any{"path": "token", "expirationSeconds": int64(3607)}},
			map[string]any{"configMap": map[string]any{"name": "kube-root-ca.crt"}},
		}}})
	}
	return map[string]any{
		"metadata": map[string]any{"labels": map[string]any{"app": fmt.Sprintf("app-%05d", app), "pod-template-hash": fmt.Sprintf("%09d", 2*app+1), "team": "shop"}},
		"spec": map[string]any{
			"containers": []any{container("app"), container("proxy")}, "volumes": volumes, "serviceAccountName": fmt.Sprintf("app-%d", app), "restartPolicy": "Always",
			"tolerations": []any{map[string]any{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": int64(300)}},
		},
	}
}

func podStatus(i int) map[string]any {
	ip := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
	conditions, containers := []any{}, []any{}
	for _, kind := range []string{"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"} {
		conditions = append(conditions, map[string]any{"type": kind, "status": "True", "lastTransitionTime": "2026-08-25T13:46:18Z"})
	}
	for _, name := range []string{"app", "proxy"} {
		containers = append(containers, map[string]any{
			"name": name, "image": "registry.example/team/app:1.2.3", "ready": true, "restartCount": int64(0), "containerID": "containerd://" + strings.Repeat("ab", 32),
			"imageID": "registry.example/team/app@sha256:" + strings.Repeat("cd", 32), "state": map[string]any{"running": map[string]any{"startedAt": "2026-08-25T13:46:18Z"}},
		})
	}
	return map[string]any{"phase": "Running", "podIP": ip, "podIPs": []any{map[string]any{"ip": ip}}, "hostIP": "192.0.2.7", "conditions": conditions, "containerStatuses": containers, "qosClass": "Burstable"}
}

// kubeconfigVariable makes TestMemory the reader, in a process of its own, so
// that what the server takes doesn't count.
const kubeconfigVariable = "SCANTLING_TEST_KUBECONFIG"

// TestMemory reads a large cluster in a process of its own and holds its peak
// against the bound: 300 MiB for 20,000 pods, `make bench-cluster`, and less
// for the 2,000 of an ordinary run.
func TestMemory(t *testing.T) {
	if file := os.Getenv(kubeconfigVariable); file != "" {
		readBig(t, file)
		return
	}
	if runtime.GOOS != "linux" {
		t.Skip("the peak is read from /proc/self/status")
	}
	count, most := 2000, 120
	if text := os.Getenv("SCANTLING_PODS"); text != "" {
		var err error
		if count, err = strconv.Atoi(text); err != nil {
			t.Fatal(err)
		}
		most = 300
	}
	server := bigCluster(t, count)
	file := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(file, []byte(server.Kubeconfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestMemory$", "-test.v")
	child.Env = append(os.Environ(), kubeconfigVariable+"="+file)
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m := regexp.MustCompile(`pods=(\d+) heap=(\d+) peak=(\d+) took=(\S+)`).FindStringSubmatch(string(out))
	if m == nil {
		t.Fatalf("no figures:\n%s", out)
	}
	figure := func(i int) float64 { f, _ := strconv.ParseFloat(m[i], 64); return f / (1 << 20) }
	sent := float64(server.Sent()) / (1 << 20)
	t.Logf("%s pods, %.0f MiB of protobuf in %s: live heap %.0f MiB (%.2f of it), peak RSS %.0f MiB (%.2f of it)", m[1], sent, m[4], figure(2), figure(2)/sent, figure(3), figure(3)/sent)
	if m[1] != strconv.Itoa(count) {
		t.Errorf("%s pods were read, want %d", m[1], count)
	}
	if figure(3) > float64(most) {
		t.Errorf("peak RSS %.0f MiB, more than %d", figure(3), most)
	}
}

func readBig(t *testing.T, file string) {
	l, err := Connect(Access{Kubeconfig: file})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	s, err := l.Read(context.Background(), "prod")
	if err != nil || len(s.Incomplete) > 0 {
		t.Fatal(err, s.Incomplete)
	}
	took := time.Since(start).Round(10 * time.Millisecond)
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("pods=%d heap=%d peak=%d took=%v\n", len(s.ByKind("Pod")), stats.HeapAlloc, peakRSS(t), took)
	runtime.KeepAlive(s)
}

// peakRSS is in bytes.
func peakRSS(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	if m == nil {
		t.Fatal("no VmHWM in /proc/self/status")
	}
	kib, _ := strconv.Atoi(string(m[1]))
	return kib << 10
}
