package cli

import (
	"fmt"
	"io"
)

// readBounded reads all of r, at most limit bytes.
func readBounded(r io.Reader, limit int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading standard input: %w", err)
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("standard input is larger than %d bytes", limit)
	}
	return text, nil
}
