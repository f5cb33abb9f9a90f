package cloud

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// answer is what evaluation gives: what is not told is unknown, never no.
type answer int8

const (
	no answer = iota
	unknown
	yes
)

func (a answer) not() answer { return yes - a }

func (a answer) and(b answer) answer { return min(a, b) }

func (a answer) or(b answer) answer { return max(a, b) }

func answerOf(b bool) answer {
	if b {
		return yes
	}
	return no
}

// texts is a JSON string or list of strings; IAM takes either.
type texts []string

func (t *texts) UnmarshalJSON(text []byte) error {
	var one any
	if err := json.Unmarshal(text, &one); err != nil {
		return err
	}
	list, isList := one.([]any)
	if !isList {
		list = []any{one}
	}
	for _, v := range list {
		switch v := v.(type) {
		case string:
			*t = append(*t, v)
		case bool, float64:
			*t = append(*t, fmt.Sprint(v))
		default:
			return errors.New("neither a text nor a list of them")
		}
	}
	return nil
}

// principals are those of a statement. Any is "*".
type principals struct {
	Any  bool
	Kind map[string]texts // AWS, Federated, Service, CanonicalUser
}

func (p *principals) UnmarshalJSON(text []byte) error {
	var word string
	if json.Unmarshal(text, &word) == nil {
		if word != "*" {
			return fmt.Errorf("principal %q", word)
		}
		p.Any = true
		return nil
	}
	return json.Unmarshal(text, &p.Kind)
}

// statement is one of an IAM policy.
type statement struct {
	Effect       string
	Principal    *principals
	NotPrincipal *principals
	Action       texts
	NotAction    texts
	Resource     texts
	NotResource  texts
	Condition    map[string]map[string]texts
}

// document is an IAM policy.
type document struct {
	Statement []statement
}

// UnmarshalJSON takes the document itself, its text, and its text as the API
// hands it over: encoded as in a URL. A single statement needs no list.
func (d *document) UnmarshalJSON(text []byte) error {
	var inner string
	if json.Unmarshal(text, &inner) == nil {
		if strings.HasPrefix(inner, "%7B") || strings.HasPrefix(inner, "%7b") {
			decoded, err := url.QueryUnescape(inner)
			if err != nil {
				return err
			}
			inner = decoded
		}
		text = []byte(inner)
	}
	var raw struct{ Statement json.RawMessage }
	if err := json.Unmarshal(text, &raw); err != nil {
		return err
	}
	if len(raw.Statement) == 0 {
		return nil
	}
	if raw.Statement[0] != '[' {
		var one statement
		if err := json.Unmarshal(raw.Statement, &one); err != nil {
			return err
		}
		d.Statement = []statement{one}
		return nil
	}
	return json.Unmarshal(raw.Statement, &d.Statement)
}

// caller is who asks for a role.
type caller struct {
	kind   string            // Federated, Service or AWS
	name   string            // an ARN or a service
	action string            // in lower case
	keys   map[string]string // what the call carries, by key in lower case
}

// allows evaluates a trust policy: a Deny goes before every Allow.
// Source: AWS IAM User Guide, policy evaluation logic.
func (d document) allows(c caller) answer {
	allowed, denied := no, no
	for i := range d.Statement {
		s := &d.Statement[i]
		switch hit := s.matches(c); s.Effect {
		case "Allow":
			allowed = allowed.or(hit)
		case "Deny":
			denied = denied.or(hit)
		}
	}
	return allowed.and(denied.not())
}

func (s *statement) matches(c caller) answer {
	return s.names(c).and(s.acts(c)).and(s.holds(c))
}

// names compares the principal. An account stands for all its identities, of
// which a token of a cluster is none.
func (s *statement) names(c caller) answer {
	switch {
	case s.NotPrincipal != nil:
		return s.NotPrincipal.has(c).not()
	case s.Principal != nil:
		return s.Principal.has(c)
	}
	return no
}

func (p *principals) has(c caller) answer {
	for _, name := range p.Kind[c.kind] {
		if name == c.name || name == "*" && c.kind == "AWS" {
			return yes
		}
	}
	if p.Any || slices.Contains(p.Kind["AWS"], "*") {
		return unknown // everybody; whether that holds for tokens and services, AWS doesn't say
	}
	return no
}

func (s *statement) acts(c caller) answer {
	if s.NotAction != nil {
		return answerOf(!anyLike(s.NotAction, c.action))
	}
	return answerOf(anyLike(s.Action, c.action))
}

// anyLike compares actions, which know no case.
func anyLike(patterns []string, word string) bool {
	for _, p := range patterns {
		if like(strings.ToLower(p), word) {
			return true
		}
	}
	return false
}

// holds evaluates all conditions: each operator and each key has to hold.
func (s *statement) holds(c caller) answer {
	out := yes
	for operator, keys := range s.Condition {
		for key, values := range keys {
			out = out.and(condition(operator, strings.ToLower(key), values, c))
		}
	}
	return out
}

// condition evaluates one operator on one key.
// Source: AWS IAM User Guide, condition operators.
func condition(operator, key string, values []string, c caller) answer {
	name := strings.ToLower(operator)
	name, ifExists := strings.CutSuffix(name, "ifexists")
	set := ""
	for _, prefix := range []string{"forallvalues:", "foranyvalue:"} {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			name, set = rest, prefix
		}
	}
	value, there := c.keys[key]
	if !there && !ofToken(key) {
		return unknown // only the call itself would tell
	}
	if name == "null" {
		return absent(values, there)
	}
	match, negated, known := comparison(name)
	switch {
	case !known:
		return unknown
	case !there:
		// A missing key fails a comparison, passes a negated one, one that is
		// asked only of what exists, and all of no values.
		return answerOf(ifExists || negated || set == "forallvalues:")
	}
	out := no
	for _, v := range values {
		if strings.Contains(v, "${") {
			out = out.or(unknown) // a variable of the call
			continue
		}
		out = out.or(answerOf(match(v, value)))
	}
	if negated {
		return out.not()
	}
	return out
}

// ofToken reports whether a key is a claim of a token: a call with a token of
// one issuer has none of another's.
func ofToken(key string) bool {
	return strings.HasSuffix(key, ":sub") || strings.HasSuffix(key, ":aud") || strings.HasSuffix(key, ":amr") || strings.HasSuffix(key, ":azp")
}

// absent is the operator Null: true wants the key to be missing.
func absent(values []string, there bool) answer {
	out := no
	for _, v := range values {
		out = out.or(answerOf(strings.EqualFold(v, "true") == !there))
	}
	return out
}

// comparison finds how an operator compares a value of the policy with one of
// the call.
func comparison(name string) (match func(pattern, value string) bool, negated, known bool) {
	equal := func(p, v string) bool { return p == v }
	switch name {
	case "stringequals":
		return equal, false, true
	case "stringnotequals":
		return equal, true, true
	case "stringequalsignorecase":
		return strings.EqualFold, false, true
	case "stringnotequalsignorecase":
		return strings.EqualFold, true, true
	case "stringlike", "arnlike", "arnequals":
		return like, false, true
	case "stringnotlike", "arnnotlike", "arnnotequals":
		return like, true, true
	case "bool":
		return strings.EqualFold, false, true
	}
	return nil, false, false
}

// like matches * with any text, also none, and ? with one character. It takes
// at most len(pattern) × len(text) steps.
func like(pattern, text string) bool {
	p, t := []rune(pattern), []rune(text)
	if len(p) > maxText || len(t) > maxText {
		return false
	}
	star, mark, i, k := -1, 0, 0, 0
	for k < len(t) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, k
			i++
		case i < len(p) && (p[i] == '?' || p[i] == t[k]):
			i++
			k++
		case star >= 0:
			mark++
			i, k = star+1, mark
		default:
			return false
		}
	}
	for i < len(p) && p[i] == '*' {
		i++
	}
	return i == len(p)
}
