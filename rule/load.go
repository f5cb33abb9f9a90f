package rule

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
)

// Bounds of one rule folder, far above any real rule, so that a folder that a
// user points to by mistake can't fill the memory.
const (
	maxRuleFile  = 256 << 10 // bytes of rule.yaml
	maxCasesFile = 8 << 20   // bytes of cases.txtar
	maxRules     = 10_000    // folders of one stage
)

// Catalogue is a set of rules with their cases. It is immutable and safe to
// share.
type Catalogue struct {
	Rules []*Rule // sorted by id

	all  map[string]*Rule  // every rule loaded, also those that Select left out
	shut map[string]closed // those of stages that Load was not to read
	box  map[string][]Case // by rule id
	sets []Set             // the named ones
}

// closed is what is known of a rule that was not read: its file, and how to
// learn its released set.
type closed struct {
	file  string
	since func() string
}

// Load reads the stage folders of fsys: <stage>/<ID>-<slug>/rule.yaml, and
// the sets of sets/. Where stages are given the rules of others are not read
// and not judged: their ids and sets are names that Select takes, without a
// rule. It reads fsys again for the names of released sets. label goes before
// the paths in messages, as "rules". A malformed rule is left out and each of
// its problems reported; every error is a *Problem, in order of file and line.
// Plain files beside the folders are ignored, a folder that is neither stage
// nor rule is a problem, and so is a linked folder, which isn't followed. Give
// it os.Root's FS for a folder of a user, so that no path leaves it.
func Load(fsys fs.FS, label string, stages ...model.Stage) (*Catalogue, []error) {
	l := &loader{fsys: fsys, label: label, stages: stages, cat: newCatalogue()}
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		l.problem(".", "reading rules: %v", err)
	}
	for _, e := range entries {
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			l.problem(e.Name(), "a link: not followed")
		case !e.IsDir():
		case slices.Contains(model.Stages, model.Stage(e.Name())):
			l.stage(model.Stage(e.Name()))
		case e.Name() == setFolder:
			l.sets()
		default:
			l.problem(e.Name(), "not a stage: rules are in build, registry, infrastructure and runtime")
		}
	}
	l.cat.seal()
	slices.SortStableFunc(l.problems, compareProblems)
	errs := make([]error, 0, len(l.problems))
	for _, p := range l.problems {
		errs = append(errs, p)
	}
	return l.cat, errs
}

func newCatalogue() *Catalogue {
	return &Catalogue{all: map[string]*Rule{}, shut: map[string]closed{}, box: map[string][]Case{}}
}

func compareProblems(a, b *Problem) int {
	if c := strings.Compare(a.File, b.File); c != 0 {
		return c
	}
	return a.Line - b.Line
}

type loader struct {
	fsys     fs.FS
	label    string
	stages   []model.Stage // empty: all
	cat      *Catalogue
	problems []*Problem
}

func (l *loader) problem(name, format string, args ...any) {
	l.problems = append(l.problems, &Problem{File: path.Join(l.label, name), Text: fmt.Sprintf(format, args...)})
}

func (l *loader) stage(stage model.Stage) {
	entries, err := fs.ReadDir(l.fsys, string(stage))
	if err != nil {
		l.problem(string(stage), "reading rules: %v", err)
		return
	}
	if len(entries) > maxRules {
		l.problem(string(stage), "%d entries, more than %d: not read", len(entries), maxRules)
		return
	}
	for _, e := range entries {
		switch {
		case e.Type()&fs.ModeSymlink != 0:
			l.problem(path.Join(string(stage), e.Name()), "a link: not followed")
		case e.IsDir():
			l.folder(stage, e.Name())
		}
	}
}

// folder reads one rule with its cases.
func (l *loader) folder(stage model.Stage, name string) {
	dir := path.Join(string(stage), name)
	id, slug, ok := strings.Cut(name, "-")
	if !ok || !idForm.MatchString(id) || !slugForm.MatchString(slug) {
		l.problem(dir, "a rule's folder is named <ID>-<slug>, as B103-runs-as-root")
		return
	}
	if stageOf[id[0]] != stage {
		l.problem(dir, "id %s belongs to the %s stage", id, stageOf[id[0]])
		return
	}
	file := path.Join(dir, "rule.yaml")
	if len(l.stages) > 0 && !slices.Contains(l.stages, stage) {
		l.cat.shut[id] = closed{path.Join(l.label, file), func() string { return sinceOf(l.fsys, file) }}
		return
	}
	data, err := l.read(file, maxRuleFile)
	if err != nil {
		l.problem(file, "reading the rule: %v", err)
		return
	}
	r, problems := decode(path.Join(l.label, file), id, slug, stage, data)
	l.problems = append(l.problems, problems...)
	cases, err := l.cases(dir)
	if err != nil {
		l.problem(path.Join(dir, "cases.txtar"), "%v", err)
	}
	if r == nil {
		return
	}
	if first, twice := l.cat.all[id]; twice {
		l.problem(file, "id %s is taken by %s", id, first.File)
		return
	}
	l.cat.all[id], l.cat.box[id] = r, cases
}

// sinceOf is the released set of a rule that is not decoded, "" where it has
// not the plain form of our own rules, near the beginning.
func sinceOf(fsys fs.FS, file string) string {
	f, err := fsys.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	var head [1024]byte
	n, _ := io.ReadFull(f, head[:]) // a shorter file is one
	for line := range bytes.Lines(head[:n]) {
		if set, ok := bytes.CutPrefix(line, []byte("since: ")); ok {
			return string(bytes.TrimSpace(set))
		}
	}
	return ""
}

func (l *loader) cases(dir string) ([]Case, error) {
	data, err := l.read(path.Join(dir, "cases.txtar"), maxCasesFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("a rule has cases: one that fails and one that passes at least")
	}
	if err != nil {
		return nil, fmt.Errorf("reading cases: %w", err)
	}
	return parseCases(data)
}

// read reads a regular file of at most limit bytes.
func (l *loader) read(name string, limit int64) ([]byte, error) {
	if info, err := fs.Stat(l.fsys, name); err != nil {
		return nil, err
	} else if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file") // to open a pipe might never end
	}
	f, err := l.fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("larger than %d bytes", limit)
	}
	return data, nil
}

// seal sorts the rules once all are in.
func (c *Catalogue) seal() {
	c.Rules = nil
	for _, r := range c.all {
		c.Rules = append(c.Rules, r)
	}
	slices.SortFunc(c.Rules, byID)
}

func byID(a, b *Rule) int { return strings.Compare(a.ID, b.ID) }

// Merge returns the rules of both catalogues, before any Select. An id that
// both have is a problem: c's rule stays.
func (c *Catalogue) Merge(o *Catalogue) (*Catalogue, []error) {
	out := newCatalogue()
	var errs []error
	for _, from := range []*Catalogue{c, o} {
		for _, r := range from.Rules {
			if first := out.file(r.ID); first != "" {
				errs = append(errs, r.problem("id", "id %s is taken by %s", r.ID, first))
				continue
			}
			out.all[r.ID], out.box[r.ID] = r, from.box[r.ID]
		}
		for _, id := range sortedKeys(from.shut) {
			if first := out.file(id); first != "" {
				errs = append(errs, &Problem{File: from.shut[id].file, Text: fmt.Sprintf("id %s is taken by %s", id, first)})
				continue
			}
			out.shut[id] = from.shut[id]
		}
		for _, s := range from.sets {
			if first := out.set(s.Name); first != nil {
				errs = append(errs, &Problem{File: s.File, Text: fmt.Sprintf("set %s is taken by %s", s.Name, first.File)})
				continue
			}
			out.sets = append(out.sets, s)
		}
	}
	out.seal()
	return out, errs
}

// file is where the rule of an id is from, "" for an id that none has.
func (c *Catalogue) file(id string) string {
	if r, ok := c.all[id]; ok {
		return r.File
	}
	return c.shut[id].file
}
