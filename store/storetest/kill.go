package storetest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// The environment of a child: which one it is, and the folder it works in.
const (
	childVar  = "SCANTLING_STORETEST_CHILD"
	folderVar = "SCANTLING_STORETEST_FOLDER"
)

// A Child is work that Kill interrupts. It goes on from whatever it finds in
// the folder, and calls ack with one line for each thing that it was told is
// safe. It may end.
type Child func(ctx context.Context, folder string, ack func(line string)) error

// Main is the TestMain of a package that uses Kill: Kill starts the test
// binary again, and there Main runs the child instead of the tests.
//
//	func TestMain(m *testing.M) {
//		os.Exit(storetest.Main(m, map[string]storetest.Child{"writer": write}))
//	}
func Main(m *testing.M, children map[string]Child) int {
	name := os.Getenv(childVar)
	if name == "" {
		return m.Run()
	}
	child, ok := children[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no child is called %q\n", name)
		return 1
	}
	var mu sync.Mutex
	ack := func(line string) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintln(os.Stdout, line) // not buffered: the pipe has it when ack returns
	}
	ack("started")
	if err := child(context.Background(), os.Getenv(folderVar), ack); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// Killing says what Kill does.
type Killing struct {
	Child string        // its name in Main
	Kills int           // how often; 200 unless set
	Work  time.Duration // the longest that a child lives after its start; 30 ms unless set
	// Check looks at the folder after each run. Acked holds all lines of all
	// runs, in order. No child runs meanwhile.
	Check func(t *testing.T, folder string, acked []string)
}

// Kill starts the child over one folder again and again, kills it (SIGKILL) at
// a random moment, and checks what it left. A child that ended by itself
// before that is checked too, but doesn't count as a kill; ten times as many
// runs as kills are the most.
func Kill(t *testing.T, k Killing) {
	t.Helper()
	if k.Kills == 0 {
		k.Kills = 200
	}
	if k.Work == 0 {
		k.Work = 30 * time.Millisecond
	}
	folder := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	var acked []string
	kills, runs := 0, 0
	for ; kills < k.Kills && runs < 10*k.Kills; runs++ {
		lines, killed := life(t, k.Child, folder, time.Duration(random.Int64N(int64(k.Work))))
		acked = append(acked, lines...)
		if killed {
			kills++
		}
		k.Check(t, folder, acked)
		if t.Failed() {
			t.Fatalf("after kill %d, run %d, seed %d", kills, runs+1, seed)
		}
	}
	if kills < k.Kills {
		t.Fatalf("only %d kills in %d runs: the others ended before", kills, runs)
	}
	t.Logf("%d kills in %d runs, %d acknowledged lines", kills, runs, len(acked))
}

// life runs a child until it ends or its time after the start is over. It
// returns the lines that it finished.
func life(t *testing.T, child, folder string, work time.Duration) (lines []string, killed bool) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), childVar+"="+child, folderVar+"="+folder)
	var talk bytes.Buffer
	cmd.Stderr = &talk
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() }) // should it never say that it started
	defer late.Stop()
	started := false
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadString('\n')
		if err != nil { // a line without its end was not finished
			break
		}
		if started {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
			continue
		}
		started = true
		timer := time.AfterFunc(work, func() { _ = cmd.Process.Kill() })
		defer timer.Stop()
	}
	err = cmd.Wait()
	switch {
	case !started:
		t.Fatalf("the child didn't start: %v\n%s", err, talk.Bytes())
	case err == nil:
		return lines, false
	case cmd.ProcessState.Exited():
		t.Fatalf("the child failed: %v\n%s", err, talk.Bytes())
	}
	return lines, true
}
