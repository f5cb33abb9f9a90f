// Package posture judges the objects of a Kubernetes snapshot one by one: by
// the infrastructure rules of the catalogue, and by the Pod Security
// Standards, whose own library decides.
//
// A workload is judged once, however many pods it has, on its pod template
// after the API server's defaults, and on the debug containers that were added
// to its running pods. Roles and bindings are judged as objects. Findings are
// one per cause: object, rule, and container or volume or subject.
//
// It does no I/O. What the snapshot could not read stays in
// kube.Snapshot.Incomplete; the caller passes that on once for all judges.
package posture
