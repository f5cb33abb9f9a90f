package cli

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
)

// imageSource are the switches that say which image is meant and how it is
// fetched.
type imageSource struct {
	platform string
	insecure bool
	mirrors  []string
}

func (s *imageSource) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&s.platform, "platform", "", "os/architecture[/variant], or all; default: all on disk, linux/amd64 of a registry")
	cmd.Flags().BoolVar(&s.insecure, "insecure", false, "allow plain http to the registry; on this machine it always is")
	cmd.Flags().StringArrayVar(&s.mirrors, "mirror", nil, "OF=AT: ask AT before the registry or path OF, as docker.io=mirror.example/hub (repeatable)")
}

// options are the switches as the reader of registries wants them.
func (s *imageSource) options() (oci.FetchOptions, error) {
	want, err := oci.ParsePlatform(s.platform)
	if err != nil {
		return oci.FetchOptions{}, usage("--platform: %w", err)
	}
	out := oci.FetchOptions{Platform: want, Insecure: s.insecure}
	for _, text := range s.mirrors {
		m, err := oci.ParseMirror(text)
		if err != nil {
			return oci.FetchOptions{}, usage("--mirror: %w", err)
		}
		out.Mirrors = append(out.Mirrors, m)
	}
	return out, nil
}

// openImage opens what IMAGE names: what exists on disk, else what a registry
// has. Platforms that are left out are said.
func (a *app) openImage(ctx context.Context, name string, from imageSource) ([]*oci.Image, []model.Incomplete, error) {
	how, err := from.options()
	if err != nil {
		return nil, nil, err
	}
	var images []*oci.Image
	var left []string
	var missed []model.Incomplete
	_, statErr := os.Stat(name)
	switch {
	case statErr == nil:
		images, missed, err = oci.Open(ctx, name)
		if err == nil {
			images, left, err = oci.Only(images, how.Platform)
		}
	case !errors.Is(statErr, fs.ErrNotExist) || isPath(name):
		return nil, nil, failed("%s: %s", name, cause(statErr))
	default:
		var got oci.Fetched
		got, err = oci.Fetch(ctx, name, how)
		for _, why := range got.Passed {
			a.say("note: a mirror was passed over: %s", why)
		}
		images, left, missed = got.Images, got.LeftOut, got.Incomplete
	}
	if err != nil {
		return nil, nil, failed("%w", err)
	}
	if len(left) > 0 {
		a.say("note: %s is also there for %s: not read; --platform all reads every one", name, oci.Few(left))
	}
	return images, missed, nil
}

// isPath knows what nobody would call an image of a registry.
func isPath(name string) bool {
	return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") || strings.HasPrefix(name, "/") ||
		strings.HasSuffix(name, "/") || strings.ContainsRune(name, '\\') || oci.IsArchiveName(name)
}

// openImages opens every image of the layouts and archives that were found.
// One that can't be read is incomplete, and the others are still read; a file
// that only looked like an archive of images is none.
func openImages(ctx context.Context, paths []string) ([]*oci.Image, []model.Incomplete, error) {
	var images []*oci.Image
	var missed []model.Incomplete
	for _, path := range paths {
		found, unread, err := oci.Open(ctx, path)
		switch {
		case ctx.Err() != nil:
			return nil, nil, failed("reading %s: %w", path, ctx.Err())
		case errors.Is(err, oci.ErrNotImage):
			continue
		case err != nil:
			unread = append(unread, model.Incomplete{What: path, Why: cause(err)})
		}
		images = append(images, found...)
		missed = append(missed, unread...)
	}
	return oci.Unite(images), missed, nil
}
