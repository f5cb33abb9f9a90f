//go:build !scanner

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/notify"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
	"github.com/scantling/scantling/runtime/watch"
	"github.com/scantling/scantling/store"
)

// logFolder is where the durable log is in the data folder.
const logFolder = "log"

// watchFlags are the switches of detect watch.
type watchFlags struct {
	rules      string
	in         logInput
	retainAge  time.Duration
	retainSize string
	keepAlerts time.Duration
	lateness   time.Duration
	replayFrom string
	listen     listenFlags
	to         []string
	estate     knownFlags
	alarms     alarmFlags
}

func (a *app) detectWatchCommand() *cobra.Command {
	var flags watchFlags
	cmd := &cobra.Command{
		Use:   "watch [FILE…]",
		Short: "Follow logs without an end, and print alerts as they come",
		Long: "Watch follows files that grow (- is standard input), through rotation, and takes what API servers post\n" +
			"to --listen. Each record is put on a durable log in the data folder first, judged when it is read from\n" +
			"there, and each alert is recorded there once. After a stop or a crash it goes on where it was, with the files too. Without a file it judges\n" +
			"what is on the log. Alerts are printed as by detect run, each at least once; their ids tell. --output and\n" +
			"the notify list of --estate send them too. That a log falls silent, or can't feed a rule, is an alert as well.\n\n" +
			"It ends with SIGINT or SIGTERM, or when standard input was all and is at its end. SIGHUP, or a change\n" +
			"of the files of --rules, loads the rules anew; SIGHUP reads the estate again too.",
		Example: "  scantling detect watch /var/log/kubernetes/audit.log --data /var/lib/scantling\n  journalctl -f -o json | scantling detect watch -\n" +
			"  scantling detect watch /var/log/kubernetes/audit.log --estate examples/shop --output ocsf+https://siem.example/alerts",
		RunE: a.checked(func(ctx context.Context, args []string) error {
			return a.detectWatch(ctx, args, flags)
		}, alertFormats...),
	}
	cmd.Flags().StringVar(&flags.rules, "rules", "", "Sigma rules to use instead of ours (file or folder), or a selection of ours")
	cmd.Flags().StringVar(&flags.in.kind, "source", "", "kind of log, where it should not be found out")
	cmd.Flags().StringVar(&flags.in.dead, "dead-letters", "", "file for the records that are no events, one JSON object a line")
	cmd.Flags().DurationVar(&flags.retainAge, "retain-age", bus.DefaultAge, "how long the log keeps records")
	cmd.Flags().DurationVar(&flags.keepAlerts, "keep-alerts", 0, "how long after its event the record of an alert stays in the data folder; by default for ever")
	cmd.Flags().StringVar(&flags.retainSize, "retain-size", "8GiB", "how much the log keeps, as stored; the oldest goes first")
	cmd.Flags().DurationVar(&flags.lateness, "lateness", time.Minute, "how much later than others an event may come and still be correlated")
	cmd.Flags().StringVar(&flags.replayFrom, "replay-from", "", "judge again what the log took in since this time (RFC 3339), or so long ago, as 2h")
	cmd.Flags().StringArrayVar(&flags.to, "output", nil, "send the alerts there too, as file:PATH or ocsf+https://HOST/PATH; repeatable")
	flags.estate.add(cmd)
	flags.alarms.add(cmd)
	flags.listen.add(cmd)
	return cmd
}

// parseSize reads a number of bytes, as 512MiB.
func parseSize(text string) (int64, error) {
	units := map[string]int64{"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
	digits := strings.TrimRight(text, "KMGTiB")
	n, err := strconv.ParseInt(digits, 10, 64)
	unit, ok := units[text[len(digits):]]
	if err != nil || !ok || n <= 0 || n > (1<<62)/unit {
		return 0, fmt.Errorf("%q: give a number of bytes, as 512MiB or 8GiB", text)
	}
	return n * unit, nil
}

// parseSince reads a time, or how long ago it was.
func parseSince(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, fmt.Errorf("%q: give a time as 2026-01-31T10:00:00Z, or how long ago, as 2h", text)
	}
	return t, nil
}

// lockedWriter lets several goroutines talk, a line at a time.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// watching is one run of detect watch.
type watching struct {
	app       *app
	flags     watchFlags
	size      int64
	since     time.Time
	token     string // of the webhook
	cluster   string
	log       *bus.Log
	store     *store.Store
	watch     *watch.Watch
	letters   *deadLetters
	outputs   []notify.Output
	deliverer *notify.Deliverer
	know      *knowing // nil: there is no estate
	alarms    *alarms
	settled   bool // standard input was all, and is judged

	mu       sync.Mutex // of what follows
	found    bool
	lost     []model.Incomplete
	unjudged []*unjudged // by partition
}

func (a *app) detectWatch(ctx context.Context, args []string, flags watchFlags) error {
	a.Err = &lockedWriter{w: a.Err}
	w := &watching{app: a, flags: flags}
	files, err := w.check(args)
	if err != nil {
		return err
	}
	d, err := a.detectorFor(flags.rules)
	if err != nil {
		return err
	}
	a.talkIncomplete(d.broken)
	if err := w.prepare(d.program); err != nil {
		return err
	}
	if err := w.open(ctx); err != nil {
		return errors.Join(err, w.close())
	}
	err = w.run(ctx, files, d.program)
	if err == nil && w.settled {
		err = w.outcome(ctx)
	}
	return errors.Join(err, w.close())
}

// prepare makes of the switches what needs no data folder.
func (w *watching) prepare(program *detect.Program) error {
	if file := w.flags.listen.apiServer; file != "" {
		if err := w.app.checkAPIServer(file, w.flags.listen.Address != ""); err != nil {
			return err
		}
	}
	var missed []model.Incomplete
	var err error
	if w.alarms, missed, err = w.app.alarmsFor(w.flags.alarms, program); err != nil {
		return err
	}
	w.app.talkIncomplete(missed)
	if file := w.flags.alarms.policy; file != "" {
		policy, err := readPolicy(file)
		if err != nil {
			return err
		}
		w.alarms.policy(policy, time.Now())
	}
	known, err := w.flags.estate.load()
	if err != nil {
		return err
	}
	w.cluster = known.LogCluster()
	w.outputs, err = outputsOf(w.flags.to, sinksOf(w.flags.estate.dir, known.Notify)...)
	return err
}

// check looks at the switches and arguments.
func (w *watching) check(args []string) (files []string, err error) {
	if kind := w.flags.in.kind; kind != "" && !slices.Contains(ingest.Kinds(), kind) {
		return nil, usage("--source %q: no kind of log; the kinds are %s", kind, strings.Join(ingest.Kinds(), ", "))
	}
	if w.size, err = parseSize(w.flags.retainSize); err != nil {
		return nil, usage("--retain-size %w", err)
	}
	if w.flags.retainAge <= 0 || w.flags.lateness <= 0 {
		return nil, usage("--retain-age and --lateness must be more than nothing")
	}
	if keep := w.flags.keepAlerts; keep != 0 && keep < w.flags.retainAge {
		return nil, usage("--keep-alerts %s: must not be less than --retain-age, %s: what is judged again would be told again", keep, w.flags.retainAge)
	}
	if w.flags.replayFrom != "" {
		if w.since, err = parseSince(w.flags.replayFrom, time.Now()); err != nil {
			return nil, usage("--replay-from %w", err)
		}
	}
	if w.token, err = w.flags.listen.secret(w.app.Env); err != nil {
		return nil, err
	}
	for _, name := range args {
		if name == "-" {
			files = append(files, name)
			continue
		}
		info, err := statFollowed(name)
		if err != nil {
			return nil, failed("%s: %s", name, cause(err))
		}
		if info.IsDir() {
			return nil, usage("%s is a folder: name the files to follow", name)
		}
		if name, err = filepath.Abs(name); err != nil { // a place of it is kept, wherever the next run is started
			return nil, failed("%w", err)
		}
		if !slices.Contains(files, name) {
			files = append(files, name)
		}
	}
	return files, nil
}

// statFollowed looks at a file that may be between the two steps of a rotation.
func statFollowed(name string) (os.FileInfo, error) {
	for range 20 {
		info, err := os.Stat(name)
		if !errors.Is(err, fs.ErrNotExist) {
			return info, err
		}
		time.Sleep(50 * time.Millisecond)
	}
	return os.Stat(name)
}

// open opens what the data folder has.
func (w *watching) open(ctx context.Context) (err error) {
	a := w.app
	if w.store, err = a.openData(ctx); err != nil {
		return err
	}
	w.log, err = bus.Open(ctx, bus.Config{
		Dir: filepath.Join(a.dataFolder(), logFolder), MaxAge: w.flags.retainAge, MaxBytes: w.size, Lost: w.lose,
		Warn: func(message string) { a.say("log: %s", message) },
	})
	if err != nil {
		return failed("%w", err)
	}
	if w.letters, err = openDeadLetters(w.flags.in.dead, os.O_APPEND); err != nil {
		return err
	}
	w.deliverer = a.deliverer(w.store, w.outputs)
	if dir := w.flags.estate.dir; dir != "" {
		if w.know, err = a.know(ctx, dir, w.store); err != nil {
			return err
		}
	}
	w.watch, err = watch.New(ctx, w.log, w.store, w.config(ctx))
	if err != nil {
		return failed("%w", err)
	}
	if !w.since.IsZero() {
		if err := w.watch.ReplayFrom(ctx, w.since); err != nil {
			return failed("%w", err)
		}
	}
	return nil
}

// config joins the watch with what is done besides. What alerts need is not cut
// short by the end of ctx: the last are recorded after it.
func (w *watching) config(ctx context.Context) watch.Config {
	ctx = context.WithoutCancel(ctx)
	cfg := watch.Config{
		Cluster: w.cluster, Bounds: detect.Bounds{Lateness: w.flags.lateness}, Keep: w.flags.keepAlerts,
		Tell: w.tell, Dead: w.dead, Say: w.app.say, Outbox: w.deliverer.Writes, Recorded: w.deliverer.Wake, Behind: w.alarms.behind, Record: w.record,
	}
	if w.know != nil {
		cfg.Enrich = func(alert model.Alert) model.Alert { return w.know.enrich(ctx, alert) }
	}
	return cfg
}

func (w *watching) close() error {
	var errs []error
	if w.deliverer != nil {
		errs = append(errs, w.deliverer.Close())
	}
	if w.letters != nil {
		errs = append(errs, w.letters.close())
	}
	if w.log != nil {
		errs = append(errs, w.log.Close())
	}
	if w.store != nil {
		errs = append(errs, w.store.Close())
	}
	if err := errors.Join(errs...); err != nil {
		return failed("closing: %w", err)
	}
	return nil
}

// tell prints alerts.
func (w *watching) tell(alerts []model.Alert) error {
	for _, alert := range alerts {
		if err := w.app.printAlert(w.app.Out, alert); err != nil {
			return err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.found = w.found || slices.ContainsFunc(alerts, func(a model.Alert) bool { return a.Level >= w.app.threshold() })
	return nil
}

func (w *watching) dead(_ int, letter ingest.DeadLetter) {
	w.mu.Lock()
	defer w.mu.Unlock()
	wrote := w.letters.err == nil
	if w.letters.take(letter); wrote && w.letters.err != nil { // the end, which tells it too, may be far
		w.app.say("dead letters are not written any more: %v", w.letters.err)
	}
}

// maxLost is how many losses are named at the end.
const maxLost = 100

// lose notes what the log could not give.
func (w *watching) lose(loss bus.Loss) {
	w.app.say("log: %v", &loss)
	w.alarms.lose()
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.lost) < maxLost {
		w.lost = append(w.lost, model.Incomplete{What: "log", Why: loss.Error()})
	}
}

// run follows the files and watches the log until ctx is done, or standard
// input was all and is judged.
func (w *watching) run(ctx context.Context, files []string, program *detect.Program) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sources, outer := errgroup.WithContext(ctx)
	for _, name := range files {
		sources.Go(func() error { return w.follow(outer, name) })
	}
	if w.flags.listen.Address != "" {
		sources.Go(func() error { return w.receive(outer) })
	}
	w.judges(program)
	g, inner := errgroup.WithContext(ctx)
	rules := make(chan *detect.Program)
	g.Go(func() error { return w.watch.Run(inner, program, rules) })
	g.Go(func() error { return w.reload(inner, rules) })
	g.Go(func() error { return w.count(inner) })
	g.Go(func() error { return w.alarm(inner) })
	g.Go(func() error { return w.deliverer.Run(inner) })
	if w.know != nil {
		g.Go(func() error { return w.know.follow(inner, w.flags.estate.every, w.app.say) })
	}
	g.Go(func() error {
		defer stop()
		ended := make(chan error, 1)
		go func() { ended <- sources.Wait() }()
		select {
		case err := <-ended:
			if err != nil || !slices.Equal(files, []string{"-"}) || w.flags.listen.Address != "" {
				return w.rest(inner, err)
			}
			return w.settle(inner)
		case <-inner.Done():
			stop()
			return <-ended
		}
	})
	err := g.Wait()
	if !w.settled { // else it is said with the outcome
		w.app.talkIncomplete(slices.Concat(w.unread(), together(w.doubts())))
	}
	if err != nil {
		return failed("%w", err)
	}
	return nil
}

// doubts are what detections and alarms could not judge.
func (w *watching) doubts() []model.Incomplete {
	return slices.Concat(w.watch.Incomplete(), w.alarms.incomplete())
}

// rest waits for the end where sources have none, or one failed.
func (w *watching) rest(ctx context.Context, err error) error {
	if err == nil {
		<-ctx.Done()
	}
	return err
}

// follow puts one source on the log.
func (w *watching) follow(ctx context.Context, name string) error {
	cfg := watch.TailConfig{Kind: w.flags.in.kind, Say: w.app.say}
	stream := name
	if name == "-" {
		stream = "stdin since " + time.Now().UTC().Format(time.RFC3339Nano)
	}
	w.alarms.begin(stream)
	defer w.alarms.end(stream)
	if name == "-" {
		return watch.Pipe(ctx, stream, w.app.In, w.log, cfg)
	}
	return watch.Tail(ctx, name, w.log, w.store, cfg)
}

// settle waits until all that is on the log was judged.
func (w *watching) settle(ctx context.Context) error {
	if w.know != nil {
		w.know.wait(ctx)
	}
	if w.watch.Settle(ctx) != nil {
		return nil // stopped before that
	}
	w.raise(time.Now())
	w.settled = true
	return nil
}

// outcome sends what is owed, and says what came of standard input as detect
// run does.
func (w *watching) outcome(ctx context.Context) error {
	if len(w.outputs) > 0 {
		if err := w.app.drain(ctx, w.deliverer); err != nil {
			return err
		}
	}
	missed := slices.Concat(w.lost, w.unread(), together(w.doubts()))
	if n := w.watch.Counters().Dead; n > 0 {
		missed = append(missed, model.Incomplete{What: "standard input", Why: fmt.Sprintf("%d records are damaged", n)})
	}
	w.app.talkIncomplete(missed)
	w.mu.Lock()
	defer w.mu.Unlock()
	unknown := len(missed)
	if w.know != nil {
		unknown += len(w.know.missed) // which were named
	}
	w.app.outcome(nil, unknown, w.found)
	return nil
}

// count says once a minute what was done, and what no rule reads.
func (w *watching) count(ctx context.Context) error {
	last := watch.Counters{}
	minute := time.NewTicker(time.Minute)
	defer minute.Stop()
	for {
		select {
		case <-ctx.Done():
			c := w.watch.Counters()
			w.app.say("watch: %d records, %d events, %d damaged, %d alerts in all", c.Records, c.Events, c.Dead, c.Alerts)
			return nil
		case <-minute.C:
			c := w.watch.Counters()
			w.app.say("watch: %d records, %d events, %d damaged, %d alerts in the last minute",
				c.Records-last.Records, c.Events-last.Events, c.Dead-last.Dead, c.Alerts-last.Alerts)
			last = c
			w.app.talkIncomplete(w.unread())
		}
	}
}
