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
	for _, s := range c.sets {
		words = append(words, s.Name)
	}
	for _, r := range c.Rules {
		if strings.EqualFold(r.ID, id) || r.Slug == id || slices.Contains(r.Aliases, id) {
			return nil, fmt.Errorf("no rule has the id %q; %s (%s) does", id, r.ID, r.Slug)
		}
	}
	return nil, fmt.Errorf("no rule has the id %q%s", id, suggest(id, words))
}

// Sets lists the released sets that the rules know, oldest first.
func (c *Catalogue) Sets() []string {
	var out []string
	for _, r := range c.Rules {
		out = append(out, r.Since)
	}
	for _, r := range c.shut {
		if set := r.since(); setForm.MatchString(set) {
			out = append(out, set)
		}
	}
	slices.SortFunc(out, compareSets)
	return slices.Compact(out)
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

// Select returns the catalogue restricted to what a user asked for: words
// with commas, each of them "all", a released set (the rules that it and
// earlier sets hold and that are on by default), a named set, or an id; "" is
// the newest released set. The error names what is nearest to a word that is
// none of these.
func (c *Catalogue) Select(spec string) (*Catalogue, error) {
	if spec == "" {
		return c.only(func(r *Rule) bool { return r.Off == "" }), nil
	}
	want := map[string]bool{}
	for word := range strings.SplitSeq(spec, ",") {
		if err := c.choose(strings.TrimSpace(word), want); err != nil {
			return nil, err
		}
	}
	return c.only(func(r *Rule) bool { return want[r.ID] }), nil
}

// choose adds the rules that one word stands for.
func (c *Catalogue) choose(word string, want map[string]bool) error {
	switch set := c.set(word); {
	case word == AllRules:
		for _, r := range c.Rules {
			want[r.ID] = true
		}
	case setForm.MatchString(word):
		released := c.Sets()
		if !slices.Contains(released, word) {
			return fmt.Errorf("no rule set is named %q: there is %s", word, strings.Join(released, ", "))
		}
		for _, r := range c.Rules {
			want[r.ID] = want[r.ID] || r.Off == "" && compareSets(r.Since, word) <= 0
		}
	case set != nil:
		for _, id := range set.Rules {
			if _, shut := c.shut[id]; shut {
				continue
			}
			if _, err := c.Rule(id); err != nil {
				return fmt.Errorf("set %s of %s: %w", set.Name, set.File, err)
			}
			want[id] = true
		}
	default:
		if _, shut := c.shut[word]; shut {
			return nil
		}
		r, err := c.Rule(word)
		if err != nil {
			return err
		}
		want[r.ID] = true
	}
	return nil
}

func (c *Catalogue) only(keep func(*Rule) bool) *Catalogue {
	out := &Catalogue{all: c.all, shut: c.shut, box: c.box, sets: c.sets}
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
