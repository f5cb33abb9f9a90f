package ingest

import (
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// auditFormat is the log of a Kubernetes API server: audit.k8s.io/v1 and
// v1beta1, kubernetes.io/docs/reference/config-api/apiserver-audit.v1.
var auditFormat = format{
	name: Kind,
	json: func(v *fastjson.Value) bool { return notAudit(v) == "" },
	open: func() reader { return &lazy{Kind, notAudit, auditTime, fillAudit} },
}

// auditEvent is the event of an audit record.
func auditEvent(v *fastjson.Value, cluster string) model.Event {
	ev := model.Event{Source: Kind, Time: auditTime(v)}
	fillAudit(&ev, v, cluster)
	return ev
}

// fillAudit completes the event of an audit record.
func fillAudit(ev *model.Event, v *fastjson.Value, cluster string) {
	name := actor(v)
	who := IdentityOf(cluster, name)
	ev.Key = str(v, "auditID")
	ev.Actor = name
	ev.Identity = who
	ev.Action = auditAction(v)
	ev.Address = str(v, "sourceIPs", "0")
	ev.Assets = assets(v, cluster, who)
}

// notAudit says why a document is no audit event, "" when it is one. Items of
// an EventList carry neither kind nor apiVersion, so that the audit id and the
// stage then have to tell.
func notAudit(v *fastjson.Value) string {
	version, kind := v.GetStringBytes("apiVersion"), v.GetStringBytes("kind")
	if len(kind) > 0 && string(kind) != "Event" {
		return "not an audit event: kind " + printable(clip(kind))
	}
	switch string(version) {
	case "audit.k8s.io/v1", "audit.k8s.io/v1beta1":
		return ""
	case "":
		if len(v.GetStringBytes("auditID")) > 0 && len(v.GetStringBytes("stage")) > 0 {
			return ""
		}
		return "not an audit event: no audit.k8s.io version, no auditID and stage"
	default:
		return "not an audit event of a version that is known: apiVersion " + printable(clip(version))
	}
}

var auditTimes = []string{"requestReceivedTimestamp", "stageTimestamp", "timestamp"}

// auditTime looks at one field at a time: the first is nearly always there.
func auditTime(v *fastjson.Value) time.Time {
	for _, field := range auditTimes {
		if t := instantAt(v, field); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// auditAction is the verb with what it was done to: "create pods/exec".
func auditAction(v *fastjson.Value) string {
	var room [64]byte
	out := append(room[:0], v.GetStringBytes("verb")...)
	if resource := v.GetStringBytes("objectRef", "resource"); len(out) > 0 && len(resource) > 0 {
		out = append(append(out, ' '), resource...)
		if sub := v.GetStringBytes("objectRef", "subresource"); len(sub) > 0 {
			out = append(append(out, '/'), sub...)
		}
	}
	return clip(out)
}

// actor is the user whose rights decided on the request: the impersonated one
// where there is one, since authorization runs after impersonation.
func actor(v *fastjson.Value) string {
	if name := str(v, "impersonatedUser", "username"); name != "" {
		return name
	}
	return str(v, "user", "username")
}
