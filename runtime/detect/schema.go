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

// fewValues are the fields with few values, by kind. Verbs of an audit record
// are those of requests for resources, then the methods of other requests, in
// lower case; rights such as bind and impersonate are no requests of their own.
// Sources: those of the kind's format, for containers' output the CRI.
var fewValues = map[string]map[string][]string{
	ingest.Kind: {
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
	},
	"cloudtrail": {
		"eventType":       {"AwsApiCall", "AwsServiceEvent", "AwsConsoleAction", "AwsConsoleSignIn", "AwsCloudTrailInsight", "AwsVpceEvent"},
		"eventCategory":   {"Management", "Data", "NetworkActivity", "Insight"},
		"managementEvent": {"true", "false"},
		"readOnly":        {"true", "false"},
	},
	"cri":               {"stream": {"stdout", "stderr"}, "sc-status": statusCodes()},
	"docker-json":       {"stream": {"stdout", "stderr"}, "sc-status": statusCodes()},
	"kubernetes-events": {"kind": {"Event"}, "type": {"Normal", "Warning"}},
}

// statusCodes are those that HTTP has room for.
func statusCodes() []string {
	var out []string
	for code := 100; code < 600; code++ {
		out = append(out, fmt.Sprint(code))
	}
	return out
}

// has reports whether a record of the kind can have a field. A field that holds
// others can be asked for itself.
func (k *kind) has(field string) bool {
	return slices.ContainsFunc(k.fields, func(known string) bool {
		return field == known || strings.HasPrefix(known, field+".") || strings.HasSuffix(known, ".") && strings.HasPrefix(field, known)
	})
}

// doubt warns of what a rule names and no record of its logs ever has: SigmaHQ
// has such rules, which are dead without anyone's noticing. Of a log whose
// fields are not known it says nothing.
func (b *builder) doubt(c *compiled) {
	kinds := b.kindsOf(c)
	if len(kinds) == 0 || slices.ContainsFunc(kinds, func(k *kind) bool { return len(k.fields) == 0 }) {
		return
	}
	seen := map[string]bool{}
	for _, u := range b.uses {
		if u.field == keywordField || strings.Contains(u.field, anyKey) {
			continue
		}
		having := slices.DeleteFunc(slices.Clone(kinds), func(k *kind) bool { return !k.has(u.field) })
		text := ""
		switch {
		case len(having) == 0:
			text = fmt.Sprintf("field %q is in no %s: this matches nothing", u.field, recordsOf(kinds))
			if seen[text] {
				continue // said of its first value
			}
			seen[text] = true
		case !slices.ContainsFunc(having, func(k *kind) bool { return b.canBe(u, fewValues[k.name][u.field]) }):
			text = fmt.Sprintf("field %q never has this value", u.field)
		}
		if at := fmt.Sprint(u.file, u.line, text); text != "" && !seen[at] {
			seen[at] = true
			b.warn(&rule.Problem{File: u.file, Line: u.line, Text: text})
		}
	}
}

// kindsOf are the kinds of log that a rule reads.
func (b *builder) kindsOf(c *compiled) []*kind {
	var out []*kind
	for i := range b.prog.kinds {
		if slices.Contains(c.Kinds, b.prog.kinds[i].name) {
			out = append(out, &b.prog.kinds[i])
		}
	}
	return out
}

// recordsOf names records for a message.
func recordsOf(kinds []*kind) string {
	var names []string
	for _, k := range kinds {
		if k.name == ingest.Kind {
			names = append(names, "Kubernetes audit record")
			continue
		}
		names = append(names, k.name+" record")
	}
	return strings.Join(names, " or ")
}

// canBe reports whether one of the values that a field has, where they are
// known, answers one of the predicates.
func (b *builder) canBe(u use, values []string) bool {
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
