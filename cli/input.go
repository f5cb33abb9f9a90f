package cli

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
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

// mostNamed bounds a file that a switch names and that is read whole, in bytes.
const mostNamed = 16 << 20

// readNamed reads such a file: a token, a policy, a manifest.
func readNamed(flag, name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, failed("%s: %s: %s", flag, name, cause(err))
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, mostNamed+1))
	switch {
	case err != nil:
		return nil, failed("%s: %s: %s", flag, name, cause(err))
	case len(text) > mostNamed:
		return nil, failed("%s: %s: it is larger than %d MiB", flag, name, mostNamed>>20)
	}
	return text, nil
}

// cause is an error without the path that is named beside it.
func cause(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
