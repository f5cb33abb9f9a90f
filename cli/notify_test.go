package cli

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/scantling/scantling/config"
	"github.com/scantling/scantling/notify"
	"github.com/scantling/scantling/notify/sink"
)

// Of an estate's sinks relative paths are those of its folder.
func TestSinksOf(t *testing.T) {
	got := sinksOf("/estate", []config.Notify{
		{Name: "a", To: "ocsf+file:out/a", CA: "/etc/ca.pem", Secret: config.Secret{File: "token"}, Group: config.Group{Window: "1m", By: "identity"}},
		{Name: "b", To: "https://h.example/profile:x", Level: "high", Ack: true},
	})
	want := []notify.Config{
		{Name: "a", Window: "1m", By: notify.ByIdentity, Config: sink.Config{To: "ocsf+file:/estate/out/a", CA: "/etc/ca.pem", Secret: sink.Secret{File: "/estate/token"}}},
		{Name: "b", Level: "high", Config: sink.Config{To: "https://h.example/profile:x", Ack: true}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// refusesOf is the command of a receiver that answers everything with a status
// and the text "no": refuses STATUS. Its address is then in REFUSES.
func refusesOf(t *testing.T) func(*testscript.TestScript, bool, []string) {
	t.Helper()
	return func(ts *testscript.TestScript, neg bool, args []string) {
		if neg || len(args) != 1 {
			ts.Fatalf("usage: refuses STATUS")
		}
		status, err := strconv.Atoi(args[0])
		ts.Check(err)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", status) }))
		ts.Defer(srv.Close)
		ts.Setenv("REFUSES", srv.URL)
	}
}
