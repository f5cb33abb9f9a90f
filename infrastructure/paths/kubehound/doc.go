// Package kubehound lists the attack edges of a cluster as KubeHound (v1.6)
// draws them: its 24 kinds, between its seven classes of vertices. It is a
// view over a snapshot and its identities, for people who compare the two or
// whose tools read those names; it is no second attack graph, and the default
// profile of package paths tells something else where the two differ (see
// docs/guide/kubehound.md).
//
// So it repeats on purpose what is known to be off:
//
//   - An identity exists where a binding names it, and a container assumes it
//     whether or not a token is mounted.
//   - TOKEN_LIST and TOKEN_BRUTEFORCE lead to every such ServiceAccount of
//     the namespace, with or without a token Secret.
//   - Rules that name objects (resourceNames) are passed over, "pods/*" counts
//     as a resource, and for ROLE_BIND the API group, the creation of bindings
//     and the verb bind may come from three different rules.
//   - A role in one namespace that may bind Roles leads to the permission sets
//     of all namespaces.
//   - Workload controllers, TokenRequest, nodes/proxy and all else that its
//     rules don't know give no edge.
//
// Where the two can't be the same:
//
//   - A workload without running pods counts as one pod of its name. One whose
//     node is unknown stands on every node that it may be scheduled to, or on
//     "(any node)" where none is known.
//   - Without EndpointSlices, endpoints come from the selectors of Services.
//   - A token that admission will mount is shown as volume "kube-api-access".
//   - KubeHound draws no edge out of roles on a list of critical names; here
//     they have theirs.
//
// The number of edges is that of KubeHound, which grows with the pairs of
// permission sets and pods. Nothing else in this module reads them.
package kubehound
