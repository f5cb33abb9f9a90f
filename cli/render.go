//go:build !scanner

package cli

import (
	"context"
	"io/fs"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/render"
)

// renderWord is the hidden command of the process that renders.
const renderWord = "render-in-isolation"

// renderInIsolationCommand is what this program runs as when it renders: see
// render.Serve.
func (a *app) renderInIsolationCommand() *cobra.Command {
	return &cobra.Command{
		Use: renderWord, Hidden: true, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := render.Serve(cmd.Context(), a.In, a.Out); err != nil {
				return failed("rendering: %w", err)
			}
			return nil
		},
	}
}

// renderer is the kube.Renderer of this program.
type renderer struct {
	self   string // this program; empty: render in this process
	values []string
}

// manifests reads files; root is the folder that charts and kustomizations
// may take files from.
func (a *app) manifests(root string) kube.Reader {
	return kube.Reader{Renderer: renderer{a.Self, a.values}, Root: root}
}

// Kind implements kube.Renderer.
func (renderer) Kind(fsys fs.FS, name string) (string, bool) {
	kind := render.KindOf(fsys, filepath.ToSlash(name))
	return string(kind), kind == render.Chart
}

// Render implements kube.Renderer.
func (r renderer) Render(ctx context.Context, root, path, kind string) (kube.Rendered, error) {
	request := render.Request{Root: root, Path: path, Kind: render.Kind(kind), Values: r.values}
	var result render.Result
	var err error
	if r.self == "" {
		result, err = render.Render(ctx, request)
	} else {
		result, err = render.Isolated(ctx, request, r.self, renderWord)
	}
	out := kube.Rendered{Files: result.Files, Unread: result.Unread, Part: result.Part}
	for _, d := range result.Documents {
		out.Texts = append(out.Texts, kube.RenderedText(d))
	}
	return out, err
}
