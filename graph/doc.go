// Package graph answers questions about AND/OR graphs over small integers: an
// attack graph in compact arrays, without names.
//
// A Vertex is something that an attacker may come to hold. A Step leads to
// one head vertex when all the vertices and all the facts that it needs hold.
// A Fact is an independent leaf with a probability. Steps that rest on one
// fact share it, so that probabilities of whole derivations are exact.
package graph
