package bus

import (
	"errors"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// TestSyncIsAsserted starts servers that don't do what they were asked for.
func TestSyncIsAsserted(t *testing.T) {
	for name, tc := range map[string]struct {
		change func(*server.Options)
		want   error
	}{
		"as it is":     {func(*server.Options) {}, nil},
		"no sync":      {func(o *server.Options) { o.SyncAlways = false }, ErrUnsynced},
		"no JetStream": {func(o *server.Options) { o.JetStream = false }, errNoStore},
	} {
		t.Run(name, func(t *testing.T) {
			o := options(t.TempDir())
			tc.change(o)
			e := &embedded{warn: warnings{tell: func(s string) { t.Log(s) }}}
			err := e.run(o)
			if !errors.Is(err, tc.want) || (err == nil) != (tc.want == nil) {
				t.Errorf("%v, expected %v", err, tc.want)
			}
			if err == nil {
				if err := e.stop(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestAnswers(t *testing.T) {
	for name, tc := range map[string]struct {
		answer string
		stores bool
		fails  bool
	}{
		"syncs":    {`{"server":{"name":"a"},"data":{"config":{"store_dir":"/x","sync_always":true}}}`, true, false},
		"doesn't":  {`{"server":{"name":"a"},"data":{"config":{"store_dir":"/x"}}}`, true, true},
		"disabled": {`{"server":{"name":"a"},"data":{"disabled":true,"config":{}}}`, false, false},
		"no JSON":  {`x`, false, true},
	} {
		stores, err := syncs([]byte(tc.answer))
		if stores != tc.stores || (err != nil) != tc.fails {
			t.Errorf("%s: %v %v", name, stores, err)
		}
	}
}
