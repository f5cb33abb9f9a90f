package notify

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify/format"
	"github.com/scantling/scantling/notify/sink"
)

// mostRead is how many records of the outbox one round looks at: more than it
// sends, since most of a flood is held.
const mostRead = 1000

// A parcel is a message with the writes that follow once it was taken.
type parcel struct {
	message format.Message
	owed    []model.Record // that it settles
	then    []model.Write  // beside their removal
}

// round sends one batch: groups whose window has ended, else what is pending.
// It reports whether there may be more to do at once. flush ends all windows.
// That it was told to stop is no failure of the sink.
func (l *lane) round(ctx context.Context, flush bool) (more bool, err error) {
	more, err = l.batch(ctx, flush)
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return false, err
	}
	if err != nil {
		return false, l.failed(err)
	}
	return more, nil
}

func (l *lane) batch(ctx context.Context, flush bool) (more bool, err error) {
	now := l.opts.Now().Truncate(time.Microsecond)
	if err := l.purge(ctx, now); err != nil {
		return false, err
	}
	parcels, err := l.ended(ctx, now, flush)
	if err != nil {
		return false, err
	}
	held := false
	if len(parcels) == 0 {
		var read int
		if parcels, held, read, err = l.pending(ctx, now); err != nil {
			return false, err
		}
		more = read > len(parcels)
	}
	if len(parcels) == 0 {
		return held || more, nil
	}
	if err := l.deliver(ctx, parcels, now); err != nil {
		return false, err
	}
	l.fails, l.asked = 0, 0
	l.mu.Lock()
	l.status.LastError, l.status.Since = "", time.Time{}
	l.mu.Unlock()
	return true, nil
}

// failed notes a failure.
func (l *lane) failed(err error) error {
	l.fails++
	l.asked = 0
	var busy *sink.Busy
	if errors.As(err, &busy) {
		l.asked = busy.After
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.status.LastError = err.Error(); l.status.Since.IsZero() {
		l.status.Since = l.opts.Now()
	}
	return err
}

// ended makes messages of held alerts whose window has ended.
func (l *lane) ended(ctx context.Context, now time.Time, flush bool) ([]parcel, error) {
	from, to := of(l.Name)
	if !flush {
		to = key(l.Name, stamp(now.Add(time.Microsecond)))
	}
	records, err := page(ctx, l.store, heldKind, from, to, mostAlerts+1)
	if err == nil && len(records) == 0 { // those of a window that no alert can have opened yet: the clock was set back, or windows are shorter now
		_, to = of(l.Name)
		records, err = page(ctx, l.store, heldKind, key(l.Name, stamp(now.Add(l.Window+time.Microsecond))), to, mostAlerts+1)
	}
	if err != nil || len(records) == 0 {
		return nil, err
	}
	var out []parcel
	for start := 0; start < len(records) && len(out) < l.opts.PerBatch; {
		_, window, ok := splitHeld(records[start].Key)
		if !ok {
			return nil, fmt.Errorf("reading the outbox: held record %q has no such key", records[start].Key)
		}
		end := start
		for ; end < len(records) && end-start < mostAlerts; end++ {
			if _, w, _ := splitHeld(records[end].Key); w != window {
				break
			}
		}
		if end == len(records) && start > 0 && len(records) > mostAlerts {
			break // the page may end within the window: the next round has all of it
		}
		m, err := summed(records[start:end])
		if err != nil {
			return nil, err
		}
		if end-start == 1 { // it needs no summary, and keeps its own key
			m.ID, m.Group = m.Alert.ID, nil
		}
		out = append(out, parcel{message: m, owed: records[start:end]})
		start = end
	}
	// Of windows that end at once, the group with the earliest event is first.
	slices.SortStableFunc(out, func(a, b parcel) int {
		endA, _, _ := splitHeld(a.owed[0].Key)
		endB, _, _ := splitHeld(b.owed[0].Key)
		return cmp.Or(endA.Compare(endB), a.message.Alert.Time.Compare(b.message.Alert.Time))
	})
	return out, nil
}

// pending makes messages of alerts that open a window or need none, and moves
// those whose window is open. It reports whether it moved any, and how many
// records it looked at.
func (l *lane) pending(ctx context.Context, now time.Time) (out []parcel, held bool, read int, err error) {
	from, to := of(l.Name)
	records, err := page(ctx, l.store, outboxKind, from, to, mostRead)
	if err != nil {
		return nil, false, 0, err
	}
	var moves []model.Write
	opened := map[string]bool{} // by this batch: what follows waits until it was taken
	for _, r := range records {
		var a model.Alert
		if err := json.Unmarshal(r.Body, &a); err != nil {
			return nil, false, 0, fmt.Errorf("reading an alert of the outbox: %w", err)
		}
		p := parcel{message: format.Message{ID: a.ID, Alert: a}, owed: []model.Record{r}}
		if l.Window > 0 {
			group := groupOf(a, l.By)
			if opened[group] {
				continue
			}
			end, err := l.windowEnd(ctx, group)
			if err != nil {
				return nil, false, 0, err
			}
			if end.After(now) && !end.After(now.Add(l.Window)) {
				moves = append(moves, remove(r), put(heldKind, heldKey(l.Name, end, group, stamp(a.Time), idOf(a.ID)), r.Version, r.Body))
				continue
			}
			opened[group] = true
			p.then = []model.Write{put(groupKind, key(l.Name, group), now.Add(l.Window).UnixMicro(), nil)}
		}
		if out = append(out, p); len(out) == l.opts.PerBatch {
			break
		}
	}
	if len(moves) > 0 {
		if err := l.store.Apply(ctx, moves); err != nil {
			return nil, false, 0, fmt.Errorf("holding alerts: %w", err)
		}
	}
	return out, len(moves) > 0, len(records), nil
}

// windowEnd is when the window of a group ends or ended; zero without one.
func (l *lane) windowEnd(ctx context.Context, group string) (time.Time, error) {
	r, ok, err := l.store.Get(ctx, groupKind, key(l.Name, group))
	if err != nil || !ok {
		return time.Time{}, err
	}
	return time.UnixMicro(r.Version), nil
}

// purge forgets windows that have ended, now and then.
func (l *lane) purge(ctx context.Context, now time.Time) error {
	if since := now.Sub(l.purged); l.Window <= 0 || since >= 0 && since < l.Window {
		return nil
	}
	from, to := of(l.Name)
	var gone []model.Write
	for r, err := range l.store.Scan(ctx, groupKind, from, to) {
		if err != nil {
			return fmt.Errorf("reading the windows of groups: %w", err)
		}
		if r.Version <= now.UnixMicro() || r.Version > now.Add(l.Window).UnixMicro() {
			gone = append(gone, remove(r))
		}
	}
	if len(gone) > 0 {
		if err := l.store.Apply(ctx, gone); err != nil {
			return fmt.Errorf("forgetting windows of groups: %w", err)
		}
	}
	l.purged = now
	return nil
}

// deliver sends parcels and settles what was taken or refused, in one batch of
// the store. Its error is that of the first that must be sent again.
func (l *lane) deliver(ctx context.Context, parcels []parcel, now time.Time) error {
	messages := make([]format.Message, len(parcels))
	for i, p := range parcels {
		messages[i] = p.message
	}
	var again error
	var writes []model.Write
	var sent, grouped, failed, rejected uint64
	for i, err := range l.send(ctx, messages) {
		p := parcels[i]
		var final *sink.Rejected
		switch {
		case err == nil:
			sent++
			if p.message.Group != nil {
				grouped += uint64(len(p.owed))
			}
			writes = append(writes, p.then...)
		case errors.As(err, &final):
			rejected++
			buried, err := l.bury(p.owed, final.Why, now)
			if err != nil {
				return err
			}
			writes = append(writes, buried...)
			l.opts.Log.ErrorContext(ctx, "message refused", "sink", l.Name, "id", p.message.ID, "why", final.Why)
		default:
			failed++
			if again == nil {
				again = err
			}
			continue
		}
		for _, r := range p.owed {
			writes = append(writes, remove(r))
		}
	}
	l.mu.Lock()
	l.status.Sent, l.status.Grouped = l.status.Sent+sent, l.status.Grouped+grouped
	l.status.Failed, l.status.Rejected = l.status.Failed+failed, l.status.Rejected+rejected
	l.mu.Unlock()
	if sent > 0 { // it is not down
		l.fails = 0
	}
	if len(writes) > 0 {
		// What was taken has to be settled even when the program is told to end.
		if err := l.store.Apply(context.WithoutCancel(ctx), writes); err != nil {
			return fmt.Errorf("settling what was taken: %w", err)
		}
	}
	return again
}

// send hands messages over. Where all of a batch are refused, one may have
// spoilt it for the others, so they are tried one by one.
func (l *lane) send(ctx context.Context, messages []format.Message) []error {
	if l.fails >= stuckAfter {
		return l.probe(ctx, messages)
	}
	errs := l.Sink.Send(ctx, messages)
	var final *sink.Rejected
	for _, err := range errs {
		if len(messages) == 1 || !errors.As(err, &final) {
			return errs
		}
	}
	for i := range messages {
		errs[i] = l.Sink.Send(ctx, messages[i:i+1])[0]
		if errs[i] != nil && !errors.As(errs[i], &final) {
			for j := i + 1; j < len(errs); j++ {
				errs[j] = errs[i] // not tried
			}
			break
		}
	}
	return errs
}
