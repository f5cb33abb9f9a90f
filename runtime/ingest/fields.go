package ingest

import "slices"

// fieldsOf are the fields that records of a kind can have, as far as its
// documents close the list; what ends in a dot holds anything. Kinds that are
// missing are open: journald and Azure's, to which every program and service
// adds its own, and Tracee's, whose two forms still grow. Sources are those of
// the formats.
var fieldsOf = map[string][]string{
	Kind: {
		"kind", "apiVersion", "level", "auditID", "stage", "requestURI", "verb", "userAgent", "sourceIPs",
		"requestReceivedTimestamp", "stageTimestamp", "annotations.", "requestObject.", "responseObject.",
		"user.username", "user.uid", "user.groups", "user.extra.",
		"impersonatedUser.username", "impersonatedUser.uid", "impersonatedUser.groups", "impersonatedUser.extra.",
		"authenticationMetadata.impersonationConstraint",
		"objectRef.resource", "objectRef.namespace", "objectRef.name", "objectRef.uid", "objectRef.apiGroup", "objectRef.apiVersion",
		"objectRef.resourceVersion", "objectRef.subresource",
		"responseStatus.kind", "responseStatus.apiVersion", "responseStatus.metadata.", "responseStatus.status", "responseStatus.message",
		"responseStatus.reason", "responseStatus.details.", "responseStatus.code",
		"metadata.", "timestamp", // of v1beta1
	},
	"cloudtrail": {
		"eventVersion", "userIdentity.", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent",
		"errorCode", "errorMessage", "requestParameters.", "responseElements.", "additionalEventData.", "requestID", "eventID",
		"eventType", "apiVersion", "managementEvent", "readOnly", "resources.", "recipientAccountId", "serviceEventDetails.",
		"sharedEventID", "vpcEndpointId", "vpcEndpointAccountId", "eventCategory", "addendum.", "sessionCredentialFromConsole",
		"eventContext.", "edgeDeviceDetails.", "tlsDetails.", "insightDetails.",
	},
	"gcp-audit": {
		"logName", "resource.", "timestamp", "receiveTimestamp", "severity", "insertId", "httpRequest.", "labels.", "metadata.", "operation.",
		"trace", "spanId", "traceSampled", "sourceLocation.", "split.", "errorGroups.", "apphub.", "apphubDestination.", "apphubSource.", "otel.",
		"protoPayload.@type", "protoPayload.serviceName", "protoPayload.methodName", "protoPayload.resourceName", "protoPayload.resourceLocation.",
		"protoPayload.resourceOriginalState.", "protoPayload.numResponseItems", "protoPayload.status.", "protoPayload.authenticationInfo.",
		"protoPayload.authorizationInfo.", "protoPayload.policyViolationInfo.", "protoPayload.requestMetadata.", "protoPayload.request.",
		"protoPayload.response.", "protoPayload.metadata.", "protoPayload.serviceData.",
	},
	"containerd-events": {
		"timestamp", "namespace", "topic", "event.", // of ctr
		"containerId", "container_id", "containerEventType", "container_event_type", "createdAt", "created_at",
		"podSandboxStatus.", "pod_sandbox_status.", "containersStatuses.", "containers_statuses.",
	},
	"cri":         slices.Concat([]string{"time", "stream", "message", "namespace", "pod", "container"}, accessFields),
	"docker-json": slices.Concat([]string{"time", "stream", "message", "namespace", "pod", "container"}, accessFields),
	"docker-events": {
		"Type", "Action", "Actor.", "actor.", "scope", "time", "timeNano", "status", "id", "from",
	},
	"falco": {"output", "priority", "rule", "time", "output_fields.", "source", "tags", "hostname", "host", "uuid"},
	"kubernetes-events": {
		"apiVersion", "kind", "metadata.", "reason", "message", "note", "type", "count", "eventTime", "action", "series.", "related.",
		"involvedObject.", "regarding.", "source.", "firstTimestamp", "lastTimestamp", "reportingComponent", "reportingController",
		"reportingInstance", "deprecatedSource.", "deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount",
	},
	"otlp":   {"resource.", "scope.", "logRecord."},
	"syslog": {"facility", "severity", "version", "timestamp", "hostname", "appname", "procid", "msgid", "structured_data.", "message"},
	"tetragon": {
		"process_exec.", "process_exit.", "process_kprobe.", "process_tracepoint.", "process_uprobe.", "process_usdt.", "process_lsm.", "process_loader.",
		"process_throttle.", "rate_limit_info.", "test.", "node_name", "time", "aggregation_info.", "cluster_name", "node_labels.",
	},
}

// accessFields are those of a line of an access log, see access.
var accessFields = []string{
	"c-ip", "cs-username", "cs-method", "cs-uri", "cs-uri-stem", "cs-uri-query", "cs-version", "sc-status", "cs-referer", "cs-user-agent",
}
