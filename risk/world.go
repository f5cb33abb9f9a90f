package risk

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// world is the estate as numbers: everything that a load depends on, indexed
// by small integers. It never changes; a state says what holds in it.
type world struct {
	estate   *estate.Estate
	settings Settings
	defaults *Defaults

	workloads []workload
	jewels    []jewel
	parts     []part
	weakP     []float64 // p of each of estate.Weaknesses
	leaves    []leaf    // by graph.Fact
	pairs     []pair
	pairsOf   [][]int32 // by graph.Fact: the pairs whose reach rests on it
	partUsers [][]int32 // by part: the workloads that run it
	ids       map[string]target
	notes     []string
}

// workload is one entry of the model.
type workload struct {
	ref      model.Ref
	vertex   graph.Vertex
	placed   bool // it has a vertex in the attack graph
	exposure model.Fact
	x        float64
	parts    []int32
	inputs   []model.Fact // unverified inputs of the builds of its images
	first    int          // its pairs are pairs[first:last]
	last     int
	exploit  []graph.Fact // leaves whose p follows from this workload's L
}

// part is one component of one image: patches act on it, so its rate is that
// of its worst advisory, not the sum.
type part struct {
	image      model.Ref
	component  string
	weaknesses []int32
	u          float64
	use        model.Origin
}

// leaf is a fact of the attack graph.
type leaf struct {
	p       float64
	exploit int32 // index of the workload whose weaknesses decide p; -1: p is fixed
}

// jewel is an asset worth protecting.
type jewel struct {
	name   string
	ref    model.Ref
	vertex graph.Vertex
	value  float64
	origin model.Origin
}

// pair is one workload and one jewel that it may reach.
type pair struct {
	workload int32
	jewel    int32
	supports [][]graph.Fact
	cut      bool
	bound    float64 // what the supports that were cut off could add at most
}

// target is what an id of an action's Removes points to.
type target struct {
	weakness int // -1: none
	leaves   []graph.Fact
	input    bool
}

// build turns the estate into numbers. The attack graph may be absent: then
// there are no pairs and no load.
func build(e *estate.Estate, s Settings) *world {
	w := &world{estate: e, settings: s, defaults: s.Defaults, ids: map[string]target{}}
	if w.defaults == nil {
		w.defaults = Standard()
	}
	w.addParts()
	w.addWorkloads()
	w.addLeaves()
	w.addJewels()
	w.addPairs()
	return w
}

// scaled is the same world under other defaults. The derivations stay those
// that were found, so that only their weights differ.
func (w *world) scaled(k float64) *world {
	c := *w
	c.defaults = w.defaults.Scaled(k)
	c.weakP = make([]float64, len(w.weakP))
	for i, weak := range w.estate.Weaknesses {
		c.weakP[i] = c.probability(weak)
	}
	c.leaves = make([]leaf, len(w.leaves))
	for i, l := range w.leaves {
		c.leaves[i] = leaf{p: c.leafP(w.estate.Attack.Facts[i]), exploit: l.exploit}
	}
	return &c
}

// leafP is the probability of a fact of the attack graph; scaled where it is
// a default.
func (w *world) leafP(f model.Fact) float64 {
	if f.Origin != model.Default {
		return f.P
	}
	return math.Min(f.P*w.defaults.scale, math.Max(f.P, w.defaults.MaxP))
}

// addParts groups the weaknesses by image and component.
func (w *world) addParts() {
	type key struct{ image, component string }
	index := map[key]int{}
	use := map[key]string{}
	for _, f := range w.estate.FactsOf(model.InUse) {
		use[key{f.Object.Key, f.Asset.Key}] = f.Value
	}
	for i, weak := range w.estate.Weaknesses {
		w.weakP = append(w.weakP, w.probability(weak))
		w.ids[weak.ID()] = target{weakness: i}
		k := key{weak.Image.Key, weak.Component}
		at, ok := index[k]
		if !ok {
			at = len(w.parts)
			index[k] = at
			u, origin := w.inUse(use[k])
			w.parts = append(w.parts, part{image: weak.Image, component: weak.Component, u: u, use: origin})
		}
		w.parts[at].weaknesses = append(w.parts[at].weaknesses, int32(i))
	}
	w.partUsers = make([][]int32, len(w.parts))
}

// probability of one advisory over 30 days: max(EPSS, MaxP where in KEV),
// the default where there is no score, never above MaxP.
func (w *world) probability(weak model.Weakness) float64 {
	p := w.defaults.NoEPSS
	if weak.HasEPSS {
		p = weak.EPSS
	}
	if weak.KEV {
		p = w.defaults.MaxP
	}
	return math.Min(math.Max(p, 0), w.defaults.MaxP)
}

func (w *world) inUse(value string) (float64, model.Origin) {
	switch value {
	case "loaded":
		return w.defaults.Loaded, model.Measured
	case "never":
		return w.defaults.NeverLoaded, model.Measured
	}
	return w.defaults.UnknownUse, model.Default
}

// addWorkloads collects the entries: their exposure, and through Runs and
// BuiltBy the parts and the unverified inputs behind them.
func (w *world) addWorkloads() {
	partsOf := map[model.Ref][]int32{}
	for i, p := range w.parts {
		partsOf[p.image] = append(partsOf[p.image], int32(i))
	}
	inputsOf := w.inputs()
	images := map[model.Ref][]model.Ref{}
	for _, f := range w.estate.FactsOf(model.Runs) {
		images[f.Asset] = append(images[f.Asset], f.Object)
	}
	exposure := map[model.Ref]model.Fact{}
	for _, f := range w.estate.FactsOf(model.Exposed) {
		if old, ok := exposure[f.Asset]; !ok || w.exposure(f) > w.exposure(old) {
			exposure[f.Asset] = f
		}
	}
	for _, a := range w.estate.Assets {
		if a.Kind != model.Workload {
			continue
		}
		wl := workload{ref: a.Ref, exposure: exposure[a.Ref]}
		wl.x = w.exposure(wl.exposure)
		seen := map[model.Ref]bool{}
		for _, image := range images[a.Ref] {
			if !seen[image] {
				seen[image] = true
				wl.parts = append(wl.parts, partsOf[image]...)
				wl.inputs = append(wl.inputs, inputsOf[image]...)
			}
		}
		for _, p := range wl.parts {
			w.partUsers[p] = append(w.partUsers[p], int32(len(w.workloads)))
		}
		w.workloads = append(w.workloads, wl)
	}
}

// exposure is x of a workload. No fact: nobody saw a way to it.
func (w *world) exposure(f model.Fact) float64 {
	switch f.Value {
	case "public":
		return w.defaults.Public
	case "inside":
		return w.defaults.Inside
	}
	return w.defaults.Hidden
}

// inputs finds the unverified inputs of each image through its source.
func (w *world) inputs() map[model.Ref][]model.Fact {
	bySource := map[model.Ref][]model.Fact{}
	for _, f := range w.estate.FactsOf(model.UnverifiedInput) {
		bySource[f.Asset] = append(bySource[f.Asset], f)
		w.ids[f.ID()] = target{weakness: -1, input: true}
	}
	byImage := map[model.Ref][]model.Fact{}
	for _, f := range w.estate.FactsOf(model.BuiltBy) {
		byImage[f.Asset] = append(byImage[f.Asset], bySource[f.Object]...)
	}
	return byImage
}

// addLeaves copies the facts of the attack graph; the p of an Exploit fact is
// that of its workload's weaknesses and is filled in by the state.
func (w *world) addLeaves() {
	at := map[model.Ref]int32{}
	for i, wl := range w.workloads {
		at[wl.ref] = int32(i)
	}
	for i, f := range w.estate.Attack.Facts {
		l := leaf{p: w.leafP(f), exploit: -1}
		if wl, ok := at[f.Asset]; ok && f.Kind == model.Exploit {
			l.exploit = wl
			w.workloads[wl].exploit = append(w.workloads[wl].exploit, graph.Fact(i))
		}
		w.leaves = append(w.leaves, l)
		t := w.ids[f.ID()]
		if t.leaves == nil {
			t.weakness = -1
		}
		t.leaves = append(t.leaves, graph.Fact(i))
		w.ids[f.ID()] = t
	}
	vertex := map[model.Ref]graph.Vertex{}
	for v, ref := range w.estate.Attack.Vertices {
		if _, ok := vertex[ref]; !ok {
			vertex[ref] = graph.Vertex(v)
		}
	}
	for i := range w.workloads {
		w.workloads[i].vertex, w.workloads[i].placed = vertex[w.workloads[i].ref], false
		_, w.workloads[i].placed = vertex[w.workloads[i].ref]
	}
}

// addPairs finds the supports of every jewel from every workload, all at once:
// most of the graph is the same seen from any of them.
func (w *world) addPairs() {
	if w.estate.Attack.Graph == nil {
		return
	}
	var entries []graph.Vertex
	for _, wl := range w.workloads {
		if wl.placed {
			entries = append(entries, wl.vertex)
		}
	}
	kept := min(max(budget/max(len(entries)*len(w.jewels), 1), least), most)
	opt := graph.Options{P: w.probabilities(), Floor: floor, Max: kept}
	for _, j := range w.jewels {
		opt.To = append(opt.To, j.vertex)
	}
	found := w.estate.Attack.Graph.SupportsEach(entries, opt)
	w.pairsOf = make([][]int32, len(w.leaves))
	cut, worst := 0, 0.0
	for i := range w.workloads {
		w.workloads[i].first = len(w.pairs)
		if w.workloads[i].placed {
			for _, pr := range w.pairsFrom(int32(i), found[0]) {
				for _, f := range distinct(pr.supports) {
					w.pairsOf[f] = append(w.pairsOf[f], int32(len(w.pairs)))
				}
				if pr.cut {
					cut++
					worst = math.Max(worst, pr.bound)
				}
				w.pairs = append(w.pairs, pr)
			}
			found = found[1:]
		}
		w.workloads[i].last = len(w.pairs)
	}
	if cut > 0 {
		w.notes = append(w.notes, fmt.Sprintf("%s of workload and jewel have more derivations than are counted; each reach could be higher by at most %.3g", plural(cut, "pair", "pairs"), worst))
	}
}

// pairsFrom are the pairs of one workload: the jewels that it reaches.
func (w *world) pairsFrom(i int32, all *graph.Supports) []pair {
	var out []pair
	for j, jw := range w.jewels {
		supports := all.Of(jw.vertex)
		if len(supports) == 0 {
			continue
		}
		pr := pair{workload: i, jewel: int32(j)}
		for _, s := range supports {
			pr.supports = append(pr.supports, s.Facts)
		}
		pr.cut, pr.bound = all.Cut(jw.vertex)
		out = append(out, pr)
	}
	return out
}

// probabilities of the leaves at the start, before anything is removed.
func (w *world) probabilities() []float64 {
	p := make([]float64, len(w.leaves))
	for i, l := range w.leaves {
		p[i] = l.p
	}
	for i := range w.workloads {
		for _, f := range w.workloads[i].exploit {
			p[f] = w.exploit(w.rate(i, nil))
		}
	}
	return p
}

// exploit is the chance that a neighbour breaks into a workload with rate L.
func (w *world) exploit(rate float64) float64 {
	return math.Max(w.defaults.Exploit, 1-math.Exp(-rate))
}

// rate is L of workload i. gone, if not nil, says which weaknesses don't hold.
func (w *world) rate(i int, gone []bool) float64 {
	wl := &w.workloads[i]
	sum := lambda(w.defaults.UnknownFlaw)
	for _, f := range wl.inputs {
		sum += lambda(f.P)
	}
	for _, p := range wl.parts {
		sum += w.parts[p].u * lambda(w.worst(&w.parts[p], gone))
	}
	return sum
}

// worst is the highest p of the part's weaknesses that hold.
func (w *world) worst(p *part, gone []bool) float64 {
	top := 0.0
	for _, i := range p.weaknesses {
		if gone == nil || !gone[i] {
			top = math.Max(top, w.weakP[i])
		}
	}
	return top
}

// lambda is the rate of an event that happens with probability p in a period.
func lambda(p float64) float64 { return -math.Log1p(-p) }

func distinct(supports [][]graph.Fact) []graph.Fact {
	var all []graph.Fact
	for _, s := range supports {
		all = append(all, s...)
	}
	slices.SortFunc(all, cmp.Compare)
	return slices.Compact(all)
}
