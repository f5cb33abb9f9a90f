package advisory

import (
	"errors"
	"fmt"
	"slices"
)

// outcome is what one affected package of a record says of one version.
type outcome struct {
	affected bool
	unknown  string // why it can't be told; may stand beside affected where a guess says so
}

// evaluate follows "Evaluation" of the OSV schema: a version is affected where
// it is enumerated or lies in a range. An installed version without a place in
// the order is matched by enumeration only, and is unknown otherwise.
func (a *Affected) evaluate(installed string) outcome {
	if slices.Contains(a.Versions, installed) {
		return outcome{affected: true}
	}
	if len(a.Ranges) == 0 {
		switch {
		case a.GitOnly && len(a.Versions) == 0:
			return outcome{unknown: "it names only commits"}
		case len(a.Versions) == 0:
			return outcome{unknown: "it names no versions"}
		}
	}
	var out outcome
	join := func(one outcome) {
		out.affected = out.affected || one.affected
		if out.unknown == "" {
			out.unknown = one.unknown
		}
	}
	for i := range a.Ranges {
		join(a.Ranges[i].evaluate(a.Ecosystem, installed))
	}
	if len(a.Versions) > 0 && !out.affected {
		join(a.enumerated(installed))
	}
	return out
}

// enumerated compares with a list of versions by order, since one version may
// be written in several ways (1.0 and 1.0.0 of PyPI).
func (a *Affected) enumerated(installed string) outcome {
	o, err := orderOf(a.Ecosystem, "ECOSYSTEM")
	if err != nil {
		return outcome{} // enumeration is by text then
	}
	v, err := o.parse(installed)
	if err != nil || !v.exact {
		return outcome{unknown: fmt.Sprintf("installed version %q can't be compared", installed)}
	}
	first := leadsIn(o)
	first.add(installed)
	for _, text := range a.Versions {
		if !first.may(text) {
			continue
		}
		w, err := o.parse(text)
		if err != nil || !w.exact {
			continue
		}
		if c, err := v.compare(w); err == nil && c == 0 {
			return outcome{affected: true}
		}
	}
	return outcome{}
}

// bound is an event placed in its order.
type bound struct {
	event Event
	at    version
	start bool // "introduced": "0", which is before every version
}

// evaluate runs a version through the sorted events of a range.
func (r *Range) evaluate(ecosystem, installed string) outcome {
	o, err := orderOf(ecosystem, r.Type)
	if err != nil {
		return outcome{unknown: err.Error()}
	}
	v, err := o.parse(installed)
	if err != nil || !v.exact {
		return outcome{unknown: fmt.Sprintf("installed version %q can't be compared", installed)}
	}
	bounds, guessed, err := r.bounds(o)
	if err != nil {
		return outcome{unknown: err.Error()}
	}
	affected, err := contains(bounds, v)
	if err != nil {
		return outcome{unknown: err.Error()}
	}
	out := outcome{affected: affected}
	if guessed != "" {
		out.unknown = guess(guessed)
	}
	return out
}

func guess(bound string) string {
	return fmt.Sprintf("its version %q is malformed; it was compared as far as it can be", bound)
}

// bounds places and sorts the events. guessed names one without the form of a
// version, if any. A range that begins nowhere is refused, as the schema does:
// what it left out can't be told, and by the rest no version would be affected.
func (r *Range) bounds(o order) (bounds []bound, guessed string, err error) {
	if !slices.ContainsFunc(r.Events, func(e Event) bool { return e.Introduced != "" }) {
		return nil, "", errors.New("a range of it says not where it begins")
	}
	for _, e := range r.Events {
		if e.Introduced == "0" {
			bounds = append(bounds, bound{event: e, start: true})
			continue
		}
		if e.Limit == "*" {
			continue // the default: no limit
		}
		at, err := o.parse(e.text())
		if err != nil {
			return nil, "", fmt.Errorf("its %w", err)
		}
		if !at.exact && guessed == "" {
			guessed = at.text
		}
		bounds = append(bounds, bound{event: e, at: at})
	}
	if bounds, err = dropEmpty(bounds); err != nil {
		return nil, "", err
	}
	slices.SortStableFunc(bounds, func(x, y bound) int {
		c, cerr := x.compare(y)
		if cerr != nil {
			err = cerr
		}
		return c
	})
	return bounds, guessed, err
}

// dropEmpty takes out [v, v), an interval without versions that some databases
// write as introduced and fixed at one version, one after the other.
func dropEmpty(list []bound) ([]bound, error) {
	var out []bound
	for i := 0; i < len(list); i++ {
		if i+1 < len(list) && !list[i].start && list[i].event.Introduced != "" && list[i+1].event.Fixed != "" {
			c, err := list[i].at.compare(list[i+1].at)
			if err != nil {
				return nil, err
			}
			if c == 0 {
				i++
				continue
			}
		}
		out = append(out, list[i])
	}
	return out, nil
}

func (e Event) text() string {
	return e.Introduced + e.Fixed + e.LastAffected + e.Limit // one of them is set
}

// compare sorts by version. At one version a fix comes before a new
// introduction, so that neighbouring intervals leave no gap, and a last
// affected version after it, so that [v, v] holds v.
func (b bound) compare(o bound) (int, error) {
	if b.start || o.start {
		switch {
		case b.start && o.start:
			return 0, nil
		case b.start:
			return -1, nil
		}
		return 1, nil
	}
	c, err := b.at.compare(o.at)
	if c == 0 {
		c = b.rank() - o.rank()
	}
	return c, err
}

func (b bound) rank() int {
	switch {
	case b.event.Fixed != "":
		return 0
	case b.event.Introduced != "":
		return 1
	}
	return 2
}

// contains is the loop of the schema's pseudo-code.
func contains(bounds []bound, v version) (bool, error) {
	affected, limited, below := false, false, false
	for _, b := range bounds {
		c := 1
		if !b.start {
			var err error
			if c, err = v.compare(b.at); err != nil {
				return false, err
			}
		}
		switch {
		case b.event.Introduced != "" && c >= 0:
			affected = true
		case b.event.Fixed != "" && c >= 0, b.event.LastAffected != "" && c > 0:
			affected = false
		case b.event.Limit != "":
			limited = true
			below = below || c < 0
		}
	}
	return affected && (!limited || below), nil
}
