package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"os/exec"
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

// scantling runs the program and waits for its end, whatever code it gives.
func scantling(t *testing.T, program string, args ...string) outcome {
	t.Helper()
	var out, talk bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Stdout, cmd.Stderr = &out, &talk
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Fatal("no resource usage on this system")
	}
	return outcome{cmd.ProcessState.ExitCode(), out.String(), talk.String(), usage.Maxrss << 10}
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
