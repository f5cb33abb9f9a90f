//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify"
	"github.com/scantling/scantling/report"
)

func (a *app) detectOutboxCommand() *cobra.Command {
	var revive []string
	cmd := &cobra.Command{
		Use:     "outbox",
		Short:   "Say which alerts are owed to whom, and which were refused and why",
		Long:    "Outbox lists the sinks to which alerts of the data folder are owed, and the alerts that a sink refused\nfor good. --revive owes these to their sink again, once its trouble is over: the next run sends them.",
		Example: "  scantling detect outbox\n  scantling detect outbox --revive siem",
		Args:    cobra.NoArgs,
		RunE:    a.checked(func(ctx context.Context, _ []string) error { return a.detectOutbox(ctx, revive) }),
	}
	cmd.Flags().StringArrayVar(&revive, "revive", nil, "owe what this sink refused to it again; repeatable")
	return cmd
}

type outboxReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	Data       string             `json:"data"` // the folder
	Sinks      []owedRow          `json:"sinks"`
	Refused    []refusedRow       `json:"refused"` // the first mostRefused of each sink
	Incomplete []model.Incomplete `json:"incomplete"`
}

type owedRow struct {
	Sink    string    `json:"sink"`
	Pending int       `json:"pending"` // alerts
	Held    int       `json:"held"`
	Dead    int       `json:"dead"`
	Oldest  time.Time `json:"oldest,omitzero"` // event that is pending
}

type refusedRow struct {
	Sink  string    `json:"sink"`
	Alert string    `json:"alert"`
	Rule  string    `json:"rule"`
	Time  time.Time `json:"time"` // of the event
	At    time.Time `json:"at"`   // of the refusal
	Why   string    `json:"why"`
}

// mostRefused is how many refused alerts of a sink are listed.
const mostRefused = 100

func (a *app) detectOutbox(ctx context.Context, revive []string) error {
	doc := outboxReport{
		Schema: report.Schema, Tool: a.tool(), Data: a.dataFolder(), Sinks: []owedRow{}, Refused: []refusedRow{}, Incomplete: []model.Incomplete{},
	}
	data, err := a.openDataIfAny(ctx)
	if err != nil {
		return err
	}
	var owed []notify.Owed
	if data != nil {
		defer data.Close()
		if owed, err = notify.Survey(ctx, data); err != nil {
			return failed("%w", err)
		}
	}
	for _, name := range revive {
		if !slices.ContainsFunc(owed, func(o notify.Owed) bool { return o.Sink == name && o.Dead > 0 }) {
			return failed("--revive %s: no sink of this name has refused an alert", name)
		}
		n, err := notify.Revive(ctx, data, name)
		if err != nil {
			return failed("%w", err)
		}
		a.say("%d alerts are owed to %s again", n, name)
	}
	if len(revive) > 0 {
		if owed, err = notify.Survey(ctx, data); err != nil {
			return failed("%w", err)
		}
	}
	dead := 0
	for _, o := range owed {
		dead += o.Dead
		doc.Sinks = append(doc.Sinks, owedRow(o))
		refused, err := notify.Dead(ctx, data, o.Sink, mostRefused)
		if err != nil {
			return failed("%w", err)
		}
		for _, r := range refused {
			doc.Refused = append(doc.Refused, refusedRow{Sink: r.Sink, Alert: r.Alert.ID, Rule: r.Alert.Rule, Time: r.Alert.Time, At: r.At, Why: r.Why})
		}
	}
	a.outcome(nil, 0, dead > 0)
	return a.show(doc, func(w io.Writer, _ report.Paint) error { return doc.text(w) })
}

func (d *outboxReport) text(w io.Writer) error {
	if len(d.Sinks) == 0 {
		_, err := fmt.Fprintln(w, "no alert is owed to anyone")
		return err
	}
	for _, s := range d.Sinks {
		if _, err := fmt.Fprintf(w, "%s: %d pending, %d held, %d refused\n", s.Sink, s.Pending, s.Held, s.Dead); err != nil {
			return err
		}
	}
	for _, r := range d.Refused {
		if _, err := fmt.Fprintf(w, "refused by %s: %s %s of %s: %s\n", r.Sink, r.Rule, r.Alert, r.Time.UTC().Format(time.RFC3339), report.Clean(r.Why)); err != nil {
			return err
		}
	}
	return nil
}
