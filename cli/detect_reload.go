//go:build !scanner

package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/scantling/scantling/runtime/detect"
)

// rulesEvery is how often the files of --rules are looked at.
const rulesEvery = 5 * time.Second

// reload compiles the rules anew when it is asked to, or their files changed.
func (w *watching) reload(ctx context.Context, rules chan<- *detect.Program) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	look := time.NewTicker(rulesEvery)
	defer look.Stop()
	was := changed(w.flags.rules)
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-hangup:
		case <-look.C:
			if changed(w.flags.rules) == was {
				continue
			}
		}
		was = changed(w.flags.rules)
		d, err := w.app.detectorFor(w.flags.rules)
		if err != nil {
			w.app.say("the rules are not loaded anew, those from before stay: %v", err)
			continue
		}
		w.app.talkIncomplete(d.broken)
		select {
		case rules <- d.program:
			w.alarms.rules(d.program)
			w.judges(d.program)
			w.app.say("rules loaded anew: %d", len(d.program.Rules()))
		case <-ctx.Done():
		}
	}
}

// changed tells one state of a folder of rules from another.
func changed(rules string) string {
	var out strings.Builder
	_ = filepath.WalkDir(rules, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return nil
		}
		if info, err := e.Info(); err == nil && !e.IsDir() {
			fmt.Fprintln(&out, path, info.Size(), info.ModTime().UnixNano())
		}
		return nil
	})
	return out.String()
}
