package ingest_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/klauspost/compress/zstd"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

func ref(kind model.Kind, key string) model.Ref { return model.Ref{Kind: kind, Key: key} }

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// packed is JSON text on one line.
func packed(text string) string { return strings.Join(strings.Fields(text), " ") }

const (
	id64 = "6d09394a988c5cf6b9fe260d28fdd57d6ff281618869a173965ecd94a3efac44"

	cloudtrail = `{"eventVersion":"1.09","userIdentity":{"type":"AssumedRole","principalId":"AROAX:ci","arn":"arn:aws:sts::111122223333:assumed-role/deploy/ci",
		"accountId":"111122223333","sessionContext":{"sessionIssuer":{"type":"Role","arn":"arn:aws:iam::111122223333:role/deploy"}}},
		"eventTime":"2026-03-01T10:00:00Z","eventSource":"ec2.amazonaws.com","eventName":"RunInstances","awsRegion":"eu-west-1","sourceIPAddress":"192.0.2.1","eventID":"e-1"}`
	gcp = `{"insertId":"i-1","logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity","timestamp":"2026-03-01T10:00:00.5Z","receiveTimestamp":"2026-03-01T10:00:02.5Z",
		"resource":{"type":"gce_instance"},"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"compute.googleapis.com",
		"methodName":"v1.compute.instances.insert","authenticationInfo":{"principalEmail":"ci@p.iam.gserviceaccount.com"},"requestMetadata":{"callerIp":"192.0.2.1"}}}`
	gke = `{"insertId":"i-2","logName":"projects/p/logs/cloudaudit.googleapis.com%2Factivity","timestamp":"2026-03-01T10:00:00Z","operation":{"id":"op-1"},
		"labels":{"authorization.k8s.io/decision":"allow"},"protoPayload":{"@type":"type.googleapis.com/google.cloud.audit.AuditLog","serviceName":"k8s.io",
		"methodName":"io.k8s.core.v1.pods.create","resourceName":"core/v1/namespaces/shop/pods/web-0","authenticationInfo":{"principalEmail":"system:serviceaccount:shop:web"},
		"requestMetadata":{"callerIp":"192.0.2.1","callerSuppliedUserAgent":"kubectl/v1"},"status":{"code":7,"message":"no"},
		"request":{"@type":"core.k8s.io/v1.Pod","spec":{"a":"x\u001by\"","hostPID":true}}}}`
	azure = `{"time":"2026-03-01T10:00:00.1234567Z","resourceId":"/SUBSCRIPTIONS/S/RESOURCEGROUPS/G","operationName":"MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE","category":"Administrative",
		"resultType":"Start","callerIpAddress":"192.0.2.1","correlationId":"c-1","identity":{"claims":{"http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name":"ann@example.com"}}}`
	azureREST = `{"eventTimestamp":"2026-03-01T10:00:00Z","submissionTimestamp":"2026-03-01T10:01:00Z","caller":"ann@example.com","correlationId":"c-2","resourceId":"/subscriptions/s",
		"operationName":{"value":"Microsoft.Authorization/roleAssignments/write","localizedValue":"x"},"category":{"value":"Administrative"},"httpRequest":{"clientIpAddress":"192.0.2.1"}}`
	azureGuard = `{"time":"2026-03-01T10:00:00Z","resourceId":"/SUBSCRIPTIONS/S","operationName":"Microsoft.ContainerService/managedClusters/diagnosticLogs/Read","category":"guard","properties":{"log":"text","pod":"guard-1"}}`
	aksInner   = `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"a-1","stage":"ResponseComplete","verb":"get","user":{"username":"ann"},"sourceIPs":["192.0.2.1"],"objectRef":{"resource":"secrets","namespace":"shop","name":"db"},"requestReceivedTimestamp":"2026-03-01T10:00:00Z"}`

	dockerLog   = `{"log":"hello \u001b[0m\n","stream":"stdout","time":"2026-03-01T10:00:00.5Z"}`
	dockerEvent = `{"status":"exec_create: sh","id":"` + id64 + `","from":"nginx","Type":"container","Action":"exec_create: sh","Actor":{"ID":"` + id64 + `",
		"Attributes":{"image":"nginx","io.kubernetes.pod.name":"web-0","io.kubernetes.pod.namespace":"shop"}},"scope":"local","time":1772359200,"timeNano":1772359200500000000}`
	ctr    = `2026-03-01 11:00:00.5 +0100 CET k8s.io /tasks/exec-started {"container_id":"` + id64 + `","exec_id":"x","pid":7}`
	crictl = `{"containerId":"` + id64 + `","containerEventType":"CONTAINER_STARTED_EVENT","createdAt":"1772359200500000000","podSandboxStatus":{"metadata":{"name":"web-0","namespace":"shop","uid":"u"}}}`

	kubeEvent = `{"apiVersion":"v1","kind":"Event","metadata":{"name":"web-0.1","namespace":"shop","uid":"u-1"},"involvedObject":{"kind":"Pod","namespace":"shop","name":"web-0"},
		"reason":"BackOff","message":"m","source":{"component":"kubelet","host":"n1"},"lastTimestamp":"2026-03-01T10:00:00Z","eventTime":null,"type":"Warning"}`
	newKubeEvent = `{"apiVersion":"events.k8s.io/v1","kind":"Event","metadata":{"uid":"u-2"},"regarding":{"kind":"Node","name":"n1"},"reason":"NodeNotReady","note":"m",
		"reportingController":"node-controller","eventTime":"2026-03-01T10:00:00.5Z"}`

	syslogLine = `<165>1 2026-03-01T10:00:00.5Z host app 71 ID47 [ex@1 a="x\"\]" a="y"][o@2] ` + "\ufeffhello \x1b"
	journal    = `{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1772359202000000","_SOURCE_REALTIME_TIMESTAMP":"1772359200500000","_HOSTNAME":"n1","SYSLOG_IDENTIFIER":"sshd","MESSAGE":"hello"}`
	otlp       = `{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}},{"key":"k8s.namespace.name","value":{"stringValue":"shop"}},
		{"key":"k8s.pod.name","value":{"stringValue":"web-0"}},{"key":"k8s.node.name","value":{"stringValue":"n1"}}]},
		"scopeLogs":[{"scope":{"name":"s"},"logRecords":[{"timeUnixNano":"1772359200500000000","observedTimeUnixNano":"1772359202000000000","body":{"stringValue":"a\u001b"},"traceId":"t"}]}]}]}`
	falco = `{"uuid":"f-1","hostname":"n1","output":"o","priority":"Warning","rule":"Terminal shell in container","source":"syscall","tags":["container","T1059","mitre_execution"],
		"time":"2026-03-01T10:00:00.5Z","output_fields":{"container.id":"0123456789ab","k8s.ns.name":"shop","k8s.pod.name":"web-0","user.name":"root","evt.type":"execve"}}`
	tetragon = `{"process_kprobe":{"process":{"exec_id":"x","binary":"/bin/cat","pod":{"namespace":"shop","name":"web-0","container":{"id":"containerd://` + id64 + `"},"workload":"web","workload_kind":"StatefulSet"}},
		"function_name":"security_file_open","policy_name":"files"},"node_name":"n1","time":"2026-03-01T10:00:00.5Z"}`
	tetragonExec = `{"process_exec":{"process":{"exec_id":"y","binary":"/bin/ls"}},"node_name":"n1","time":"2026-03-01T10:00:00Z"}`
	traceeFlat   = `{"timestamp":1772359200500000000,"processName":"sh","hostName":"h","container":{"id":"` + id64 + `"},"kubernetes":{"podName":"web-0","podNamespace":"shop"},
		"eventId":"6018","eventName":"fileless_execution","argsNum":0,"metadata":{"Properties":{"Severity":3,"signatureID":"TRC-105","external_id":"t1620"}}}`
	traceeAPI = `{"timestamp":"2026-03-01T10:00:00.5Z","id":"execve","name":"execve","policies":{},"workload":{"process":{"executable":{"path":"/bin/sh"}},"container":{"id":"c"},"pod":{"name":"web-0","namespace":{"name":"shop"}}},
		"threat":{"name":"T","severity":"HIGH","mitre":{"technique":{"id":"T1059"}}}}`
)

var (
	pod  = ref(model.Workload, "c/shop/Pod/web-0")
	node = ref(model.Node, "c/n1")
	half = at("2026-03-01T10:00:00.5Z")
	two  = at("2026-03-01T10:00:02Z")
	full = at("2026-03-01T10:00:00Z")
)

type sample struct {
	kind, stream, in string
	want             []model.Event
}

// aks wraps an audit event as AKS logs it.
func aks(inner string) string {
	text, _ := json.Marshal(inner + "\n")
	return `{"time":"2026-03-01T10:00:05Z","resourceId":"/SUBSCRIPTIONS/S","operationName":"Microsoft.ContainerService/managedClusters/diagnosticLogs/Read","category":"kube-audit","properties":{"log":` + string(text) + `,"stream":"stdout","pod":"kube-apiserver-1"}}`
}

func samples() map[string]sample {
	deploy := ref(model.CloudRole, "arn:aws:iam::111122223333:role/deploy")
	ci := ref(model.CloudRole, "ci@p.iam.gserviceaccount.com")
	ann := ref(model.Identity, "ann@example.com")
	web := ref(model.Identity, "c/shop/web")
	user := ref(model.Identity, "c//user:ann")
	trail := model.Event{
		Source: "cloudtrail", Time: full, Key: "e-1", Actor: "arn:aws:sts::111122223333:assumed-role/deploy/ci", Identity: deploy,
		Action: "RunInstances", Address: "192.0.2.1", Assets: []model.Ref{deploy},
	}
	entry := model.Event{
		Source: "gcp-audit", Time: half, Received: half.Add(2 * time.Second), Late: 2 * time.Second, Key: "i-1", Actor: "ci@p.iam.gserviceaccount.com", Identity: ci,
		Action: "v1.compute.instances.insert", Address: "192.0.2.1", Assets: []model.Ref{ci},
	}
	out := func(source string) model.Event { return model.Event{Source: source, Time: half} }
	podOut := func(source string) model.Event {
		return model.Event{Source: source, Time: half, Container: id64, Assets: []model.Ref{pod}}
	}
	gkeEvents := []model.Event{
		{Source: "gcp-audit", Time: full, Key: "i-2", Actor: "system:serviceaccount:shop:web", Identity: web, Action: "io.k8s.core.v1.pods.create", Address: "192.0.2.1", Assets: []model.Ref{pod, web}},
		{Source: ingest.Kind, Time: full, Key: "op-1", Actor: "system:serviceaccount:shop:web", Identity: web, Action: "create pods", Address: "192.0.2.1", Assets: []model.Ref{pod, web}},
	}
	with := func(ev model.Event, change func(*model.Event)) []model.Event { change(&ev); return []model.Event{ev} }
	syslogEvent := model.Event{Source: "syslog", Time: half, Actor: "app", Action: "ID47", Host: "host"}
	journalEvent := model.Event{Source: "journald", Time: half, Received: two, Late: 1500 * time.Millisecond, Actor: "sshd", Host: "n1"}
	second := func(ev model.Event) model.Event { ev.Index = 1; return ev }
	return map[string]sample{
		"CloudTrail file":     {"cloudtrail", "", `{"Records":[` + cloudtrail + `,` + cloudtrail + `]}`, []model.Event{trail, second(trail)}},
		"CloudTrail array":    {"cloudtrail", "", `[` + cloudtrail + `]`, []model.Event{trail}},
		"CloudTrail lines":    {"cloudtrail", "", packed(cloudtrail) + "\n" + packed(cloudtrail), []model.Event{trail, second(trail)}},
		"GCP entry":           {"gcp-audit", "", packed(gcp), []model.Event{entry}},
		"GCP array":           {"gcp-audit", "", "[\n  " + gcp + ",\n  " + gcp + "\n]", []model.Event{entry, second(entry)}},
		"GCP by Pub/Sub":      {"gcp-audit", "", `{"data":` + packed(gcp) + `}`, []model.Event{entry}},
		"GKE":                 {"gcp-audit", "", packed(gke), gkeEvents},
		"Azure activity":      {"azure", "", `{"records":[` + azure + `]}`, []model.Event{{Source: "azure-activity", Time: at("2026-03-01T10:00:00.1234567Z"), Key: "c-1", Actor: "ann@example.com", Identity: ann, Action: "MICROSOFT.COMPUTE/VIRTUALMACHINES/WRITE", Address: "192.0.2.1", Assets: []model.Ref{ann}}}},
		"Azure REST":          {"azure", "", `[` + azureREST + `]`, []model.Event{{Source: "azure-activity", Time: full, Received: full.Add(time.Minute), Late: time.Minute, Key: "c-2", Actor: "ann@example.com", Identity: ann, Action: "Microsoft.Authorization/roleAssignments/write", Address: "192.0.2.1", Assets: []model.Ref{ann}}}},
		"AKS guard":           {"azure", "", azureGuard, []model.Event{{Source: "azure-diagnostics", Time: full, Action: "Microsoft.ContainerService/managedClusters/diagnosticLogs/Read"}}},
		"AKS audit":           {"azure", "", `{"records":[` + aks(aksInner) + `]}`, []model.Event{{Source: ingest.Kind, Time: full, Received: full.Add(5 * time.Second), Late: 5 * time.Second, Key: "a-1", Actor: "ann", Identity: user, Action: "get secrets", Address: "192.0.2.1", Assets: []model.Ref{ref(model.Secret, "c/shop/db"), user}}}},
		"CRI":                 {"cri", "", "2026-03-01T10:00:00.5Z stdout F hello \n", []model.Event{out("cri")}},
		"CRI parts":           {"cri", "", "2026-03-01T10:00:00.5Z stdout P hel\n2026-03-01T10:00:01Z stderr F x\n2026-03-01T10:00:02Z stdout F lo", []model.Event{{Source: "cri", Time: half.Add(500 * time.Millisecond)}, second(with(out("cri"), func(e *model.Event) { e.Late = 500 * time.Millisecond })[0])}},
		"CRI of the kubelet":  {"cri", "/var/log/pods/shop_web-0_0a1b/app/0.log.20260301-100000.gz", "2026-03-01T10:00:00.5Z stdout F hello", with(podOut("cri"), func(e *model.Event) { e.Container = "" })},
		"CRI by its link":     {"cri", "/var/log/containers/web-0_shop_app-" + id64 + ".log", "2026-03-01T10:00:00.5Z stdout F hello", []model.Event{podOut("cri")}},
		"Docker log":          {"docker-json", "/var/lib/docker/containers/" + id64 + "/" + id64 + "-json.log", dockerLog, with(out("docker-json"), func(e *model.Event) { e.Container = id64 })},
		"Docker event":        {"docker-events", "", packed(dockerEvent), with(podOut("docker-events"), func(e *model.Event) { e.Action = "container exec_create: sh" })},
		"ctr event":           {"containerd-events", "", ctr, []model.Event{{Source: "containerd-events", Time: half, Action: "tasks/exec-started", Container: id64}}},
		"crictl event":        {"containerd-events", "", crictl, with(podOut("containerd-events"), func(e *model.Event) { e.Action = "CONTAINER_STARTED_EVENT" })},
		"Event":               {"kubernetes-events", "", packed(kubeEvent), []model.Event{{Source: "kubernetes-events", Time: full, Key: "u-1", Actor: "kubelet", Action: "BackOff", Host: "n1", Assets: []model.Ref{pod, node}}}},
		"Event list":          {"kubernetes-events", "", `{"apiVersion":"v1","kind":"List","items":[` + newKubeEvent + `]}`, []model.Event{{Source: "kubernetes-events", Time: half, Key: "u-2", Actor: "node-controller", Action: "NodeNotReady", Assets: []model.Ref{node}}}},
		"syslog lines":        {"syslog", "", syslogLine + "\n" + syslogLine + "\n", []model.Event{syslogEvent, second(syslogEvent)}},
		"syslog octets":       {"syslog", "", counted(syslogLine) + counted(syslogLine), []model.Event{syslogEvent, second(syslogEvent)}},
		"syslog, little said": {"syslog", "", "<0>1 - - - - - -", []model.Event{{Source: "syslog"}}},
		"journal JSON":        {"journald", "", journal, []model.Event{journalEvent}},
		"journal export":      {"journald", "", export("hello") + "\n\n" + export("a\nb\xff"), []model.Event{journalEvent, second(journalEvent)}},
		"OTLP":                {"otlp", "", packed(otlp), []model.Event{{Source: "otlp", Time: half, Received: two, Late: 1500 * time.Millisecond, Key: "t", Actor: "web", Assets: []model.Ref{pod, node}}}},
		"Falco":               {"falco", "", packed(falco), []model.Event{{Source: "falco", Time: half, Key: "f-1", Actor: "root", Action: "execve", Host: "n1", Container: "0123456789ab", Assets: []model.Ref{pod}, Signal: &model.Signal{Rule: "Terminal shell in container", Level: model.Medium, Attack: []string{"T1059"}}}}},
		"Tetragon":            {"tetragon", "", packed(tetragon), []model.Event{{Source: "tetragon", Time: half, Key: "x", Actor: "/bin/cat", Action: "process_kprobe security_file_open", Host: "n1", Container: id64, Assets: []model.Ref{pod, ref(model.Workload, "c/shop/StatefulSet/web"), node}, Signal: &model.Signal{Rule: "files"}}}},
		"Tetragon exec":       {"tetragon", "", tetragonExec, []model.Event{{Source: "tetragon", Time: full, Key: "y", Actor: "/bin/ls", Action: "process_exec", Host: "n1", Assets: []model.Ref{node}}}},
		"Tracee":              {"tracee", "", packed(traceeFlat), []model.Event{{Source: "tracee", Time: half, Actor: "sh", Action: "fileless_execution", Host: "h", Container: id64, Assets: []model.Ref{pod}, Signal: &model.Signal{Rule: "TRC-105", Level: model.High, Attack: []string{"T1620"}}}}},
		"Tracee API":          {"tracee", "", packed(traceeAPI), []model.Event{{Source: "tracee", Time: half, Actor: "/bin/sh", Action: "execve", Container: "c", Assets: []model.Ref{pod}, Signal: &model.Signal{Rule: "T", Level: model.High, Attack: []string{"T1059"}}}}},
		"audit":               {ingest.Kind, "", ev("a"), []model.Event{{Source: ingest.Kind, Key: "a", Action: "get"}}},
	}
}

// counted is a message with the count of its octets before it.
func counted(message string) string {
	return string(appendInt(nil, len(message))) + " " + message
}

func appendInt(b []byte, n int) []byte {
	text, _ := json.Marshal(n)
	return append(b, text...)
}

// export is an entry of a journal as journalctl -o export has it.
func export(message string) string {
	head := "__CURSOR=s=1\n__REALTIME_TIMESTAMP=1772359202000000\n_SOURCE_REALTIME_TIMESTAMP=1772359200500000\n_HOSTNAME=n1\nSYSLOG_IDENTIFIER=sshd\n"
	if utf8.ValidString(message) && !strings.Contains(message, "\n") {
		return head + "MESSAGE=" + message + "\n"
	}
	size := [8]byte{byte(len(message)), byte(len(message) >> 8)}
	return head + "MESSAGE\n" + string(size[:]) + message + "\n"
}

func readAll(t testing.TB, stream, text string, cfg ingest.Config) ([]model.Event, ingest.Result) {
	t.Helper()
	var out []model.Event
	res, err := ingest.Read(context.Background(), stream, strings.NewReader(text), cfg, func(e model.Event) error {
		out = append(out, e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out, res
}

// TestFormats reads a sample of each form of each kind: recognised and told,
// plain and packed.
func TestFormats(t *testing.T) {
	seen := map[string]bool{}
	for name, tc := range samples() {
		seen[tc.kind] = true
		t.Run(name, func(t *testing.T) {
			for form, text := range map[string]string{"plain": tc.in, "gzip": zipped(t, tc.in), "zstd": zstdOf(t, tc.in)} {
				for _, source := range []string{"", tc.kind} {
					got, res := readAll(t, tc.stream, text, ingest.Config{Cluster: "c", Source: source})
					if len(res.Incomplete) > 0 || res.Kind != tc.kind {
						t.Errorf("%s, source %q: kind %q, %v", form, source, res.Kind, res.Incomplete)
					}
					want := slices.Clone(tc.want)
					for i := range want {
						want[i].Stream = tc.stream
					}
					if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(model.Event{}, "Raw", "Original")); diff != "" {
						t.Errorf("%s, source %q: %s", form, source, diff)
					}
					for _, e := range got {
						if !json.Valid(e.Raw) || e.Raw[0] != '{' {
							t.Errorf("Raw is no JSON object: %s", e.Raw)
						}
					}
				}
			}
			if got := ingest.Sniff(strings.NewReader(tc.in)); got != tc.kind {
				t.Errorf("sniffed as %q", got)
			}
		})
	}
	for _, kind := range ingest.Kinds() {
		if !seen[kind] {
			t.Errorf("no sample of %s", kind)
		}
	}
}

func zstdOf(t testing.TB, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(w.EncodeAll([]byte(text), nil))
}

// TestRaw holds what rules read of records that are not JSON, or in others.
func TestRaw(t *testing.T) {
	for name, tc := range map[string]struct {
		in, want string // JSON, the last event's Raw
		original string
	}{
		"CRI, joined": {
			"2026-03-01T10:00:00Z stdout P a \n2026-03-01T10:00:01Z stdout F b ", `{"time":"2026-03-01T10:00:00Z","stream":"stdout","message":"a b "}`,
			"2026-03-01T10:00:00Z stdout P a \n2026-03-01T10:00:01Z stdout F b ",
		},
		"CRI, no UTF-8": {"2026-03-01T10:00:00Z stderr F \xff<", `{"time":"2026-03-01T10:00:00Z","stream":"stderr","message":"` + "\ufffd" + `<"}`, "2026-03-01T10:00:00Z stderr F \xff<"},
		"CRI, empty":    {"2026-03-01T10:00:00Z stderr F ", `{"time":"2026-03-01T10:00:00Z","stream":"stderr","message":""}`, "2026-03-01T10:00:00Z stderr F "},
		"syslog": {
			syslogLine, `{"facility":20,"severity":5,"version":1,"timestamp":"2026-03-01T10:00:00.5Z","hostname":"host","appname":"app","procid":"71","msgid":"ID47","structured_data":{"ex@1":{"a":["x\"]","y"]},"o@2":{}},"message":"hello \u001b"}`,
			syslogLine,
		},
		"journal": {
			export("a\xff"), `{"__CURSOR":"s=1","__REALTIME_TIMESTAMP":"1772359202000000","_SOURCE_REALTIME_TIMESTAMP":"1772359200500000","_HOSTNAME":"n1","SYSLOG_IDENTIFIER":"sshd","MESSAGE":[97,255]}`,
			export("a\xff"),
		},
		"ctr": {ctr, `{"timestamp":"2026-03-01T10:00:00.5Z","namespace":"k8s.io","topic":"/tasks/exec-started","event":{"container_id":"` + id64 + `","exec_id":"x","pid":7}}`, ctr},
		"GKE": {
			packed(gke), `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Request","auditID":"op-1","stage":"ResponseComplete","verb":"create","user":{"username":"system:serviceaccount:shop:web"},
			"sourceIPs":["192.0.2.1"],"userAgent":"kubectl/v1","objectRef":{"resource":"pods","namespace":"shop","name":"web-0","apiVersion":"v1"},"responseStatus":{"code":403,"message":"no"},
			"requestReceivedTimestamp":"2026-03-01T10:00:00Z","annotations":{"authorization.k8s.io/decision":"allow"},"requestObject":{"@type":"core.k8s.io/v1.Pod","spec":{"a":"x\u001by\"","hostPID":true}}}`,
			packed(gke),
		},
		"AKS": {aks(aksInner), aksInner, aks(aksInner)},
		"OTLP": {packed(otlp), `{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"web"}},{"key":"k8s.namespace.name","value":{"stringValue":"shop"}},
			{"key":"k8s.pod.name","value":{"stringValue":"web-0"}},{"key":"k8s.node.name","value":{"stringValue":"n1"}}]},"scope":{"name":"s"},
			"logRecord":{"timeUnixNano":"1772359200500000000","observedTimeUnixNano":"1772359202000000000","body":{"stringValue":"a\u001b"},"traceId":"t"}}`, ""},
		"cloudtrail": {packed(cloudtrail), packed(cloudtrail), ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, _ := readAll(t, "log", tc.in, ingest.Config{})
			if len(got) == 0 {
				t.Fatal("no event")
			}
			last := got[len(got)-1]
			var have, want any
			if err := json.Unmarshal(last.Raw, &have); err != nil {
				t.Fatalf("%v: %s", err, last.Raw)
			}
			if err := json.Unmarshal([]byte(tc.want), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, have); diff != "" {
				t.Error(diff)
			}
			if strings.TrimRight(string(last.Original), "\n") != strings.TrimRight(tc.original, "\n") {
				t.Errorf("original %q", last.Original)
			}
		})
	}
}

// TestGKEObjects reads names of resources and methods.
func TestGKEObjects(t *testing.T) {
	for name, tc := range map[string]struct{ resource, method, action, asset string }{
		"exec":         {"core/v1/namespaces/shop/pods/web-0/exec", "io.k8s.core.v1.pods.exec.create", "create pods/exec", "workload c/shop/Pod/web-0"},
		"list":         {"core/v1/namespaces/shop/secrets", "io.k8s.core.v1.secrets.list", "list secrets", "namespace c/shop"},
		"cluster role": {"rbac.authorization.k8s.io/v1/clusterrolebindings/x", "io.k8s.authorization.rbac.v1.clusterrolebindings.create", "create clusterrolebindings", "binding c//ClusterRoleBinding/x"},
		"namespace":    {"core/v1/namespaces/shop", "io.k8s.core.v1.namespaces.delete", "delete namespaces", "namespace c/shop"},
		"status":       {"core/v1/namespaces/shop/status", "io.k8s.core.v1.namespaces.status.update", "update namespaces/status", "namespace c/shop"},
		"no resource":  {"healthz", "io.k8s.get", "get", ""},
	} {
		t.Run(name, func(t *testing.T) {
			entry := `{"insertId":"i","logName":"l","protoPayload":{"serviceName":"k8s.io","methodName":"` + tc.method + `","resourceName":"` + tc.resource + `"}}`
			got, res := readAll(t, "log", entry, ingest.Config{Cluster: "c"})
			if len(got) != 2 || res.Derived != 1 || res.Records != 1 || got[1].Index != got[0].Index {
				t.Fatalf("%+v, %+v", got, res)
			}
			asset := ""
			if len(got[1].Assets) > 0 {
				asset = got[1].Assets[0].String()
			}
			if got[1].Action != tc.action || asset != tc.asset {
				t.Errorf("%q on %q", got[1].Action, asset)
			}
		})
	}
}

// TestDamage reads what rotation, truncation and wrong counts leave, and holds
// that each damaged record becomes a dead letter with its bytes.
func TestDamage(t *testing.T) {
	cri := "2026-03-01T10:00:00Z stdout F ok"
	long := strings.Repeat("x", 200<<10)
	part := "2026-03-01T10:00:00Z stdout P " + long + "\n"
	for name, tc := range map[string]struct {
		in     string
		events int
		dead   []string // "line why: beginning"
	}{
		"CRI, cut line":        {cri + "\n2026-03-01T10:0\n" + cri, 2, []string{"2 not a line in CRI format: fewer than three words: 2026-03-01T10:0"}},
		"CRI, no end":          {cri + "\n2026-03-01T10:00:00Z stdout P half\n", 1, []string{"2 message is cut off: the log ends inside it: 2026-03-01T10:00:00Z stdout P half"}},
		"CRI, endless message": {strings.Repeat(part, 6) + cri + "\n" + cri, 1, []string{"1 message is longer than 1048576 bytes: 2026-03-01T10:00:00Z stdout P xxxx"}},
		"CRI, endless blanks":  {strings.Repeat("2026-03-01T10:00:00Z stdout P \n", 100_000) + cri + "\n" + cri, 1, []string{"1 message is longer than 1048576 bytes: 2026-03-01T10:00:00Z stdout P"}},
		"CRI, wrong output":    {cri + "\n2026-03-01T10:00:00Z stdin F x", 1, []string{"2 not a line in CRI format: neither of stdout nor of stderr: 2026-03-01T10:00:00Z stdin F x"}},
		"Docker, no end":       {dockerLog + "\n" + `{"log":"half","stream":"stdout","time":"2026-03-01T10:00:00Z"}`, 1, []string{`2 message is cut off: the log ends inside it: {"log":"half"`}},
		"Docker, cut line":     {dockerLog + "\n" + dockerLog[:30] + "\n" + dockerLog, 2, []string{"2 record is cut off: it does not end with a bracket: {"}},
		"a record of another kind": {
			cri + "\n" + ev("forged") + "\n" + cri, 2, []string{`2 not a line in CRI format: fewer than three words: {"kind":"Event"`},
		},
		"audit event in CloudTrail": {packed(cloudtrail) + "\n" + ev("a"), 1, []string{`2 not a CloudTrail event: no eventSource and eventName: {"kind"`}},
		"syslog, not 5424":          {syslogLine + "\n<13>Oct 11 22:14:15 host su: x\n" + syslogLine, 2, []string{"2 not a message of RFC 5424: its version is not 1: <13>Oct"}},
		"syslog, bad data":          {syslogLine + "\n<13>1 - - - - - [a b=\"c] x\n" + syslogLine, 2, []string{"2 structured data is malformed: <13>1"}},
		"syslog, bad priority":      {syslogLine + "\n<192>1 - - - - - -\n<1>1 - -\n", 1, []string{"2 not a message of RFC 5424: it does not begin with <priority>1: <192>", "3 message is cut off in its header: <1>1 - -"}},
		"syslog, wrong count": {
			counted(syslogLine) + "20 " + syslogLine + counted(syslogLine), 2,
			[]string{"2 message is cut off in its header: <165>1 2026-03-01", "3 not a frame: neither a message nor a count of octets: :00:00.5Z host"},
		},
		"syslog, huge count":   {counted(syslogLine) + "999999999 <1>1 - - - - - - x" + counted(syslogLine), 2, []string{"2 record is longer than 4194304 bytes: 999999999 <1>1"}},
		"syslog, cut frame":    {counted(syslogLine) + counted(syslogLine)[:20], 1, []string{"2 record is cut off: the log ends inside it: <165>1"}},
		"syslog, mixed frames": {counted(syslogLine) + syslogLine + "\n" + counted(syslogLine), 3, nil},
		"journal, cut": {
			export("a") + "\n" + export("b")[:40], 1, []string{"8 record is cut off: the log ends inside it: __CURSOR"},
		},
		"journal, cut in a value": {export("a") + "\n" + export("b\n") + "\n" + export("cdefg\n")[:len(export("cdefg\n"))-4], 2, []string{"17 record is cut off: the log ends inside it: __CURSOR"}},
		"journal, no field":       {export("a") + "\n__CURSOR=2\nhalf a li\n" + "\n" + export("b"), 2, []string{"8 entry has a line that is no field: __CURSOR"}},
		"journal, huge value":     {export("a") + "\n__CURSOR=2\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\x7fx\n\n" + export("b"), 2, []string{"8 entry has a field that is longer than an entry may be: __CURSOR"}},
		"journal, long entry":     {export("a") + "\n" + export(strings.Repeat("x", ingest.MaxRecord)) + "\n" + export("b"), 2, []string{"8 record is longer than 4194304 bytes: __CURSOR"}},
		"AKS, cut inside":         {aks(aksInner) + "\n" + aks(aksInner[:60]), 1, []string{`2 properties.log: is cut off: it does not end with a bracket: {"time"`}},
		"AKS, another log":        {aks(`{"kind":"Pod"}`) + "\n" + aks(aksInner), 1, []string{`1 properties.log: not an audit event: kind Pod: {"time"`}},
		"OTLP, odd records": {
			`{"resourceLogs":[{"scopeLogs":[{"logRecords":[7,{"body":{}}]}]}]}`, 1, []string{"1 log record is no object: 7"},
		},
		"OTLP, huge resource": {
			`{"resourceLogs":[{"resource":{"a":"` + strings.Repeat("x", 40<<10) + `"},"scopeLogs":[{"logRecords":[{"body":{}}]}]}]}`, 0,
			[]string{`1 resource and scope are longer than 32768 bytes: {"body":{}}`},
		},
		"long line":      {packed(falco) + "\n" + `{"rule":"` + strings.Repeat("x", ingest.MaxRecord) + `"}` + "\n" + packed(falco), 2, []string{`2 record is longer than 4194304 bytes: {"rule":"xx`}},
		"deep":           {packed(falco) + "\n" + strings.Repeat(`{"a":`, 5000) + strings.Repeat("}", 5000), 1, []string{`2 record is not valid JSON: {"a":{"a"`}},
		"nothing known":  {`{"a":1}` + "\nhello\n[1]\n" + packed(falco), 1, []string{`1 not a record of a kind of log that is known: {"a":1}`, "2 not a record of a kind of log that is known: hello", "3 not a record of a kind of log that is known: [1]"}},
		"ctr, bad event": {ctr + "\n" + ctr[:len(ctr)-1], 1, []string{"2 event is not valid JSON: 2026"}},
		"cut in a file":  {`{"Records":[` + packed(cloudtrail) + `,` + packed(cloudtrail)[:90], 1, []string{`1 record is cut off: the log ends inside it: {"eventVersion"`}},
	} {
		t.Run(name, func(t *testing.T) {
			var dead []ingest.DeadLetter
			got, res := readAll(t, "log", tc.in, ingest.Config{DeadLetter: func(l ingest.DeadLetter) { dead = append(dead, l) }})
			if len(got) != tc.events || res.Damaged != len(dead) || res.Records != res.Events+res.Damaged {
				t.Errorf("%d events, %d dead letters: %+v", len(got), len(dead), res)
			}
			checkDead(t, tc.dead, dead, res)
		})
	}
}

// checkDead compares the beginnings of dead letters. A wanted text that
// ends early, or is empty, wants only that there is a letter.
func checkDead(t *testing.T, want []string, dead []ingest.DeadLetter, res ingest.Result) {
	t.Helper()
	var got []string
	for i, l := range dead {
		text := string(appendInt(nil, l.Line)) + " " + l.Why + ": " + string(l.Raw)
		if i < len(want) && strings.HasPrefix(text, want[i]) {
			text = want[i]
		}
		got = append(got, text[:min(len(text), 200)])
		if named := res.Incomplete[i]; named.What != "log:"+string(appendInt(nil, l.Line)) || named.Why != l.Why {
			t.Errorf("letter %d of line %d is named %v", i, l.Line, named)
		}
		if len(l.Raw) == 0 || len(l.Raw) > 64<<10 {
			t.Errorf("letter %d has %d bytes", i, len(l.Raw))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestUnknownSource(t *testing.T) {
	_, err := ingest.Read(context.Background(), "log", strings.NewReader(""), ingest.Config{Source: "nonsense"}, nil)
	if err == nil || !strings.Contains(err.Error(), `no kind of log is named "nonsense"`) {
		t.Errorf("got %v", err)
	}
}

// TestLateness holds an event against its receipt, else against the newest
// event before it.
func TestLateness(t *testing.T) {
	line := func(clock string) string { return "2026-03-01T" + clock + "Z stdout F x\n" }
	log := line("10:00:00") + line("10:30:00") + line("10:25:00") + line("10:00:00") + line("10:31:00")
	got, res := readAll(t, "log", log, ingest.Config{})
	var late []time.Duration
	for _, e := range got {
		late = append(late, e.Late)
	}
	if diff := cmp.Diff([]time.Duration{0, 0, 5 * time.Minute, 30 * time.Minute, 0}, late); diff != "" || res.Late != 1 || res.MaxLate != 30*time.Minute {
		t.Errorf("%s%+v", diff, res)
	}
	now := at("2026-03-01T10:32:00Z")
	got, res = readAll(t, "log", log+"2026-03-01T10:40:00Z stdout F ahead\n", ingest.Config{Received: func() time.Time { return now }, Late: time.Minute})
	if res.Late != 4 || res.MaxLate != 32*time.Minute || got[0].Received != now || got[5].Late != 0 {
		t.Errorf("%+v", res)
	}
	_, res = readAll(t, "log", "<0>1 - - - - - -\n", ingest.Config{})
	if res.Timeless != 1 {
		t.Errorf("%+v", res)
	}
}

func TestSniff(t *testing.T) {
	for name, tc := range map[string]struct{ in, want string }{
		"begins in a line": {ev("a")[50:] + "\n" + ev("b"), ingest.Kind},
		"empty":            {"", ""},
		"another log":      {strings.Repeat("{}\n", 10) + ev("a"), ""},
		"manifest":         {`{"apiVersion":"v1","kind":"List","items":[{"apiVersion":"v1","kind":"Pod","metadata":{"name":"x"}}]}`, ""},
		"package.json":     {"{\n  \"name\": \"x\",\n  \"version\": \"1\"\n}\n", ""},
		"endless line":     {strings.Repeat("x", 6<<20), ""},
		"bytes":            {"\x7fELF\x00\x01\x02", ""},
		"half a gzip":      {zipped(t, ev("a"))[:12], ""},
	} {
		t.Run(name, func(t *testing.T) {
			if got := ingest.Sniff(strings.NewReader(tc.in)); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

// TestSources holds that each kind of event has one log source, and that each
// source is of a kind that some sample gives.
func TestSources(t *testing.T) {
	var kinds, emitted []string
	for _, s := range ingest.Sources() {
		kinds = append(kinds, s.Kind)
		if s.Product == "" || len(s.Services) == 0 || len(s.Message) == 0 {
			t.Errorf("%+v says too little", s)
		}
	}
	for _, tc := range samples() {
		for _, e := range tc.want {
			emitted = append(emitted, e.Source)
		}
	}
	slices.Sort(emitted)
	if diff := cmp.Diff(slices.Compact(emitted), kinds); diff != "" {
		t.Error(diff)
	}
}

// seeds are the samples, and bytes that once stood for trouble.
func seeds() []string {
	var out []string
	for _, tc := range samples() {
		out = append(out, tc.in)
	}
	more, _ := base64.StdEncoding.DecodeString("X19DVVJTT1I9MQpNRVNTQUdFCv///////38K")
	return append(out, string(more), "9 <1>1 -\n99999999 <1>1 x")
}
