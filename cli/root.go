// Package cli is the command line: one file a command. It is the only place
// that wires readers, judges, the join and the reports together. Standard
// output carries the result, standard error the talk.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/rule"
)

// Version is set at link time by a release; a plain build says "devel".
var Version = "devel"

// Ruleset is the released set of rules that is on by default.
const Ruleset = "2026.1"

// The exit codes that scripts rely on (docs/interfaces.md).
const (
	exitClean      = 0
	exitFailed     = 1 // could not do it
	exitUsage      = 2 // wrong usage or configuration: nothing was judged
	exitFound      = 3 // findings at or over the threshold, load over the line
	exitIncomplete = 4 // something named was not read, or is unknown
)

// IO is the world of one run: its streams and environment.
type IO struct {
	In       io.Reader
	Out      io.Writer
	Err      io.Writer
	Env      func(string) string
	Self     string // path of this program, which it runs to render charts apart; empty: not apart
	Terminal bool   // standard error is a terminal
	Colour   bool   // standard output takes colours
	Width    int    // columns of standard output; 0 where it is no terminal, or nobody knows
}

// Std is the IO of a process.
func Std() IO {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	width, _, _ := term.GetSize(int(os.Stdout.Fd())) // 0 where it is no terminal
	return IO{
		Width: width, Self: self,
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr, Env: os.Getenv,
		Terminal: term.IsTerminal(int(os.Stderr.Fd())),
		Colour:   term.IsTerminal(int(os.Stdout.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
}

// failure is an error with the exit code that it ends the program with.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// failed is an error of code exitFailed, usage one of exitUsage.
func failed(format string, args ...any) error {
	return &failure{exitFailed, fmt.Errorf(format, args...)}
}

func usage(format string, args ...any) error { return &failure{exitUsage, fmt.Errorf(format, args...)} }

// Main runs one command and returns its exit code.
func Main(ctx context.Context, args []string, std IO) int {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // what doesn't heed the first signal ends with the second
	app := &app{IO: std}
	root := app.root()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return app.code
	}
	for _, line := range strings.Split(err.Error(), "\n") {
		fmt.Fprintf(std.Err, "error: %s\n", report.Clean(line))
	}
	var f *failure
	if errors.As(err, &f) {
		return f.code
	}
	return exitUsage // what cobra itself refuses: a command, flag or argument
}

// app is one run of the program: its streams, global switches, and the exit
// code of what it found.
type app struct {
	IO
	code int

	format   string
	failOn   string
	lenient  bool // --allow-unknown
	quiet    bool
	rules    string
	rulesDir []string
	data     string // --data
	sbom     string // --sbom of image
	wider           // the switches of the complete program

	judgedBy []*rule.Rule // the rules that catalogue selected last
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "scantling",
		Short:         short,
		Long:          long,
		Example:       examples,
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	flags := root.PersistentFlags()
	flags.StringVar(&a.format, "format", "text", "output format: text or json; some commands have more")
	flags.StringVar(&a.failOn, "fail-on", "high", "lowest severity that ends with exit code 3: info, low, medium, high, critical")
	flags.BoolVar(&a.lenient, "allow-unknown", false, "count what is incomplete or unknown, but don't end with exit code 4")
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "no talk on standard error but errors and what was not read")
	flags.StringVar(&a.rules, "rules", "", "rules to judge by, with commas: all, a set as 2026.1 or supply-chain, ids")
	flags.StringArrayVar(&a.rulesDir, "rules-dir", nil, "folder with more rules (repeatable)")
	flags.StringVar(&a.data, "data", "", "folder of what is kept between runs (default $XDG_DATA_HOME/scantling, else ~/.local/share/scantling)")
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetFlagErrorFunc(flagError)
	a.completeFlags(root)
	return group(root, a.commands()...)
}

// group makes a command of others. Alone it prints its help; a word that is
// none of its commands is wrong usage, which cobra would answer with the help
// and success.
func group(cmd *cobra.Command, commands ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(commands...)
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, c := range cmd.Commands() {
			names = append(names, c.Name())
		}
		return usage("unknown command %q for %q%s", args[0], cmd.CommandPath(), nearest(args[0], names))
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// checked runs a command's work after the global switches were checked. more
// are the formats that the command has besides text and JSON.
func (a *app) checked(run func(ctx context.Context, args []string) error, more ...string) func(*cobra.Command, []string) error {
	formats := append([]string{"text", "json"}, more...)
	return func(cmd *cobra.Command, args []string) error {
		if ask, ok := cmd.Context().Value(askFormats{}).(*[]string); ok {
			*ask = formats // for completion: nothing runs
			return nil
		}
		if !slices.Contains(formats, a.format) {
			return usage("--format %q: %s has %s%s", a.format, cmd.CommandPath(), strings.Join(formats, ", "), nearest(a.format, formats))
		}
		if _, err := model.ParseSeverity(a.failOn); err != nil {
			return usage("--fail-on: %w", err)
		}
		return run(cmd.Context(), args)
	}
}

// tool names this program in reports.
func (a *app) tool() report.Tool {
	return report.Tool{Name: "scantling", Version: Version, Ruleset: Ruleset}
}

// threshold is the severity of --fail-on, which checked has parsed before.
func (a *app) threshold() model.Severity {
	s, _ := model.ParseSeverity(a.failOn)
	return s
}

// outcome sets the exit code: incomplete goes before found.
func (a *app) outcome(findings []model.Finding, incomplete int, found bool) {
	unknown := incomplete > 0
	for _, f := range findings {
		if f.Suppressed != nil || f.Severity < a.threshold() {
			continue
		}
		found = found || f.Verdict == model.Fail
		unknown = unknown || f.Verdict == model.Unknown
	}
	switch {
	case unknown && !a.lenient:
		a.code = exitIncomplete
	case found:
		a.code = exitFound
	}
}

// rendering writes a result in a format besides text and JSON.
type rendering struct {
	format string
	write  func(io.Writer) error
}

// show writes a result in the chosen format.
func (a *app) show(doc any, text func(io.Writer, report.Paint) error, more ...rendering) error {
	var err error
	switch i := slices.IndexFunc(more, func(r rendering) bool { return r.format == a.format }); {
	case i >= 0:
		err = more[i].write(a.Out)
	case a.format == "json":
		err = report.JSON(a.Out, doc)
	default:
		err = text(a.Out, a.paint())
	}
	if err != nil {
		return failed("writing the result: %w", err)
	}
	return nil
}
