package plane

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// process is one program of the control plane. Its talk goes to a file.
type process struct {
	name string
	log  string
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

// run starts a program, which ends with this one at the latest: the kernel
// kills it when the thread that started it ends, and the threads of a Go
// program end with it.
func (p *Plane) run(program string, args ...string) error {
	q := &process{name: filepath.Base(program), done: make(chan struct{})}
	q.log = p.path(q.name + ".log")
	talk, err := os.Create(q.log)
	if err != nil {
		return err
	}
	defer talk.Close() // the child has its own
	q.cmd = exec.Command(program, args...)
	q.cmd.Dir, q.cmd.Stdout, q.cmd.Stderr = p.dir, talk, talk
	q.cmd.Env = append(os.Environ(), "TZ=UTC")
	q.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := q.cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", q.name, err)
	}
	p.processes = append(p.processes, q)
	go func() {
		_ = q.cmd.Wait() // how it ended is in its log
		close(q.done)
	}()
	return nil
}

func (q *process) ended() bool {
	select {
	case <-q.done:
		return true
	default:
		return false
	}
}

// tail is the end of what the program said.
func (q *process) tail() string {
	text, err := os.ReadFile(q.log)
	if err != nil {
		return err.Error()
	}
	return string(text[max(0, len(text)-2000):])
}

// stopIn is how long a program may take to end by itself.
const stopIn = 5 * time.Second

// Stop ends every process, the last one first, and waits for each.
func (p *Plane) Stop() {
	for _, q := range slices.Backward(p.processes) {
		_ = q.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		select {
		case <-q.done:
		case <-time.After(stopIn):
			_ = q.cmd.Process.Kill()
			<-q.done
		}
	}
	p.processes = nil
}
