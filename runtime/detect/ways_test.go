package detect_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

var (
	askedFields = []string{"verb", "objectRef.resource", "objectRef.subresource", "stage"}
	allStages   = []string{"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"}
)

func TestWays(t *testing.T) {
	type way = map[string][]string
	for name, tc := range map[string]struct {
		detection string
		want      []detect.Way
	}{
		"one":         {"{s: {verb: Create, objectRef.resource: pods, user.username: x}, condition: s}", []detect.Way{{way{"verb": {"create"}, "objectRef.resource": {"pods"}}, "Metadata"}}},
		"values join": {"{s: {verb: [get, create]}, condition: s}", []detect.Way{{way{"verb": {"create", "get"}}, "Metadata"}}},
		"ways stay apart": {
			"{a: {objectRef.resource: pods, objectRef.subresource: [exec, attach]}, b: {objectRef.resource: nodes, objectRef.subresource: proxy}, condition: 1 of *}",
			[]detect.Way{{way{"objectRef.resource": {"nodes"}, "objectRef.subresource": {"proxy"}}, "Metadata"}, {way{"objectRef.resource": {"pods"}, "objectRef.subresource": {"attach", "exec"}}, "Metadata"}},
		},
		"patterns leave it open": {"{s: {verb|startswith: c}, condition: s}", []detect.Way{{nil, "Metadata"}}},
		"null is absent":         {"{s: {objectRef.subresource: null}, condition: s}", []detect.Way{{way{"objectRef.subresource": {""}}, "Metadata"}}},
		"a stage that is excluded": {
			"{s: {verb: get}, f: {stage: RequestReceived}, condition: s and not f}",
			[]detect.Way{{way{"verb": {"get"}, "stage": {"panic", "responsecomplete", "responsestarted"}}, "Metadata"}},
		},
		"not of anything else": {"{s: {verb: get}, f: {verb: list}, condition: s and not f}", []detect.Way{{way{"verb": {"get"}}, "Metadata"}}},
		"contradiction":        {"{s: {verb: get}, f: {verb: list}, condition: s and f}", nil},
		"not of either":        {"{a: {stage: Panic}, b: {stage: RequestReceived}, condition: not (a or b)}", []detect.Way{{way{"stage": {"responsecomplete", "responsestarted"}}, "Metadata"}}},
		"a body is needed":     {"{s: {verb: create, requestObject.spec.hostPID: true}, condition: s}", []detect.Way{{way{"verb": {"create"}}, "Request"}}},
		"one way needs a body": {
			"{a: {verb: create, requestObject.spec.hostPID: true}, b: {verb: get}, condition: a or b}",
			[]detect.Way{{way{"verb": {"create"}}, "Request"}, {way{"verb": {"get"}}, "Metadata"}},
		},
		"an absent body is no need": {"{s: {verb: create, requestObject.spec.x: null, responseObject.y|exists: false}, condition: s}", []detect.Way{{way{"verb": {"create"}}, "Metadata"}}},
		"a body that is excluded":   {"{s: {verb: create}, f: {requestObject.a: 1}, condition: s and not f}", []detect.Way{{way{"verb": {"create"}}, "Metadata"}}},
		"a body that must be there": {
			"{s: {verb: create}, n: {requestObject.a: null}, e: {responseObject.b|exists: false}, condition: s and not n and not e}",
			[]detect.Way{{way{"verb": {"create"}}, "RequestResponse"}},
		},
		"the highest need": {"{s: {requestObject.a: 1, responseObject.b: 1}, condition: s}", []detect.Way{{nil, "RequestResponse"}}},
	} {
		t.Run(name, func(t *testing.T) {
			prog := programOf(t, "title: R\nid: r\nlogsource: {product: kubernetes, service: audit}\ndetection: "+tc.detection)
			if diff := cmp.Diff(tc.want, prog.Ways("r", askedFields, allStages)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func programOf(t *testing.T, docs ...string) *detect.Program {
	t.Helper()
	sources, errs := detect.Parse("r.yml", []byte(strings.Join(docs, "\n---\n")))
	prog, more := detect.Compile(sources)
	for _, err := range append(errs, more...) {
		t.Fatal(err)
	}
	return prog
}

// TestWaysAreBounded: what is too much becomes open, never wrong.
func TestWaysAreBounded(t *testing.T) {
	var ids []string
	for i := range 40 {
		ids = append(ids, fmt.Sprintf("a%d: {verb: v%d, objectRef.resource: r%d}", i, i, i), fmt.Sprintf("b%d: {stage: Panic, objectRef.subresource: s%d}", i, i))
	}
	prog := programOf(t, "title: R\nid: r\nlogsource: {product: kubernetes, service: audit}\ndetection: {"+strings.Join(ids, ", ")+", condition: 1 of a* and 1 of b*}")
	ways := prog.Ways("r", askedFields, allStages)
	if len(ways) == 0 || len(ways) > 256 {
		t.Errorf("%d ways", len(ways))
	}
	var bodies []string
	for i := range 300 {
		bodies = append(bodies, fmt.Sprintf("b%d: {objectRef.subresource: s%d, objectRef.resource: r%d, requestObject.a: 1}", i, i, i))
	}
	prog = programOf(t, "title: R\nid: r\nlogsource: {product: kubernetes, service: audit}\ndetection: {a: {verb: get}, "+strings.Join(bodies, ", ")+", condition: a and 1 of b*}")
	if diff := cmp.Diff([]detect.Way{{map[string][]string{"verb": {"get"}}, "Request"}}, prog.Ways("r", askedFields, allStages)); diff != "" {
		t.Errorf("what all of too many ways need is kept: %s", diff)
	}
}

// TestWaysOfCorrelation: they are those of the rules behind it.
func TestWaysOfCorrelation(t *testing.T) {
	prog := programOf(t, "title: A\nid: a\nname: a\nlogsource: {product: kubernetes, service: audit}\ndetection: {s: {verb: list}, condition: s}",
		"title: C\nid: c\ncorrelation: {type: event_count, rules: [a], group-by: [user.username], timespan: 1m, condition: {gte: 2}}")
	if diff := cmp.Diff([]detect.Way{{map[string][]string{"verb": {"list"}}, "Metadata"}}, prog.Ways("c", askedFields, allStages)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"verb"}, prog.Fields("c")); diff != "" {
		t.Error(diff)
	}
	if !prog.CanMatch("c", func(f string) bool { return f != "verb" }) || prog.CanMatch("c", func(f string) bool { return f == "verb" }) {
		t.Error("what the correlation's rule can do is not told")
	}
	if prog.Ways("none", askedFields, allStages) != nil {
		t.Error("no rule has ways")
	}
}

// TestWaysHold: of every event in the catalogue's attack cases that a rule
// sees, one of the rule's ways holds.
func TestWaysHold(t *testing.T) {
	prog, cat := ours(t)
	rules := prog.Rules()
	checked := 0
	for _, r := range rules {
		ways := prog.Ways(r.ID, askedFields, allStages)
		for _, c := range cat.Cases(r.ID) {
			m := prog.NewMatcher()
			_, err := ingest.Read(context.Background(), c.Name, bytes.NewReader(c.Data), ingest.Config{}, func(ev model.Event) error {
				hits, err := m.Hits(ev, nil)
				if err != nil {
					return err
				}
				for _, h := range hits {
					if rules[h.Rule].ID != r.ID || h.Unknown || ev.Source != ingest.Kind {
						continue
					}
					checked++
					if !slices.ContainsFunc(ways, func(w detect.Way) bool { return holds(t, w, ev.Raw) }) {
						t.Errorf("%s %s: no way of %v", r.ID, c.Name, ways)
					}
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d events were checked", checked)
	}
}

func holds(t *testing.T, w detect.Way, raw []byte) bool {
	t.Helper()
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	for field, values := range w.Values {
		at := any(doc)
		for key := range strings.SplitSeq(field, ".") {
			o, _ := at.(map[string]any)
			at = o[key]
		}
		text, _ := at.(string)
		if !slices.Contains(values, strings.ToLower(text)) {
			return false
		}
	}
	return true
}
