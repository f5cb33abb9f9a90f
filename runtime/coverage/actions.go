package coverage

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// auditPolicy is a policy for the API server under which the rules of the
// catalogue can work, but for those that look into Secrets and ConfigMaps:
// bodies of these and of tokens hold credentials and are never logged.
// Source: kubernetes.io/docs/tasks/debug/debug-cluster/audit.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  resources:
  - group: ""
    resources: [secrets, configmaps, serviceaccounts/token]
  - group: authentication.k8s.io
    resources: [tokenreviews]
- level: RequestResponse
  verbs: [create, update, patch]
  resources:
  - group: rbac.authorization.k8s.io
- level: Request
  verbs: [create, update, patch]
  resources:
  - group: ""
    resources: [pods, pods/ephemeralcontainers, replicationcontrollers, namespaces, persistentvolumes, services, serviceaccounts]
  - group: apps
  - group: batch
  - group: certificates.k8s.io
    resources: [certificatesigningrequests]
- level: Metadata
`

// enableLogs are the logs to read: the audit log always, with bodies where a
// rule needs them, the others where they show a step that the attack graph uses.
func (in Input) enableLogs() []model.Action {
	var out []model.Action
	if level, read := in.Logs[KubernetesAudit]; !read {
		a := in.enableLog(KubernetesAudit, "collect the Kubernetes audit log, with request bodies of pods, controllers and RBAC objects")
		a.Adds[0].Value, a.Patch = request, auditPolicy
		out = append(out, a)
	} else if a, ok := in.raiseLevel(level); ok {
		out = append(out, a)
	}
	for _, k := range logKinds[1:] {
		_, read := in.Logs[k.kind]
		shown := in.shownBy(k.kind)
		if read || len(shown) == 0 {
			continue
		}
		a := in.enableLog(k.kind, "collect the "+k.kind+" log")
		a.Evidence = append(a.Evidence, model.Evidence{What: "steps of the attack graph that it can show", Where: k.kind, Value: strings.Join(shown, " ")})
		out = append(out, a)
	}
	return out
}

func (in Input) shownBy(kind string) []string {
	var out []string
	for _, t := range in.Needed {
		if Shows(kind, t) {
			out = append(out, t)
		}
	}
	return out
}

func (in Input) enableLog(kind, title string) model.Action {
	return model.Action{
		ID: model.ActionID(model.EnableLog, logRef(kind)), Type: model.EnableLog, Title: title,
		Assets:   []model.Ref{logRef(kind)},
		Adds:     []model.Fact{logRead(kind, "")},
		Evidence: []model.Evidence{{What: "no such log was read", Where: kind, Value: "none"}},
	}
}

func logRead(kind, level string) model.Fact {
	return model.Fact{Kind: model.LogRead, Asset: logRef(kind), Value: level, P: 1, Origin: model.Default, Source: source}
}

// raiseLevel is the change that lets the rules work that need request bodies.
func (in Input) raiseLevel(level string) (model.Action, bool) {
	a := in.enableLog(KubernetesAudit, "log pods, controllers and RBAC objects at level Request")
	a.Removes = []string{logRead(KubernetesAudit, level).ID()}
	a.Patch, a.Evidence = auditPolicy, nil
	need := metadata
	for _, r := range in.Rules {
		if in.usable(r) || len(r.Kinds) == 0 {
			continue
		}
		if rank(r.Needs) > rank(need) {
			need = r.Needs
		}
		a.Adds = append(a.Adds, ruleFacts(r)...)
		a.Evidence = append(a.Evidence, model.Evidence{What: r.ID + " can't tell: " + r.Title, Where: KubernetesAudit, Value: "needs " + r.Needs + ", has " + in.level()})
	}
	a.Adds[0].Value = need
	return a, len(a.Evidence) > 0
}

// addRules are rules to write for steps that no rule detects though a log
// could show them. Whether its log is read is another action.
func (in Input) addRules() []model.Action {
	var out []model.Action
	for _, technique := range in.Needed {
		log := bestLog(technique, in.Logs)
		if log == "" || slices.ContainsFunc(in.Rules, func(r detect.Rule) bool { return len(r.Kinds) > 0 && slices.Contains(r.Attack, technique) }) {
			continue
		}
		ref := model.Ref{Kind: model.Technique, Key: technique}
		a := model.Action{
			ID: model.ActionID(model.AddRule, ref, logRef(log)), Type: model.AddRule,
			Title:    fmt.Sprintf("write a rule for %s on the %s log", technique, log),
			Assets:   []model.Ref{ref, logRef(log)},
			Adds:     []model.Fact{fact(model.RuleFor, technique, log, "a new rule")},
			Evidence: []model.Evidence{{What: "no rule detects this step", Where: technique, Value: "its signs: " + log}},
		}
		if level, read := in.Logs[log]; read && log == KubernetesAudit && needsBody(technique) && rank(in.level()) < rank(request) {
			a.Title += ", and log the bodies that it needs at level Request"
			a.Removes = []string{logRead(log, level).ID()}
			a.Adds = append(a.Adds, logRead(log, request))
		}
		out = append(out, a)
	}
	return out
}

// testRules are tests to write for rules that have none. One action stands
// for a technique, so that it isn't bought once a rule.
func (in Input) testRules() []model.Action {
	var out []model.Action
	seen := map[string]bool{}
	for _, r := range in.Rules {
		if r.Tested || !in.usable(r) {
			continue
		}
		for _, f := range ruleFacts(r) {
			if in.tested(f) {
				continue
			}
			a := model.Action{
				ID: model.ActionID(model.TestRule, f.Asset, f.Object), Type: model.TestRule,
				Title:    fmt.Sprintf("give rule %s an attack and a benign case", r.ID),
				Assets:   []model.Ref{f.Asset, f.Object},
				Evidence: f.Evidence,
			}
			if seen[a.ID] {
				continue
			}
			seen[a.ID] = true
			tested := f
			tested.Kind, tested.Origin = model.RuleTested, model.Default
			a.Adds = []model.Fact{tested}
			out = append(out, a)
		}
	}
	return out
}

// tested reports whether another rule, a tested one, detects the same in the
// same log.
func (in Input) tested(f model.Fact) bool {
	return slices.ContainsFunc(in.Rules, func(r detect.Rule) bool {
		reads := slices.ContainsFunc(r.Kinds, func(kind string) bool { return logOf(kind) == f.Object.Key })
		return r.Tested && in.usable(r) && reads && slices.Contains(r.Attack, f.Asset.Key)
	})
}
