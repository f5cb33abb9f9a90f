package estate

import (
	"fmt"
	"slices"
	"time"

	"github.com/scantling/scantling/model"
)

// Suppress marks the findings that an exception covers, for each the first
// that does. Exceptions past their date count for nothing; those, and rule
// exceptions that cover nothing, are returned as notes.
func (e *Estate) Suppress(exceptions []model.Exception, asOf time.Time) (notes []string) {
	today := asOf.Format(time.DateOnly)
	for _, x := range exceptions {
		if x.Rule != "" && x.Expires < today {
			notes = append(notes, fmt.Sprintf("the exception for %s of %s expired on %s: it counts no more", x.Rule, x.Owner, x.Expires))
		}
		if x.Expires < today {
			continue
		}
		covered := false
		for i := range e.Findings {
			if e.covers(x, e.Findings[i]) {
				covered = true
				if e.Findings[i].Suppressed == nil {
					e.Findings[i].Suppressed = &model.Suppression{Reason: x.Reason, Owner: x.Owner, Expires: x.Expires}
				}
			}
		}
		if x.Rule != "" && !covered {
			notes = append(notes, fmt.Sprintf("the exception for %s of %s matches nothing: delete it", x.Rule, x.Owner))
		}
	}
	return notes
}

// covers reports whether an exception is about a finding: its rule or one of
// the rule's aliases, or an advisory that its evidence names; and its asset by
// key, name or alias.
func (e *Estate) covers(x model.Exception, f model.Finding) bool {
	if x.Rule != "" && x.Rule != f.Rule && !slices.Contains(f.Aliases, x.Rule) {
		return false
	}
	if x.Advisory != "" && !slices.Contains(f.Aliases, x.Advisory) && !slices.ContainsFunc(f.Evidence, func(ev model.Evidence) bool { return ev.What == AdvisoryEvidence && ev.Value == x.Advisory }) {
		return false
	}
	return x.Asset == "" || x.Asset == f.Asset.Name || e.Named(model.Ref{Kind: f.Asset.Kind, Key: f.Asset.Key}, x.Asset)
}

// Named reports whether an asset goes by a name: its key, its name or one of
// its aliases, of an image also without the tag.
func (e *Estate) Named(ref model.Ref, name string) bool {
	if ref.Key == name {
		return true
	}
	a, ok := e.Asset(ref)
	if !ok {
		return false
	}
	return slices.ContainsFunc(append(slices.Clone(a.Aliases), a.Name), func(alias string) bool {
		return alias == name || ref.Kind == model.Image && withoutTag(alias) == name
	})
}

// AdvisoryEvidence is the What of the evidence that names an advisory, or one
// of its aliases, behind a finding.
const AdvisoryEvidence = "advisory"
