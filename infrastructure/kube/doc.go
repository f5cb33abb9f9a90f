// Package kube reads what describes a Kubernetes cluster, from manifests or
// from a dump of its API, into one immutable Snapshot. It never judges.
//
// What could not be read, or was read but is of a kind that nobody here knows,
// is named in Snapshot.Incomplete, and the rest is still read. Values of
// Secrets are dropped while reading: neither Raw nor Typed holds them.
//
// Text is read as kubectl reads it: YAML 1.1 words such as yes and off are
// booleans, of two documents for one object the later one (by file path, then
// place in the file) wins, and a field that a kind doesn't have is ignored.
package kube
