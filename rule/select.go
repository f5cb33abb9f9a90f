package rule

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/model"
)

// AllRules selects every rule, also those that are off by default.
const AllRules = "all"

// Stage returns the rules of one stage, sorted by id.
func (c *Catalogue) Stage(s model.Stage) []*Rule {
	var out []*Rule
	for _, r := range c.Rules {
		if r.Stage == s {
			out = append(out, r)
		}
	}
	return out
}

// Rule returns the rule with an id. The error names the nearest id.
func (c *Catalogue) Rule(id string) (*Rule, error) {
	for _, r := range c.Rules {
		if r.ID == id {
			return r, nil
		}
	}
	var words []string
	for _, r := range c.Rules {
		words = append(words, r.ID, r.Slug)
		words = append(words, r.Aliases...)
	}
	for _, r := range c.Rules {
		if strings.EqualFold(r.ID, id) || r.Slug == id || slices.Contains(r.Aliases, id) {
			return nil, fmt.Errorf("no rule has the id %q; %s (%s) does", id, r.ID, r.Slug)
		}
	}
	return nil, fmt.Errorf("no rule has the id %q%s", id, suggest(id, words))
}

// Sets lists the names of the rule sets that the rules know, oldest first.
func (c *Catalogue) Sets() []string {
	var out []string
	for _, r := range c.Rules {
		if !slices.Contains(out, r.Since) {
			out = append(out, r.Since)
		}
	}
	slices.SortFunc(out, compareSets)
	return out
}

// compareSets orders "2026.1" before "2026.2" before "2026.10".
func compareSets(a, b string) int {
	ay, an := setNumbers(a)
	by, bn := setNumbers(b)
	if ay != by {
		return ay - by
	}
	return an - bn
}

// setNumbers splits a name that setForm has accepted.
func setNumbers(s string) (year, number int) {
	y, n, _ := strings.Cut(s, ".")
	year, _ = strconv.Atoi(y)
	number, _ = strconv.Atoi(n)
	return year, number
}

// Select returns the catalogue restricted to what a user asked for: "all",
// the name of a rule set (the rules that it and earlier sets hold and that
// are on by default), a comma-separated list of ids, or "" for the newest
// set. The error names what is nearest to a word that is none of these.
func (c *Catalogue) Select(spec string) (*Catalogue, error) {
	sets := c.Sets()
	switch {
	case spec == AllRules:
		return c.only(func(*Rule) bool { return true }), nil
	case spec == "" && len(sets) == 0:
		return c.only(func(*Rule) bool { return false }), nil
	case spec == "":
		spec = sets[len(sets)-1]
	}
	if setForm.MatchString(spec) {
		if !slices.Contains(sets, spec) {
			return nil, fmt.Errorf("no rule set is named %q: there is %s", spec, strings.Join(sets, ", "))
		}
		return c.only(func(r *Rule) bool { return r.Off == "" && compareSets(r.Since, spec) <= 0 }), nil
	}
	want := map[string]bool{}
	for _, id := range strings.Split(spec, ",") {
		r, err := c.Rule(strings.TrimSpace(id))
		if err != nil {
			return nil, err
		}
		want[r.ID] = true
	}
	return c.only(func(r *Rule) bool { return want[r.ID] }), nil
}

func (c *Catalogue) only(keep func(*Rule) bool) *Catalogue {
	out := &Catalogue{all: c.all, box: c.box}
	for _, r := range c.Rules {
		if keep(r) {
			out.Rules = append(out.Rules, r)
		}
	}
	return out
}

// suggest is `; did you mean "X"?` for the nearest of words, or nothing when
// none is near.
func suggest(word string, words []string) string {
	if near := model.Nearest(word, words); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}
