package risk

import (
	"fmt"
	"slices"

	"github.com/scantling/scantling/model"
)

// accepted marks the weaknesses that a valid exception covers. They stay in
// the load, shown as its accepted part, and no action is proposed for them
// alone. Expired exceptions count for nothing and are said.
func (w *world) accepted() map[string]bool {
	out := map[string]bool{}
	for _, x := range w.settings.Accept {
		if x.Advisory == "" || expired(x, w.settings) {
			continue
		}
		for _, weak := range w.estate.Weaknesses {
			if names(x, weak) && w.about(x, weak.Image) {
				out[weak.ID()] = true
			}
		}
	}
	return out
}

func names(x model.Exception, weak model.Weakness) bool {
	return x.Advisory == weak.Advisory || slices.Contains(weak.CVEs, x.Advisory) || slices.Contains(weak.Aliases, x.Advisory)
}

// about reports whether an exception is about an image: by its key, name or
// alias, or by a workload that runs it.
func (w *world) about(x model.Exception, image model.Ref) bool {
	if x.Asset == "" || w.estate.Named(image, x.Asset) {
		return true
	}
	for _, f := range w.estate.FactsOf(model.Runs) {
		if f.Object == image && f.Asset.Key == x.Asset {
			return true
		}
	}
	return false
}

func expired(x model.Exception, s Settings) bool {
	return x.Expires < s.AsOf.Format("2006-01-02")
}

// acceptNotes says which exceptions expired, and which match nothing.
func (w *world) acceptNotes() []string {
	var out []string
	for _, x := range w.settings.Accept {
		switch {
		case expired(x, w.settings):
			out = append(out, fmt.Sprintf("the exception for %s of %s expired on %s: it counts no more", x.Advisory+x.Rule, x.Owner, x.Expires))
		case x.Advisory != "" && !slices.ContainsFunc(w.estate.Weaknesses, func(k model.Weakness) bool { return names(x, k) && w.about(x, k.Image) }):
			out = append(out, fmt.Sprintf("the exception for %s of %s matches nothing: delete it", x.Advisory, x.Owner))
		}
	}
	return out
}

// onlyAccepted reports whether an action would do nothing but remove what the
// user accepted.
func (w *world) onlyAccepted(a model.Action, accepted map[string]bool) bool {
	if len(a.Removes) == 0 || len(a.Adds) > 0 {
		return false
	}
	return !slices.ContainsFunc(a.Removes, func(id string) bool { return !accepted[id] })
}

// acceptedLoad is the part of the load that rests on accepted weaknesses.
func (w *world) acceptedLoad(base *state) Points {
	accepted := w.accepted()
	if len(accepted) == 0 {
		return 0
	}
	var a model.Action
	for id := range accepted {
		a.Removes = append(a.Removes, id)
	}
	slices.Sort(a.Removes)
	s := base.clone()
	s.apply(w.change(a))
	return FromFloat(base.load()) - FromFloat(s.load())
}

func plural(n int, one, many string) string {
	if n == 1 {
		return fmt.Sprintf("%d %s", n, one)
	}
	return fmt.Sprintf("%d %s", n, many)
}
