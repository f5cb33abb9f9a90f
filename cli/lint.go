package cli

import (
	"context"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/build/dockerfile"
	"github.com/scantling/scantling/build/lint"
	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

func (a *app) lintCommand() *cobra.Command {
	var args map[string]string
	cmd := &cobra.Command{
		Use:     "lint [PATH…]",
		Short:   "Judge Dockerfiles: files, folders, or - for standard input",
		Long:    "Lint judges Dockerfiles. A folder stands for all below it that are named Dockerfile,\nContainerfile, X.Dockerfile, Dockerfile.X and the same with Containerfile. What\nscantling.yaml of the current folder demands (allowed bases, labels) is demanded here too.",
		Example: "  scantling lint\n  scantling lint web/Dockerfile --format json\n  scantling lint - < Dockerfile",
		RunE: a.checked(func(ctx context.Context, paths []string) error {
			if len(paths) == 0 {
				paths = []string{"."}
			}
			return a.lint(ctx, paths, args)
		}, ciFormats...),
	}
	cmd.Flags().StringToStringVar(&args, "build-arg", nil, "value of a build argument, NAME=VALUE (repeatable)")
	return cmd
}

func (a *app) lint(ctx context.Context, paths []string, args map[string]string) error {
	cfg, err := config.Load(".")
	if err != nil {
		return &failure{exitUsage, err}
	}
	cat, missed, err := a.catalogue(cfg.Rules.Set, cfg.Rules.Dirs, model.Build)
	if err != nil {
		return err
	}
	judge, errs := lint.Compile(cat, lint.Config{
		AllowBases: cfg.Build.BaseImages.Allow, AllowSources: cfg.Build.Sources.Allow,
		RequiredLabels: cfg.Build.Labels.Required, Now: time.Now(),
	})
	for _, err := range errs {
		missed = append(missed, a.broken(err))
	}
	var files []*dockerfile.File
	var unread []model.Incomplete
	for _, path := range paths {
		more, lost, err := a.dockerfiles(ctx, path, args)
		if err != nil {
			lost = append(lost, model.Incomplete{What: path, Why: cause(err)})
		}
		files = append(files, more...)
		unread = append(unread, lost...)
	}
	if len(files) == 0 {
		return nothing(strings.Join(paths, ", "), "no Dockerfile was found", unread)
	}
	reading := judge.Reading(files)
	missed = slices.Concat(missed, unread, reading.Incomplete)
	doc := report.NewFindings(a.tool(), reading.Findings, missed, reading.Read)
	a.outcome(reading.Findings, len(missed), false)
	return a.show(doc, doc.Text, a.forCI(doc)...)
}

// dockerfiles reads one argument: standard input, a file, or a folder.
func (a *app) dockerfiles(ctx context.Context, path string, args map[string]string) ([]*dockerfile.File, []model.Incomplete, error) {
	if path == "-" {
		text, err := readBounded(a.In, dockerfile.MaxSize)
		if err != nil {
			return nil, nil, err
		}
		f, _ := dockerfile.Parse("-", text, args) // what is broken is in its problems
		return []*dockerfile.File{f}, nil, nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, nil, err
	}
	if info.IsDir() {
		return dockerfile.ReadDir(ctx, path, args)
	}
	f, err := dockerfile.Read(ctx, path, args)
	if f == nil {
		return nil, nil, err
	}
	return []*dockerfile.File{f}, nil, nil
}
