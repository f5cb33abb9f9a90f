package index

import (
	"iter"
	"slices"
	"sync"

	"github.com/scantling/scantling/registry/advisory"
)

// index is the whole index in memory: a segment and what changed since. It has
// one writer; readers wait only while a change is entered, which takes some
// microseconds, and not while a segment is made.
type index struct {
	mu      sync.RWMutex
	segment *segment
	delta   *delta
	head    int64 // sequence number of the last change that it holds
}

func newIndex(s *segment) *index {
	return &index{segment: s, delta: newDelta(s), head: s.covers}
}

// Images is a set of images as of one moment. It stays valid whatever happens
// to the index.
type Images struct {
	segment *segment
	digests []string // of the delta
	set     bitset
}

// Count is the number of images.
func (s *Images) Count() int { return s.set.count() }

// All lists the digests, in no particular order.
func (s *Images) All() iter.Seq[string] {
	return func(yield func(string) bool) {
		old := s.segment.digests.n
		var block []byte
		var ends []int
		for start := 0; start < old; start += blockSize {
			if s.set[start/64]>>(start%64)&(1<<blockSize-1) == 0 {
				continue // no walk over a block without any of them
			}
			block, ends = s.block(start, block[:0], ends[:0])
			texts, from := string(block), 0 // one allocation for all of them
			for _, to := range ends {
				if !yield(texts[from:to]) {
					return
				}
				from = to
			}
		}
		for i, digest := range s.digests {
			if s.set.has(old+i) && !yield(digest) {
				return
			}
		}
	}
}

// block gathers the digests of one block of the segment that are in the set.
func (s *Images) block(start int, texts []byte, ends []int) ([]byte, []int) {
	for i, digest := range s.segment.digests.all(start) {
		if i == start+blockSize {
			break
		}
		if s.set.has(i) {
			texts = append(texts, digest...)
			ends = append(ends, len(texts))
		}
	}
	return texts, ends
}

// views finds the versions of the lines of one name, in the release that is
// given or in all where none is. Each has up to two lists, of the segment and
// of the delta.
func (x *index) views(ecosystem, name string) map[line][]advisory.Versions {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := map[line][]advisory.Versions{}
	for _, place := range x.segment.find(ecosystem, name) {
		key := cutLineKey(x.segment.names.at(place))
		out[key] = append(out[key], x.segment.history(place))
	}
	for _, g := range x.delta.find(ecosystem, name) {
		out[g.line] = append(out[g.line], g.list)
	}
	return out
}

// imagesOf unites the images that hold one of the versions of packages, with
// those that are named.
func (x *index) imagesOf(versions map[Component]bool, digests []string) *Images {
	x.mu.RLock()
	defer x.mu.RUnlock()
	packages := map[line]map[string]bool{}
	for c := range versions {
		key := c.line()
		if packages[key] == nil {
			packages[key] = map[string]bool{}
		}
		packages[key][c.Version] = true
	}
	sets := newBits(x.delta.firstSet + len(x.delta.hashes))
	for key, wanted := range packages {
		x.holders(key, wanted, func(_ string, set int) { sets.add(set) })
	}
	out := &Images{x.segment, x.delta.digests, newBits(x.delta.firstImage + len(x.delta.digests))}
	for set := range sets.all() {
		if set < x.delta.firstSet {
			out.set.addList(x.segment.images.at(set))
		}
		for _, image := range x.delta.images[uint32(set)] {
			out.set.add(int(image))
		}
	}
	for _, digest := range digests {
		if image, ok := x.find(digest); ok {
			out.set.add(image)
		}
	}
	for i := range out.set {
		out.set[i] &^= x.delta.gone[i]
	}
	return out
}

// holders visits the sets that hold one of the wanted versions of a line.
// Going through all versions of a line costs less than finding a few in their
// order, which takes parsing them.
func (x *index) holders(l line, wanted map[string]bool, visit func(version string, set int)) {
	for _, place := range x.segment.find(l.ecosystem, l.name) {
		if cutLineKey(x.segment.names.at(place)) != l {
			continue
		}
		h := x.segment.history(place)
		for i, text := range h.texts.all(0) {
			if wanted[string(text)] {
				for set := range numbers(h.sets(i)) {
					visit(string(text), int(set))
				}
			}
		}
	}
	for _, g := range x.delta.find(l.ecosystem, l.name) {
		if g.line != l {
			continue
		}
		for version := range wanted {
			for _, set := range g.sets[version] {
				visit(version, int(set))
			}
		}
	}
}

// alive returns those of the wanted versions of a line that some image has.
func (x *index) alive(l line, wanted map[string]bool) map[string]bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := map[string]bool{}
	x.holders(l, wanted, func(version string, set int) {
		if !out[version] && x.inUse(set) {
			out[version] = true
		}
	})
	return out
}

// inUse reports whether some image has a set.
func (x *index) inUse(set int) bool {
	if set < x.delta.firstSet {
		for image := range numbers(x.segment.images.at(set)) {
			if !x.delta.gone.has(int(image)) {
				return true
			}
		}
	}
	for _, image := range x.delta.images[uint32(set)] {
		if !x.delta.gone.has(int(image)) {
			return true
		}
	}
	return false
}

// find returns the number of an image.
func (x *index) find(digest string) (image int, ok bool) {
	if at, ok := x.delta.byDigest[digest]; ok {
		return x.delta.firstImage + at, true
	}
	image, ok = x.segment.digests.find(digest)
	return image, ok && !x.delta.gone.has(image)
}

// findSet returns the number of a set.
func (x *index) findSet(h Hash) (set uint32, ok bool) {
	if set, ok = x.delta.bySet[h]; ok {
		return set, true
	}
	at, ok := x.segment.findSet(h)
	return uint32(at), ok
}

// has reports whether an image is there with exactly these sets.
func (x *index) has(image Image) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	at, ok := x.find(image.Digest)
	if !ok {
		return false
	}
	want := make([]uint32, 0, len(image.Sets))
	for _, s := range image.Sets {
		set, ok := x.findSet(s.Hash)
		if !ok {
			return false
		}
		want = append(want, set)
	}
	slices.Sort(want)
	want = slices.Compact(want)
	if at >= x.delta.firstImage {
		return slices.Equal(want, x.delta.sets[at-x.delta.firstImage])
	}
	return slices.Equal(want, x.segment.setsOf(at))
}

// unknown lists the sets of images that the index doesn't have, each once.
func (x *index) unknown(images []Image) []Set {
	x.mu.RLock()
	defer x.mu.RUnlock()
	var out []Set
	seen := map[Hash]bool{}
	for _, image := range images {
		for _, s := range image.Sets {
			if _, ok := x.findSet(s.Hash); !ok && !seen[s.Hash] {
				seen[s.Hash] = true
				out = append(out, s)
			}
		}
	}
	return out
}

// enter makes a change that is on disk visible: new sets, images that come or
// are replaced, images that go.
func (x *index) enter(head int64, sets []Set, put []Image, drop []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.delta.addSets(sets)
	for _, image := range put {
		if at, ok := x.find(image.Digest); ok {
			x.delta.drop(at)
		}
		ids := make([]uint32, 0, len(image.Sets))
		for _, s := range image.Sets {
			id, _ := x.findSet(s.Hash) // it was known, or is among the new ones
			ids = append(ids, id)
		}
		slices.Sort(ids)
		x.delta.put(image.Digest, slices.Compact(ids))
	}
	for _, digest := range drop {
		if at, ok := x.find(digest); ok {
			x.delta.drop(at)
		}
	}
	x.head = head
}

// replace starts over from a segment.
func (x *index) replace(s *segment, head int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.segment, x.delta, x.head = s, newDelta(s), head
}

func (x *index) sequence() int64 {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.head
}

func (x *index) setSequence(head int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.head = head
}

// knows reports whether an image is there.
func (x *index) knows(digest string) bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	_, ok := x.find(digest)
	return ok
}

// count is the number of images.
func (x *index) count() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.segment.digests.n + len(x.delta.digests) - x.delta.removed
}

// blank reports whether there is no set at all.
func (x *index) blank() bool {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return x.segment.setCount()+len(x.delta.hashes) == 0
}

// Size is how much an index holds. Of sets that no image has any more, and of
// what only they hold, it counts those that the next segment leaves out.
type Size struct {
	Images     int
	Sets       int
	Packages   int // in one release and module stream each
	Components int // versions of these
}

func (x *index) size() Size {
	n := x.count()
	x.mu.RLock()
	defer x.mu.RUnlock()
	out := Size{Images: n, Sets: x.segment.setCount() + len(x.delta.hashes), Packages: x.segment.names.n}
	for place := range x.segment.names.n {
		out.Components += x.segment.history(place).Len()
	}
	for _, groups := range x.delta.packages {
		for _, g := range groups {
			fresh := map[string]bool{}
			for version := range g.sets {
				fresh[version] = true
			}
			if !x.holds(g.line, fresh) {
				out.Packages++
			}
			out.Components += len(fresh)
		}
	}
	return out
}

// holds reports whether the segment has a line, and takes its versions from
// those that are given.
func (x *index) holds(l line, versions map[string]bool) (known bool) {
	for _, place := range x.segment.find(l.ecosystem, l.name) {
		if cutLineKey(x.segment.names.at(place)) != l {
			continue
		}
		known = true
		for _, text := range x.segment.history(place).texts.all(0) {
			delete(versions, string(text))
		}
	}
	return known
}

// forget deletes from versions those of a line that the index has, and reports
// whether it has any.
func (x *index) forget(l line, versions map[string]bool) (known bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	known = x.holds(l, versions)
	for _, g := range x.delta.find(l.ecosystem, l.name) {
		if g.line != l {
			continue
		}
		known = true
		for version := range g.sets {
			delete(versions, version)
		}
	}
	return known
}
