package posture

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/rule"
)

// grantType is one rule of a role: lists that it lacks are empty.
var grantType = rule.Object("Grant", map[string]rule.Type{
	"verbs": rule.List(rule.String()), "apiGroups": rule.List(rule.String()),
	"resources": rule.List(rule.String()), "resourceNames": rule.List(rule.String()),
})

// grantFields are the fields of grantType, in the order in which they are read.
var grantFields = []string{"verbs", "apiGroups", "resources", "resourceNames"}

// grants is variables.grants: what a role grants on resources. An aggregated
// role grants nothing of its own: a controller fills it in from other roles,
// which are judged where they are written.
func grants(t *target) any {
	out := []any{}
	if builtIn(t.object) || t.object.Raw["rules"] == nil || t.object.Raw["aggregationRule"] != nil {
		return out
	}
	list, ok := t.object.Raw["rules"].([]any)
	if !ok {
		return rule.Unknown{Reason: "rules is no list"}
	}
	for i, raw := range list {
		fields, ok := raw.(map[string]any)
		if !ok {
			return rule.Unknown{Reason: fmt.Sprintf("rules[%d] is no rule", i)}
		}
		grant := map[string]any{}
		for _, name := range grantFields {
			words, ok := texts(fields[name])
			if !ok {
				return rule.Unknown{Reason: fmt.Sprintf("rules[%d].%s is no list of texts", i, name)}
			}
			grant[name] = words
		}
		if !slices.Contains(grant["verbs"].([]string), "*") || !slices.Contains(grant["resources"].([]string), "*") {
			out = append(out, grant)
		}
	}
	return out
}

// texts reads a list of texts, which may be absent.
func texts(v any) (list []string, ok bool) {
	raw, isList := v.([]any)
	if v != nil && !isList {
		return nil, false
	}
	list = make([]string, 0, len(raw))
	for _, e := range raw {
		s, isText := e.(string)
		if !isText {
			return nil, false
		}
		list = append(list, s)
	}
	return list, true
}

// builtIn reports whether the API server itself creates a role or binding and
// keeps what it grants. Both its label and its name are asked for, so that a label alone
// exempts nothing; who may write roles of such names could change the real ones.
// Source: Kubernetes documentation, "Using RBAC Authorization", Default roles
// and role bindings.
func builtIn(o *kube.Object) bool {
	name := o.Name
	return o.Labels()["kubernetes.io/bootstrapping"] == "rbac-defaults" &&
		(strings.HasPrefix(name, "system:") || slices.Contains([]string{"cluster-admin", "admin", "edit", "view"}, name))
}
