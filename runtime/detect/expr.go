package detect

import (
	"cmp"
	"slices"
)

// expr is a condition over predicates, immutable once its program is compiled.
// Search identifiers named twice are shared.
type expr struct {
	op   exprOp
	kids []*expr
	pred int // of opPred: index into program.preds
	size int // nodes, shared ones counted each time
}

type exprOp uint8

const (
	opPred exprOp = iota
	opAnd
	opOr
	opNot
)

// newExpr joins kids; a single operand of and, or is that operand.
func newExpr(op exprOp, kids ...*expr) *expr {
	if len(kids) == 1 && op != opNot {
		return kids[0]
	}
	e := &expr{op: op, kids: kids, size: 1}
	for _, k := range kids {
		e.size += k.size
	}
	return e
}

// outcomes are the truth values that an expression can still take.
type outcomes struct{ yes, no bool }

// possible evaluates e where some predicates are not known.
func (e *expr) possible(pred func(int) outcomes) outcomes {
	switch e.op {
	case opPred:
		return pred(e.pred)
	case opNot:
		o := e.kids[0].possible(pred)
		return outcomes{yes: o.no, no: o.yes}
	}
	all := outcomes{yes: e.op == opAnd, no: e.op == opOr}
	for _, k := range e.kids {
		o := k.possible(pred)
		if e.op == opAnd {
			all.yes, all.no = all.yes && o.yes, all.no || o.no
		} else {
			all.yes, all.no = all.yes || o.yes, all.no && o.no
		}
	}
	return all
}

// witness returns exact predicates of which at least one holds whenever e
// does; nil when there is no such set. ok says which predicates may serve.
func (e *expr) witness(preds []predicate, ok func(*predicate) bool) []int {
	switch e.op {
	case opPred:
		if p := &preds[e.pred]; p.exact() && ok(p) {
			return []int{e.pred}
		}
		return nil
	case opNot:
		return nil
	case opAnd:
		var best []int
		for _, k := range e.kids {
			w := k.witness(preds, ok)
			if w != nil && (best == nil || cheaper(w, best, preds)) {
				best = w
			}
		}
		return best
	}
	var union []int
	for _, k := range e.kids {
		w := k.witness(preds, ok)
		if w == nil {
			return nil
		}
		union = append(union, w...)
	}
	slices.Sort(union)
	return slices.Compact(union)
}

// cheaper prefers fewer values, then longer ones: "create" is seen more often
// than "clusterrolebindings".
func cheaper(a, b []int, preds []predicate) bool {
	if c := cmp.Compare(len(a), len(b)); c != 0 {
		return c < 0
	}
	shortest := func(set []int) int {
		n := len(preds[set[0]].text)
		for _, i := range set {
			n = min(n, len(preds[i].text))
		}
		return n
	}
	return shortest(a) > shortest(b)
}

// sortKids puts cheap operands first; the order doesn't change the outcome.
func (e *expr) sortKids(preds []predicate) {
	for _, k := range e.kids {
		k.sortKids(preds)
	}
	slices.SortStableFunc(e.kids, func(a, b *expr) int { return cmp.Compare(a.cost(preds), b.cost(preds)) })
}

func (e *expr) cost(preds []predicate) int {
	if e.op == opPred && preds[e.pred].exact() {
		return 0
	}
	return e.size
}
