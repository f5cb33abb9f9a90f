package index

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/registry/image"
)

func TestNewImage(t *testing.T) {
	deb := func(layer, name, version string) image.Package {
		return image.Package{Name: name + "-bin", Source: name, SourceVersion: version, Version: version + "+b1", Ecosystem: "Debian:12", Layer: layer}
	}
	base := []image.Package{deb("l1", "openssl", "3.0.1-1"), deb("l1", "zlib", "1:1.2-1")}
	app := image.Package{Source: "flask", SourceVersion: "1.0", Ecosystem: "PyPI", Layer: "l2"}
	image1 := NewImage(&image.Inventory{Digest: "a", Packages: append([]image.Package{app}, base...)})
	for name, tc := range map[string]struct {
		packages []image.Package
		shared   int // sets that it shares with the first image
		sets     int
	}{
		"the same layers":            {append([]image.Package{app}, base...), 2, 2},
		"another order":              {[]image.Package{base[1], app, base[0]}, 2, 2},
		"another digest of a layer":  {[]image.Package{{Source: "flask", SourceVersion: "1.0", Ecosystem: "PyPI", Layer: "l9"}, base[0], base[1]}, 2, 2},
		"only the base":              {base, 1, 1},
		"a part is masked":           {[]image.Package{app, base[0]}, 1, 2},
		"two binaries of one source": {append([]image.Package{deb("l1", "zlib", "1:1.2-1"), app}, base...), 2, 2},
		"another release":            {[]image.Package{app, {Source: "openssl", SourceVersion: "3.0.1-1", Ecosystem: "Debian:11", Layer: "l1"}, {Source: "zlib", SourceVersion: "1:1.2-1", Ecosystem: "Debian:11", Layer: "l1"}}, 1, 2},
		"no ecosystem":               {[]image.Package{app, {Source: "openssl", SourceVersion: "3.0.1-1", Layer: "l1"}}, 1, 1},
		"two layers of one content":  {append([]image.Package{deb("l3", "openssl", "3.0.1-1"), deb("l3", "zlib", "1:1.2-1"), app}, base...), 2, 2},
		"a zero byte":                {append([]image.Package{{Source: "a\x00b", SourceVersion: "1", Ecosystem: "PyPI", Layer: "l4"}, app}, base...), 2, 2},
		"spelled otherwise":          {[]image.Package{{Source: "Flask", SourceVersion: "1.0", Ecosystem: "PyPI", Layer: "l2"}}, 1, 1},
		"nothing":                    {nil, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			got := NewImage(&image.Inventory{Digest: "b", Packages: tc.packages})
			shared := 0
			for _, s := range got.Sets {
				for _, o := range image1.Sets {
					if s.Hash == o.Hash {
						shared++
					}
				}
			}
			if shared != tc.shared || len(got.Sets) != tc.sets || got.Digest != "b" {
				t.Errorf("%d sets, %d shared: %+v", len(got.Sets), shared, got)
			}
		})
	}
	want := []Component{{"Debian:12", "openssl", "3.0.1-1", ""}, {"Debian:12", "zlib", "1:1.2-1", ""}}
	if got := NewImage(&image.Inventory{Packages: base}).Sets[0].Components; !cmp.Equal(got, want) {
		t.Errorf("components %v", got)
	}
	if got := NewSet([]Component{{"PyPI", "a", "1\xff", ""}}).Components[0].Version; got != "1\uFFFD" {
		t.Errorf("version %q", got)
	}
}

// FuzzDecodeSet: what is decoded encodes to itself, if it was encoded so.
func FuzzDecodeSet(f *testing.F) {
	f.Add(encodeSet([]Component{{"Debian:12", "a", "1", ""}, {"Go", "b", "", ""}, {"AlmaLinux:8", "c", "1", "c:2"}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := decodeSet(data)
		if err != nil {
			return
		}
		again, err := decodeSet(encodeSet(list))
		if err != nil || !cmp.Equal(list, again) {
			t.Errorf("%v, then %v: %v", list, again, err)
		}
	})
}
