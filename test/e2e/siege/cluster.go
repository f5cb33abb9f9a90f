package siege

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

// nodes by the pool that they are in. Programs that call the API server run in
// the steady pool, so that their tokens live as long as the day; the others
// are rolled out, drained and evicted in the other one.
var nodes = map[string][]string{"steady": {"node-1", "node-2", "node-3"}, "apps": {"node-4", "node-5", "node-6"}}

func allNodes() []string { return slices.Concat(nodes["steady"], nodes["apps"]) }

// app is a workload that runs from the beginning.
type app struct {
	ns, name, kind string
	replicas       int
	account        string // of a pod that calls the API server; empty for others
}

var deployed = []app{
	{"web", "storefront", "deployments", 2, "storefront"},
	{"web", "catalog", "deployments", 3, ""},
	{"web", "search", "deployments", 2, ""},
	{"web", "cache", "statefulsets", 2, ""},
	{"orders", "checkout", "deployments", 3, ""},
	{"orders", "batch", "deployments", 1, "batch"},
	{"orders", "queue", "statefulsets", 3, ""},
	{"payments", "api", "deployments", 2, "api"},
	{"payments", "ledger", "statefulsets", 1, ""},
	{"data", "notebook", "deployments", 1, "notebook"},
	{"data", "trainer", "deployments", 2, ""},
	{"data", "report", "deployments", 1, "report"},
	{"ci", "deployer", "deployments", 1, "deployer"},
	{"gitops", "controller", "deployments", 1, "controller"},
	{"monitoring", "prometheus", "statefulsets", 1, "prometheus"},
	{"monitoring", "kube-state-metrics", "deployments", 1, "kube-state-metrics"},
	{"monitoring", "node-reporter", "daemonsets", 0, "node-reporter"},
	{"ingress", "controller", "deployments", 2, "controller"},
	{"cert-manager", "cert-manager", "deployments", 1, "cert-manager"},
	{"cert-manager", "cainjector", "deployments", 1, "cainjector"},
	{"external-secrets", "external-secrets", "deployments", 1, "external-secrets"},
	{"backup", "backup", "deployments", 1, "backup"},
	{"dashboard", "dashboard", "deployments", 1, "dashboard"},
	{"platform", "operator", "deployments", 1, "operator"},
	{"platform", "vault", "statefulsets", 1, "vault"},
	{"kube-system", "log-agent", "daemonsets", 0, "log-agent"},
	{"kube-system", "coredns", "deployments", 2, "coredns"},
	{"kube-system", "csr-approver", "deployments", 1, "csr-approver"},
}

// namespaces that the company made, kube-system left out.
func namespaces() []string {
	var list []string
	for _, a := range deployed {
		if a.ns != "kube-system" && !slices.Contains(list, a.ns) {
			list = append(list, a.ns)
		}
	}
	return list
}

const registry = "registry.example/"

// podSpec is that of an app: what a careful manifest says.
func (a app) podSpec(tag string) object {
	spec := object{
		"securityContext": object{"runAsNonRoot": true, "runAsUser": 10001, "seccompProfile": object{"type": "RuntimeDefault"}},
		"containers": []any{object{
			"name": "main", "image": registry + a.ns + "/" + a.name + ":" + tag,
			"resources":       object{"requests": object{"cpu": "100m", "memory": "128Mi"}},
			"securityContext": object{"allowPrivilegeEscalation": false, "capabilities": object{"drop": []string{"ALL"}}},
			"env":             []any{object{"name": "SETTINGS", "valueFrom": object{"configMapKeyRef": object{"name": "settings", "key": "level"}}}},
		}},
		"automountServiceAccountToken": a.account != "",
	}
	switch {
	case a.account == "":
		spec["nodeSelector"] = object{"pool": "apps"}
	case a.kind != "daemonsets":
		spec["serviceAccountName"], spec["nodeSelector"] = a.account, object{"pool": "steady"}
	default:
		spec["serviceAccountName"] = a.account
		spec["volumes"] = []any{object{"name": "logs", "hostPath": object{"path": "/var/log"}}}
	}
	return spec
}

// manifest is the workload's own.
func (a app) manifest(tag string) object {
	labels := object{"app": a.name}
	spec := object{
		"selector": object{"matchLabels": labels},
		"template": object{"metadata": object{"labels": labels}, "spec": a.podSpec(tag)},
	}
	if a.kind != "daemonsets" {
		spec["replicas"] = a.replicas
	}
	if a.kind == "statefulsets" {
		spec["serviceName"] = a.name
	}
	kinds := map[string]string{"deployments": "Deployment", "statefulsets": "StatefulSet", "daemonsets": "DaemonSet"}
	return object{"apiVersion": apps, "kind": kinds[a.kind], "metadata": object{"name": a.name, "namespace": a.ns, "labels": labels}, "spec": spec}
}

func (a app) path() string { return grouped(apps, a.ns, a.kind, a.name) }

// secrets of each namespace. What is in them is nothing.
var secretNames = []string{"database", "registry-pull", "tls", "session-key"}

// setUp brings the cluster to where the recording begins.
func (s *siege) setUp(ctx context.Context) error {
	for _, pool := range []string{"steady", "apps"} {
		for _, n := range nodes[pool] {
			if err := s.post(ctx, core("", "nodes"), named("v1", "Node", "", n, object{"pool": pool})); err != nil {
				return err
			}
		}
	}
	for _, ns := range append(namespaces(), "kube-system") {
		if err := s.setUpNamespace(ctx, ns); err != nil {
			return err
		}
	}
	for _, g := range grants() {
		if err := s.give(ctx, g); err != nil {
			return err
		}
	}
	for _, extra := range extras() {
		if err := s.post(ctx, extra.path, extra.body); err != nil {
			return err
		}
	}
	for _, a := range deployed {
		if err := s.post(ctx, grouped(apps, a.ns, a.kind), a.manifest("1.0.0")); err != nil {
			return err
		}
	}
	return s.settled(ctx)
}

func (s *siege) setUpNamespace(ctx context.Context, ns string) error {
	if ns != "kube-system" {
		if err := s.post(ctx, core("", "namespaces"), named("v1", "Namespace", "", ns, object{"team": ns})); err != nil {
			return err
		}
	}
	for _, name := range secretNames {
		body := named("v1", "Secret", ns, name, nil)
		body["stringData"] = object{"value": "nothing"}
		if err := s.post(ctx, core(ns, "secrets"), body); err != nil {
			return err
		}
	}
	settings := named("v1", "ConfigMap", ns, "settings", nil)
	settings["data"] = object{"level": "info"}
	if err := s.post(ctx, core(ns, "configmaps"), settings); err != nil {
		return err
	}
	for _, a := range deployed {
		if a.ns == ns && a.account != "" {
			if err := s.post(ctx, core(ns, "serviceaccounts"), named("v1", "ServiceAccount", ns, a.account, nil)); err != nil {
				return err
			}
		}
	}
	return nil
}

func named(version, kind, ns, name string, labels object) object {
	meta := object{"name": name}
	if ns != "" {
		meta["namespace"] = ns
	}
	if labels != nil {
		meta["labels"] = labels
	}
	return object{"apiVersion": version, "kind": kind, "metadata": meta}
}

func (s *siege) post(ctx context.Context, path string, body any) error {
	if err := s.admin.Do(ctx, plane.Request{Verb: http.MethodPost, Path: path, Body: body}).Error(); err != nil {
		return fmt.Errorf("creating at %s: %w", path, err)
	}
	return nil
}

// placed is an object with where it is created.
type placed struct {
	path string
	body object
}

// extras are what is no app: a disruption budget that refuses evictions, a
// quota that refuses pods, jobs by the clock, an autoscaler without metrics, a
// pod that no node has room for, policies, a webhook of the certificates'
// manager that fails, ConfigMaps that names lead by and that nodes join by.
func extras() []placed {
	budget := named("policy/v1", "PodDisruptionBudget", "orders", "queue", nil)
	budget["spec"] = object{"minAvailable": 3, "selector": object{"matchLabels": object{"app": "queue"}}}
	quota := named("v1", "ResourceQuota", "data", "pods", nil)
	quota["spec"] = object{"hard": object{"pods": "12"}}
	scaler := named("autoscaling/v2", "HorizontalPodAutoscaler", "web", "catalog", nil)
	scaler["spec"] = object{
		"minReplicas": 2, "maxReplicas": 6, "scaleTargetRef": object{"apiVersion": apps, "kind": "Deployment", "name": "catalog"},
		"metrics": []any{object{"type": "Resource", "resource": object{"name": "cpu", "target": object{"type": "Utilization", "averageUtilization": 70}}}},
	}
	large := app{"data", "large", "deployments", 1, ""}.manifest("1.0.0")
	large["spec"].(object)["template"].(object)["spec"].(object)["containers"].([]any)[0].(object)["resources"] = object{"requests": object{"cpu": "100k"}}
	policy := named(nets, "NetworkPolicy", "payments", "default-deny", nil)
	policy["spec"] = object{"podSelector": object{}, "policyTypes": []string{"Ingress"}}
	old := named(nets, "NetworkPolicy", "web", "legacy-front", nil)
	old["spec"] = policy["spec"]
	names := named("v1", "ConfigMap", "kube-system", "coredns", nil)
	names["data"] = object{"Corefile": ".:53 { forward . /etc/resolv.conf }"}
	list := []placed{
		{grouped("policy/v1", "orders", "poddisruptionbudgets"), budget},
		{core("data", "resourcequotas"), quota},
		{grouped("autoscaling/v2", "web", "horizontalpodautoscalers"), scaler},
		{grouped(apps, "data", "deployments"), large},
		{grouped(nets, "payments", "networkpolicies"), policy},
		{grouped(nets, "web", "networkpolicies"), old},
		{core("kube-system", "configmaps"), names},
		{core("kube-public", "configmaps"), named("v1", "ConfigMap", "kube-public", "cluster-info", nil)},
		{grouped(hooks, "", "validatingwebhookconfigurations"), webhook("ValidatingWebhookConfiguration", "cert-manager", "https://127.0.0.1:1/validate", "certificates")},
		{grouped(batch, "orders", "cronjobs"), clockwork("orders", "settle", "* * * * *", app{"orders", "settle", "", 1, ""}.podSpec("1.0.0"))},
		{grouped(batch, "data", "cronjobs"), clockwork("data", "rollup", "*/2 * * * *", app{"data", "rollup", "", 1, ""}.podSpec("1.0.0"))},
	}
	for _, a := range deployed {
		if a.kind == "deployments" && a.account == "" {
			service := named("v1", "Service", a.ns, a.name, nil)
			service["spec"] = object{"selector": object{"app": a.name}, "ports": []any{object{"port": 80, "targetPort": 8080}}}
			list = append(list, placed{core(a.ns, "services"), service})
		}
	}
	return list
}

// webhook calls url for pods, or for what nobody has, and fails open.
func webhook(kind, name, url, resource string) object {
	body := named(hooks, kind, "", name, nil)
	hook := object{
		"name": name + ".hooks.example", "failurePolicy": "Ignore", "timeoutSeconds": 1, "sideEffects": "None", "admissionReviewVersions": []string{"v1"},
		"clientConfig": object{"url": url},
		"rules":        []any{object{"apiGroups": []string{"*"}, "apiVersions": []string{"v1"}, "operations": []string{"CREATE"}, "resources": []string{resource}}},
	}
	body["webhooks"] = []any{hook}
	return body
}

// clockwork is a CronJob.
func clockwork(ns, name, schedule string, pod object) object {
	pod["restartPolicy"] = "Never"
	body := named(batch, "CronJob", ns, name, nil)
	body["spec"] = object{
		"schedule": schedule, "successfulJobsHistoryLimit": 2,
		"jobTemplate": object{"spec": object{"template": object{"spec": pod}}},
	}
	return body
}

type pod struct {
	Metadata struct{ Name, Namespace, UID string }
	Spec     struct{ NodeName, ServiceAccountName string }
	Status   struct{ Phase string }
}

func (s *siege) pods(ctx context.Context, ns string) ([]pod, error) {
	var list struct{ Items []pod }
	err := s.admin.Do(ctx, plane.Request{Path: core(ns, "pods")}).Decode(&list)
	return list.Items, err
}

// podOf is a pod that runs under an account, nil where none does.
func (s *siege) podOf(ctx context.Context, ns, account string) *pod {
	list, err := s.pods(ctx, ns)
	if err != nil {
		return nil
	}
	for _, p := range list {
		if p.Spec.ServiceAccountName == account && p.Status.Phase == "Running" {
			return &p
		}
	}
	return nil
}

// settleIn bounds the time that the workloads may take to come up.
const settleIn = 3 * time.Minute

// settled waits until every workload that fits has its pods.
func (s *siege) settled(ctx context.Context) error {
	want := 0
	for _, a := range deployed {
		want += a.replicas
		if a.kind == "daemonsets" {
			want += len(allNodes())
		}
	}
	ctx, cancel := context.WithTimeout(ctx, settleIn)
	defer cancel()
	for {
		list, err := s.pods(ctx, "")
		if err != nil {
			return err
		}
		running := 0
		for _, p := range list {
			if p.Status.Phase == "Running" && !strings.HasPrefix(p.Metadata.Name, "large-") {
				running++
			}
		}
		if running >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%d of %d pods run: %w", running, want, ctx.Err())
		case <-time.After(500 * time.Millisecond):
		}
	}
}

func (s *siege) podRuns(ctx context.Context, ns, name string) bool {
	var p pod
	err := s.admin.Do(ctx, plane.Request{Path: core(ns, "pods", name)}).Decode(&p)
	return err == nil && p.Status.Phase == "Running"
}

// may asks whether the authorizer has heard of a service account's right.
func (s *siege) may(ctx context.Context, account, verb, resource string) bool {
	return s.allowed(ctx, object{
		"user":               "system:serviceaccount:" + strings.Replace(account, "/", ":", 1),
		"resourceAttributes": object{"verb": verb, "resource": resource},
	})
}

// anyoneMay asks whether it has heard that everybody may list pods.
func (s *siege) anyoneMay(ctx context.Context) bool {
	return s.allowed(ctx, object{
		"user": "system:anonymous", "groups": []string{"system:unauthenticated"}, "resourceAttributes": object{"verb": "list", "resource": "pods"},
	})
}

func (s *siege) allowed(ctx context.Context, spec object) bool {
	var answer struct{ Status struct{ Allowed bool } }
	err := s.admin.Do(ctx, plane.Request{
		Verb: http.MethodPost, Path: "/apis/authorization.k8s.io/v1/subjectaccessreviews",
		Body: object{"apiVersion": authz, "kind": "SubjectAccessReview", "spec": spec},
	}).Decode(&answer)
	return err == nil && answer.Status.Allowed
}
