package advisory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
	feeds "github.com/scantling/scantling/registry/feed"
	"github.com/scantling/scantling/registry/image"
)

// Load loads the named ecosystems as a whole, or all of them where All is
// named: the same DB as of a folder with these records. What the last sync
// could not read is incomplete.
func (l *Library) Load(ctx context.Context, ecosystems ...string) (*DB, []model.Incomplete, error) {
	wanted := map[string]bool{}
	for _, name := range ecosystems {
		wanted[baseOf(name)] = true
	}
	in, err := l.open(ctx, func(name string) bool { return wanted[All] || wanted[name] })
	if err != nil {
		return nil, nil, err
	}
	for name, f := range in.db.feeds {
		if err := in.all(name, f); err != nil {
			return nil, nil, err
		}
		f.index()
	}
	return in.result()
}

// LoadFor loads only what names a package of the images. Matching them gives
// the same as with all of their ecosystems; other images have to be loaded
// for.
func (l *Library) LoadFor(ctx context.Context, invs []*image.Inventory) (*DB, []model.Incomplete, error) {
	wanted := packagesOf(invs)
	in, err := l.open(ctx, func(name string) bool { return wanted[name] != nil })
	if err != nil {
		return nil, nil, err
	}
	for name, f := range in.db.feeds {
		if err := in.some(name, f, wanted[name]); err != nil {
			return nil, nil, err
		}
	}
	return in.result()
}

// opened is a DB under way.
type opened struct {
	loader // for what is incomplete, and the parsers of KEV and EPSS
	from   *Library
	states map[string]kept
	db     *DB
}

// open begins a DB with the feeds that are wanted, and with KEV and EPSS.
func (l *Library) open(ctx context.Context, wanted func(string) bool) (*opened, error) {
	in := &opened{loader: loader{ctx: ctx, dir: "advisories"}, from: l, states: map[string]kept{}, db: &DB{feeds: map[string]*feed{}}}
	for k, err := range l.states(ctx) {
		if err != nil {
			return nil, err
		}
		if k.name == feeds.KEV || k.name == feeds.EPSS {
			in.unread(k.name, k.State)
			if k.name == feeds.KEV {
				in.db.catalogSynced = k.Synced
			}
			continue
		}
		in.db.known = append(in.db.known, k.name)
		if wanted(k.name) {
			f := newFeed()
			f.synced, f.partial = k.Synced, k.Synced.IsZero()
			in.db.feeds[k.name], in.states[k.name] = f, k.kept
			in.unread(k.name, k.State)
		}
	}
	for _, name := range []string{feeds.KEV, feeds.EPSS} {
		if err := in.exploitFile(name); err != nil {
			return nil, err
		}
	}
	return in, nil
}

// namedState is a state with its feed.
type namedState struct {
	name string
	kept
}

// states lists the feeds of the library, in the order of their names.
func (l *Library) states(ctx context.Context) iter.Seq2[namedState, error] {
	return func(yield func(namedState, error) bool) {
		for r, err := range l.records.Scan(ctx, kindFeed, "", "") {
			var k kept
			if err == nil {
				k, err = decodeState(r)
			}
			if !yield(namedState{r.Key, k}, err) || err != nil {
				return
			}
		}
	}
}

func (in *opened) exploitFile(name string) error {
	r, ok, err := in.from.records.Get(in.ctx, kindExploits, name)
	if err != nil {
		return err
	}
	if !ok {
		err = errors.New("none was synced")
	} else {
		_, err = unpacking(r.Body, func(text io.Reader) error { return in.exploitsFrom(in.db, name, text) })
	}
	switch {
	case err != nil && name == feeds.KEV:
		in.skip(kevFile, "no exploited vulnerabilities are known: %v", err)
	case err != nil && ok:
		in.skip(epssFile, "exploit predictions are missing: %v", err)
	}
	return nil
}

// all adds every record of a feed.
func (in *opened) all(name string, f *feed) error {
	const block = 512
	var records []model.Record
	for r, err := range in.from.scan(in.ctx, kindRecord, name) {
		if err != nil {
			return err
		}
		if records = append(records, r); len(records) == block {
			in.add(name, f, records)
			records = records[:0]
		}
	}
	in.add(name, f, records)
	return in.ctx.Err()
}

// some adds the records that name one of the packages.
func (in *opened) some(name string, f *feed, packages map[key]bool) error {
	ids := map[string]bool{}
	for k := range packages {
		for r, err := range in.from.scan(in.ctx, kindAffects, k.ecosystem, k.name) {
			if err != nil {
				return err
			}
			ids[lastPart(r.Key)] = true
		}
	}
	var records []model.Record
	for _, id := range sortedKeys(ids) {
		r, ok, err := in.from.records.Get(in.ctx, kindRecord, recordKey(name, id))
		if err != nil {
			return err
		}
		if ok {
			records = append(records, r)
		}
	}
	in.add(name, f, records)
	f.index()
	f.newest = in.states[name].Newest
	return in.releases(name, f)
}

// releases finds the releases that a feed covers by looking up the first key
// of each.
func (in *opened) releases(name string, f *feed) error {
	from := name
	for {
		next := ""
		for r, err := range in.from.records.Scan(in.ctx, kindAffects, from, name+";") { // ":" comes before ";"
			if err != nil {
				return err
			}
			next, _, _ = strings.Cut(r.Key, "\x00")
			break
		}
		if next == "" {
			return nil
		}
		if baseOf(next) == name {
			f.releases[next] = true
		}
		from = next + "\x01"
	}
}

// add decodes records with a few workers and adds them in their order.
func (in *opened) add(name string, f *feed, records []model.Record) {
	out := make([]decoded, len(records))
	var g errgroup.Group
	g.SetLimit(workers)
	const block = 64
	for start := 0; start < len(records); start += block {
		g.Go(func() error {
			for i := start; i < min(start+block, len(records)); i++ {
				var body []byte
				if _, body, out[i].err = unpack(records[i].Body); out[i].err == nil {
					out[i].record, out[i].err = parseRecord(body, name)
				}
			}
			return nil
		})
	}
	_ = g.Wait() // errors are in out
	for i, d := range out {
		if d.err != nil {
			in.skip(path.Join(name, lastPart(records[i].Key)), "%v", d.err)
			continue
		}
		f.add(d.record)
	}
}

func (in *opened) result() (*DB, []model.Incomplete, error) {
	if err := in.ctx.Err(); err != nil {
		return nil, nil, err
	}
	slices.SortFunc(in.incomplete, compareIncomplete)
	return in.db, in.incomplete, nil
}

// Empty reports whether nothing was ever synced.
func (l *Library) Empty(ctx context.Context) (bool, error) {
	for _, err := range l.records.Scan(ctx, kindFeed, "", "") {
		return false, err
	}
	return true, nil
}

// FeedStatus is how one feed stands.
type FeedStatus struct {
	Feed    string
	Records int // kept; of KEV and EPSS one file
	State   feeds.State
	Stale   string // why its age leaves images unknown; "" where it doesn't
}

// Status says how every feed stands, in the order of their names.
func (l *Library) Status(ctx context.Context, now time.Time) ([]FeedStatus, error) {
	var out []FeedStatus
	for k, err := range l.states(ctx) {
		if err != nil {
			return nil, err
		}
		f := &feed{newest: k.Newest, synced: k.Synced, partial: k.Synced.IsZero()}
		out = append(out, FeedStatus{Feed: k.name, Records: k.Records, State: k.State, Stale: f.stale(k.name, now)})
	}
	slices.SortFunc(out, func(a, b FeedStatus) int { return cmp.Compare(a.Feed, b.Feed) })
	return out, nil
}

// Feeds lists the feeds that hold something, in the order of their names.
func (l *Library) Feeds(ctx context.Context) ([]string, error) {
	var out []string
	for k, err := range l.states(ctx) {
		if err != nil {
			return nil, err
		}
		if k.Records > 0 {
			out = append(out, k.name)
		}
	}
	return out, nil
}

// Raw lists what is kept of a feed, in the order of the ids: records as their
// source had them, or the one file of KEV or EPSS.
func (l *Library) Raw(ctx context.Context, name string) iter.Seq2[feeds.Raw, error] {
	return func(yield func(feeds.Raw, error) bool) {
		records := l.scan(ctx, kindRecord, name)
		if name == feeds.KEV || name == feeds.EPSS {
			records = l.records.Scan(ctx, kindExploits, name, name+"\x00")
		}
		for r, err := range records {
			raw := feeds.Raw{ID: lastPart(r.Key), Modified: listedAt(r.Version)}
			if err == nil {
				if _, raw.Body, err = unpack(r.Body); err != nil {
					err = fmt.Errorf("reading the kept %s/%s: %w", name, raw.ID, err)
				}
			}
			if !yield(raw, err) || err != nil {
				return
			}
		}
	}
}

// Missed is what a status says that is not as it should be.
func (s FeedStatus) Missed() []model.Incomplete {
	in := &opened{loader: loader{dir: "advisories"}}
	if s.Stale != "" {
		in.skip(s.Feed, "%s", s.Stale)
	}
	if s.State.Failed != "" {
		in.skip(s.Feed, "the last sync did not come to its end: %s", s.State.Failed)
	}
	in.unread(s.Feed, s.State)
	return in.incomplete
}
