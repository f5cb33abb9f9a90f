package detect

import (
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// Rule is what a program knows of one of its rules.
type Rule struct {
	ID     string
	Title  string
	Author string // of a Sigma rule: its licence wants it shown with each match
	Level  model.Severity
	Attack []string // ATT&CK ids, as "T1552.007", sorted
	File   string
	Line   int  // of the detection
	Tested bool // it has a case that it must see and one that it must not

	// Kinds are the log kinds that it reads, sorted. Empty: none that is
	// known here, so that it never runs.
	Kinds []string
	// Needs is the least level of the Kubernetes audit log at which the rule
	// can match: Metadata, Request or RequestResponse. Empty for other logs.
	Needs string
	// Silent: no alert of its own, only those of the correlations that refer
	// to it.
	Silent bool
}

// Program is a set of compiled rules. It is immutable and safe to share: each
// goroutine asks it through a Matcher of its own.
type Program struct {
	kinds        []kind
	rules        []compiled // sorted by id
	correlations []correlation
	feeds        [][]feed // by rule, then by correlation: who correlates its matches
	fields       []field
	preds        []predicate
	routes       map[string]*route // by kind
	warnings     []*rule.Problem
}

// compiled is a rule with its condition.
type compiled struct {
	Rule
	name      string
	logsource logsource
	pipelines []*pipeline
	cond      *expr
	reads     int      // rank of the level below which the rule can't always tell; -1: none
	asked     []demand // fields that correlations of the rule look at
}

// field is a path of keys in an event.
type field struct {
	name string
	// keys[i][n] joins the n+1 keys from the i-th on: a key may hold dots.
	keys [][]string
	any  bool // a key of it is anyKey: no walk finds its values
}

func newField(name string) field {
	words := strings.Split(name, ".")
	f := field{name: name, keys: make([][]string, len(words)), any: slices.Contains(words, anyKey)}
	for i := range words {
		for n := i + 1; n <= len(words); n++ {
			f.keys[i] = append(f.keys[i], strings.Join(words[i:n], "."))
		}
	}
	return f
}

// Rules lists the program's rules: those about single events sorted by id,
// then the correlations sorted by id.
func (p *Program) Rules() []Rule {
	var out []Rule
	for _, r := range p.rules {
		out = append(out, r.Rule)
	}
	for _, c := range p.correlations {
		out = append(out, c.Rule)
	}
	for i := range out {
		out[i].Attack = slices.Clone(out[i].Attack)
		out[i].Kinds = slices.Clone(out[i].Kinds)
	}
	return out
}
