package ingest_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/ingest"
)

func record(id, level, user, verb, ref, rest string) string {
	return fmt.Sprintf(`{"kind":"Event","apiVersion":"audit.k8s.io/v1","auditID":%q,"level":%q,"stage":"ResponseComplete","user":{"username":%q},"verb":%q,"objectRef":{%s}%s}`, id, level, user, verb, ref, rest)
}

const (
	ok      = `,"annotations":{"authorization.k8s.io/decision":"allow"}`
	forbid  = `,"annotations":{"authorization.k8s.io/decision":"forbid"},"responseStatus":{"code":403}`
	code200 = `,"responseStatus":{"code":200}`
	code404 = `,"responseStatus":{"code":404}`
	pods    = `"resource":"pods","namespace":"shop"`
)

func events(t *testing.T, lines ...string) []model.Event {
	t.Helper()
	var out []model.Event
	res, err := ingest.Read(context.Background(), "log", strings.NewReader(strings.Join(lines, "\n")), ingest.Config{Cluster: "c"}, func(e model.Event) error {
		out = append(out, e)
		return nil
	})
	if err != nil || res.Damaged > 0 {
		t.Fatal(err, res)
	}
	return out
}

func TestFacts(t *testing.T) {
	sa := "system:serviceaccount:shop:web"
	for name, tc := range map[string]struct {
		lines []string
		want  []string
	}{
		"nothing":             {nil, nil},
		"metadata":            {[]string{record("1", "Metadata", sa, "get", pods, forbid)}, []string{"log-read Metadata"}},
		"highest level":       {[]string{record("1", "Metadata", sa, "get", pods, forbid), record("2", "Request", sa, "get", pods, forbid)}, []string{"log-read Request"}},
		"allowed":             {[]string{record("1", "Metadata", sa, "get", pods, ok)}, []string{"log-read Metadata", "c/shop/web get /pods in c/shop: 1 at log#0 1"}},
		"allowed, not found":  {[]string{record("1", "Metadata", sa, "get", pods, ok+code404)}, []string{"log-read Metadata", "c/shop/web get /pods in c/shop: 1 at log#0 1"}},
		"answer alone":        {[]string{record("1", "Metadata", sa, "get", pods, code200)}, []string{"log-read Metadata", "c/shop/web get /pods in c/shop: 1 at log#0 1"}},
		"error alone":         {[]string{record("1", "Metadata", sa, "get", pods, code404)}, []string{"log-read Metadata"}},
		"no answer yet":       {[]string{record("1", "Metadata", sa, "get", pods, "")}, []string{"log-read Metadata"}},
		"counted per request": {[]string{record("1", "Metadata", sa, "get", pods, ok), record("1", "Metadata", sa, "get", pods, ok), record("2", "Metadata", sa, "get", pods, ok)}, []string{"log-read Metadata", "c/shop/web get /pods in c/shop: 2 at log#0 1"}},
		"group and subresource": {
			[]string{record("1", "Metadata", "ann", "patch", `"resource":"deployments","subresource":"scale","apiGroup":"apps","namespace":"shop"`, ok)},
			[]string{"log-read Metadata", "c//user:ann patch apps/deployments/scale in c/shop: 1 at log#0 1"},
		},
		"whole cluster":   {[]string{record("1", "Metadata", "ann", "list", `"resource":"nodes"`, ok)}, []string{"log-read Metadata", "c//user:ann list /nodes in : 1 at log#0 1"}},
		"no resource":     {[]string{record("1", "Metadata", "ann", "get", "", ok)}, []string{"log-read Metadata"}},
		"alerted request": {[]string{record("bad", "Metadata", sa, "get", pods, ok), record("2", "Metadata", sa, "list", pods, ok)}, []string{"log-read Metadata", "c/shop/web list /pods in c/shop: 1 at log#1 2"}},
		"impersonation": {
			[]string{record("1", "Metadata", "root", "get", pods, `,"impersonatedUser":{"username":"bob"}`+ok)},
			[]string{"log-read Metadata", "c//user:bob get /pods in c/shop: 1 at log#0 1", "c//user:root impersonate /users in : 1 at log#0 1"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			facts, incomplete := ingest.Facts("c", events(t, tc.lines...), map[string]bool{"bad": true})
			if len(incomplete) > 0 {
				t.Error(incomplete)
			}
			if diff := cmp.Diff(tc.want, describe(t, facts)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func describe(t *testing.T, facts []model.Fact) []string {
	t.Helper()
	var out []string
	for _, f := range facts {
		if f.P != 1 || f.Origin != model.Measured || f.Source != "kubernetes-audit" {
			t.Errorf("%+v", f)
		}
		switch f.Kind {
		case model.LogRead:
			if f.Asset != (model.Ref{Kind: model.Log, Key: "kubernetes-audit"}) {
				t.Errorf("asset %v", f.Asset)
			}
			out = append(out, "log-read "+f.Value)
		case model.UsedRight:
			var n int
			if _, err := fmt.Sscanf(f.Evidence[0].What, "first of %d allowed requests", &n); err != nil {
				t.Error(err)
			}
			out = append(out, fmt.Sprintf("%s %s in %s: %d at %s %s", f.Asset.Key, f.Value, f.Object.Key, n, f.Evidence[0].Where, f.Evidence[0].Value))
		}
	}
	return out
}

// TestFactsOrder holds that which rights were used doesn't depend on the order
// of the log, though the first request does.
func TestFactsOrder(t *testing.T) {
	var lines []string
	for i := range 60 {
		lines = append(lines, record(fmt.Sprint(i), "Metadata", fmt.Sprintf("u%d", i%7), []string{"get", "list"}[i%2], pods, []string{ok, forbid, code200}[i%3]))
	}
	first := factIDs(t, lines)
	slices.Reverse(lines)
	if diff := cmp.Diff(first, factIDs(t, lines)); diff != "" {
		t.Error(diff)
	}
}

func factIDs(t *testing.T, lines []string) []string {
	t.Helper()
	facts, _ := ingest.Facts("c", events(t, lines...), nil)
	var out []string
	for _, f := range facts {
		out = append(out, f.ID())
		for _, e := range f.Evidence {
			out = append(out, e.What)
		}
	}
	return out
}
