//go:build !scanner

package cli

import (
	"io"
	"log/slog"

	"github.com/scantling/scantling/notify"
)

// deliverer brings alerts to sinks while the watch goes on.
func (a *app) deliverer(records notify.Store, outputs []notify.Output) *notify.Deliverer {
	to := a.Err
	if a.quiet {
		to = io.Discard
	}
	plain := func(groups []string, attr slog.Attr) slog.Attr {
		if len(groups) == 0 && (attr.Key == slog.TimeKey || attr.Key == slog.LevelKey) {
			return slog.Attr{}
		}
		return attr
	}
	log := slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{ReplaceAttr: plain}))
	return notify.New(records, outputs, notify.Options{Log: log, Tries: drainTries})
}
