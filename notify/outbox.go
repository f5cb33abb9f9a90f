package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
)

// Kinds of records. Keys begin with the name of the sink and a zero byte.
const (
	outboxKind = "outbox"       // SINK 0 TIME 0 ID -> alert
	heldKind   = "outbox-held"  // SINK 0 END 0 GROUP 0 TIME 0 ID -> alert; END is when the window ends
	groupKind  = "outbox-group" // SINK 0 GROUP -> nothing; Version is when the window ends
	deadKind   = "outbox-dead"  // SINK 0 TIME 0 ID -> dead, an alert each
)

// Store is where the outbox is kept.
type Store interface {
	Get(ctx context.Context, kind, key string) (model.Record, bool, error)
	Scan(ctx context.Context, kind, from, to string) iter.Seq2[model.Record, error]
	Apply(ctx context.Context, writes []model.Write) error
}

// dead is an alert that a sink refused, by itself or within a group.
type dead struct {
	Why   string      `json:"why"`
	At    time.Time   `json:"at"`
	Alert model.Alert `json:"alert"`
}

// Writes are the records by which an alert is owed to sinks, for the batch
// that records the alert. Their keys follow from the alert, so that recording
// it again before it was sent owes it once; they have no condition, for none
// should keep an alert from being recorded.
func Writes(a model.Alert, sinks []string) ([]model.Write, error) {
	body, err := json.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("writing alert %s to the outbox: %w", a.ID, err)
	}
	out := make([]model.Write, len(sinks))
	for i, s := range sinks {
		out[i] = put(outboxKind, key(s, stamp(a.Time), idOf(a.ID)), a.Time.UnixMicro(), body)
	}
	return out, nil
}

func key(parts ...string) string { return strings.Join(parts, "\x00") }

// stamp is a time whose texts sort as the times do, before 1970 too.
func stamp(t time.Time) string { return fmt.Sprintf("%016x", uint64(t.UnixMicro())^1<<63) }

func unstamp(s string) (time.Time, bool) {
	n, err := strconv.ParseUint(s, 16, 64)
	return time.UnixMicro(int64(n ^ 1<<63)), err == nil
}

// idOf is an id as a part of a key; our own are 16 bytes.
func idOf(id string) string {
	if len(id) > 256 || strings.Contains(id, "\x00") {
		return model.Fingerprint("id", id)
	}
	return id
}

// of is the range of keys of a sink.
func of(sink string) (from, to string) { return sink + "\x00", sink + "\x01" }

// page reads at most a number of records.
func page(ctx context.Context, s Store, kind, from, to string, most int) ([]model.Record, error) {
	var out []model.Record
	for r, err := range s.Scan(ctx, kind, from, to) {
		if err != nil {
			return nil, fmt.Errorf("reading the outbox: %w", err)
		}
		if out = append(out, r); len(out) == most {
			break
		}
	}
	return out, nil
}

func remove(r model.Record) model.Write {
	return model.Write{Record: model.Record{Kind: r.Kind, Key: r.Key}, Delete: true}
}

func put(kind, key string, version int64, body []byte) model.Write {
	return model.Write{Record: model.Record{Kind: kind, Key: key, Version: version, Body: body}}
}
