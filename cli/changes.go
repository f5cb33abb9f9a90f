package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/index"
	"github.com/scantling/scantling/report"
)

// changeRow is what one advisory says otherwise of one package from now on, and
// of which images. Severity and CVEs are those of the advisory as it is now,
// and empty where it is gone.
type changeRow struct {
	ID        string        `json:"id"`
	Kind      index.Kind    `json:"kind"`
	Advisory  string        `json:"advisory"`
	CVEs      []string      `json:"cves"`
	Severity  string        `json:"severity"`
	KEV       bool          `json:"kev"`
	Package   string        `json:"package"`
	Ecosystem string        `json:"ecosystem"`
	Module    string        `json:"module,omitempty"`
	Versions  []string      `json:"versions"`
	Fixed     string        `json:"fixed"`
	Why       string        `json:"why,omitempty"` // why it can't be told
	Images    changedImages `json:"images"`
	Workloads []string      `json:"workloads,omitzero"` // keys, sorted; only with --estate

	severity model.Severity
	names    []string // of the first images
}

type changedImages struct {
	Count   int      `json:"count"`
	Digests []string `json:"digests"` // at most maxDigests
}

// maxDigests is how many images a change names, and shownNames how many of
// them the text does.
const (
	maxDigests = 100
	shownNames = 3
)

// workloads tells which workloads of an estate run each indexed image: their
// keys by its digest, and what is not known of them.
type workloads func(ctx context.Context, indexed map[string]imageAsset) (map[string][]string, []model.Incomplete, error)

// newsReader turns what is pending into what is printed.
type newsReader struct {
	app    *app
	estate workloads // nil: no workloads are asked for

	rows   []changeRow
	ids    []string // of the transitions behind the rows
	missed []model.Incomplete
	runs   map[string][]string // keys of workloads by digest
}

// tellLeft says that a run before this one ended before it told everything.
func (a *app) tellLeft(ctx context.Context, data *indexed) error {
	n := 0
	for t, err := range data.engine.Pending(ctx) {
		if err != nil {
			return failed("%w", err)
		}
		if t.Kind != index.Indexed {
			n++
		}
	}
	if n > 0 {
		a.say("note: %s of an earlier run, which ended before it said so, %s told as well", several(n, "change", "changes"), map[bool]string{true: "is", false: "are"}[n == 1])
	}
	return nil
}

// changeKey is what transitions of one row have in common.
type changeKey struct {
	sequence               string
	kind                   index.Kind
	advisory               string
	ecosystem, pkg, module string
	fixed, why             string
}

// read groups the pending transitions by what they say.
func (n *newsReader) read(ctx context.Context, data *indexed) error {
	told := map[changeKey][]index.Transition{}
	for t, err := range data.engine.Pending(ctx) {
		if err != nil {
			return failed("%w", err)
		}
		if t.Kind == index.Indexed {
			continue // registry scan tells these
		}
		sequence, _, _ := strings.Cut(t.ID, "-")
		key := changeKey{sequence, t.Kind, t.Advisory, t.Ecosystem, t.Package, t.Module, t.Fixed, t.Why}
		told[key] = append(told[key], t)
		n.ids = append(n.ids, t.ID)
	}
	n.rows = []changeRow{}
	if len(told) == 0 {
		return nil
	}
	describe, err := data.library.Describe(ctx)
	if err != nil {
		return failed("%w", err)
	}
	assets, err := data.assets(ctx)
	if err != nil {
		return err
	}
	if n.estate != nil {
		if n.runs, n.missed, err = n.estate(ctx, assets); err != nil {
			return err
		}
	}
	for key, list := range told {
		about, err := describe(key.ecosystem, key.pkg, key.advisory)
		if err != nil {
			return failed("%w", err)
		}
		n.rows = append(n.rows, n.row(key, list, about, data.engine.Images(list...), assets))
	}
	slices.SortFunc(n.rows, compareChanges)
	return nil
}

// row is what one group of transitions says.
func (n *newsReader) row(key changeKey, list []index.Transition, about advisory.About, images *index.Images, assets map[string]imageAsset) changeRow {
	row := changeRow{
		ID: list[0].ID, Kind: key.kind, Advisory: key.advisory, CVEs: append([]string{}, about.CVEs...), KEV: about.KEV,
		Package: key.pkg, Ecosystem: key.ecosystem, Module: key.module, Fixed: key.fixed, Why: key.why,
		Images: changedImages{Count: images.Count(), Digests: []string{}},
	}
	if about.Known {
		row.severity, row.Severity = about.Severity, about.Severity.String()
	}
	for _, t := range list {
		row.Versions = append(row.Versions, t.Version)
	}
	slices.Sort(row.Versions)
	if n.estate != nil {
		row.Workloads = []string{}
	}
	for digest := range images.All() {
		if len(row.Images.Digests) < maxDigests {
			row.Images.Digests = append(row.Images.Digests, digest)
		}
		row.Workloads = append(row.Workloads, n.runs[digest]...)
		if n.estate == nil && len(row.Images.Digests) == maxDigests {
			break
		}
	}
	slices.Sort(row.Images.Digests)
	slices.Sort(row.Workloads)
	row.Workloads = slices.Compact(row.Workloads)
	for _, digest := range row.Images.Digests[:min(shownNames, len(row.Images.Digests))] {
		row.names = append(row.names, nameOf(assets, digest))
	}
	return row
}

// changeOrder is the order of the kinds: what is worst comes first.
var changeOrder = []index.Kind{index.Affected, index.Unknown, index.FixAvailable, index.Fixed, index.Withdrawn}

func compareChanges(a, b changeRow) int {
	kev := func(r changeRow) int { return map[bool]int{true: 0, false: 1}[r.KEV] }
	return cmp.Or(
		cmp.Compare(slices.Index(changeOrder, a.Kind), slices.Index(changeOrder, b.Kind)), cmp.Compare(kev(a), kev(b)), cmp.Compare(b.severity, a.severity),
		cmp.Compare(a.Advisory, b.Advisory), cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Package, b.Package), cmp.Compare(a.Module, b.Module), cmp.Compare(a.ID, b.ID),
	)
}

// found reports whether an indexed image is touched from now on by an advisory
// at or over the threshold.
func (n *newsReader) found() bool {
	return slices.ContainsFunc(n.rows, func(r changeRow) bool {
		return r.Kind == index.Affected && r.Images.Count > 0 && r.severity >= n.app.threshold()
	})
}

// undecided reports whether it can't be told any more of an indexed image.
func (n *newsReader) undecided() int {
	return len(slices.DeleteFunc(slices.Clone(n.rows), func(r changeRow) bool { return r.Kind != index.Unknown || r.Images.Count == 0 }))
}

// changesText prints a line a change, and below it the images and workloads.
func (a *app) changesText(w io.Writer, paint report.Paint, list []changeRow) error {
	if len(list) == 0 {
		return nil
	}
	if _, err := fmt.Fprintf(w, "\n%s\n", paint(report.Title, fmt.Sprintf("CHANGED for indexed images (%d)", len(list)))); err != nil {
		return err
	}
	for _, r := range list {
		line := fmt.Sprintf("%-13s  %s", r.Kind, r.Advisory)
		if len(r.CVEs) > 0 && !slices.Equal(r.CVEs, []string{r.Advisory}) {
			line += " " + strings.Join(r.CVEs, " ")
		}
		for _, word := range []string{r.Severity, map[bool]string{true: "KEV"}[r.KEV]} {
			if word != "" {
				line += "  " + word
			}
		}
		line += fmt.Sprintf("  %s %s %s", r.Ecosystem, r.Package, strings.Join(r.Versions, ", "))
		if r.Module != "" {
			line += " of " + r.Module
		}
		if r.Fixed != "" {
			line += " → " + r.Fixed
		}
		if r.Why != "" {
			line += ": " + r.Why
		}
		below := several(r.Images.Count, "image", "images")
		if len(r.names) > 0 {
			below += ": " + strings.Join(r.names, ", ")
		}
		if r.Images.Count > len(r.names) {
			below += ", …"
		}
		text := "  " + report.Clean(line) + "\n                 " + report.Clean(below) + "\n"
		if len(r.Workloads) > 0 {
			text += "                 runs in " + report.Clean(strings.Join(r.Workloads, ", ")) + "\n"
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	return nil
}
