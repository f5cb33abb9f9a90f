package detect

import (
	"slices"
	"strings"

	"github.com/scantling/scantling/runtime/ingest"
)

// kind describes one kind of log that rules can be routed to.
type kind struct {
	name       string   // model.Event.Source
	product    string   // Sigma log source, taxonomy appendix 2.1
	services   []string // any of
	categories []string // any of
	message    []string // fields that keywords look at
	fields     []string // that its records can have, see ingest.Source; empty: any
	shown      []shown  // fields copied into an alert: never bodies, never URIs, which hold secrets
}

type shown struct{ name, field string }

// kinds lists every kind of log: those that ingest reads, with the log sources
// and message fields that it gives them, and Google Workspace, for whose rules
// there is no reader yet.
func kinds() []kind {
	var out []kind
	for _, s := range ingest.Sources() {
		out = append(out, kind{
			name: s.Kind, product: s.Product, services: s.Services, categories: s.Categories, message: s.Message, fields: s.Fields, shown: shownOf[s.Kind],
		})
	}
	return append(out, kind{
		name: "google-workspace", product: "gcp", services: []string{"google_workspace.admin", "google_workspace.login"},
		message: []string{"eventName"}, shown: shownOf["google-workspace"],
	})
}

// shownOf names, by kind, the fields that an alert shows. Of text that
// containers and programs wrote it is none, nor of command lines, which Docker
// has in Action: anything may stand there.
var shownOf = map[string][]shown{
	"azure-activity":    {{"verb", "operationName"}, {"name", "resourceId"}, {"sourceIP", "callerIpAddress"}, {"result", "resultType"}},
	"azure-diagnostics": {{"verb", "operationName"}, {"name", "resourceId"}, {"sourceIP", "callerIpAddress"}},
	"cloudtrail": {
		{"actor", "userIdentity.arn"},
		{"verb", "eventName"},
		{"service", "eventSource"},
		{"sourceIP", "sourceIPAddress"},
		{"region", "awsRegion"},
		{"account", "recipientAccountId"},
		{"error", "errorCode"},
	},
	"containerd-events": {{"verb", "topic"}, {"namespace", "namespace"}, {"image", "event.image"}, {"container", "event.container_id"}},
	"cri": {
		{"namespace", "namespace"},
		{"name", "pod"},
		{"container", "container"},
		{"sourceIP", "c-ip"},
		{"code", "sc-status"},
	},
	"docker-events": {{"image", "Actor.Attributes.image"}, {"container", "Actor.Attributes.name"}},
	"docker-json":   {{"sourceIP", "c-ip"}, {"code", "sc-status"}},
	"falco":         {{"priority", "priority"}, {"image", "output_fields.container.image.repository"}, {"container", "output_fields.container.name"}},
	"gcp-audit": {
		{"actor", "protoPayload.authenticationInfo.principalEmail"},
		{"verb", "protoPayload.methodName"},
		{"service", "protoPayload.serviceName"},
		{"name", "protoPayload.resourceName"},
		{"sourceIP", "protoPayload.requestMetadata.callerIp"},
	},
	"google-workspace": {{"actor", "actor.email"}, {"verb", "eventName"}, {"service", "eventService"}},
	"journald":         {{"program", "SYSLOG_IDENTIFIER"}, {"unit", "_SYSTEMD_UNIT"}, {"host", "_HOSTNAME"}},
	ingest.Kind: {
		{"verb", "verb"},
		{"namespace", "objectRef.namespace"},
		{"name", "objectRef.name"},
		{"sourceIP", "sourceIPs"},
		{"user", "user.username"},
		{"userAgent", "userAgent"},
		{"code", "responseStatus.code"},
		{"stage", "stage"},
	},
	"kubernetes-events": {
		{"reason", "reason"},
		{"namespace", "involvedObject.namespace"},
		{"name", "involvedObject.name"},
		{"kind", "involvedObject.kind"},
	},
	"syslog":   {{"program", "appname"}, {"host", "hostname"}},
	"tetragon": {{"binary", "process_exec.process.binary"}, {"policy", "process_kprobe.policy_name"}, {"namespace", "process_exec.process.pod.namespace"}, {"name", "process_exec.process.pod.name"}},
	"tracee":   {{"verb", "eventName"}, {"process", "processName"}},
}

// logsource is that of a rule; an empty word stands for any.
type logsource struct{ product, service, category string }

// feeds reports whether events of a kind go to rules of a log source.
func (k kind) feeds(l logsource) bool {
	return (l.product == "" || l.product == k.product) &&
		(l.service == "" || slices.Contains(k.services, l.service)) &&
		(l.category == "" || slices.Contains(k.categories, l.category))
}

// bodyLevel is the audit level from which a field is in the record: "" for
// those that every record has. Source: kubernetes.io/docs/tasks/debug/debug-cluster/audit.
func bodyLevel(field string) string {
	switch root, _, _ := strings.Cut(field, "."); root {
	case "requestObject":
		return levelRequest
	case "responseObject":
		return levelResponse
	}
	return ""
}

// The levels of an audit record.
const (
	levelMetadata = "Metadata"
	levelRequest  = "Request"
	levelResponse = "RequestResponse"
)

var auditLevels = []string{levelMetadata, levelRequest, levelResponse}

// rank orders levels; anything unknown is below Metadata.
func rank(level string) int { return slices.Index(auditLevels, level) }
