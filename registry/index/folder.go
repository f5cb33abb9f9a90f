package index

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/scantling/scantling/model"
)

// folder is where the segments are.
type folder string

// segmentName is the name of the file of a segment, and the key of its record.
func segmentName(covers int64) string { return fmt.Sprintf("segment-%016x", covers) }

// write stores a file so that it is there as a whole, and stays there, or not
// at all, and returns its SHA-256. Where another process made a later segment
// and swept this one away before it was whole, the error is a conflict.
func (f folder) write(name string, data []byte) (sum []byte, err error) {
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return nil, err
	}
	file, err := os.CreateTemp(string(f), name+".*.part")
	if err != nil {
		return nil, err
	}
	defer os.Remove(file.Name()) // fails once it is renamed
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return nil, err
	}
	err = os.Rename(file.Name(), filepath.Join(string(f), name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %w", model.ErrConflict, err)
	}
	if err != nil {
		return nil, err
	}
	hash := sha256.Sum256(data)
	return hash[:], f.sync()
}

// sync lets the names in the folder reach the disk.
func (f folder) sync() error {
	if runtime.GOOS == "windows" { // has no such call
		return nil
	}
	dir, err := os.Open(string(f))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// read loads the segment of a record and holds it to its hash.
func (f folder) read(r model.Record) (*segment, error) {
	path := filepath.Join(string(f), filepath.Base(r.Key))
	info, err := os.Lstat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if hash := sha256.Sum256(data); string(hash[:]) != string(r.Body) {
		return nil, fmt.Errorf("%s has another content than it was written with", path)
	}
	s, err := openSegment(data)
	if err == nil && s.covers != r.Version {
		err = errors.New("it covers another time than its record says")
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return s, nil
}

// sweep removes the segments before one, and what writes of them that were cut
// short left. What can't be removed costs room and nothing else.
func (f folder) sweep(keep string) {
	entries, err := fs.ReadDir(os.DirFS(string(f)), ".")
	if err != nil {
		return
	}
	for _, entry := range entries {
		if name := entry.Name(); strings.HasPrefix(name, "segment-") && name < keep {
			os.Remove(filepath.Join(string(f), name))
		}
	}
}
