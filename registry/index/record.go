package index

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
)

// Records is where the truth is kept; store.Store is one.
type Records interface {
	Get(ctx context.Context, kind, key string) (model.Record, bool, error)
	Scan(ctx context.Context, kind, from, to string) iter.Seq2[model.Record, error]
	Apply(ctx context.Context, writes []model.Write) error
}

// Advisories gives the records that name a package in a release of an
// ecosystem or in the ecosystem without one, each with an id of its own. They
// are those of the last applied change. It is safe for concurrent use.
type Advisories interface {
	Of(ctx context.Context, ecosystem, name string) ([]*advisory.Record, error)
}

// The kinds of records. The Version of each is the sequence number of the
// change that wrote it.
//
//	kind             key                             body
//	component-set    hash of the set, in hex         its components, see encodeSet
//	indexed-image    digest                          hashes of its sets, 32 bytes each
//	index-change     sequence number, 8 bytes        hashes of new sets after "s", digests that came, were replaced or went after "i", see appendText
//	index-head       "head"                          empty: its Version is the last sequence number
//	index-segment    name of its file                SHA-256 of the file; Version is up to where it covers
//	finding          ADVISORY 0 ECOSYSTEM 0 PACKAGE  JSON list of Finding; of a module stream with 0 MODULE behind
//	transition       its id                          JSON of Transition
//
// Numbers are big-endian, so that keys sort by them; 0 is a zero byte.
const (
	kindSet        = "component-set"
	kindImage      = "indexed-image"
	kindChange     = "index-change"
	kindHead       = "index-head"
	kindSegment    = "index-segment"
	kindFinding    = "finding"
	kindTransition = "transition"

	keyHead = "head"

	changedSet   = "s"
	changedImage = "i"
)

// Finding is what an advisory says of some versions of a package.
type Finding struct {
	Affected bool     `json:"affected,omitempty"`
	Unknown  string   `json:"unknown,omitempty"` // why it can't be told; may stand beside affected where a guess says so
	Fixed    string   `json:"fixed,omitempty"`   // lowest fixed version; "" where none is known
	Versions []string `json:"versions"`
}

// verdict is what a Finding says of one version; the zero value is that it is
// not touched.
type verdict struct {
	affected bool
	unknown  string
	fixed    string
}

// Kind says what happened to a component version, or to images.
type Kind string

// The kinds of transition.
const (
	Affected     Kind = "affected"      // an advisory touches it now, or names no fix any more
	Fixed        Kind = "fixed"         // the advisory doesn't touch it any more: its ranges or packages were corrected
	FixAvailable Kind = "fix-available" // it is still touched, and a fix is known now, or another one
	Withdrawn    Kind = "withdrawn"     // the advisory was withdrawn, or is gone from its source
	Unknown      Kind = "unknown"       // it can't be told any more whether it is touched
	Indexed      Kind = "indexed"       // images are new, or have other components: all of their findings are news
)

// Transition is one thing that somebody has to be told, once.
type Transition struct {
	ID        string   `json:"id"`
	Kind      Kind     `json:"kind"`
	Advisory  string   `json:"advisory,omitempty"`
	Ecosystem string   `json:"ecosystem,omitempty"`
	Package   string   `json:"package,omitempty"`
	Version   string   `json:"version,omitempty"`
	Module    string   `json:"module,omitempty"` // of rpm: name and stream
	Fixed     string   `json:"fixed,omitempty"`  // lowest fixed version
	Why       string   `json:"why,omitempty"`    // why it can't be told
	Images    []string `json:"images,omitempty"` // digests, of Indexed; see Engine.Images for the others
}

// identify gives a transition its id: the sequence number of its change, so
// that ids sort by time and a flaw that comes back is news again, and a hash of
// what it says. It is stored with the change as a whole or not at all, so that
// a change that is computed again after a crash never tells it twice.
func (t *Transition) identify(sequence int64) {
	h := sha256.New()
	for _, text := range append([]string{string(t.Kind), t.Advisory, t.Ecosystem, t.Package, t.Version, t.Module}, t.Images...) {
		h.Write(appendText(nil, text))
	}
	t.ID = fmt.Sprintf("%016x-%x", sequence, h.Sum(nil)[:16])
}

func findingKey(id string, l line) string {
	parts := []string{id, l.ecosystem, l.name}
	if l.module != "" {
		parts = append(parts, l.module)
	}
	return strings.Join(parts, "\x00")
}

func cutFindingKey(key string) line {
	_, rest, _ := strings.Cut(key, "\x00")
	ecosystem, rest, _ := strings.Cut(rest, "\x00")
	name, module, _ := strings.Cut(rest, "\x00")
	return line{ecosystem, name, module}
}

// sequenceKey writes a sequence number so that keys sort by it.
func sequenceKey(n int64) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// write is a plain write of a record.
func write(kind, key string, version int64, body []byte) model.Write {
	return model.Write{Record: model.Record{Kind: kind, Key: key, Version: version, Body: body}}
}

// erase is a plain deletion.
func erase(kind, key string) model.Write {
	return model.Write{Record: model.Record{Kind: kind, Key: key}, Delete: true}
}

// headWrite moves the head from one sequence number to another, and fails the
// batch where somebody else has moved it since. Equal numbers only check it.
func headWrite(from, to int64) model.Write {
	w := write(kindHead, keyHead, to, nil)
	w.If, w.Was = model.IfVersion, from
	return w
}

// setWrite stores a set.
func setWrite(s Set, sequence int64) model.Write {
	return write(kindSet, hex.EncodeToString(s.Hash[:]), sequence, encodeSet(s.Components))
}

// imageWrite stores an image.
func imageWrite(image Image, sequence int64) model.Write {
	var body []byte
	for _, s := range image.Sets {
		body = append(body, s.Hash[:]...)
	}
	return write(kindImage, image.Digest, sequence, body)
}

// readImage takes the hashes of its sets from the record of an image.
func readImage(r model.Record) (Image, error) {
	if len(r.Body)%len(Hash{}) != 0 {
		return Image{}, fmt.Errorf("reading image %s: %w", r.Key, errTruncated)
	}
	out := Image{Digest: r.Key}
	for body := r.Body; len(body) > 0; body = body[len(Hash{}):] {
		out.Sets = append(out.Sets, Set{Hash: Hash(body)})
	}
	return out, nil
}

// readSet decodes a set and holds it to its hash.
func readSet(r model.Record) (Set, error) {
	h, err := hex.DecodeString(r.Key)
	if err != nil || len(h) != len(Hash{}) || sha256.Sum256(r.Body) != [sha256.Size]byte(h) {
		return Set{}, fmt.Errorf("reading component set %q: its content has another hash", r.Key)
	}
	components, err := decodeSet(r.Body)
	if err != nil {
		return Set{}, fmt.Errorf("reading component set %s: %w", r.Key, err)
	}
	return Set{Hash(h), components}, nil
}

// encodeFinding groups versions by what is said of them, in the order in which
// they are given.
func encodeFinding(versions []string, verdicts map[string]verdict) ([]byte, error) {
	var list []Finding
	groups := map[verdict]int{}
	for _, text := range versions {
		v := verdicts[text]
		at, ok := groups[v]
		if !ok {
			at = len(list)
			groups[v] = at
			list = append(list, Finding{Affected: v.affected, Unknown: v.unknown, Fixed: v.fixed})
		}
		list[at].Versions = append(list[at].Versions, text)
	}
	return json.Marshal(list)
}

// decodeFinding returns the verdicts of a row, and its versions as they stand.
func decodeFinding(r model.Record) (versions []string, verdicts map[string]verdict, err error) {
	var list []Finding
	if err := json.Unmarshal(r.Body, &list); err != nil {
		return nil, nil, fmt.Errorf("reading finding %q: %w", r.Key, err)
	}
	verdicts = map[string]verdict{}
	for _, f := range list {
		for _, text := range f.Versions {
			verdicts[text] = verdict{f.Affected, f.Unknown, f.Fixed}
			versions = append(versions, text)
		}
	}
	return versions, verdicts, nil
}
