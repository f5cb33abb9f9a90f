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

// Detect reports whether the file is a Kubernetes audit log: whether one of
// its first five records is an audit event. It reads at most MaxRecord and a
// bit. The error is that of opening the file.
func Detect(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, fmt.Errorf("opening log %s: %w", path, err)
	}
	defer f.Close()
	return Sniff(f), nil
}

// Sniff is Detect on a stream, of which it reads the beginning.
func Sniff(r io.Reader) bool {
	found := errors.New("an event")
	s := &stream{
		yield:    func(model.Event) error { return found },
		unzipped: MaxRecord + peekSize,
		giveUp:   sniffRecords,
	}
	return errors.Is(s.run(io.LimitReader(r, MaxRecord+peekSize)), found)
}
