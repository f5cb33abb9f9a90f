package cli

import (
	"cmp"
	"fmt"
	"os"
	"slices"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
)

// catalogue loads our rules, of some stages or of all, and the user's folders,
// and selects. What doesn't compile is said and returned; the other rules run.
func (a *app) catalogue(set string, dirs []string, stages ...model.Stage) (*rule.Catalogue, []model.Incomplete, error) {
	cat, errs, err := a.load(dirs, stages)
	if err != nil {
		return nil, nil, err
	}
	var missed []model.Incomplete
	for _, err := range errs {
		missed = append(missed, a.broken(err))
	}
	words := cmp.Or(a.rules, set)
	selected, err := cat.Select(words)
	if err != nil && len(stages) > 0 { // the nearest word may be of another stage
		if cat, _, err = a.load(dirs, nil); err == nil {
			selected, err = cat.Select(words)
		}
	}
	if err != nil {
		return nil, nil, usage("--rules: %w", err)
	}
	a.judgedBy = selected.Rules
	return selected, missed, nil
}

// load reads our rules, of some stages or of all, and the folders, with what
// doesn't compile.
func (a *app) load(dirs []string, stages []model.Stage) (*rule.Catalogue, []error, error) {
	cat, errs := rule.Load(rules.FS, "rules", stages...)
	for _, dir := range append(slices.Clone(dirs), a.rulesDir...) {
		root, err := os.OpenRoot(dir)
		if err != nil {
			return nil, nil, usage("--rules-dir %s: %s", dir, cause(err))
		}
		more, problems := rule.Load(root.FS(), dir)
		root.Close()
		var clashes []error
		cat, clashes = cat.Merge(more)
		errs = append(append(errs, problems...), clashes...)
	}
	return cat, errs, nil
}

// broken says that a rule doesn't compile and returns the entry for it.
func (a *app) broken(err error) model.Incomplete {
	fmt.Fprintf(a.Err, "error: %s\n", report.Clean(err.Error()))
	return model.Incomplete{What: "rule", Why: err.Error()}
}
