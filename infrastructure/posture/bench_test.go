//go:build unix

package posture

import (
	"context"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// maxPerObject is the processor time that all rules together, those that are
// off by default too, may take for one object on average.
const maxPerObject = 100 * time.Microsecond

// BenchmarkRules judges the objects of the example shop by all rules, and
// parses the same objects as YAML. It counts processor time, so that other
// programs on the machine don't matter, and takes the best of several rounds.
func BenchmarkRules(b *testing.B) {
	_, j := load(b)
	s, err := kube.Reader{}.Read(context.Background(), "shop", []string{"../../examples/shop/k8s"})
	if err != nil {
		b.Fatal(err)
	}
	var texts [][]byte
	workloads := 0
	for _, t := range targets(s) {
		text, err := yaml.Marshal(t.object.Raw)
		if err != nil {
			b.Fatal(err)
		}
		texts = append(texts, text)
		if t.workload != nil {
			workloads++
		}
	}
	var object, workload, parse time.Duration
	for b.Loop() {
		object = best(len(texts), func() { evalAll(j, targets(s)) })
		workload = best(workloads, func() { evalAll(j, targets(s)[:workloads]) })
		parse = best(len(texts), func() {
			for _, text := range texts {
				var v any
				if err := yaml.Unmarshal(text, &v); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(micros(object), "µs/object")
	b.ReportMetric(micros(workload), "µs/workload")
	b.ReportMetric(micros(parse), "µs/parse")
	b.ReportMetric(float64(object)/float64(parse), "rules/parse")
	b.Logf("%d rules, %d objects, %d of them workloads", len(j.Rules()), len(texts), workloads)
	if object > maxPerObject {
		b.Errorf("%v an object, more than %v", object, maxPerObject)
	}
}

func evalAll(j *Judge, all []*target) {
	for _, t := range all {
		for _, r := range j.program.Eval(t) {
			if r.Verdict == model.Unknown {
				panic(r.Message)
			}
		}
	}
}

// best is the least processor time of ten rounds, divided by the objects of
// one round.
func best(objects int, round func()) time.Duration {
	least := time.Duration(0)
	for range 10 {
		before := processorTime()
		for range 5 {
			round()
		}
		if took := (processorTime() - before) / time.Duration(5*objects); least == 0 || took < least {
			least = took
		}
	}
	return least
}

func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
