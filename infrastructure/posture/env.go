package posture

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// env is what infrastructure rules may read: the variables of
// ValidatingAdmissionPolicy, with the pod's spec found for every workload
// kind, and the lists that each: ranges over.
func env() rule.Env[*target] {
	return rule.Env[*target]{
		Stage: model.Infrastructure,
		Vars: map[string]rule.Var[*target]{
			// The object as it was read, fields that are null left out.
			"object": {Type: rule.Dyn(), Value: func(t *target) any { return withoutNulls(t.object.Raw) }},
			// The spec of a workload's pods, with the API server's defaults.
			"variables.podSpec": {Type: rule.Dyn(), Value: func(t *target) any {
				if t.workload == nil {
					return rule.Unknown{Reason: t.object.Kind + " has no pods"}
				}
				return t.pod
			}},
			// Containers, init containers and debug containers.
			"variables.containers": {Type: rule.List(rule.Dyn()), Value: func(t *target) any {
				list := []any{}
				for _, e := range containers(t) {
					list = append(list, e.Value)
				}
				return list
			}},
			// Whether the service account's token is mounted by default.
			"variables.mountsToken": {Type: rule.Bool(), Value: func(t *target) any {
				if t.workload == nil {
					return rule.Unknown{Reason: t.object.Kind + " has no pods"}
				}
				return t.mountsToken()
			}},
			// The annotations of a workload's pods.
			"variables.podAnnotations": {Type: rule.Map(rule.String()), Value: func(t *target) any {
				if t.workload == nil {
					return rule.Unknown{Reason: t.object.Kind + " has no pods"}
				}
				return t.podMeta().Annotations
			}},
			// Whether a binding of the snapshot names a workload's account, or a
			// group of all accounts.
			"variables.accountBound": {Type: rule.Bool(), Value: accountBound},
			// The limits of the LimitRanges of a workload's namespace.
			"variables.limits": {Type: rule.List(rule.Dyn()), Value: limits},
			// The NetworkPolicies of a namespace, what shuts all its pods to others
			// ("" for nothing) of policies of all kinds, and how many workloads run in it.
			"variables.networkPolicies": {Type: rule.List(rule.Dyn()), Value: networkPolicies},
			"variables.shutBy":          {Type: rule.String(), Value: shutBy},
			"variables.workloads":       {Type: rule.Int(), Value: countWorkloads},
			// What a role grants but for what I201 reports: every rule with every
			// list there. Nothing of the roles that the API server itself creates.
			"variables.grants": {Type: rule.List(grantType), Value: grants},
		},
		Scopes: map[string]rule.Scope[*target]{
			"containers": {Var: "container", Type: rule.Dyn(), List: containers},
			"volumes":    {Var: "volume", Type: rule.Dyn(), List: volumes},
			"subjects":   {Var: "subject", Type: rule.Dyn(), List: subjects},
		},
		Kind:     (*target).kind,
		Kinds:    append(slices.Sorted(maps.Keys(objectKinds)), workloadKind),
		Position: (*target).position,
		Checks:   map[string]rule.Check[*target]{},
	}
}

func containers(t *target) []rule.Element {
	var out []rule.Element
	for _, list := range []string{"initContainers", "containers", "ephemeralContainers"} {
		out = append(out, t.podList(list)...)
	}
	return out
}

func volumes(t *target) []rule.Element { return t.podList("volumes") }

// podList lists the elements of one list of the pod's spec.
func (t *target) podList(field string) []rule.Element {
	path := strings.Join(append(templatePath(t.object.Kind), "spec"), ".")
	spec, ok := t.pod.(map[string]any)
	if !ok {
		return []rule.Element{t.element(t.pod, field, path)} // unknown
	}
	list, _ := spec[field].([]any)
	var out []rule.Element
	for i, v := range list {
		where := fmt.Sprintf("%s[%d]", field, i)
		out = append(out, t.element(v, named(v, where), path+"."+where))
	}
	return out
}

// subjects lists those of a binding.
func subjects(t *target) []rule.Element {
	value := withoutNulls(t.object.Raw["subjects"])
	if value == nil {
		return nil
	}
	list, ok := value.([]any)
	if !ok {
		return []rule.Element{t.element(rule.Unknown{Reason: "subjects is no list"}, "subjects", "subjects")}
	}
	var out []rule.Element
	for i, v := range list {
		where := fmt.Sprintf("subjects[%d]", i)
		out = append(out, t.element(v, named(v, where), where))
	}
	return out
}

// named is "kind namespace name" of a list's element, as far as it has them:
// what stays the same when the list is reordered; where, if it has no name.
func named(v any, where string) string {
	fields, _ := v.(map[string]any)
	var words []string
	for _, field := range []string{"kind", "namespace", "name"} {
		if s, ok := fields[field].(string); ok {
			words = append(words, s)
		}
	}
	if len(words) == 0 {
		return where
	}
	list, _, _ := strings.Cut(where, "[")
	return list + " " + strings.Join(words, " ")
}

func (t *target) element(value any, cause, where string) rule.Element {
	return rule.Element{
		Value:    value,
		Position: t.position(),
		Cause:    cause,
		Evidence: []model.Evidence{{What: cause, Where: where, Value: t.name()}},
	}
}

// name is "Kind namespace/name" of what is judged.
func (t *target) name() string {
	if w := t.workload; w != nil {
		return w.Kind + " " + w.Namespace + "/" + w.Name
	}
	if t.object.Namespace == "" {
		return t.object.Kind + " " + t.object.Name
	}
	return t.object.Kind + " " + t.object.Namespace + "/" + t.object.Name
}
