package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/scantling/scantling/examples/shop"
	"github.com/scantling/scantling/internal/testkit"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/report"
)

// assessFolder is an assessment in this process, without any output.
func assessFolder(ctx context.Context, dir string) (report.Assessment, error) {
	a := &app{IO: IO{In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, Env: func(string) string { return "" }}, format: "json", failOn: "high", quiet: true}
	a.rules = "D101,D102,D103,D104" // the plan rests on no rule but what makes alerts
	_, doc, err := a.assess(ctx, dir, estateFlags{asOf: shop.Day})
	return doc, err
}

// planHas reports whether an action is in the plan.
func planHas(doc report.Assessment, id string) bool {
	for _, s := range doc.Plan {
		if s.Action.ID == id {
			return true
		}
	}
	return false
}

// splitOf is the id of the action that gives a workload its own identity
// instead of the one that it shares.
func splitOf(workload, identity string) string {
	return model.ActionID(model.SplitIdentity, model.Ref{Kind: model.Workload, Key: workload}, model.Ref{Kind: model.Identity, Key: identity})
}

// cutDocument removes the one YAML document of a file that holds all words.
func cutDocument(t *testing.T, path string, words ...string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	cut := 0
documents:
	for _, doc := range strings.Split(string(data), "\n---\n") {
		for _, w := range words {
			if !strings.Contains("\n"+doc+"\n", w) {
				kept = append(kept, doc)
				continue documents
			}
		}
		cut++
	}
	if cut != 1 {
		t.Fatalf("%s: %d documents with %q, want 1", path, cut, words)
	}
	if err := os.WriteFile(path, []byte(strings.Join(kept, "\n---\n")), 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestJoinOnTheShop: the action that gives the storefront its own identity
// stands on a weakness, an exposure and a right. Without any of them it goes.
func TestJoinOnTheShop(t *testing.T) {
	id := splitOf("prod/shop/Deployment/storefront", "prod/shop/runner")
	for name, tc := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  bool
	}{
		"everything": {func(*testing.T, string) {}, true},
		"no advisory": {func(t *testing.T, dir string) {
			for _, name := range []string{"DSA-5022-1", "DSA-5024-1"} {
				if err := os.Remove(filepath.Join(dir, "advisories/Debian", name+".json")); err != nil {
					t.Fatal(err)
				}
			}
		}, false},
		"no exposure": {func(t *testing.T, dir string) {
			cutDocument(t, filepath.Join(dir, "k8s/shop/storefront.yaml"), "\nkind: Ingress\n")
		}, false},
		"no right": {func(t *testing.T, dir string) {
			cutDocument(t, filepath.Join(dir, "k8s/shop/runner.yaml"), "\nkind: RoleBinding\n")
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "shop")
			if err := os.CopyFS(dir, shop.FS); err != nil {
				t.Fatal(err)
			}
			tc.spoil(t, dir)
			doc, err := assessFolder(t.Context(), dir)
			if err != nil {
				t.Fatal(err)
			}
			if got := planHas(doc, id); got != tc.want {
				t.Fatalf("the plan has %s: %v, want %v", id, got, tc.want)
			}
			if tc.want {
				chainOf(t, dir, id)
			}
		})
	}
}

// chainOf wants the three links in the reasons of an action, and a chain.
func chainOf(t *testing.T, dir, id string) {
	t.Helper()
	why := decode[report.Why](t, run(t, "", "why", id, dir, "--as-of", shop.Day, "--format", "json"))
	var evidence strings.Builder
	for _, e := range why.Step.Evidence {
		fmt.Fprintf(&evidence, "%s · %s · %s\n", e.What, e.Where, e.Value)
	}
	for link, words := range map[string][]string{
		"advisory": {"DSA-5022-1"},
		"exposure": {"Ingress", "storefront"},
		"right":    {"RoleBinding", "runner"},
	} {
		for _, w := range words {
			if !strings.Contains(evidence.String(), w) {
				t.Errorf("the evidence shows no %s (%q):\n%s", link, w, evidence.String())
			}
		}
	}
	chained := false
	for _, s := range why.Scenarios {
		chained = chained || len(s.Chain) > 1
	}
	if !chained {
		t.Error("no scenario has a chain")
	}
}

// TestJoinOnGeneratedEstates does the same on estates that are drawn. In each
// of them the log shows the shared right in use.
func TestJoinOnGeneratedEstates(t *testing.T) {
	seeds := 200
	if testing.Short() {
		seeds = 20
	}
	root := t.TempDir()
	var needed atomic.Int32
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(runtime.GOMAXPROCS(0))
	for seed := range seeds {
		group.Go(func() error {
			n, err := drawn(ctx, t, testkit.Estate{Seed: uint64(seed), Workloads: 4 + seed%5}, filepath.Join(root, fmt.Sprint(seed)))
			needed.Add(n)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d estates, in %d of them the shared right is needed", seeds, needed.Load())
	if int(needed.Load()) != seeds {
		t.Error("some estates lack the chain, so they prove nothing")
	}
}

// drawn assesses one estate whole and without each of its three links. It
// returns 1 where the shared right is needed, else 0.
func drawn(ctx context.Context, t *testing.T, whole testkit.Estate, dir string) (needed int32, err error) {
	id := splitOf("cluster/team-0/Deployment/w0", "cluster/team-0/shared")
	noAdvisory, notPublic, noRight := whole, whole, whole
	noAdvisory.NoAdvisory, notPublic.NotPublic, noRight.NoRight = true, true, true
	// Each is written over the one before, which is quicker than a folder each;
	// only what the last one lacks has to go first.
	for _, world := range []testkit.Estate{whole, notPublic, noRight, noAdvisory} {
		if world.NoAdvisory {
			if err := os.RemoveAll(filepath.Join(dir, "advisories")); err != nil {
				return 0, err
			}
		}
		if err := world.Write(dir); err != nil {
			return 0, err
		}
		doc, err := assessFolder(ctx, dir)
		if err != nil {
			return 0, fmt.Errorf("%+v: %w", world, err)
		}
		want := false
		if world == whole {
			if want, err = needsRight(dir); err != nil {
				return 0, err
			}
			if want {
				needed = 1
			}
		}
		if got := planHas(doc, id); got != want {
			t.Errorf("%+v: the plan has %s: %v, want %v", world, id, got, want)
		}
	}
	return needed, os.RemoveAll(dir)
}

// needsRight reports whether the log of a generated estate shows the shared
// right in a use that raises no alert.
func needsRight(dir string) (bool, error) {
	data, err := os.ReadFile(filepath.Join(dir, "k8s/team-0.yaml"))
	if err != nil {
		return false, err
	}
	exec := strings.Contains(string(data), `resources: ["pods/exec"]`)
	bulk := strings.Contains(string(data), `resources: ["secrets"], verbs: ["list"]`)
	return !exec && !bulk, nil
}
