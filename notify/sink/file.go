package sink

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/scantling/scantling/notify/format"
)

// file appends lines to a file that its owner alone can read. It is opened for
// each batch, so it may be renamed at any time, and is on disk when Send
// returns.
type file struct {
	path   string
	encode format.Encoder
}

func (f *file) Send(_ context.Context, messages []format.Message) []error {
	bodies, errs := encoded(messages, f.encode)
	var text []byte
	for _, body := range bodies {
		if body != nil {
			text = append(append(text, body...), '\n')
		}
	}
	if err := f.write(text); err != nil {
		for i := range errs {
			if bodies[i] != nil {
				errs[i] = err
			}
		}
	}
	return errs
}

// write appends whole lines. A line that a crash cut short stays, ended.
func (f *file) write(text []byte) error {
	if len(text) == 0 {
		return nil
	}
	file, err := os.OpenFile(f.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("opening the file of alerts: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return fmt.Errorf("opening the file of alerts: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("writing alerts: %s is no regular file", f.path)
	}
	if info.Size() > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, info.Size()-1); err != nil && err != io.EOF {
			return fmt.Errorf("reading the end of the file of alerts: %w", err)
		}
		if last[0] != '\n' {
			text = append([]byte{'\n'}, text...)
		}
	}
	if _, err := file.Write(text); err != nil {
		return fmt.Errorf("writing alerts: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("writing alerts: %w", err)
	}
	return nil
}

func (f *file) Close() error { return nil }
