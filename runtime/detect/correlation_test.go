package detect_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

var epoch = time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)

// simple are the rules a to d: an event matches those that its field t names.
func simple(names ...string) []string {
	var out []string
	for _, n := range names {
		out = append(out, fmt.Sprintf("title: %[1]s\nid: id-%[1]s\nname: %[1]s\nlevel: low\nlogsource: {product: kubernetes}\ndetection:\n  s: {t: %[1]s}\n  condition: s\n", n))
	}
	return out
}

// timeline reads "0s a u=x; 90s a+b u=y n=3" into events. Values that hold a
// slash are lists.
func timeline(t testing.TB, text string) []model.Event {
	t.Helper()
	var out []model.Event
	for item := range strings.SplitSeq(text, ";") {
		words := strings.Fields(item)
		if len(words) == 0 {
			continue
		}
		at, err := time.ParseDuration(words[0])
		if err != nil {
			t.Fatal(err)
		}
		doc := map[string]any{"t": strings.Split(words[1], "+")}
		for _, w := range words[2:] {
			k, v, _ := strings.Cut(w, "=")
			doc[k] = v
			if strings.Contains(v, "/") {
				doc[k] = strings.Split(v, "/")
			}
		}
		raw, err := json.Marshal(doc)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, model.Event{Source: "kubernetes-audit", Stream: "s", Index: len(out), Time: epoch.Add(at), Raw: raw})
	}
	return out
}

// told are the alerts as "rule@index".
func told(alerts []model.Alert) string {
	var out []string
	for _, a := range alerts {
		out = append(out, fmt.Sprintf("%s@%d", a.Rule, a.Index))
	}
	return strings.Join(out, " ")
}

func correlationRule(id, body string) string {
	return "title: " + id + "\nid: " + id + "\ncorrelation:\n" + indent(body)
}

// TestCorrelations has one feature a case: a correlation c of the rules a to
// d, events, and the alerts.
func TestCorrelations(t *testing.T) {
	const three = "type: event_count\nrules: [a]\ntimespan: 60s\ncondition: {gte: 3}"
	count := func(condition string) string {
		return "type: event_count\nrules: [a]\ntimespan: 60s\ncondition: {" + condition + "}"
	}
	value := func(kind, condition string) string {
		return "type: value_" + kind + "\nrules: [a]\ntimespan: 60s\ncondition: {field: n, " + condition + "}"
	}
	temporal := func(kind, rules, condition string) string {
		return "type: " + kind + "\nrules: [" + rules + "]\ngroup-by: [u]\ntimespan: 60s\n" + condition
	}
	for name, tc := range map[string]struct{ rule, events, want string }{
		"event_count":                     {three, "0s a; 1s a; 2s a", "c@2"},
		"event_count too few":             {three, "0s a; 1s a; 2s b", ""},
		"window slides":                   {three, "0s a; 50s a; 100s a; 105s a", "c@3"},
		"window holds its end":            {three, "0s a; 1s a; 60s a", "c@2"},
		"window ends":                     {three, "0s a; 1s a; 61s a", ""},
		"one alert while it holds":        {three, "0s a; 1s a; 2s a; 3s a; 4s a", "c@2"},
		"again after a timespan":          {three, "0s a; 1s a; 2s a; 30s a; 60s a; 63s a", "c@2 c@5"},
		"again when it held no longer":    {three, "0s a; 1s a; 2s a; 200s a; 201s a; 202s a", "c@2 c@5"},
		"order of arrival is no matter":   {three, "2s a; 0s a; 1s a", "c@0"},
		"gt":                              {count("gt: 2"), "0s a; 1s a; 2s a", "c@2"},
		"gt is not equal":                 {count("gt: 2"), "0s a; 1s a", ""},
		"lt":                              {count("lt: 3"), "0s a; 1s a", "c@1"},
		"lt not":                          {count("lt: 3"), "0s a; 1s a; 2s a", ""},
		"lte":                             {count("lte: 3"), "0s a; 1s a; 2s a", "c@2"},
		"lte not":                         {count("lte: 2"), "0s a; 1s a; 2s a", ""},
		"eq":                              {count("eq: 2"), "0s a; 1s a", "c@1"},
		"eq not when more come":           {count("eq: 2"), "0s a; 1s a; 2s a", ""},
		"neq":                             {count("neq: 2"), "0s a; 1s a; 2s a", "c@2"},
		"neq not":                         {count("neq: 2"), "0s a; 1s a", ""},
		"range":                           {count("gt: 1, lte: 3"), "0s a; 1s a; 2s a", "c@2"},
		"range not above":                 {count("gt: 1, lte: 3"), "0s a; 1s a; 2s a; 3s a", ""},
		"closed windows follow":           {count("lt: 2"), "0s a; 61s a; 122s a", "c@0 c@1 c@2"},
		"group-by":                        {three + "\ngroup-by: [u]", "0s a u=x; 1s a u=y; 2s a u=x; 3s a u=x", "c@3"},
		"group-by keeps apart":            {three + "\ngroup-by: [u]", "0s a u=x; 1s a u=y; 2s a u=x", ""},
		"group-by of two fields":          {three + "\ngroup-by: [u, h]", "0s a u=x h=1; 1s a u=x h=2; 2s a u=x h=1; 3s a u=x h=1", "c@3"},
		"group-by without the field":      {three + "\ngroup-by: [u]", "0s a; 1s a; 2s a u=x; 3s a", "c@3"},
		"group-by of a list":              {three + "\ngroup-by: [u]", "0s a u=x/y; 1s a u=y/x; 2s a u=x; 3s a u=x/y", "c@3"},
		"several rules are counted":       {"type: event_count\nrules: [a, b]\ntimespan: 60s\ncondition: {gte: 3}", "0s a; 1s b; 2s a", "c@2"},
		"rules by id":                     {"type: event_count\nrules: [id-a]\ntimespan: 60s\ncondition: {gte: 2}", "0s a; 1s a", "c@1"},
		"timespan in minutes":             {"type: event_count\nrules: [a]\ntimespan: 2m\ncondition: {gte: 2}", "0s a; 120s a", "c@1"},
		"timespan in hours":               {"type: event_count\nrules: [a]\ntimespan: 1h\ncondition: {gte: 2}", "0s a; 60m a", "c@1"},
		"timespan in days":                {"type: event_count\nrules: [a]\ntimespan: 1d\ncondition: {gte: 2}", "0s a; 24h a", "c@1"},
		"timespan in weeks":               {"type: event_count\nrules: [a]\ntimespan: 1w\ncondition: {gte: 2}", "0s a; 168h a", "c@1"},
		"timespan in months":              {"type: event_count\nrules: [a]\ntimespan: 1M\ncondition: {gte: 2}", "0s a; 730h a", "c@1"},
		"timespan in years":               {"type: event_count\nrules: [a]\ntimespan: 1y\ncondition: {gte: 2}", "0s a; 8765h a", "c@1"},
		"value_count":                     {value("count", "gte: 3"), "0s a n=x; 1s a n=y; 2s a n=z", "c@2"},
		"value_count of equal values":     {value("count", "gte: 3"), "0s a n=x; 1s a n=y; 2s a n=x; 3s a n=y", ""},
		"value_count slides":              {value("count", "gte: 3"), "0s a n=x; 50s a n=y; 61s a n=z; 62s a n=x", "c@3"},
		"value_count of a list":           {value("count", "gte: 3"), "0s a n=x/y/z", "c@0"},
		"value_count without the field":   {value("count", "gte: 1"), "0s a", ""},
		"value_count lt":                  {value("count", "lt: 2"), "0s a n=x; 1s a n=x", "c@1"},
		"value_count of two fields":       {"type: value_count\nrules: [a]\ntimespan: 60s\ncondition: {field: [n, u], gte: 3}", "0s a n=x u=1; 1s a n=x u=2; 2s a n=x u=1; 3s a n=y u=1", "c@3"},
		"value_sum":                       {value("sum", "gt: 10"), "0s a n=5; 1s a n=5; 2s a n=0.5", "c@2"},
		"value_sum slides":                {value("sum", "gte: 10"), "0s a n=5; 61s a n=5; 62s a n=5", "c@2"},
		"value_sum of no numbers":         {value("sum", "gte: 1"), "0s a n=x; 1s a n=1", "c@1"},
		"value_sum lt":                    {value("sum", "lt: 10"), "0s a n=5; 1s a n=5", ""},
		"value_avg":                       {value("avg", "gte: 20"), "0s a n=10; 1s a n=20; 2s a n=30", "c@2"},
		"value_avg of the whole window":   {value("avg", "gt: 50"), "0s a n=100; 1s a n=1; 2s a n=1", ""},
		"value_avg without numbers":       {value("avg", "neq: 1"), "0s a n=x", ""},
		"value_percentile":                {value("percentile", "percentile: 90, gte: 9"), "0s a n=1; 1s a n=9; 2s a n=10; 3s a n=9", "c@3"},
		"value_percentile not":            {value("percentile", "percentile: 50, gte: 9"), "0s a n=1; 1s a n=2; 2s a n=100", ""},
		"value_percentile interpolates":   {value("percentile", "percentile: 25, eq: 1.75"), "0s a n=4; 1s a n=1; 2s a n=3; 3s a n=2", "c@3"},
		"value_median":                    {value("median", "eq: 2.5"), "0s a n=1; 1s a n=4; 2s a n=3; 3s a n=2", "c@3"},
		"temporal":                        {temporal("temporal", "a, b", ""), "0s b u=x; 1s a u=x", "c@1"},
		"temporal lacks one":              {temporal("temporal", "a, b", ""), "0s a u=x; 1s a u=x", ""},
		"temporal in different groups":    {temporal("temporal", "a, b", ""), "0s a u=x; 1s b u=y", ""},
		"temporal too far apart":          {temporal("temporal", "a, b", ""), "0s a u=x; 61s b u=x", ""},
		"temporal of one event":           {temporal("temporal", "a, b", ""), "0s a+b u=x", "c@0"},
		"temporal count":                  {temporal("temporal", "a, b, c", "condition: {gte: 2}"), "0s a u=x; 1s a u=x; 2s c u=x", "c@2"},
		"temporal count lt":               {temporal("temporal", "a, b", "condition: {lt: 2}"), "0s a u=x; 1s a u=x; 0s a u=y; 1s b u=y", "c@1"},
		"temporal expression":             {temporal("temporal", "a, b, c", "condition: a and (b or c)"), "0s c u=x; 1s a u=x", "c@1"},
		"temporal expression not":         {temporal("temporal", "a, b", "condition: a and not b"), "0s a u=x; 0s a u=y; 9s b u=y", "c@0"},
		"temporal expression in capitals": {temporal("temporal", "a, b", "condition: a AND b"), "0s a u=x; 1s b u=x", "c@1"},
		"expression without rules":        {"type: temporal\ngroup-by: [u]\ntimespan: 60s\ncondition: a and b", "0s b u=x; 1s a u=x", "c@1"},
		"expression 1 of":                 {temporal("temporal", "a, b, c", "condition: a and 1 of them"), "0s a u=x", "c@0"},
		"temporal_ordered":                {temporal("temporal_ordered", "a, b", ""), "0s a u=x; 1s b u=x", "c@1"},
		"temporal_ordered wrong order":    {temporal("temporal_ordered", "a, b", ""), "0s b u=x; 1s a u=x", ""},
		"temporal_ordered from the last":  {temporal("temporal_ordered", "a, b", ""), "0s a u=x; 59s a u=x; 70s b u=x", "c@2"},
		"temporal_ordered too long":       {temporal("temporal_ordered", "a, b, c", ""), "0s a u=x; 40s b u=x; 61s c u=x", ""},
		"temporal_ordered of one event":   {temporal("temporal_ordered", "a, b", ""), "0s a+b u=x", ""},
		"temporal_ordered at one time":    {temporal("temporal_ordered", "a, b", ""), "0s a u=x; 0s b u=x", "c@1"},
		"temporal_ordered with others":    {temporal("temporal_ordered", "a, b, c", ""), "0s a u=x; 1s c u=x; 2s b u=x; 3s c u=x", "c@3"},
		"temporal_ordered count":          {temporal("temporal_ordered", "a, b, c", "condition: {gte: 2}"), "0s c u=x; 1s a u=x; 2s c u=x", "c@2"},
		"temporal_ordered eq all":         {temporal("temporal_ordered", "a, b", "condition: {eq: 2}"), "0s a u=x; 1s b u=x", "c@1"},
		"temporal_ordered expression":     {temporal("temporal_ordered", "a, b, c", "condition: (a or b) and c"), "0s b u=x; 1s c u=x", "c@1"},
		"temporal_ordered expression not": {temporal("temporal_ordered", "a, b, c", "condition: a and c and not b"), "0s a u=x; 1s c u=x; 0s a u=y; 1s b u=y; 2s c u=y", "c@1"},
		"alias": {
			"type: temporal\nrules: [a, b]\ngroup-by: [ip]\ntimespan: 60s\naliases:\n  ip: {a: src, b: dst}",
			"0s a src=1 dst=2; 1s b src=1 dst=2; 2s b src=3 dst=1", "c@2",
		},
		"alias of the counted field": {
			"type: value_count\nrules: [a, b]\ntimespan: 60s\naliases:\n  ip: {a: src, b: dst}\ncondition: {field: ip, gte: 2}",
			"0s a src=1 dst=2; 1s b src=2 dst=1; 2s b dst=3", "c@2",
		},
		"generate":               {three + "\ngenerate: true", "0s a; 1s a", "id-a@0 id-a@1"},
		"generate says no":       {three + "\ngenerate: false", "0s a; 1s b", "id-b@1"},
		"rule of no correlation": {three, "0s b", "id-b@0"},
	} {
		t.Run(name, func(t *testing.T) {
			texts := simple("a")
			for _, n := range []string{"b", "c", "d"} {
				if strings.Contains(tc.rule, n+",") || strings.Contains(tc.rule, " "+n) || strings.Contains(tc.want, "id-"+n) {
					texts = append(texts, simple(n)...)
				}
			}
			prog := compile(t, append(texts, correlationRule("c", tc.rule))...)
			if diff := cmp.Diff(tc.want, told(detect.Run(prog, timeline(t, tc.events)))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestChains has correlations of correlations.
func TestChains(t *testing.T) {
	failed := correlationRule("many", "type: event_count\nrules: [a]\ngroup-by: [u, h]\ntimespan: 60s\ncondition: {gte: 2}")
	for name, tc := range map[string]struct{ rule, events, want string }{
		"a group of the rule below": {
			"type: temporal_ordered\nrules: [many, b]\ngroup-by: [u]\ntimespan: 5m",
			"0s a u=x h=1; 1s a u=x h=1; 2s b u=y; 100s b u=x", "c@3",
		},
		"a field that the rule below does not group by": {
			"type: temporal_ordered\nrules: [many, b]\ngroup-by: [z]\ntimespan: 5m",
			"0s a u=x h=1 z=1; 1s a u=x h=1 z=2; 2s b z=1; 3s b z=2", "c@3",
		},
		"how often it happens": {
			"type: event_count\nrules: [many]\ngroup-by: [u]\ntimespan: 1h\ncondition: {gte: 2}",
			"0s a u=x h=1; 1s a u=x h=1; 2s a u=x h=2; 3s a u=x h=2", "c@3",
		},
		"on how many": {
			"type: value_count\nrules: [many]\ngroup-by: [u]\ntimespan: 1h\ncondition: {field: h, gte: 2}",
			"0s a u=x h=1; 1s a u=x h=1; 100s a u=x h=1; 101s a u=x h=1; 102s a u=x h=2; 103s a u=x h=2", "c@5",
		},
		"generate speaks for the one below": {
			"type: event_count\nrules: [many]\ntimespan: 1h\ncondition: {gte: 2}\ngenerate: true",
			"0s a u=x h=1; 1s a u=x h=1", "many@1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			prog := compile(t, append(simple("a", "b"), failed, correlationRule("c", tc.rule))...)
			got := slices.DeleteFunc(strings.Fields(told(detect.Run(prog, timeline(t, tc.events)))), func(s string) bool { return strings.HasPrefix(s, "id-b") })
			if diff := cmp.Diff(tc.want, strings.Join(got, " ")); diff != "" {
				t.Error(diff)
			}
		})
	}
	late := correlationRule("few", "type: event_count\nrules: [a]\ngroup-by: [u]\ntimespan: 10s\ncondition: {lt: 2}")
	then := correlationRule("c", "type: temporal_ordered\nrules: [few, b]\ngroup-by: [u]\ntimespan: 60s")
	prog := compile(t, append(simple("a", "b"), late, then)...)
	if got := told(detect.Run(prog, timeline(t, "0s a u=x; 5s b u=x; 11s b u=x"))); got != "c@2" {
		t.Errorf("a window that closed between two events: got %q, want c@2", got)
	}
}

func TestCorrelationAlert(t *testing.T) {
	rules := append(simple("a"), strings.Replace(correlationRule("c", "type: event_count\nrules: [a]\ngroup-by: [user.username, secret]\ntimespan: 1m\ncondition: {gte: 2}"),
		"correlation:", "author: Someone\ntags: [attack.t1110]\ncorrelation:", 1))
	event := func(i int, key string, second int) model.Event {
		return model.Event{
			Source: "kubernetes-audit", Stream: "s", Index: i, Key: key, Time: epoch.Add(time.Duration(second) * time.Second), Actor: "alice",
			Assets: []model.Ref{{Kind: model.Identity, Key: "alice"}},
			Raw:    []byte(`{"t":"a","user":{"username":"alice"},"secret":"SECRETVALUE"}`),
		}
	}
	prog := compile(t, rules...)
	results := detect.NewResults(prog)
	for i, key := range []string{"k1", "k1", "k2"} { // two stages are one request
		results.Add(event(i, key, []int{0, 0, 2}[i]))
	}
	alerts := results.Alerts()
	want := []model.Alert{{
		Schema: 1, ID: alerts[0].ID, Rule: "c", Title: "c", Level: model.Low, Time: epoch.Add(2 * time.Second), Source: "s", Index: 2,
		Assets: []model.Ref{{Kind: model.Identity, Key: "alice"}}, Attack: []string{"T1110"},
		Fields: map[string]string{
			"actor": "alice", "author": "Someone", "correlation": "event_count", "event": "k2@1772359202000000", "from": "2026-03-01T10:00:00Z",
			"group.user.username": "alice", "value": "2",
		},
	}}
	if diff := cmp.Diff(want, alerts); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]bool{"k2@1772359202000000": true}, results.Alerted()); diff != "" {
		t.Error(diff)
	}
	list := prog.Rules()
	if len(list) != 2 || !list[0].Silent || list[1].Silent || !slices.Contains(list[1].Kinds, "kubernetes-audit") || list[1].Needs != "Metadata" {
		t.Errorf("rules: %+v", list)
	}
}

func TestCorrelationBounds(t *testing.T) {
	rules := append(simple("a"), correlationRule("c", "type: event_count\nrules: [a]\ngroup-by: [u]\ntimespan: 60s\ncondition: {gte: 2}"))
	for name, tc := range map[string]struct {
		bounds       detect.Bounds
		events, want string
		why          string
	}{
		"late":                   {detect.Bounds{Lateness: 10 * time.Second}, "0s a u=x; 30s a u=y; 5s a u=x", "", "1 matches came too late"},
		"late enough":            {detect.Bounds{Lateness: 10 * time.Second}, "0s a u=x; 14s a u=y; 5s a u=x", "c@2", ""},
		"lateness of any event":  {detect.Bounds{Lateness: 10 * time.Second}, "0s a u=x; 30s b; 5s a u=x", "", "1 matches came too late"},
		"no room for groups":     {detect.Bounds{Held: 4}, "0s a u=1; 1s a u=2; 2s a u=3; 3s a u=4; 4s a u=1", "", "groups were given up"},
		"room again":             {detect.Bounds{Held: 5}, "0s a u=1; 1s a u=2; 100s a u=3; 101s a u=4; 102s a u=4", "c@4", ""},
		"no room to wait":        {detect.Bounds{Pending: 1}, "9s a u=x; 8s a u=x; 7s a u=x; 8s a u=x", "c@0", "2 matches came too late"},
		"room enough":            {detect.Bounds{}, "9s a u=x; 8s a u=x", "c@0", ""},
		"a wide bound waits too": {detect.Bounds{Lateness: time.Hour}, "9s a u=x; 8s a u=x", "c@0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			r := detect.NewBounded(compile(t, rules...), tc.bounds)
			for _, ev := range timeline(t, tc.events) {
				r.Add(ev)
			}
			if got := told(r.Alerts()); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
			missed := r.Incomplete()
			if tc.why == "" && len(missed) > 0 || tc.why != "" && (len(missed) != 1 || !strings.Contains(missed[0].Why, tc.why)) {
				t.Errorf("incomplete: %v, want %q", missed, tc.why)
			}
		})
	}
	r := detect.NewResults(compile(t, rules...))
	r.Add(model.Event{Source: "kubernetes-audit", Raw: []byte(`{"t":"a"}`)})
	if missed := r.Incomplete(); len(missed) != 1 || !strings.Contains(missed[0].Why, "have no time") {
		t.Errorf("an event without a time: %v", missed)
	}
}
