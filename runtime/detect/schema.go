package detect

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/ingest"
)

// use is one place at which a rule names a field of events.
type use struct {
	file  string
	line  int
	field string
	preds []int
}

// auditFields are the fields of a Kubernetes audit record; what ends in a dot
// holds anything. Source: kubernetes.io/docs/reference/config-api/apiserver-audit.v1.
var auditFields = []string{
	"kind", "apiVersion", "level", "auditID", "stage", "requestURI", "verb", "userAgent", "sourceIPs",
	"requestReceivedTimestamp", "stageTimestamp", "annotations.", "requestObject.", "responseObject.",
	"user.username", "user.uid", "user.groups", "user.extra.",
	"impersonatedUser.username", "impersonatedUser.uid", "impersonatedUser.groups", "impersonatedUser.extra.",
	"authenticationMetadata.impersonationConstraint",
	"objectRef.resource", "objectRef.namespace", "objectRef.name", "objectRef.uid", "objectRef.apiGroup", "objectRef.apiVersion",
	"objectRef.resourceVersion", "objectRef.subresource",
	"responseStatus.kind", "responseStatus.apiVersion", "responseStatus.metadata.", "responseStatus.status", "responseStatus.message",
	"responseStatus.reason", "responseStatus.details.", "responseStatus.code",
}

// auditValues are the fields with few values. Verbs are those of requests for
// resources, then the methods of other requests, in lower case; rights such as
// bind and impersonate are no requests of their own.
var auditValues = map[string][]string{
	"verb": {
		"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "proxy",
		"head", "options", "post", "put", "connect", "trace",
	},
	"stage": {"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"},
	"level": {levelMetadata, levelRequest, levelResponse},
	"kind":  {"Event"},
	"annotations.authorization.k8s.io/decision": {"allow", "forbid"},
	"responseStatus.status":                     {"Success", "Failure"},
	"responseStatus.code":                       statusCodes(),
}

// statusCodes are those that HTTP has room for.
func statusCodes() []string {
	var out []string
	for code := 100; code < 600; code++ {
		out = append(out, fmt.Sprint(code))
	}
	return out
}

// inAudit reports whether an audit record can have a field. A field that
// holds others can be asked for itself.
func inAudit(field string) bool {
	return slices.ContainsFunc(auditFields, func(known string) bool {
		return field == known || strings.HasPrefix(known, field+".") || strings.HasSuffix(known, ".") && strings.HasPrefix(field, known)
	})
}

// doubt warns of what a rule for the audit log names and no record ever has:
// SigmaHQ has such rules, which are dead without anyone's noticing.
func (b *builder) doubt(c *compiled) {
	if !slices.Equal(c.Kinds, []string{ingest.Kind}) {
		return
	}
	seen := map[string]bool{}
	for _, u := range b.uses {
		if u.field == keywordField {
			continue
		}
		text := ""
		switch {
		case !inAudit(u.field):
			text = fmt.Sprintf("field %q is in no Kubernetes audit record: this matches nothing", u.field)
		case !b.canBe(u):
			text = fmt.Sprintf("field %q never has this value", u.field)
		}
		if at := fmt.Sprint(u.file, u.line, text); text != "" && !seen[at] {
			seen[at] = true
			b.warn(&rule.Problem{File: u.file, Line: u.line, Text: text})
		}
	}
}

// canBe reports whether one of the field's values, where they are known,
// answers one of the predicates.
func (b *builder) canBe(u use) bool {
	values := auditValues[u.field]
	if len(values) == 0 {
		return true
	}
	for _, i := range u.preds {
		p := &b.prog.preds[i]
		if p.op == opNull || p.op == opExists || p.op == opFieldref {
			return true
		}
		if slices.ContainsFunc(values, func(s string) bool { return p.matches(&value{text: []byte(s)}) }) {
			return true
		}
	}
	return len(u.preds) == 0
}

func (b *builder) warn(p *rule.Problem) { b.prog.warnings = append(b.prog.warnings, p) }

// Warnings are what is doubtful in rules that compile, as *rule.Problem: a
// field or value that their log never has, a placeholder without values, a
// filter for no rule. In no particular order of files.
func (p *Program) Warnings() []error {
	out := make([]error, len(p.warnings))
	for i, w := range p.warnings {
		out[i] = w
	}
	return out
}
