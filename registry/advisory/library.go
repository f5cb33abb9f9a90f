package advisory

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	feeds "github.com/scantling/scantling/registry/feed"
)

// Records is where a library keeps what it holds, as package store has it.
type Records interface {
	Get(ctx context.Context, kind, key string) (model.Record, bool, error)
	Scan(ctx context.Context, kind, from, to string) iter.Seq2[model.Record, error]
	Apply(ctx context.Context, writes []model.Write) error
}

// The kinds of records of a library. A key is its parts with a NUL between
// each two.
const (
	kindFeed     = "advisory-feed"    // FEED: its state
	kindRecord   = "advisory"         // ECOSYSTEM ID: a record, packed; its version is the time of its listing in µs
	kindAffects  = "advisory-affects" // ECOSYSTEM:RELEASE PACKAGE ID: empty
	kindExploits = "advisory-exploit" // KEV or EPSS: the file, packed
)

// maxKey is the length in bytes of a key: what a store takes (model.Record)
// without the 256 by which the key of a finding is longer.
const maxKey = 1024 - 256

// Change is a record of which what it says has changed: Old is nil where it
// is new, New where the source no longer has it. A change of text alone, or
// of times, is none (see Record.meaning).
type Change struct {
	Ecosystem string // base, as "Debian"
	ID        string
	Old, New  *Record
}

// Hook is told the changes of a batch before it is kept, and returns what is
// to be written along with it: all of it happens or nothing. It may be called
// again for a batch that another writer kept from happening.
type Hook func(ctx context.Context, changes []Change) ([]model.Write, error)

// Library keeps advisories, KEV and EPSS as a feeds.Keeper, and loads them as a
// DB. It is safe for concurrent use; of two syncs of one feed at once, one
// fails.
type Library struct {
	records Records
	hook    Hook
}

// NewLibrary is a library over records. hook may be nil.
func NewLibrary(records Records, hook Hook) *Library { return &Library{records, hook} }

var _ feeds.Keeper = (*Library)(nil)

// kept is the state of a feed as it is stored.
type kept struct {
	feeds.State
	Records int `json:"records"`
}

// State is that of one feed, as the last batch left it.
func (l *Library) State(ctx context.Context, name string) (feeds.State, error) {
	k, err := l.state(ctx, name)
	return k.State, err
}

func (l *Library) state(ctx context.Context, name string) (kept, error) {
	r, ok, err := l.records.Get(ctx, kindFeed, name)
	if err != nil || !ok {
		return kept{}, err
	}
	return decodeState(r)
}

func decodeState(r model.Record) (kept, error) {
	var k kept
	if err := json.Unmarshal(r.Body, &k); err != nil {
		return kept{}, fmt.Errorf("reading the state of %q: %w", r.Key, err)
	}
	k.Revision = r.Version
	return k, nil
}

// Known lists the records of a feed with the times of their listing.
func (l *Library) Known(ctx context.Context, ecosystem string) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	for r, err := range l.scan(ctx, kindRecord, ecosystem) {
		if err != nil {
			return nil, err
		}
		out[lastPart(r.Key)] = listedAt(r.Version)
	}
	return out, nil
}

// scan lists the records whose keys begin with the parts.
func (l *Library) scan(ctx context.Context, kind string, parts ...string) iter.Seq2[model.Record, error] {
	prefix := strings.Join(parts, "\x00")
	return l.records.Scan(ctx, kind, prefix+"\x00", prefix+"\x01")
}

func recordKey(ecosystem, id string) string { return ecosystem + "\x00" + id }

func affectsKey(ecosystem, name, id string) string {
	return ecosystem + "\x00" + name + "\x00" + id
}

func lastPart(key string) string { return key[strings.LastIndexByte(key, 0)+1:] }

// listedAt and version turn the time of a listing into a record's version and
// back; 0 is none.
func listedAt(version int64) time.Time {
	if version == 0 {
		return time.Time{}
	}
	return time.UnixMicro(version).UTC()
}

func versionOf(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// tries is how often a batch is written again that another writer of what the
// hook writes kept from happening.
const tries = 8

// Keep writes a batch: the records that changed, what they affect, the state,
// and what the hook adds, as a whole or not at all. A record that is the same
// but for spaces, order and texts under the same time costs no write.
func (l *Library) Keep(ctx context.Context, b feeds.Batch) (feeds.Kept, error) {
	for try := 1; ; try++ {
		out, err := l.keep(ctx, b)
		if !errors.Is(err, model.ErrConflict) {
			return out, err
		}
		now, stateErr := l.state(ctx, b.Feed)
		switch {
		case stateErr != nil:
			return feeds.Kept{}, stateErr
		case now.Revision != b.State.Revision:
			return feeds.Kept{}, fmt.Errorf("another sync of %s is under way", b.Feed)
		case try == tries:
			return feeds.Kept{}, err
		}
	}
}

func (l *Library) keep(ctx context.Context, b feeds.Batch) (feeds.Kept, error) {
	before, err := l.state(ctx, b.Feed)
	if err != nil {
		return feeds.Kept{}, err
	}
	w := &batch{library: l, ctx: ctx, feed: b.Feed, state: b.State}
	if b.Feed == feeds.KEV || b.Feed == feeds.EPSS {
		err = w.exploits(b)
	} else {
		err = w.advisories(b)
	}
	if err != nil {
		return feeds.Kept{}, err
	}
	if l.hook != nil && len(w.changes) > 0 {
		more, err := l.hook(ctx, w.changes)
		if err != nil {
			return feeds.Kept{}, err
		}
		w.writes = append(w.writes, more...)
	}
	w.out.State = w.state
	after := kept{w.state, before.Records + w.out.New - w.out.Removed}
	body, err := json.Marshal(after)
	if err != nil {
		return feeds.Kept{}, err
	}
	state := model.Write{Record: model.Record{Kind: kindFeed, Key: b.Feed, Version: b.State.Revision + 1, Body: body}}
	state.If, state.Was = model.IfVersion, b.State.Revision
	if b.State.Revision == 0 {
		state.If = model.IfAbsent
	}
	if err := l.records.Apply(ctx, append(w.writes, state)); err != nil {
		return feeds.Kept{}, err
	}
	w.out.State.Revision++
	return w.out, nil
}

// batch turns what came into writes.
type batch struct {
	library *Library
	ctx     context.Context
	feed    string
	state   feeds.State
	writes  []model.Write
	changes []Change
	out     feeds.Kept
}

func (w *batch) put(kind, key string, version int64, body []byte) {
	w.writes = append(w.writes, model.Write{Record: model.Record{Kind: kind, Key: key, Version: version, Body: body}})
}

func (w *batch) delete(kind, key string) {
	w.writes = append(w.writes, model.Write{Record: model.Record{Kind: kind, Key: key}, Delete: true})
}

// refuse notes a record that can't be understood.
func (w *batch) refuse(id string, at time.Time, why string) {
	list := slices.DeleteFunc(slices.Clone(w.state.Broken), func(b feeds.Broken) bool { return b.ID == id })
	w.state.Broken = append(list, feeds.Broken{ID: id, Modified: at, Why: why})
	slices.SortFunc(w.state.Broken, func(a, b feeds.Broken) int { return cmp.Compare(a.ID, b.ID) })
}

func (w *batch) advisories(b feeds.Batch) error {
	parsed := w.parse(b.Records)
	if err := w.ctx.Err(); err != nil {
		return err // some of them may not have been parsed
	}
	for i, raw := range parsed {
		if raw.err != nil {
			w.refuse(b.Records[i].ID, b.Records[i].Modified, raw.err.Error())
			continue
		}
		if err := w.record(b.Records[i], raw.record); err != nil {
			return err
		}
	}
	for _, id := range b.Gone {
		key := recordKey(w.feed, id)
		old, ok, err := w.stored(key)
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		w.delete(kindRecord, key)
		w.affects(id, old.record, nil)
		w.changes = append(w.changes, Change{w.feed, id, old.record, nil})
		w.out.Removed++
	}
	return nil
}

// parse decodes the records of a batch with a few workers.
func (w *batch) parse(raws []feeds.Raw) []decoded {
	documents := make([]document, len(raws))
	for i, raw := range raws {
		documents[i] = document{raw.ID, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw.Body)), nil }}
	}
	out := (&loader{ctx: w.ctx}).decode(documents, w.feed, nil)
	for i := range out {
		if out[i].err == nil && out[i].record != nil {
			out[i].err = keepable(w.feed, raws[i].ID, out[i].record)
		}
	}
	return out
}

// keepable refuses a record that goes by another id than the one it is listed
// under, and names that can't be a part of a key.
func keepable(ecosystem, id string, r *Record) error {
	if r.ID != id {
		return fmt.Errorf("it calls itself %q", clip(r.ID))
	}
	for _, part := range append(affectsOf(r), recordKey(ecosystem, id)) {
		if len(part) > maxKey {
			return fmt.Errorf("the name of one of its packages has more than %d bytes", maxKey)
		}
	}
	for _, a := range r.Affected {
		if strings.ContainsRune(a.Ecosystem+a.Name, 0) {
			return errors.New("the name of one of its packages has a NUL")
		}
	}
	return nil
}

// record compares one record with what is kept under its id.
func (w *batch) record(raw feeds.Raw, r *Record) error {
	key := recordKey(w.feed, raw.ID)
	old, ok, err := w.stored(key)
	if err != nil {
		return err
	}
	meaning := r.meaning()
	same := ok && old.meaning == meaning
	if same && old.version == versionOf(raw.Modified) {
		return nil
	}
	body, err := pack(meaning, raw.Body)
	if err != nil {
		return err
	}
	w.put(kindRecord, key, versionOf(raw.Modified), body)
	if same {
		return nil
	}
	if ok {
		w.out.Changed++
	} else {
		w.out.New++
	}
	w.affects(raw.ID, old.record, r)
	w.changes = append(w.changes, Change{w.feed, raw.ID, old.record, r})
	return nil
}

// affects writes the difference of what two states of a record name.
func (w *batch) affects(id string, old, new *Record) {
	before, after := affectsOf(old), affectsOf(new)
	for _, key := range before {
		if _, stays := slices.BinarySearch(after, key); !stays {
			w.delete(kindAffects, key)
		}
	}
	for _, key := range after {
		if _, was := slices.BinarySearch(before, key); !was {
			w.put(kindAffects, key, 0, nil)
		}
	}
}

// affectsOf are the keys under which a record is found by its packages,
// sorted; those of a withdrawn one too, which counts for what a feed covers.
func affectsOf(r *Record) []string {
	if r == nil {
		return nil
	}
	var out []string
	for _, a := range r.Affected {
		out = append(out, affectsKey(a.Ecosystem, a.Name, r.ID))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// stored is a record as it is kept.
type stored struct {
	record  *Record
	meaning meaning
	version int64
}

func (w *batch) stored(key string) (stored, bool, error) {
	r, ok, err := w.library.records.Get(w.ctx, kindRecord, key)
	if err != nil || !ok {
		return stored{}, false, err
	}
	out := stored{version: r.Version}
	var body []byte
	if out.meaning, body, err = unpack(r.Body); err == nil {
		out.record, err = parseRecord(body, w.feed)
	}
	if err != nil {
		return stored{}, false, fmt.Errorf("reading the kept %s: %w", strings.ReplaceAll(key, "\x00", "/"), err)
	}
	return out, true, nil
}

// exploits keeps the file of KEV or EPSS, if it can be read and isn't empty.
func (w *batch) exploits(b feeds.Batch) error {
	for _, raw := range b.Records {
		newest, err := checkExploits(b.Feed, raw.Body)
		if err != nil {
			w.refuse(raw.ID, raw.Modified, err.Error())
			continue
		}
		w.state.Newest = newest
		was, ok, err := w.library.records.Get(w.ctx, kindExploits, b.Feed)
		if err != nil {
			return err
		}
		sum := meaningOf(raw.Body)
		if ok && len(was.Body) > len(sum) && meaning(was.Body[1:1+len(sum)]) == sum {
			continue
		}
		body, err := pack(sum, raw.Body)
		if err != nil {
			return err
		}
		w.put(kindExploits, b.Feed, versionOf(newest), body)
		if ok {
			w.out.Changed++
		} else {
			w.out.New++
		}
	}
	return nil
}

// checkExploits reads the file of KEV or EPSS for its date.
func checkExploits(name string, body []byte) (time.Time, error) {
	db := &DB{}
	if err := (&loader{}).exploitsFrom(db, name, bytes.NewReader(body)); err != nil {
		return time.Time{}, err
	}
	return cmp.Or(db.CatalogDate, db.ScoreDate), nil
}
