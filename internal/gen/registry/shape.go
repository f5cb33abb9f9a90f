package main

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/index"
)

// shape is a registry of a size, the same for the same size. Decision 048 says
// why it looks as it does.
type shape struct {
	images, advisories  int
	bases, middle, apps int // layers of each kind; a layer's number goes through all
	layers              []index.Set
	byComponent         []pkg // of each component of all layers: which package
	firstOf             []int // where the components of a layer begin there
}

// pkg is a package with how many versions it ever had.
type pkg struct {
	ecosystem string
	name      string
	versions  int
}

// release is one release of a distribution, with its share of the images.
type release struct {
	ecosystem string
	share     int // percent
}

var releases = []release{
	{"Debian:12", 30},
	{"Debian:11", 15},
	{"Debian:13", 12},
	{"Alpine:v3.20", 14},
	{"Alpine:v3.19", 10},
	{"Ubuntu:24.04", 11},
	{"Ubuntu:22.04", 8},
}

// languages have these many packages.
var languages = []pkg{{"npm", "", 40_000}, {"PyPI", "", 20_000}, {"Go", "", 20_000}, {"Maven", "", 20_000}}

const (
	core      = 90   // packages that every image of a release has
	optional  = 2000 // others of a release
	maxLayers = 9
)

// newShape makes a registry of a million images, divided by scale.
func newShape(scale int) *shape {
	s := &shape{images: 1_000_000 / scale, advisories: 1_000_000 / scale, bases: 500 / min(scale, 20), middle: 9_500 / scale}
	s.apps = 50_000/scale - s.middle - s.bases
	rng := rand.New(rand.NewPCG(1, uint64(scale)))
	for i := range s.bases {
		s.layer(baseLayer(rng, i, s.bases))
	}
	installed := rand.NewZipf(rng, 1.1, 20, optional-1)
	for range s.middle {
		r := drawRelease(rng)
		var list []installation
		for range 20 + rng.IntN(40) {
			list = append(list, pick(rng, systemPackage(r.ecosystem, core+int(installed.Uint64()))))
		}
		s.layer(list)
	}
	var popular []*rand.Zipf
	for _, l := range languages {
		popular = append(popular, rand.NewZipf(rng, 1.1, 50, uint64(l.versions-1)))
	}
	for range s.apps {
		language := rng.IntN(len(languages))
		var list []installation
		// Most applications have some dozens of packages, some have hundreds.
		for range 5 + int(min(rng.ExpFloat64()*45, 400)) {
			list = append(list, pick(rng, languagePackage(language, int(popular[language].Uint64()))))
		}
		s.layer(list)
	}
	return s
}

// installation is a package in one of its versions.
type installation struct {
	pkg     pkg
	version int
}

// pick draws a version; new ones are installed more often.
func pick(rng *rand.Rand, p pkg) installation {
	age := int(min(rng.ExpFloat64()*float64(p.versions)/4, float64(p.versions-1)))
	return installation{p, p.versions - 1 - age}
}

// baseLayer is one build of a release: its core packages as they were then,
// and some others.
func baseLayer(rng *rand.Rand, i, bases int) []installation {
	r := releases[i%len(releases)]
	build, builds := i/len(releases), bases/len(releases)+1
	var list []installation
	for n := range core {
		p := systemPackage(r.ecosystem, n)
		list = append(list, installation{p, build * p.versions / builds})
	}
	for range rng.IntN(30) {
		list = append(list, pick(rng, systemPackage(r.ecosystem, core+rng.IntN(optional))))
	}
	return list
}

func drawRelease(rng *rand.Rand) release {
	at := rng.IntN(100)
	for _, r := range releases {
		if at -= r.share; at < 0 {
			return r
		}
	}
	return releases[0]
}

// systemPackage is the n-th package of a release; the first ones are in every
// image.
func systemPackage(ecosystem string, n int) pkg {
	return pkg{ecosystem, fmt.Sprintf("lib-%04d", n), 3 + (n*7919)%57}
}

// languagePackage is the n-th most installed one; those have more versions.
func languagePackage(language, n int) pkg {
	return pkg{languages[language].ecosystem, fmt.Sprintf("package-%05d", n), 3 + 120/(1+n/200) + n%9}
}

// versionText writes the n-th version of a package.
func versionText(ecosystem string, n int) string {
	text := fmt.Sprintf("%d.%d.%d", 1+n/20, n/4%5, n%4)
	switch ecosystem[0] {
	case 'D', 'U':
		return text + "-1"
	case 'A':
		return text + "-r0"
	}
	return text
}

// layer adds a layer, whose set is made of the installations.
func (s *shape) layer(list []installation) {
	var components []index.Component
	for _, i := range list {
		components = append(components, index.Component{Ecosystem: i.pkg.ecosystem, Name: i.pkg.name, Version: versionText(i.pkg.ecosystem, i.version)})
		s.byComponent = append(s.byComponent, i.pkg)
	}
	s.layers = append(s.layers, index.NewSet(components))
	s.firstOf = append(s.firstOf, len(s.byComponent)-len(list))
}

// zipfed draws a number below n; low ones are drawn most often.
func zipfed(rng *rand.Rand, n int) int {
	return int(rand.NewZipf(rng, 1.05, float64(n)/50+1, uint64(n-1)).Uint64())
}

// layersOf lists the layers of an image: a base, one or two in the middle, and
// those of the application. The first images have each layer once, so that
// none is without an image.
func (s *shape) layersOf(image int) []int {
	rng := rand.New(rand.NewPCG(uint64(image), 2))
	draw := []int{s.drawBase(rng)}
	for range 1 + rng.IntN(2) {
		draw = append(draw, s.bases+zipfed(rng, s.middle))
	}
	for range 2 + rng.IntN(5) {
		draw = append(draw, s.bases+s.middle+zipfed(rng, s.apps))
	}
	if image < len(s.layers) {
		draw = append(draw[:min(len(draw), maxLayers-1)], image)
	}
	slices.Sort(draw)
	return slices.Compact(draw)
}

// drawBase draws a release by its share, and then a build: the newest are in
// most images.
func (s *shape) drawBase(rng *rand.Rand) int {
	wanted := drawRelease(rng)
	at := slices.Index(releases, wanted)
	builds := (s.bases - at + len(releases) - 1) / len(releases)
	return at + (builds-1-zipfed(rng, builds))*len(releases)
}

// image is the n-th image. bare leaves out the components, for layers that are
// known.
func (s *shape) image(n int, bare bool) index.Image {
	return s.imageOf(fmt.Sprintf("%016x", n), s.layersOf(n), bare)
}

func (s *shape) imageOf(name string, layers []int, bare bool) index.Image {
	out := index.Image{Digest: fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(name)))}
	for _, l := range layers {
		set := s.layers[l]
		if bare {
			set.Components = nil
		}
		out.Sets = append(out.Sets, set)
	}
	slices.SortFunc(out.Sets, func(a, b index.Set) int { return slices.Compare(a.Hash[:], b.Hash[:]) })
	return out
}

// record is the n-th advisory. Its package is one of a random image's, so that
// what is installed often has many. Revisions of it have other ranges. The
// first one touches every version of a core package of all releases of Debian.
func (s *shape) record(n, revision int) index.Change {
	rng := rand.New(rand.NewPCG(uint64(n), 3))
	if n == 0 {
		return everywhere(revision)
	}
	layers := s.layersOf(rng.IntN(s.images))
	layer := layers[rng.IntN(len(layers))]
	end := len(s.byComponent)
	if layer+1 < len(s.firstOf) {
		end = s.firstOf[layer+1]
	}
	p := s.byComponent[s.firstOf[layer]+rng.IntN(end-s.firstOf[layer])]
	base, _, _ := cutEcosystem(p.ecosystem)
	rng = rand.New(rand.NewPCG(uint64(n), 4+uint64(revision)))
	r := advisory.Range{Type: "ECOSYSTEM", Events: []advisory.Event{{Introduced: "0"}}}
	if base == "npm" || base == "Go" {
		r.Type = "SEMVER"
	}
	fixed := 1 + rng.IntN(p.versions)
	if rng.IntN(10) < 4 {
		r.Events[0].Introduced = versionText(p.ecosystem, rng.IntN(fixed))
	}
	if rng.IntN(10) > 0 {
		r.Events = append(r.Events, advisory.Event{Fixed: versionText(p.ecosystem, fixed)})
	}
	id := fmt.Sprintf("X-%07d", n)
	return index.Change{Ecosystem: base, ID: id, New: &advisory.Record{
		ID: id, Withdrawn: revision > 0 && rng.IntN(10) == 0,
		Affected: []advisory.Affected{{Ecosystem: p.ecosystem, Name: p.name, Ranges: []advisory.Range{r}}},
	}}
}

// everywhere is the advisory that touches most images, with a fix that other
// revisions don't have.
func everywhere(revision int) index.Change {
	r := &advisory.Record{ID: "X-0000000", Withdrawn: revision%2 == 1}
	for _, one := range releases {
		if base, _, _ := cutEcosystem(one.ecosystem); base == "Debian" {
			r.Affected = append(r.Affected, advisory.Affected{
				Ecosystem: one.ecosystem, Name: systemPackage(one.ecosystem, 0).name,
				Ranges: []advisory.Range{{Type: "ECOSYSTEM", Events: []advisory.Event{{Introduced: "0"}}}},
			})
		}
	}
	slices.SortFunc(r.Affected, func(a, b advisory.Affected) int { return cmp.Compare(a.Ecosystem, b.Ecosystem) })
	return index.Change{Ecosystem: "Debian", ID: r.ID, New: r}
}
