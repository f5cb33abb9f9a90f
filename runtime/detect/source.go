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
	shown      []shown  // fields copied into an alert: never bodies, never URIs, which hold secrets
}

type shown struct{ name, field string }

// kinds lists every kind of log, sorted by name.
func kinds() []kind {
	return []kind{
		{
			name: "cloudtrail", product: "aws", services: []string{"cloudtrail"},
			message: []string{"eventName", "errorCode", "errorMessage", "userAgent"},
			shown: []shown{
				{"actor", "userIdentity.arn"},
				{"verb", "eventName"},
				{"service", "eventSource"},
				{"sourceIP", "sourceIPAddress"},
				{"region", "awsRegion"},
				{"error", "errorCode"},
			},
		},
		{
			name: "gcp-audit", product: "gcp", services: []string{"gcp.audit"},
			message: []string{"data.protoPayload.methodName", "data.protoPayload.request.metadata.annotations", "protoPayload.methodName"},
			shown: []shown{
				{"actor", "data.protoPayload.authenticationInfo.principalEmail"},
				{"verb", "data.protoPayload.methodName"},
				{"name", "data.protoPayload.resourceName"},
				{"sourceIP", "data.protoPayload.requestMetadata.callerIp"},
			},
		},
		{
			name: "google-workspace", product: "gcp", services: []string{"google_workspace.admin", "google_workspace.login"},
			message: []string{"eventName"},
			shown:   []shown{{"actor", "actor.email"}, {"verb", "eventName"}, {"service", "eventService"}},
		},
		{
			name: ingest.Kind, product: "kubernetes", services: []string{"audit"}, categories: []string{"application", "audit"},
			message: []string{"requestURI", "userAgent", "user.username", "objectRef.name", "responseStatus.message", "responseStatus.reason"},
			shown: []shown{
				{"verb", "verb"},
				{"namespace", "objectRef.namespace"},
				{"name", "objectRef.name"},
				{"sourceIP", "sourceIPs"},
				{"user", "user.username"},
				{"userAgent", "userAgent"},
				{"code", "responseStatus.code"},
				{"stage", "stage"},
			},
		},
	}
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

// rank orders levels; anything unknown is below Metadata.
func rank(level string) int {
	return slices.Index([]string{levelMetadata, levelRequest, levelResponse}, level)
}
