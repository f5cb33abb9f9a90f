package estate

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/scantling/scantling/model"
)

// Kinds of records in which a history is kept.
const (
	versionKind = "context"     // asset kind, 0, asset key, 0, 16 hex digits of microseconds -> version
	aliasKind   = "context-pod" // alias -> key of its workload; Version is when it was last listed
)

// Bounds of a history.
const (
	mostVersions = 32                  // of an asset: the oldest go
	forgetAfter  = 30 * 24 * time.Hour // what an estate no longer has
	writeAtOnce  = 1000                // records in one batch
)

// Records is where a history is kept.
type Records interface {
	Get(ctx context.Context, kind, key string) (model.Record, bool, error)
	Scan(ctx context.Context, kind, from, to string) iter.Seq2[model.Record, error]
	Apply(ctx context.Context, writes []model.Write) error
}

// A History keeps what readings of an estate knew of each workload and
// identity, with the time from which it was known, and answers what was known
// when an alert's event happened. A version is written only when something
// changed; 32 of an asset are kept, and an asset that is gone for 30 days is
// forgotten. In memory it holds keys and times, about 200 bytes a version; the
// contexts stay in the store. It is safe for concurrent use; one process at a
// time may update a store.
type History struct {
	records Records

	mu       sync.RWMutex
	placer   // workloads of all versions
	versions map[model.Ref][]stamp
	listed   map[string]time.Time // alias -> when it was last listed
}

// A stamp is one version of an asset, oldest first.
type stamp struct {
	since time.Time
	gone  bool
}

// version is the body of a record: one of the two, or neither once the asset
// is gone.
type version struct {
	Workload *model.WorkloadContext `json:"workload,omitempty"`
	Identity *model.IdentityContext `json:"identity,omitempty"`
}

// OpenHistory reads which versions are kept.
func OpenHistory(ctx context.Context, records Records) (*History, error) {
	h := &History{
		records: records, placer: placer{aliases: map[string]string{}},
		versions: map[model.Ref][]stamp{}, listed: map[string]time.Time{},
	}
	for r, err := range records.Scan(ctx, versionKind, "", "") {
		if err != nil {
			return nil, fmt.Errorf("reading what was known of assets: %w", err)
		}
		ref, ok := assetOf(r.Key)
		if !ok {
			return nil, fmt.Errorf("reading what was known of assets: record %q has no such key", r.Key)
		}
		h.versions[ref] = append(h.versions[ref], stamp{time.UnixMicro(r.Version), len(r.Body) == 0})
	}
	for r, err := range records.Scan(ctx, aliasKind, "", "") {
		if err != nil {
			return nil, fmt.Errorf("reading the names of pods: %w", err)
		}
		h.aliases[r.Key], h.listed[r.Key] = string(r.Body), time.UnixMicro(r.Version)
	}
	h.index()
	return h, nil
}

// index lists the workloads anew.
func (h *History) index() {
	h.workloads = h.workloads[:0]
	for ref := range h.versions {
		if ref.Kind == model.Workload {
			h.workloads = append(h.workloads, ref.Key)
		}
	}
	slices.Sort(h.workloads)
}

func versionKey(ref model.Ref, since time.Time) string {
	return fmt.Sprintf("%s\x00%s\x00%016x", ref.Kind, ref.Key, since.UnixMicro())
}

func assetOf(key string) (model.Ref, bool) {
	parts := strings.Split(key, "\x00")
	if len(parts) != 3 {
		return model.Ref{}, false
	}
	return model.Ref{Kind: model.Kind(parts[0]), Key: parts[1]}, true
}

// Update takes over a reading of the estate. Its writes go in batches; one
// that fails leaves the earlier ones, and the next update makes up for it.
func (h *History) Update(ctx context.Context, c *Contexts) error {
	now := c.asOf.Truncate(time.Microsecond)
	found := map[model.Ref][]byte{}
	for key, w := range c.loads {
		body, err := json.Marshal(version{Workload: &w})
		if err != nil {
			return fmt.Errorf("keeping what is known of workload %s: %w", key, err)
		}
		found[model.Ref{Kind: model.Workload, Key: key}] = body
	}
	for key, id := range c.persons {
		body, err := json.Marshal(version{Identity: &id})
		if err != nil {
			return fmt.Errorf("keeping what is known of identity %s: %w", key, err)
		}
		found[model.Ref{Kind: model.Identity, Key: key}] = body
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	u := &update{h: h, now: now}
	for _, ref := range slices.SortedFunc(maps.Keys(found), model.Ref.Compare) {
		if err := u.version(ctx, ref, found[ref]); err != nil {
			return err
		}
	}
	for _, ref := range slices.SortedFunc(maps.Keys(h.versions), model.Ref.Compare) {
		if _, there := found[ref]; !there {
			if err := u.version(ctx, ref, nil); err != nil {
				return err
			}
		}
	}
	if err := u.names(ctx, c.aliases); err != nil {
		return err
	}
	if err := u.flush(ctx, 1); err != nil {
		return err
	}
	h.index()
	return nil
}

// update gathers the writes of one update. Memory follows once they are made.
type update struct {
	h      *History
	now    time.Time
	writes []model.Write
	then   []func()
}

func (u *update) add(ctx context.Context, then func(), writes ...model.Write) error {
	u.writes, u.then = append(u.writes, writes...), append(u.then, then)
	return u.flush(ctx, writeAtOnce)
}

func (u *update) flush(ctx context.Context, from int) error {
	if len(u.writes) < from {
		return nil
	}
	if err := u.h.records.Apply(ctx, u.writes); err != nil {
		return fmt.Errorf("keeping what is known of assets: %w", err)
	}
	for _, then := range u.then {
		then()
	}
	u.writes, u.then = nil, nil
	return nil
}

// version adds one where the last one says otherwise. A body of nil says that
// the asset is gone.
func (u *update) version(ctx context.Context, ref model.Ref, body []byte) error {
	stamps, err := u.right(ctx, ref)
	if err != nil {
		return err
	}
	if n := len(stamps); n > 0 {
		last := stamps[n-1]
		switch {
		case body == nil && last.gone && u.now.Sub(last.since) > forgetAfter:
			return u.forget(ctx, ref, stamps)
		case body == nil && last.gone:
			return nil
		case body != nil && !last.gone:
			r, ok, err := u.h.records.Get(ctx, versionKind, versionKey(ref, last.since))
			if err != nil {
				return fmt.Errorf("reading what was known of %s: %w", ref, err)
			}
			if ok && string(r.Body) == string(body) {
				return nil
			}
		}
		if !last.since.Before(u.now) {
			return nil // a reading of the same moment, or an older one, tells nothing new
		}
	}
	w := model.Write{Record: model.Record{Kind: versionKind, Key: versionKey(ref, u.now), Version: u.now.UnixMicro(), Body: body}}
	writes := []model.Write{w}
	kept := append(slices.Clone(stamps), stamp{u.now, body == nil})
	for len(kept) > mostVersions {
		writes = append(writes, model.Write{Record: model.Record{Kind: versionKind, Key: versionKey(ref, kept[0].since)}, Delete: true})
		kept = kept[1:]
	}
	return u.add(ctx, func() { u.h.versions[ref] = kept }, writes...)
}

// mostBack is how much older than what is kept a reading may be and yet come in
// time; one that is older still says that the clock was wrong when that was kept.
const mostBack = time.Hour

// right are the versions of an asset without those that a clock of the future
// wrote: until then no other would be kept.
func (u *update) right(ctx context.Context, ref model.Ref) ([]stamp, error) {
	stamps := u.h.versions[ref]
	n := len(stamps)
	for n > 0 && stamps[n-1].since.Sub(u.now) > mostBack {
		n--
	}
	if n == len(stamps) {
		return stamps, nil
	}
	var writes []model.Write
	for _, s := range stamps[n:] {
		writes = append(writes, model.Write{Record: model.Record{Kind: versionKind, Key: versionKey(ref, s.since)}, Delete: true})
	}
	stamps = stamps[:n:n]
	return stamps, u.add(ctx, func() { u.h.versions[ref] = stamps }, writes...)
}

func (u *update) forget(ctx context.Context, ref model.Ref, stamps []stamp) error {
	var writes []model.Write
	for _, s := range stamps {
		writes = append(writes, model.Write{Record: model.Record{Kind: versionKind, Key: versionKey(ref, s.since)}, Delete: true})
	}
	return u.add(ctx, func() { delete(u.h.versions, ref) }, writes...)
}

// listAgain is how old the time at which a pod was last listed may grow: far
// less than forgetAfter, and few writes.
const listAgain = 24 * time.Hour

// names keeps which pods are whose, also after they are gone.
func (u *update) names(ctx context.Context, now map[string]string) error {
	for _, alias := range slices.Sorted(maps.Keys(now)) {
		owner, seen := now[alias], u.h.listed[alias]
		if u.h.aliases[alias] == owner && u.now.Sub(seen) < listAgain {
			continue
		}
		r := model.Record{Kind: aliasKind, Key: alias, Version: u.now.UnixMicro(), Body: []byte(owner)}
		then := func() { u.h.aliases[alias], u.h.listed[alias] = owner, u.now }
		if err := u.add(ctx, then, model.Write{Record: r}); err != nil {
			return err
		}
	}
	for _, alias := range slices.Sorted(maps.Keys(u.h.listed)) {
		if _, there := now[alias]; there || u.now.Sub(u.h.listed[alias]) <= forgetAfter {
			continue
		}
		then := func() { delete(u.h.aliases, alias); delete(u.h.listed, alias) }
		w := model.Write{Record: model.Record{Kind: aliasKind, Key: alias}, Delete: true}
		if err := u.add(ctx, then, w); err != nil {
			return err
		}
	}
	return nil
}

// Of is what was known of an alert's assets when its event happened.
func (h *History) Of(ctx context.Context, a model.Alert) (*model.Context, error) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	if len(h.versions) == 0 {
		return NoEstate("none was read yet"), nil
	}
	return compose(ctx, h, a)
}

func (h *History) placeAt(key string, _ time.Time) (found, by, why string) { return h.place(key) }

func (h *History) workloadAt(ctx context.Context, key string, at time.Time) (model.WorkloadContext, moment, error) {
	v, m, err := h.at(ctx, model.Ref{Kind: model.Workload, Key: key}, at)
	if v.Workload == nil {
		return model.WorkloadContext{}, moment{}, err
	}
	return *v.Workload, m, err
}

func (h *History) identityAt(ctx context.Context, key string, at time.Time) (model.IdentityContext, moment, error) {
	v, m, err := h.at(ctx, model.Ref{Kind: model.Identity, Key: key}, at)
	if v.Identity == nil {
		return model.IdentityContext{}, moment{}, err
	}
	return *v.Identity, m, err
}

// at is the version that held at a time; the first one where none did yet,
// and the one before where the asset was gone.
func (h *History) at(ctx context.Context, ref model.Ref, t time.Time) (version, moment, error) {
	stamps := h.versions[ref]
	i, exact := slices.BinarySearchFunc(stamps, t, func(s stamp, t time.Time) int { return cmp.Compare(s.since.UnixMicro(), t.UnixMicro()) })
	if !exact && i > 0 {
		i--
	}
	m := moment{found: true}
	for i < len(stamps) && stamps[i].gone {
		if m.gone = stamps[i].since; i == 0 {
			return version{}, moment{}, nil
		}
		i--
	}
	if i >= len(stamps) {
		return version{}, moment{}, nil
	}
	m.since = stamps[i].since
	r, ok, err := h.records.Get(ctx, versionKind, versionKey(ref, m.since))
	if err != nil || !ok {
		return version{}, moment{}, err
	}
	var v version
	if err := json.Unmarshal(r.Body, &v); err != nil {
		return version{}, moment{}, fmt.Errorf("reading what was known of %s: %w", ref, err)
	}
	return v, m, nil
}
