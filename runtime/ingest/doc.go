// Package ingest reads logs into model.Event: those of the Kubernetes API
// server, of clouds, containers, runtimes and hosts, and alerts of other
// detectors. It judges nothing. Kinds lists what is read; each has a file with
// its format, the documents it was written from, and what its records become.
// Read gives events; Scan gives records, of which an event is made when
// somebody asks, and asks nothing of the heap for audit records and CloudTrail.
//
// A stream is of one kind (decision 083): Config.Source, or that of the first
// record that a format claims. It is plain, gzip or zstd, told by its first
// bytes. Records are JSON lines, items of an array or of a list in a document,
// pretty-printed documents, lines of text, syslog's frames, or the entries of
// a journal's export.
//
// A log is foreign and often damaged: rotation cuts lines in half, shippers
// truncate records. Each record is therefore either an event or a dead letter
// and a model.Incomplete that names its line, never silently dropped, and
// reading goes on with the next record. Memory is bounded by MaxRecord, not by
// the length of the log; what is unpacked is bounded in total and in ratio.
//
// Limits: records over 4 MiB, messages of containers over 1 MiB, JSON deeper
// than 300. Syslog of RFC 3164 and OTLP's protobuf encoding are not read, nor
// the watch stream of Events. The first part of a message that a rotation cut
// off can't be told from a whole one. Hosts are kept by name and are assets
// only where a record calls them a node of the cluster. Asset keys have one
// cluster a stream (Config.Cluster), whatever clusters a cloud's log names.
package ingest
