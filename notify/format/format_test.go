package format

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

var update = flag.Bool("update", false, "write the golden files anew")

var options = Options{Version: "0.9.0", Host: "node-1.example"}

// messages are the golden cases: an alert as the example's log gives it, with
// what the estate knows, one of a cloud with nothing known and text to escape,
// and a group.
func messages() map[string]Message {
	when := time.Date(2026, 8, 25, 13, 42, 31, 69786000, time.UTC)
	pod := model.Alert{
		Schema: 1, ID: "fe8064b0e7dfa7c7", Rule: "D103", Title: "Secrets read in bulk", Level: model.High, Time: when, Source: "audit.jsonl", Index: 172,
		Assets: []model.Ref{
			{Kind: model.Workload, Key: "prod/shop/Pod/storefront-6f7c9d8b54-q2xmk"}, {Kind: model.Identity, Key: "prod/shop/runner"}, {Kind: model.Namespace, Key: "prod/shop"},
		},
		Attack: []string{"T1552.007", "T1613"},
		Fields: map[string]string{"actor": "system:serviceaccount:shop:runner", "verb": "list", "sourceIP": "10.42.1.37", "userAgent": "curl/7.74.0", "author": "Scantling"},
		Context: &model.Context{
			AsOf: when.Add(-time.Hour),
			Workloads: []model.WorkloadContext{{
				Asset: "prod/shop/Pod/storefront-6f7c9d8b54-q2xmk", Key: "prod/shop/Deployment/storefront", PlacedBy: "name", Owner: "web-team", Exposed: "public", Identity: "prod/shop/runner",
				Images: []model.ImageContext{{Name: "registry.example/shop/storefront:1", Digest: "sha256:aa", Advisories: map[string]int{"critical": 1, "low": 4}, KEV: 1, Worst: []string{"CVE-2021-44228", "GHSA-aaaa-bbbb-cccc"}}},
				Blast:  &model.BlastContext{Workloads: 16, Secrets: 7, Nodes: 1, ClusterAdmin: true},
			}},
			Identities: []model.IdentityContext{{Key: "prod/shop/runner", Rights: []string{"Role runner rules[0]: list on secrets"}}},
			Unknown:    []model.Incomplete{{What: "image x", Why: "it was not read"}},
		},
	}
	cloud := model.Alert{
		Schema: 1, ID: "00000000000000aa", Rule: "D201|x", Title: "Trail \\ stopped|=\n<now> \"quoted\"", Level: model.Critical, Time: when, Source: "trail=1.json",
		Assets: []model.Ref{{Kind: model.CloudRole, Key: "arn:aws:iam::123456789012:role/x"}}, Attack: []string{},
		Fields: map[string]string{"actor": "arn=a|b\\c\nd ü", "sourceIPAddress": "cloudtrail.amazonaws.com"},
	}
	group := Message{ID: "9999999999999999", Alert: pod, Group: &Group{
		Count: 3, First: when, Last: when.Add(4 * time.Minute), IDs: []string{"a1", "a2", "a3"}, Assets: pod.Assets[:2], More: 1,
	}}
	group.Alert.Context = nil
	return map[string]Message{"pod": {ID: pod.ID, Alert: pod}, "cloud": {ID: cloud.ID, Alert: cloud}, "group": group}
}

func render(t *testing.T, name string, m Message) []byte {
	t.Helper()
	var out []byte
	var err error
	switch name {
	case "json":
		out, err = JSON(m)
	case "ocsf":
		out, err = OCSF(m, options)
	case "ecs":
		out, err = ECS(m, options)
	case "cloudevents":
		out, err = CloudEvent(m)
	case "cef":
		out = []byte(CEF(m, options))
	case "syslog":
		out = Syslog(m, options)
	}
	if err != nil {
		t.Fatal(err)
	}
	if bytes.ContainsAny(out, "\n\r") {
		t.Errorf("%s: more than one line", name)
	}
	return out
}

func TestGolden(t *testing.T) {
	for _, name := range []string{"json", "ocsf", "ecs", "cloudevents", "cef", "syslog"} {
		for kind, m := range messages() {
			got := append(render(t, name, m), '\n')
			if name != "cef" && name != "syslog" {
				var pretty bytes.Buffer
				if err := json.Indent(&pretty, got, "", "  "); err != nil {
					t.Fatal(err)
				}
				got = pretty.Bytes()
			}
			file := filepath.Join("testdata", kind+"."+name)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		}
	}
}

// at looks a path up in a decoded document; "[]" goes into each element.
func at(doc any, path string) []any {
	found := []any{doc}
	for part := range strings.SplitSeq(path, ".") {
		var next []any
		for _, v := range found {
			if part == "[]" {
				list, _ := v.([]any)
				next = append(next, list...)
			} else if m, ok := v.(map[string]any); ok && m[part] != nil {
				next = append(next, m[part])
			}
		}
		found = next
	}
	return found
}

// What the specifications require, and of which type or values. OCSF 1.4.0:
// attributes with requirement "required" of detection_finding, of what it
// extends and of the objects used, and their enums. ECS 8.17: fields.csv.
// CloudEvents 1.0.2: section "Required Attributes".
var required = map[string]map[string]any{
	"ocsf": {
		"activity_id": 1.0, "category_uid": 2.0, "class_uid": 2004.0, "type_uid": 200401.0, "time": "number", "severity_id": []any{0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 99.0},
		"status_id": []any{1.0, 2.0, 3.0, 4.0, 5.0}, "metadata.version": "1.4.0", "metadata.product.vendor_name": "Scantling", "metadata.uid": "string",
		"finding_info.uid": "string", "finding_info.title": "string", "finding_info.analytic.type_id": 1.0,
		"?resources.[].uid": "string", "?observables.[].name": "string", "?observables.[].type_id": []any{2.0, 4.0, 10.0, 16.0},
		"?finding_info.attacks.[].technique.uid": "string", "?vulnerabilities.[].cve.uid": "string", "?finding_info.related_events.[].uid": "string",
	},
	"ecs": {
		"@timestamp": "string", "ecs.version": "8.17.0", "message": "string", "event.kind": "alert", "event.category.[]": "intrusion_detection", "event.type.[]": "info",
		"event.id": "string", "event.severity": "number", "rule.id": "string", "rule.name": "string", "?threat.framework": "MITRE ATT&CK",
		"?threat.technique.id.[]": "string", "?threat.technique.subtechnique.id.[]": "string", "?orchestrator.type": "kubernetes", "?source.ip": "string",
		"?container.image.name": "string", "?container.image.hash.all.[]": "string", "?user.name": "string",
	},
	"cloudevents": {"specversion": "1.0", "id": "string", "source": "string", "type": []any{"io.scantling.alert.v1", "io.scantling.alerts.v1"}, "datacontenttype": "application/json", "data.id": "string"},
}

func TestRequired(t *testing.T) {
	for name, table := range required {
		seen := map[string]bool{}
		for kind, m := range messages() {
			var doc any
			if err := json.Unmarshal(render(t, name, m), &doc); err != nil {
				t.Fatal(err)
			}
			for path, want := range table {
				path, optional := strings.CutPrefix(path, "?")
				values := at(doc, path)
				if len(values) == 0 && !optional {
					t.Errorf("%s of %s: %s is missing", name, kind, path)
				}
				for _, v := range values {
					seen[path] = true
					if !fits(v, want) {
						t.Errorf("%s of %s: %s is %v, want %v", name, kind, path, v, want)
					}
				}
			}
		}
		for path := range table {
			if path = strings.TrimPrefix(path, "?"); !seen[path] {
				t.Errorf("%s: no case has %s", name, path)
			}
		}
	}
}

func fits(v, want any) bool {
	switch want := want.(type) {
	case []any:
		return slices.Contains(want, v)
	case string:
		if want == "number" {
			_, ok := v.(float64)
			return ok
		}
		s, ok := v.(string)
		return ok && (want == "string" && s != "" || s == want)
	}
	return v == want
}

// The same key is in every format.
func TestOneKey(t *testing.T) {
	places := map[string]string{"json": "id", "ocsf": "metadata.uid", "ecs": "event.id", "cloudevents": "id"}
	for kind, m := range messages() {
		for name, path := range places {
			var doc any
			if err := json.Unmarshal(render(t, name, m), &doc); err != nil {
				t.Fatal(err)
			}
			if got := at(doc, path); len(got) != 1 || got[0] != m.ID {
				t.Errorf("%s of %s: %s is %v, want %s", name, kind, path, got, m.ID)
			}
		}
		for _, name := range []string{"cef", "syslog"} {
			if !strings.Contains(string(render(t, name, m)), "externalId="+m.ID+" ") {
				t.Errorf("%s of %s has no key", name, kind)
			}
		}
	}
}

// readCEF takes a record apart as the standard says: the header ends at
// unescaped pipes, a key is a word before an unescaped equals sign.
func readCEF(t *testing.T, line string) (header []string, ext map[string]string) {
	t.Helper()
	var field strings.Builder
	i := 0
	for ; i < len(line) && len(header) < 7; i++ {
		switch {
		case line[i] == '\\' && i+1 < len(line):
			i++
			field.WriteByte(line[i])
		case line[i] == '|':
			header = append(header, field.String())
			field.Reset()
		default:
			field.WriteByte(line[i])
		}
	}
	rest := line[i:]
	keys := regexp.MustCompile(`(?:^| )([A-Za-z0-9]+)=`).FindAllStringSubmatchIndex(rest, -1)
	ext = map[string]string{}
	for n, k := range keys {
		end := len(rest)
		if n+1 < len(keys) {
			end = keys[n+1][0]
		}
		value := rest[k[1]:end]
		if regexp.MustCompile(`(^|[^\\])(\\\\)*=`).MatchString(value) {
			t.Errorf("unescaped = in %q", value)
		}
		ext[rest[k[2]:k[3]]] = strings.NewReplacer(`\\`, `\`, `\=`, `=`, `\n`, "\n").Replace(value)
	}
	return header, ext
}

func TestCEFReadsBack(t *testing.T) {
	m := messages()["cloud"]
	header, ext := readCEF(t, CEF(m, options))
	want := []string{"CEF:0", "Scantling", "Scantling", "0.9.0", "D201|x", "Trail \\ stopped|= <now> \"quoted\"", "10"}
	if diff := cmp.Diff(want, header); diff != "" {
		t.Error(diff)
	}
	if ext["suser"] != m.Alert.Fields["actor"] || ext["fname"] != "trail=1.json" || ext["src"] != "" {
		t.Errorf("extension %q", ext)
	}
}

// TestCEFOfOtherControls has texts that end lines or turn them around in the
// eyes of some readers.
func TestCEFOfOtherControls(t *testing.T) {
	text := "a\u0085b\u2028c\u2029d\u202ee\u2066f\u009bg\x00h"
	line := string(Syslog(Message{ID: "1", Alert: model.Alert{Rule: text, Title: text, Fields: map[string]string{"actor": text}}}, options))
	if strings.Count(line, "a b c d e f g h") != 4 || strings.ContainsAny(line, "\u0085\u2028\u2029\u202e\u2066\u009b\x00") {
		t.Errorf("%q", line)
	}
}

func FuzzCEF(f *testing.F) {
	f.Add("D1|", "a=b\\\n", "x\r\n|")
	f.Fuzz(func(t *testing.T, rule, actor, title string) {
		m := Message{ID: "1", Alert: model.Alert{Rule: rule, Title: title, Fields: map[string]string{"actor": actor}}}
		line := CEF(m, options)
		if strings.ContainsAny(line, "\n\r") || !utf8.ValidString(line) {
			t.Fatalf("%q", line)
		}
		header, _ := readCEF(t, line)
		if len(header) != 7 || header[0] != "CEF:0" {
			t.Fatalf("header %q of %q", header, line)
		}
		msg := string(Syslog(m, options))
		if !regexp.MustCompile(`^<\d{1,3}>1 \S+ \S+ \S+ \S+ \S+ \[origin .*\] CEF:0\|`).MatchString(msg) {
			t.Fatalf("%q", msg)
		}
	})
}
