// Package network answers who may connect to whom in a cluster, exactly as
// the APIs of its policies define it: for every pod, port and address, without
// sampling. Building is pure and does no I/O.
//
// Readers bring policies of all kinds to one form (package policy), and only
// that is evaluated. Two pods are connected on a port when the source's egress
// side and the destination's ingress side both allow it. An answer is allowed,
// denied, or depends: on which of two policies of one priority goes first, on
// names that only the DNS knows, on a policy that can't be read, or on how the
// network plugin takes pods of the host's network.
//
// Pods that no policy can tell apart form one class. Ports are split into
// disjoint ranges, addresses into disjoint blocks, at the bounds that policies
// name; sets of them are bit sets. A side is evaluated once for all classes
// that the same policies select, for 64 peers at a time; it keeps who is
// surely and who is possibly allowed.
//
// What the API leaves to the network plugin:
//
//   - Whether a NetworkPolicy selects pods of the host's network, as subject
//     or by the selectors of its rules. Both readings are evaluated. List,
//     Probe and Matrix answer for policies as they are written and say where
//     the other reading differs; Hubs, Sources, CanReach and Exposure count
//     what either allows. Settled answers for one of them.
//   - A pod whose address is known is taken to be selected by an ipBlock that
//     holds it; one whose address isn't known by none, but for the block of
//     all IPv4 addresses in an administrator's policy.
//   - Replies are part of a connection, and a pod reaches itself. A node
//     reaches its own pods, and they it.
//   - The plugin enforces the kinds of policies that the cluster has.
//
// Rules that name nodes match none where the snapshot has no Node, which is
// in Engine.Incomplete, as are policies that can't be evaluated and kinds that
// no reader reads.
package network
