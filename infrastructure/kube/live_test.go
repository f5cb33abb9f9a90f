package kube

import (
	"bytes"
	stdcmp "cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube/kubetest"
)

const shop = "../../examples/shop/k8s"

// connect returns a connection to a server by its kubeconfig.
func connect(t testing.TB, s *kubetest.Server, a Access) *Live {
	t.Helper()
	a.Kubeconfig = filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(a.Kubeconfig, []byte(s.Kubeconfig()), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Connect(a)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func readLive(t testing.TB, l *Live) *Snapshot {
	t.Helper()
	s, err := l.Read(context.Background(), "prod")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// manifests reads text or a folder and gives its objects as data.
func manifests(t testing.TB, paths ...string) (*Snapshot, []map[string]any) {
	t.Helper()
	s, err := Reader{}.Read(context.Background(), "prod", paths)
	if err != nil {
		t.Fatal(err)
	}
	return s, objectsOf(s)
}

func objectsOf(s *Snapshot) []map[string]any {
	var objects []map[string]any
	for _, o := range s.Objects {
		raw := o.Raw
		if o.Namespace != "" { // the API server always says it
			raw["metadata"].(map[string]any)["namespace"] = o.Namespace
		}
		objects = append(objects, raw)
	}
	return objects
}

// isLive reports whether objects of the kind are read from a live cluster.
func isLive(o *Object) bool {
	return slices.ContainsFunc(liveKinds, func(k liveKind) bool {
		return k.kind == o.Kind && k.group == identityGroup(gvk(o.APIVersion, o.Kind))
	})
}

// seen is what judges see of an object, without its position: of a Secret its
// names and its type, which the API server makes Opaque where none is said.
func seen(objects []*Object) map[string]any {
	out := map[string]any{}
	for _, o := range objects {
		if secret, is := o.Typed.(*corev1.Secret); is {
			out[o.String()] = stdcmp.Or(secret.Type, corev1.SecretTypeOpaque)
		} else if isLive(o) {
			out[o.String()+" "+o.APIVersion] = o.Typed
		}
	}
	return out
}

func TestLiveEqualsManifests(t *testing.T) {
	want, objects := manifests(t, shop)
	for name, tc := range map[string]struct {
		protobuf, tables bool
		incomplete       []string
	}{
		"protobuf": {true, true, nil},
		"JSON":     {false, true, nil},
		"no tables": {true, false, []string{
			"list secrets read without their types: which of them hold a token isn't known",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			server := kubetest.New(t, objects)
			server.Protobuf, server.Tables = tc.protobuf, tc.tables
			got := readLive(t, connect(t, server, Access{}))
			if diff := cmp.Diff(seen(want.Objects), seen(got.Objects)); diff != "" && tc.tables {
				t.Errorf("manifests (-) and live (+):\n%.4000s", diff)
			}
			var incomplete []string
			for _, i := range got.Incomplete {
				incomplete = append(incomplete, i.What+" "+i.Why)
			}
			if diff := cmp.Diff(tc.incomplete, incomplete); diff != "" {
				t.Error(diff)
			}
			if got.Origin.Cluster != "test-cluster" || got.Origin.Server != "v1.37.2" || len(got.Workloads) != len(want.Workloads) {
				t.Errorf("origin %+v, %d workloads, want %d", got.Origin, len(got.Workloads), len(want.Workloads))
			}
			for _, w := range got.Workloads {
				if w.Object.Raw == nil {
					t.Errorf("%s has no raw object for the rules", got.Key(w))
				}
			}
			deployment := got.Get("Deployment", "shop", "storefront")
			if deployment.Position.File != "/apis/apps/v1/namespaces/shop/deployments/storefront" {
				t.Error(deployment.Position)
			}
		})
	}
}

// TestSecretsStayInTheCluster: no request asks for their values, and a server
// that has only whole objects is told no.
func TestSecretsStayInTheCluster(t *testing.T) {
	secret := map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
		"metadata": map[string]any{
			"name": "s", "namespace": "a",
			"annotations": map[string]any{lastApplied: "c2VjcmV0LXZhbHVl", "kept": "yes"},
		},
		"data": map[string]any{"tls.key": "c2VjcmV0LXZhbHVl"},
	}
	server := kubetest.New(t, []map[string]any{secret})
	asked := 0
	server.Answer = func(_ http.ResponseWriter, r *http.Request, resource string) bool {
		for _, form := range strings.Split(r.Header.Get("Accept"), ",") {
			if resource == "secrets" && !strings.Contains(form, ";as=Table;") && !strings.Contains(form, ";as=PartialObjectMetadataList;") {
				t.Errorf("secrets were asked for as %s", form)
			}
		}
		if resource == "secrets" {
			asked++
		}
		return false
	}
	s := readLive(t, connect(t, server, Access{}))
	want := map[string]any{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
		"metadata": map[string]any{"name": "s", "namespace": "a", "annotations": map[string]any{"kept": "yes"}},
	}
	if diff := cmp.Diff(want, s.Get("Secret", "a", "s").Raw); diff != "" || asked != 1 {
		t.Errorf("%d requests: %s", asked, diff)
	}
	var file bytes.Buffer
	if err := s.Write(&file); err != nil {
		t.Fatal(err)
	}
	if text := unpack(t, file.Bytes()); strings.Contains(text, "c2VjcmV0LXZhbHVl") {
		t.Error("the snapshot's file holds a value")
	}
}

// pods are n pods of 100 ReplicaSets, none of which is there, in two namespaces.
func pods(n int) []map[string]any {
	var list []map[string]any
	for i := range n {
		set := i * 100 / n
		list = append(list, map[string]any{
			"apiVersion": "v1", "kind": "Pod",
			"metadata": map[string]any{
				"name": fmt.Sprintf("web-%03d-%05d", set, i), "namespace": fmt.Sprintf("ns-%d", 2*i/n), "uid": fmt.Sprintf("u-%d", i),
				"labels":          map[string]any{"app": fmt.Sprintf("web-%03d", set)},
				"ownerReferences": []any{map[string]any{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": fmt.Sprintf("web-%03d", set), "uid": "r", "controller": true}},
			},
			"spec":   map[string]any{"nodeName": fmt.Sprintf("node-%d", i%7), "containers": []any{map[string]any{"name": "c", "image": "web:1"}}},
			"status": map[string]any{"phase": "Running", "podIP": "10.0.0.1"},
		})
	}
	return list
}

func TestPages(t *testing.T) {
	gone := func(w http.ResponseWriter) bool {
		kubetest.Status(w, http.StatusGone, "Expired", "The provided continue parameter is too old")
		return true
	}
	count := 0
	for name, tc := range map[string]struct {
		answer   func(w http.ResponseWriter, r *http.Request) bool
		pods     int
		requests int // for pods; 0: as many as the client tries
		why      string
	}{
		"all pages":      {func(http.ResponseWriter, *http.Request) bool { return false }, 1200, 3, ""},
		"too old once":   {func(w http.ResponseWriter, _ *http.Request) bool { count++; return count == 2 && gone(w) }, 1200, 5, ""},
		"too old always": {func(w http.ResponseWriter, r *http.Request) bool { return r.URL.Query().Has("continue") && gone(w) }, 500, 4, "the list changed faster than it could be read, twice: what is there may be old or missing"},
		"busy once": {func(w http.ResponseWriter, _ *http.Request) bool {
			if count++; count == 2 {
				w.Header().Set("Retry-After", "0")
				kubetest.Status(w, http.StatusTooManyRequests, "TooManyRequests", "later")
				return true
			}
			return false
		}, 1200, 4, ""},
		"a page that repeats": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"x"},"items":[]}`)
			return true
		}, 0, 2, "the cluster repeats a page: the rest isn't read"},
		"pages of nothing": {func(w http.ResponseWriter, r *http.Request) bool {
			count++
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"%d"},"items":[]}`, count%2)
			return true
		}, 0, maxHollow + 1, "more than 100 pages with nothing in them: the rest isn't read"},
		"broken on the way": {func(w http.ResponseWriter, r *http.Request) bool {
			if r.URL.Query().Has("continue") {
				panic(http.ErrAbortHandler)
			}
			return false
		}, 500, 0, "EOF"},
		"another kind": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"kind":"NodeList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"x"}}]}`)
			return true
		}, 0, 1, "not readable: a NodeList in place of pods"},
		"another kind with nothing in it": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"kind":"NodeList","apiVersion":"v1","metadata":{},"items":[]}`)
			return true
		}, 0, 1, "not readable: a NodeList in place of pods"},
		"no list": {func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprint(w, `{"kind":"Pod","apiVersion":"v1"}`)
			return true
		}, 0, 1, "not readable"},
		"garbage": {func(w http.ResponseWriter, _ *http.Request) bool { fmt.Fprint(w, "k8s\x00\xff\xff\xff"); return true }, 0, 1, "not readable"},
		"nested too deep": {func(w http.ResponseWriter, _ *http.Request) bool {
			fmt.Fprint(w, strings.Repeat(`{"a":`, 100_000))
			return true
		}, 0, 1, "not readable"},
		"forbidden": {func(w http.ResponseWriter, _ *http.Request) bool {
			kubetest.Status(w, http.StatusForbidden, "Forbidden", "pods is forbidden")
			return true
		}, 0, 1, "this account may not list them in all namespaces: grant the role that `scantling cluster role` prints"},
	} {
		t.Run(name, func(t *testing.T) {
			count = 0
			server := kubetest.New(t, pods(1200))
			server.Answer = func(w http.ResponseWriter, r *http.Request, resource string) bool {
				return resource == "pods" && tc.answer(w, r)
			}
			s := readLive(t, connect(t, server, Access{}))
			requests := 0
			for _, r := range server.Requests() {
				if strings.HasPrefix(r, "/api/v1/pods?") {
					requests++
				}
			}
			if got := len(s.ByKind("Pod")); got != tc.pods || tc.requests > 0 && requests != tc.requests {
				t.Errorf("%d pods by %d requests, want %d by %d", got, requests, tc.pods, tc.requests)
			}
			if tc.why == "" {
				if len(s.Incomplete) > 0 || len(s.Workloads) != 100 {
					t.Errorf("%d workloads, incomplete %v", len(s.Workloads), s.Incomplete)
				}
				return
			}
			if len(s.Incomplete) != 1 || s.Incomplete[0].What != "list pods" || !strings.Contains(s.Incomplete[0].Why, tc.why) {
				t.Errorf("incomplete %v, want %q", s.Incomplete, tc.why)
			}
		})
	}
}

// TestHugePage: a page over the bound is asked for again in smaller ones, and
// one that never ends costs the bound and no more.
func TestHugePage(t *testing.T) {
	server := kubetest.New(t, pods(60))
	var limits []string
	server.Answer = func(w http.ResponseWriter, r *http.Request, resource string) bool {
		limit := r.URL.Query().Get("limit")
		if resource == "pods" {
			limits = append(limits, limit)
		}
		if resource == "nodes" || resource == "pods" && limit == "500" {
			line := bytes.Repeat([]byte("x"), 1<<20)
			for range maxAnswer>>20 + 2 {
				if _, err := w.Write(line); err != nil {
					break
				}
			}
			return true
		}
		return false
	}
	s := readLive(t, connect(t, server, Access{}))
	if diff := cmp.Diff([]string{"500", "50", "50"}, limits); diff != "" || len(s.ByKind("Pod")) != 60 {
		t.Errorf("%d pods: %s", len(s.ByKind("Pod")), diff)
	}
	if len(s.Incomplete) != 1 || s.Incomplete[0].What != "list nodes" || s.Incomplete[0].Why != "an answer of more than 16 MiB: the rest isn't read" {
		t.Error(s.Incomplete)
	}
}

func TestReadEndsWithItsContext(t *testing.T) {
	server := kubetest.New(t, nil)
	ctx, cancel := context.WithCancel(context.Background())
	server.Answer = func(_ http.ResponseWriter, r *http.Request, _ string) bool {
		cancel()
		select {
		case <-r.Context().Done():
		case <-time.After(10 * time.Second):
		}
		return true
	}
	start := time.Now()
	_, err := connect(t, server, Access{}).Read(ctx, "prod")
	if !errors.Is(err, context.Canceled) || time.Since(start) > 5*time.Second {
		t.Errorf("%v after %v", err, time.Since(start))
	}
}

func TestNamespace(t *testing.T) {
	server := kubetest.New(t, pods(10))
	s := readLive(t, connect(t, server, Access{Namespace: "ns-1"}))
	for _, p := range s.ByKind("Pod") {
		if p.Namespace != "ns-1" {
			t.Error(p)
		}
	}
	if diff := cmp.Diff([]string{"ns-1"}, s.Origin.Namespaces); diff != "" || len(s.ByKind("Pod")) != 5 {
		t.Errorf("%d pods: %s", len(s.ByKind("Pod")), diff)
	}
	if !slices.Contains(server.Requests(), "/api/v1/namespaces/ns-1/pods?limit=500") || !slices.Contains(server.Requests(), "/api/v1/nodes?limit=500") {
		t.Error(server.Requests())
	}
}

func TestNamespaceThatIsNotThere(t *testing.T) {
	_, objects := manifests(t, shop)
	_, err := connect(t, kubetest.New(t, objects), Access{Namespace: "shpo"}).Read(context.Background(), "prod")
	if want := `there is no namespace "shpo": the nearest is "shop"`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestNothingReadable(t *testing.T) {
	forbidden := kubetest.New(t, nil)
	forbidden.Answer = func(w http.ResponseWriter, _ *http.Request, resource string) bool {
		kubetest.Status(w, http.StatusForbidden, "Forbidden", resource+" is forbidden")
		return true
	}
	down := kubetest.New(t, nil)
	down.URL = "https://127.0.0.1:1"
	for name, tc := range map[string]struct {
		server *kubetest.Server
		access Access
		want   string
	}{
		"forbidden":    {forbidden, Access{}, "lets this account read nothing: grant the role that `scantling cluster role` prints"},
		"wrong token":  {kubetest.New(t, nil), Access{Context: "other"}, "refuses these credentials: log in again, or choose others with --context"},
		"not there":    {down, Access{}, "the cluster at https://127.0.0.1:1 can't be read: is it up, can it be reached from here, is it the right --context?"},
		"not a server": {nil, Access{}, "can't be read"},
	} {
		t.Run(name, func(t *testing.T) {
			if tc.server == nil {
				tc.server = kubetest.New(t, nil)
				tc.server.URL += "/elsewhere"
			}
			_, err := connect(t, tc.server, tc.access).Read(context.Background(), "prod")
			if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), kubetest.Token) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

func TestConnectRefuses(t *testing.T) {
	t.Setenv("HOME", t.TempDir())
	write := func(text string) string {
		name := filepath.Join(t.TempDir(), "config")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	good := (&kubetest.Server{URL: "https://127.0.0.1:1"}).Kubeconfig()
	for name, tc := range map[string]struct {
		env    string
		access Access
		want   string
	}{
		"nothing at all":       {"", Access{}, "no cluster to read: there is no kubeconfig"},
		"a context of nothing": {"", Access{Context: "prod"}, `there is no context "prod"`},
		"no such file":         {"", Access{Kubeconfig: "missing"}, "reading the kubeconfig: "},
		"no YAML":              {write("\tx: ["), Access{}, "reading the kubeconfig: "},
		"a wrong context":      {write(good), Access{Context: "tset"}, `the kubeconfig has no context "tset": the nearest is "test"`},
		"no current context":   {write(strings.Replace(good, "current-context: test", "", 1)), Access{}, "the kubeconfig has no current context: name one of other, test with --context"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("KUBECONFIG", tc.env)
			_, err := Connect(tc.access)
			if err == nil || !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("%v, want %q", err, tc.want)
			}
		})
	}
}

// TestOtherPolicies: policies of other projects are read whole, in the version
// that the cluster prefers, and kinds of policies that nobody knows are named.
func TestOtherPolicies(t *testing.T) {
	policy := func(apiVersion, kind, namespace string) map[string]any {
		return map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": "p", "namespace": namespace, "managedFields": []any{}}, "spec": map[string]any{"x": int64(1)}}
	}
	s := readLive(t, connect(t, kubetest.New(t, []map[string]any{
		policy("cilium.io/v2", "CiliumNetworkPolicy", "shop"), policy("projectcalico.org/v3", "NetworkPolicy", "shop"),
		policy("crd.projectcalico.org/v1", "NetworkPolicy", "shop"), policy("new.example/v1", "BetterNetworkPolicy", "shop"),
		policy("projectcalico.org/v3", "StagedNetworkPolicy", "shop"), policy("cilium.io/v2", "CiliumEndpoint", "shop"),
	}), Access{}))
	if diff := cmp.Diff([]string{
		"CiliumNetworkPolicy shop/p @/apis/cilium.io/v2/namespaces/shop/ciliumnetworkpolicies/p:0",
		"NetworkPolicy shop/p @/apis/projectcalico.org/v3/namespaces/shop/networkpolicies/p:0",
		"list betternetworkpolicies.new.example a kind of network policy that isn't known here: if there is any, connections may be otherwise",
	}, brief(s)); diff != "" {
		t.Error(diff)
	}
	if spec := s.ByKind("CiliumNetworkPolicy")[0].Raw["spec"]; !cmp.Equal(spec, map[string]any{"x": int64(1)}) {
		t.Error(spec)
	}
}

// TestRoleGrantsWhatIsRead: the shipped role and the table of kinds agree.
func TestRoleGrantsWhatIsRead(t *testing.T) {
	file, err := os.Open("../../deploy/read-only.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	granted := map[string]string{}
	for decoder := yaml.NewDecoder(file); ; {
		var doc struct {
			Kind     string
			Metadata struct{ Name string }
			Rules    []struct {
				APIGroups []string `yaml:"apiGroups"`
				Resources []string
				Verbs     []string
				Names     []string `yaml:"resourceNames"`
			}
		}
		if err := decoder.Decode(&doc); err != nil {
			break
		}
		for _, rule := range doc.Rules {
			for _, group := range rule.APIGroups {
				for _, resource := range rule.Resources {
					granted[liveKind{group: group, resource: resource}.name()] = strings.Join(append(rule.Verbs, rule.Names...), " ") + " by " + doc.Metadata.Name
				}
			}
		}
	}
	read := map[string]string{}
	for _, k := range liveKinds {
		read[k.name()] = "list by scantling-read"
		if k.form == bare {
			read[k.name()] = "list by scantling-read-secrets"
		}
	}
	if diff := cmp.Diff(read, granted); diff != "" {
		t.Errorf("what is read (-) and granted (+):\n%s", diff)
	}
}
