package render

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"time"
)

// Bounds on the process that renders.
const (
	maxTime   = time.Minute
	maxMemory = 1 << 29 // bytes of writable memory, of which a large chart takes a fifth; enforced on Linux
	maxTalk   = 4 << 10 // bytes of its errors that are kept
)

// Isolated renders in a process of its own, which it starts as program and
// args; that process must call Serve. It is ended when ctx ends, after
// maxTime, and by the system when it takes more than maxMemory.
func Isolated(ctx context.Context, r Request, program string, args ...string) (Result, error) {
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	question, err := json.Marshal(r)
	if err != nil {
		return Result{}, err
	}
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{"PATH=", "HOME=/nonexistent"} // no program to call, no settings to obey
	cmd.Stdin = bytes.NewReader(question)
	answer, talk := &bounded{limit: 2 * maxOutput}, &bounded{limit: maxTalk}
	cmd.Stdout, cmd.Stderr = answer, talk
	err = cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Result{}, fmt.Errorf("not rendered within %v", maxTime)
	case ctx.Err() != nil:
		return Result{}, ctx.Err()
	case answer.full:
		return Result{}, fmt.Errorf("renders to more than %d bytes", maxOutput)
	case err != nil:
		return Result{}, fmt.Errorf("rendering broke off (%w): %s", err, firstLine(talk.String()))
	}
	var reply reply
	if err := json.Unmarshal(answer.Bytes(), &reply); err != nil {
		return Result{}, fmt.Errorf("reading what was rendered: %w", err)
	}
	if reply.Error != "" {
		return Result{}, errors.New(reply.Error)
	}
	return reply.Result, nil
}

// reply is what the rendering process answers.
type reply struct {
	Result Result
	Error  string
}

// Serve answers one request of Isolated. Before it reads any, it takes the
// network and the memory away from its process, so it must be all that the
// process does.
func Serve(ctx context.Context, in io.Reader, out io.Writer) error {
	if err := limitMemory(maxMemory); err != nil {
		return err
	}
	http.DefaultTransport = offline{}
	var r Request
	if err := json.NewDecoder(in).Decode(&r); err != nil {
		return err
	}
	result, err := Render(ctx, r)
	answer := reply{Result: result}
	if err != nil {
		answer.Error = err.Error()
	}
	return json.NewEncoder(out).Encode(answer)
}

// offline refuses every request.
type offline struct{}

func (offline) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("%s is not fetched: nothing is while rendering", r.URL.Redacted())
}

// bounded keeps what is written to it up to a limit, and fails beyond.
type bounded struct {
	bytes.Buffer
	limit int
	full  bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if b.Len()+len(p) > b.limit {
		b.full = true
		return 0, errors.New("too much output")
	}
	return b.Buffer.Write(p)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}
