package coverage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// Levels of the audit log, least first.
const (
	metadata = "Metadata"
	request  = "Request"
	response = "RequestResponse"
)

// The conditions of the ladder that logs answer.
const (
	conditionAudit = "detect.audit" // the audit log is ingested
	conditionLogs  = "detect.logs"  // platform and application logs too
)

// Input is what coverage is judged from.
type Input struct {
	Rules  []detect.Rule     // detect.Program.Rules
	Logs   map[string]string // log kinds that were read -> highest level seen (audit log only, else "")
	Needed []string          // ATT&CK ids of the steps that the attack graph uses
}

// Logs gathers Input.Logs from the facts of the logs' readers.
func Logs(facts []model.Fact) map[string]string {
	logs := map[string]string{}
	for _, f := range facts {
		if f.Kind != model.LogRead {
			continue
		}
		if level, known := logs[f.Asset.Key]; !known || rank(f.Value) > rank(level) {
			logs[f.Asset.Key] = f.Value
		}
	}
	return logs
}

// source is the Source of every fact and names their origin.
const source = "rules and logs"

// Reading returns, for each technique of each usable rule, model.RuleFor and,
// where the rule has an attack and a benign case, model.RuleTested; the
// ladder's evidence on each log; and the actions that would let more be seen.
// Read is 0: the logs' reader counts them. Its order depends on nothing but
// the input's content.
//
// A rule that needs request bodies is not usable on an audit log that was read
// but has none: it has no fact, and raising the log's level is an action. While
// the log isn't read at all, its rules count as existing.
func Reading(in Input) model.Reading {
	in = in.normal()
	r := model.Reading{Stage: model.Runtime}
	for _, rule := range in.Rules {
		if in.usable(rule) {
			r.Facts = append(r.Facts, ruleFacts(rule)...)
		}
	}
	r.Facts = append(r.Facts, in.evidence()...)
	for _, k := range append(slices.Clone(logKinds), cloudLog) {
		r.Assets = append(r.Assets, model.Asset{Ref: logRef(k.kind), Name: k.kind + " log"})
	}
	r.Actions = slices.Concat(in.enableLogs(), in.addRules(), in.testRules())
	slices.SortFunc(r.Facts, func(a, b model.Fact) int { return strings.Compare(a.ID(), b.ID()) })
	r.Facts = slices.CompactFunc(r.Facts, func(a, b model.Fact) bool { return a.ID() == b.ID() })
	slices.SortFunc(r.Actions, func(a, b model.Action) int { return strings.Compare(a.ID, b.ID) })
	if len(in.Logs) == 0 {
		r.Why = "no log was read"
	}
	return r
}

// Blind names the rules that can't work: on the audit log as it is read, or
// because nothing here reads their log source.
func Blind(in Input) []model.Incomplete {
	in = in.normal()
	var out []model.Incomplete
	for _, rule := range in.Rules {
		if in.usable(rule) {
			continue
		}
		why := fmt.Sprintf("needs the audit log at level %s; it has %s", rule.Needs, in.level())
		if len(rule.Kinds) == 0 {
			why = "its log source is none that can be read"
		}
		out = append(out, model.Incomplete{What: "rule " + rule.ID, Why: why})
	}
	return out
}

// normal sorts the input and drops repeats, and rules that alert of nothing.
func (in Input) normal() Input {
	in.Rules = slices.SortedFunc(slices.Values(in.Rules), func(a, b detect.Rule) int { return strings.Compare(a.ID, b.ID) })
	in.Rules = slices.DeleteFunc(in.Rules, func(r detect.Rule) bool { return r.Silent })
	in.Needed = slices.Compact(slices.Sorted(slices.Values(in.Needed)))
	return in
}

// level is that of the audit log. One that was read but names no level is
// taken for the least.
func (in Input) level() string { return cmp.Or(in.Logs[KubernetesAudit], metadata) }

func rank(level string) int { return slices.Index([]string{metadata, request, response}, level) }

// usable reports whether the logs that are read let a rule match at all.
func (in Input) usable(r detect.Rule) bool {
	if _, read := in.Logs[KubernetesAudit]; !read || !slices.Contains(r.Kinds, KubernetesAudit) {
		return len(r.Kinds) > 0
	}
	return rank(r.Needs) <= rank(in.level())
}

// ruleFacts states what a rule detects, in each log that it reads.
func ruleFacts(r detect.Rule) []model.Fact {
	var out []model.Fact
	for _, kind := range r.Kinds {
		for _, technique := range r.Attack {
			f := fact(model.RuleFor, technique, logOf(kind), r.ID)
			f.Evidence = []model.Evidence{{What: r.Title, Where: fmt.Sprintf("%s:%d", r.File, r.Line), Value: r.ID}}
			out = append(out, f)
			if r.Tested {
				f.Kind = model.RuleTested
				out = append(out, f)
			}
		}
	}
	return out
}

func fact(kind model.FactKind, technique, log, rule string) model.Fact {
	return model.Fact{
		Kind: kind, Asset: model.Ref{Kind: model.Technique, Key: technique}, Object: logRef(log), Value: rule,
		P: 1, Origin: model.Measured, Source: source,
	}
}

func logRef(kind string) model.Ref { return model.Ref{Kind: model.Log, Key: kind} }

// evidence says of each log whether the ladder's condition on it is met.
func (in Input) evidence() []model.Fact {
	var out []model.Fact
	for _, k := range logKinds {
		f := model.Fact{Kind: model.Meets, Asset: logRef(k.kind), Value: conditionLogs, P: 1, Origin: model.Measured, Source: source}
		if k.kind == KubernetesAudit {
			f.Value = conditionAudit
		}
		if _, read := in.Logs[k.kind]; !read {
			f.Kind = model.Lacks
			f.Evidence = []model.Evidence{{What: "no " + k.kind + " log was read", Where: "logs of the estate file, and the folder", Value: "none"}}
		}
		out = append(out, f)
	}
	return out
}
