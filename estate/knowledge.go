package estate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/model"
)

// knowledge is the estate sorted by what contexts ask.
type knowledge struct {
	estate   *Estate
	facts    map[string][]model.Fact     // Runs, ActsAs and Exposed, by workload
	weak     map[string][]model.Weakness // by image
	findings map[model.Ref][]int         // indexes of those that count, by asset
	rights   map[string][]string         // by identity
	blast    map[string]model.BlastContext
}

func newKnowledge(e *Estate) *knowledge {
	k := &knowledge{
		estate: e, facts: map[string][]model.Fact{}, weak: map[string][]model.Weakness{},
		findings: map[model.Ref][]int{}, rights: map[string][]string{}, blast: e.Attack.blasts(),
	}
	for _, kind := range []model.FactKind{model.Runs, model.ActsAs, model.Exposed} {
		for _, f := range e.FactsOf(kind) {
			k.facts[f.Asset.Key] = append(k.facts[f.Asset.Key], f)
		}
	}
	for _, w := range e.Weaknesses {
		k.weak[w.Image.Key] = append(k.weak[w.Image.Key], w)
	}
	for i, f := range e.Findings {
		if f.Suppressed == nil {
			ref := model.Ref{Kind: f.Asset.Kind, Key: f.Asset.Key}
			k.findings[ref] = append(k.findings[ref], i)
		}
	}
	for _, f := range e.Attack.Facts {
		if f.Kind == model.Right {
			k.rights[f.Object.Key] = append(k.rights[f.Object.Key], f.Value)
		}
	}
	return k
}

// blasts counts what every workload of the attack graph leads to.
func (a *Attack) blasts() map[string]model.BlastContext {
	out := map[string]model.BlastContext{}
	if a.Graph == nil {
		return out
	}
	var from []graph.Vertex
	for v, ref := range a.Vertices {
		if ref.Kind == model.Workload {
			from = append(from, graph.Vertex(v))
		}
	}
	counted := map[*graph.Set]model.BlastContext{} // many workloads share one
	for i, reach := range a.Graph.Closure(from, nil) {
		b, known := counted[reach.Shared]
		if !known {
			for v := range reach.Shared.All() {
				count(&b, a.Vertices[v].Kind)
			}
			counted[reach.Shared] = b
		}
		for _, v := range reach.Few {
			count(&b, a.Vertices[v].Kind)
		}
		b.Workloads-- // itself
		out[a.Vertices[from[i]].Key] = b
	}
	return out
}

func count(b *model.BlastContext, kind model.Kind) {
	switch kind {
	case model.Workload:
		b.Workloads++
	case model.Secret:
		b.Secrets++
	case model.Node:
		b.Nodes++
	case model.Cluster:
		b.ClusterAdmin = true
	}
}

// ownerLabels are those by which teams name who answers for a workload, best
// first; a prefix before a slash or dot is anyone's.
var ownerLabels = []string{"owner", "team", "contact"}

func ownerOf(labels map[string]string) string {
	for _, want := range ownerLabels {
		best := ""
		for key, value := range labels {
			last := key[strings.LastIndexAny(key, "./")+1:]
			if last == want && value != "" && (best == "" || key < best) {
				best = key
			}
		}
		if best != "" {
			return labels[best]
		}
	}
	return ""
}

func (k *knowledge) workload(a model.Asset) model.WorkloadContext {
	w := model.WorkloadContext{Key: a.Key, Owner: ownerOf(a.Labels)}
	images := 0
	for _, f := range k.facts[a.Key] {
		switch f.Kind {
		case model.ActsAs:
			w.Identity = f.Object.Key
		case model.Exposed:
			w.Exposed = f.Value
		case model.Runs:
			if images++; images > mostImages {
				continue
			}
			img, asset, doubts := k.image(f)
			w.Images = append(w.Images, img)
			w.Owner = cmp.Or(w.Owner, ownerOf(asset.Labels))
			for _, d := range doubts {
				w.Unknown = doubt(w.Unknown, d.What, d.Why)
			}
		}
	}
	if images > mostImages {
		w.Unknown = doubt(w.Unknown, "images", fmt.Sprintf("%d more are not listed", images-mostImages))
	}
	if images == 0 {
		w.Unknown = doubt(w.Unknown, "images", "the estate names none that it runs")
	}
	var doubts []model.Incomplete
	w.Findings, doubts = k.judged(a.Ref)
	for _, d := range doubts {
		w.Unknown = doubt(w.Unknown, d.What, d.Why)
	}
	if b, ok := k.blast[a.Key]; ok {
		w.Blast = &b
	} else {
		w.Unknown = doubt(w.Unknown, "blast radius", "the workload is not in the attack graph")
	}
	return w
}

// image is what is known of an image that a Runs fact names.
func (k *knowledge) image(f model.Fact) (model.ImageContext, model.Asset, []model.Incomplete) {
	out := model.ImageContext{Name: f.Object.Key}
	asset, read := k.estate.Asset(f.Object)
	if !read {
		return out, asset, []model.Incomplete{{What: "image " + f.Object.Key, Why: "it was not read: its packages and advisories are unknown"}}
	}
	out.Name, out.Digest = cmp.Or(asset.Name, f.Object.Key), f.Object.Key
	weak := slices.Clone(k.weak[f.Object.Key])
	slices.SortStableFunc(weak, worseFirst)
	for _, w := range weak {
		if out.Advisories == nil {
			out.Advisories = map[string]int{}
		}
		out.Advisories[w.Severity.String()]++
		if w.KEV {
			out.KEV++
		}
		id := w.Advisory
		if len(w.CVEs) > 0 {
			id = w.CVEs[0]
		}
		if len(out.Worst) < mostWorst && !slices.Contains(out.Worst, id) {
			out.Worst = append(out.Worst, id)
		}
	}
	_, doubts := k.judged(asset.Ref)
	return out, asset, doubts
}

func worseFirst(a, b model.Weakness) int {
	if a.KEV != b.KEV {
		if a.KEV {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(b.EPSS, a.EPSS), cmp.Compare(a.Advisory, b.Advisory))
}

// judged counts the failures of an asset by severity, and names what could not
// be told of it.
func (k *knowledge) judged(ref model.Ref) (map[string]int, []model.Incomplete) {
	var counts map[string]int
	var doubts []model.Incomplete
	for _, i := range k.findings[ref] {
		f := &k.estate.Findings[i]
		if f.Verdict == model.Unknown {
			doubts = append(doubts, model.Incomplete{What: f.Rule + " on " + ref.String(), Why: f.Message})
			continue
		}
		if counts == nil {
			counts = map[string]int{}
		}
		counts[f.Severity.String()]++
	}
	return counts, doubts
}

// identity lists the rights of an identity, with those of the groups that
// every service account is in.
func (k *knowledge) identity(key string) model.IdentityContext {
	rights := slices.Clone(k.rights[key])
	for _, g := range groupsOf(key) {
		for _, r := range k.rights[g] {
			rights = append(rights, r+" (by group "+g[strings.Index(g, "group:")+len("group:"):]+")")
		}
	}
	slices.Sort(rights)
	rights = slices.Compact(rights)
	most := min(len(rights), mostRights)
	return model.IdentityContext{Key: key, Rights: slices.Clip(rights[:most]), More: len(rights) - most}
}

// groupsOf are the groups that the API server puts an identity into.
func groupsOf(key string) []string {
	parts := strings.Split(key, "/")
	switch {
	case len(parts) == 3 && parts[1] != "": // CLUSTER/NAMESPACE/SERVICEACCOUNT
		group := parts[0] + "//group:system:"
		return []string{group + "serviceaccounts", group + "serviceaccounts:" + parts[1], group + "authenticated"}
	case len(parts) >= 3 && strings.HasPrefix(parts[2], "user:") && parts[2] != "user:system:anonymous":
		return []string{parts[0] + "//group:system:authenticated"}
	case len(parts) >= 3 && parts[2] == "user:system:anonymous":
		return []string{parts[0] + "//group:system:unauthenticated"}
	}
	return nil
}
