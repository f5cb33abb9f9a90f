package ingest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/scantling/scantling/model"
)

// defaultPoll is how often the end of a followed file is looked at.
const defaultPoll = 500 * time.Millisecond

// TailConfig adjusts Tail. The zero value follows a file from its beginning.
type TailConfig struct {
	Config
	FromEnd bool          // leave out what is in the file already
	Poll    time.Duration // between looks at the end of the file; 0: half a second
}

// Tail is Read on a file that grows, until ctx is done or yield fails. It
// follows the name through rotation: when another file bears it, the old one
// is read to its end, and once more a poll later, since its writer may not
// have moved yet; then the new one from its beginning. A file that was
// truncated in place is read from its beginning. A record that the end of a
// file cut off is damaged, it never runs into the next file; one that is half
// written when ctx is done is damaged too.
//
// Only plain logs of lines, frames or entries are followed, not documents.
// Lines are counted through all files. A file that came and went between two
// looks is missed, and so is what was written to a truncated one after the
// last look.
func Tail(ctx context.Context, path string, cfg TailConfig, yield func(model.Event) error) (Result, error) {
	s := newStream(path, cfg.Config, yield)
	if cfg.Source != "" && s.format == nil {
		return Result{}, fmt.Errorf("following log %s: no kind of log is named %q", path, cfg.Source)
	}
	f, err := newFollower(ctx, path, cfg)
	if err != nil {
		return Result{}, fmt.Errorf("following log %s: %w", path, err)
	}
	defer f.close()
	s.follows = true
	err = s.run(f)
	if err != nil && !errors.Is(err, errStop) {
		return s.result(), err
	}
	return s.result(), ctx.Err()
}

// follower reads a file by its name, and waits at its end for more.
type follower struct {
	ctx  context.Context // of one Tail
	path string
	poll time.Duration
	file *os.File
	at   int64 // bytes read of file
	last byte  // read last; 0: none
	left bool  // another file bears the name: after one more look at this one it is next
}

func newFollower(ctx context.Context, path string, cfg TailConfig) (*follower, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	f := &follower{ctx: ctx, path: path, poll: cfg.Poll, file: file}
	if f.poll <= 0 {
		f.poll = defaultPoll
	}
	if cfg.FromEnd {
		if f.at, err = file.Seek(0, io.SeekEnd); err != nil {
			_ = file.Close()
			return nil, err
		}
	}
	return f, nil
}

func (f *follower) close() { _ = f.file.Close() }

// Read returns what was appended, and waits for it. It ends when the context
// is done.
func (f *follower) Read(p []byte) (int, error) {
	for {
		if f.ctx.Err() != nil {
			return 0, io.EOF
		}
		n, err := f.file.Read(p)
		if n > 0 {
			f.at, f.last = f.at+int64(n), p[n-1]
			return n, nil
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		fresh, err := f.turn()
		if err != nil {
			return 0, err
		}
		if fresh && f.last != 0 && f.last != '\n' && len(p) > 0 {
			p[0], f.last = '\n', '\n'
			return 1, nil
		}
		if !fresh {
			f.wait()
		}
	}
}

// turn looks whether the end that was reached is that of the log. fresh says
// that reading goes on at the beginning of a file.
func (f *follower) turn() (fresh bool, err error) {
	here, err := f.file.Stat()
	if err != nil {
		return false, err
	}
	if here.Size() < f.at {
		f.at, err = f.file.Seek(0, io.SeekStart)
		return true, err
	}
	named, err := os.Stat(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil // between the two steps of a rotation
	}
	if err != nil {
		return false, err
	}
	if os.SameFile(here, named) {
		f.left = false
		return false, nil
	}
	if !f.left {
		f.left = true
		return false, nil
	}
	next, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	f.close()
	f.file, f.at, f.left = next, 0, false
	return true, nil
}

func (f *follower) wait() {
	timer := time.NewTimer(f.poll)
	defer timer.Stop()
	select {
	case <-f.ctx.Done():
	case <-timer.C:
	}
}
