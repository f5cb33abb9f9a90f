package rule

import (
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
)

// PageMark begins every generated page, so that a page of a rule that is gone
// can be told from a file of the user's.
const PageMark = "<!-- Written by scantling rules docs: edit the rule, not this page. -->\n"

// Page is the documentation of one rule in Markdown. Its examples are the
// rule's own cases, the shortest of each verdict, so they can't be wrong.
func (c *Catalogue) Page(r *Rule) string {
	var b strings.Builder
	b.WriteString(PageMark)
	fmt.Fprintf(&b, "# %s %s\n\n%s\n\n**Fix.** %s\n\n", r.ID, cell(r.Title), cell(r.Why), cell(r.Fix))
	b.WriteString("| | |\n|---|---|\n")
	row := func(name, value string) {
		if value != "" {
			fmt.Fprintf(&b, "| %s | %s |\n", name, value)
		}
	}
	row("severity", r.Severity.String())
	row("stage, control", string(r.Stage)+", "+r.Control)
	row("since", r.Since)
	row("on by default", onByDefault(r))
	row("named sets", strings.Join(c.setsOf(r.ID), ", "))
	row("ATT&CK", strings.Join(r.Attack, ", "))
	row("also known as", codes(r.Aliases))
	row("reads", reads(r))
	fmt.Fprintf(&b, "\n## What it looks for\n\n%s", logic(r))
	for _, v := range []struct {
		verdict model.Verdict
		title   string
	}{{model.Fail, "Fails"}, {model.Pass, "Passes"}, {model.Unknown, "Can't tell"}} {
		if example := c.shortest(r.ID, v.verdict); example != nil {
			fmt.Fprintf(&b, "\n## %s\n\n%s", v.title, fenced("", string(example.Data)))
		}
	}
	b.WriteString("\n## Sources\n\n")
	for _, s := range r.Cites {
		fmt.Fprintf(&b, "- %s\n", cell(s))
	}
	return b.String()
}

// Index is the page that lists all rules by stage, and the sets.
func (c *Catalogue) Index() string {
	var b strings.Builder
	b.WriteString(PageMark)
	fmt.Fprintf(&b, "# Rules\n\n%d rules. [How to write one](../guide/write-a-rule.md), [how sets are chosen](../interfaces.md#switches), [what is seen of ATT&CK](attack.md).\n", len(c.Rules))
	for _, stage := range model.Stages {
		rules := c.Stage(stage)
		if len(rules) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s\n\n| id | title | severity | control | default |\n|---|---|---|---|---|\n", stage)
		for _, r := range rules {
			on := "on"
			if r.Off != "" {
				on = "off"
			}
			fmt.Fprintf(&b, "| [%s](%s.md) | %s | %s | %s | %s |\n", r.ID, r.ID, cell(r.Title), r.Severity, r.Control, on)
		}
	}
	if len(c.sets) > 0 {
		b.WriteString("\n## Sets\n\n| name | rules | what it is |\n|---|---|---|\n")
		for _, s := range c.NamedSets() {
			fmt.Fprintf(&b, "| `%s` | %d | %s. %s |\n", s.Name, len(s.Rules), cell(s.Title), cell(s.Why))
		}
	}
	return b.String()
}

func onByDefault(r *Rule) string {
	if r.Off != "" {
		return "no: " + cell(r.Off)
	}
	return "yes"
}

func (c *Catalogue) setsOf(id string) []string {
	var out []string
	for _, s := range c.NamedSets() {
		for _, member := range s.Rules {
			if member == id {
				out = append(out, "`"+s.Name+"`")
			}
		}
	}
	return out
}

func codes(words []string) string {
	var out []string
	for _, w := range words {
		out = append(out, "`"+w+"`")
	}
	return strings.Join(out, ", ")
}

// reads says what the logic needs beside the object, where that is more.
func reads(r *Rule) string {
	switch r.Needs {
	case NeedsNamespace:
		return "the object and its namespace"
	case NeedsGraph:
		return "the whole cluster"
	}
	return ""
}

// logic is the rule's match as it is written, or the name of its function.
func logic(r *Rule) string {
	if r.Check != "" {
		return fmt.Sprintf("The function `%s`: neither language can say it.\n", r.Check)
	}
	var text string
	if r.Sigma != nil {
		data, err := yaml.Marshal(r.Sigma)
		if err != nil {
			return fmt.Sprintf("Not printable: %v\n", err)
		}
		text = string(data)
	} else {
		if len(r.Kinds) > 0 {
			text += "kinds: " + strings.Join(r.Kinds, ", ") + "\n"
		}
		if r.Each != "" {
			text += "each:  " + r.Each + "\n"
		}
		for _, v := range r.Variables {
			text += fmt.Sprintf("variables.%s = %s\n", v.Name, strings.TrimSpace(v.Expression))
		}
		text += "match: " + strings.TrimSpace(r.Match) + "\n"
	}
	return fenced("", text)
}

// shortest is the shortest case of a verdict; the first of several.
func (c *Catalogue) shortest(id string, verdict model.Verdict) *Case {
	var best *Case
	for i, example := range c.box[id] {
		if example.Want == verdict && (best == nil || len(example.Data) < len(best.Data)) {
			best = &c.box[id][i]
		}
	}
	return best
}

// fenced is a code block whose fence is longer than any in the text.
func fenced(language, text string) string {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + language + "\n" + strings.TrimRight(text, "\n") + "\n" + fence + "\n"
}

// cell keeps text in one cell of a table: no line end and no bar, and nothing
// that Markdown would read as a tag.
func cell(s string) string {
	return strings.NewReplacer("\n", " ", "|", "\\|", "<", "&lt;").Replace(strings.TrimSpace(s))
}
