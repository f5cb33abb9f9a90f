package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

// outcome is what one run of the program gave.
type outcome struct {
	code      int
	out, talk string
	peak      int64 // largest resident size in bytes
}

// measure names the file that a run's peak is written to: this program then
// runs another one for itself.
const measure = "SCANTLING_E2E_MEASURE"

// TestMain runs the tests, or the program that its arguments name. The kernel
// counts the memory of the process that starts another one among that one's, so
// that a test, which may have become large, can't measure a program itself.
func TestMain(m *testing.M) {
	if file := os.Getenv(measure); file != "" {
		os.Exit(measured(file, os.Args[1], os.Args[2:]))
	}
	os.Exit(m.Run())
}

// measured runs a program and writes its peak, in bytes.
func measured(file, program string, args []string) int {
	cmd := exec.Command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		fmt.Fprintln(os.Stderr, "no resource usage on this system")
		return 1
	}
	if err := os.WriteFile(file, []byte(strconv.FormatInt(usage.Maxrss<<10, 10)), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return cmd.ProcessState.ExitCode()
}

// scantling runs the program and waits for its end, whatever code it gives.
func scantling(t *testing.T, program string, args ...string) outcome {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	peak := filepath.Join(t.TempDir(), "peak")
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(t.Context(), self, append([]string{program}, args...)...)
	cmd.Env = append(os.Environ(), measure+"="+peak)
	cmd.Stdout, cmd.Stderr = &out, &talk
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	got := outcome{code: cmd.ProcessState.ExitCode(), out: out.String(), talk: talk.String()}
	text, err := os.ReadFile(peak)
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, got.talk)
	}
	if got.peak, err = strconv.ParseInt(string(text), 10, 64); err != nil {
		t.Fatal(err)
	}
	return got
}

// read decodes the program's JSON.
func (o outcome) read(t *testing.T, v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(o.out), v); err != nil {
		t.Fatalf("code %d: %v\n%.300s\n%s", o.code, err, o.out, o.talk)
	}
}

// start runs a control plane until the test ends.
func start(t *testing.T, cfg plane.Config) (*plane.Plane, *plane.Client) {
	t.Helper()
	cfg.Programs, cfg.Dir = plane.Programs(t), t.TempDir()
	began := time.Now()
	p, err := plane.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Stop)
	admin, err := p.Client(plane.Admin)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the control plane is ready after %.1f s", time.Since(began).Seconds())
	return p, admin
}

// until looks again and again until there is what is waited for.
func until(t *testing.T, what string, limit time.Duration, there func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	for !there() {
		select {
		case <-ctx.Done():
			t.Fatalf("waiting for %s: %v", what, ctx.Err())
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// must ends the test on an answer that is no success.
func must(t *testing.T, answer plane.Answer) {
	t.Helper()
	if err := answer.Error(); err != nil {
		t.Fatal(err)
	}
}
