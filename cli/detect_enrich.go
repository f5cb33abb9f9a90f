//go:build !scanner

package cli

import (
	"context"
	"os"
	ossignal "os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/signal"
)

// knownFlags are the switches of what is known of alerts' assets.
type knownFlags struct {
	dir   string
	every time.Duration
}

func (f *knownFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.dir, "estate", "", "folder of the estate, for what it knows of the alerts' assets, and for the sinks of its notify list")
	cmd.Flags().DurationVar(&f.every, "estate-every", 10*time.Minute, "how often the estate is read again; SIGHUP does it too")
}

// load reads the estate file, if there is one.
func (f *knownFlags) load() (*config.Config, error) {
	if f.every <= 0 {
		return nil, usage("--estate-every must be more than nothing")
	}
	if f.dir == "" {
		return &config.Config{}, nil
	}
	if err := isFolder(f.dir); err != nil {
		return nil, err
	}
	cfg, err := config.Load(f.dir)
	if err != nil {
		return nil, &failure{exitUsage, err}
	}
	return cfg, nil
}

// Bounds of what alerts wait for. Detection goes on meanwhile.
const (
	firstEstate = 30 * time.Second // for the first reading of an estate that nothing is known of
	askEstate   = 5 * time.Second  // for one alert
	readEstate  = 30 * time.Minute // for one reading, in the background
)

// knowing adds to alerts what was known of their assets when they happened,
// and reads the estate again and again.
type knowing struct {
	app     *app
	dir     string
	history *estate.History
	first   chan struct{}      // closed when the first reading has ended
	waited  bool               // for it
	missed  []model.Incomplete // by the last reading
}

// know opens what earlier readings of an estate knew.
func (a *app) know(ctx context.Context, dir string, records estate.Records) (*knowing, error) {
	history, err := estate.OpenHistory(ctx, records)
	if err != nil {
		return nil, failed("%w", err)
	}
	quiet := *a // a reading in the background has no bars, and leaves alone what others set
	quiet.quiet = true
	return &knowing{app: &quiet, dir: dir, history: history, first: make(chan struct{})}, nil
}

// enrich says what was known; one goroutine asks. Alarms are about logs, of which no estate knows.
func (k *knowing) enrich(ctx context.Context, alert model.Alert) model.Alert {
	if alert.Source == signal.Source {
		return alert
	}
	if !k.waited {
		k.waited = true
		k.wait(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, askEstate)
	defer cancel()
	known, err := k.history.Of(ctx, alert)
	if err != nil {
		known = estate.NoEstate(err.Error())
	}
	alert.Context = known
	return alert
}

// wait waits until something is known, but not for long.
func (k *knowing) wait(ctx context.Context) {
	timer := time.NewTimer(firstEstate)
	defer timer.Stop()
	select {
	case <-k.first:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// follow reads the estate until ctx is done.
func (k *knowing) follow(ctx context.Context, every time.Duration, say func(string, ...any)) error {
	hangup := make(chan os.Signal, 1)
	ossignal.Notify(hangup, syscall.SIGHUP)
	defer ossignal.Stop(hangup)
	again := time.NewTicker(every)
	defer again.Stop()
	for first := true; ; first = false {
		err := k.read(ctx)
		if first {
			close(k.first)
		}
		if err != nil && ctx.Err() == nil {
			say("the estate %s is not read, what was known of it stays: %v", k.dir, err)
			k.missed = []model.Incomplete{{What: k.dir, Why: err.Error()}}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
		case <-again.C:
		}
	}
}

// read reads the estate once, and names what was not read of it where that is
// news.
func (k *knowing) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readEstate)
	defer cancel()
	contexts, _, missed, err := k.app.alertContexts(ctx, k.dir)
	if err != nil {
		return err
	}
	if !slices.Equal(k.missed, missed) {
		k.app.talkIncomplete(missed)
		k.missed = missed
	}
	return k.history.Update(ctx, contexts)
}
