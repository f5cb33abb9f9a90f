//go:build linux

package bus_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/scantling/scantling/bus"
	"github.com/scantling/scantling/model"
)

// TestFull has the disk of a log full for a while, as far as a bound of the
// system on the size of files can play that, in a process of its own: Append
// fails and says why, and goes on once there is room. What was acknowledged is
// there once, and a reader that follows gets it.
func TestFull(t *testing.T) {
	if dir := os.Getenv("SCANTLING_FULL"); dir != "" {
		if err := full(t, dir); err != nil {
			t.Fatal(err)
		}
		return
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFull$", "-test.v")
	cmd.Env = append(os.Environ(), "SCANTLING_FULL="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// largest bounds the files that this process writes, and returns the bound from
// before.
func largest(bytes uint64) (was uint64, err error) {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		return 0, err
	}
	was, limit.Cur = limit.Cur, bytes
	return was, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit)
}

func full(t *testing.T, dir string) error {
	signal.Ignore(syscall.SIGXFSZ)
	l, err := bus.Open(t.Context(), bus.Config{Dir: filepath.Join(dir, "log"), Partitions: 1, Warn: func(m string) { t.Log(m) }})
	if err != nil {
		return err
	}
	defer l.Close()
	seen := make(chan string, 1000)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	followed := make(chan error, 1)
	go func() {
		next := uint64(0)
		for ctx.Err() == nil {
			err := l.Read(ctx, 0, next, func(b model.Batch) error {
				next = b.Sequence + 1
				seen <- b.ID
				return nil
			})
			t.Logf("reading: %v", err)
			time.Sleep(100 * time.Millisecond)
		}
		followed <- nil
	}()
	random := make([]byte, 20<<10)
	for i := range random {
		random[i] = byte(i * i >> 3 * i)
	}
	put := func(i int) error {
		return l.Append(t.Context(), []model.Batch{{ID: fmt.Sprint(i), Records: [][]byte{append(fmt.Appendf(nil, "%d", i), random...)}}})
	}
	if err := put(0); err != nil {
		return err
	}
	was, err := largest(100 << 10)
	if err != nil {
		return err
	}
	i := 1
	for ; i < 200; i++ {
		if err = put(i); err != nil {
			break
		}
	}
	t.Logf("record %d: %v", i, err)
	if !errors.Is(err, bus.ErrWrite) {
		return fmt.Errorf("a full disk made the error %v", err)
	}
	if err := put(i); err == nil {
		return errors.New("a full disk took more")
	}
	if _, err := largest(was); err != nil {
		return err
	}
	for until := time.Now().Add(time.Minute); ; {
		if err = put(i); err == nil {
			break
		}
		t.Logf("there is room: %v", err)
		if time.Now().After(until) {
			return err
		}
	}
	if err := put(i + 1); err != nil {
		return err
	}
	for want := range i + 2 {
		select {
		case got := <-seen:
			if got != fmt.Sprint(want) {
				return fmt.Errorf("read %s, expected %d", got, want)
			}
		case <-time.After(30 * time.Second):
			return fmt.Errorf("no record %d for half a minute", want)
		}
	}
	stop()
	return <-followed
}
