// Package identity answers who can do what in a cluster, by evaluating RBAC
// exactly as the API server does, and says which workloads hold a token that
// the API server accepts.
//
// An Engine is built once from a snapshot and is then immutable: it does no
// I/O and is safe for concurrent use.
//
// What is evaluated: Roles, ClusterRoles (with aggregation), RoleBindings,
// ClusterRoleBindings, the groups that a subject is in by its nature, the
// bypass of system:masters, and the API server's guard on bindings and roles
// (the verbs bind and escalate, and what one has oneself). Roles that every API
// server creates at start, and that manifests therefore bind without declaring
// them, are known as Kubernetes 1.37 has them (builtin.go); a ClusterRole with
// one of their aggregation labels adds to them. Any other role that a binding
// names and the snapshot lacks makes its rights unknown, which Incomplete tells,
// and Doubts says of one request.
//
// What is not: other authorizers (Node, webhook, ABAC), memberships of users
// in groups (they live outside of the cluster), and the default bindings of a
// new cluster where the snapshot is manifests: manifests say what is added to a
// cluster, and of those bindings only that of system:masters gives people
// anything dangerous (decision 067). Doubts names those that would allow a
// request. A live cluster has them as objects. Nor is
// constrained impersonation, which Kubernetes has in alpha. Objects that admission
// would refuse are evaluated as they stand.
package identity
