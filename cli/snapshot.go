//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// snapshotReport is what `cluster snapshot` prints.
type snapshotReport struct {
	Schema     int                `json:"schema"`
	Tool       report.Tool        `json:"tool"`
	File       string             `json:"file"`
	Objects    int                `json:"objects"`
	Origin     *kube.Origin       `json:"origin,omitempty"`
	Incomplete []model.Incomplete `json:"incomplete"`
}

func (a *app) snapshotCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:     "snapshot [PATH…]",
		Short:   "Write a cluster, or manifests, as one file that the other commands read",
		Example: "  scantling cluster snapshot -o prod" + kube.DumpSuffix + "\n  scantling cluster check prod" + kube.DumpSuffix,
		RunE: a.checked(func(ctx context.Context, args []string) error {
			if file == "" {
				return usage("name the file to write: -o prod%s, or -o - for standard output", kube.DumpSuffix)
			}
			s, err := a.snapshot(ctx, args)
			if err != nil {
				return err
			}
			a.outcome(nil, len(s.Incomplete), false)
			if file == "-" {
				a.talkIncomplete(s.Incomplete)
				if err := s.Write(a.Out); err != nil {
					return failed("%w", err)
				}
				return nil
			}
			if err := writeWhole(file, s.Write); err != nil {
				return failed("writing %s: %w", file, err)
			}
			doc := snapshotReport{report.Schema, a.tool(), file, len(s.Objects), s.Origin, missedOf(s, nil)}
			return a.show(doc, doc.text)
		}),
	}
	cmd.Flags().StringVarP(&file, "output", "o", "", "file to write, - for standard output; a name that ends with "+kube.DumpSuffix+" is found in folders")
	return a.reads(cmd)
}

func (d snapshotReport) text(w io.Writer, _ report.Paint) error {
	if _, err := fmt.Fprintf(w, "%s: %d objects, %d not read\n", report.Clean(d.File), d.Objects, len(d.Incomplete)); err != nil {
		return err
	}
	for _, x := range d.Incomplete {
		if _, err := fmt.Fprintf(w, "  not read: %s\n", report.Clean(x.What+": "+x.Why)); err != nil {
			return err
		}
	}
	return nil
}

// writeWhole writes a file that only its owner may read, so that there is
// the old one or the whole new one and never a part. What is there and no
// file, as a device or a pipe, is written to as it is.
func writeWhole(name string, write func(io.Writer) error) error {
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() {
		device, err := os.OpenFile(name, os.O_WRONLY, 0)
		if err != nil {
			return fmt.Errorf("%s", cause(err))
		}
		if err := write(device); err != nil {
			device.Close() //nolint:errcheck // the first error is told
			return err
		}
		return device.Close()
	}
	temporary, err := os.CreateTemp(filepath.Dir(name), ".scantling-*")
	if err != nil {
		return fmt.Errorf("%s", cause(err))
	}
	defer os.Remove(temporary.Name()) //nolint:errcheck // gone after the rename
	defer temporary.Close()           //nolint:errcheck // closed below
	if err := write(temporary); err != nil {
		return err
	}
	if err := temporary.Sync(); err != nil {
		return fmt.Errorf("%s", cause(err))
	}
	if err := temporary.Close(); err != nil {
		return fmt.Errorf("%s", cause(err))
	}
	return os.Rename(temporary.Name(), name)
}
