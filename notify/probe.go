package notify

import (
	"context"
	"errors"
	"fmt"

	"github.com/scantling/scantling/notify/format"
	"github.com/scantling/scantling/notify/sink"
)

// When and how a lane looks for a message that its receiver fails at.
const (
	stuckAfter = 6 // failures in a row, about a minute
	mostProbes = 5 // messages tried by themselves
)

var errUntried = errors.New("not tried: earlier messages failed")

// probe sends the first few messages one by one after failures in a row: one
// that makes its receiver fail, whoever wrote what is in it, would hold up all
// that follow it for ever. Such a one fails again after others were taken: it
// is refused then. Where none is taken the receiver is down, and nothing is.
func (l *lane) probe(ctx context.Context, messages []format.Message) []error {
	errs := make([]error, len(messages))
	taken := false
	for i := range messages {
		if errs[i] = errUntried; i < mostProbes {
			errs[i] = l.Sink.Send(ctx, messages[i:i+1])[0]
		}
		taken = taken || errs[i] == nil
	}
	for i := range min(len(messages), mostProbes) {
		if taken && toBlame(errs[i]) && ctx.Err() == nil {
			if errs[i] = l.Sink.Send(ctx, messages[i:i+1])[0]; toBlame(errs[i]) {
				errs[i] = &sink.Rejected{Why: fmt.Sprintf("it failed again and again while others were taken: %v", errs[i])}
			}
		}
	}
	return errs
}

// toBlame reports whether an error may be a message's own doing.
func toBlame(err error) bool {
	var final *sink.Rejected
	var busy *sink.Busy
	return err != nil && !errors.As(err, &final) && !(errors.As(err, &busy) && busy.Load)
}
