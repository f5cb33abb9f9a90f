package ingest

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// otlpFormat is logs of OpenTelemetry in OTLP's JSON encoding, as the
// collector's file exporter writes them: one export a line or a document. The
// protobuf encoding is not read. Docs: opentelemetry.io/docs/specs/otlp,
// opentelemetry-proto logs/v1, and the semantic conventions for k8s resources.
//
// The record of an event is {"resource", "scope", "logRecord"}, of which
// Original is the export's part for one resource.
var otlpFormat = format{
	name: "otlp",
	json: func(v *fastjson.Value) bool { return has(v, fastjson.TypeArray, "scopeLogs") },
	open: func() reader { return otlpReader{} },
}

// maxResource bounds the resource and the scope of log records in bytes: they
// are repeated in the event of each.
const maxResource = 32 << 10

type otlpReader struct{}

func (o otlpReader) read(s *stream, r record) (string, error) {
	scopes := r.doc.GetArray("scopeLogs")
	if scopes == nil {
		return "not a part of an OTLP export: no scopeLogs", nil
	}
	// Strings are copied as they stand, so before the first look at them:
	// the parser unescapes in place what it is asked for.
	resource := appendMember(nil, "resource", r.doc.Get("resource"))
	from := o.resource(s, r.doc.Get("resource", "attributes"))
	for _, scope := range scopes {
		head := appendMember(resource[:len(resource):len(resource)], "scope", scope.Get("scope"))
		for _, rec := range scope.GetArray("logRecords") {
			if err := o.record(s, r, head, rec, from); err != nil {
				return "", err
			}
		}
	}
	return "", nil
}

func (otlpReader) record(s *stream, r record, head []byte, rec *fastjson.Value, from model.Event) error {
	if rec.Type() != fastjson.TypeObject || len(head) > maxResource {
		why := "log record is no object"
		if len(head) > maxResource {
			why = fmt.Sprintf("resource and scope are longer than %d bytes", maxResource)
		}
		return s.damaged(r.line, why, rec.MarshalTo(nil))
	}
	raw := appendMember(head[:len(head):len(head)], "logRecord", rec)
	raw[0] = '{'
	ev := from
	ev.Assets = slices.Clone(from.Assets) // each event belongs to its taker
	ev.Raw = append(raw, '}')
	ev.Time, ev.Received = nanoseconds(rec.Get("timeUnixNano")), nanoseconds(rec.Get("observedTimeUnixNano"))
	if ev.Time.IsZero() {
		ev.Time = ev.Received // as the data model has it
	}
	ev.Key = str(rec, "traceId")
	ev.Action = str(rec, "eventName")
	return s.emit(ev)
}

// appendMember adds one member of an object, with a comma before it.
func appendMember(out []byte, name string, v *fastjson.Value) []byte {
	if v == nil {
		return out
	}
	return v.MarshalTo(append(out, `,"`+name+`":`...))
}

// resource reads what the attributes of a resource say for all its records.
func (otlpReader) resource(s *stream, attributes *fastjson.Value) model.Event {
	words := map[string]string{}
	if attributes != nil {
		for _, a := range attributes.GetArray() {
			words[str(a, "key")] = str(a, "value", "stringValue")
		}
	}
	cluster, ns := s.cfg.cluster(), words["k8s.namespace.name"]
	ev := model.Event{Source: "otlp", Actor: words["service.name"], Host: words["host.name"], Container: words["container.id"]}
	if ns != "" {
		ev.Assets = distinct(
			ofKind(cluster, "Pod", ns, words["k8s.pod.name"]), ofKind(cluster, "Deployment", ns, words["k8s.deployment.name"]),
			ofKind(cluster, "StatefulSet", ns, words["k8s.statefulset.name"]), ofKind(cluster, "DaemonSet", ns, words["k8s.daemonset.name"]),
			ofKind(cluster, "CronJob", ns, words["k8s.cronjob.name"]), ofKind(cluster, "Job", ns, words["k8s.job.name"]),
		)
	}
	ev.Assets = distinct(append(ev.Assets, ofKind(cluster, "Node", "", words["k8s.node.name"]))...)
	return ev
}

// nanoseconds reads a count of them since 1970, a number or its text.
func nanoseconds(v *fastjson.Value) time.Time {
	ns := number(v)
	if ns <= 0 {
		return time.Time{}
	}
	return time.Unix(0, ns).UTC()
}

// number reads a whole number or the text of one, as JSON has those of 64
// bits; 0 where there is none.
func number(v *fastjson.Value) int64 {
	if v == nil {
		return 0
	}
	if b, err := v.StringBytes(); err == nil {
		n, _ := strconv.ParseInt(string(b), 10, 64)
		return n
	}
	n, _ := v.Int64()
	return n
}
