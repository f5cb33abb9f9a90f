package ingest

import (
	"cmp"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// traceeFormat is the JSON output of Tracee: the flat events of releases up to
// 0.2x, and those of its API v1beta1 (aquasecurity.github.io/tracee,
// docs/outputs/event-structure). What a signature or a detector found is a
// signal; other events are not.
var traceeFormat = format{
	name: "tracee",
	json: func(v *fastjson.Value) bool {
		flat := has(v, fastjson.TypeString, "eventName") && v.Exists("eventId") && v.Exists("processName") && v.Exists("timestamp")
		return flat || has(v, fastjson.TypeObject, "workload") && v.Exists("name") && v.Exists("timestamp")
	},
	open: func() reader { return decode(traceeEvent) },
}

// traceeLevels are the severities of signatures, 0 to 4. Source: the comments
// on protocol.Severity and v1beta1.Severity in github.com/aquasecurity/tracee.
var traceeLevels = []model.Severity{model.Info, model.Low, model.Medium, model.High, model.Critical}

// traceeNames are the same as the API's JSON has them.
var traceeNames = map[string]model.Severity{
	"INFO": model.Info, "LOW": model.Low, "MEDIUM": model.Medium, "HIGH": model.High, "CRITICAL": model.Critical,
}

func traceeEvent(s *stream, r record) (model.Event, string) {
	v := r.doc
	switch {
	case str(v, "eventName") != "":
		return traceeFlat(v, s.cfg.cluster()), ""
	case str(v, "name") != "":
		return traceeAPI(v, s.cfg.cluster()), ""
	}
	return model.Event{}, "not an event of Tracee: no eventName and no name"
}

func traceeFlat(v *fastjson.Value, cluster string) model.Event {
	ns := cmp.Or(str(v, "kubernetes", "podNamespace"), str(v, "podNamespace"))
	ev := model.Event{
		Source:    "tracee",
		Time:      nanoseconds(v.Get("timestamp")),
		Actor:     str(v, "processName"),
		Action:    str(v, "eventName"),
		Host:      str(v, "hostName"),
		Container: cmp.Or(str(v, "container", "id"), str(v, "containerId")),
		Assets:    distinct(ofKind(cluster, "Pod", ns, cmp.Or(str(v, "kubernetes", "podName"), str(v, "podName")))),
	}
	if meta := v.Get("metadata"); meta != nil && meta.Type() == fastjson.TypeObject {
		p := meta.Get("Properties")
		ev.Signal = &model.Signal{Rule: cmp.Or(str(p, "signatureID"), ev.Action), Attack: techniqueOf(str(p, "external_id"))}
		if level := number(p.Get("Severity")); level > 0 && level < int64(len(traceeLevels)) {
			ev.Signal.Level = traceeLevels[level]
		}
	}
	return ev
}

func traceeAPI(v *fastjson.Value, cluster string) model.Event {
	w := v.Get("workload")
	pod := w.Get("pod")
	if pod == nil {
		pod = w.Get("k8s", "pod")
	}
	ns := cmp.Or(str(pod, "namespace"), str(pod, "namespace", "name"), str(w, "k8s", "namespace", "name"))
	ev := model.Event{
		Source:    "tracee",
		Time:      instant(str(v, "timestamp")),
		Actor:     cmp.Or(str(w, "process", "executable", "path"), str(w, "process", "thread", "name")),
		Action:    str(v, "name"),
		Container: str(w, "container", "id"),
		Assets:    distinct(ofKind(cluster, "Pod", ns, str(pod, "name"))),
	}
	if threat := v.Get("threat"); threat != nil && threat.Type() == fastjson.TypeObject {
		ev.Signal = &model.Signal{Rule: cmp.Or(str(threat, "name"), ev.Action), Attack: techniqueOf(str(threat, "mitre", "technique", "id"))}
		ev.Signal.Level = traceeNames[str(threat, "severity")]
	}
	return ev
}

// techniqueOf is an ATT&CK id as a list, nil for anything else.
func techniqueOf(id string) []string {
	if id = strings.ToUpper(id); techniqueID.MatchString(id) {
		return []string{id}
	}
	return nil
}
