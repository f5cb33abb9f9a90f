package image

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/go-cmp/cmp"
)

// everything lets go-cmp look into the types of this package.
var everything = cmp.Exporter(func(reflect.Type) bool { return true })

// fill gives every field below v a random value that isn't zero.
func fill(t *testing.T, rng *rand.Rand, v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Field(i)
			fill(t, rng, reflect.NewAt(field.Type(), unsafe.Pointer(field.UnsafeAddr())).Elem())
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+rng.IntN(3), 3))
		for i := range v.Len() {
			fill(t, rng, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			fill(t, rng, v.Index(i))
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fill(t, rng, key)
		fill(t, rng, value)
		v.SetMapIndex(key, value)
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, rng, v.Elem())
	case reflect.String:
		v.SetString(strings.Repeat(string(rune('a'+rng.IntN(26))), 1+rng.IntN(200)))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int64, reflect.Int32, reflect.Int16:
		v.SetInt(1 + rng.Int64N(1<<15-1))
	case reflect.Uint8:
		v.SetUint(1 + rng.Uint64N(127))
	case reflect.Uint, reflect.Uint64, reflect.Uint32, reflect.Uint16:
		v.SetUint(1 + rng.Uint64N(1<<15-1))
	default:
		t.Fatalf("a field of kind %s: teach this test to fill it, and the codec to write it", v.Kind())
	}
}

// TestCodecCoversEveryField fails when a field is added to the facts of a
// layer and not to the codec.
func TestCodecCoversEveryField(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		want := &facts{}
		fill(t, rng, reflect.ValueOf(want).Elem())
		record, err := encodeFacts("key", want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := decodeFacts("key", record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, everything); diff != "" {
			t.Fatalf("a field is lost: add it to the method of its type in codec.go, and raise extractorVersion (-want +got):\n%s", diff)
		}
	}
}

// TestCodecKeepsSharing: that two entries are one file is part of what is known.
func TestCodecKeepsSharing(t *testing.T) {
	one := &found{kind: foundGo}
	record, err := encodeFacts("", &facts{entries: []entry{{path: "a", found: one}, {path: "b", found: &found{kind: foundGo}}, {path: "c", found: one}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeFacts("", record)
	if err != nil {
		t.Fatal(err)
	}
	if e := got.entries; e[0].found != e[2].found || e[0].found == e[1].found {
		t.Errorf("a and c are one file, b is another: %+v", e)
	}
}

// sample are facts of every sort.
func sample() *facts {
	f := &found{kind: foundDpkg, packages: []Package{{Name: "a", Version: "1", Source: "a", SourceVersion: "1"}}, notes: []note{{"line 1", "odd"}}}
	return &facts{entries: []entry{
		{path: "usr/bin", kind: isDir},
		{path: "usr/bin", kind: isRun, names: "a/b/c"},
		{path: "var/lib/dpkg/status", found: f},
		{path: "bin", kind: isLink, target: "usr/bin"},
		{path: "x", kind: isHard, target: "var/lib/dpkg/status"},
		{path: "old", kind: isGone},
		{path: "etc/os-release", found: &found{kind: foundRelease, release: OS{ID: "debian"}}},
		{path: "other/status", found: f},
	}, cost: 10, bytes: 1 << 20, notes: []note{{"x", "y"}}, whole: true}
}

// TestDamagedRecords: each bit that flips and each cut is noticed.
func TestDamagedRecords(t *testing.T) {
	record, err := encodeFacts("key", sample())
	if err != nil {
		t.Fatal(err)
	}
	for i := range record {
		for bit := range 8 {
			bad := bytes.Clone(record)
			bad[i] ^= 1 << bit
			if f, err := decodeFacts("key", bad); err == nil {
				t.Fatalf("byte %d, bit %d flipped, and read as %+v", i, bit, f)
			}
		}
		if _, err := decodeFacts("key", record[:i]); err == nil {
			t.Fatalf("cut to %d bytes, and read", i)
		}
	}
	if _, err := decodeFacts("other", record); err == nil {
		t.Error("read under the key of another layer")
	}
	if _, err := decodeFacts("key", append(bytes.Clone(record), 0)); err == nil {
		t.Error("read with a byte too many")
	}
}

// seal makes a record with the right checksum of any body.
func seal(form byte, body []byte) []byte {
	if form == byZstd {
		body = packer().EncodeAll(body, nil)
	}
	record := binary.LittleEndian.AppendUint32([]byte{codecVersion, form}, checksum("key", form, body))
	return append(record, body...)
}

// TestHostileRecords have a right checksum, and take little memory.
func TestHostileRecords(t *testing.T) {
	number := func(list ...uint64) (out []byte) {
		for _, n := range list {
			out = binary.AppendUvarint(out, n)
		}
		return out
	}
	deep := &facts{entries: []entry{{path: strings.Repeat("a/", maxDeep+1) + "b"}}}
	long := &facts{entries: []entry{{path: strings.Repeat("a", maxPath+1)}}}
	bodies := map[string][]byte{
		"empty":                  {},
		"a list without end":     number(1 << 27),
		"a list without bound":   bytes.Repeat([]byte{0xff}, 11),
		"a text beyond the end":  number(1, 0, 0, 1<<20),
		"a text of later":        number(1, 0, 7),
		"a file of later":        number(1, 0, 0, 1, 'a', 1, 0, 9),
		"a kind beyond its type": number(1, 1<<20, 0, 1, 'a', 1, 0, 0, 0, 0, 0, 0),
		"a bomb":                 make([]byte, 200<<20),
		"too deep":               body(deep),
		"too long":               body(long),
	}
	for name, body := range bodies {
		for _, form := range []byte{asItIs, byZstd, 7} {
			if form == asItIs && len(body) > maxRecord {
				continue
			}
			record := seal(form, body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			f, err := decodeFacts("key", record)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Errorf("%s, form %d: read as %+v", name, form, f)
			}
			if took := after.TotalAlloc - before.TotalAlloc; took > 4<<20 {
				t.Errorf("%s, form %d: %d bytes of memory", name, form, took)
			}
		}
	}
}

// body is what a record of facts holds.
func body(f *facts) []byte {
	c := &coder{writes: true, index: map[string]int{}, seen: map[*found]int{}}
	c.facts(f)
	return c.out
}

// TestBodyThatCompressesTooWell is stored as it is.
func TestBodyThatCompressesTooWell(t *testing.T) {
	want := &facts{entries: []entry{{path: "a", kind: isRun, names: strings.Repeat("n/", 1<<20) + "n"}}}
	record, err := encodeFacts("key", want)
	if err != nil || record[1] != asItIs {
		t.Fatalf("form %d, error %v", record[1], err)
	}
	got, err := decodeFacts("key", record)
	if err != nil || !cmp.Equal(want, got, everything) {
		t.Errorf("not the same; error %v", err)
	}
	if _, err := encodeFacts("key", &facts{entries: []entry{{names: strings.Repeat("n", maxBody)}}}); err == nil {
		t.Error("a body over the bound was written")
	}
}

// FuzzFacts: whatever a record holds, reading it ends, what was read is
// written and read the same, and can be merged.
func FuzzFacts(f *testing.F) {
	f.Add(body(sample()))
	f.Add(body(&facts{}))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := decodeFacts("key", seal(asItIs, data))
		if err != nil {
			return
		}
		record, err := encodeFacts("key", got)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeFacts("key", record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, again, everything); diff != "" {
			t.Errorf("not stable (-once +twice):\n%s", diff)
		}
		merged, h := newTree(), &history{}
		merged.apply(0, got)
		h.update(merged, 0)
		merged.release()
	})
}
