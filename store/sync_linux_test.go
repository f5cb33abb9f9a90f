//go:build amd64

package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store"
)

// TestSync watches the system calls of a process that writes: when Apply
// returns, the log has been written to and synced, and not been written to
// since. Killing a process can't show that.
func TestSync(t *testing.T) {
	acks, unsynced := trace(t, "applies")
	if acks != tracedBatches || len(unsynced) > 0 {
		t.Errorf("%d of %d batches acknowledged, unsynced: %v", acks, tracedBatches, unsynced)
	}
	// The same with the setting that loses what it acknowledges is seen.
	acks, unsynced = trace(t, "careless")
	if acks != tracedBatches || len(unsynced) < tracedBatches-2 {
		t.Errorf("%d batches without syncs acknowledged, only %d seen as that", acks, len(unsynced))
	}
}

const tracedBatches = 20

func init() {
	children["applies"], children["careless"] = applies, careless
}

// applies writes batches through the store.
func applies(ctx context.Context, folder string, ack func(string)) error {
	s, err := store.Open(ctx, filepath.Join(folder, "x.db"))
	if err != nil {
		return err
	}
	for i := range tracedBatches {
		var writes []model.Write
		for j := range i*i + 1 {
			writes = append(writes, model.Write{Record: model.Record{Kind: "k", Key: fmt.Sprint(i, j), Body: make([]byte, 1000)}})
		}
		if err := s.Apply(ctx, writes); err != nil {
			return err
		}
		ack(fmt.Sprint(i))
	}
	return nil // without Close, which would sync once more
}

// careless writes rows into such a file as SQLite lets others do it.
func careless(ctx context.Context, folder string, ack func(string)) error {
	path := filepath.Join(folder, "x.db")
	s, err := store.Open(ctx, path)
	if err != nil {
		return err
	}
	defer s.Close()
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=synchronous(NORMAL)")
	if err != nil {
		return err
	}
	for i := range tracedBatches {
		if _, err := db.ExecContext(ctx, "INSERT INTO records VALUES ('k', ?, 1, ?)", []byte{byte(i)}, []byte("x")); err != nil {
			return err
		}
		ack(fmt.Sprint(i))
	}
	return nil
}

// trace runs a child and stops it at each system call. It returns how many
// lines the child acknowledged, and which of them while the log was not synced.
func trace(t *testing.T, child string) (acks int, unsynced []int) {
	t.Helper()
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(filepath.Join(t.TempDir(), "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), "SCANTLING_STORETEST_CHILD="+child, "SCANTLING_STORETEST_FOLDER="+t.TempDir())
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("processes may not be traced here: %v", err)
		}
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(cmd.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	w := watch{t: t, pid: cmd.Process.Pid, inside: map[int]bool{}}
	w.run()
	if w.status.ExitStatus() != 0 {
		text, _ := os.ReadFile(out.Name())
		t.Fatalf("the child ended with %v\n%s", w.status, text)
	}
	return w.lines - 1, w.unsynced // the first line says that it started
}

// watch follows the threads of a process.
type watch struct {
	t        *testing.T
	pid      int
	inside   map[int]bool // threads in a system call; has every thread known
	status   syscall.WaitStatus
	written  bool // the log, since its last sync
	syncs    int  // of the log since the last line
	lines    int
	unsynced []int
}

func (w *watch) run() {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(w.pid, &ws, 0, nil); err != nil { // at its first instruction
		w.t.Fatal(err)
	}
	const sysGood, exitKill = 1, 0x100000
	if err := syscall.PtraceSetOptions(w.pid, sysGood|exitKill|syscall.PTRACE_O_TRACECLONE); err != nil {
		w.t.Fatal(err)
	}
	w.inside[w.pid] = false
	thread, signal := w.pid, 0
	for {
		if err := syscall.PtraceSyscall(thread, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
			w.t.Fatal(err)
		}
		signal = 0
		for { // until one stops
			var err error
			if thread, err = syscall.Wait4(-1, &ws, syscall.WALL, nil); err != nil && !errors.Is(err, syscall.EINTR) {
				w.t.Fatal(err)
			}
			if thread == w.pid && (ws.Exited() || ws.Signaled()) {
				w.status = ws
				return
			}
			if ws.Stopped() {
				break
			}
		}
		_, known := w.inside[thread]
		switch s := ws.StopSignal(); {
		case s == syscall.SIGTRAP|0x80:
			w.call(thread)
		case s == syscall.SIGTRAP, s == syscall.SIGSTOP && !known: // an event; the first stop of a thread
			if !known {
				w.inside[thread] = false
			}
		default:
			signal = int(s)
		}
	}
}

// call looks at a thread that enters or leaves a system call.
func (w *watch) call(thread int) {
	entering := !w.inside[thread]
	w.inside[thread] = entering
	var regs syscall.PtraceRegs
	if err := syscall.PtraceGetRegs(thread, &regs); err != nil {
		return // it is gone
	}
	ofLog := func() bool {
		path, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", w.pid, regs.Rdi))
		return err == nil && strings.HasSuffix(path, "-wal")
	}
	switch regs.Orig_rax {
	case syscall.SYS_WRITE, syscall.SYS_PWRITE64:
		if entering && regs.Rdi == 1 {
			if w.lines > 0 && (w.written || w.syncs == 0) {
				w.unsynced = append(w.unsynced, w.lines)
			}
			w.lines++
			w.syncs = 0
		} else if entering && ofLog() {
			w.written = true
		}
	case syscall.SYS_FSYNC, syscall.SYS_FDATASYNC:
		if !entering && regs.Rax == 0 && ofLog() {
			w.written = false
			w.syncs++
		}
	}
}
