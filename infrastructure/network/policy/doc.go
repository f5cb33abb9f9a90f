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
//   - Where rules of one side have the same Order and different Turns, only
//     the first of them that matches speaks for the side: so two policies of
//     one priority are peers, while each goes through its rules in turn.
//   - Where no rule of the tier matches and any counting side Isolates, the
//     layer denies; else the next tier is asked.
//   - After the last tier the layer accepts.
//
// So a NetworkPolicy is a side of Accept rules of one Order that Isolates, an
// AdminNetworkPolicy a side of an earlier tier that doesn't, and a kind with
// "deny goes first" gives its Deny rules the lower Order.
//
// A rule or a side with Depends may or may not take part, and every answer
// that this can change is unknown. What can't be read at all is Unknown.
//
// Conditions look at labels, namespaces and accounts. What only a reader can
// tell of a pod (whether a mesh's proxy stands in front of it) it gives by a
// Marker, and asks for with Mark keys.
package policy
