package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

// The kinds of log that are measured.
var kinds = []string{ingest.Kind, "cloudtrail"}

// logs are real events, one a line, by kind.
type logs struct {
	lines  map[string][]byte
	events map[string]int
}

// repeats is how often a log of all events has each: a pass over it then is
// long beside what the first records of a stream cost.
const repeats = 25

// readLogs reads what there is, and repeats it.
func readLogs() (*logs, error) {
	l := &logs{lines: map[string][]byte{}, events: map[string]int{}}
	corpora := filepath.Join(cmp.Or(os.Getenv("SCANTLING_CORPORA"), "../shared/corpora"), "auditlogs")
	for _, root := range []string{"examples/shop/audit", corpora} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return l.read(path)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	if l.events[ingest.Kind] == 0 {
		return nil, errors.New("no audit log: run it at the root of the repository")
	}
	for _, kind := range kinds {
		l.lines[kind] = bytes.Repeat(l.lines[kind], repeats)
	}
	return l, nil
}

func (l *logs) read(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = ingest.Read(context.Background(), path, f, ingest.Config{}, func(ev model.Event) error {
		var line bytes.Buffer
		if err := compact(&line, ev.Raw); err != nil {
			return err
		}
		for _, kind := range kinds {
			if ev.Source == kind {
				l.lines[kind] = append(append(l.lines[kind], line.Bytes()...), '\n')
				l.events[kind]++
			}
		}
		return nil
	})
	return err
}

func (l *logs) print() {
	for _, kind := range kinds {
		if n := l.events[kind]; n > 0 {
			fmt.Printf("%-17s %5d different events, %5d bytes each\n", kind, n, len(l.lines[kind])/repeats/n)
		} else {
			fmt.Printf("%-17s none: set SCANTLING_CORPORA to the folder that holds auditlogs\n", kind)
		}
	}
}
