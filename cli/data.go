package cli

import (
	"context"
	"os"
	"path/filepath"

	"github.com/scantling/scantling/store"
)

// dataFolder is where the program keeps what it remembers: --data, else
// scantling below XDG_DATA_HOME, by default ~/.local/share (XDG Base Directory
// Specification, which ignores a relative path). "" where none of these says.
func (a *app) dataFolder() string {
	if a.data != "" {
		return a.data
	}
	if dir := a.Env("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "scantling")
	}
	if home := a.Env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "scantling")
	}
	return ""
}

// database is the file of the store in the data folder.
const database = "scantling.db"

// openData opens the store of the data folder, which is made where it isn't,
// for its owner alone.
func (a *app) openData(ctx context.Context) (*store.Store, error) {
	dir := a.dataFolder()
	if dir == "" {
		return nil, usage("name a data folder with --data: neither XDG_DATA_HOME nor HOME says where it is")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, failed("making the data folder %s: %s", dir, cause(err))
	}
	s, err := store.Open(ctx, filepath.Join(dir, database))
	if err != nil {
		return nil, failed("%w", err)
	}
	return s, nil
}

// openDataIfAny opens the store, or returns nil where there is none yet: what
// only reads makes none.
func (a *app) openDataIfAny(ctx context.Context) (*store.Store, error) {
	dir := a.dataFolder()
	if dir == "" {
		return nil, nil
	}
	if _, err := os.Stat(filepath.Join(dir, database)); os.IsNotExist(err) {
		return nil, nil
	}
	return a.openData(ctx)
}
