package bus

import (
	"bytes"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

var sameBytes = cmp.Comparer(func(a, b []byte) bool { return bytes.Equal(a, b) })

func parts() []part {
	return []part{
		{model.Batch{ID: "i", Kind: "k", Stream: "s", Key: "p", Index: 3, Received: time.Unix(1, 2).UTC(), Records: [][]byte{[]byte("one"), nil}}, 2},
		{model.Batch{Records: [][]byte{bytes.Repeat([]byte("x"), 1000)}}, 0},
		{model.Batch{Index: math.MaxInt64 - maxCount, Received: time.Unix(-5, 0).UTC(), Records: [][]byte{{0}}}, math.MaxInt32},
	}
}

func TestMessage(t *testing.T) {
	want := parts()
	data := encode(77, want)
	h, err := decode(data)
	if err != nil {
		t.Fatal(err)
	}
	var got []part
	for _, p := range h.parts {
		got = append(got, p.part)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(part{}), sameBytes); diff != "" || h.before != 77 || h.records() != 4 {
		t.Errorf("before %d, %d records: %s", h.before, h.records(), diff)
	}
	if n := len(encode(0, want[1:2])); n > 200 {
		t.Errorf("1,000 equal bytes are packed into %d", n)
	}
	for i := range data { // each byte counts
		bad := bytes.Clone(data)
		bad[i] ^= 0x10
		if _, err := decode(bad); err == nil {
			t.Errorf("byte %d changed unseen", i)
		}
		if _, err := decode(data[:i]); err == nil {
			t.Errorf("cut at %d unseen", i)
		}
	}
	newer := bytes.Clone(data)
	newer[3] = 9
	if _, err := decode(newer); err == nil || !strings.Contains(err.Error(), "version 9, this program knows 1") {
		t.Error(err)
	}
}

func TestSequence(t *testing.T) {
	for _, tc := range []struct {
		message uint64
		n       int
		want    uint64
	}{{1, 0, 1}, {1, 1, 2}, {1, maxBatches - 1, maxBatches}, {2, 0, maxBatches + 1}, {1 << 40, 7, (1<<40-1)*maxBatches + 8}} {
		got := sequence(tc.message, tc.n)
		m, n := split(got)
		if got != tc.want || m != tc.message || n != tc.n {
			t.Errorf("%d/%d: %d, which is %d/%d", tc.message, tc.n, got, m, n)
		}
	}
}

// TestRecent holds the ring against a list of everything.
func TestRecent(t *testing.T) {
	var r recent
	at := func(i int) mark { return mark{byte(i), byte(i >> 8), byte(i >> 16)} }
	const all = 3*remembered + 5
	for i := range all {
		r.add(at(i))
		r.add(at(i))
	}
	for i := range all {
		if r.has(at(i)) != (i >= all-remembered) {
			t.Fatalf("%d of %d: %v", i, all, r.has(at(i)))
		}
	}
	if len(r.set) != remembered || len(r.ring) != remembered {
		t.Errorf("%d, %d", len(r.set), len(r.ring))
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(0, parts()))
	f.Add(encode(1<<60, parts()[:1]))
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := decode(data)
		if err != nil {
			return
		}
		var ps []part
		for _, p := range h.parts {
			ps = append(ps, p.part)
		}
		again, err := decode(encode(h.before, ps))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(h, again, cmp.AllowUnexported(head{}, headPart{}, part{}), sameBytes,
			cmp.FilterPath(func(p cmp.Path) bool {
				return strings.HasPrefix(p.Last().String(), ".sum") || p.Last().String() == ".packed"
			}, cmp.Ignore())); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzCut cuts batches of records of many lengths: nothing is lost, and no
// part is larger than it may be.
func FuzzCut(f *testing.F) {
	f.Add([]byte{1, 2, 255, 0, 9}, 3)
	f.Fuzz(func(t *testing.T, lengths []byte, index int) {
		b := model.Batch{Index: max(index, 0) / 2}
		for _, n := range lengths {
			b.Records = append(b.Records, make([]byte, int(n)<<13))
		}
		ps, err := cut(b, roomOf(payload))
		if err != nil {
			t.Fatal(err)
		}
		next := b.Index
		for i, p := range ps {
			if p.number != i || p.Index != next || len(p.Records) == 0 || len(p.Records) > 1 && p.size() > maxPack+partBytes {
				t.Fatalf("part %d of %d: index %d, %d records, %d bytes", p.number, len(ps), p.Index, len(p.Records), p.size())
			}
			next += len(p.Records)
		}
		if next != b.Index+len(lengths) {
			t.Errorf("%d records of %d", next-b.Index, len(lengths))
		}
	})
}
