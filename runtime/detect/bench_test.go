package detect_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// mix returns ordinary and telling events of about 1.4 kB on average.
func mix(b *testing.B) []model.Event {
	b.Helper()
	const pod = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"RequestResponse","auditID":"%d","stage":"ResponseComplete","requestURI":"/api/v1/namespaces/shop/pods","verb":%q,"user":{"username":"system:serviceaccount:kube-system:replicaset-controller","groups":["system:serviceaccounts","system:authenticated"]},"sourceIPs":["10.0.0.1"],"userAgent":"kube-controller-manager/v1.37.2 (linux/amd64)","objectRef":{"resource":%q,"namespace":"shop","apiVersion":"v1"},"responseStatus":{"metadata":{},"code":201},"requestObject":{"kind":"Pod","apiVersion":"v1","metadata":{"generateName":"web-5cdcc99dbf-","labels":{"app":"web","pod-template-hash":"1787755869"},"ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"web-5cdcc99dbf","controller":true}]},"spec":{"containers":[{"name":"web","image":"registry.example/shop/web:1","resources":{},"terminationMessagePath":"/dev/termination-log","securityContext":{"privileged":false}}],"restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},"schedulerName":"default-scheduler"},"status":{}},"requestReceivedTimestamp":"2026-03-01T10:00:00.000000Z","stageTimestamp":"2026-03-01T10:00:00.100000Z","annotations":{"authorization.k8s.io/decision":"allow","authorization.k8s.io/reason":"RBAC: allowed by ClusterRoleBinding"}}`
	verbs := []string{"get", "list", "watch", "update", "get", "patch", "watch", "create"}
	resources := []string{"leases", "configmaps", "endpointslices", "nodes", "pods", "secrets", "deployments", "events"}
	var out []model.Event
	for i := range 512 {
		raw := fmt.Sprintf(pod, i, verbs[i%8], resources[i/8%8])
		out = append(out, model.Event{Source: "kubernetes-audit", Stream: "bench", Index: i, Key: fmt.Sprint(i), Raw: []byte(raw)})
	}
	return out
}

// parseRate is how many events a second one core parses into a DOM.
func parseRate(b *testing.B, events []model.Event) float64 {
	b.Helper()
	var p fastjson.Parser
	start, n := time.Now(), 0
	for time.Since(start) < 300*time.Millisecond {
		for i := range events {
			if _, err := p.ParseBytes(events[i].Raw); err != nil {
				b.Fatal(err)
			}
		}
		n += len(events)
	}
	return float64(n) / time.Since(start).Seconds()
}

// measure reports events a second, and how much of the parse rate is left.
func measure(b *testing.B, prog *detect.Program) {
	events := mix(b)
	parse := parseRate(b, events)
	m := prog.NewMatcher()
	var hits []detect.Hit
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		var err error
		if hits, err = m.Hits(events[n%len(events)], hits[:0]); err != nil {
			b.Fatal(err)
		}
		n++
	}
	rate := float64(n) / b.Elapsed().Seconds()
	b.ReportMetric(rate, "events/s")
	b.ReportMetric(rate/parse, "of-parse")
}

func BenchmarkParseAlone(b *testing.B) {
	events := mix(b)
	var p fastjson.Parser
	n := 0
	for b.Loop() {
		if _, err := p.ParseBytes(events[n%len(events)].Raw); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkOurRules(b *testing.B) {
	prog, _ := ours(b)
	measure(b, prog)
}

// BenchmarkSigmaHQ runs the corpus; its cloud rules are turned to the audit
// log too, so that routing doesn't leave 83 of the 99 out.
func BenchmarkSigmaHQ(b *testing.B) {
	var sources []detect.Source
	files, _ := filepath.Glob(filepath.Join(corpora(b, "sigma"), "SigmaHQ/rules/*/*/*/*.yml"))
	more, _ := filepath.Glob(filepath.Join(corpora(b, "sigma"), "SigmaHQ/rules/*/*/*/*/*.yml"))
	for _, file := range append(files, more...) {
		data, err := os.ReadFile(file)
		if err != nil {
			b.Fatal(err)
		}
		s, _ := detect.Parse(file, toAudit(data))
		sources = append(sources, s...)
	}
	prog, _ := detect.Compile(sources)
	if n := len(prog.Rules()); n < 99 {
		b.Fatalf("%d rules", n)
	}
	measure(b, prog)
}

var logsource = regexp.MustCompile(`(?m)^logsource:\n(    .*\n)+`)

func toAudit(rule []byte) []byte {
	return logsource.ReplaceAll(rule, []byte("logsource:\n    product: kubernetes\n"))
}

// BenchmarkCorrelation measures a match that is correlated, where a group's
// window holds so many distinct values: the time must not grow with them.
func BenchmarkCorrelation(b *testing.B) {
	for _, values := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("value_count/%d", values), func(b *testing.B) {
			prog := compile(b, append(simple("a"),
				correlationRule("c", fmt.Sprintf("type: value_count\nrules: [a]\ngroup-by: [u]\ntimespan: 1d\ncondition: {field: n, gte: %d}", 2*values)))...)
			r := detect.NewBounded(prog, detect.Bounds{Lateness: time.Millisecond})
			n := 0
			for b.Loop() {
				n++
				r.Add(model.Event{
					Source: "kubernetes-audit", Stream: "s", Index: n, Time: epoch.Add(time.Duration(n) * time.Millisecond),
					Raw: fmt.Appendf(nil, `{"t":"a","u":"x","n":"%d"}`, n%values),
				})
			}
		})
	}
}
