package lint

import (
	"cmp"
	"slices"
	"strings"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
)

// unverifiedP is the chance that one unverified input is bad (docs/model.md,
// defaults).
const unverifiedP = .002

// Conditions of the ladder that this package gives evidence for.
const (
	BaseKnown     = "base.known"        // every base image is named without unknown parts
	BaseAllowed   = "base.allowed"      // every one is on the allow-list; only where there is one
	BasePinned    = "base.pinned"       // every one has a digest
	DepsLedger    = "deps.ledger"       // every command was read, every download and package is known
	DepsPinned    = "deps.pinned"       // every package has a version or a lock
	DepsSources   = "deps.sources"      // verified transport, and allowed hosts where a list is set
	LabelsSource  = "labels.source"     // the required labels are set; only where some are
	HygieneLinted = "hygiene.linted"    // the whole file was judged
	HygieneHigh   = "hygiene.no-high"   // no finding of severity high or above
	HygieneMedium = "hygiene.no-medium" // none of medium or above, suppressions owned and in date
)

// answer is what is known about one condition: the reasons why it doesn't
// hold, and whether anything that matters is unknown.
type answer struct {
	condition string
	lacks     []model.Evidence
	unknown   bool
}

func (a *answer) lack(what string, at model.Position) {
	a.lacks = append(a.lacks, model.Evidence{What: what, Where: place(at)})
}

// facts states the evidence of one file, sorted by kind and value.
func (s *subject) facts(findings []model.Finding) []model.Fact {
	asset := model.Ref{Kind: model.Source, Key: s.file.Name}
	var out []model.Fact
	for _, a := range s.answers(findings) {
		f := model.Fact{Asset: asset, Value: a.condition, P: 1, Origin: model.Measured, Source: s.file.Name}
		switch {
		case len(a.lacks) > 0:
			f.Kind, f.Evidence = model.Lacks, a.lacks[:min(len(a.lacks), 10)]
		case a.unknown:
			continue
		default:
			f.Kind = model.Meets
		}
		out = append(out, f)
	}
	out = append(out, s.inputs(asset)...)
	slices.SortStableFunc(out, func(a, b model.Fact) int { return cmp.Compare(a.ID(), b.ID()) })
	return out
}

func (s *subject) answers(findings []model.Finding) []answer {
	broken := len(s.file.Problems) > 0
	out := s.bases(broken)
	deps := s.dependencies(broken)
	out = append(out, deps...)
	if len(s.cfg.RequiredLabels) > 0 {
		out = append(out, s.labels(broken))
	}
	return append(out, s.hygiene(findings, broken)...)
}

func (s *subject) bases(broken bool) []answer {
	known, pinned := answer{condition: BaseKnown}, answer{condition: BasePinned, unknown: broken}
	listed := answer{condition: BaseAllowed, unknown: broken}
	for _, p := range s.file.Problems {
		known.lack("cannot be read: "+p.Why, p.Position)
	}
	for _, in := range s.file.Inputs {
		if in.Origin != dockerfile.ImageInput {
			continue
		}
		v := imageValue(s, in)
		if in.Ref == nil {
			known.lack(in.Via+" names no known image: "+in.Text.Why, in.Position)
			listed.unknown = true
		} else if !allowed(s.cfg.AllowBases, in.Ref) {
			listed.lack(in.Ref.Name()+" is not on the list", in.Position)
		}
		switch v["pinned"] {
		case true:
		case false:
			pinned.lack(in.Text.Value+" has no digest", in.Position)
		default:
			pinned.unknown = true
		}
	}
	out := []answer{known, pinned}
	if len(s.cfg.AllowBases) > 0 {
		out = append(out, listed)
	}
	return out
}

func (s *subject) dependencies(broken bool) []answer {
	ledger := answer{condition: DepsLedger}
	pinned := answer{condition: DepsPinned, unknown: broken}
	sources := answer{condition: DepsSources, unknown: broken}
	for _, p := range s.file.Problems {
		ledger.lack("cannot be read: "+p.Why, p.Position)
	}
	for _, in := range unread(s.file) {
		ledger.lack("cannot be read: "+in.Run.Unread, in.Position)
		pinned.unknown, sources.unknown = true, true
	}
	for _, in := range s.ledger.installs {
		if in.unknown != "" {
			ledger.lack("packages are not known: "+in.unknown, in.at)
		}
	}
	for _, h := range unpinnedPackages(s) {
		if h.Verdict == model.Fail {
			pinned.lack(h.Message, h.Position)
		} else {
			pinned.unknown = true
		}
	}
	for _, h := range insecureTransport(s) {
		if h.Verdict == model.Fail {
			sources.lack(h.Message, h.Position)
		} else {
			sources.unknown = true
		}
	}
	s.hosts(&ledger, &sources)
	return []answer{ledger, pinned, sources}
}

// hosts holds the downloads against the list of allowed sources.
func (s *subject) hosts(ledger, sources *answer) {
	for _, fx := range s.ledger.fetches {
		host, ok := hostOf(fx.url)
		switch {
		case !ok:
			ledger.lack(fx.via+" fetches from a host that is not known: "+fx.url.Why, fx.at)
			sources.unknown = true
		case len(s.cfg.AllowSources) > 0 && !allowedHost(s.cfg.AllowSources, host):
			sources.lack(host+" is not an allowed source", fx.at)
		}
	}
}

func (s *subject) labels(broken bool) answer {
	a := answer{condition: LabelsSource, unknown: broken}
	final := s.file.Final()
	if final == nil {
		return answer{condition: LabelsSource, unknown: true}
	}
	for _, name := range s.cfg.RequiredLabels {
		i := slices.IndexFunc(final.End.Labels, func(v dockerfile.Variable) bool { return v.Name == name })
		switch {
		case i < 0:
			a.lack("the final stage has no label "+name, final.Position)
		case !final.End.Labels[i].Known:
			// It is set; what to is known once the image is built.
		case strings.TrimSpace(final.End.Labels[i].Value) == "":
			a.lack("the label "+name+" is empty", final.End.Labels[i].Position)
		}
	}
	return a
}

func (s *subject) hygiene(findings []model.Finding, broken bool) []answer {
	linted := answer{condition: HygieneLinted}
	for _, p := range s.file.Problems {
		linted.lack("cannot be read: "+p.Why, p.Position)
	}
	high, medium := answer{condition: HygieneHigh, unknown: broken}, answer{condition: HygieneMedium, unknown: broken}
	for _, f := range findings {
		for _, a := range []struct {
			*answer
			from model.Severity
		}{{&high, model.High}, {&medium, model.Medium}} {
			what := f.Rule + ": " + f.Message
			switch {
			case f.Severity < a.from:
			case f.Suppressed != nil && (a.from == model.High || f.Suppressed.Owner != "" && f.Suppressed.Expires != ""):
			case f.Suppressed != nil:
				a.lack(f.Rule+" is suppressed without owner or date", f.Position)
			case f.Verdict == model.Fail:
				a.lack(what, f.Position)
			default:
				a.unknown = true
			}
		}
	}
	return []answer{linted, high, medium}
}

// inputs states the unverified inputs, each once.
func (s *subject) inputs(asset model.Ref) []model.Fact {
	seen := map[string]bool{}
	var out []model.Fact
	add := func(what string, at model.Position) {
		if seen[what] {
			return
		}
		seen[what] = true
		out = append(out, model.Fact{
			Kind: model.UnverifiedInput, Asset: asset, Value: what, P: unverifiedP, Origin: model.Default, Source: "docs/model.md",
			Evidence: []model.Evidence{{What: "not verified", Where: place(at), Value: what}},
		})
	}
	for _, in := range s.file.Inputs {
		if in.Origin == dockerfile.ImageInput && imageValue(s, in)["pinned"] == false {
			add("image "+in.Text.Value, in.Position)
		}
	}
	for _, fx := range s.ledger.fetches {
		if !fx.verified {
			add("download "+safeURL(fx.url.Value), fx.at)
		}
	}
	return out
}
