package index_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/index"
)

// torn is a shelf that fails at one package, and counts who is asked for.
type torn struct {
	shelf
	at   string
	fail func() error

	mu    sync.Mutex
	asked map[string]int
}

func (s *torn) Of(ctx context.Context, ecosystem, name string) ([]*advisory.Record, error) {
	s.mu.Lock()
	s.asked[name]++
	s.mu.Unlock()
	if name == s.at {
		return nil, s.fail()
	}
	return s.shelf.Of(ctx, ecosystem, name)
}

// TestTornAdvisories: where the advisories of one of many packages can't be
// read an image is not taken in, and the error is that package's; a second try
// asks for each package once.
func TestTornAdvisories(t *testing.T) {
	o := mustOpen(t, t.TempDir())
	defer o.close(t)
	var all []index.Component
	for i := range 600 {
		all = append(all, index.Component{Ecosystem: "Go", Name: fmt.Sprintf("p%03d", i), Version: "1.0.0"})
	}
	image := index.Image{Digest: "x", Sets: []index.Set{index.NewSet(all)}}
	lost := errors.New("lost")
	for _, at := range []string{"p000", "p255", "p300", "p599"} {
		for _, ends := range []bool{false, true} {
			ctx, end := context.WithCancel(t.Context())
			s := &torn{shelf: shelf{o.store}, at: at, asked: map[string]int{}, fail: func() error { return lost }}
			want := lost
			if ends {
				s.fail, want = func() error { end(); return ctx.Err() }, context.Canceled
			}
			e, err := index.Open(t.Context(), o.store, s, filepath.Join(o.dir, "segments"))
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Add(ctx, image); !errors.Is(err, want) || !ends && !strings.Contains(err.Error(), "advisories of Go "+at+":") {
				t.Errorf("%s: error %v, want %v", at, err, want)
			}
			end()
			for name, n := range s.asked {
				if n != 1 {
					t.Errorf("%s is asked for %d times", name, n)
				}
			}
			if images := e.Images(index.Transition{Ecosystem: "Go", Package: "p000", Version: "1.0.0"}); images.Count() != 0 {
				t.Errorf("%s: the image is in the index", at)
			}
		}
	}
	s := &torn{shelf: shelf{o.store}, asked: map[string]int{}}
	e, err := index.Open(t.Context(), o.store, s, filepath.Join(o.dir, "segments"))
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Add(t.Context(), image); err != nil {
		t.Fatal(err)
	}
	for _, c := range all {
		if s.asked[c.Name] != 1 {
			t.Errorf("%s is asked for %d times", c.Name, s.asked[c.Name])
		}
	}
	if images := e.Images(index.Transition{Ecosystem: "Go", Package: "p000", Version: "1.0.0"}); images.Count() != 1 {
		t.Errorf("%d images", images.Count())
	}
}
