//go:build unix

package store_test

import (
	"path/filepath"
	"testing"

	"github.com/scantling/scantling/store/storetest"
)

func sqliteFile(t testing.TB) string { return filepath.Join(t.TempDir(), "a b?#%41", "x.db") }

func TestSQLite(t *testing.T) { storetest.Run(t, sqliteFile) }

func TestPostgres(t *testing.T) { storetest.Run(t, storetest.Postgres(t).Database) }
