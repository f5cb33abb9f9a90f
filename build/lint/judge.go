package lint

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// AssetKind is the kind of asset that findings name. The asset itself is a
// model.Source with the same key.
const AssetKind model.Kind = "dockerfile"

// Config is what an organisation demands. The zero Config demands nothing
// beyond the rules.
type Config struct {
	// AllowBases are the images that builds may fetch. A pattern is matched
	// against the full name ("docker.io/library/alpine") and, for Docker Hub,
	// the short one ("alpine"); with a tag or digest where the pattern has
	// one. * is any text without a slash, ** any text.
	AllowBases []string
	// AllowSources are the hosts that commands may download from, as
	// "github.com" or "*.example.org".
	AllowSources []string
	// RequiredLabels are the labels that every final stage must set.
	RequiredLabels []string
	// Now decides whether a suppression has expired. Zero: the time of Compile.
	Now time.Time
}

// Judge is a compiled set of build rules. It is immutable and safe for
// concurrent use.
type Judge struct {
	prog *rule.Program[*subject]
	cfg  Config
}

// Compile compiles the build rules of a catalogue. The Judge is never nil: a
// rule or pattern that is wrong is left out and reported, the rest work.
func Compile(cat *rule.Catalogue, cfg Config) (*Judge, []error) {
	if cfg.Now.IsZero() {
		cfg.Now = time.Now()
	}
	prog, errs := rule.Compile(cat, environment())
	for _, p := range slices.Concat(cfg.AllowBases, cfg.AllowSources) {
		if p == "" {
			errs = append(errs, fmt.Errorf("an allow-list holds an empty pattern, which matches nothing"))
		}
	}
	return &Judge{prog: prog, cfg: cfg}, errs
}

// subject is one file with what is worked out of it once.
type subject struct {
	file   *dockerfile.File
	cfg    *Config
	ledger *ledger
	notes  []note
	// commands are those of each RUN as rules see them; nil until one asks.
	commands map[*dockerfile.Instruction][]map[string]any
}

func (j *Judge) subject(f *dockerfile.File) *subject {
	return &subject{file: f, cfg: &j.cfg, ledger: readLedger(f), notes: readNotes(f)}
}

// Judge judges one file. Findings are fails and unknowns, sorted by line, then
// rule; those that a comment suppresses say so.
func (j *Judge) Judge(f *dockerfile.File) []model.Finding {
	return j.judge(j.subject(f))
}

func (j *Judge) judge(s *subject) []model.Finding {
	asset := model.FindingAsset{Kind: AssetKind, Key: s.file.Name, Name: s.file.Name}
	var out []model.Finding
	for _, r := range j.prog.Eval(s) {
		finding := r.Rule.Finding(asset, r.Hit)
		finding.Suppressed = s.suppression(r.Rule, r.Position, j.cfg.Now)
		out = append(out, finding)
	}
	sortFindings(out)
	return out
}

func sortFindings(list []model.Finding) {
	slices.SortStableFunc(list, func(a, b model.Finding) int {
		return cmp.Or(
			cmp.Compare(a.Position.File, b.Position.File), cmp.Compare(a.Position.Line, b.Position.Line),
			cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Position.Column, b.Position.Column), cmp.Compare(a.ID, b.ID))
	})
}

// Reading judges files and states what the other stages need of them: an asset
// for each, its findings, evidence for the ladder, and its unverified inputs.
// Its order depends on the names of the files only.
func (j *Judge) Reading(files []*dockerfile.File) model.Reading {
	files = slices.Clone(files)
	slices.SortStableFunc(files, func(a, b *dockerfile.File) int { return cmp.Compare(a.Name, b.Name) })
	r := model.Reading{Stage: model.Build, Read: len(files)}
	if len(files) == 0 {
		r.Why = "no Dockerfile was found"
	}
	for _, f := range files {
		s := j.subject(f)
		findings := j.judge(s)
		r.Assets = append(r.Assets, asset(f))
		r.Findings = append(r.Findings, findings...)
		r.Facts = append(r.Facts, s.facts(findings)...)
		r.Incomplete = append(r.Incomplete, incomplete(f)...)
	}
	sortFindings(r.Findings)
	return r
}

func asset(f *dockerfile.File) model.Asset {
	a := model.Asset{
		Ref: model.Ref{Kind: model.Source, Key: f.Name}, Name: f.Name,
		Position: model.Position{File: f.Name, Line: min(1, f.Lines)},
	}
	if final := f.Final(); final != nil {
		for _, l := range final.End.Labels {
			if l.Known {
				if a.Labels == nil {
					a.Labels = map[string]string{}
				}
				a.Labels[l.Name] = l.Value
			}
		}
	}
	return a
}

// incomplete names what of a file wasn't read: its first problem, since one
// slip often brings others, and every command text that isn't shell.
func incomplete(f *dockerfile.File) []model.Incomplete {
	var out []model.Incomplete
	if len(f.Problems) > 0 {
		p := f.Problems[0]
		why := p.Why
		if n := len(f.Problems) - 1; n > 0 {
			why = fmt.Sprintf("%s (and %d more)", why, n)
		}
		out = append(out, model.Incomplete{What: place(p.Position), Why: why})
	}
	for _, in := range unread(f) {
		out = append(out, model.Incomplete{What: place(in.Position), Why: "the commands of RUN are not read: " + in.Run.Unread})
	}
	return out
}

// unread lists the RUN instructions whose text couldn't be read as commands.
func unread(f *dockerfile.File) []*dockerfile.Instruction {
	var out []*dockerfile.Instruction
	for _, s := range f.Stages {
		for _, in := range s.Instructions {
			if in.OnBuild != nil {
				in = in.OnBuild
			}
			if in.Kind == "RUN" && in.Run != nil && in.Run.Unread != "" && !in.Trigger {
				out = append(out, in)
			}
		}
	}
	return out
}

func place(p model.Position) string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}
