package index

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestTable(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 15, 16, 17, 100, 1000} {
		var texts []string
		for range n {
			texts = append(texts, fmt.Sprintf("package-%d", rng.IntN(10*n)))
		}
		slices.Sort(texts)
		texts = slices.Compact(texts)
		var w tableWriter
		for _, text := range texts {
			w.add(text)
		}
		tab, rest := openTable(append(w.appendTo(nil), 7))
		if tab.n != len(texts) || len(rest) != 1 {
			t.Fatalf("%d texts, %d bytes behind", tab.n, len(rest))
		}
		for i, text := range texts {
			if at, ok := tab.find(text); tab.at(i) != text || at != i || !ok {
				t.Fatalf("text %d of %d: %q, found at %d", i, n, tab.at(i), at)
			}
		}
		for range 50 {
			key := fmt.Sprintf("package-%d", rng.IntN(10*n+10))
			want, ok := slices.BinarySearch(texts, key)
			if at, found := tab.find(key); at != want || found != ok {
				t.Fatalf("%q of %d: %d %v, want %d %v", key, n, at, found, want, ok)
			}
		}
		if _, ok := tab.find(""); ok || tab.lower("") != 0 || tab.lower("z") != len(texts) {
			t.Fatal("before or behind all")
		}
	}
}

func TestLists(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, bound := range []int{1, 64, 65, 1000, 100_000} {
		for _, density := range []float64{0, 0.001, 0.1, 0.5, 1} {
			var list []uint32
			for n := range bound {
				if rng.Float64() < density {
					list = append(list, uint32(n))
				}
			}
			for _, most := range []int{bound, unbounded} {
				data := appendList(nil, list, most)
				if got := slices.Collect(numbers(data)); !slices.Equal(got, list) {
					t.Fatalf("bound %d, density %v: %v, want %v", bound, density, got, list)
				}
				set := newBits(bound)
				set.addList(data)
				var got []uint32
				for n := range set.all() {
					got = append(got, uint32(n))
				}
				if !slices.Equal(got, list) || set.count() != len(list) {
					t.Fatalf("bits of bound %d, density %v: %v, want %v", bound, density, got, list)
				}
				if dense := binary.LittleEndian.Uint64(append(slices.Clone(data), make([]byte, 8)...))&1 == 1; dense && most == unbounded {
					t.Fatal("a bitmap without a bound")
				}
				if len(data) > 9+8*((bound+63)/64) && most == bound {
					t.Fatalf("bound %d, density %v: %d bytes", bound, density, len(data))
				}
			}
		}
	}
}

// TestSegmentIsRefused: bytes that are no segment, or end early, are an error.
func TestSegmentIsRefused(t *testing.T) {
	whole := emptySegment().data
	for n := range whole {
		if _, err := openSegment(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes were taken", n, len(whole))
		}
	}
	other := slices.Clone(whole)
	other[len(segmentMark)-1]++
	if _, err := openSegment(other); err == nil {
		t.Error("another format was taken")
	}
	other = slices.Clone(whole)
	other[len(other)-1]++
	if _, err := openSegment(other); err == nil {
		t.Error("versions in another order were taken")
	}
}

// BenchmarkUnion unites a list of half of a million images with 100 of a
// thousandth: go test -bench Union ./registry/index.
func BenchmarkUnion(b *testing.B) {
	const images = 1_000_000
	rng := rand.New(rand.NewPCG(5, 6))
	var lists [][]byte
	for i := range 101 {
		var list []uint32
		for n := range images {
			if i == 0 && n%2 == 0 || i > 0 && rng.IntN(1000) == 0 {
				list = append(list, uint32(n))
			}
		}
		lists = append(lists, appendList(nil, list, images))
	}
	for b.Loop() {
		set := newBits(images)
		for _, list := range lists {
			set.addList(list)
		}
		if set.count() < images/2 {
			b.Fatal(set.count())
		}
	}
}
