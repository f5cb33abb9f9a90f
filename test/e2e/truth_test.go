package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/test/e2e/plane"
)

// truths are accounts with one right each, and near misses.
var truths = filepath.Join("testdata", "truth.yaml")

// truth is one kind of edge, where it leads to in a namespace, and what the
// API server has to allow to whoever has it: one of the calls, all as dry runs
// or without effect.
type truth struct {
	edge  string
	to    string // the hub; NS stands for "in namespace X" or "in every namespace"
	once  bool   // the whole cluster is asked about, not each namespace
	calls []call
	ask   *identity.Request // beside them: what can't be tried, is asked
}

// call is one request; NS stands for the namespace.
type call struct{ verb, path, kind, body string }

// every are the edges that one right, or two of one identity, give.
func every() []truth {
	const (
		pods, json, merge = "/api/v1/namespaces/NS/pods", "", "application/merge-patch+json"
		strategic         = "application/strategic-merge-patch+json"
		pod               = `{"metadata":{"name":"made"},"spec":{"containers":[{"name":"main","image":"registry.example/made"}]}}`
		deployment        = `{"metadata":{"name":"made"},"spec":{"selector":{"matchLabels":{"app":"made"}},"template":{"metadata":{"labels":{"app":"made"}},"spec":{"containers":[{"name":"main","image":"registry.example/made"}]}}}}`
		binding           = `{"metadata":{"name":"made"},"roleRef":{"apiGroup":"rbac.authorization.k8s.io","kind":"ClusterRole","name":"cluster-admin"},"subjects":[{"kind":"User","apiGroup":"rbac.authorization.k8s.io","name":"x"}]}`
		everything        = `"rules":[{"apiGroups":["*"],"resources":["*"],"verbs":["*"]}]`
	)
	proxy := call{http.MethodGet, "/api/v1/nodes/" + theNode + "/proxy/pods", json, ""}
	out := []truth{
		{edge: "exec", to: "every workload NS", calls: []call{{http.MethodPost, pods + "/web/exec?command=id", json, ""}}},
		{edge: "attach", to: "attach to running pods NS", calls: []call{{http.MethodPost, pods + "/web/attach", json, ""}}},
		{edge: "port-forward", to: "connect through the API server to pods NS", calls: []call{{http.MethodPost, pods + "/web/portforward?ports=80", json, ""}}, ask: &identity.Request{Verb: "get", Resource: "pods", Subresource: "proxy"}},
		{edge: "read-logs", to: "read logs NS", calls: []call{{http.MethodGet, pods + "/web/log", json, ""}, proxy}},
		{edge: "kubelet-exec", to: "exec through every kubelet", once: true, calls: []call{proxy}},
		{edge: "create-pods", to: "create pods NS", calls: []call{
			{http.MethodPost, pods + "?dryRun=All", json, pod}, {http.MethodPost, "/apis/apps/v1/namespaces/NS/deployments?dryRun=All", json, deployment},
		}},
		{edge: "debug-container", to: "add containers to running pods NS", calls: []call{
			{http.MethodPatch, pods + "/web/ephemeralcontainers?dryRun=All", strategic, `{"spec":{"ephemeralContainers":[{"name":"made","image":"registry.example/made"}]}}`},
		}},
		{edge: "patch-pods", to: "every workload NS", calls: []call{{http.MethodPatch, pods + "/web?dryRun=All", merge, `{"metadata":{"labels":{"made":"up"}}}`}}},
		{edge: "evict-pods", to: "make an end of running pods NS", calls: []call{{http.MethodDelete, pods + "/web?dryRun=All", json, ""}}},
		{edge: "token-request", to: "act as any ServiceAccount NS", calls: []call{{http.MethodPost, "/api/v1/namespaces/NS/serviceaccounts/default/token?dryRun=All", json, `{"spec":{}}`}}},
		{edge: "impersonate", to: "act as any ServiceAccount NS", ask: &identity.Request{Verb: "impersonate", Resource: "serviceaccounts"}},
		{edge: "read-secrets", to: "read Secrets NS", calls: []call{
			{http.MethodGet, "/api/v1/namespaces/NS/secrets", json, ""}, {http.MethodGet, "/api/v1/namespaces/NS/secrets/other", json, ""},
		}},
		{edge: "create-secrets", to: "create Secrets NS", calls: []call{{http.MethodPost, "/api/v1/namespaces/NS/secrets?dryRun=All", json, `{"metadata":{"name":"made"}}`}}},
		{edge: "relabel-namespace", to: "change Pod Security NS", calls: []call{
			{http.MethodPatch, "/api/v1/namespaces/NS?dryRun=All", merge, `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`},
		}},
		{edge: "bind-role", to: "all rights NS", calls: []call{{http.MethodPost, rbacPath + "namespaces/NS/rolebindings?dryRun=All", json, binding}}},
		{edge: "bind-role", to: "cluster cluster", once: true, calls: []call{{http.MethodPost, rbacPath + "clusterrolebindings?dryRun=All", json, binding}}},
		{edge: "escalate-role", to: "change the rules of any Role NS", calls: []call{
			{http.MethodPut, rbacPath + "namespaces/NS/roles/web?dryRun=All", json, `{"metadata":{"name":"web"},` + everything + `}`},
		}},
		{edge: "escalate-role", to: "cluster cluster", once: true, calls: []call{
			{http.MethodPut, rbacPath + "clusterroles/truth-deployments?dryRun=All", json, `{"metadata":{"name":"truth-deployments"},` + everything + `}`},
		}},
	}
	for _, signer := range []string{"kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"} {
		out = append(out, truth{edge: "approve-certificate", to: "approve signing requests of signer " + signer, once: true, calls: []call{
			{http.MethodPut, certPath + "/" + requestName(signer) + "/approval?dryRun=All", json, "approval"},
		}})
	}
	return out
}

const certPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests"

func requestName(signer string) string { return strings.ReplaceAll(signer, "/", "-") }

// testTruth tries, as each account, what each kind of edge says that it can
// do, and holds the API server's answer against the graph, both ways.
func testTruth(t *testing.T, program string, p *plane.Plane, admin *plane.Client) {
	accounts := deploy(t, admin, truths)
	accounts = slices.DeleteFunc(accounts, func(m plane.Manifest) bool { return m.Kind != "ServiceAccount" })
	approvals := map[string]any{}
	for _, tr := range every() {
		if _, signer, ok := strings.Cut(tr.to, "requests of signer "); ok {
			approvals[requestName(signer)] = signingRequest(t, admin, signer)
		}
	}
	var doc struct{ Edges []step }
	scantling(t, program, "cluster", "paths", "--edges", "--format", "json", "--kubeconfig", p.Kubeconfig(plane.Admin)).read(t, &doc)
	from := map[string][]step{}
	for _, e := range doc.Edges {
		from[e.From] = append(from[e.From], e)
	}
	var c counts
	each(len(accounts), func(i int) {
		who := identity.Subject{Kind: "ServiceAccount", Namespace: accounts[i].Namespace, Name: accounts[i].Name}
		edges := edgesOf(who, from)
		for _, tr := range every() {
			for _, ns := range []string{"truth", "beside"} {
				if tr.once && ns != "truth" {
					continue
				}
				c.add(t, tr.allowed(t, admin, who, ns, approvals), tr.claimed(edges, ns), fmt.Sprintf("%s: %s in %s", who, tr.edge, ns))
			}
		}
	})
	c.tell(t, 30)
	for _, m := range accounts {
		who := identity.Subject{Kind: "ServiceAccount", Namespace: m.Namespace, Name: m.Name}
		for _, e := range from["identity "+who.Ref("cluster").Key] {
			proven(t, admin, who, e)
		}
	}
}

// step is what these tests read of an edge.
type step struct {
	Edge, From, To string
	Why            []struct{ Object, Field, Rule string }
}

// edgesOf are the edges of an account and of its groups.
func edgesOf(who identity.Subject, from map[string][]step) []step {
	out := slices.Clone(from["identity "+who.Ref("cluster").Key])
	for _, e := range out {
		if e.Edge == "group" {
			out = append(out, from[e.To]...)
		}
	}
	return out
}

// claimed is whether some edge says so for the namespace, or for every one.
func (tr truth) claimed(edges []step, ns string) bool {
	return slices.ContainsFunc(edges, func(e step) bool {
		return e.Edge == tr.edge && (e.To == strings.ReplaceAll(tr.to, "NS", "in namespace "+ns) || e.To == strings.ReplaceAll(tr.to, "NS", "in every namespace"))
	})
}

// allowed is whether the API server lets the account do it. Whatever else it
// answers than that it is forbidden: there is no kubelet behind a node.
func (tr truth) allowed(t *testing.T, admin *plane.Client, who identity.Subject, ns string, approvals map[string]any) bool {
	if tr.ask != nil {
		asked := *tr.ask
		asked.Namespace = ns
		if review(t, admin, who, asked) {
			return true
		}
	}
	user, groups := callerOf(who)
	return slices.ContainsFunc(tr.calls, func(c call) bool {
		r := plane.Request{Verb: c.verb, Path: strings.ReplaceAll(c.path, "NS", ns), Type: c.kind, Header: http.Header{"Impersonate-User": {user}, "Impersonate-Group": groups}}
		switch c.body {
		case "":
		case "approval":
			name, _, _ := strings.Cut(strings.TrimPrefix(c.path, certPath+"/"), "/")
			r.Body = approvals[name]
		default:
			r.Body = c.body
		}
		answer := admin.Do(t.Context(), r)
		if answer.Err != nil {
			t.Errorf("%s %s as %s: %v", r.Verb, r.Path, who, answer.Err)
		}
		if c := answer.Code; !answer.OK() && c != http.StatusForbidden && c < 500 && c != http.StatusNotFound && c != http.StatusBadRequest {
			t.Errorf("%s %s as %s: %v", r.Verb, r.Path, who, answer.Error())
		}
		return answer.Code != http.StatusForbidden
	})
}

// signingRequest makes a request and returns its approval.
func signingRequest(t *testing.T, admin *plane.Client, signer string) map[string]any {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "somebody"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	body := map[string]any{
		"apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest", "metadata": map[string]any{"name": requestName(signer)},
		"spec": map[string]any{"request": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), "signerName": signer, "usages": []any{"client auth"}},
	}
	var made map[string]any
	if err := admin.Do(t.Context(), plane.Request{Verb: http.MethodPost, Path: certPath, Body: body}).Decode(&made); err != nil {
		t.Fatal(err)
	}
	made["status"] = map[string]any{"conditions": []any{map[string]any{"type": "Approved", "status": "True", "reason": "Tried"}}}
	return made
}

// proven asks the API server for the binding and for the rule that an edge
// names as its proof: the binding names the account, the rule is there.
func proven(t *testing.T, admin *plane.Client, who identity.Subject, e step) {
	t.Helper()
	for _, why := range e.Why {
		kind, name, _ := strings.Cut(why.Object, " ")
		if !strings.HasSuffix(kind, "Role") && !strings.HasSuffix(kind, "RoleBinding") {
			continue
		}
		path := rbacPath + strings.ToLower(kind) + "s/" + name
		if ns, short, ok := strings.Cut(name, "/"); ok {
			path = rbacPath + "namespaces/" + ns + "/" + strings.ToLower(kind) + "s/" + short
		}
		var o struct {
			Rules    []any
			Subjects []struct{ Kind, Namespace, Name string }
		}
		if err := admin.Do(t.Context(), plane.Request{Path: path}).Decode(&o); err != nil {
			t.Errorf("%s of %s: the proof %s: %v", e.Edge, who, why.Object, err)
			continue
		}
		if number, ok := strings.CutPrefix(why.Field, "rules["); ok {
			if i, err := strconv.Atoi(strings.TrimSuffix(number, "]")); err != nil || i >= len(o.Rules) {
				t.Errorf("%s of %s: %s has no %s", e.Edge, who, why.Object, why.Field)
			}
		} else if o.Subjects != nil && o.Subjects[0].Name != who.Name {
			t.Errorf("%s of %s: %s is of %v", e.Edge, who, why.Object, o.Subjects)
		}
	}
}
