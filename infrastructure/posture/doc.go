// Package posture judges the objects of a Kubernetes snapshot one by one: by
// the infrastructure rules of the catalogue, and by the Pod Security
// Standards, whose own library decides.
//
// A workload is judged once, however many pods it has, on its pod template
// after the API server's defaults, and on the debug containers that were added
// to its running pods. Roles, bindings, namespaces, network policies, Services,
// Ingresses, ConfigMaps, Secrets, nodes and admission configurations are
// judged as objects. Findings are one per cause: object, rule, and, where each
// has a fix of its own, container or volume or subject. What one rule reports,
// no other repeats: a rule says in a comment whose finding it leaves out.
//
// Only objects that were read are judged: a namespace that has no Namespace
// object among the manifests is nobody's finding. Of what is around an object,
// what wasn't read counts as absent: a LimitRange, a policy, a binding. Whether
// policies shut a namespace is told from those of all kinds (package network).
//
// It does no I/O. What the snapshot could not read stays in
// kube.Snapshot.Incomplete; the caller passes that on once for all judges.
package posture
