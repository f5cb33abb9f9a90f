package detect

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/scantling/scantling/runtime/ingest"
)

// FuzzWalk holds that the walk gathers from any object what each field's own
// path leads to, and that what values were watched for is what a test of each
// predicate says.
func FuzzWalk(f *testing.F) {
	names := []string{"a", "a.b", "a.b.c", "a.b.d", "b", "b.a", "a..b", "verb", "requestObject.spec.containers.image"}
	values := []string{"'b*'", "'*k'", "'*K?'", "x", "'*ab*c*'", "'*'", "'é'", "1.5", "null", "''"}
	var sources []Source
	for i, name := range names {
		for j, value := range values {
			text := fmt.Sprintf("title: t\nid: r%d-%d\nlogsource: {product: kubernetes, service: audit}\ndetection:\n  s: {'%s': %s, '%s|re': 'a+b'}\n  k: [k%d, '*é']\n  condition: 1 of them\n", i, j, name, value, name, j)
			more, _ := Parse("r.yml", []byte(text))
			sources = append(sources, more...)
		}
	}
	prog, _ := Compile(sources)
	if len(prog.rules) != len(names)*len(values) {
		f.Fatalf("%d rules compile, not %d", len(prog.rules), len(names)*len(values))
	}
	m := prog.NewMatcher()
	for _, seed := range []string{
		`{"a":{"b":{"c":["x","aab",{"d":1}],"d":null}},"b":[{"a":"k"},{"a":["é","K"]}],"verb":""}`,
		`{"a":{"b.c":"x"},"a.b":{"c":1.50},"a.b.d":[[]],"b.a":{},"a":"b","":{"b":"x"},"a..b":"abc","requestURI":"kx"}`,
		`{"\u0061":"\u212a","a":{"":{"b":[null,true]}},"requestObject":{"spec.containers":[{"image":"KAB"}]}}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !m.begin(ingest.Kind) {
			t.Fatal("no rule reads the audit log")
		}
		if _, err := m.parsed(raw, nil); err != nil {
			t.Skip()
		}
		for i := range prog.fields {
			if m.route.visits[i] {
				compareField(t, m, i)
			}
		}
		for i := range prog.preds {
			if got, want := m.holds(i), m.test(&prog.preds[i]); m.route.watched[i] && got != want {
				t.Errorf("predicate %s of field %q: the walk says %t, a test %t", prog.preds[i].key(), prog.fields[prog.preds[i].field].name, got, want)
			}
		}
	})
}

// compareField reads a field by its own path once more.
func compareField(t *testing.T, m *Matcher, i int) {
	t.Helper()
	var own fieldState
	paths := [][][]string{m.prog.fields[i].keys}
	if i == keywords {
		paths = nil
		for _, f := range m.route.message {
			paths = append(paths, f.keys)
		}
	}
	for _, keys := range paths {
		own.read(m.doc, keys)
	}
	got, want := texts(m.state(i)), texts(&own)
	if i == keywords { // in the order of the event, or of the fields
		slices.Sort(got)
		slices.Sort(want)
	}
	if !slices.Equal(got, want) || m.state(i).present != own.present {
		t.Errorf("field %q: the walk found %q, its path %q", m.prog.fields[i].name, got, want)
	}
}

func texts(s *fieldState) []string {
	var out []string
	for i := range s.values {
		out = append(out, fmt.Sprintf("%t %s", s.values[i].object, s.values[i].text))
	}
	return out
}

func TestFourBytes(t *testing.T) {
	for _, text := range []string{
		"10.0.0.1", "0.0.0.0", "255.255.255.255", "256.0.0.1", "01.0.0.1", "1.2.3", "1.2.3.4.5", "1.2.3.4.", ".1.2.3", "1..2.3", "", "a.b.c.d", "1.2.3.4x", "1.2.3.00", "999999999999999999999.1.1.1", "1.2.3.0",
	} {
		want, err := netip.ParseAddr(text)
		got, ok := fourBytes([]byte(text))
		if ok != (err == nil) || ok && got != want {
			t.Errorf("%q: %v %t, netip has %v %v", text, got, ok, want, err)
		}
	}
}
