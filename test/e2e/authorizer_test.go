package e2e

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/test/e2e/plane"
)

var update = flag.Bool("update", false, "rewrite what was recorded of the real server")

var (
	_ = identity.Build
	// defaults is where the roles of a new cluster are kept.
	defaults = filepath.Join("..", "..", "infrastructure", "identity", "bootstrap.json")
)

// testDefaults holds the roles that the engine knows of a new cluster against
// those of one.
func testDefaults(t *testing.T, admin *plane.Client) {
	got := defaultsOf(t, admin)
	if *update {
		if err := os.WriteFile(defaults, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(defaults)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-) and the API server (+): go test -run TestAuthorizer -update\n%s", defaults, diff)
	}
}

// defaultsOf writes the roles of a cluster, an object a line.
func defaultsOf(t *testing.T, admin *plane.Client) []byte {
	t.Helper()
	var out []byte
	for _, kind := range []struct{ kind, path string }{
		{"ClusterRole", "clusterroles"}, {"Role", "roles"},
	} {
		var list struct {
			Items []map[string]any `json:"items"`
		}
		if err := admin.Do(t.Context(), plane.Request{Path: "/apis/rbac.authorization.k8s.io/v1/" + kind.path}).Decode(&list); err != nil {
			t.Fatal(err)
		}
		for _, o := range list.Items {
			meta := o["metadata"].(map[string]any)
			kept := map[string]any{"name": meta["name"]}
			for _, key := range []string{"namespace", "labels"} {
				if meta[key] != nil {
					kept[key] = meta[key]
				}
			}
			o["metadata"], o["kind"], o["apiVersion"] = kept, kind.kind, "rbac.authorization.k8s.io/v1"
			if o["aggregationRule"] != nil {
				delete(o, "rules") // the controller's
			}
			line, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			out = append(append(out, line...), '\n')
		}
	}
	return out
}

// callerOf is the user and the groups that a subject calls as. A member of a
// group has some name.
func callerOf(s identity.Subject) (user string, groups []string) {
	for _, g := range s.Groups() {
		groups = append(groups, g.Name)
	}
	switch s.Kind {
	case "ServiceAccount":
		return "system:serviceaccount:" + s.Namespace + ":" + s.Name, groups
	case "Group":
		return "somebody", append(groups, s.Name)
	}
	return s.Name, groups
}

// review asks the API server's authorizer.
func review(t *testing.T, admin *plane.Client, s identity.Subject, r identity.Request) bool {
	t.Helper()
	user, groups := callerOf(s)
	spec := map[string]any{"user": user, "groups": groups}
	if r.Path != "" {
		spec["nonResourceAttributes"] = map[string]any{"path": r.Path, "verb": r.Verb}
	} else {
		if r.Resource == "namespaces" && r.Group == "" && r.Namespace == "" {
			r.Namespace = r.Name // as the server itself infers it from a path
		}
		spec["resourceAttributes"] = map[string]any{
			"verb": r.Verb, "group": r.Group, "resource": r.Resource, "subresource": r.Subresource, "namespace": r.Namespace, "name": r.Name,
		}
	}
	var answer struct{ Status struct{ Allowed bool } }
	body := map[string]any{"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
	if err := admin.Do(t.Context(), plane.Request{Verb: http.MethodPost, Path: "/apis/authorization.k8s.io/v1/subjectaccessreviews", Body: body}).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Status.Allowed
}

// each does n things, eight at a time.
func each(n int, do func(i int)) {
	var group sync.WaitGroup
	for lane := range 8 {
		group.Go(func() {
			for i := lane; i < n; i += 8 {
				do(i)
			}
		})
	}
	group.Wait()
}

// TestAuthorizer holds the engine against the authorizer and the admission of
// a real API server, on random worlds: what the snapshot of the live cluster
// gives has to be equal, and what the manifests give but for the bindings that
// every cluster has.
func TestAuthorizer(t *testing.T) {
	plane.Programs(t)
	p, admin := start(t, plane.Config{Policy: quiet})
	t.Run("defaults", func(t *testing.T) { testDefaults(t, admin) })
	var manifests bytes.Buffer
	var all [worlds][]map[string]any
	for w := range worlds {
		all[w] = dice{rand.New(rand.NewPCG(uint64(w), 11)), w}.objects()
		for _, o := range all[w] {
			text, err := json.Marshal(o)
			if err != nil {
				t.Fatal(err)
			}
			fmt.Fprintf(&manifests, "---\n%s\n", text)
		}
	}
	each(worlds, func(w int) { createWorld(t, admin, all[w]) })
	for w := range worlds {
		until(t, "aggregation", time.Minute, func() bool { return aggregated(t, admin, fmt.Sprintf("w%d-sum", w), all[w]) })
	}
	connection, err := kube.Connect(kube.Access{Kubeconfig: p.Kubeconfig(plane.Admin)})
	if err != nil {
		t.Fatal(err)
	}
	live, err := connection.Read(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	written, err := kube.ReadFrom(t.Context(), "c", "worlds.yaml", &manifests)
	if err != nil {
		t.Fatal(err)
	}
	o := oracle{admin: admin, objects: &all, live: identity.Build(live), written: identity.Build(written)}
	t.Run("reviews", o.reviews)
	t.Run("bindings", o.bindings)
	t.Run("roles", o.roles)
	t.Run("impersonation", o.impersonation)
}

func createWorld(t *testing.T, admin *plane.Client, objects []map[string]any) {
	for _, o := range objects {
		meta := o["metadata"].(map[string]any)
		m := plane.Manifest{APIVersion: o["apiVersion"].(string), Kind: o["kind"].(string), Name: meta["name"].(string)}
		m.Namespace, _ = meta["namespace"].(string)
		if err := admin.Do(t.Context(), plane.Request{Verb: http.MethodPost, Path: m.Collection(), Body: o}).Error(); err != nil {
			t.Errorf("creating %s %s: %v", m.Kind, m.Name, err)
		}
	}
}

// aggregated is true once the controller has filled the role.
func aggregated(t *testing.T, admin *plane.Client, name string, objects []map[string]any) bool {
	want := 0
	var label any
	for _, o := range objects {
		if rule, ok := o["aggregationRule"].(map[string]any); ok {
			label = rule["clusterRoleSelectors"].([]any)[0].(map[string]any)["matchLabels"]
		}
	}
	for _, o := range objects {
		if labels := o["metadata"].(map[string]any)["labels"]; o["kind"] == "ClusterRole" && cmp.Equal(labels, label) {
			want += len(o["rules"].([]any))
		}
	}
	var role struct{ Rules []any }
	if err := admin.Do(t.Context(), plane.Request{Path: "/apis/rbac.authorization.k8s.io/v1/clusterroles/" + name}).Decode(&role); err != nil {
		t.Fatal(err)
	}
	return want == 0 || len(role.Rules) > 0
}

// oracle compares the engine with the server.
type oracle struct {
	admin         *plane.Client
	objects       *[worlds][]map[string]any
	live, written *identity.Engine
}

// counts are safe for concurrent use.
type counts struct {
	sync.Mutex
	yes, no, wrong int
}

func (c *counts) add(t *testing.T, want, got bool, what string) {
	c.Lock()
	defer c.Unlock()
	if want {
		c.yes++
	} else {
		c.no++
	}
	if want != got {
		if c.wrong++; c.wrong <= 10 {
			t.Errorf("%s: the API server says %v, the engine %v", what, want, got)
		}
	}
}

func (c *counts) tell(t *testing.T, least int) {
	t.Logf("%d allowed, %d denied, %d otherwise than the API server", c.yes, c.no, c.wrong)
	if c.yes < least || c.no < least {
		t.Errorf("the worlds are lopsided: %d allowed, %d denied", c.yes, c.no)
	}
}

// reviews compares thousands of requests with SubjectAccessReviews.
func (o oracle) reviews(t *testing.T) {
	var live, written counts
	each(worlds, func(w int) {
		d := dice{rand.New(rand.NewPCG(uint64(w), 12)), w}
		for i := range 40 {
			who, r := d.asker(), d.request()
			if i%2 == 0 {
				who, r = d.aimed(o.objects[w])
			}
			want := review(t, o.admin, who, r)
			got, grants := o.live.Can(who, r)
			live.add(t, want, got, fmt.Sprintf("%s %+v", who, r))
			// What every cluster binds of itself is in no manifest.
			if slices.ContainsFunc(grants, func(g identity.Grant) bool { return g.Binding == nil || !strings.HasPrefix(g.Binding.Name, "system:") }) || !want {
				got, _ := o.written.Can(who, r)
				written.add(t, want, got, fmt.Sprintf("of manifests: %s %+v", who, r))
			}
		}
	})
	live.tell(t, 1000)
	written.tell(t, 1000)
}

// as sends a dry run in the name of a subject; true where it was allowed.
func (o oracle) as(t *testing.T, s identity.Subject, verb, path string, body any) bool {
	user, groups := callerOf(s)
	answer := o.admin.Do(t.Context(), plane.Request{Verb: verb, Path: path + "?dryRun=All", Body: body, Header: http.Header{
		"Impersonate-User": {user}, "Impersonate-Group": groups,
	}})
	if answer.Err != nil || !answer.OK() && answer.Code != http.StatusForbidden {
		t.Errorf("%s %s as %s: %v", verb, path, s, answer.Error())
	}
	return answer.OK()
}

const rbacPath = "/apis/rbac.authorization.k8s.io/v1/"

// bindings compares who may create a binding to which role.
func (o oracle) bindings(t *testing.T) {
	var c counts
	each(worlds, func(w int) {
		d := dice{rand.New(rand.NewPCG(uint64(w), 13)), w}
		for range 12 {
			who, ns := d.asker(), d.pick("", d.name("n1"), d.name("n2"))
			kind, name := "ClusterRole", d.pick(d.name("cr0"), d.name("cr1"), d.name("cr2"), d.name("sum"), "view", "cluster-admin")
			if ns != "" && d.IntN(2) == 0 {
				kind, name = "Role", d.name("r")
			}
			resource, path := "clusterrolebindings", rbacPath+"clusterrolebindings"
			if ns != "" {
				resource, path = "rolebindings", rbacPath+"namespaces/"+ns+"/rolebindings"
			}
			body := map[string]any{
				"metadata": map[string]any{"name": "dry"}, "roleRef": map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": name},
				"subjects": []any{map[string]any{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "x"}},
			}
			got, _ := o.live.Can(who, identity.Request{Verb: "create", Group: "rbac.authorization.k8s.io", Resource: resource, Namespace: ns})
			if got {
				got = o.mayBind(who, ns, kind, name)
			}
			c.add(t, o.as(t, who, http.MethodPost, path, body), got, fmt.Sprintf("%s binds %s %s in %q", who, kind, name, ns))
		}
	})
	c.tell(t, 30)
}

func (o oracle) mayBind(who identity.Subject, ns, kind, name string) bool {
	in := ns
	if kind == "ClusterRole" {
		in = ""
	}
	ok, _ := o.live.MayBind(who, ns, o.live.Role(in, name))
	return ok
}

// roles compares who may write which rules into a role.
func (o oracle) roles(t *testing.T) {
	var c counts
	each(worlds, func(w int) {
		d := dice{rand.New(rand.NewPCG(uint64(w), 14)), w}
		for range 12 {
			who, ns, name := d.asker(), d.pick("", d.name("n1")), d.name("cr1")
			resource, path := "clusterroles", rbacPath+"clusterroles/"
			if ns != "" {
				resource, path, name = "roles", rbacPath+"namespaces/"+ns+"/roles/", d.name("r")
			}
			role := o.live.Role(ns, name)
			rules := d.rules(false)
			if given, ok := o.objects[w][2]["rules"].([]any); ok && ns == "" && d.IntN(2) == 0 {
				rules = given // of the first ClusterRole, which somebody may well have
			}
			body := map[string]any{"metadata": map[string]any{"name": name}, "rules": rules}
			got, _ := o.live.Can(who, identity.Request{Verb: "update", Group: "rbac.authorization.k8s.io", Resource: resource, Namespace: ns, Name: name})
			if got {
				got, _ = o.live.MayGrant(who, role, rulesOf(t, rules))
			}
			c.add(t, o.as(t, who, http.MethodPut, path+name, body), got, fmt.Sprintf("%s writes %v into %s %s", who, rules, ns, name))
		}
	})
	c.tell(t, 30)
}

// impersonation compares who may act as whom.
func (o oracle) impersonation(t *testing.T) {
	var c counts
	each(worlds, func(w int) {
		d := dice{rand.New(rand.NewPCG(uint64(w), 15)), w}
		for range 12 {
			who := d.asker()
			as := d.pick(d.name("eve"), "a", "system:serviceaccount:"+d.name("n1")+":a", "system:serviceaccount:"+d.name("n2")+":a")
			asked := identity.Request{Verb: "impersonate", Resource: "users", Name: as}
			if s := identity.User(as); s.Kind == "ServiceAccount" {
				asked = identity.Request{Verb: "impersonate", Resource: "serviceaccounts", Namespace: s.Namespace, Name: s.Name}
			}
			got, _ := o.live.Can(who, asked)
			c.add(t, review(t, o.admin, who, asked), got, fmt.Sprintf("%s acts as %s", who, as))
		}
	})
	c.tell(t, 30)
}

// rulesOf reads rules as the API has them.
func rulesOf(t *testing.T, rules []any) []rbacv1.PolicyRule {
	text, err := json.Marshal(rules)
	if err != nil {
		t.Fatal(err)
	}
	var out []rbacv1.PolicyRule
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}
