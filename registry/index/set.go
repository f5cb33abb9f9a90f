package index

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/image"
)

// Component is one installed version in the words of advisories: a binary
// package counts as its source.
type Component struct {
	Ecosystem string // canonical, with its release
	Name      string // canonical
	Version   string
	Module    string // of rpm: name and stream, as "nodejs:18"; "" where it is of none or isn't told
}

// line is what has versions of its own: one package in one release, and in one
// stream of a module where it is of one.
type line struct{ ecosystem, name, module string }

func (c Component) line() line { return line{c.Ecosystem, c.Name, c.Module} }

func (l line) compare(o line) int {
	return cmp.Or(cmp.Compare(l.ecosystem, o.ecosystem), cmp.Compare(l.name, o.name), cmp.Compare(l.module, o.module))
}

// Hash names a set by its content: SHA-256 of its encoding.
type Hash [sha256.Size]byte

// Set is what one layer brings to an image, as far as it is visible there.
type Set struct {
	Hash       Hash
	Components []Component // sorted by ecosystem, name, version; no two are equal
}

// Image is an image as the index keeps it.
type Image struct {
	Digest string
	Sets   []Set
}

// NewImage derives the sets of an inventory: one for each layer that brought a
// visible component. Images that share a layer share its set, unless one of
// them masks a part of it, or has another operating system above it, which
// makes the layer's packages those of another ecosystem.
//
// Left out are packages without an ecosystem, which no advisory can name (see
// advisory.DB for how that is told), and names with a zero byte, which no
// registry knows. A module with one, or with more than maxModule bytes, counts
// as not told.
func NewImage(inv *image.Inventory) Image {
	layers := map[string][]Component{}
	for _, p := range inv.Packages {
		ecosystem, name := advisory.Canonical(p.Ecosystem, p.Source)
		if ecosystem == "" || strings.ContainsRune(ecosystem+name, 0) {
			continue
		}
		module := p.Module
		if len(module) > maxModule || strings.ContainsRune(module, 0) {
			module = ""
		}
		layers[p.Layer] = append(layers[p.Layer], Component{ecosystem, name, p.SourceVersion, module})
	}
	out := Image{Digest: inv.Digest}
	for _, components := range layers {
		out.Sets = append(out.Sets, NewSet(components))
	}
	slices.SortFunc(out.Sets, func(a, b Set) int { return a.Hash.compare(b.Hash) })
	out.Sets = slices.CompactFunc(out.Sets, func(a, b Set) bool { return a.Hash == b.Hash })
	return out
}

// NewSet sorts components into a set. Bytes that aren't UTF-8 are replaced:
// records, which are JSON, can't name them, and rows are JSON too.
func NewSet(components []Component) Set {
	for i, c := range components {
		valid := func(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }
		components[i] = Component{valid(c.Ecosystem), valid(c.Name), valid(c.Version), valid(c.Module)}
	}
	slices.SortFunc(components, Component.compare)
	components = slices.Compact(components)
	return Set{hashOf(components), components}
}

func hashOf(components []Component) Hash { return sha256.Sum256(encodeSet(components)) }

func (h Hash) compare(o Hash) int { return slices.Compare(h[:], o[:]) }

func (c Component) compare(o Component) int {
	return cmp.Or(cmp.Compare(c.Ecosystem, o.Ecosystem), cmp.Compare(c.Name, o.Name), cmp.Compare(c.Version, o.Version), cmp.Compare(c.Module, o.Module))
}

// encodeSet writes the ecosystem, name and version of each component, each with
// its length before it, as uvarint. A module follows the ecosystem after a zero
// byte, which no ecosystem has. One set has one encoding.
func encodeSet(components []Component) []byte {
	var out []byte
	for _, c := range components {
		ecosystem := c.Ecosystem
		if c.Module != "" {
			ecosystem += "\x00" + c.Module
		}
		for _, text := range []string{ecosystem, c.Name, c.Version} {
			out = appendText(out, text)
		}
	}
	return out
}

var errTruncated = errors.New("it ends early")

func decodeSet(body []byte) ([]Component, error) {
	var out []Component
	for len(body) > 0 {
		var fields [3]string
		for i := range fields {
			var err error
			if fields[i], body, err = cutText(body); err != nil {
				return nil, err
			}
		}
		ecosystem, module, _ := strings.Cut(fields[0], "\x00")
		out = append(out, Component{ecosystem, fields[1], fields[2], module})
	}
	return out, nil
}

// appendText writes a text after its length.
func appendText(out []byte, text string) []byte {
	return append(binary.AppendUvarint(out, uint64(len(text))), text...)
}

// cutText takes such a text off.
func cutText(body []byte) (text string, rest []byte, err error) {
	n, width := binary.Uvarint(body)
	if width <= 0 || uint64(len(body)-width) < n {
		return "", nil, errTruncated
	}
	body = body[width:]
	return string(body[:n]), body[n:], nil
}
