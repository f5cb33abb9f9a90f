//go:build !scanner

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/estate"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/coverage"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
	"github.com/scantling/scantling/runtime/signal"
)

func (a *app) detectCommand() *cobra.Command {
	var rules string
	var in logInput
	var out alertOutput
	kinds := strings.Join(ingest.Kinds(), ", ")
	run := &cobra.Command{
		Use:   "run FILE…",
		Short: "Print the alerts of logs, one JSON object a line",
		Long: "Run reads logs of Kubernetes, clouds, containers and hosts (plain, gzip or zstd; - is standard\n" +
			"input) and prints one JSON object for each alert. What kind of log a file is its first records\n" +
			"tell. A kind that no rule reads is named as not read. --rules names a folder or file of Sigma\n" +
			"rules, correlations, filters and pipelines to use instead of ours, or selects among ours.\n" +
			"--estate adds to each alert what the estate knows of its workloads and identities; --output sends the\n" +
			"alerts too, as file:PATH or ocsf+https://HOST/PATH.\n\nKinds of log: " + kinds + ".",
		Example: "  scantling detect run examples/shop/audit\n  scantling detect run audit.log.gz --rules my-sigma-rules\n" +
			"  scantling detect run examples/shop/audit --estate examples/shop --format ocsf",
		Args: cobra.MinimumNArgs(1),
		RunE: a.checked(func(ctx context.Context, args []string) error {
			if in.kind != "" && !slices.Contains(ingest.Kinds(), in.kind) {
				return usage("--source %q: no kind of log; the kinds are %s", in.kind, kinds)
			}
			return a.detectRun(ctx, args, rules, in, out)
		}, alertFormats...),
	}
	run.Flags().StringVar(&rules, "rules", "", "Sigma rules to use instead of ours (file or folder), or a selection of ours")
	run.Flags().StringVar(&in.kind, "source", "", "kind of log, where it should not be found out")
	run.Flags().StringVar(&in.dead, "dead-letters", "", "file for the records that are no events, one JSON object a line")
	run.Flags().StringVar(&out.estate, "estate", "", "folder of the estate, for what it knows of the alerts' assets")
	run.Flags().StringArrayVar(&out.to, "output", nil, "send the alerts there too, as file:PATH or ocsf+https://HOST/PATH; repeatable")
	return group(&cobra.Command{Use: "detect", Short: "Find attacks in logs", Example: "  scantling detect run examples/shop/audit"}, run, a.detectWatchCommand(), a.detectTestCommand(), a.detectCoverageCommand(), a.detectOutboxCommand())
}

func (a *app) detectRun(ctx context.Context, args []string, rules string, in logInput, out alertOutput) error {
	outputs, err := outputsOf(out.to)
	if err != nil {
		return err
	}
	d, err := a.detectorFor(rules)
	if err != nil {
		return err
	}
	missed := d.broken
	results := detect.NewResults(d.program)
	files, unread, err := logFiles(args)
	if err != nil {
		return err
	}
	missed = append(missed, unread...)
	letters, err := openDeadLetters(in.dead, os.O_TRUNC)
	if err != nil {
		return err
	}
	defer letters.close()
	cfg := ingest.Config{Cluster: config.DefaultCluster, Source: in.kind, DeadLetter: letters.take}
	var contexts *estate.Contexts
	if out.estate != "" {
		var unknown []model.Incomplete
		if contexts, cfg.Cluster, unknown, err = a.alertContexts(ctx, out.estate); err != nil {
			return err
		}
		missed = append(missed, unknown...)
	}
	unjudged, fields := newUnjudged(d.program), signal.NewFields(d.program)
	records := 0
	for _, name := range files {
		res, err := a.feed(ctx, name, cfg, func(rec *ingest.Record) error {
			unjudged.add(rec)
			fields.AddRecord(rec)
			results.AddRecord(rec)
			return nil
		})
		if err != nil {
			return err
		}
		records += res.Records
		missed = append(missed, res.Incomplete...)
	}
	if err := letters.close(); err != nil {
		return failed("writing dead letters: %w", err)
	}
	missed = slices.Concat(missed, unjudged.incomplete(), results.Incomplete(), together(results.Unknown()))
	found, err := a.tell(ctx, results.Alerts(), contexts, outputs)
	if err != nil {
		return err
	}
	if records == 0 && len(missed) == 0 {
		return failed("%s: no record was found", args[0])
	}
	a.talkIncomplete(missed)
	a.talkFields(fields.Never(signal.EnoughEvents))
	a.outcome(nil, len(missed), found)
	return nil
}

// together puts rules that could not tell for one reason into one entry: many
// look at the same requests.
func together(rules []model.Incomplete) []model.Incomplete {
	var out []model.Incomplete
	at := map[string]int{}
	for _, r := range rules {
		id, one := strings.CutPrefix(r.What, "rule ")
		i, known := at[r.Why]
		switch {
		case !one:
			out = append(out, r)
		case !known:
			at[r.Why] = len(out)
			out = append(out, r)
		default:
			_, others, _ := strings.Cut(out[i].What, " ")
			out[i].What = "rules " + others + ", " + id
		}
	}
	return out
}

// tell prints alerts with what the estate knows, and sends them. It reports
// whether one is at or over the threshold.
func (a *app) tell(ctx context.Context, alerts []model.Alert, contexts *estate.Contexts, outputs []notify.Output) (found bool, err error) {
	for i := range alerts {
		found = found || alerts[i].Level >= a.threshold()
		if contexts != nil {
			alerts[i].Context = contexts.Of(alerts[i])
		}
		if err := a.printAlert(a.Out, alerts[i]); err != nil {
			return found, failed("writing an alert: %w", err)
		}
	}
	if len(outputs) == 0 {
		return found, nil
	}
	return found, a.send(ctx, outputs, alerts)
}

// alertOutput is what the switches say of where alerts go.
type alertOutput struct {
	estate string
	to     []string
}

// logFiles expands folders into the logs below them. A file that is
// named is read whatever it looks like.
func logFiles(args []string) ([]string, []model.Incomplete, error) {
	var files []string
	var missed []model.Incomplete
	for _, name := range args {
		if name == "-" {
			files = append(files, name)
			continue
		}
		info, err := os.Stat(name)
		if err != nil {
			return nil, nil, failed("%s: %s", name, cause(err))
		}
		if !info.IsDir() {
			files = append(files, name)
			continue
		}
		f, err := discover(context.Background(), name, nil)
		if err != nil {
			return nil, nil, err
		}
		files = append(files, f.logs...)
		files = append(files, f.otherLogs...)
		missed = append(missed, f.incomplete...)
	}
	return files, missed, nil
}

// feed reads one log.
func (a *app) feed(ctx context.Context, name string, cfg ingest.Config, take func(*ingest.Record) error) (ingest.Result, error) {
	in := a.In
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return ingest.Result{Incomplete: []model.Incomplete{{What: name, Why: cause(err)}}}, nil
		}
		defer f.Close()
		in = f
	}
	res, err := ingest.Scan(ctx, name, in, cfg, take)
	if err != nil {
		return res, failed("%w", err)
	}
	return res, nil
}

// detector is a compiled set of detections with the rules that didn't make it.
type detector struct {
	app     *app
	program *detect.Program
	broken  []model.Incomplete
}

// detectorFor compiles Sigma rules of a file or folder, or a selection of
// ours.
func (a *app) detectorFor(rules string) (*detector, error) {
	if _, err := os.Stat(rules); rules == "" || errors.Is(err, os.ErrNotExist) {
		a.rules = rules
		cat, missed, err := a.catalogue("", nil, model.Runtime)
		if err != nil {
			return nil, err
		}
		d, err := a.detector(cat)
		if err == nil {
			d.broken = append(missed, d.broken...)
		}
		return d, err
	}
	sources, errs := detect.Load(rules)
	program, more := detect.Compile(sources)
	for _, w := range program.Warnings() {
		a.say("warning: %v", w)
	}
	d := &detector{app: a, program: program}
	for _, err := range append(errs, more...) {
		d.broken = append(d.broken, a.broken(err))
	}
	if len(program.Rules()) == 0 && len(d.broken) == 0 {
		return nil, failed("%s: no Sigma rule was found", rules)
	}
	return d, nil
}

// detector compiles the runtime rules of a catalogue.
func (a *app) detector(cat *rule.Catalogue) (*detector, error) {
	program, errs := detect.Compile(detect.FromCatalogue(cat))
	if program == nil {
		return nil, failed("compiling detections: %v", errs)
	}
	d := &detector{app: a, program: program}
	for _, err := range errs {
		d.broken = append(d.broken, a.broken(err))
	}
	return d, nil
}

// reading runs the detections over logs and gathers what the logs prove. Each
// log is read twice: what an attack used is no legitimate use, so the alerts
// come first.
func (d *detector) reading(ctx context.Context, cluster string, logs []config.Log, bar *bar) (model.Reading, error) {
	r := model.Reading{Stage: model.Runtime}
	if len(logs) == 0 {
		r.Why = "no audit log was found"
		return r, nil
	}
	results := detect.NewResults(d.program)
	for _, l := range logs {
		res, err := d.app.feed(ctx, l.Path, ingest.Config{Cluster: cluster, Source: l.Kind}, func(rec *ingest.Record) error {
			results.AddRecord(rec)
			return nil
		})
		if err != nil {
			return r, err
		}
		r.Read += res.Events
		r.Incomplete = append(r.Incomplete, res.Incomplete...)
		bar.step()
	}
	use := ingest.NewUsage(cluster, results.Alerted())
	for _, l := range logs {
		if _, err := d.app.feed(ctx, l.Path, ingest.Config{Cluster: cluster, Source: l.Kind}, func(rec *ingest.Record) error {
			use.Add(rec.Event())
			return nil
		}); err != nil {
			return r, err
		}
		bar.step()
	}
	r.Alerts = results.Alerts()
	facts, lost := use.Facts()
	r.Facts = facts
	r.Incomplete = slices.Concat(r.Incomplete, lost, results.Incomplete(), together(results.Unknown()))
	if r.Read == 0 {
		r.Why = fmt.Sprintf("no record could be read of %d logs", len(logs))
	}
	return r, nil
}

// coverage says what the detections would see, given the logs that were read
// and the techniques that the attack graphs use.
func (d *detector) coverage(needed []string, read model.Reading) model.Reading {
	in := coverage.Input{Rules: d.program.Rules(), Logs: coverage.Logs(read.Facts), Needed: needed}
	for _, b := range coverage.Blind(in) {
		d.app.say("note: %s: %s", b.What, b.Why)
	}
	return coverage.Reading(in)
}
