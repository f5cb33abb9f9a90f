package index_test

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/feed"
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/registry/index"
	"github.com/scantling/scantling/store"
)

// mirrored are records of the public bucket, by ecosystem and id.
func mirrored(t *testing.T, rng *rand.Rand, each int) map[string]map[string]json.RawMessage {
	t.Helper()
	corpora := os.Getenv("SCANTLING_CORPORA")
	if corpora == "" {
		corpora = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	files, err := filepath.Glob(filepath.Join(corpora, "..", "osv-mirror", "*", "all.zip"))
	if err != nil || len(files) == 0 {
		t.Skip("the public advisories are absent (SCANTLING_CORPORA)")
	}
	out := map[string]map[string]json.RawMessage{}
	for _, file := range files {
		ecosystem := filepath.Base(filepath.Dir(file))
		z, err := zip.OpenReader(file)
		if err != nil {
			t.Fatal(err)
		}
		out[ecosystem] = map[string]json.RawMessage{}
		for _, i := range rng.Perm(len(z.File))[:min(each, len(z.File))] {
			member, err := z.File[i].Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(member)
			if err != nil {
				t.Fatal(err)
			}
			out[ecosystem][strings.TrimSuffix(z.File[i].Name, ".json")] = text
		}
		z.Close()
	}
	return out
}

// named is what a record of the bucket names: for images that have it.
type named struct {
	Summary  string
	Affected []struct {
		Package struct{ Ecosystem, Name string }
		Ranges  []struct{ Events []map[string]string }
		Versions,
		Unused []string
	}
}

// packagesOf makes installed packages of what records name: at their bounds and
// beside them, and of rpm in modules.
func packagesOf(t *testing.T, rng *rand.Rand, records map[string]map[string]json.RawMessage) []image.Package {
	t.Helper()
	var out []image.Package
	for _, ecosystem := range slices.Sorted(maps.Keys(records)) {
		for _, id := range slices.Sorted(maps.Keys(records[ecosystem])) {
			var r named
			if err := json.Unmarshal(records[ecosystem][id], &r); err != nil {
				t.Fatal(err)
			}
			modules := []string{"", "", "other:1"}
			for _, word := range strings.Fields(r.Summary) {
				if strings.Contains(strings.Trim(word, ":"), ":") {
					modules = append(modules, word, word, strings.TrimRight(word, "0123456789"))
				}
			}
			for _, a := range r.Affected {
				versions := slices.Clone(a.Versions)
				for _, rg := range a.Ranges {
					for _, e := range rg.Events {
						versions = slices.AppendSeq(versions, maps.Values(e))
					}
				}
				for range min(3, len(versions)) {
					version := versions[rng.IntN(len(versions))]
					version = pickOf(rng, version, version, version+"+1", "0"+version, strings.Replace(version, "1", "2", 1), strings.Replace(version, "2", "1", 1), "(devel)")
					module := ""
					if ecosystem == "AlmaLinux" {
						module = pickOf(rng, modules...)
					}
					in := pickOf(rng, a.Package.Ecosystem, a.Package.Ecosystem, ecosystem+":9")
					if !strings.Contains(a.Package.Ecosystem, ":") {
						in = a.Package.Ecosystem
					}
					out = append(out, image.Package{
						PURL: fmt.Sprintf("pkg:x/%s@%s?m=%s&e=%s", a.Package.Name, version, module, in), Source: a.Package.Name, SourceVersion: version, Ecosystem: in,
						Module: module, Layer: fmt.Sprint(rng.IntN(4)), Path: "/" + in + "/" + module,
					})
				}
			}
		}
	}
	return out
}

func pickOf(rng *rand.Rand, list ...string) string { return list[rng.IntN(len(list))] }

// registry is a library and an engine that follows it, over one store.
type registry struct {
	dir     string
	store   *store.Store
	library *advisory.Library
	engine  *index.Engine
}

func openRegistry(t *testing.T, dir string) *registry {
	t.Helper()
	s, err := store.Open(t.Context(), filepath.Join(dir, "store.db"))
	if err != nil {
		t.Fatal(err)
	}
	e, err := index.Open(t.Context(), s, advisory.NewLibrary(s, nil), filepath.Join(dir, "segments"))
	if err != nil {
		t.Fatal(err)
	}
	return &registry{dir, s, advisory.NewLibrary(s, e.Follow), e}
}

// keep brings records to the library as a sync does.
func (r *registry) keep(ctx context.Context, ecosystem string, at time.Time, records map[string]json.RawMessage, gone ...string) error {
	state, err := r.library.State(ctx, ecosystem)
	if err != nil {
		return err
	}
	state.Source, state.Newest, state.Synced = "test", at, at
	b := feed.Batch{Feed: ecosystem, State: state, Gone: gone}
	for _, id := range slices.Sorted(maps.Keys(records)) {
		b.Records = append(b.Records, feed.Raw{ID: id, Modified: at, Body: records[id]})
	}
	_, err = r.library.Keep(ctx, b)
	return err
}

// matched is what DB.Match says of an image, in the words of findings.
func (r *registry) matched(t *testing.T, inv *image.Inventory) map[string]index.Finding {
	t.Helper()
	db, missed, err := r.library.LoadFor(t.Context(), []*image.Inventory{inv})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range missed {
		if x.What != "advisories/kev/known_exploited_vulnerabilities.json" {
			t.Fatalf("%+v", missed)
		}
	}
	out := map[string]index.Finding{}
	found, unknown := db.Match(inv)
	for _, p := range inv.Packages {
		ecosystem, name := advisory.Canonical(p.Ecosystem, p.Source)
		c := index.Component{Ecosystem: ecosystem, Name: name, Version: p.SourceVersion, Module: p.Module}
		for _, w := range found {
			if w.Component == p.PURL {
				out[rowOf(w.Advisory, c)] = index.Finding{Affected: true, Fixed: w.Fixed}
			}
		}
		what := fmt.Sprintf("%s %s %s (%s)", inv.Name, p.Source, p.SourceVersion, p.Path)
		for _, x := range unknown {
			id, why, _ := strings.Cut(x.Why, ": ")
			if x.What != what || strings.Contains(why, "CVSS") {
				continue // of its severity, which is no matter of versions
			}
			f := out[rowOf(id, c)]
			f.Unknown = why
			out[rowOf(id, c)] = f
		}
	}
	return out
}

// compare holds the findings of the index against DB.Match, over all images.
func (r *registry) compare(t *testing.T, invs map[string]*image.Inventory) (affected, unknown int) {
	t.Helper()
	want, held := map[string]index.Finding{}, map[index.Component]bool{}
	for _, inv := range invs {
		maps.Copy(want, r.matched(t, inv))
		for _, s := range index.NewImage(inv).Sets {
			for _, c := range s.Components {
				held[c] = true
			}
		}
	}
	o := &opened{r.dir, "", r.store, r.engine}
	if diff := cmp.Diff(want, o.findings(t, held)); diff != "" {
		t.Fatalf("DB.Match (-) and the index (+):\n%.3000s", diff)
	}
	for _, f := range want {
		if f.Affected {
			affected++
		} else {
			unknown++
		}
	}
	return affected, unknown
}

// TestAgainstMatch: in whatever order advisories and images come, change and
// come again, the findings of the index are those of DB.Match, of all
// ecosystems of the public bucket and of modules of rpm.
func TestAgainstMatch(t *testing.T) {
	rounds := 2
	if testing.Short() {
		rounds = 1
	}
	for seed := range rounds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(uint64(seed), 52))
			records := mirrored(t, rng, 80)
			packages := packagesOf(t, rng, records)
			r := openRegistry(t, t.TempDir())
			defer func() { r.store.Close() }()
			invs, at := map[string]*image.Inventory{}, time.Now().UTC().Truncate(time.Second)
			waiting := map[string][]string{}
			for ecosystem, all := range records {
				waiting[ecosystem] = slices.Sorted(maps.Keys(all))
			}
			keep := func(ecosystem string, some map[string]json.RawMessage, gone ...string) {
				at = at.Add(time.Microsecond)
				if err := r.keep(t.Context(), ecosystem, at, some, gone...); err != nil {
					t.Fatal(err)
				}
			}
			for len(waiting) > 0 || len(invs) < 20 {
				switch rng.IntN(5) {
				case 0, 1: // an image comes, or comes again with other packages
					inv := &image.Inventory{Name: "x", Digest: fmt.Sprintf("sha256:%d", rng.IntN(30))}
					for range rng.IntN(80) {
						inv.Packages = append(inv.Packages, packages[rng.IntN(len(packages))])
					}
					invs[inv.Digest] = inv
					if err := r.engine.Add(t.Context(), index.NewImage(inv)); err != nil {
						t.Fatal(err)
					}
				case 2, 3: // some records of an ecosystem come
					for _, ecosystem := range slices.Sorted(maps.Keys(waiting)) {
						ids := waiting[ecosystem]
						n := min(len(ids), 1+rng.IntN(60))
						some := map[string]json.RawMessage{}
						for _, id := range ids[:n] {
							some[id] = records[ecosystem][id]
						}
						keep(ecosystem, some)
						if waiting[ecosystem] = ids[n:]; n == len(ids) {
							delete(waiting, ecosystem)
						}
						break
					}
				default: // one says something else for a while, or is gone
					ecosystem := pickOf(rng, slices.Sorted(maps.Keys(records))...)
					id := pickOf(rng, slices.Sorted(maps.Keys(records[ecosystem]))...)
					if slices.Contains(waiting[ecosystem], id) {
						continue
					}
					if rng.IntN(2) == 0 {
						keep(ecosystem, nil, id)
					} else {
						other := strings.NewReplacer(`"fixed"`, `"last_affected"`, `"introduced": "0"`, `"introduced": "1"`, "module_el8", "el8").Replace(string(records[ecosystem][id]))
						keep(ecosystem, map[string]json.RawMessage{id: json.RawMessage(other)})
					}
					if rng.IntN(2) == 0 {
						keep(ecosystem, map[string]json.RawMessage{id: records[ecosystem][id]})
					}
				}
				switch rng.IntN(12) {
				case 0:
					if err := r.engine.Compact(t.Context()); err != nil {
						t.Fatal(err)
					}
				case 1: // a restart, the segments lost
					dir := r.dir
					if err := r.store.Close(); err != nil {
						t.Fatal(err)
					}
					os.RemoveAll(filepath.Join(dir, "segments"))
					r = openRegistry(t, dir)
				case 2:
					r.compare(t, invs)
				}
			}
			affected, unknown := r.compare(t, invs)
			t.Logf("%d images, %d packages: %d affected, %d unknown", len(invs), len(packages), affected, unknown)
			if affected < 30 || unknown < 5 {
				t.Error("too few")
			}
		})
	}
}
