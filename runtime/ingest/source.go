package ingest

import "slices"

// Source says which log sources of Sigma rules (taxonomy appendix, version
// 2.1) the events of one kind belong to. Where the taxonomy has no words for a
// kind, they are ours.
type Source struct {
	Kind       string // model.Event.Source
	Product    string
	Services   []string // any of
	Categories []string // any of
	// Names are those that rules of others have for fields, and the fields; one
	// that ends in a dot stands for what fields begin with.
	Names map[string]string
	// Message lists the fields that hold text for people: what keywords look at.
	Message []string
	// Fields lists what a record can have; what ends in a dot holds anything.
	// Empty where the list isn't closed.
	Fields []string
}

// Sources lists the log sources of every kind of event, sorted by kind. The
// caller owns the result.
func Sources() []Source {
	list := []Source{
		{Kind: "azure-activity", Product: "azure", Services: []string{"activitylogs"}, Message: []string{"operationName", "resultDescription", "properties.statusMessage"}},
		{Kind: "azure-diagnostics", Product: "azure", Services: []string{"diagnostics"}, Message: []string{"properties.log"}},
		{Kind: "cloudtrail", Product: "aws", Services: []string{"cloudtrail"}, Message: []string{"eventName", "errorCode", "errorMessage", "userAgent"}},
		{Kind: "containerd-events", Product: "containerd", Services: []string{"events"}, Categories: []string{"container_runtime"}, Message: []string{"topic"}},
		{Kind: "cri", Product: "kubernetes", Services: []string{"container"}, Categories: []string{"container", "webserver"}, Message: []string{"message"}},
		{Kind: "docker-events", Product: "docker", Services: []string{"events"}, Categories: []string{"container_runtime"}, Message: []string{"Action", "Actor.Attributes.image"}},
		{Kind: "docker-json", Product: "docker", Services: []string{"container"}, Categories: []string{"container", "webserver"}, Message: []string{"message"}},
		{Kind: "falco", Product: "falco", Services: []string{"alerts"}, Message: []string{"output", "rule"}},
		{Kind: "gcp-audit", Product: "gcp", Services: []string{"gcp.audit"}, Names: gcpNames(), Message: []string{"protoPayload.methodName", "protoPayload.status.message"}},
		{Kind: "journald", Product: "linux", Services: []string{"auth", "cron", "sshd", "sudo", "syslog"}, Message: []string{"MESSAGE"}},
		{
			Kind: Kind, Product: "kubernetes", Services: []string{"audit"}, Categories: []string{"application", "audit"},
			Message: []string{"requestURI", "userAgent", "user.username", "objectRef.name", "responseStatus.message", "responseStatus.reason"},
		},
		{Kind: "kubernetes-events", Product: "kubernetes", Services: []string{"events"}, Message: []string{"message", "note", "reason"}},
		{Kind: "otlp", Product: "opentelemetry", Services: []string{"logs"}, Categories: []string{"application", "container"}, Message: []string{"logRecord.body.stringValue"}},
		{Kind: "syslog", Product: "linux", Services: []string{"auth", "cron", "sshd", "sudo", "syslog"}, Message: []string{"message"}},
		{Kind: "tetragon", Product: "tetragon", Services: []string{"events"}, Categories: []string{"process_creation"}, Message: []string{"process_exec.process.arguments"}},
		{Kind: "tracee", Product: "tracee", Services: []string{"events"}, Message: []string{"eventName", "name"}},
	}
	for i := range list {
		list[i].Fields = slices.Clone(fieldsOf[list[i].Kind])
	}
	return list
}
