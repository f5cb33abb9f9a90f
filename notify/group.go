package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify/format"
)

// Bounds of one message about a group.
const (
	mostAlerts = 500
	mostAssets = 20
)

// By says what makes alerts of one rule a group.
type By string

// What alerts may be grouped by.
const (
	ByAsset    By = "asset"    // the asset that the alert names first; without one who acted
	ByIdentity By = "identity" // who acted; without one the asset
)

// groupOf names the group of an alert: its rule, and what it is about.
func groupOf(a model.Alert, by By) string {
	var asset, identity string
	if len(a.Assets) > 0 {
		asset = a.Assets[0].String()
	}
	if i := slices.IndexFunc(a.Assets, func(r model.Ref) bool { return r.Kind == model.Identity }); i >= 0 {
		identity = a.Assets[i].String()
	} else if actor := a.Fields["actor"]; actor != "" {
		identity = "actor " + actor
	}
	about := asset
	if by == ByIdentity && identity != "" || about == "" {
		about = identity
	}
	return model.Fingerprint("group", a.Rule, about)
}

// summed is the message about held alerts of one group. Its key follows from
// theirs, so the same alerts are the same message after a crash.
func summed(records []model.Record) (format.Message, error) {
	g := &format.Group{}
	parts := []string{"group"}
	var first model.Alert
	seen := map[model.Ref]bool{}
	for i, r := range records {
		var a model.Alert
		if err := json.Unmarshal(r.Body, &a); err != nil {
			return format.Message{}, fmt.Errorf("reading a held alert: %w", err)
		}
		if i == 0 {
			first, g.First, g.Last = a, a.Time, a.Time
		}
		if a.Time.Before(g.First) {
			g.First = a.Time
		}
		if a.Time.After(g.Last) {
			g.Last = a.Time
		}
		g.Count++
		g.IDs = append(g.IDs, a.ID)
		parts = append(parts, a.ID)
		for _, ref := range a.Assets {
			switch {
			case seen[ref]:
			case len(g.Assets) == mostAssets:
				seen[ref] = true
				g.More++
			default:
				seen[ref] = true
				g.Assets = append(g.Assets, ref)
			}
		}
	}
	if g.Assets == nil {
		g.Assets = []model.Ref{}
	}
	return format.Message{ID: model.Fingerprint(parts...), Alert: first, Group: g}, nil
}

// heldKey is where an alert waits for the end of its window.
func heldKey(sink string, end time.Time, group, when, id string) string {
	return key(sink, stamp(end), group, when, id)
}

// splitHeld gives the end of the window and the part of the key that all of
// one window share.
func splitHeld(k string) (end time.Time, window string, ok bool) {
	parts := strings.Split(k, "\x00")
	if len(parts) != 5 {
		return time.Time{}, "", false
	}
	end, ok = unstamp(parts[1])
	return end, key(parts[:3]...), ok
}
