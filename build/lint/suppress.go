package lint

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// Comments that suppress a rule on the instruction below them, or for the
// whole file where they say so:
//
//	# scantling ignore=B101,B102 reason=WHY owner=WHO expires=2027-01-01
//	# hadolint ignore=DL3006,DL3008        # hadolint global ignore=DL3006
//	# check=skip=SecretsUsedInArgOrEnv     (BuildKit; on top of the file: all of it)
//
// The names are ids of rules or aliases of them.
var (
	ours     = regexp.MustCompile(`^scantling\s+ignore\s*=\s*([A-Za-z0-9_,\- ]*?[A-Za-z0-9])(?:\s+(.*))?$`)
	hadolint = regexp.MustCompile(`^hadolint\s+(global\s+)?ignore\s*=\s*([A-Za-z0-9_,\- ]+)`)
	check    = regexp.MustCompile(`^check\s*=\s*(?:[^#]*;)?\s*skip\s*=\s*([A-Za-z0-9_,\- ]+)`)
	field    = regexp.MustCompile(`\b(reason|owner|expires)=`)
)

// note is a comment that may suppress something.
type note struct {
	line   int
	text   string
	global bool // it speaks of the whole file
}

// readNotes picks the comments of a file that may suppress something.
func readNotes(f *dockerfile.File) []note {
	var out []note
	for _, c := range f.Comments {
		if ours.MatchString(c.Text) || hadolint.MatchString(c.Text) || check.MatchString(c.Text) {
			out = append(out, note{c.Line, c.Text, strings.HasPrefix(c.Text, "hadolint global") || isDirective(f, c)})
		}
	}
	return out
}

// maxAbove is how many comment lines above an instruction are looked at.
const maxAbove = 50

// suppression returns what a comment says about a rule at a place, nil for
// nothing. An expired suppression is none.
func (s *subject) suppression(r *rule.Rule, at model.Position, now time.Time) *model.Suppression {
	if len(s.notes) == 0 {
		return nil
	}
	first := s.firstLine(at.Line)
	above := first - 1
	for above > first-maxAbove && isComment(s.file, above) {
		above--
	}
	for _, n := range s.notes {
		if !n.global && (n.line <= above || n.line >= first) {
			continue
		}
		if found := suppresses(n.text, r, now); found != nil {
			return found
		}
	}
	return nil
}

// firstLine is the first line of the instruction that a line belongs to.
func (s *subject) firstLine(line int) int {
	for _, st := range s.file.Stages {
		if st.Position.Line <= line && line <= st.Position.EndLine {
			return st.Position.Line
		}
		for _, in := range st.Instructions {
			if in.Position.Line <= line && line <= in.Position.EndLine {
				return in.Position.Line
			}
		}
	}
	return line
}

// suppresses reads one comment.
func suppresses(text string, r *rule.Rule, now time.Time) *model.Suppression {
	if m := ours.FindStringSubmatch(text); m != nil && names(m[1], r) {
		s := fields(m[2])
		if s.Expires != "" {
			day, err := time.Parse(time.DateOnly, s.Expires)
			if err != nil || now.After(day.AddDate(0, 0, 1)) {
				return nil
			}
		}
		return &s
	}
	if m := hadolint.FindStringSubmatch(text); m != nil && names(m[2], r) {
		return &model.Suppression{Reason: "hadolint ignore"}
	}
	if m := check.FindStringSubmatch(text); m != nil && (names(m[1], r) || strings.TrimSpace(m[1]) == "all" && buildKit(r)) {
		return &model.Suppression{Reason: "check=skip"}
	}
	return nil
}

// buildKit reports whether BuildKit has the rule too, so that skip=all speaks
// of it: its ids are words without digits.
func buildKit(r *rule.Rule) bool {
	return slices.ContainsFunc(r.Aliases, func(a string) bool { return !strings.ContainsAny(a, "0123456789-_") })
}

func names(list string, r *rule.Rule) bool {
	for _, name := range strings.FieldsFunc(list, func(c rune) bool { return c == ',' || c == ' ' }) {
		if name == r.ID || slices.Contains(r.Aliases, name) {
			return true
		}
	}
	return false
}

// fields reads reason=… owner=… expires=…; a value ends where the next begins.
func fields(text string) model.Suppression {
	var s model.Suppression
	at := field.FindAllStringSubmatchIndex(text, -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		value := strings.Trim(strings.TrimSpace(text[m[1]:end]), `"`)
		switch text[m[2]:m[3]] {
		case "reason":
			s.Reason = value
		case "owner":
			s.Owner = value
		case "expires":
			s.Expires = value
		}
	}
	return s
}

func isComment(f *dockerfile.File, line int) bool {
	_, ok := slices.BinarySearchFunc(f.Comments, line, func(c dockerfile.Comment, l int) int { return c.Line - l })
	return ok
}

// isDirective reports whether a check= comment stands among the directives on
// top of the file, where it is meant for all of it.
func isDirective(f *dockerfile.File, c dockerfile.Comment) bool {
	if !strings.HasPrefix(c.Text, "check") {
		return false
	}
	for _, above := range f.Comments {
		switch {
		case above.Line > c.Line:
			return true
		case above.Line != 1 && !isComment(f, above.Line-1):
			return false
		case !directive.MatchString(above.Text):
			return false
		}
	}
	return true
}

var directive = regexp.MustCompile(`(?i)^(syntax|escape|check)\s*=`)
