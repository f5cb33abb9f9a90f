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

// each calls yield for every predicate of e, shared ones each time.
func (e *expr) each(yield func(pred int)) {
	if e.op == opPred {
		yield(e.pred)
	}
	for _, k := range e.kids {
		k.each(yield)
	}
}

// witness returns predicates of which at least one holds whenever e does, and
// how often they are likely to hold; nil when there is no such set. ok says
// which predicates may serve.
func (e *expr) witness(preds []predicate, ok func(*predicate) bool) (set []int, weight float64) {
	switch e.op {
	case opPred:
		if p := &preds[e.pred]; !p.absent() && ok(p) {
			return []int{e.pred}, p.weight()
		}
		return nil, 0
	case opNot:
		return nil, 0
	case opAnd:
		for _, k := range e.kids {
			if s, w := k.witness(preds, ok); s != nil && (set == nil || w < weight) {
				set, weight = s, w
			}
		}
		return set, weight
	}
	set = []int{}
	for _, k := range e.kids {
		s, w := k.witness(preds, ok)
		if s == nil {
			return nil, 0
		}
		set, weight = append(set, s...), weight+w
	}
	slices.Sort(set)
	return slices.Compact(set), weight
}

// sortKids puts cheap operands first; the order doesn't change the outcome.
func (e *expr) sortKids(preds []predicate) {
	for _, k := range e.kids {
		k.sortKids(preds)
	}
	slices.SortStableFunc(e.kids, func(a, b *expr) int { return cmp.Compare(a.cost(preds), b.cost(preds)) })
}

func (e *expr) cost(preds []predicate) int {
	if e.op == opPred && preds[e.pred].watched() {
		return 0
	}
	return e.size
}
