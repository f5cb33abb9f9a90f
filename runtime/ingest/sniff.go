package ingest

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/scantling/scantling/model"
)

// sniffRecords is how many records may be damaged before the first event: a
// rotated log begins in the middle of one.
const sniffRecords = 5

// Detect returns the kind of log that the file is, "" when none of its first
// five records is of a kind that is known. It reads at most MaxRecord and a
// bit. The error is that of opening the file.
func Detect(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("opening log %s: %w", path, err)
	}
	defer f.Close()
	return Sniff(f), nil
}

// Sniff is Detect on a stream, of which it reads the beginning.
func Sniff(r io.Reader) string {
	found := errors.New("an event")
	s := newStream("", Config{}, func(model.Event) error { return found })
	s.bound, s.giveUp = limits{total: MaxRecord + peekSize, free: MaxRecord + peekSize}, sniffRecords
	if err := s.run(io.LimitReader(r, MaxRecord+peekSize)); !errors.Is(err, found) {
		return ""
	}
	return s.res.Kind
}
