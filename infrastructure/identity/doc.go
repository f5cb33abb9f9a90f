// Package identity answers who can do what in a cluster, by evaluating RBAC
// exactly as the API server does, and says which workloads hold a token that
// the API server accepts.
//
// An Engine is built once from a snapshot and is then immutable: it does no
// I/O and is safe for concurrent use.
//
// What is evaluated: Roles, ClusterRoles (with aggregation), RoleBindings,
// ClusterRoleBindings, the groups that a subject is in by its nature, and the
// bypass of system:masters. Roles that every API server creates at start, and
// that manifests therefore bind without declaring them (cluster-admin, admin,
// edit, view, system:auth-delegator), are known (builtin.go). Any other role
// that a binding names and the snapshot lacks makes its rights unknown, which
// Incomplete tells.
//
// What is not: other authorizers (Node, webhook, ABAC), memberships of users
// in groups (they live outside of the cluster), and the default bindings of a
// new cluster, of which only that of system:masters gives anything dangerous.
package identity
