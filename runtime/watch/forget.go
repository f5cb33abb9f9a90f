package watch

import (
	"context"
	"fmt"
	"time"

	"github.com/scantling/scantling/model"
)

// How alerts are forgotten.
const (
	forgetEvery  = 24 * time.Hour
	forgetAtOnce = 1000 // records in one batch
)

// forget removes the records of alerts that are older than they are to be kept,
// now and once a day, until ctx is done. What is owed of them stays owed.
func (r *round) forget(ctx context.Context) error {
	for r.cfg.Keep > 0 {
		n, err := r.forgetBefore(ctx, time.Now().Add(-r.cfg.Keep))
		if err != nil && ctx.Err() == nil {
			r.cfg.Say("forgetting old alerts: %v; it is tried again tomorrow", err)
		}
		if n > 0 {
			r.cfg.Say("forgot %d alerts that are older than %s", n, r.cfg.Keep)
		}
		if err := sleep(ctx, forgetEvery); err != nil {
			return err
		}
	}
	return nil
}

// forgetBefore reads all alerts, about a second for 100,000, and returns how
// many it removed.
func (r *round) forgetBefore(ctx context.Context, before time.Time) (n int, err error) {
	var writes []model.Write
	flush := func() error {
		if err := r.store.Apply(ctx, writes); err != nil {
			return fmt.Errorf("removing %d: %w", len(writes), err)
		}
		n, writes = n+len(writes), writes[:0]
		return nil
	}
	for rec, err := range r.store.Scan(ctx, AlertKind, "", "") {
		if err != nil {
			return n, err
		}
		if rec.Version >= before.UnixMicro() {
			continue
		}
		writes = append(writes, model.Write{Record: model.Record{Kind: AlertKind, Key: rec.Key}, Delete: true})
		if len(writes) == forgetAtOnce {
			if err := flush(); err != nil {
				return n, err
			}
		}
	}
	return n, flush()
}
