// Package kube reads what describes a Kubernetes cluster, from manifests, from
// a dump of its API or from the API itself, into one immutable Snapshot. It
// never judges.
//
// What could not be read, or was read but is of a kind that nobody here knows,
// is named in Snapshot.Incomplete, and the rest is still read. Values of
// Secrets are dropped while reading: neither Raw nor Typed holds them.
//
// Text is read as kubectl reads it: YAML 1.1 words such as yes and off are
// booleans, of two documents for one object the later one (by file path, then
// place in the file) wins, and a field that a kind doesn't have is ignored.
//
// A live cluster (Connect, Live.Read) is listed kind by kind, in pages, as
// protobuf where it has it; a kind in its own moment, for the API has no
// moment for all. Only the kinds that a judge reads are asked for (served.go),
// Secrets without their values. Fields that are newer than the k8s.io/api
// built in are lost. Custom kinds are read only where they are policies or
// routes of the network; others of that sort are named when the cluster
// serves them, objects or not.
//
// Snapshot.Write makes a file of a snapshot, of whatever origin, that Read
// takes. A fraction that is a whole number, as 1.0, comes back as an integer.
package kube
