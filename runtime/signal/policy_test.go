package signal_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/signal"
)

func policy(t testing.TB, rules string) *signal.Policy {
	t.Helper()
	p, errs := signal.ParsePolicy("policy.yaml", []byte("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n"+rules))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	return p
}

func TestDecide(t *testing.T) {
	p := policy(t, `- {level: None, users: [system:kube-proxy], verbs: [watch], resources: [{group: "", resources: [endpoints, services, services/status]}]}
- {level: None, userGroups: [system:authenticated], nonResourceURLs: ["/api*", "/version"]}
- {level: Request, resources: [{group: "", resources: [configmaps], resourceNames: [tuned]}], namespaces: [kube-system]}
- {level: Metadata, resources: [{group: "", resources: ["pods/*", "*/status"]}]}
- {level: RequestResponse, omitStages: [RequestReceived], omitManagedFields: true, resources: [{group: "*", resources: [deployments]}, {group: batch}]}
- {level: None, namespaces: [""]}
- {level: Metadata, verbs: [get]}
`)
	for name, tc := range map[string]struct {
		in    signal.Request
		level string
		line  int
	}{
		"users, verbs, resources": {signal.Request{User: "system:kube-proxy", Verb: "watch", Resource: "services"}, "None", 4},
		"another user":            {signal.Request{User: "x", Verb: "watch", Resource: "services", Namespace: "a"}, "None", 0},
		"a subresource":           {signal.Request{User: "system:kube-proxy", Verb: "watch", Resource: "services", Subresource: "status"}, "None", 4},
		"path below":              {signal.Request{Groups: []string{"a", "system:authenticated"}, Verb: "get", Path: "/api/x"}, "None", 5},
		"path itself":             {signal.Request{Groups: []string{"system:authenticated"}, Verb: "get", Path: "/version"}, "None", 5},
		"no group":                {signal.Request{Verb: "get", Path: "/version"}, "Metadata", 10},
		"named in its namespace":  {signal.Request{Verb: "get", Resource: "configmaps", Namespace: "kube-system", Name: "tuned"}, "Request", 6},
		"named elsewhere":         {signal.Request{Verb: "get", Resource: "configmaps", Namespace: "a", Name: "tuned"}, "Metadata", 10},
		"all subresources":        {signal.Request{Verb: "create", Resource: "pods", Subresource: "exec", Namespace: "a"}, "Metadata", 7},
		"the resource itself too": {signal.Request{Verb: "create", Resource: "pods", Namespace: "a"}, "Metadata", 7},
		"any resource's status":   {signal.Request{Verb: "patch", Resource: "nodes", Subresource: "status"}, "Metadata", 7},
		"any group":               {signal.Request{Verb: "create", Group: "extensions", Resource: "deployments", Namespace: "a"}, "RequestResponse", 8},
		"a whole group":           {signal.Request{Verb: "create", Group: "batch", Resource: "jobs", Subresource: "status", Namespace: "a"}, "RequestResponse", 8},
		"of the cluster":          {signal.Request{Verb: "get", Resource: "nodes"}, "None", 9},
	} {
		t.Run(name, func(t *testing.T) {
			if d := p.Decide(tc.in); d.Level != tc.level || d.Line != tc.line {
				t.Errorf("%s of line %d, want %s of line %d", d.Level, d.Line, tc.level, tc.line)
			}
		})
	}
	d := p.Decide(signal.Request{Verb: "create", Group: "batch", Resource: "jobs", Namespace: "a"})
	if diff := cmp.Diff(signal.Decision{Level: "RequestResponse", Line: 8, OmitStages: []string{"RequestReceived"}, OmitManagedFields: true}, d); diff != "" {
		t.Error(diff)
	}
}

func TestParsePolicyReports(t *testing.T) {
	head := "apiVersion: audit.k8s.io/v1\nkind: Policy\n"
	for name, tc := range map[string]struct{ text, want string }{
		"empty":            {"", "[p:1: the file is empty]"},
		"no YAML":          {"a: [", "[p:1: did not find expected node content]"},
		"another object":   {"apiVersion: v1\nkind: Pod\nrules: []", "[p:1: not an audit policy: apiVersion is audit.k8s.io/v1, kind is Policy]"},
		"an old version":   {"apiVersion: audit.k8s.io/v1beta1\nkind: Policy\nrules: [{level: None}]", "[p:1: not an audit policy: apiVersion is audit.k8s.io/v1, kind is Policy]"},
		"no rules":         {head, "[p:1: a policy without rules is refused by the API server]"},
		"two":              {head + "rules: [{level: None}]\n---\n" + head, "[p:1: a policy is one document]"},
		"key":              {head + "rules: [{level: None, resource: []}]", `[p:3: a rule has no key "resource": did you mean "resources"?]`},
		"level":            {head + "rules:\n- {level: metadata}\n- {verbs: [get]}", "[p:4: level is None, Metadata, Request or RequestResponse p:5: a rule has a level]"},
		"both":             {head + "rules: [{level: None, nonResourceURLs: [/x], namespaces: [a]}]", "[p:3: a rule is about resources or about other paths, not both]"},
		"star inside":      {head + "rules: [{level: None, nonResourceURLs: [/a*b, x, '*']}]", "[p:3: a path begins with / and has a * at its end alone p:3: a path begins with / and has a * at its end alone]"},
		"version in group": {head + "rules: [{level: None, resources: [{group: apps/v1}]}]", "[p:3: group is the name of an API group, without a version]"},
		"names alone":      {head + "rules: [{level: None, resources: [{group: apps, resourceNames: [x]}]}]", "[p:3: resourceNames without resources]"},
		"stage":            {head + "omitStages: [Received]\nrules: [{level: None}]", `[p:3: stage "Received" is not one of RequestReceived, ResponseStarted, ResponseComplete, Panic]`},
		"numbers":          {head + "rules: [{level: None, users: [1], verbs: get, omitManagedFields: 1}]", "[p:3: this is a text p:3: this is a list of texts p:3: this is true or false]"},
		"alias":            {head + "rules: [{level: None, users: &a [x]}]", "[p:3: anchors and aliases are not read]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, errs := signal.ParsePolicy("p", []byte(tc.text))
			if got := fmt.Sprint(errs); got != tc.want {
				t.Errorf("got  %s\nwant %s", got, tc.want)
			}
		})
	}
}

// rulesAbout compiles rules of the audit log.
func rulesAbout(t testing.TB, detections ...string) *detect.Program {
	t.Helper()
	var docs []string
	for i, d := range detections {
		docs = append(docs, fmt.Sprintf("title: R\nid: r%d\ntags: [attack.t1611]\nlogsource: {product: kubernetes, service: audit}\ndetection: %s", i, d))
	}
	sources, errs := detect.Parse("r.yml", []byte(strings.Join(docs, "\n---\n")))
	prog, more := detect.Compile(sources)
	for _, err := range append(errs, more...) {
		t.Fatal(err)
	}
	return prog
}

func TestFeeds(t *testing.T) {
	const hostPID = "{s: {verb: create, objectRef.resource: pods, objectRef.subresource: null, requestObject.spec.hostPID: true}, condition: s}"
	for name, tc := range map[string]struct {
		rule, policy, verdict string
		want                  string
	}{
		"too low":                           {hostPID, "- level: Metadata", "none", "T1611 needs Request for create pods, the policy logs Metadata (policy.yaml:4)"},
		"enough":                            {hostPID, "- {level: Request, resources: [{group: '', resources: [pods]}]}\n- level: Metadata", "fed", ""},
		"subresources are not the resource": {hostPID, "- {level: Request, resources: [{group: '', resources: ['pods/exec']}]}\n- level: Metadata", "none", "T1611 needs Request for create pods, the policy logs Metadata (policy.yaml:5)"},
		"nothing matches":                   {hostPID, "- {level: Request, verbs: [update]}", "none", "T1611 needs Request for create pods, the policy logs None (policy.yaml: no rule matches)"},
		"part of a rule": {
			"{s: {verb: [get, create], objectRef.resource: pods, objectRef.subresource: exec}, condition: s}", "- {level: Metadata, verbs: [create]}", "part",
			"T1611 needs Metadata for get pods/exec, the policy logs None (policy.yaml: no rule matches)",
		},
		"an exception is no hole":    {hostPID, "- {level: None, namespaces: [kube-system], users: [x]}\n- level: Request", "fed", "except users x; namespaces kube-system None:4"},
		"everybody is authenticated": {hostPID, "- {level: Request, userGroups: [system:authenticated]}", "fed", ""},
		"but the anonymous":          {"{s: {user.username: system:anonymous}, condition: s}", "- {level: Request, userGroups: [system:authenticated]}", "none", "T1611 needs Metadata for any request by system:anonymous, the policy logs None (policy.yaml: no rule matches)"},
		"an account's groups":        {"{s: {user.username: 'system:serviceaccount:a:b'}, condition: s}", "- {level: None, userGroups: ['system:serviceaccounts:c']}\n- {level: Metadata, userGroups: ['system:serviceaccounts:a']}", "fed", ""},
		"all stages left out": {
			"{s: {verb: delete, objectRef.resource: events}, f: {stage: RequestReceived}, condition: s and not f}", "- {level: Metadata, omitStages: [ResponseStarted, ResponseComplete, Panic]}", "none",
			"T1611 needs Metadata for delete events, the policy leaves out its stages (policy.yaml:4)",
		},
		"what a panic leaves is nothing": {"{s: {verb: delete, objectRef.resource: events}, f: {stage: RequestReceived}, condition: s and not f}", "- {level: Metadata, omitStages: [ResponseComplete]}", "none", "T1611 needs Metadata for delete events, the policy leaves out its stages (policy.yaml:4)"},
		"a long request has a start":     {"{s: {verb: create, objectRef.resource: pods, objectRef.subresource: exec}, f: {stage: RequestReceived}, condition: s and not f}", "- {level: Metadata, omitStages: [ResponseComplete]}", "fed", ""},
		"a received request has no body": {hostPID, "- {level: Request, omitStages: [ResponseStarted, ResponseComplete, Panic]}", "none", "T1611 needs Request for create pods, the policy leaves out its stages (policy.yaml:4)"},
		"subresources that are none":     {"{s: {objectRef.resource: [pods, secrets], objectRef.subresource: exec}, condition: s}", "- {level: Metadata, resources: [{group: '', resources: [pods/exec]}]}", "fed", ""},
		"a group alone":                  {"{s: {objectRef.apiGroup: batch, verb: create, requestObject.a: 1}, condition: s}", "- {level: None, nonResourceURLs: ['*']}\n- {level: Request, resources: [{group: batch}, {group: apps}]}", "fed", ""},
		"a part of a group":              {"{s: {objectRef.apiGroup: batch, verb: create, requestObject.a: 1}, condition: s}", "- {level: Request, resources: [{group: batch, resources: [jobs]}]}", "none", "T1611 needs Request for create any resource of batch, the policy logs None (policy.yaml: no rule matches)"},
		"the least need counts":          {"{a: {objectRef.resource: pods, verb: create, requestObject.a: 1}, b: {objectRef.resource: pods, verb: create, responseObject.a: 1}, condition: a or b}", "- level: Request", "fed", ""},
		"nothing that exists":            {"{s: {objectRef.resource: secrets, objectRef.subresource: exec}, condition: s}", "- level: Metadata", "unknown", ""},
		"named objects alone": {
			"{s: {objectRef.resource: configmaps, verb: delete}, condition: s}", "- {level: Metadata, resources: [{group: '', resources: [configmaps], resourceNames: [a]}]}", "none",
			"T1611 needs Metadata for delete configmaps, the policy logs None (policy.yaml: no rule matches)",
		},
		"the named object": {"{s: {objectRef.resource: configmaps, verb: delete, objectRef.name: a}, condition: s}", "- {level: Metadata, resources: [{group: '', resources: [configmaps], resourceNames: [a]}]}", "fed", ""},
		"no resource":      {"{s: {objectRef.resource: null, verb: get}, condition: s}", "- {level: None, nonResourceURLs: ['/healthz*']}\n- {level: Request, resources: [{group: ''}]}\n- level: Metadata", "fed", "except nonResourceURLs /healthz* None:4"},
	} {
		t.Run(name, func(t *testing.T) {
			p := policy(t, tc.policy)
			feeds := p.Feeds(rulesAbout(t, tc.rule))
			if len(feeds) != 1 {
				t.Fatal(feeds)
			}
			var got []string
			for _, line := range p.Problems(feeds[0]) {
				got = append(got, strings.TrimPrefix(line, "r0 "))
			}
			for _, g := range feeds[0].Given {
				for _, x := range g.Except {
					got = append(got, fmt.Sprintf("except %s %s:%d", x.Who, x.Level, x.Line))
				}
			}
			if text := strings.Join(got, "\n"); text != tc.want || feeds[0].Verdict != tc.verdict {
				t.Errorf("%s: %s\nwant %s: %s", feeds[0].Verdict, text, tc.verdict, tc.want)
			}
		})
	}
}

// TestCataloguePolicies: what an all-logging policy gives, what a silent one
// doesn't.
func TestCataloguePolicies(t *testing.T) {
	cat, _ := rule.Load(rules.FS, "rules")
	prog, errs := detect.Compile(detect.FromCatalogue(cat))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	all, none := policy(t, "- level: RequestResponse").Feeds(prog), policy(t, "- level: None").Feeds(prog)
	for i := range all {
		if all[i].Verdict != signal.Fed || len(all[i].Given) == 0 || all[i].Cut {
			t.Errorf("%s: %+v", all[i].Rule.ID, all[i])
		}
		if none[i].Verdict != signal.Starved {
			t.Errorf("%s: %+v", none[i].Rule.ID, none[i])
		}
	}
	if len(all) < 15 {
		t.Errorf("%d rules of the audit log", len(all))
	}
}

var (
	someUsers  = []string{"alice", "system:anonymous", "system:serviceaccount:a:b", "system:kube-proxy"}
	someGroups = []string{"system:authenticated", "system:unauthenticated", "system:serviceaccounts", "system:serviceaccounts:a", "devs"}
	someVerbs  = []string{"get", "list", "create", "delete"}
	someKinds  = []string{"pods", "secrets", "deployments"}
	someSubs   = []string{"", "exec", "log", "status"}
	someSpaces = []string{"", "a", "kube-system"}
	someNames  = []string{"", "x", "y"}
	levels     = []string{"None", "Metadata", "Request", "RequestResponse"}
)

func one(r *rand.Rand, of []string) string { return of[r.IntN(len(of))] }

// some is a list of none to two, in YAML.
func some(r *rand.Rand, key string, of []string) string {
	n := r.IntN(5) - 2
	if n <= 0 {
		return ""
	}
	var words []string
	for range n {
		words = append(words, fmt.Sprintf("%q", one(r, of)))
	}
	return fmt.Sprintf(", %s: [%s]", key, strings.Join(words, ", "))
}

func randomPolicy(r *rand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(5) {
		fmt.Fprintf(&b, "- {level: %s%s%s%s", one(r, levels), some(r, "users", someUsers), some(r, "userGroups", someGroups), some(r, "verbs", someVerbs))
		if r.IntN(4) == 0 {
			b.WriteString(some(r, "nonResourceURLs", []string{"/healthz*", "/version", "*"}))
		} else {
			b.WriteString(some(r, "namespaces", someSpaces))
			if r.IntN(2) == 0 {
				fmt.Fprintf(&b, ", resources: [{group: %q%s}]", one(r, []string{"", "apps", "*"}), some(r, "resources", []string{"pods", "pods/exec", "pods/*", "*/status", "*", "secrets", "deployments"}))
			}
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// randomRequest is one that the API server could get, by a user with the
// groups that it gives.
func randomRequest(r *rand.Rand) signal.Request {
	q := signal.Request{User: one(r, someUsers), Verb: one(r, someVerbs)}
	switch q.User {
	case "system:anonymous":
		q.Groups = []string{"system:unauthenticated"}
	case "system:serviceaccount:a:b":
		q.Groups = []string{"system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"}
	default:
		q.Groups = append([]string{"system:authenticated"}, []string{"devs"}[:r.IntN(2)]...)
	}
	if r.IntN(5) == 0 {
		q.Path = one(r, []string{"/healthz", "/healthz/x", "/version", "/metrics"})
		return q
	}
	q.Resource, q.Namespace, q.Name = one(r, someKinds), one(r, someSpaces), one(r, someNames)
	q.Subresource = one(r, someSubs)
	if q.Resource == "deployments" {
		q.Group = "apps"
	}
	return q
}

// TestFedIsFed holds Feeds against requests one by one: where a rule is fed
// without exception, no request that it is about is logged below its need;
// where nothing is left open in it, the answer is that of Decide.
func TestFedIsFed(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	fed, exact := 0, 0
	for range 3000 {
		p := policy(t, randomPolicy(r))
		verb, kind, sub := one(r, someVerbs), "pods", one(r, someSubs)
		null := fmt.Sprintf("objectRef.subresource: %q", sub)
		if sub == "" {
			null = "objectRef.subresource: null"
		}
		g := p.Feeds(rulesAbout(t, fmt.Sprintf("{s: {verb: %s, objectRef.resource: %s, %s, requestObject.a: 1}, condition: s}", verb, kind, null)))[0].Given[0]
		for range 40 {
			q := randomRequest(r)
			q.Verb, q.Resource, q.Subresource, q.Group, q.Path = verb, kind, sub, "", ""
			d := p.Decide(q)
			if slices.Contains(q.Groups, "system:unauthenticated") {
				continue
			}
			enough := slices.Index(levels, d.Level) >= slices.Index(levels, g.Needs)
			if g.Fed && len(g.Except) == 0 {
				fed++
				if !enough {
					t.Fatalf("%+v is fed without exception, and %+v is logged at %s\n%+v", g, q, d.Level, p.Rules)
				}
			}
			if !g.Fed && enough && d.Line == g.Line {
				t.Fatalf("%+v is not fed by line %d, and %+v is logged at %s\n%+v", g, g.Line, q, d.Level, p.Rules)
			}
		}
		if g := p.Feeds(rulesAbout(t, fmt.Sprintf("{s: {user.username: 'system:serviceaccount:a:b', verb: %s, objectRef.resource: %s, %s, objectRef.namespace: a, objectRef.name: x}, condition: s}", verb, kind, null)))[0].Given[0]; len(g.Except) == 0 {
			exact++
			q := signal.Request{User: "system:serviceaccount:a:b", Groups: []string{"system:serviceaccounts", "system:serviceaccounts:a", "system:authenticated"}, Verb: verb, Resource: kind, Subresource: sub, Namespace: "a", Name: "x"}
			if d := p.Decide(q); d.Level != g.Level || d.Line != g.Line {
				t.Fatalf("%+v and %+v\n%+v", g, d, p.Rules)
			}
		} else {
			t.Fatalf("nothing is open, and there are exceptions: %+v", g)
		}
	}
	if fed < 1000 || exact < 1000 {
		t.Errorf("only %d and %d comparisons", fed, exact)
	}
}
