package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/rules"
)

// nearest is `: the nearest is "X"` for the word that somebody meant, or
// nothing where none is near.
func nearest(word string, words []string) string {
	if near := model.Nearest(word, words); near != "" {
		return fmt.Sprintf(": the nearest is %q", near)
	}
	return ""
}

// flagError adds the nearest switch to the error of an unknown one.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if !errors.As(err, &unknown) || len(unknown.GetSpecifiedName()) < 2 {
		return err
	}
	var names []string
	cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
	if near := model.Nearest(unknown.GetSpecifiedName(), names); near != "" {
		return fmt.Errorf("%w: the nearest is %q", err, "--"+near)
	}
	return err
}

// shells are those for which a completion script is written.
var shells = []string{"bash", "zsh", "fish", "powershell"}

func (a *app) completionCommand() *cobra.Command {
	return &cobra.Command{
		Use:       "completion SHELL",
		Short:     "Print a script that completes commands, switches and ids: bash, zsh, fish, powershell",
		Example:   "  source <(scantling completion bash)\n  scantling completion fish > ~/.config/fish/completions/scantling.fish",
		Args:      cobra.ExactArgs(1),
		ValidArgs: shells,
		RunE: a.checked(func(_ context.Context, args []string) error {
			script, err := a.script(args[0])
			if err != nil {
				return err
			}
			doc := struct {
				Schema     int                `json:"schema"`
				Tool       report.Tool        `json:"tool"`
				Shell      string             `json:"shell"`
				Script     string             `json:"script"`
				Incomplete []model.Incomplete `json:"incomplete"`
			}{report.Schema, a.tool(), args[0], script, []model.Incomplete{}}
			return a.show(doc, func(w io.Writer, _ report.Paint) error {
				_, err := io.WriteString(w, script)
				return err
			})
		}),
	}
}

// script writes the completion of one shell.
func (a *app) script(shell string) (string, error) {
	var out bytes.Buffer
	var err error
	switch root := (&app{IO: a.IO}).root(); shell { // its own: defining switches resets them
	case "bash":
		err = root.GenBashCompletionV2(&out, true)
	case "zsh":
		err = root.GenZshCompletion(&out)
	case "fish":
		err = root.GenFishCompletion(&out, true)
	case "powershell":
		err = root.GenPowerShellCompletionWithDesc(&out)
	default:
		return "", usage("no completion for %q: there is %s%s", shell, strings.Join(shells, ", "), nearest(shell, shells))
	}
	if err != nil {
		return "", failed("writing the completion of %s: %w", shell, err)
	}
	return out.String(), nil
}

// completer proposes words for what is being typed.
type completer = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective)

// completeFlags names the values of the global switches that have names.
func (a *app) completeFlags(root *cobra.Command) {
	for name, f := range map[string]completer{
		"format":    completeFormats,
		"fail-on":   words("critical", "high", "medium", "low", "info"),
		"rules":     a.completeRules(true),
		"rules-dir": nil,
	} {
		if f == nil {
			f = func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
				return nil, cobra.ShellCompDirectiveFilterDirs
			}
		}
		if err := root.RegisterFlagCompletionFunc(name, f); err != nil {
			panic(err) // a switch of that name doesn't exist: a mistake in this file
		}
	}
}

// askFormats is the key of a context in which a command only tells its formats.
type askFormats struct{}

// completeFormats proposes the formats of the command that is typed.
func completeFormats(cmd *cobra.Command, _ []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	formats := []string{"text", "json"}
	if cmd.RunE != nil && !cmd.HasSubCommands() {
		cmd.SetContext(context.WithValue(cmd.Context(), askFormats{}, &formats))
		if err := cmd.RunE(cmd, nil); err != nil {
			return nil, cobra.ShellCompDirectiveError
		}
	}
	return formats, cobra.ShellCompDirectiveNoFileComp
}

func words(list ...string) completer {
	return func(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return list, cobra.ShellCompDirectiveNoFileComp
	}
}

// completeRules proposes the ids of our rules with their titles; sets too where
// a selection is asked for.
func (a *app) completeRules(selection bool) completer {
	return func(_ *cobra.Command, _ []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
		cat, _ := rule.Load(rules.FS, "rules") // a rule that doesn't compile is not proposed
		var out []cobra.Completion
		before := ""
		if selection {
			if i := strings.LastIndexByte(typed, ','); i >= 0 {
				before = typed[:i+1]
			} else {
				out = append(out, rule.AllRules)
				out = append(out, cat.Sets()...)
			}
		}
		for _, r := range cat.Rules {
			out = append(out, cobra.CompletionWithDesc(before+r.ID, r.Title))
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
