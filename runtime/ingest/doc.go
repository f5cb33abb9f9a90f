// Package ingest reads Kubernetes audit logs (audit.k8s.io/v1 and v1beta1,
// kubernetes.io/docs/reference/config-api/apiserver-audit.v1) into model.Event.
// It judges nothing.
//
// Accepted shapes: JSON lines as `--audit-log-path` writes them, an EventList
// as the audit webhook posts it (one, or one a line), a JSON array, and
// pretty-printed documents; each plain or gzip, told apart by their first bytes.
//
// A log is foreign and often damaged: rotation cuts lines in half, shippers
// truncate records. Each record is therefore either an event or a
// model.Incomplete that names its line, never silently dropped, and reading
// goes on with the next record. Memory is bounded by MaxRecord, not by the
// length of the log.
package ingest
