package cli

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
)

// maxEdit is the size in bytes of the largest file that is edited: that of the
// largest manifest that is read.
const maxEdit = 64 << 20

// readFile reads a regular file below a root. A link is refused: what it
// points to may belong to something else.
func readFile(root *os.Root, name string) ([]byte, fs.FileMode, error) {
	info, err := root.Lstat(name)
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, fmt.Errorf("%s is a link or no file: not edited", name)
	case info.Size() > maxEdit:
		return nil, 0, fmt.Errorf("%s has %d bytes, more than %d: not edited", name, info.Size(), maxEdit)
	}
	f, err := root.Open(name)
	if err != nil {
		return nil, 0, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxEdit))
	return text, info.Mode().Perm(), err
}

// replaceFile puts new in the place of old, which the file must still hold;
// nil for old makes the file, nil for new takes it away. A reader sees the one
// or the other, never a part.
func replaceFile(root *os.Root, name string, old, new []byte) error {
	mode := fs.FileMode(0o644)
	now, perm, err := readFile(root, name)
	switch {
	case err == nil && old == nil:
		return fmt.Errorf("%s is there by now: not written", name)
	case err == nil && !bytes.Equal(now, old):
		return fmt.Errorf("%s has changed since it was read: not written", name)
	case err == nil:
		mode = perm
	case old != nil || !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if new == nil {
		return root.Remove(name)
	}
	return writeFile(root, name, new, mode)
}

// writeFile writes beside the file and moves the result over it.
func writeFile(root *os.Root, name string, text []byte, mode fs.FileMode) (err error) {
	random := make([]byte, 8)
	_, _ = rand.Read(random) // never fails
	temp := path.Join(path.Dir(name), ".scantling-"+hex.EncodeToString(random))
	f, err := root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = root.Remove(temp) // the first error counts
		}
	}()
	_, err = f.Write(text)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return root.Rename(temp, name)
}
