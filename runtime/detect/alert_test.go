package detect_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// read returns the events of a log given as text.
func read(t testing.TB, name, text string) []model.Event {
	t.Helper()
	var out []model.Event
	res, err := ingest.Read(context.Background(), name, strings.NewReader(text), ingest.Config{Cluster: "prod"}, func(ev model.Event) error {
		out = append(out, ev)
		return nil
	})
	if err != nil || len(res.Incomplete) > 0 {
		t.Fatal(err, res.Incomplete)
	}
	return out
}

const execLog = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a1","stage":"RequestReceived","verb":"create","user":{"username":"alice"},"objectRef":{"resource":"pods","namespace":"shop","name":"web-0","subresource":"exec"},"requestReceivedTimestamp":"2026-03-01T10:00:00Z"}
{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a1","stage":"ResponseStarted","requestURI":"/x?command=PASSWORD","verb":"create","user":{"username":"alice"},"sourceIPs":["192.0.2.1","10.0.0.1"],"objectRef":{"resource":"pods","namespace":"shop","name":"web-0","subresource":"exec"},"responseStatus":{"code":101},"requestReceivedTimestamp":"2026-03-01T10:00:00Z"}
{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a1","stage":"ResponseComplete","verb":"create","user":{"username":"alice"},"objectRef":{"resource":"pods","namespace":"shop","name":"web-0","subresource":"exec"},"responseStatus":{"code":101},"requestReceivedTimestamp":"2026-03-01T10:00:00Z"}
`

func TestStagesCollapse(t *testing.T) {
	prog, _ := ours(t)
	events := read(t, "audit.log", execLog)
	want := []model.Alert{{
		Schema: 1, ID: model.Fingerprint("alert", "D101", "a1@1772359200000000"), Rule: "D101", Title: "Command run inside a running container",
		Level: model.Medium, Time: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), Source: "audit.log", Index: 1,
		Assets: []model.Ref{{Kind: model.Workload, Key: "prod/shop/Pod/web-0"}, {Kind: model.Identity, Key: "prod//user:alice"}},
		Attack: []string{"T1609"},
		Fields: map[string]string{
			"actor": "alice", "user": "alice", "verb": "create", "resource": "pods/exec", "namespace": "shop", "name": "web-0",
			"sourceIP": "192.0.2.1, 10.0.0.1", "code": "101", "stage": "ResponseStarted", "auditID": "a1",
		},
	}}
	if diff := cmp.Diff(want, detect.Run(prog, events)); diff != "" {
		t.Error(diff)
	}
	slices.Reverse(events)
	if diff := cmp.Diff(want, detect.Run(prog, events)); diff != "" {
		t.Errorf("reversed input: %s", diff)
	}
}

func TestAlertsWithoutAuditID(t *testing.T) {
	prog, _ := ours(t)
	log := strings.ReplaceAll(execLog, `"auditID":"a1",`, "")
	r := detect.NewResults(prog)
	for _, ev := range read(t, "audit.log", log) {
		r.Add(ev)
	}
	alerts := r.Alerts()
	if len(alerts) != 2 || alerts[0].ID == alerts[1].ID {
		t.Fatalf("got %v, want one alert a record", alerts)
	}
	if diff := cmp.Diff(map[string]bool{"audit.log#1": true, "audit.log#2": true}, r.Alerted()); diff != "" {
		t.Error(diff)
	}
}

// secretCases are marked records of the audit log, by the names of their cases.
func secretCases(t *testing.T, prog *detect.Program, cat *rule.Catalogue) map[string]string {
	t.Helper()
	kinds := map[string][]string{}
	for _, r := range prog.Rules() {
		kinds[r.ID] = r.Kinds
	}
	out := map[string]string{}
	for _, r := range cat.Stage(model.Runtime) {
		if !slices.Equal(kinds[r.ID], []string{"kubernetes-audit"}) {
			continue
		}
		for _, c := range cat.Cases(r.ID) {
			n := 0
			for line := range strings.Lines(string(c.Data)) {
				n++
				out[fmt.Sprintf("%s %s:%d", r.ID, c.Name, n)] = line
			}
		}
	}
	return out
}

// TestNoSecretInAlerts puts a mark wherever a secret can stand in a record.
func TestNoSecretInAlerts(t *testing.T) {
	prog, cat := ours(t)
	for name, line := range secretCases(t, prog, cat) {
		var doc map[string]any
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		body, _ := doc["requestObject"].(map[string]any)
		if body == nil {
			body = map[string]any{}
		}
		body["data"] = map[string]any{"password": "SECRETVALUE"}
		doc["requestObject"], doc["responseObject"] = body, map[string]any{"data": "SECRETVALUE"}
		doc["requestURI"], _ = doc["requestURI"].(string)
		doc["requestURI"] = doc["requestURI"].(string) + "&token=SECRETVALUE"
		raw, _ := json.Marshal(doc)
		out, _ := json.Marshal(detect.Run(prog, read(t, "x", string(raw))))
		if strings.Contains(string(out), "SECRETVALUE") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

// TestNoTextOfProgramsInAlerts: what containers and programs write, and the
// parameters of calls to a cloud, stay out of alerts.
func TestNoTextOfProgramsInAlerts(t *testing.T) {
	prog, _ := ours(t)
	for name, log := range map[string]string{
		"D301": `2026-03-03T09:00:01Z stdout F 198.51.100.7 - - [03/Mar/2026:09:00:01 +0000] "GET /../../etc/passwd?token=SECRETVALUE HTTP/1.1" 200 1 "-" "SECRETVALUE"`,
		"D307": `2026-03-03T09:00:01Z stdout F stratum+tcp://SECRETVALUE@pool.example.net:3333`,
		"D315": `<86>1 2026-03-03T09:00:01Z node-1 sudo 1 - - bob : user NOT in sudoers ; COMMAND=/bin/login SECRETVALUE`,
		"D320": `{"Type":"container","Action":"exec_start: /bin/sh","Actor":{"ID":"x","Attributes":{"image":"i","token":"SECRETVALUE"}},"time":1772528401}`,
		"D216": `{"eventVersion":"1.1","eventSource":"iam.amazonaws.com","eventName":"CreateAccessKey","eventTime":"2026-03-03T09:00:01Z","userIdentity":{"arn":"a","userName":"x"},` +
			`"requestParameters":{"userName":"y","password":"SECRETVALUE"},"responseElements":{"accessKey":{"secretAccessKey":"SECRETVALUE"}}}`,
	} {
		alerts := detect.Run(prog, read(t, "x", log))
		if len(alerts) != 1 || alerts[0].Rule != name {
			t.Errorf("%s: got %v", name, alerts)
		}
		if out, _ := json.Marshal(alerts); strings.Contains(string(out), "SECRETVALUE") {
			t.Errorf("%s: %s", name, out)
		}
	}
}

func TestLevelTooLow(t *testing.T) {
	prog := compile(t, sigma("s: {verb: create}\nb: {requestObject.x: 1}\nf: {user: admin}\ncondition: s and b and not f"))
	if needs := prog.Rules()[0].Needs; needs != "Request" {
		t.Fatalf("needs %q", needs)
	}
	for name, tc := range map[string]struct {
		event   string
		alerts  int
		unknown int
	}{
		"body matches":         {`{"level":"Request","verb":"create","requestObject":{"x":1}}`, 1, 0},
		"body differs":         {`{"level":"Request","verb":"create","requestObject":{"x":2}}`, 0, 0},
		"no body logged":       {`{"level":"Metadata","verb":"create"}`, 0, 1},
		"body cut off":         {`{"level":"Request","verb":"create","annotations":{"audit.k8s.io/truncated":"true"}}`, 0, 1},
		"can't match anyway":   {`{"level":"Metadata","verb":"get"}`, 0, 0},
		"filtered in any case": {`{"level":"Metadata","verb":"create","user":"admin"}`, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := detect.NewResults(prog)
			r.Add(audit(tc.event))
			if len(r.Alerts()) != tc.alerts || len(r.Unknown()) != tc.unknown {
				t.Errorf("%d alerts, %d unknown; want %d, %d", len(r.Alerts()), len(r.Unknown()), tc.alerts, tc.unknown)
			}
		})
	}
}

func TestNeeds(t *testing.T) {
	for name, tc := range map[string]struct{ detection, want string }{
		"metadata":           {"s: {verb: create}\ncondition: s", "Metadata"},
		"request":            {"s: {requestObject.a: 1}\ncondition: s", "Request"},
		"response":           {"s: {responseObject.a: 1}\ncondition: s", "RequestResponse"},
		"either body":        {"s: {responseObject.a: 1}\nt: {requestObject.a: 1}\ncondition: s or t", "Request"},
		"body in a filter":   {"s: {verb: create}\nf: {requestObject.a: 1}\ncondition: s and not f", "Metadata"},
		"absence of a body":  {"s: {requestObject|exists: false}\ncondition: s", "Metadata"},
		"presence of a body": {"s: {requestObject: '*'}\ncondition: s", "Request"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := compile(t, sigma(tc.detection)).Rules()[0].Needs; got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestRouting(t *testing.T) {
	rule := func(id, logsource string) string {
		return "title: t\nid: " + id + "\nlogsource: {" + logsource + "}\ndetection:\n  s: {verb: x}\n  condition: s\n"
	}
	prog := compile(t,
		rule("audit", "product: kubernetes, service: audit"), rule("any", "product: kubernetes"),
		rule("app", "category: application, product: kubernetes, service: audit"),
		rule("aws", "product: aws, service: cloudtrail"), rule("windows", "product: windows"))
	for source, want := range map[string][]string{
		"kubernetes-audit": {"any", "app", "audit"},
		"cloudtrail":       {"aws"},
		"windows":          nil,
	} {
		ev := audit(`{"verb":"x"}`)
		ev.Source = source
		var got []string
		for _, a := range detect.Run(prog, []model.Event{ev}) {
			got = append(got, a.Rule)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", source, diff)
		}
	}
	for _, r := range prog.Rules() {
		if (len(r.Kinds) == 0) != (r.ID == "windows") {
			t.Errorf("%s: kinds %v", r.ID, r.Kinds)
		}
	}
}

func TestMetadata(t *testing.T) {
	sources, errs := detect.Parse("x.yml", []byte(`title: T
id: 1234
author: Someone
level: critical
tags: [attack.execution, attack.t1609, ATTACK.T1552.007, cve.2024-1, attack.t1609]
logsource: {product: kubernetes}
detection:
  s: {verb: x}
  condition: s
`))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	prog, errs := detect.Compile(sources)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	want := []detect.Rule{{
		ID: "1234", Title: "T", Author: "Someone", Level: model.Critical, Attack: []string{"T1552.007", "T1609"},
		File: "x.yml", Line: 8, Kinds: []string{"cri", "kubernetes-audit", "kubernetes-events"}, Needs: "Metadata",
	}}
	if diff := cmp.Diff(want, prog.Rules()); diff != "" {
		t.Error(diff)
	}
	alerts := detect.Run(prog, []model.Event{audit(`{"verb":"x"}`)})
	if len(alerts) != 1 || alerts[0].Fields["author"] != "Someone" {
		t.Errorf("the author is not shown: %v", alerts)
	}
}

func TestManyPairs(t *testing.T) {
	r := detect.NewResults(compile(t, sigma("s: {a|fieldref: b}\ncondition: s")))
	r.Add(audit(`{"a":[` + strings.Repeat(`"x",`, 5000) + `1],"b":[` + strings.Repeat(`"y",`, 5000) + `2]}`))
	if len(r.Incomplete()) != 1 {
		t.Errorf("got %v, want one record named", r.Incomplete())
	}
}

func TestDamagedEventIsNamed(t *testing.T) {
	prog, _ := ours(t)
	r := detect.NewResults(prog)
	r.Add(audit(`{"password":"SECRETVALUE`))
	if got := r.Incomplete(); len(got) != 1 || strings.Contains(got[0].Why, "SECRET") {
		t.Errorf("got %v", got)
	}
}

// TestForeignNameIsOneLine: the name that a foreign detector's alert gives
// stands in a title, which people read.
func TestForeignNameIsOneLine(t *testing.T) {
	prog := compile(t, "title: Falco\nid: f\nlogsource: {product: falco, service: alerts}\ndetection:\n  s: {rule: '?*'}\n  condition: s\n")
	ev := model.Event{
		Source: "falco", Raw: []byte(`{"rule":"x"}`),
		Signal: &model.Signal{Rule: "a\r\nb\x1b[31mc\x00\u202ed\u2028e", Level: model.Critical},
	}
	alerts := detect.Run(prog, []model.Event{ev})
	if want := "Falco: a\ufffd\ufffdb\ufffd[31mc\ufffd\ufffdd\ufffde"; len(alerts) != 1 || alerts[0].Title != want {
		t.Errorf("got %+v, want one with the title %+q", alerts, want)
	}
}

// TestDamagedAreCounted: of many events that can't be judged the first are
// named, and all are counted.
func TestDamagedAreCounted(t *testing.T) {
	prog, _ := ours(t)
	r := detect.NewResults(prog)
	for i := range 1500 {
		r.Add(model.Event{Source: "kubernetes-audit", Stream: "s", Index: i, Raw: []byte("{")})
	}
	list := r.Incomplete()
	if last := list[len(list)-1]; len(list) != 1001 || last.Why != "500 more could not be judged" {
		t.Errorf("%d entries, the last is %v", len(list), last)
	}
}
