package calico

import (
	"context"
	"strings"
	"testing"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/infrastructure/network/policy/policytest"
)

func FuzzSelector(f *testing.F) {
	for _, seed := range []string{
		"", "all()", "a == 'b'", `a != "b" && has(c)`, "!(a in {'x', \"y\",} || ! has( b ))", "a not in {}", "a starts  with 'x' || a ends with 'y'",
		"a contains 'z'", "pcns.projectcalico.org/name == 'n'", "global()", "a == 'b", "((((", "a in {'x' 'y'}", "projectcalico.org/orchestrator != 'k8s'",
		strings.Repeat("(", 200) + "all()" + strings.Repeat(")", 200), strings.Repeat("!", 10_000) + "all()",
	} {
		f.Add(seed, byte(0))
		f.Add(seed, byte(1))
	}
	f.Fuzz(func(t *testing.T, text string, of byte) {
		e, err := parseSelector(text, about(of%3))
		if (e == nil) != (err != nil) {
			t.Fatalf("%q: %v, %v", text, e, err)
		}
		if err != nil {
			return
		}
		e.Keys(func(policy.Key) {})
		has := e.Match(func(policy.Key) (string, bool) { return "x", true })
		negated, err := parseSelector("!("+text+")", about(of%3))
		if err != nil && strings.Trim(text, " \t") != "" && !strings.Contains(err.Error(), "deeper") {
			t.Fatalf("!(%q): %v", text, err)
		}
		if err == nil && negated.Match(func(policy.Key) (string, bool) { return "x", true }) == has {
			t.Fatalf("%q holds as its opposite does", text)
		}
	})
}

func FuzzRead(f *testing.F) {
	f.Add(`{"selector":"app == 'a'","order":1.5,"types":["Ingress"],"ingress":[{"action":"Allow","protocol":6,"source":{"nets":["10.0.0.0/8"],"notSelector":"all()"},"destination":{"ports":[80,"1:2","x"],"notPorts":["y"]}}]}`)
	f.Add(`{"egress":[{"action":"Pass","notProtocol":"UDP","ipVersion":4,"destination":{"services":{"name":"s","namespace":"n"}},"http":{},"icmp":null}]}`)
	f.Add(`{"tier":"x","order":-1e308,"ingress":[{"action":"Deny","destination":{"serviceAccounts":{"names":["a"]},"namespaceSelector":"global()"}}]}`)
	f.Fuzz(func(t *testing.T, spec string) {
		text := `{"apiVersion":"v1","kind":"List","items":[
			{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p","namespace":"n","labels":{"app":"a"}},"spec":{"containers":[{"name":"c","ports":[{"name":"y","containerPort":80}]}]},"status":{"podIP":"10.0.0.1"}},
			{"apiVersion":"projectcalico.org/v3","kind":"NetworkPolicy","metadata":{"name":"a","namespace":"n"},"spec":` + spec + `},
			{"apiVersion":"projectcalico.org/v3","kind":"GlobalNetworkSet","metadata":{"name":"a","labels":{"app":"a"}},"spec":` + spec + `},
			{"apiVersion":"projectcalico.org/v3","kind":"Tier","metadata":{"name":"x"},"spec":` + spec + `}]}`
		s, err := kube.ReadFrom(context.Background(), "", "in.json", strings.NewReader(text))
		if err != nil {
			return
		}
		policies, _ := Read(s)
		w := &policytest.World{Snapshot: s, Policies: policies, Markers: []policy.Marker{Marks(s, policies)}}
		for _, a := range policytest.Ends(s) {
			for _, b := range policytest.Ends(s) {
				if w.Connection(a, b, "TCP", 80) == 0 {
					t.Fatal("a connection without an answer")
				}
			}
		}
	})
}
