package index

import (
	"maps"
	"slices"

	"github.com/scantling/scantling/registry/advisory"
)

// delta is what changed since the segment was made. It numbers its sets from
// where those of the segment end, and its images likewise.
type delta struct {
	firstSet   int
	firstImage int

	hashes   []Hash
	bySet    map[Hash]uint32
	packages map[string][]*recent // by ecosystem without release, and name

	digests  []string
	sets     [][]uint32 // of each digest, rising
	byDigest map[string]int
	images   map[uint32][]uint32 // of each set, those of the segment included: images of the delta
	gone     bitset              // images of the segment and the delta that were removed or replaced
	removed  int
}

// recent is the versions of one line.
type recent struct {
	line
	list advisory.VersionList // replaced and never changed, so that it can be read without the lock
	sets map[string][]uint32  // by version, rising
}

func newDelta(s *segment) *delta {
	return &delta{
		firstSet: s.setCount(), firstImage: s.digests.n,
		bySet: map[Hash]uint32{}, packages: map[string][]*recent{}, byDigest: map[string]int{}, images: map[uint32][]uint32{},
		gone: newBits(s.digests.n),
	}
}

// size is how many images a compaction would bring into the segment or out of
// it.
func (d *delta) size() int { return len(d.digests) + d.removed }

func groupKey(ecosystem, name string) string {
	base, _ := cutRelease(ecosystem)
	return base + "\x00" + name
}

// addSets adds sets that neither it nor the segment knows.
func (d *delta) addSets(sets []Set) {
	type pair struct {
		version string
		set     uint32
	}
	fresh := map[line][]pair{}
	for _, s := range sets {
		id := uint32(d.firstSet + len(d.hashes))
		d.hashes = append(d.hashes, s.Hash)
		d.bySet[s.Hash] = id
		for _, c := range s.Components {
			fresh[c.line()] = append(fresh[c.line()], pair{c.Version, id})
		}
	}
	for key, pairs := range fresh {
		group := d.group(key)
		before := len(group.sets)
		for _, p := range pairs {
			group.sets[p.version] = append(group.sets[p.version], p.set)
		}
		if len(group.sets) > before {
			group.list = advisory.SortVersions(key.ecosystem, slices.Collect(maps.Keys(group.sets)))
		}
	}
}

// group finds a line, or makes room for it.
func (d *delta) group(l line) *recent {
	key := groupKey(l.ecosystem, l.name)
	for _, g := range d.packages[key] {
		if g.line == l {
			return g
		}
	}
	g := &recent{line: l, sets: map[string][]uint32{}}
	d.packages[key] = append(d.packages[key], g)
	return g
}

// find lists the lines of one name in all releases of an ecosystem, or in the
// one that is given.
func (d *delta) find(ecosystem, name string) []*recent {
	_, release := cutRelease(ecosystem)
	var out []*recent
	for _, g := range d.packages[groupKey(ecosystem, name)] {
		if release == "" || g.ecosystem == ecosystem {
			out = append(out, g)
		}
	}
	return out
}

// put adds an image that neither it nor the segment has.
func (d *delta) put(digest string, sets []uint32) {
	n := len(d.digests)
	d.digests = append(d.digests, digest)
	d.sets = append(d.sets, sets)
	d.byDigest[digest] = n
	image := uint32(d.firstImage + n)
	for _, set := range sets {
		d.images[set] = append(d.images[set], image)
	}
	for len(d.gone)*64 <= int(image) {
		d.gone = append(d.gone, 0)
	}
}

// drop takes an image out, of the segment or of the delta.
func (d *delta) drop(image int) {
	d.gone.add(image)
	d.removed++
	if at := image - d.firstImage; at >= 0 {
		delete(d.byDigest, d.digests[at])
	}
}
