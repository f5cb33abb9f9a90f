package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// Refused is an alert of the dead outbox.
type Refused struct {
	Sink  string
	Alert model.Alert
	Why   string
	At    time.Time
}

// Dead lists what a sink refused, oldest event first, at most a number of
// them; 0: all.
func Dead(ctx context.Context, store Store, name string, most int) ([]Refused, error) {
	from, to := of(name)
	records, err := page(ctx, store, deadKind, from, to, most)
	if err != nil {
		return nil, err
	}
	out := make([]Refused, 0, len(records))
	for _, r := range records {
		var x dead
		if err := json.Unmarshal(r.Body, &x); err != nil {
			return nil, fmt.Errorf("reading what was refused: %w", err)
		}
		out = append(out, Refused{Sink: name, Alert: x.Alert, Why: x.Why, At: x.At})
	}
	return out, nil
}

// Revive owes the alerts of the dead outbox to their sink again, once its
// trouble is over, and returns how many.
func Revive(ctx context.Context, store Store, name string) (int, error) {
	from, to := of(name)
	for n := 0; ; {
		records, err := page(ctx, store, deadKind, from, to, mostRead)
		if err != nil || len(records) == 0 {
			return n, err
		}
		var writes []model.Write
		for _, r := range records {
			var x dead
			if err := json.Unmarshal(r.Body, &x); err != nil {
				return n, fmt.Errorf("reading what was refused: %w", err)
			}
			owed, err := Writes(x.Alert, []string{name})
			if err != nil {
				return n, err
			}
			writes = append(append(writes, owed...), remove(r))
		}
		if err := store.Apply(ctx, writes); err != nil {
			return n, fmt.Errorf("reviving alerts: %w", err)
		}
		n += len(records)
	}
}

// Owed is how much of the outbox is of one sink.
type Owed struct {
	Sink    string
	Pending int       // alerts that were not sent yet
	Held    int       // alerts that wait for the end of a window
	Dead    int       // alerts that were refused
	Oldest  time.Time // event of the oldest pending; zero: none
}

// Survey says what is owed to whom, sorted by sink, whether or not a sink is
// configured. It reads the whole outbox, about a second for 100,000 alerts.
func Survey(ctx context.Context, store Store) ([]Owed, error) {
	found := map[string]*Owed{}
	for _, kind := range []string{outboxKind, heldKind, deadKind} {
		for r, err := range store.Scan(ctx, kind, "", "") {
			if err != nil {
				return nil, fmt.Errorf("reading the outbox: %w", err)
			}
			name, _, _ := strings.Cut(r.Key, "\x00")
			o := found[name]
			if o == nil {
				o = &Owed{Sink: name}
				found[name] = o
			}
			switch kind {
			case outboxKind:
				if o.Pending++; o.Pending == 1 {
					o.Oldest = time.UnixMicro(r.Version).UTC()
				}
			case heldKind:
				o.Held++
			default:
				o.Dead++
			}
		}
	}
	out := make([]Owed, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		out = append(out, *found[name])
	}
	return out, nil
}

// bury puts alerts into the dead outbox.
func (l *lane) bury(owed []model.Record, why string, now time.Time) ([]model.Write, error) {
	var out []model.Write
	for _, r := range owed {
		var a model.Alert
		if err := json.Unmarshal(r.Body, &a); err != nil {
			return nil, fmt.Errorf("reading an alert that was refused: %w", err)
		}
		body, err := json.Marshal(dead{why, now, a})
		if err != nil {
			return nil, fmt.Errorf("keeping an alert that was refused: %w", err)
		}
		out = append(out, put(deadKind, key(l.Name, stamp(a.Time), idOf(a.ID)), now.UnixMicro(), body))
	}
	return out, nil
}
