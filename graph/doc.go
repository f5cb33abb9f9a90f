// Package graph answers questions about AND/OR graphs over small integers: an
// attack graph in compact arrays, without names.
//
// A Vertex is something that an attacker may come to hold. A Step leads to
// one head vertex when all the vertices and all the facts that it needs hold.
// A Fact is an independent leaf with a probability. Steps that rest on one
// fact share it, so that probabilities of whole derivations are exact.
//
// The questions, from cheap to dear:
//
//   - [Graph.Reach] and [Graph.Closure]: what follows from a vertex at all.
//   - [Graph.Proof]: one small derivation over given facts.
//   - [Graph.Supports]: every minimal set of facts from which each vertex
//     follows, down to a floor of probability; [Graph.KBest] the best of them
//     with their steps.
//   - [Union]: the probability that at least one of such sets holds.
//   - [HittingSet]: the cheapest facts to remove so that none holds.
//
// And over pairs of [Ends]:
//
//   - [Graph.Pairs]: which are connected; [Graph.Shortest] and [Graph.Best]: the
//     derivation with the fewest steps, and the most probable ones.
//   - [Graph.Chokes]: the vertices and facts that every derivation uses.
//   - [Graph.Fix]: the cheapest changes that part them, with a proven bound;
//     [Graph.Pareto]: what fewer changes do.
//
// Supports are the labels of an assumption-based truth maintenance system (de
// Kleer, An Assumption-based TMS, 1986) cut by an absolute floor. A superset
// is never more probable than its subset, so whatever falls under the floor
// at one vertex stays under it at every later one: the cut loses nothing
// else, and what is left does not depend on order. It also keeps answers
// monotone, which "the eight best" would not: a higher probability or a new
// fact only adds supports, and removing a fact only removes them. Where a
// limit on their number had to cut as well, [Supports.Cut] says so.
//
// A Graph never changes after [Builder.Build] and may be shared by
// goroutines. Ids given to its methods must come from its Builder; others
// panic as a slice index would. No result depends on the order in which steps
// were added, except that ties between proofs go to the lower step.
package graph
