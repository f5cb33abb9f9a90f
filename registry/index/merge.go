package index

import (
	"math"
	"slices"
	"strings"

	"github.com/scantling/scantling/registry/advisory"
)

// dropped stands for a number that nothing of the new segment has.
const dropped = math.MaxUint32

// merger makes a segment of another one and a delta. Images that are gone are
// left out, and sets that no image has any more, with the versions that only
// they held.
type merger struct {
	segment *segment
	delta   *delta

	images []int    // old numbers in the order of the new ones
	sets   []uint32 // new number of each old one, or dropped
	hashes []Hash   // of the new sets
	swept  []Hash   // sets that were left out
}

// merge returns the bytes of the new segment and the sets that were left out.
func merge(s *segment, d *delta, covers int64) (data []byte, swept []Hash) {
	m := &merger{segment: s, delta: d}
	m.numberImages()
	m.numberSets()
	var parts [segmentParts][]byte
	for _, h := range m.hashes {
		parts[0] = append(parts[0], h[:]...)
	}
	parts[1] = m.digests()
	parts[2], parts[3] = m.packages()
	parts[4], parts[5] = m.relation()
	return joinSegment(covers, parts), m.swept
}

// numberImages sorts the images that stay by digest.
func (m *merger) numberImages() {
	fresh := make([]int, 0, len(m.delta.byDigest))
	for _, at := range m.delta.byDigest {
		fresh = append(fresh, at)
	}
	slices.SortFunc(fresh, func(a, b int) int { return strings.Compare(m.delta.digests[a], m.delta.digests[b]) })
	for i, digest := range m.segment.digests.all(0) {
		if m.delta.gone.has(i) {
			continue
		}
		for len(fresh) > 0 && m.delta.digests[fresh[0]] < string(digest) {
			m.images = append(m.images, m.delta.firstImage+fresh[0])
			fresh = fresh[1:]
		}
		m.images = append(m.images, i)
	}
	for _, at := range fresh {
		m.images = append(m.images, m.delta.firstImage+at)
	}
}

// setsOf lists the sets of an image by their old numbers.
func (m *merger) setsOf(image int) []uint32 {
	if image >= m.delta.firstImage {
		return m.delta.sets[image-m.delta.firstImage]
	}
	return m.segment.setsOf(image)
}

// numberSets sorts the sets that some image has by hash.
func (m *merger) numberSets() {
	total := m.delta.firstSet + len(m.delta.hashes)
	used := newBits(total)
	for _, image := range m.images {
		for _, set := range m.setsOf(image) {
			used.add(int(set))
		}
	}
	type numbered struct {
		hash Hash
		old  int
	}
	var kept []numbered
	for set := range total {
		h := m.hash(set)
		if used.has(set) {
			kept = append(kept, numbered{h, set})
		} else {
			m.swept = append(m.swept, h)
		}
	}
	slices.SortFunc(kept, func(a, b numbered) int { return a.hash.compare(b.hash) })
	m.sets = make([]uint32, total)
	for i := range m.sets {
		m.sets[i] = dropped
	}
	for i, k := range kept {
		m.sets[k.old] = uint32(i)
		m.hashes = append(m.hashes, k.hash)
	}
}

func (m *merger) hash(set int) Hash {
	if set >= m.delta.firstSet {
		return m.delta.hashes[set-m.delta.firstSet]
	}
	return m.segment.hash(set)
}

// renumber maps old sets to new ones, rising.
func (m *merger) renumber(old []uint32) []uint32 {
	out := make([]uint32, 0, len(old))
	for _, set := range old {
		if n := m.sets[set]; n != dropped {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

func (m *merger) digests() []byte {
	var w tableWriter
	for _, image := range m.images {
		if image >= m.delta.firstImage {
			w.add(m.delta.digests[image-m.delta.firstImage])
		} else {
			w.add(m.segment.digests.at(image))
		}
	}
	return w.appendTo(nil)
}

// relation writes which images each set has and which sets each image has.
func (m *merger) relation() (images, sets []byte) {
	starts := make([]uint32, len(m.hashes)+1)
	var ofImages blobWriter
	for _, image := range m.images {
		list := m.renumber(m.setsOf(image))
		for _, set := range list {
			starts[set+1]++
		}
		ofImages.body = appendList(ofImages.body, list, unbounded)
		ofImages.end()
	}
	for i := 1; i < len(starts); i++ {
		starts[i] += starts[i-1]
	}
	// All lists in one slice: first how long each is, then what is in it.
	flat := make([]uint32, starts[len(starts)-1])
	at := slices.Clone(starts)
	for i := range m.images {
		for set := range numbers(ofImages.blob(i)) {
			flat[at[set]] = uint32(i)
			at[set]++
		}
	}
	var ofSets blobWriter
	for i := range m.hashes {
		ofSets.body = appendList(ofSets.body, flat[starts[i]:starts[i+1]], len(m.images))
		ofSets.end()
	}
	return ofSets.bytes(), ofImages.bytes()
}

// packages writes the names and the histories.
func (m *merger) packages() (names, histories []byte) {
	var w tableWriter
	var b blobWriter
	put := func(key string, ordered int, texts []string, sets [][]uint32) {
		if len(texts) == 0 {
			return
		}
		w.add(key)
		b.body = appendHistory(b.body, ordered, texts, sets)
		b.end()
	}
	fresh := map[string]*recent{}
	var keys []string
	for _, groups := range m.delta.packages {
		for _, g := range groups {
			key := lineKey(g.line)
			fresh[key] = g
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for place, text := range m.segment.names.all(0) {
		key := string(text)
		for len(keys) > 0 && keys[0] < key {
			put(m.history(keys[0], -1, fresh[keys[0]]))
			keys = keys[1:]
		}
		if len(keys) > 0 && keys[0] == key {
			keys = keys[1:]
		}
		put(m.history(key, place, fresh[key]))
	}
	for _, key := range keys {
		put(m.history(key, -1, fresh[key]))
	}
	return w.appendTo(nil), b.bytes()
}

// history joins the versions of a package from the segment, at a place or -1,
// and from the delta, nil for none. Only where the delta has versions of its
// own is anything sorted anew.
func (m *merger) history(key string, place int, g *recent) (name string, ordered int, texts []string, sets [][]uint32) {
	all := map[string][]uint32{}
	if place >= 0 {
		h := m.segment.history(place)
		for i, text := range h.texts.all(0) {
			if list := m.renumber(slices.Collect(numbers(h.sets(i)))); len(list) > 0 {
				version := string(text)
				texts = append(texts, version)
				all[version] = list
				if i < h.ordered {
					ordered++
				}
			}
		}
	}
	known := len(texts)
	if g != nil {
		for version, ids := range g.sets {
			list := m.renumber(ids)
			if len(list) == 0 {
				continue
			}
			if all[version] == nil {
				texts = append(texts, version)
			}
			list = append(list, all[version]...)
			slices.Sort(list)
			all[version] = list
		}
	}
	if len(texts) > known {
		sorted := advisory.SortVersions(cutLineKey(key).ecosystem, texts)
		texts, ordered = sorted.Texts, sorted.InOrder
	}
	for _, text := range texts {
		sets = append(sets, all[text])
	}
	return key, ordered, texts, sets
}
