package identity

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/component-helpers/auth/rbac/validation"

	"github.com/scantling/scantling/infrastructure/kube"
)

// The oracle knows nothing of indexes or grants: it plays the aggregation
// controller round by round, walks every binding, compares user names and
// groups as text, and lets Kubernetes' own Covers judge the rules.

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func some(r *rand.Rand, from []string, most int) []string {
	var out []string
	for range 1 + r.IntN(most) {
		out = append(out, pick(r, from))
	}
	return out
}

var (
	testVerbs     = []string{"get", "list", "create", "bind", "*"}
	testGroups    = []string{"", "apps", "rbac.authorization.k8s.io", "*"}
	testResources = []string{"pods", "pods/exec", "*/exec", "pods/*", "secrets", "deployments", "*/*", "*", "namespaces"}
	testNames     = []string{"a", "b", ""}
	testSpaces    = []string{"n1", "n2", "a"}
	testPaths     = []string{"/metrics", "/met*", "/*", "*", "/api/*"}
)

func randomRule(r *rand.Rand) rbacv1.PolicyRule {
	if r.IntN(6) == 0 {
		return rbacv1.PolicyRule{Verbs: some(r, testVerbs, 2), NonResourceURLs: some(r, testPaths, 2)}
	}
	out := rbacv1.PolicyRule{Verbs: some(r, testVerbs, 2), APIGroups: some(r, testGroups, 2), Resources: some(r, testResources, 2)}
	if r.IntN(4) == 0 {
		out.ResourceNames = some(r, testNames[:2], 2)
	}
	return out
}

func randomSubject(r *rand.Rand) rbacv1.Subject {
	switch r.IntN(4) {
	case 0:
		return rbacv1.Subject{Kind: "User", Name: pick(r, []string{"eve", "system:serviceaccount:n1:a", "system:anonymous"})}
	case 1:
		return rbacv1.Subject{Kind: "Group", Name: pick(r, []string{
			"ops", "system:masters", "system:authenticated", "system:serviceaccounts", "system:serviceaccounts:n1", "system:unauthenticated",
		})}
	}
	return rbacv1.Subject{Kind: "ServiceAccount", Namespace: pick(r, append([]string{""}, testSpaces...)), Name: pick(r, testNames[:2])}
}

// randomWorld is at most a dozen roles and bindings, dense enough to collide.
func randomWorld(r *rand.Rand) *kube.Snapshot {
	s := &kube.Snapshot{Cluster: "c"}
	add := func(kind, ns, name string, typed any) {
		o := &kube.Object{Kind: kind, Namespace: ns, Name: name}
		switch v := typed.(type) {
		case *rbacv1.Role:
			o.Typed = v
		case *rbacv1.ClusterRole:
			o.Typed = v
		case *rbacv1.RoleBinding:
			o.Typed = v
		case *rbacv1.ClusterRoleBinding:
			o.Typed = v
		}
		s.Objects = append(s.Objects, o)
	}
	rules := func() []rbacv1.PolicyRule {
		var out []rbacv1.PolicyRule
		for range r.IntN(3) {
			out = append(out, randomRule(r))
		}
		return out
	}
	subjects := func() []rbacv1.Subject {
		var out []rbacv1.Subject
		for range 1 + r.IntN(2) {
			out = append(out, randomSubject(r))
		}
		return out
	}
	for i := range 4 {
		role := &rbacv1.ClusterRole{Rules: rules()}
		role.Name = fmt.Sprint("cr", i)
		role.Labels = map[string]string{"l": pick(r, []string{"x", "y", "z"})}
		if r.IntN(3) == 0 {
			role.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{"l": pick(r, []string{"x", "y", "z"})}}}}
		}
		add("ClusterRole", "", role.Name, role)
	}
	for i, ns := range testSpaces {
		role := &rbacv1.Role{Rules: rules()}
		role.Namespace, role.Name = ns, "r"
		add("Role", ns, "r", role)
		b := &rbacv1.RoleBinding{Subjects: subjects(), RoleRef: rbacv1.RoleRef{Kind: pick(r, []string{"Role", "ClusterRole"}), Name: pick(r, []string{"r", "cr0", "cr1", "cluster-admin", "gone"})}}
		b.Namespace, b.Name = ns, fmt.Sprint("b", i)
		add("RoleBinding", ns, b.Name, b)
	}
	for i := range 2 {
		b := &rbacv1.ClusterRoleBinding{Subjects: subjects(), RoleRef: rbacv1.RoleRef{Kind: pick(r, []string{"ClusterRole", "ClusterRole", "Role"}), Name: pick(r, []string{"r", "cr2", "cr3", "view"})}}
		b.Name = fmt.Sprint("c", i)
		add("ClusterRoleBinding", "", b.Name, b)
	}
	return s
}

// controllerRules plays the controller until no role changes.
func controllerRules(s *kube.Snapshot) map[string][]rbacv1.PolicyRule {
	rules := map[string][]rbacv1.PolicyRule{}
	for _, o := range s.Objects {
		switch role := o.Typed.(type) {
		case *rbacv1.Role:
			rules[role.Namespace+"/"+role.Name] = role.Rules
		case *rbacv1.ClusterRole:
			if role.AggregationRule == nil {
				rules["/"+role.Name] = role.Rules
			}
		}
	}
	for range 10 {
		for _, o := range s.Objects {
			role, ok := o.Typed.(*rbacv1.ClusterRole)
			if !ok || role.AggregationRule == nil {
				continue
			}
			var union []rbacv1.PolicyRule
			for _, other := range s.Objects {
				from, ok := other.Typed.(*rbacv1.ClusterRole)
				if !ok || from.Name == role.Name {
					continue
				}
				if from.Labels["l"] == role.AggregationRule.ClusterRoleSelectors[0].MatchLabels["l"] {
					for _, rule := range rules["/"+from.Name] {
						if !slices.ContainsFunc(union, func(u rbacv1.PolicyRule) bool { return fmt.Sprint(u) == fmt.Sprint(rule) }) {
							union = append(union, rule)
						}
					}
				}
			}
			rules["/"+role.Name] = union
		}
	}
	rules["/cluster-admin"] = []rbacv1.PolicyRule{{Verbs: []string{"*"}, APIGroups: []string{"*"}, Resources: []string{"*"}}, {Verbs: []string{"*"}, NonResourceURLs: []string{"*"}}}
	rules["/view"] = builtinRoles()["/system:aggregate-to-view"].Typed.(*rbacv1.ClusterRole).Rules
	return rules
}

type person struct {
	user   string
	groups []string
}

func personOf(s Subject) person {
	switch {
	case s.Kind == "ServiceAccount":
		return person{"system:serviceaccount:" + s.Namespace + ":" + s.Name, []string{"system:serviceaccounts", "system:serviceaccounts:" + s.Namespace, "system:authenticated"}}
	case s.Kind == "User" && s.Name == "system:anonymous":
		return person{s.Name, []string{"system:unauthenticated"}}
	case s.Kind == "User":
		return person{s.Name, []string{"system:authenticated"}}
	case s.Name == "system:unauthenticated":
		return person{"?", []string{s.Name}}
	case s.Name == "system:serviceaccounts:n1":
		return person{"?", []string{s.Name, "system:serviceaccounts", "system:authenticated"}}
	}
	return person{"?", []string{s.Name, "system:authenticated"}}
}

func (p person) is(s rbacv1.Subject, ns string) bool {
	switch s.Kind {
	case "User":
		return p.user == s.Name
	case "Group":
		return slices.Contains(p.groups, s.Name)
	}
	if s.Namespace != "" {
		ns = s.Namespace
	}
	return ns != "" && p.user == "system:serviceaccount:"+ns+":"+s.Name
}

func naiveCan(s *kube.Snapshot, p person, r Request) bool {
	if slices.Contains(p.groups, "system:masters") {
		return true
	}
	rules := controllerRules(s)
	var owned []rbacv1.PolicyRule
	for _, o := range s.Objects {
		switch b := o.Typed.(type) {
		case *rbacv1.ClusterRoleBinding:
			if slices.ContainsFunc(b.Subjects, func(x rbacv1.Subject) bool { return p.is(x, "") }) && b.RoleRef.Kind == "ClusterRole" {
				owned = append(owned, rules["/"+b.RoleRef.Name]...)
			}
		case *rbacv1.RoleBinding:
			key := "/" + b.RoleRef.Name
			if b.RoleRef.Kind == "Role" {
				key = b.Namespace + key
			}
			if r.Path == "" && r.Namespace == b.Namespace && slices.ContainsFunc(b.Subjects, func(x rbacv1.Subject) bool { return p.is(x, b.Namespace) }) {
				owned = append(owned, rules[key]...)
			}
		}
	}
	if r.Path != "" {
		ok, _ := validation.Covers(owned, []rbacv1.PolicyRule{{Verbs: []string{r.Verb}, NonResourceURLs: []string{r.Path}}})
		return ok
	}
	asked := rbacv1.PolicyRule{Verbs: []string{r.Verb}, APIGroups: []string{r.Group}, Resources: []string{r.Resource}}
	if r.Subresource != "" {
		asked.Resources[0] += "/" + r.Subresource
	}
	if r.Name != "" {
		asked.ResourceNames = []string{r.Name}
	}
	ok, _ := validation.Covers(owned, []rbacv1.PolicyRule{asked})
	return ok
}

func randomRequest(r *rand.Rand) Request {
	if r.IntN(8) == 0 {
		return Request{Verb: pick(r, testVerbs[:4]), Path: pick(r, []string{"/metrics", "/meta", "/api/v1", "/"})}
	}
	q := Request{
		Verb: pick(r, testVerbs[:4]), Group: pick(r, testGroups[:3]), Resource: pick(r, []string{"pods", "secrets", "deployments", "namespaces"}),
		Namespace: pick(r, append([]string{""}, testSpaces...)), Name: pick(r, testNames),
	}
	if r.IntN(3) == 0 {
		q.Subresource = pick(r, []string{"exec", "log"})
	}
	return q
}

// worlds is how many random worlds are compared: a sample, which keeps ordinary
// runs short; with SCANTLING_WHOLE, as make exhaustive sets it, 10,000.
func worlds() int {
	if os.Getenv("SCANTLING_WHOLE") != "" {
		return 10_000
	}
	return 400
}

func TestCanAgreesWithNaiveEvaluator(t *testing.T) {
	asked := []Subject{
		Account("n1", "a"), Account("n2", "b"), Account("a", "a"), User("eve"), User("system:anonymous"), Group("ops"),
		Group("system:serviceaccounts:n1"), Group("system:unauthenticated"), Masters(), User("system:serviceaccount:n1:a"),
	}
	yes, no := 0, 0
	for seed := range uint64(worlds()) {
		r := rand.New(rand.NewPCG(seed, 1))
		s := randomWorld(r)
		e := Build(s)
		for range 60 {
			who, q := pick(r, asked), randomRequest(r)
			naive := q
			if q.Resource == "namespaces" && q.Group == "" && q.Namespace == "" {
				naive.Namespace = q.Name
			}
			want := naiveCan(s, personOf(who), naive)
			got, grants := e.Can(who, q)
			if got != want {
				t.Fatalf("seed %d: %s %+v: got %v (%v), want %v", seed, who, q, got, grants, want)
			}
			if want {
				yes++
			} else {
				no++
			}
			checkGrants(t, who, q.normal(), grants)
		}
	}
	t.Logf("%d allowed, %d denied, no difference", yes, no)
	if yes < 1000 || no < 1000 {
		t.Errorf("worlds are lopsided: %d allowed, %d denied", yes, no)
	}
}

// checkGrants proves each grant on its own: the rule stands where it says and
// allows the request.
func checkGrants(t *testing.T, who Subject, q Request, grants []Grant) {
	t.Helper()
	for _, g := range grants {
		if g.Rule == nil {
			if g.Subject != Masters() {
				t.Fatalf("%s: a grant without a rule that is not of system:masters", who)
			}
			continue
		}
		own, _ := rulesOf(g.Role)
		if &own[g.RuleIndex] != g.Rule || !Allows(g.Rule, q) {
			t.Fatalf("%s %+v: grant does not prove itself: %+v", who, q, g)
		}
		if g.Subject != who && !slices.Contains(who.Groups(), g.Subject) {
			t.Fatalf("%s: grant for somebody else: %s", who, g.Subject)
		}
	}
}

func TestWhoCanAgreesWithCan(t *testing.T) {
	for seed := range uint64(100) {
		r := rand.New(rand.NewPCG(seed, 2))
		e := Build(randomWorld(r))
		for range 20 {
			q := randomRequest(r)
			var held []Subject
			for _, h := range e.WhoCan(q) {
				held = append(held, h.Subject)
				if ok, _ := e.Can(h.Subject, q); !ok {
					t.Fatalf("seed %d: WhoCan names %s, Can denies %+v", seed, h.Subject, q)
				}
			}
			for _, s := range e.Subjects() {
				ok, grants := e.Can(s, q)
				direct := slices.ContainsFunc(grants, func(g Grant) bool { return g.Subject == s })
				if ok && direct != slices.Contains(held, s) {
					t.Fatalf("seed %d: %s %+v: direct %v, holders %v", seed, s, q, direct, held)
				}
			}
			if !slices.IsSortedFunc(held, Subject.compare) || !slices.Contains(held, Masters()) {
				t.Fatalf("seed %d: holders %v", seed, held)
			}
		}
	}
}

func TestToken(t *testing.T) {
	yes, no := true, false
	ctr := []corev1.Container{{Name: "c"}}
	projected := corev1.PodSpec{
		Containers:                   []corev1.Container{{Name: "c", VolumeMounts: []corev1.VolumeMount{{Name: "t", MountPath: "/t"}}}},
		AutomountServiceAccountToken: &no,
		Volumes: []corev1.Volume{{Name: "t", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{
			Sources: []corev1.VolumeProjection{{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{}}},
		}}}},
	}
	vault := *projected.DeepCopy()
	vault.Volumes[0].Projected.Sources[0].ServiceAccountToken.Audience = "vault"
	unmounted := *projected.DeepCopy()
	unmounted.Containers[0].VolumeMounts = nil
	shadowed := corev1.PodSpec{Containers: []corev1.Container{{VolumeMounts: []corev1.VolumeMount{{Name: "x", MountPath: tokenPath}}}}}
	for name, tc := range map[string]struct {
		account *bool // of the ServiceAccount; nil with declared unset: says nothing
		absent  bool  // no ServiceAccount object
		spec    corev1.PodSpec
		want    bool
	}{
		"nothing said":                    {spec: corev1.PodSpec{Containers: ctr}, want: true},
		"account absent":                  {absent: true, spec: corev1.PodSpec{Containers: ctr}, want: true},
		"account says no":                 {account: &no, spec: corev1.PodSpec{Containers: ctr}},
		"pod goes before account":         {account: &no, spec: corev1.PodSpec{Containers: ctr, AutomountServiceAccountToken: &yes}, want: true},
		"pod says no":                     {account: &yes, spec: corev1.PodSpec{Containers: ctr, AutomountServiceAccountToken: &no}},
		"projected although pod says no":  {spec: projected, want: true},
		"projected for another audience":  {spec: vault},
		"projected volume is not mounted": {spec: unmounted},
		"something else at the path":      {spec: shadowed},
	} {
		t.Run(name, func(t *testing.T) {
			s := &kube.Snapshot{Cluster: "c"}
			if !tc.absent {
				sa := &corev1.ServiceAccount{AutomountServiceAccountToken: tc.account}
				s.Objects = append(s.Objects, &kube.Object{Kind: "ServiceAccount", Namespace: "n", Name: "web", Typed: sa})
			}
			w := &kube.Workload{Namespace: "n", Kind: "Deployment", Name: "web", ServiceAccount: "web", Spec: tc.spec}
			if got := Build(s).Token(w); got.Mounted != tc.want {
				t.Errorf("got %+v, want %v", got, tc.want)
			}
		})
	}
}
