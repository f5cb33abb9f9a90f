package ingest

import (
	"bytes"
	"cmp"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// gcpFormat is Cloud Audit Logs: LogEntry objects with an AuditLog as their
// protoPayload, as `gcloud logging read --format json` prints them, as sinks
// write them, and as Pub/Sub wraps them in "data", which is taken off. Docs:
// cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry and
// cloud.google.com/logging/docs/reference/audit/auditlog/rest/Shared.Types/AuditLog.
//
// An entry of GKE's API server (service k8s.io) is read twice: as it is, and
// as a Kubernetes audit event, so that rules for those apply. See gke.go.
var gcpFormat = format{
	name: "gcp-audit",
	json: func(v *fastjson.Value) bool {
		entry := gcpEntry(v)
		return has(entry, fastjson.TypeObject, "protoPayload") && (entry.Exists("logName") || entry.Exists("insertId") || entry.Exists("resource"))
	},
	open: func() reader { return gcpReader{} },
}

type gcpReader struct{}

func (gcpReader) read(s *stream, r record) (string, error) {
	entry := gcpEntry(r.doc)
	var bare []byte
	if entry != r.doc {
		bare = entry.MarshalTo(nil) // before anything is asked for: the parser unescapes in place
	}
	p := entry.Get("protoPayload")
	if p == nil || str(p, "methodName") == "" {
		return "not an entry of an audit log: no protoPayload.methodName", nil
	}
	ev := model.Event{
		Source:   "gcp-audit",
		Time:     instant(str(entry, "timestamp")),
		Received: instant(str(entry, "receiveTimestamp")),
		Key:      cmp.Or(str(entry, "insertId"), str(entry, "operation", "id")),
		Actor:    cmp.Or(str(p, "authenticationInfo", "principalEmail"), str(p, "authenticationInfo", "principalSubject")),
		Action:   str(p, "methodName"),
		Address:  str(p, "requestMetadata", "callerIp"),
	}
	if bare != nil {
		ev.Raw, ev.Original = bare, bytes.Clone(r.raw)
	}
	cluster := s.cfg.cluster()
	if str(p, "serviceName") != gkeService {
		ev.Identity = gcpIdentity(ev.Actor)
		ev.Assets = distinct(ev.Identity)
		return "", s.emit(ev)
	}
	raw := gkeAudit(entry) // before anything else touches the bodies: see there
	v, why := new(decoder).parse(raw)
	if why != "" {
		return "the Kubernetes audit event in it can't be read: " + why, nil
	}
	twin := auditEvent(v, cluster)
	twin.Time, twin.Received, twin.Raw = ev.Time, ev.Received, raw
	ev.Identity, ev.Assets = twin.Identity, slices.Clone(twin.Assets)
	if err := s.emit(ev); err != nil {
		return "", err
	}
	twin.Original = bytes.Clone(r.raw)
	return "", s.derive(twin)
}

// gcpEntry is the LogEntry, taken out of what Pub/Sub put around it.
func gcpEntry(v *fastjson.Value) *fastjson.Value {
	if data := v.Get("data"); data != nil && data.Type() == fastjson.TypeObject && data.Exists("protoPayload") {
		return data
	}
	return v
}

// gcpIdentity is a service account of a project as a role of the cloud, and
// anybody else by name.
func gcpIdentity(email string) model.Ref {
	switch {
	case email == "":
		return model.Ref{}
	case strings.HasSuffix(email, ".gserviceaccount.com"):
		return model.Ref{Kind: model.CloudRole, Key: email}
	}
	return model.Ref{Kind: model.Identity, Key: email}
}

// gcpNames are names of fields in rules that were written for entries as
// Pub/Sub wraps them, and as Filebeat renames them. Docs:
// elastic.co/docs/reference/beats/filebeat/exported-fields-gcp.
func gcpNames() map[string]string {
	return map[string]string{
		"data.":                                "",
		"gcp.audit.method_name":                "protoPayload.methodName",
		"gcp.audit.service_name":               "protoPayload.serviceName",
		"gcp.audit.resource_name":              "protoPayload.resourceName",
		"gcp.audit.num_response_items":         "protoPayload.numResponseItems",
		"gcp.audit.type":                       "protoPayload.@type",
		"gcp.audit.status.":                    "protoPayload.status.",
		"gcp.audit.request.":                   "protoPayload.request.",
		"gcp.audit.response.":                  "protoPayload.response.",
		"gcp.audit.labels.":                    "labels.",
		"gcp.audit.authorization_info.":        "protoPayload.authorizationInfo.",
		"gcp.audit.request_metadata.caller_ip": "protoPayload.requestMetadata.callerIp",
		"gcp.audit.request_metadata.caller_supplied_user_agent": "protoPayload.requestMetadata.callerSuppliedUserAgent",
		"gcp.audit.authentication_info.principal_email":         "protoPayload.authenticationInfo.principalEmail",
		"gcp.audit.authentication_info.authority_selector":      "protoPayload.authenticationInfo.authoritySelector",
		"gcp.audit.resource_location.current_locations":         "protoPayload.resourceLocation.currentLocations",
	}
}
