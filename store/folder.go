package store

import (
	"errors"
	"os"
	"runtime"
)

// syncFolder lets the names in a folder reach the disk.
func syncFolder(dir string) error {
	if runtime.GOOS == "windows" { // has no such call
		return nil
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
