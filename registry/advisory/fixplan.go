package advisory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// baseDigest is the label beside baseName.
const baseDigest = "org.opencontainers.image.base.digest"

// Step is one action of the fix plan over all images of a call.
type Step struct {
	N       int              `json:"n"`
	Type    model.ActionType `json:"type"` // upgrade-component or rebuild-base
	Title   string           `json:"title"`
	Package string           `json:"package"` // the source package; empty for a rebuild
	From    string           `json:"from"`    // installed versions, or the digest of the old base
	To      string           `json:"to"`      // version, or the name of the base
	LayerOf string           `json:"layerOf"` // base, application, or unknown
	Images  []string         `json:"images"`  // keys, sorted
	Clears  Clears           `json:"clears"`
	IDs     []string         `json:"ids"`   // advisories, sorted
	Patch   string           `json:"patch"` // a line that does it; may be empty
	Due     string           `json:"due"`   // the earliest date of what it clears; may be empty
	Why     string           `json:"why"`   // what it rests on

	Removes []string `json:"-"` // ids of weaknesses, sorted
}

// Clears counts what a step clears. Advisories that are aliases of one another
// count once for each package of each image.
type Clears struct {
	Matches  int `json:"matches"`
	KEV      int `json:"kev"`
	Critical int `json:"critical"`
	High     int `json:"high"`
}

// item is one match that has a fix, of one image.
type item struct {
	image int // place in Result.images
	match *match
	base  string // key of the base whose layer brought it; "" where none did
	layer string // base, application, or unknown
}

// FixPlan lists the fewest actions that a greedy search finds for all matches
// that have a fix and no favourable statement: each of them is cleared by
// exactly one step. An action upgrades one source package of one release to
// one version, in all images, or rebuilds images on a fresh build of their
// base, which is taken to have every released fix. Greedy covers are at most
// 1 + ln n times the smallest, with n the most that one action clears; steps
// that the others make needless are dropped.
//
// due gives the date of a weakness by its id, YYYY-MM-DD or "". Steps are
// ordered by what they clear: known to be exploited, due (what is overdue at
// today is due then), predicted to be exploited, severity, number of images.
func (r *Result) FixPlan(due func(id string) string, today time.Time) []Step {
	f := r.fixes()
	out := []Step{}
	for _, chosen := range cover(len(f.items), append(f.rebuilds(), f.upgrades()...)) {
		out = append(out, f.step(chosen, due))
	}
	f.rank(out, today.UTC().Format(time.DateOnly))
	return out
}

// fixPlan is what a plan is made of.
type fixPlan struct {
	images []judged
	bases  []foundation      // of each image
	names  map[string]string // of bases, by their layers
	items  []item
}

// fixes gathers the matches to be cleared.
func (r *Result) fixes() *fixPlan {
	f := &fixPlan{images: r.images, names: map[string]string{}}
	var invs []*image.Inventory
	for _, one := range r.images {
		invs = append(invs, one.inv)
	}
	for _, inv := range invs {
		f.bases = append(f.bases, base(inv, invs))
	}
	f.nameBases()
	for i, one := range r.images {
		b := f.bases[i]
		in := map[string]bool{}
		for _, l := range one.inv.Layers[:b.layers] {
			in[l.DiffID] = true
		}
		for k := range one.m.found {
			m := &one.m.found[k]
			if !m.weakness.Fixable() {
				continue
			}
			it := item{image: i, match: m, layer: layerOf(b, in[m.weakness.Layer])}
			if in[m.weakness.Layer] {
				it.base = f.key(i)
			}
			f.items = append(f.items, it)
		}
	}
	return f
}

// nameBases finds names by layers: an image that doesn't name its base may
// stand on the same as one that does.
func (f *fixPlan) nameBases() {
	for i, one := range f.images {
		layers := chain(one.inv, f.bases[i].layers)
		if name, old := f.bases[i].name, f.names[layers]; name != "" && (old == "" || name < old) {
			f.names[layers] = name
		}
	}
}

// key tells bases apart: by name where there is one, else by their layers.
func (f *fixPlan) key(i int) string {
	layers := chain(f.images[i].inv, f.bases[i].layers)
	return cmp.Or(f.bases[i].name, f.names[layers], layers)
}

// chain is the lowest layers of an image as one key.
func chain(inv *image.Inventory, layers int) string {
	var out []string
	for _, l := range inv.Layers[:layers] {
		out = append(out, l.DiffID)
	}
	return strings.Join(out, " ")
}

// layerOf says who brought a package, where that is known.
func layerOf(b foundation, inBase bool) string {
	switch {
	case b.layers == 0 || b.guess:
		return "unknown"
	case inBase:
		return "base"
	}
	return "application"
}

// rebuilds is an option for each base.
func (f *fixPlan) rebuilds() []option {
	clears := map[string][]int{}
	for i, it := range f.items {
		if it.base != "" {
			clears[it.base] = append(clears[it.base], i)
		}
	}
	var out []option
	for _, key := range sortedKeys(clears) {
		out = append(out, option{kind: model.RebuildBase, clears: clears[key]})
	}
	return out
}

// upgrades is an option for each source package and each version that clears
// something of it, the lowest first. Streams of a module (nodejs 16 and 18) are
// packages of their own: the fix of one is none of the other.
func (f *fixPlan) upgrades() []option {
	groups := map[string][]int{}
	for i, it := range f.items {
		w := it.match.weakness
		key := canonicalEcosystem(w.Ecosystem) + "\x00" + w.Package + "\x00" + it.match.pkg.Module
		groups[key] = append(groups[key], i)
	}
	var out []option
	for _, key := range sortedKeys(groups) {
		out = append(out, f.versions(groups[key])...)
	}
	return out
}

// versions tries every fixed version on one package. What it clears depends on
// advisory and installed version alone, so each pair is evaluated once.
func (f *fixPlan) versions(items []int) []option {
	type pair struct{ advisory, installed string }
	pairs := map[pair][]int{}
	var fixed []version
	var mended []*mending
	for _, i := range items {
		m := f.items[i].match
		p := pair{m.weakness.Advisory, m.weakness.Version}
		if pairs[p] == nil {
			fixed = append(fixed, above(m.entries, p.installed)...)
			mended = append(mended, newMending(m))
		}
		pairs[p] = append(pairs[p], i)
	}
	var out []option
	for _, candidate := range sortVersions(fixed) {
		one, to := option{kind: model.UpgradeComponent, to: candidate}, newTarget(candidate)
		for _, x := range mended {
			if x.by(to) {
				one.clears = append(one.clears, pairs[pair{x.match.weakness.Advisory, x.match.weakness.Version}]...)
			}
		}
		slices.Sort(one.clears)
		out = append(out, one)
	}
	return out
}

// step describes what was chosen.
func (f *fixPlan) step(o option, due func(id string) string) Step {
	s := Step{Type: o.kind, To: o.to, Images: []string{}, IDs: []string{}, LayerOf: f.items[o.clears[0]].layer}
	var names, from []string
	for _, i := range o.clears {
		it := f.items[i]
		w := it.match.weakness
		s.Images = append(s.Images, w.Image.Key)
		s.IDs = append(s.IDs, w.Advisory)
		s.Removes = append(s.Removes, w.ID())
		names, from = append(names, it.match.pkg.Name), append(from, w.Version)
		if it.layer != s.LayerOf {
			s.LayerOf = "unknown"
		}
		if day := due(w.ID()); day != "" && (s.Due == "" || day < s.Due) {
			s.Due = day
		}
	}
	s.Images, s.IDs, s.Removes = union(s.Images, nil), union(s.IDs, nil), union(s.Removes, nil)
	s.Clears = f.count(o.clears)
	first := f.items[o.clears[0]]
	if o.kind == model.RebuildBase {
		f.rebuild(&s, first)
		return s
	}
	w := first.match.weakness
	s.Package, s.From = w.Package, strings.Join(union(from, nil), ", ")
	s.Title = fmt.Sprintf("upgrade %s %s → %s", s.Package, s.From, s.To)
	s.Patch = upgradePatch(w.Ecosystem, w.Package, s.To, union(names, nil))
	s.Why = fmt.Sprintf("%s: %s", cmp.Or(w.Ecosystem, "an unknown system"), whose[s.LayerOf])
	return s
}

// whose is how text says LayerOf.
var whose = map[string]string{
	"base": "brought by the base", "application": "brought above the base", "unknown": "whether the base brought it is not known, or not the same in all images",
}

// rebuild fills in what a step says of a base.
func (f *fixPlan) rebuild(s *Step, first item) {
	b := f.bases[first.image]
	inv := f.images[first.image].inv
	s.To = cmp.Or(b.name, f.names[chain(inv, b.layers)])
	var digests []string
	for i, one := range f.images {
		if digest := one.inv.Config.Labels[baseDigest]; digest != "" && slices.Contains(s.Images, one.inv.Digest) && f.key(i) == first.base {
			digests = append(digests, digest)
		}
	}
	s.From = strings.Join(union(digests, nil), ", ")
	s.Title = "rebuild on a fresh build of " + cmp.Or(s.To, "the base")
	s.Patch = "docker build --pull --no-cache ."
	s.Why = fmt.Sprintf("%s of %d in %s: %s; a fresh base is taken to have every released fix", counted(b.layers, "layer"), len(inv.Layers), inv.Name, b.why)
}

// count counts what items are, aliases once.
func (f *fixPlan) count(items []int) Clears {
	var list []model.Weakness
	for _, i := range items {
		list = append(list, f.items[i].match.weakness)
	}
	return Count(list)
}

// rank orders and numbers the steps.
func (f *fixPlan) rank(steps []Step, today string) {
	epss, severity := map[string]float64{}, map[string]model.Severity{}
	for _, it := range f.items {
		w := it.match.weakness
		epss[w.ID()], severity[w.ID()] = w.EPSS, w.Severity
	}
	day := func(s Step) string {
		if s.Due == "" {
			return "9999-12-31" // no date is later than any
		}
		return max(s.Due, today)
	}
	slices.SortFunc(steps, func(a, b Step) int {
		return cmp.Or(
			-cmp.Compare(a.Clears.KEV, b.Clears.KEV), cmp.Compare(day(a), day(b)),
			-cmp.Compare(highest(a.Removes, epss), highest(b.Removes, epss)),
			-cmp.Compare(highest(a.Removes, severity), highest(b.Removes, severity)),
			-cmp.Compare(len(a.Images), len(b.Images)), -cmp.Compare(a.Clears.Matches, b.Clears.Matches),
			cmp.Compare(a.Title, b.Title), slices.Compare(a.Removes, b.Removes),
		)
	})
	for i := range steps {
		steps[i].N = i + 1
	}
}

func highest[V cmp.Ordered](ids []string, of map[string]V) V {
	var top V
	for _, id := range ids {
		top = max(top, of[id])
	}
	return top
}
