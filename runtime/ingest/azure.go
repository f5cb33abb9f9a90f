package ingest

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// azureFormat is what Azure Monitor exports: the activity log and resource
// logs in the common schema, in records arrays or one a line, and activity
// events as its REST interface and `az monitor activity-log list` have them.
// Docs: learn.microsoft.com/azure/azure-monitor/platform/resource-logs-schema
// and …/activity-log-schema.
//
// Of AKS, the categories kube-audit and kube-audit-admin hold a Kubernetes
// audit event each, as text in properties.log: that is the event, and the
// record around it is its Original.
var azureFormat = format{
	name: "azure",
	json: func(v *fastjson.Value) bool {
		common := has(v, fastjson.TypeString, "operationName", "category") && (v.Exists("resourceId") || v.Exists("ResourceId")) && azureTime(v) != ""
		return common || azureByREST(v)
	},
	open: func() reader { return decode(azureRecord) },
}

func azureRecord(s *stream, r record) (model.Event, string) {
	v := r.doc
	category := cmp.Or(str(v, "category"), str(v, "category", "value"))
	switch {
	case azureByREST(v):
		return azureEvent(v, "azure-activity"), ""
	case azureTime(v) == "" || category == "":
		return model.Event{}, "not a record of Azure Monitor: no time and category"
	case category == "kube-audit" || category == "kube-audit-admin":
		return aksAudit(s, r)
	case azureActivity[category]:
		return azureEvent(v, "azure-activity"), ""
	}
	return azureEvent(v, "azure-diagnostics"), ""
}

// azureActivity are the categories of the activity log.
var azureActivity = map[string]bool{
	"Administrative": true, "Security": true, "ServiceHealth": true, "Alert": true, "Recommendation": true,
	"Policy": true, "Autoscale": true, "ResourceHealth": true,
}

// azureByREST reports whether a record is an activity event of the REST
// interface, whose names are objects of value and localizedValue.
func azureByREST(v *fastjson.Value) bool {
	return has(v, fastjson.TypeString, "eventTimestamp") && str(v, "operationName", "value") != "" && v.Exists("resourceId")
}

func azureTime(v *fastjson.Value) string {
	return cmp.Or(str(v, "time"), str(v, "eventTimestamp"), str(v, "TimeGenerated"))
}

func azureEvent(v *fastjson.Value, source string) model.Event {
	claims := v.Get("identity", "claims")
	if claims == nil {
		claims = v.Get("claims")
	}
	actor := cmp.Or(str(v, "caller"),
		str(claims, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/upn"),
		str(claims, "http://schemas.xmlsoap.org/ws/2005/05/identity/claims/name"),
		str(claims, "appid"), str(v, "identity"))
	ev := model.Event{
		Source:   source,
		Time:     instant(azureTime(v)),
		Received: instant(str(v, "submissionTimestamp")),
		Key:      cmp.Or(str(v, "correlationId"), str(v, "eventDataId")),
		Actor:    actor,
		Action:   cmp.Or(str(v, "operationName"), str(v, "operationName", "value")),
		Address:  cmp.Or(str(v, "callerIpAddress"), str(v, "httpRequest", "clientIpAddress")),
	}
	if actor != "" {
		ev.Identity = model.Ref{Kind: model.Identity, Key: actor}
	}
	ev.Assets = distinct(ev.Identity)
	return ev
}

// aksAudit takes the audit event out of a record of AKS.
func aksAudit(s *stream, r record) (model.Event, string) {
	inner := bytes.TrimSpace(r.doc.GetStringBytes("properties", "log"))
	if len(inner) == 0 {
		inner = bytes.TrimSpace(r.doc.GetStringBytes("log"))
	}
	v, why := new(decoder).parse(inner)
	if why == "" {
		why = notAudit(v)
	}
	if why != "" {
		return model.Event{}, "properties.log: " + strings.TrimPrefix(why, "record ")
	}
	ev := auditEvent(v, s.cfg.cluster())
	ev.Received = instant(azureTime(r.doc))
	ev.Raw, ev.Original = bytes.Clone(inner), bytes.Clone(r.raw)
	return ev, ""
}
