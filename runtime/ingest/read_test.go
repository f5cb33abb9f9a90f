package ingest_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// ev is a record with the given audit id; item is one as lists hold it.
func ev(id string) string {
	return `{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"Metadata","auditID":"` + id + `","stage":"ResponseComplete","verb":"get"}`
}

func item(id string) string {
	return `{"level":"Metadata","auditID":"` + id + `","stage":"ResponseComplete","requestObject":{"items":[{"a":[]}],"x":"}]\"{"}}`
}

type seen struct {
	Events  []string // index:auditID
	Bad     []string // what: why
	Records int
}

func read(t testing.TB, text string) seen {
	t.Helper()
	var s seen
	res, err := ingest.Read(context.Background(), "log", strings.NewReader(text), ingest.Config{Source: ingest.Kind}, func(e model.Event) error {
		s.Events = append(s.Events, fmt.Sprintf("%d:%s", e.Index, e.Key))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range res.Incomplete {
		s.Bad = append(s.Bad, i.What+": "+i.Why)
	}
	s.Records = res.Records
	if res.Records != res.Events+res.Damaged || res.Events != len(s.Events) {
		t.Errorf("counts don't add up: %+v", res)
	}
	return s
}

func TestRead(t *testing.T) {
	list := func(kind string, items ...string) string {
		return `{"kind":"` + kind + `","apiVersion":"audit.k8s.io/v1","metadata":{"x":{"y":[1]}},"items":[` + strings.Join(items, ",") + `]}`
	}
	for name, tc := range map[string]struct {
		in   string
		want seen
	}{
		"empty":             {"", seen{}},
		"blank":             {" \n\t\r\n", seen{}},
		"lines":             {ev("a") + "\n" + ev("b") + "\n", seen{[]string{"0:a", "1:b"}, nil, 2}},
		"no last line end":  {ev("a") + "\r\n\r\n" + ev("b"), seen{[]string{"0:a", "1:b"}, nil, 2}},
		"byte order mark":   {"\ufeff" + ev("a"), seen{[]string{"0:a"}, nil, 1}},
		"cut at the end":    {ev("a") + "\n" + ev("b")[:40], seen{[]string{"0:a"}, []string{"log:2: record is cut off: it does not end with a bracket"}, 2}},
		"cut in the middle": {ev("a") + "\n" + ev("b")[:40] + "\n" + ev("c"), seen{[]string{"0:a", "2:c"}, []string{"log:2: record is cut off: it does not end with a bracket"}, 3}},
		"cut at the start":  {ev("a")[40:] + "\n" + ev("b"), seen{[]string{"1:b"}, []string{"log:1: record is not valid JSON"}, 2}},
		"first line cut after a comma": {
			ev("a")[:strings.Index(ev("a"), ",")+1] + "\n" + ev("b"),
			seen{[]string{"1:b"}, []string{"log:1: record is cut off: it does not end with a bracket"}, 2},
		},
		"text":           {"hello\n" + ev("a"), seen{[]string{"1:a"}, []string{"log:1: record is not valid JSON"}, 2}},
		"another object": {`{"kind":"Pod","apiVersion":"v1"}`, seen{nil, []string{"log:1: not an audit event: kind Pod"}, 1}},
		"core event":     {`{"kind":"Event","apiVersion":"v1"}`, seen{nil, []string{"log:1: not an audit event of a version that is known: apiVersion v1"}, 1}},
		"old version":    {strings.Replace(ev("a"), "k8s.io/v1", "k8s.io/v1alpha1", 1), seen{nil, []string{"log:1: not an audit event of a version that is known: apiVersion audit.k8s.io/v1alpha1"}, 1}},
		"v1beta1":        {strings.Replace(ev("a"), "k8s.io/v1", "k8s.io/v1beta1", 1), seen{[]string{"0:a"}, nil, 1}},
		"no version":     {item("a"), seen{[]string{"0:a"}, nil, 1}},
		"a number":       {"17\n", seen{nil, []string{"log:1: not a JSON object"}, 1}},
		"nothing that tells": {
			`{"verb":"get"}`, seen{nil, []string{"log:1: not an audit event: no audit.k8s.io version, no auditID and stage"}, 1},
		},
		"event list":      {list("EventList", item("a"), item("b")), seen{[]string{"0:a", "1:b"}, nil, 2}},
		"list after list": {list("EventList", item("a"), item("b")) + "\n" + list("EventList", item("c")), seen{[]string{"0:a", "1:b", "2:c"}, nil, 3}},
		"list among lines": {
			ev("a") + "\n" + list("EventList", item("b"), item("c")) + "\n" + ev("d"), seen{[]string{"0:a", "1:b", "2:c", "3:d"}, nil, 4},
		},
		"list with its kind last": {
			`{"apiVersion":"audit.k8s.io/v1","items":[` + item("a") + `],"kind":"EventList","metadata":{}}`, seen{[]string{"0:a"}, nil, 1},
		},
		"empty list":       {list("EventList"), seen{}},
		"array":            {"[" + ev("a") + ",\n" + ev("b") + "]", seen{[]string{"0:a", "1:b"}, nil, 2}},
		"array with alien": {"[" + ev("a") + `,{"x":1},` + ev("b") + "]", seen{[]string{"0:a", "2:b"}, []string{"log:1: not an audit event: no audit.k8s.io version, no auditID and stage"}, 3}},
		"array cut off":    {"[" + ev("a") + ",\n" + ev("b")[:30], seen{[]string{"0:a"}, []string{"log:2: record is cut off: the log ends inside it"}, 2}},
		"array with a cut record": {
			"[\n" + ev("a") + ",\n" + ev("b")[:70] + "\n" + ev("c") + "\n]",
			seen{[]string{"0:a", "2:c"}, []string{"log:3: record is cut off inside a string; read on from line 4"}, 3},
		},
		"pretty document": {
			"{\n  \"kind\": \"Event\",\n  \"apiVersion\": \"audit.k8s.io/v1\",\n  \"auditID\": \"a\"\n}\n", seen{[]string{"0:a"}, nil, 1},
		},
		"pretty list": {
			"{\n \"kind\": \"EventList\",\n \"items\": [\n  {\n   \"auditID\": \"a\",\n   \"stage\": \"Panic\"\n  },\n  {\n   \"auditID\": \"b\"\n  }\n ]\n}\n",
			seen{[]string{"0:a"}, []string{"log:8: not an audit event: no audit.k8s.io version, no auditID and stage"}, 2},
		},
		"secret in a broken record": {`{"data":"SECRET" "x"}`, seen{nil, []string{"log:1: record is not valid JSON"}, 1}},
		"secret as a kind":          {`{"kind":"SECRET VALUE"}`, seen{nil, []string{"log:1: not an audit event: kind (not shown)"}, 1}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, read(t, tc.in)); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tc.want, read(t, zipped(t, tc.in))); diff != "" && tc.in != "" {
				t.Errorf("gzip: %s", diff)
			}
		})
	}
}

func zipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestReadBounds(t *testing.T) {
	long := `{"kind":"Event","auditID":"` + strings.Repeat("x", ingest.MaxRecord) + `"}`
	many := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","a":[` + strings.Repeat("1,", 600_000) + `1]}`
	deep := `{"kind":"Event","apiVersion":"audit.k8s.io/v1","a":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`
	tooLong := "record is longer than 4194304 bytes"
	for name, tc := range map[string]struct {
		in   string
		want seen
	}{
		"long line":  {ev("a") + "\n" + long + "\n" + ev("b"), seen{[]string{"0:a", "2:b"}, []string{"log:2: " + tooLong}, 3}},
		"long item":  {"[" + ev("a") + "," + long + "," + ev("b") + "]", seen{[]string{"0:a", "2:b"}, []string{"log:1: " + tooLong}, 3}},
		"many parts": {many + "\n" + ev("b"), seen{[]string{"1:b"}, []string{"log:1: record has too many values"}, 2}},
		"deep":       {deep + "\n" + ev("b"), seen{[]string{"1:b"}, []string{"log:1: record is not valid JSON"}, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, read(t, tc.in)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestManyDamagedRecords(t *testing.T) {
	s := read(t, strings.Repeat("x\n", 2500)+ev("a"))
	if s.Records != 2501 || len(s.Events) != 1 || len(s.Bad) != 1001 || s.Bad[1000] != "log: 1500 more records are damaged" {
		t.Errorf("%d records, %d events, %d named, last %q", s.Records, len(s.Events), len(s.Bad), s.Bad[len(s.Bad)-1])
	}
}

func TestBrokenStreams(t *testing.T) {
	whole := zipped(t, strings.Repeat(ev("a")+"\n", 100))
	for name, tc := range map[string]struct {
		in   io.Reader
		want string
	}{
		"gzip without its end": {strings.NewReader(whole[:len(whole)-9]), "reading: "},
		"gzip header only":     {strings.NewReader("\x1f\x8b\x08"), "gzip header: "},
		"a failing disk":       {io.MultiReader(strings.NewReader(ev("a")+"\n"), iotest.ErrReader(errors.New("disk"))), "reading: disk"},
	} {
		t.Run(name, func(t *testing.T) {
			res, err := ingest.Read(context.Background(), "log", tc.in, ingest.Config{}, func(model.Event) error { return nil })
			if err != nil {
				t.Fatal(err)
			}
			if n := len(res.Incomplete); n == 0 || !strings.HasPrefix(res.Incomplete[n-1].Why, tc.want) {
				t.Errorf("got %v, want %q", res.Incomplete, tc.want)
			}
		})
	}
}

func TestReadStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	log := strings.Repeat(ev("a")+"\n", 10_000)
	n := 0
	_, err := ingest.Read(ctx, "log", strings.NewReader(log), ingest.Config{}, func(model.Event) error {
		n++
		cancel()
		return nil
	})
	if !errors.Is(err, context.Canceled) || n == 10_000 {
		t.Errorf("after %d events: %v", n, err)
	}
	full := errors.New("disk full")
	if _, err := ingest.Read(context.Background(), "log", strings.NewReader(log), ingest.Config{}, func(model.Event) error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v, want yield's error", err)
	}
}

func TestEventFields(t *testing.T) {
	id := func(kind model.Kind, key string) model.Ref { return model.Ref{Kind: kind, Key: key} }
	at := time.Date(2026, 3, 1, 10, 0, 0, 500_000_000, time.UTC)
	for name, tc := range map[string]struct {
		record string
		actor  string
		time   time.Time
		assets []model.Ref
	}{
		"pod by a service account of a pod": {
			`{"requestReceivedTimestamp":"2026-03-01T11:00:00.5+01:00","user":{"username":"system:serviceaccount:shop:web","extra":{"authentication.kubernetes.io/pod-name":["web-0"]}},"objectRef":{"resource":"pods","namespace":"shop","name":"db-0","subresource":"exec"}}`,
			"system:serviceaccount:shop:web", at,
			[]model.Ref{id(model.Workload, "c/shop/Pod/db-0"), id(model.Identity, "c/shop/web"), id(model.Workload, "c/shop/Pod/web-0")},
		},
		"impersonation": {
			`{"stageTimestamp":"2026-03-01T10:00:00.5Z","user":{"username":"root"},"impersonatedUser":{"username":"bob"},"objectRef":{"resource":"nodes","name":"n1"}}`,
			"bob", at,
			[]model.Ref{id(model.Node, "c/n1"), id(model.Identity, "c//user:bob"), id(model.Identity, "c//user:root")},
		},
		"created by a controller": {
			`{"objectRef":{"resource":"pods","namespace":"shop"},"requestObject":{"metadata":{"ownerReferences":[{"kind":"ReplicaSet","name":"web-1","controller":true}]}},"responseObject":{"metadata":{"name":"web-1-x"}}}`,
			"",
			time.Time{},
			[]model.Ref{id(model.Workload, "c/shop/Pod/web-1-x"), id(model.Workload, "c/shop/ReplicaSet/web-1")},
		},
		"list of a namespace": {`{"objectRef":{"resource":"secrets","namespace":"shop"}}`, "", time.Time{}, []model.Ref{id(model.Namespace, "c/shop")}},
		"list of the cluster": {`{"objectRef":{"resource":"secrets"}}`, "", time.Time{}, []model.Ref{id(model.Cluster, "c")}},
		"secret":              {`{"objectRef":{"resource":"secrets","namespace":"shop","name":"db"}}`, "", time.Time{}, []model.Ref{id(model.Secret, "c/shop/db")}},
		"service account":     {`{"objectRef":{"resource":"serviceaccounts","namespace":"shop","name":"web","subresource":"token"}}`, "", time.Time{}, []model.Ref{id(model.Identity, "c/shop/web")}},
		"namespace":           {`{"objectRef":{"resource":"namespaces","namespace":"shop","name":"shop"}}`, "", time.Time{}, []model.Ref{id(model.Namespace, "c/shop")}},
		"cluster binding":     {`{"objectRef":{"resource":"clusterrolebindings","name":"x"}}`, "", time.Time{}, []model.Ref{id(model.Binding, "c//ClusterRoleBinding/x")}},
		"custom resource":     {`{"objectRef":{"resource":"widgets","namespace":"shop","name":"x"}}`, "", time.Time{}, []model.Ref{id(model.Object, "c/shop/widgets/x")}},
		"no resource":         {`{"requestURI":"/healthz","user":{"username":"system:anonymous"}}`, "system:anonymous", time.Time{}, []model.Ref{id(model.Identity, "c//user:system:anonymous")}},
		"odd service account": {`{"user":{"username":"system:serviceaccount:x"}}`, "system:serviceaccount:x", time.Time{}, []model.Ref{id(model.Identity, "c//user:system:serviceaccount:x")}},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(tc.record, "{", `{"auditID":"k","stage":"Panic",`, 1)
			var got model.Event
			if _, err := ingest.Read(context.Background(), "log", strings.NewReader(text), ingest.Config{Cluster: "c"}, func(e model.Event) error {
				got = e
				return nil
			}); err != nil {
				t.Fatal(err)
			}
			want := model.Event{Source: "kubernetes-audit", Stream: "log", Time: tc.time, Key: "k", Actor: tc.actor, Identity: ingest.IdentityOf("c", tc.actor), Assets: tc.assets, Raw: []byte(text)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTimeOutOfRange reads times that no year of RFC 3339 holds once they are
// in UTC: an alert of such an event could not be written.
func TestTimeOutOfRange(t *testing.T) {
	for text, want := range map[string]bool{
		"9999-12-31T23:59:59-10:00": false,
		"0000-01-01T00:00:00+10:00": false,
		"0000-06-01T00:00:00Z":      false,
		"9999-12-31T23:59:59Z":      true,
		"2026-01-01T00:00:00Z":      true,
	} {
		line := strings.Replace(ev("a"), `"stage"`, `"requestReceivedTimestamp":"`+text+`","stageTimestamp":"`+text+`","stage"`, 1)
		_, err := ingest.Read(t.Context(), "log", strings.NewReader(line), ingest.Config{}, func(e model.Event) error {
			if _, err := e.Time.MarshalJSON(); err != nil || e.Time.IsZero() == want {
				t.Errorf("%s became %v, %v", text, e.Time, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
