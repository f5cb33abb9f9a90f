package storetest

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// An Ack is what was known to be on the disk when a child acknowledged a line.
type Ack struct {
	// Unsynced are the watched files that were written to and the folders of
	// watched files that were renamed, each since its last sync, sorted.
	Unsynced []string
	// Syncs counts the syncs of both since the line before.
	Syncs int
}

// Synced traces a child that acknowledges so many lines, and fails unless each
// time all that is watched was synced since it was written to. Careless is a
// child that does the same without syncing: that has to be seen.
func Synced(t *testing.T, child, careless string, lines int, watched func(name string) bool) {
	t.Helper()
	lax := func(a Ack) bool { return len(a.Unsynced) > 0 || a.Syncs == 0 }
	acks := Trace(t, child, watched)
	if len(acks) != lines || slices.ContainsFunc(acks, lax) {
		t.Errorf("of %d lines, acknowledged: %v", lines, acks)
	}
	acks = Trace(t, careless, watched)
	seen := 0
	for _, a := range acks {
		if lax(a) {
			seen++
		}
	}
	if len(acks) != lines || seen < lines-2 {
		t.Errorf("%d lines without syncs acknowledged, only %d seen as that", len(acks), seen)
	}
}

// Trace runs a child to its end, and stops it at each system call. It watches
// the files of its folder whose name (without the folder, with slashes) the
// function accepts. It skips the test where processes may not be traced.
func Trace(t *testing.T, child string, watched func(name string) bool) []Ack {
	t.Helper()
	runtime.LockOSThread() // a tracer is a thread
	defer runtime.UnlockOSThread()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := os.Create(filepath.Join(t.TempDir(), "out")) // no pipe: nobody reads it meanwhile
	if err != nil {
		t.Fatal(err)
	}
	defer stdout.Close()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), childVar+"="+child, folderVar+"="+folder)
	cmd.Stdout, cmd.Stderr = stdout, stdout
	cmd.SysProcAttr = &syscall.SysProcAttr{Ptrace: true}
	if err := cmd.Start(); err != nil {
		if errors.Is(err, syscall.EPERM) {
			t.Skipf("processes may not be traced here: %v", err)
		}
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = syscall.Kill(cmd.Process.Pid, syscall.SIGKILL) })
	defer late.Stop()
	w := watch{t: t, pid: cmd.Process.Pid, folder: folder, watched: watched, threads: map[int]*call{}, dirty: map[string]bool{}}
	if status := w.run(); status.ExitStatus() != 0 {
		text, _ := os.ReadFile(stdout.Name())
		t.Fatalf("the child ended with %v\n%s", status, text)
	}
	if len(w.acks) == 0 {
		t.Fatal("the child never said that it started")
	}
	return w.acks[1:] // the first line says that it started
}

// watch follows the threads of a process.
type watch struct {
	t       *testing.T
	pid     int
	folder  string
	watched func(name string) bool
	threads map[int]*call   // has every thread known; nil outside of a system call
	dirty   map[string]bool // paths that are not synced
	syncs   int
	acks    []Ack
}

// call is a system call that a thread is in.
type call struct{ from, to string } // of a rename that is watched

func (w *watch) run() syscall.WaitStatus {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(w.pid, &ws, 0, nil); err != nil { // at its first instruction
		w.t.Fatal(err)
	}
	const sysGood, exitKill = 1, 0x100000
	if err := syscall.PtraceSetOptions(w.pid, sysGood|exitKill|syscall.PTRACE_O_TRACECLONE); err != nil {
		w.t.Fatal(err)
	}
	w.threads[w.pid] = nil
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
				return ws
			}
			if ws.Stopped() {
				break
			}
		}
		_, known := w.threads[thread]
		switch s := ws.StopSignal(); {
		case s == syscall.SIGTRAP|0x80:
			w.stop(thread)
		case s == syscall.SIGTRAP, s == syscall.SIGSTOP && !known: // an event; the first stop of a thread
			if !known {
				w.threads[thread] = nil
			}
		default:
			signal = int(s)
		}
	}
}

// stop looks at a thread that enters or leaves a system call.
func (w *watch) stop(thread int) {
	var regs syscall.PtraceRegs
	err := syscall.PtraceGetRegs(thread, &regs)
	if c := w.threads[thread]; c != nil {
		w.threads[thread] = nil
		if err == nil {
			w.leave(&regs, c)
		}
		return
	}
	c := &call{}
	w.threads[thread] = c
	if err == nil {
		w.enter(thread, &regs, c)
	}
}

func (w *watch) enter(thread int, regs *syscall.PtraceRegs, c *call) {
	const renameat2 = 316
	switch regs.Orig_rax {
	case syscall.SYS_WRITE, syscall.SYS_PWRITE64:
		if regs.Rdi == 1 {
			w.acks = append(w.acks, Ack{Unsynced: slices.Sorted(maps.Keys(w.dirty)), Syncs: w.syncs})
			w.syncs = 0
		} else if path := w.open(regs.Rdi); w.isWatched(path) {
			w.dirty[path] = true
		}
	case syscall.SYS_RENAME:
		c.from, c.to = w.text(thread, regs.Rdi), w.text(thread, regs.Rsi)
	case syscall.SYS_RENAMEAT, renameat2: // with absolute paths, as all of our folders are
		c.from, c.to = w.text(thread, regs.Rsi), w.text(thread, regs.R10)
	}
}

func (w *watch) leave(regs *syscall.PtraceRegs, c *call) {
	if int64(regs.Rax) < 0 { // it failed
		return
	}
	switch regs.Orig_rax {
	case syscall.SYS_FSYNC, syscall.SYS_FDATASYNC:
		path := w.open(regs.Rdi)
		if w.dirty[path] || w.isWatched(path) {
			delete(w.dirty, path)
			w.syncs++
		}
	}
	if !w.isWatched(c.to) {
		return
	}
	if w.dirty[c.from] {
		w.dirty[c.to] = true
	}
	delete(w.dirty, c.from)
	w.dirty[filepath.Dir(c.to)] = true
}

func (w *watch) isWatched(path string) bool {
	name, err := filepath.Rel(w.folder, path)
	return err == nil && filepath.IsLocal(name) && w.watched(filepath.ToSlash(name))
}

// open is the path of an open file.
func (w *watch) open(fd uint64) string {
	path, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", w.pid, fd))
	return path
}

// text reads a string of the thread's memory.
func (w *watch) text(thread int, at uint64) string {
	var text []byte
	for b := make([]byte, 1); len(text) < 4096; at++ {
		if _, err := syscall.PtracePeekData(thread, uintptr(at), b); err != nil || b[0] == 0 {
			break
		}
		text = append(text, b[0])
	}
	return string(text)
}
