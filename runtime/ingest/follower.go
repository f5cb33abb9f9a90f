package ingest

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// defaultPoll is how often the end of a followed file is looked at.
const defaultPoll = 500 * time.Millisecond

// follower holds the file that bears a name, and tells when another one does.
// A file that was rotated is looked at once more, a poll later, since its
// writer may not have moved yet.
type follower struct {
	ctx  context.Context // of one Follow
	path string
	poll time.Duration
	file *os.File
	at   int64 // bytes read of file
	left bool  // another file bears the name: after one more look at this one it is next
}

func newFollower(ctx context.Context, path string, poll time.Duration) (*follower, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if poll <= 0 {
		poll = defaultPoll
	}
	return &follower{ctx: ctx, path: path, poll: poll, file: file}, nil
}

func (f *follower) close() { _ = f.file.Close() }

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
