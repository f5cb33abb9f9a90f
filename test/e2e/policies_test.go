package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/test/e2e/plane"
)

// policies has one policy of every kind, and the definitions of their kinds.
var policies = filepath.Join("testdata", "policies.yaml")

// TestLivePolicies: policies of all kinds are read from a live cluster as they
// are from manifests. Each must count: without it, the list is another one.
func TestLivePolicies(t *testing.T) {
	plane.Programs(t)
	program := build(t)
	p, admin := alive(t, policies)
	compareLive(t, program, p, policies, differingKeys)

	args := []string{"cluster", "network", "list", "--quiet", "--kubeconfig", p.Kubeconfig(plane.Admin)}
	live := scantling(t, program, args...)
	if live.code != 0 || live.talk != "" {
		t.Errorf("code %d, said: %s", live.code, live.talk)
	}
	docs := documents(t, policies)
	for i, doc := range docs {
		kind, _, _ := strings.Cut(doc[strings.Index(doc, "kind: ")+len("kind: "):], "\n")
		if !strings.HasSuffix(kind, "Policy") {
			continue
		}
		less := filepath.Join(t.TempDir(), "less.yaml")
		writeDocuments(t, less, slices.Delete(slices.Clone(docs), i, i+1))
		if got := scantling(t, program, "cluster", "network", "list", less); got.out == live.out {
			t.Errorf("%s: the live list is also that of manifests without it", kind)
		}
	}
	t.Run("truth", func(t *testing.T) { testTruth(t, program, p, admin) })
	t.Run("fixes", func(t *testing.T) { testWorlds(t, program, p, admin) })
}

// testDiff compares the example's cluster with manifests: with its own, with
// some that let more in, and with some that let less in.
func testDiff(t *testing.T, program string, p *plane.Plane) {
	diff := func(what string, change func(docs []string) []string) outcome {
		t.Helper()
		dir := t.TempDir()
		files, err := filepath.Glob(filepath.Join(manifests, "*", "*.yaml"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no manifests: %v", err)
		}
		changed := false
		for i, file := range append(files, filepath.Join(manifests, "namespaces.yaml")) {
			docs := documents(t, file)
			after := change(slices.Clone(docs))
			changed = changed || !slices.Equal(docs, after)
			writeDocuments(t, filepath.Join(dir, fmt.Sprintf("%d.yaml", i)), after)
		}
		if !changed && what != "the same" {
			t.Fatalf("%s: no manifest was changed", what)
		}
		return scantling(t, program, "cluster", "network", "diff", dir, "--allow-unknown", "--kubeconfig", p.Kubeconfig(plane.Admin))
	}
	without := func(text string) func([]string) []string {
		return func(docs []string) []string {
			return slices.DeleteFunc(docs, func(doc string) bool { return strings.Contains(doc, text) })
		}
	}
	if got := diff("the same", without("no such text")); got.code != 0 || got.out != "" {
		t.Errorf("the manifests that the cluster was made of: code %d\n%s%s", got.code, got.out, got.talk)
	}
	opened := diff("a policy less", without("  name: default-deny\n"))
	if opened.code != 3 || !strings.Contains(opened.out, "added payments/postgres[StatefulSet] => shop/cart[Deployment] : All Connections\n") || strings.Contains(opened.out, "removed ") {
		t.Errorf("a policy less: code %d\n%s%s", opened.code, opened.out, opened.talk)
	}
	shut := diff("a policy more", func(docs []string) []string { return append(docs, shutAll) })
	if shut.code != 0 || !strings.Contains(shut.out, "removed ") || strings.Contains(shut.out, "added ") {
		t.Errorf("a policy more: code %d\n%s%s", shut.code, shut.out, shut.talk)
	}
}

// shutAll lets nobody in to the shop.
const shutAll = `apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: shut-all
  namespace: shop
spec:
  podSelector: {}
`

// documents are those of a file of manifests.
func documents(t *testing.T, file string) []string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(string(text), "\n---\n")
}

// writeDocuments makes a file of documents.
func writeDocuments(t *testing.T, file string, docs []string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(strings.Join(docs, "\n---\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}
