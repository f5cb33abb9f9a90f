//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify"
	"github.com/scantling/scantling/notify/format"
	"github.com/scantling/scantling/notify/sink"
)

// alertFormats are what `detect run` prints besides its own JSON.
var alertFormats = []string{"ocsf", "ecs", "cef"}

// How long a run waits for sinks before it leaves the rest in the outbox: a
// sink that is down is tried four times within about two seconds.
const (
	drainTime  = time.Minute
	drainTries = 4
	drainWait  = 250 * time.Millisecond
)

// formatOptions says who we are.
func formatOptions() format.Options {
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}
	return format.Options{Version: Version, Host: host}
}

// printAlert writes one line, in the format that was asked for.
func (a *app) printAlert(w io.Writer, alert model.Alert) error {
	name := a.format
	if !slices.Contains(alertFormats, name) {
		name = "json"
	}
	encode, err := format.EncoderOf(name, formatOptions())
	if err != nil {
		return err
	}
	line, err := encode(format.Message{ID: alert.ID, Alert: alert})
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	return err
}

// alertContexts reads an estate for what it knows of alerts' assets. Its logs
// are left alone. The cluster is what the estate calls the one that logs are of.
func (a *app) alertContexts(ctx context.Context, dir string) (contexts *estate.Contexts, cluster string, missed []model.Incomplete, err error) {
	now := time.Now().UTC()
	defer func(rules string) { a.rules = rules }(a.rules)
	a.rules = "" // the switch selects detections; the estate is judged by its own selection
	r, err := a.reader(ctx, dir, "", now)
	if err != nil {
		return nil, "", nil, err
	}
	r.noLogs = true
	e, err := r.read(ctx)
	if err != nil {
		return nil, "", nil, err
	}
	return estate.NewContexts(e, now), r.config.LogCluster(), e.Incomplete, nil
}

// outputsOf opens the sinks of --output, and others.
func outputsOf(specs []string, cfgs ...notify.Config) ([]notify.Output, error) {
	for i, spec := range specs {
		c, err := notify.Parse(spec)
		if err != nil {
			return nil, usage("--output %d: %w", i+1, err) // never the text: it may hold a secret by mistake
		}
		cfgs = append(cfgs, c)
	}
	outputs, err := notify.Open(cfgs, formatOptions())
	if err != nil {
		return nil, usage("sinks of alerts: %w", err)
	}
	return outputs, nil
}

// sinksOf are the sinks of an estate file. Relative paths are those of its
// folder.
func sinksOf(dir string, list []config.Notify) []notify.Config {
	below := func(path string) string {
		if path == "" || filepath.IsAbs(path) {
			return path
		}
		return filepath.Join(dir, path)
	}
	var out []notify.Config
	for _, n := range list {
		to := n.To
		if before, path, ok := strings.Cut(to, "file:"); ok && (before == "" || strings.HasSuffix(before, "+")) {
			to = before + "file:" + below(path)
		}
		out = append(out, notify.Config{
			Name: n.Name, Window: n.Group.Window, By: notify.By(n.Group.By), Level: n.Level,
			Config: sink.Config{
				To: to, Format: n.Format, Secret: sink.Secret{Env: n.Secret.Env, File: below(n.Secret.File)}, CA: below(n.CA),
				SASL: n.SASL, Index: n.Index, Tenant: n.Tenant, Ack: n.Ack, Batch: n.Batch,
			},
		})
	}
	return out
}

// send owes alerts to outputs and delivers them. What is not taken in time
// stays in the outbox of the data folder, for the next run with the same
// outputs.
func (a *app) send(ctx context.Context, outputs []notify.Output, alerts []model.Alert) error {
	data, err := a.openData(ctx)
	if err != nil {
		return err
	}
	defer data.Close()
	d := notify.New(data, outputs, notify.Options{Tries: drainTries, MinWait: drainWait})
	defer d.Close()
	for _, alert := range alerts {
		writes, err := d.Writes(alert)
		if err != nil {
			return failed("%w", err)
		}
		if err := data.Apply(ctx, writes); err != nil {
			return failed("%w", err)
		}
	}
	return a.drain(ctx, d)
}

// drain delivers what is owed, and says what became of it.
func (a *app) drain(ctx context.Context, d *notify.Deliverer) error {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	if err := d.Drain(ctx); err != nil {
		return failed("%w", err)
	}
	var refused []string
	for _, s := range d.Status() {
		a.say("sent %d messages to %s", s.Sent, s.To)
		if s.Rejected > 0 {
			refused = append(refused, fmt.Sprintf("%s refused %d messages, they lie in its dead outbox", s.To, s.Rejected))
		}
	}
	if len(refused) > 0 {
		return failed("%s", strings.Join(refused, "; "))
	}
	return nil
}
