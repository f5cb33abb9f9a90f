package store_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/store"
)

func TestSmoke(t *testing.T) {
	ctx := context.Background()
	s, err := store.Open(ctx, filepath.Join(t.TempDir(), "a b?#%", "x.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	a := model.Record{Kind: "k", Key: "a\x00b", Version: 3}
	if err := s.Apply(ctx, []model.Write{{Record: a}, {Record: model.Record{Kind: "k", Key: "a"}}}); err != nil {
		t.Fatal(err)
	}
	got, ok, err := s.Get(ctx, "k", "a\x00b")
	if err != nil || !ok {
		t.Fatal(ok, err)
	}
	if diff := cmp.Diff(a, got); diff != "" {
		t.Error(diff)
	}
	var keys []string
	for r, err := range s.Scan(ctx, "k", "", "") {
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, r.Key)
	}
	if diff := cmp.Diff([]string{"a", "a\x00b"}, keys); diff != "" {
		t.Error(diff)
	}
	if err := s.Apply(ctx, []model.Write{{Record: a, If: model.IfAbsent}}); !errors.Is(err, model.ErrConflict) {
		t.Error(err)
	}
	st, err := s.Stats(ctx)
	t.Log(st, err)
}
