// Package policy is the one form to which network policies of all kinds are
// brought: what the engine evaluates, and readers (packages kubernetes, cilium,
// calico and istio beside this one) produce.
//
// For one pod and one direction, evaluation goes like this, in each Layer apart;
// a connection needs the consent of every layer, at both ends:
//
//   - Tiers are asked from the lowest number up. Of a tier, the sides whose
//     policies select the pod count, their rules in the order of Order.
//   - The first rule that matches decides: Accept and Deny end the layer, Pass
//     goes on with the next tier.
//   - Rules of one tier with the same Order are peers: if all that match have
//     the same Action, it counts. If they differ, the answer is unknown.
//   - Where no rule of the tier matches and any counting side Isolates, the
//     layer denies; else the next tier is asked.
//   - After the last tier the layer accepts.
//
// So a NetworkPolicy is a side of Accept rules of one Order that Isolates, an
// AdminNetworkPolicy a side of an earlier tier that doesn't, and a kind with
// "deny goes first" gives its Deny rules the lower Order.
package policy
