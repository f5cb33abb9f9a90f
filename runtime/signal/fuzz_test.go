package signal_test

import (
	"errors"
	"testing"

	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/signal"
)

// FuzzPolicy holds that a policy is either read or refused with places, and
// that one that was read decides on every request, and feeds rules.
func FuzzPolicy(f *testing.F) {
	head := "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n"
	f.Add([]byte(head + "- {level: Request, users: [a], verbs: [get], namespaces: [''], resources: [{group: '', resources: [pods, 'pods/*'], resourceNames: [x]}]}"))
	f.Add([]byte(head + "- {level: None, nonResourceURLs: ['/healthz*', '*'], omitStages: [Panic], omitManagedFields: true}\n- level: Metadata"))
	f.Add([]byte("omitStages: [RequestReceived]\n" + head + "- {level: RequestResponse, userGroups: [system:authenticated]}"))
	prog := rulesAbout(f, "{s: {verb: create, objectRef.resource: [pods, secrets], requestObject.a: 1}, f: {stage: RequestReceived}, condition: s and not f}", "{s: {objectRef.resource: null}, condition: s}")
	f.Fuzz(func(t *testing.T, data []byte) {
		p, errs := signal.ParsePolicy("p", data)
		if (p == nil) == (len(errs) == 0) {
			t.Fatalf("policy %v, errors %v", p, errs)
		}
		for _, err := range errs {
			var at *rule.Problem
			if !errors.As(err, &at) || at.Line < 1 {
				t.Errorf("no place: %v", err)
			}
		}
		if p == nil {
			return
		}
		for _, q := range []signal.Request{{User: "a", Verb: "create", Resource: "pods", Namespace: "n"}, {Path: "/healthz"}} {
			d := p.Decide(q)
			if d.Level == "" || d.Line == 0 && d.Level != "None" {
				t.Errorf("%+v: %+v", q, d)
			}
		}
		for _, feed := range p.Feeds(prog) {
			if (feed.Verdict == signal.Fed || feed.Verdict == signal.Unknown) != (len(p.Problems(feed)) == 0) {
				t.Errorf("%s: %v", feed.Verdict, p.Problems(feed))
			}
		}
	})
}
