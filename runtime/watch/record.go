package watch

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
)

// Kinds of records.
const (
	AlertKind    = "alert"          // ID -> model.Alert as JSON; Version is its time in microseconds since 1970
	positionKind = "watch-position" // nothing -> position; Version counts its writes
)

// position is how far the log was read.
type position struct {
	Schema int         `json:"schema"`
	Writer string      `json:"writer"` // a name of its own: two that are equally far are told apart
	Mark   detect.Mark `json:"mark"`

	version int64 // 0: it was never written
}

const positionSchema = 1

func (p *position) load(ctx context.Context, s Store) error {
	r, found, err := s.Get(ctx, positionKind, "")
	if err != nil || !found {
		p.Writer = rand.Text()
		return err
	}
	if err := json.Unmarshal(r.Body, p); err != nil {
		return fmt.Errorf("the position in the log: %w", err)
	}
	if p.Schema != positionSchema {
		return fmt.Errorf("the position in the log has form %d, known is %d: another version of the program wrote it", p.Schema, positionSchema)
	}
	p.version, p.Writer = r.Version, rand.Text()
	return nil
}

// write is the position's record, to be written where nobody else wrote it.
func (p position) write() (model.Write, error) {
	p.Schema = positionSchema
	body, err := json.Marshal(p)
	w := model.Write{Record: model.Record{Kind: positionKind, Version: p.version + 1, Body: body}, If: model.IfVersion, Was: p.version}
	if p.version == 0 {
		w.If = model.IfAbsent
	}
	return w, err
}

// record writes what was found, until ctx is done.
func (r *round) record(ctx context.Context) error {
	last := time.Now()
	for {
		if err := sleep(ctx, lookEvery); err != nil {
			return err
		}
		r.live.Advance(time.Now())
		r.Watch.mu.Lock()
		raised := len(r.raised)
		r.Watch.mu.Unlock()
		if raised == 0 && r.live.Ready() == 0 && time.Since(last) < writeEvery {
			continue
		}
		if err := r.write(ctx); err != nil {
			return err
		}
		last = time.Now()
	}
}

// drain takes what is ready, and the mark that goes with it.
func (r *round) drain() ([]model.Alert, detect.Mark) {
	r.whole.Lock()
	defer r.whole.Unlock()
	alerts, mark := r.live.Drain()
	for i, l := range r.lanes {
		if at, ok := l.decoders.Oldest(); ok { // a message has begun there
			mark.Lanes[i].From = min(mark.Lanes[i].From, at)
		}
	}
	r.Watch.mu.Lock()
	defer r.Watch.mu.Unlock()
	alerts = append(r.raised, alerts...)
	r.raised = nil
	return alerts, mark
}

// write records what is ready, and the position. An error is that of ctx, or
// one that doesn't go away by itself: then it didn't happen.
func (r *round) write(ctx context.Context) error {
	alerts, mark := r.drain()
	if len(alerts) == 0 && slices.EqualFunc(r.position.Mark.Lanes, mark.Lanes, stays) && time.Since(r.wrote) < restEvery {
		return nil
	}
	before := r.position
	r.position.Mark = mark
	wait := backoff{}
	told := false
	for {
		err := r.try(context.WithoutCancel(ctx), alerts, before.version, &told)
		if err == nil {
			r.position.version, r.wrote = before.version+1, time.Now()
			return nil
		}
		if !errors.Is(err, errOther) && !errors.Is(err, errTell) {
			r.cfg.Say("recording %d alerts: %v; it is tried again", len(alerts), err)
			err = wait.sleep(ctx)
		}
		if err != nil {
			r.keep(alerts)
			r.position = before
			return err
		}
	}
}

// stays reports whether a lane is where it was.
func stays(a, b detect.LaneMark) bool { return a.From == b.From && a.Next == b.Next }

// keep puts alerts back that were not recorded.
func (r *round) keep(alerts []model.Alert) {
	r.Watch.mu.Lock()
	defer r.Watch.mu.Unlock()
	r.raised = append(alerts, r.raised...)
}

// What trying again doesn't help.
var (
	errOther = errors.New("another process records the alerts of this log")
	errTell  = errors.New("telling of alerts")
)

// try makes one attempt to record alerts and the position at hand.
func (r *round) try(ctx context.Context, alerts []model.Alert, version int64, told *bool) error {
	p := r.position
	p.version = version
	at, err := p.write()
	if err != nil {
		return err
	}
	fresh, err := r.unknown(ctx, alerts)
	if err != nil {
		return err
	}
	if !*told && r.cfg.Tell != nil && len(fresh) > 0 {
		if err := r.cfg.Tell(fresh); err != nil {
			return fmt.Errorf("%w: %w", errTell, err)
		}
	}
	*told = true
	writes := []model.Write{at}
	for _, a := range fresh {
		more, err := r.writes(a)
		if err != nil {
			return err
		}
		writes = append(writes, more...)
	}
	err = r.store.Apply(ctx, writes)
	if errors.Is(err, model.ErrConflict) {
		err = r.conflict(ctx, at, err)
	}
	if err == nil {
		r.alerts.Add(uint64(len(fresh)))
		if r.cfg.Recorded != nil && len(fresh) > 0 {
			r.cfg.Recorded()
		}
	}
	return err
}

// unknown returns the alerts that are not recorded yet, with what else is
// known of them.
func (r *round) unknown(ctx context.Context, alerts []model.Alert) ([]model.Alert, error) {
	var out []model.Alert
	seen := map[string]bool{}
	for _, a := range alerts {
		if seen[a.ID] {
			continue
		}
		seen[a.ID] = true
		_, found, err := r.store.Get(ctx, AlertKind, a.ID)
		if err != nil {
			return nil, err
		}
		if found {
			continue
		}
		if r.cfg.Enrich != nil {
			a = r.cfg.Enrich(a)
		}
		out = append(out, a)
	}
	return out, nil
}

// writes are the records of one alert.
func (r *round) writes(a model.Alert) ([]model.Write, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("alert %s: %w", a.ID, err)
	}
	out := []model.Write{{Record: model.Record{Kind: AlertKind, Key: a.ID, Version: a.Time.UnixMicro(), Body: body}, If: model.IfAbsent}}
	if r.cfg.Outbox == nil {
		return out, nil
	}
	owed, err := r.cfg.Outbox(a)
	for _, w := range owed {
		w.If = model.Always // owed twice is better than never recorded
		out = append(out, w)
	}
	return out, err
}

// conflict says what it means that a condition of the batch didn't hold: the
// batch was written after all, by an attempt whose answer got lost; somebody
// else watches; or an alert was recorded meanwhile, so that it has to be tried
// again.
func (r *round) conflict(ctx context.Context, at model.Write, why error) error {
	is, found, err := r.store.Get(ctx, positionKind, "")
	switch {
	case err != nil:
		return err
	case found && is.Version == at.Version && bytes.Equal(is.Body, at.Body):
		return nil
	case found && (at.If == model.IfAbsent || is.Version != at.Was):
		return errOther
	}
	return why
}
