package index_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/index"
)

// naive is the whole of the engine without an index: it recomputes
// everything, version by version.
type naive struct {
	images   map[string][]index.Set
	records  map[[2]string]*advisory.Record // by ecosystem and id
	findings map[string]index.Finding       // by row and version; without Versions
	told     []string
}

func newNaive() *naive {
	return &naive{map[string][]index.Set{}, map[[2]string]*advisory.Record{}, map[string]index.Finding{}, nil}
}

func (n *naive) components() map[index.Component]bool {
	out := map[index.Component]bool{}
	for _, sets := range n.images {
		for _, s := range sets {
			for _, c := range s.Components {
				out[c] = true
			}
		}
	}
	return out
}

func rowOf(id string, c index.Component) string {
	return strings.Join([]string{id, c.Ecosystem, c.Name, c.Module, c.Version}, "\x00")
}

// judge evaluates one version alone, out of any order.
func judge(r *advisory.Record, c index.Component) (index.Finding, bool) {
	if r == nil {
		return index.Finding{}, false
	}
	for _, one := range r.Touched(c.Ecosystem, c.Name, c.Module, advisory.VersionList{Texts: []string{c.Version}}) {
		return index.Finding{Affected: one.Affected, Unknown: one.Unknown, Fixed: one.Fixed}, true
	}
	return index.Finding{}, false
}

func (n *naive) add(images ...index.Image) {
	before := n.components()
	var news []string
	for _, image := range images {
		if old, ok := n.images[image.Digest]; !ok || !cmp.Equal(old, image.Sets) {
			news = append(news, image.Digest)
		}
		n.images[image.Digest] = image.Sets
	}
	for c := range n.components() {
		if before[c] {
			continue
		}
		base, _, _ := strings.Cut(c.Ecosystem, ":")
		for key, r := range n.records {
			if f, ok := judge(r, c); ok && key[0] == base {
				n.findings[rowOf(key[1], c)] = f
			}
		}
	}
	n.forget()
	if len(news) > 0 {
		n.told = append(n.told, "indexed "+strings.Join(news, " "))
	}
}

func (n *naive) change(c index.Change) {
	n.records[[2]string{c.Ecosystem, c.ID}] = c.New
	gone := index.Fixed
	now := c.New
	if c.New == nil || c.New.Withdrawn {
		gone, now = index.Withdrawn, nil
	}
	for component := range n.components() {
		if base, _, _ := strings.Cut(component.Ecosystem, ":"); base != c.Ecosystem {
			continue
		}
		row := rowOf(c.ID, component)
		old, was := n.findings[row]
		f, is := judge(now, component)
		kind := index.Kind("")
		switch {
		case was && !is:
			kind = gone
		case is && f.Affected && (!was || !old.Affected):
			kind = index.Affected
		case is && !f.Affected && (!was || old.Affected):
			kind = index.Unknown
		case is && f.Affected && f.Fixed != old.Fixed && f.Fixed != "":
			kind = index.FixAvailable
		case is && f.Affected && f.Fixed != old.Fixed:
			kind = index.Affected
		}
		if kind != "" {
			n.told = append(n.told, tellText(index.Transition{
				Kind: kind, Advisory: c.ID, Ecosystem: component.Ecosystem, Package: component.Name, Version: component.Version, Module: component.Module, Fixed: f.Fixed,
			}))
		}
		if delete(n.findings, row); is {
			n.findings[row] = f
		}
	}
}

// forget drops what was found of versions that no image has any more.
func (n *naive) forget() {
	held := map[string]bool{}
	for c := range n.components() {
		held[strings.Join([]string{c.Ecosystem, c.Name, c.Module, c.Version}, "\x00")] = true
	}
	maps.DeleteFunc(n.findings, func(row string, _ index.Finding) bool {
		_, version, _ := strings.Cut(row, "\x00")
		return !held[version]
	})
}

func tellText(t index.Transition) string {
	if t.Kind == index.Indexed {
		return "indexed " + strings.Join(t.Images, " ")
	}
	return fmt.Sprintf("%s %s %s %s %s %q >%s", t.Kind, t.Advisory, t.Ecosystem, t.Package, t.Module, t.Version, t.Fixed)
}

// source makes random worlds.
type source struct {
	*rand.Rand
	layers [][]index.Component
}

var (
	worldEcosystems = []string{"Debian:12", "Debian:11", "Debian", "Go", "PyPI", "Maven", "Unheard", "AlmaLinux:8", "AlmaLinux:9"}
	worldVersions   = strings.Fields("1 1.0 1.0.0 1.1 1.2 1.5-1 2 2-sp 2.0.0.beta1 2.0.0 2.1 3.0.0 1:1.0 (devel) 1_0 v1.2.0 1.0rc1")
	// modular are the versions, and streams the modules, of packages and records of AlmaLinux.
	modular = strings.Fields("1.0-1.el8 1.0-1.module_el8+1 1.2-1.el8 1.2-1.module_el8+2 2.0-1.module_el8+1 1_0")
	streams = []string{"", "a:1", "a:2", "a:1.0"}
)

func newSource(seed uint64) *source {
	s := &source{Rand: rand.New(rand.NewPCG(seed, 1))}
	for range 30 {
		var layer []index.Component
		for range s.IntN(8) {
			c := index.Component{Ecosystem: pick(s, worldEcosystems), Name: pick(s, []string{"a", "b", "c", "ab"}), Version: pick(s, append([]string{"\xff"}, worldVersions...))}
			if strings.HasPrefix(c.Ecosystem, "AlmaLinux") {
				c.Version, c.Module = pick(s, modular), pick(s, streams)
			}
			layer = append(layer, c)
		}
		s.layers = append(s.layers, layer)
	}
	return s
}

func pick[T any](s *source, list []T) T { return list[s.IntN(len(list))] }

func (s *source) image() index.Image {
	out := index.Image{Digest: fmt.Sprintf("sha256:%02d", s.IntN(60))}
	for range s.IntN(5) {
		layer := slices.Clone(pick(s, s.layers))
		if len(layer) > 0 && s.IntN(4) == 0 {
			layer = layer[1:] // something masks a part of it
		}
		set := index.NewSet(layer)
		if len(set.Components) > 0 && !slices.ContainsFunc(out.Sets, func(o index.Set) bool { return o.Hash == set.Hash }) {
			out.Sets = append(out.Sets, set)
		}
	}
	slices.SortFunc(out.Sets, func(a, b index.Set) int { return slices.Compare(a.Hash[:], b.Hash[:]) })
	return out
}

func (s *source) change() index.Change {
	eco := pick(s, []string{"Debian", "Go", "PyPI", "Maven", "Unheard", "AlmaLinux"})
	c := index.Change{Ecosystem: eco, ID: fmt.Sprintf("X-%d", s.IntN(12))}
	if s.IntN(10) == 0 {
		return c
	}
	c.New = &advisory.Record{ID: c.ID, Withdrawn: s.IntN(10) == 0}
	versions := worldVersions
	if eco == "AlmaLinux" {
		versions, c.New.Summary = modular, "security update of "+pick(s, streams)+" and "+pick(s, streams)
	}
	for range 1 + s.IntN(3) {
		a := advisory.Affected{Ecosystem: eco, Name: pick(s, []string{"a", "b", "c", "ab"})}
		if eco == "Debian" {
			a.Ecosystem = pick(s, worldEcosystems[:3])
		}
		if eco == "AlmaLinux" {
			a.Ecosystem = pick(s, []string{"AlmaLinux:8", "AlmaLinux:8", "AlmaLinux:9", "AlmaLinux"})
		}
		for range s.IntN(3) {
			r := advisory.Range{Type: pick(s, []string{"ECOSYSTEM", "ECOSYSTEM", "SEMVER"})}
			for range 1 + s.IntN(2) {
				r.Events = append(r.Events, advisory.Event{Introduced: pick(s, []string{"0", "1.0", pick(s, versions)})})
				if s.IntN(3) > 0 {
					r.Events = append(r.Events, pick(s, []advisory.Event{{Fixed: pick(s, versions)}, {Fixed: pick(s, versions)}, {LastAffected: pick(s, versions)}}))
				}
			}
			a.Ranges = append(a.Ranges, r)
		}
		for range s.IntN(2) {
			a.Versions = append(a.Versions, pick(s, versions))
		}
		a.GitOnly = len(a.Ranges) == 0 && s.IntN(2) == 0
		c.New.Affected = append(c.New.Affected, a)
	}
	return c
}

// op is one thing that happens to an engine.
type op struct {
	kind   string // add, remove, apply, change, compact, done
	images []index.Image
	digest string
	change index.Change
}

func (s *source) op() op {
	switch k := s.IntN(18); {
	case k < 7:
		out := op{kind: "add", images: []index.Image{s.image()}}
		for s.IntN(3) == 0 {
			if next := s.image(); !slices.ContainsFunc(out.images, func(i index.Image) bool { return i.Digest == next.Digest }) {
				out.images = append(out.images, next)
			}
		}
		return out
	case k < 9:
		return op{kind: "remove", digest: s.image().Digest}
	case k < 15:
		return op{kind: "apply", change: s.change()}
	case k < 16:
		return op{kind: "change", change: s.change()}
	case k < 17:
		return op{kind: "compact"}
	}
	return op{kind: "done"}
}

// do does it in the model.
func (n *naive) do(todo op) {
	switch todo.kind {
	case "add":
		n.add(todo.images...)
	case "remove":
		delete(n.images, todo.digest)
		n.forget()
	case "apply", "change":
		n.change(todo.change)
	case "done":
		n.told = nil
	}
}
