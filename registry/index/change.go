package index

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/advisory"
)

// Change is an advisory as it is now. What it said before is not asked for:
// the findings say what it touched.
type Change struct {
	Ecosystem string // whose feed it is of, without release: one id may stand in several
	ID        string
	New       *advisory.Record // nil where the feed no longer has it
}

// Apply stores changes of advisories: the caller's writes of the records
// themselves, the new findings and the transitions, all of it or nothing. It
// returns the transitions, which are pending from then on. The caller's writes
// must make Advisories give the new records.
func (e *Engine) Apply(ctx context.Context, changes []Change, with []model.Write) ([]Transition, error) {
	e.writing.Lock()
	defer e.writing.Unlock()
	var out []Transition
	err := e.retry(ctx, func(head int64) error {
		writes, transitions, err := e.change(ctx, changes, head)
		if err != nil {
			return err
		}
		if err := e.records.Apply(ctx, slices.Concat(with, writes)); err != nil {
			return err
		}
		out = transitions
		e.index.setSequence(head + 1)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("applying %d changes of advisories: %w", len(changes), err)
	}
	return out, nil
}

// Change computes what Apply would store, for a caller that stores it himself.
// The writes hold only as one batch, one call's writes a batch, and only until
// something else is changed: then the batch fails with model.ErrConflict, and
// they have to be computed again.
func (e *Engine) Change(ctx context.Context, changes []Change) ([]model.Write, []Transition, error) {
	e.writing.Lock()
	defer e.writing.Unlock()
	if err := e.refresh(ctx); err != nil {
		return nil, nil, err
	}
	return e.change(ctx, changes, e.index.sequence())
}

// Follow is Change as an advisory.Hook: a library whose hook it is keeps
// records, findings and transitions in one batch.
func (e *Engine) Follow(ctx context.Context, changes []advisory.Change) ([]model.Write, error) {
	list := make([]Change, len(changes))
	for i, c := range changes {
		list[i] = Change{c.Ecosystem, c.ID, c.New}
	}
	writes, _, err := e.Change(ctx, list)
	return writes, err
}

// blank reports whether no version is known and nothing was found: then no
// advisory concerns anything.
func (e *Engine) blank(ctx context.Context) (bool, error) {
	if !e.index.blank() {
		return false, nil
	}
	for _, err := range e.records.Scan(ctx, kindFinding, "", "") {
		return false, err
	}
	return true, nil
}

func (e *Engine) change(ctx context.Context, changes []Change, head int64) ([]model.Write, []Transition, error) {
	if err := usable(changes); err != nil {
		return nil, nil, err
	}
	if nothing, err := e.blank(ctx); nothing || err != nil {
		return []model.Write{headWrite(head, head+1)}, nil, err
	}
	var writes []model.Write
	var transitions []Transition
	for _, c := range changes {
		d := &diff{Change: c, gone: Fixed, sequence: head + 1}
		if c.New == nil || c.New.Withdrawn {
			d.New, d.gone = nil, Withdrawn
		}
		if err := d.compute(ctx, e); err != nil {
			return nil, nil, fmt.Errorf("advisory %s: %w", c.ID, err)
		}
		writes = append(writes, d.writes...)
		transitions = append(transitions, d.transitions...)
	}
	for i := range transitions {
		w, err := transitionWrite(&transitions[i], head+1)
		if err != nil {
			return nil, nil, err
		}
		writes = append(writes, w)
	}
	return append(writes, headWrite(head, head+1)), transitions, nil
}

// usable refuses changes that can't be told apart.
func usable(changes []Change) error {
	seen := map[[2]string]bool{}
	for _, c := range changes {
		key := [2]string{c.Ecosystem, c.ID}
		if c.ID == "" || strings.ContainsRune(c.ID, 0) || seen[key] {
			return fmt.Errorf("advisory %.80q of %s: it has no usable id, or changes twice at once", c.ID, c.Ecosystem)
		}
		seen[key] = true
	}
	return nil
}

// diff is the change of one advisory while it is computed.
type diff struct {
	Change
	gone     Kind // what it is for a version not to be touched any more
	sequence int64

	writes      []model.Write
	transitions []Transition
}

// compute goes through the packages that the advisory touched and those that
// it names now, in all releases that are installed.
func (d *diff) compute(ctx context.Context, e *Engine) error {
	rows := map[line]model.Record{}
	for r, err := range e.records.Scan(ctx, kindFinding, d.ID+"\x00", d.ID+"\x01") {
		if err != nil {
			return err
		}
		l := cutFindingKey(r.Key)
		if base, _ := cutRelease(l.ecosystem); base == d.Ecosystem {
			rows[l] = r
		}
	}
	installed := map[line][]advisory.Versions{}
	look := func(ecosystem, name string) {
		for key, lists := range e.index.views(ecosystem, name) {
			installed[key] = lists
		}
	}
	for key := range rows {
		look(key.ecosystem, key.name)
	}
	if d.New != nil {
		for _, a := range d.New.Affected {
			if base, _ := cutRelease(a.Ecosystem); base == d.Ecosystem {
				look(a.Ecosystem, a.Name)
			}
		}
	}
	packages := slices.Collect(maps.Keys(installed))
	for key := range rows {
		if installed[key] == nil {
			packages = append(packages, key) // nobody has it any more
		}
	}
	slices.SortFunc(packages, line.compare)
	for _, key := range packages {
		told := len(d.transitions)
		if err := d.one(key, rows[key], installed[key]); err != nil {
			return err
		}
		d.hush(e.index, told)
	}
	return nil
}

// hush takes back what was told, from a place on, of versions of one package
// that no image has any more.
func (d *diff) hush(x *index, from int) {
	told := d.transitions[from:]
	if len(told) == 0 {
		return
	}
	wanted := map[string]bool{}
	for _, t := range told {
		wanted[t.Version] = true
	}
	alive := x.alive(line{told[0].Ecosystem, told[0].Package, told[0].Module}, wanted)
	d.transitions = append(d.transitions[:from], slices.DeleteFunc(told, func(t Transition) bool { return !alive[t.Version] })...)
}

// one compares what was found of one package with what is found now. Versions
// that no set holds any more leave the row in silence.
func (d *diff) one(l line, row model.Record, lists []advisory.Versions) error {
	var before map[string]verdict
	if row.Key != "" {
		var err error
		if _, before, err = decodeFinding(row); err != nil {
			return err
		}
	}
	versions, now := evaluate(d.New, l, lists)
	for _, text := range versions {
		d.tell(l, text, before[text], now[text])
		delete(before, text)
	}
	if len(before) > 0 {
		for _, text := range held(lists, before) {
			d.tell(l, text, before[text], verdict{})
		}
	}
	key := findingKey(d.ID, l)
	if len(versions) == 0 {
		if row.Key != "" {
			d.writes = append(d.writes, erase(kindFinding, key))
		}
		return nil
	}
	body, err := encodeFinding(versions, now)
	if err == nil && !bytes.Equal(body, row.Body) {
		d.writes = append(d.writes, write(kindFinding, key, d.sequence, body))
	}
	return err
}

// evaluate asks a record, nil for one that touches nothing, for all versions
// of a line. It returns those that are touched and what is said of each.
func evaluate(r *advisory.Record, l line, lists []advisory.Versions) (versions []string, verdicts map[string]verdict) {
	verdicts = map[string]verdict{}
	if r == nil {
		return nil, verdicts
	}
	for _, list := range lists {
		for _, one := range r.Touched(l.ecosystem, l.name, l.module, list) {
			text := list.At(one.Index)
			if _, twice := verdicts[text]; !twice {
				versions = append(versions, text)
			}
			verdicts[text] = verdict{one.Affected, one.Unknown, one.Fixed}
		}
	}
	return versions, verdicts
}

// held returns the wanted versions that lists have, sorted by text.
func held(lists []advisory.Versions, wanted map[string]verdict) []string {
	var out []string
	for _, list := range lists {
		for i := range list.Len() {
			if text := list.At(i); wanted[text] != (verdict{}) {
				out = append(out, text)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// tell adds the transition from one verdict to another, if it is one.
func (d *diff) tell(l line, version string, before, now verdict) {
	t := Transition{Advisory: d.ID, Ecosystem: l.ecosystem, Package: l.name, Version: version, Module: l.module}
	switch {
	case now == (verdict{}):
		t.Kind = d.gone
	case !now.affected && (before.affected || before == (verdict{})):
		t.Kind, t.Why = Unknown, now.unknown
	case !now.affected:
		return // it couldn't be told before either
	case !before.affected || before.fixed != "" && now.fixed == "":
		t.Kind = Affected
	case before.fixed != now.fixed:
		t.Kind = FixAvailable
	default:
		return
	}
	t.Fixed = now.fixed
	d.transitions = append(d.transitions, t)
}

// discover evaluates the components of new sets that no other set has against
// the advisories of their packages, and returns the rows that change. Of very
// many rows it stores all but the last already, so that no batch is huge:
// before their components are in the index nothing leads to them, and where
// the change doesn't come to pass they are written over when it does.
func (e *Engine) discover(ctx context.Context, sets []Set, head int64) (rows []model.Write, err error) {
	fresh := map[line]map[string]bool{}
	for _, s := range sets {
		for _, c := range s.Components {
			key := c.line()
			if fresh[key] == nil {
				fresh[key] = map[string]bool{}
			}
			fresh[key][c.Version] = true
		}
	}
	packages := slices.SortedFunc(maps.Keys(fresh), line.compare)
	for some := range slices.Chunk(packages, 256) {
		found := make([][]model.Write, len(some))
		g, each := errgroup.WithContext(ctx)
		var next atomic.Int64
		for range workers { // not a goroutine a package: each would have to grow its stack for the database
			g.Go(func() (err error) {
				for i := int(next.Add(1)) - 1; i < len(some); i = int(next.Add(1)) - 1 {
					if found[i], err = e.discoverOne(each, some[i], fresh[some[i]], head+1); err != nil {
						return fmt.Errorf("advisories of %s %s: %w", some[i].ecosystem, some[i].name, err)
					}
				}
				return nil
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		if rows = append(rows, slices.Concat(found...)...); len(rows) < chunkRows {
			continue
		}
		if err := e.records.Apply(ctx, append(rows, headWrite(head, head))); err != nil {
			return nil, err
		}
		rows = nil
	}
	return rows, nil
}

// discoverOne does it for one line.
func (e *Engine) discoverOne(ctx context.Context, l line, versions map[string]bool, sequence int64) ([]model.Write, error) {
	known := e.index.forget(l, versions)
	if len(versions) == 0 {
		return nil, nil
	}
	records, err := e.advisories.Of(ctx, l.ecosystem, l.name)
	if err != nil {
		return nil, err
	}
	list := []advisory.Versions{advisory.SortVersions(l.ecosystem, slices.Collect(maps.Keys(versions)))}
	var out []model.Write
	for _, r := range records {
		touched, verdicts := evaluate(r, l, list)
		if len(touched) == 0 {
			continue
		}
		w, err := e.extend(ctx, findingKey(r.ID, l), known, touched, verdicts)
		if err != nil {
			return nil, err
		}
		w.Version = sequence
		out = append(out, w)
	}
	return out, nil
}

// extend adds versions to a row; a package that was not known has none that
// count.
func (e *Engine) extend(ctx context.Context, key string, known bool, touched []string, verdicts map[string]verdict) (model.Write, error) {
	if known {
		row, ok, err := e.records.Get(ctx, kindFinding, key)
		if err != nil {
			return model.Write{}, err
		}
		if ok {
			versions, before, err := decodeFinding(row)
			if err != nil {
				return model.Write{}, err
			}
			for _, text := range touched {
				if _, stale := before[text]; !stale {
					versions = append(versions, text)
				}
				before[text] = verdicts[text]
			}
			touched, verdicts = versions, before
		}
	}
	body, err := encodeFinding(touched, verdicts)
	return write(kindFinding, key, 0, body), err
}

// transitionWrite gives a transition its id and makes it pending.
func transitionWrite(t *Transition, sequence int64) (model.Write, error) {
	t.identify(sequence)
	body, err := json.Marshal(t)
	return write(kindTransition, t.ID, sequence, body), err
}

func readTransition(r model.Record) (Transition, error) {
	var t Transition
	if err := json.Unmarshal(r.Body, &t); err != nil {
		return Transition{}, errors.Join(fmt.Errorf("reading transition %q", r.Key), err)
	}
	return t, nil
}
