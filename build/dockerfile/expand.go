package dockerfile

import (
	"regexp"
	"slices"
	"sort"
	"strings"

	"github.com/moby/buildkit/frontend/dockerfile/shell"
)

// scope is what names stand for at one point of a file. Only what is known
// about a name is recorded; a name that is absent is judged by open.
type scope struct {
	vars map[string]Text
	// open says why a name that nothing sets may still have a value; empty
	// means that it has none.
	open string
}

func newScope(open string) *scope { return &scope{vars: map[string]Text{}, open: open} }

func (s *scope) clone() *scope {
	c := newScope(s.open)
	for k, v := range s.vars {
		c.vars[k] = v
	}
	return c
}

func (s *scope) set(name string, t Text) {
	if len(t.Value) > maxValue {
		t = Text{Raw: t.Raw, Why: "the value of " + name + " is too long to follow"}
	}
	if _, ok := s.vars[name]; !ok && len(s.vars) >= maxVariables {
		s.open = "is among too many variables to follow"
		return
	}
	s.vars[name] = t
}

// lookup returns the text of a name; set is false where the name is known to
// have no value.
func (s *scope) lookup(name string) (t Text, set bool) {
	if t, ok := s.vars[name]; ok {
		return t, true
	}
	if why, ok := builderArgs[name]; ok && s.open != "" {
		return Text{Why: why}, true
	}
	if s.open == "" {
		return Text{}, false
	}
	return Text{Why: name + " " + s.open}, true
}

// builderArgs are the arguments that BuildKit gives every build
// (dockerfile2llb/platform.go, defaultArgs).
var builderArgs = map[string]string{
	"BUILDPLATFORM": "BUILDPLATFORM is set by the builder", "BUILDOS": "BUILDOS is set by the builder",
	"BUILDOSVERSION": "BUILDOSVERSION is set by the builder", "BUILDARCH": "BUILDARCH is set by the builder",
	"BUILDVARIANT": "BUILDVARIANT is set by the builder", "TARGETPLATFORM": "TARGETPLATFORM is set by the builder",
	"TARGETOS": "TARGETOS is set by the builder", "TARGETOSVERSION": "TARGETOSVERSION is set by the builder",
	"TARGETARCH": "TARGETARCH is set by the builder", "TARGETVARIANT": "TARGETVARIANT is set by the builder",
	"TARGETSTAGE": "TARGETSTAGE is set by the builder",
}

// expander expands words as BuildKit does, within bounds for the whole file.
type expander struct {
	escape rune
	lex    *shell.Lex
	keep   *shell.Lex // leaves names without a value as written
	left   int        // bytes that variables may still bring in
}

func newExpander(escape rune) *expander {
	e := &expander{escape: escape, lex: shell.NewLex(escape), keep: shell.NewLex(escape), left: maxPerFile}
	e.keep.SkipUnsetEnv = true
	return e
}

// getter answers the lexer's questions from a scope and notes what was
// unknown or too much.
type getter struct {
	scope   *scope
	budget  int
	unknown map[string]string // name -> why
	blown   bool
}

// Get implements shell.EnvGetter. A name of unknown value counts as unset:
// the caller decides what that means.
func (g *getter) Get(name string) (string, bool) {
	t, set := g.scope.lookup(name)
	if !set {
		return "", false
	}
	if !t.Known {
		g.unknown[name] = t.Why
		return "", false
	}
	g.budget -= len(t.Value)
	if g.budget < 0 {
		g.blown = true
		return "", true
	}
	return t.Value, true
}

// Keys implements shell.EnvGetter, which uses it for suggestions only.
func (g *getter) Keys() []string { return nil }

// word expands one word of an instruction.
func (e *expander) word(raw string, s *scope) Text {
	t := Text{Raw: raw}
	if len(raw) > maxWord && strings.ContainsRune(raw, '$') {
		t.Why = "a word this long is not expanded"
		return t
	}
	g := &getter{scope: s, budget: min(maxPerWord, e.left), unknown: map[string]string{}}
	if replacement.MatchString(raw) {
		if nestedReplace(raw) {
			t.Value, t.Why = raw, "nested replacement is not expanded"
			return t
		}
		g.budget = min(maxPerReplace, e.left)
	}
	value, _, err := e.lex.ProcessWord(raw, g)
	e.left -= len(value)
	switch {
	case err != nil && len(g.unknown) > 0:
		t.Value, t.Why = raw, firstReason(g.unknown)
	case err != nil:
		t.Value, t.Why = raw, cannotExpand+lastPart(err.Error())
	case g.blown || e.left < 0:
		t.Value, t.Why = raw, "its variables are too long to follow"
	case len(g.unknown) == 0:
		t.Value, t.Known = value, true
	default:
		return e.partly(t, value, s, g)
	}
	return t
}

// partly decides on a word with names of unknown value: `${x:-y}` is y for a
// build that isn't given x, everything else leaves the word unknown.
func (e *expander) partly(t Text, value string, s *scope, g *getter) Text {
	rest := withDefault.ReplaceAllString(t.Raw, "")
	missing := map[string]string{}
	for name, why := range g.unknown {
		if unset := unsetArg(s, name); !unset || uses(rest, name) {
			missing[name] = why
		}
	}
	if len(missing) == 0 {
		t.Value, t.Known = value, true
		return t
	}
	t.Why = firstReason(missing)
	again := &getter{scope: s, budget: min(maxPerWord, e.left), unknown: map[string]string{}}
	if replacement.MatchString(t.Raw) {
		again.budget = min(maxPerReplace, e.left)
	}
	if v, _, err := e.keep.ProcessWord(t.Raw, again); err == nil {
		e.left -= len(v)
		t.Value = v
	} else {
		t.Value = t.Raw
	}
	return t
}

var withDefault = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*:?-`)

// unsetArg reports whether name is an ARG that has no value in a build that
// isn't given one, so that its `:-` default is what BuildKit takes.
func unsetArg(s *scope, name string) bool {
	t, ok := s.vars[name]
	return ok && !t.Known && strings.HasSuffix(t.Why, noDefault)
}

const cannotExpand = "cannot be expanded: "

const noDefault = "has no default and no value was given"

// uses reports whether text mentions $name or ${name.
func uses(text, name string) bool {
	for _, form := range []string{"$" + name, "${" + name} {
		for at := 0; ; {
			i := strings.Index(text[at:], form)
			if i < 0 {
				break
			}
			at += i + len(form)
			if at == len(text) || !isNameByte(text[at]) {
				return true
			}
		}
	}
	return false
}

func isNameByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// replacement matches the start of ${name/pattern/text}.
var replacement = regexp.MustCompile(`\$\{[^}:+\-?#%/{$]*/`)

// nestedReplace reports whether anything is expanded inside a replacement,
// which could multiply lengths once a level.
func nestedReplace(word string) bool {
	var frames []bool // for each open ${: whether it is a replacement
	for i := 0; i < len(word); i++ {
		switch {
		case strings.HasPrefix(word[i:], "${"):
			for _, replacing := range frames {
				if replacing {
					return true
				}
			}
			at := replacement.FindStringIndex(word[i:])
			frames = append(frames, at != nil && at[0] == 0)
			i++
		case word[i] == '}' && len(frames) > 0:
			frames = frames[:len(frames)-1]
		}
	}
	return false
}

// firstReason picks the reason of the first name, so that the same file
// always gives the same text.
func firstReason(unknown map[string]string) string {
	names := make([]string, 0, len(unknown))
	for n := range unknown {
		names = append(names, n)
	}
	sort.Strings(names)
	return unknown[names[0]]
}

// lastPart drops what BuildKit puts in front of a lexer's error: the word,
// which may be long or secret.
func lastPart(text string) string {
	if strings.HasPrefix(text, "failed to process ") {
		if i := strings.LastIndex(text, "\": "); i >= 0 {
			return text[i+3:]
		}
	}
	return text
}

// missing lists the names in a text that nothing sets: those that aren't
// declared, or on the empty image those that have no value. A name with a
// default beside it (${x:-y}, ${x-y}) is none. Sorted, each once.
func (e *expander) missing(raw string, s *scope) []string {
	if !strings.ContainsRune(raw, '$') {
		return nil
	}
	var out []string
	raw = literal.ReplaceAllString(raw, "")
	for _, m := range anyName.FindAllStringSubmatchIndex(raw, -1) {
		name, rest := raw[m[2]:m[3]], strings.TrimPrefix(raw[m[1]:], ":")
		braced := raw[m[0]+1] == '{'
		switch {
		case m[0] > 0 && rune(raw[m[0]-1]) == e.escape:
		case braced && (strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+")):
		case builderArgs[name] != "" || slices.Contains(out, name):
		default:
			if _, set := s.vars[name]; !set {
				out = append(out, name)
			}
		}
	}
	sort.Strings(out)
	return out
}

var (
	literal = regexp.MustCompile(`'[^']*'`)
	anyName = regexp.MustCompile(`\$\{?([A-Za-z_][A-Za-z0-9_]*)`)
)
