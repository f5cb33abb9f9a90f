//go:build unix

package store_test

import (
	"strings"
	"testing"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store"
	"github.com/scantling/scantling/store/storetest"
)

// TestPostgresDurable: no setting of role or URL turns syncing off, a server
// that never syncs is refused.
func TestPostgresDurable(t *testing.T) {
	t.Run("synchronous_commit", func(t *testing.T) {
		server := storetest.Postgres(t, "synchronous_commit=off")
		dsn := server.Database(t)
		s, err := store.Open(t.Context(), dsn+"&synchronous_commit=off")
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		// The server itself says with what each row was written.
		server.Exec(t, dsn, `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
			$$ BEGIN NEW.body := convert_to(current_setting('synchronous_commit'), 'UTF8'); RETURN NEW; END $$`)
		server.Exec(t, dsn, "CREATE TRIGGER note BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION note()")
		for _, key := range []string{"a", "b"} {
			if err := s.Apply(t.Context(), []model.Write{{Record: model.Record{Kind: "k", Key: key}}}); err != nil {
				t.Fatal(err)
			}
			r, _, err := s.Get(t.Context(), "k", key)
			if err != nil || string(r.Body) != "on" {
				t.Errorf("written with synchronous_commit %q, %v", r.Body, err)
			}
		}
	})
	t.Run("fsync", func(t *testing.T) {
		server := storetest.Postgres(t, "fsync=off")
		if _, err := store.Open(t.Context(), server.Database(t)); err == nil || !strings.Contains(err.Error(), "fsync=off") {
			t.Errorf("error %v", err)
		}
	})
}

func TestPostgresNewer(t *testing.T) {
	server := storetest.Postgres(t)
	dsn := server.Database(t)
	s, err := store.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	server.Exec(t, dsn, "INSERT INTO scantling_schema VALUES (99)")
	if _, err := store.Open(t.Context(), dsn); err == nil || !strings.Contains(err.Error(), "version 99, and this release of scantling knows versions up to 1") {
		t.Errorf("error %v", err)
	}
}
