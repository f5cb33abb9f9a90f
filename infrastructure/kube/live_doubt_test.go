package kube

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/scantling/scantling/infrastructure/kube/kubetest"
)

// TestNamespaceOfAPart: a list of namespaces that broke off proves nothing.
func TestNamespaceOfAPart(t *testing.T) {
	server := kubetest.New(t, nil)
	server.Make("v1", "Namespace", 600, func(i int) map[string]any {
		return map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": fmt.Sprintf("ns-%03d", i)}}
	})
	server.Answer = func(w http.ResponseWriter, r *http.Request, resource string) bool {
		if resource != "namespaces" || !r.URL.Query().Has("continue") {
			return false
		}
		kubetest.Status(w, http.StatusInternalServerError, "InternalError", "out of order")
		return true
	}
	s := readLive(t, connect(t, server, Access{Namespace: "ns-599"}))
	if len(s.Incomplete) != 1 || s.Incomplete[0].What != "list namespaces" {
		t.Error(s.Incomplete)
	}
}

// TestNoList: an answer that is no list is none of an empty one.
func TestNoList(t *testing.T) {
	routes := served{liveKind: liveKind{group: "route.openshift.io", kind: "Route", resource: "routes", form: whole}, version: "v1"}
	for body, fails := range map[string]bool{
		`{"kind":"RouteList","items":[]}`: false, `{"kind":"RouteList","items":null}`: false,
		`{}`: true, `{"kind":"Status","status":"Success"}`: true, `{"kind":"RouteList","items":7}`: true,
	} {
		if _, err := routes.decode(&reading{}, []byte(body)); (err != nil) != fails {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// TestSilentServer: one that takes a connection and says nothing is left.
func TestSilentServer(t *testing.T) {
	l := connect(t, kubetest.New(t, nil), Access{})
	l.patience = 0
	if _, err := l.Read(t.Context(), "prod"); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "can't be read: is it up") {
		t.Error(err)
	}
}
