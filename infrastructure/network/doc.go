// Package network answers who may connect to whom in a cluster, exactly as
// the NetworkPolicy API (networking.k8s.io/v1) defines it: for every pod, port
// and address, without sampling. Building is pure and does no I/O.
//
// Pods that no policy can tell apart form one class. Ports are split into
// disjoint ranges, addresses into disjoint blocks, at the bounds that policies
// name; sets of them are bit sets. Two pods are connected on a port when the
// source's egress side and the destination's ingress side both allow it.
//
// Four assumptions, each of which the API leaves to the network plugin:
//
//   - hostNetwork pods are not selected by a policy, neither as its subject
//     nor by the selectors of its rules; an ipBlock that holds their address
//     selects them. This is what most plugins do.
//   - A pod whose address is known is selected by an ipBlock that holds it.
//   - Replies are part of a connection, and a pod reaches itself.
//   - The plugin enforces NetworkPolicy at all.
//
// Policies of other kinds (AdminNetworkPolicy, ClusterNetworkPolicy, Cilium,
// Calico, Istio) are not evaluated yet: answers that they could change are
// Depends, and each such kind is in Engine.Incomplete.
package network
