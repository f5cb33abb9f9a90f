// Package risk turns a joined estate into a load, a plan and its reasons, as
// docs/model.md defines them.
//
// For every workload w and jewel j,
//
//	Loss(w,j) = V(j) · x(w) · L(w) · [ (1-rho)·Reach(p) + rho·Reach(p·(1-d)) ]
//
// and the load is the sum. L is the rate at which w is broken into, x its
// exposure, Reach the probability that some derivation from w to j holds over
// independent facts, d the chance that the use of a fact is seen, rho what a
// practised response averts. Totals are points, never a probability.
//
// The worth of an action is never stated by anyone: it is the exact load
// before less the exact load after, recomputed on the changed facts.
package risk
