package peer

import (
	"archive/zip"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scantling/scantling/registry/advisory"
	"github.com/scantling/scantling/registry/image"
)

// mirror finds the copy of the public bucket of advisories; without it, or
// without osv-scanner, the test is skipped.
func mirror(t testing.TB) (dir, scanner string) {
	t.Helper()
	corpora := os.Getenv("SCANTLING_CORPORA")
	if corpora == "" {
		corpora = filepath.Join("..", "..", "..", "shared", "corpora")
	}
	dir = filepath.Join(corpora, "..", "osv-mirror")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the public advisories are absent (SCANTLING_CORPORA): %v", err)
	}
	scanner = os.Getenv("OSV_SCANNER")
	if scanner == "" {
		t.Skip("OSV_SCANNER names no osv-scanner: make bench-registry builds it")
	}
	return dir, settled(t, scanner)
}

// localDB lays the mirror out as osv-scanner keeps it offline, and returns the
// environment that points to it.
func localDB(t testing.TB, mirror string) []string {
	t.Helper()
	base := t.TempDir()
	if err := os.CopyFS(filepath.Join(base, "osv-scanner"), zipsOf(mirror)); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "OSV_SCANNER_LOCAL_DB_CACHE_DIRECTORY="+base)
}

// zipsOf shows the records of a mirror and nothing else.
func zipsOf(mirror string) fs.FS { return onlyZips{os.DirFS(mirror)} }

type onlyZips struct{ fs.FS }

func (o onlyZips) ReadDir(name string) ([]fs.DirEntry, error) {
	list, err := fs.ReadDir(o.FS, name)
	return slices.DeleteFunc(list, func(e fs.DirEntry) bool { return !e.IsDir() && e.Name() != "all.zip" }), err
}

// component is one installed package, in the words of OSV.
type component struct {
	Name      string `json:"name"`
	Version   string `json:"version"`
	Ecosystem string `json:"ecosystem"`
}

func (c component) String() string { return c.Ecosystem + " " + c.Name + " " + c.Version }

func compareComponents(a, b component) int {
	return cmp.Or(cmp.Compare(a.Ecosystem, b.Ecosystem), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
}

// record is what the cases are made of.
type record struct {
	ID       string
	Aliases  []string
	Affected []struct {
		Package struct{ Ecosystem, Name string }
		Ranges  []struct {
			Type   string
			Events []map[string]string
		}
		Versions []string
	}
}

// records reads one ecosystem of the mirror.
func records(t testing.TB, mirror, ecosystem string) (out []record) {
	t.Helper()
	archive, err := zip.OpenReader(filepath.Join(mirror, ecosystem, "all.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = archive.Close() }()
	for _, f := range archive.File {
		one, _ := unpack(t, f)
		out = append(out, one)
	}
	return out
}

// unpack reads one record of an archive, and its text.
func unpack(t testing.TB, f *zip.File) (one record, text []byte) {
	t.Helper()
	r, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	text, err = io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &one); err != nil {
		t.Fatalf("%s: %v", f.Name, err)
	}
	return one, text
}

// casesOf are the packages of an ecosystem's records at each bound of their
// ranges, just below and just above it.
func casesOf(list []record, ecosystem string) (out []component) {
	for _, r := range list {
		for _, a := range r.Affected {
			if base, _, _ := strings.Cut(a.Package.Ecosystem, ":"); base != ecosystem {
				continue
			}
			for _, span := range a.Ranges {
				if span.Type == "GIT" {
					continue
				}
				for _, e := range span.Events {
					for _, bound := range e {
						for _, v := range beside(bound) {
							out = append(out, component{a.Package.Name, v, a.Package.Ecosystem})
						}
					}
				}
			}
			for _, v := range a.Versions[:min(len(a.Versions), 1)] {
				out = append(out, component{a.Package.Name, v, a.Package.Ecosystem})
			}
		}
	}
	slices.SortFunc(out, compareComponents)
	return slices.Compact(out)
}

var number = regexp.MustCompile(`\d+`)

// beside lists a version and texts that sort close to it in one order or
// another.
func beside(v string) []string {
	if v == "0" || v == "*" {
		return nil
	}
	out := []string{v, v + "~", v + "-0", v + ".1"}
	places := number.FindAllStringIndex(v, -1)
	if len(places) == 0 {
		return out
	}
	at := places[len(places)-1]
	if n, err := strconv.Atoi(v[at[0]:at[1]]); err == nil {
		out = append(out, v[:at[0]]+strconv.Itoa(n+1)+v[at[1]:])
		if n > 0 {
			out = append(out, v[:at[0]]+strconv.Itoa(n-1)+v[at[1]:])
		}
	}
	return out
}

// verdicts are the advisories that touch each component.
type verdicts map[component][]string

// theirs asks osv-scanner about all components in one run.
func theirs(t testing.TB, scanner string, env []string, list []component) verdicts {
	t.Helper()
	type row struct {
		Package         component             `json:"package"`
		Vulnerabilities []struct{ ID string } `json:"vulnerabilities"`
	}
	type source struct {
		Packages []row `json:"packages"`
	}
	var in, out struct {
		Results []source `json:"results"`
	}
	// A file for each ecosystem with its release: of one file it takes a name and
	// version once, whatever their release.
	dir := t.TempDir()
	args := []string{"scan", "--offline", "--format", "json"}
	byEcosystem := map[string][]row{}
	for _, c := range list {
		byEcosystem[c.Ecosystem] = append(byEcosystem[c.Ecosystem], row{Package: c})
	}
	for ecosystem, rows := range byEcosystem {
		in.Results = []source{{Packages: rows}}
		data, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(dir, fmt.Sprintf("%x.json", ecosystem))
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "-L", "osv-scanner:"+file)
	}
	cmd := exec.CommandContext(t.Context(), scanner, args...)
	cmd.Env = env
	data, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() != 1) { // 1: it found some
		t.Fatalf("osv-scanner: %v\n%s", err, exit.Stderr)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	found := verdicts{}
	for _, r := range out.Results {
		for _, p := range r.Packages {
			for _, v := range p.Vulnerabilities {
				found[p.Package] = append(found[p.Package], v.ID)
			}
		}
	}
	return found
}

// ourVerdicts evaluates the same; unknown holds what can't be told, by
// component and advisory.
func ourVerdicts(db *advisory.DB, list []component) (found verdicts, unknown map[string]bool) {
	found, unknown = verdicts{}, map[string]bool{}
	inv := &image.Inventory{Name: "x", Digest: "sha256:x"}
	for _, c := range list {
		inv.Packages = append(inv.Packages, image.Package{
			PURL: c.String(), Name: c.Name, Version: c.Version, Source: c.Name, SourceVersion: c.Version, Ecosystem: c.Ecosystem,
		})
	}
	weak, missed := db.Match(inv)
	for _, w := range weak {
		c := component{w.Package, w.Version, w.Ecosystem}
		found[c] = append(found[c], w.Advisory)
	}
	for _, m := range missed {
		id, _, _ := strings.Cut(m.Why, ": ") // an id of AlmaLinux holds a colon
		unknown[m.What+" "+id] = true
	}
	return found, unknown
}

// checks bounds what osv-scanner is asked, which compares each component with
// each affected entry: components times entries, for some seconds each.
const checks = 3_000_000

// TestSameAdvisories compares the verdicts on the mirror's own bounds with those of
// osv-scanner, which reads the same records.
func TestSameAdvisories(t *testing.T) {
	dir, scanner := mirror(t)
	env := localDB(t, dir)
	db, incomplete, err := advisory.Load(t.Context(), dir, advisory.All)
	if err != nil || len(incomplete) > 0 {
		t.Fatal(err, incomplete)
	}
	for _, ecosystem := range []string{"AlmaLinux", "Alpine", "Bitnami", "Debian", "Go", "Maven", "PyPI", "crates.io", "npm"} {
		t.Run(ecosystem, func(t *testing.T) {
			list := records(t, dir, ecosystem)
			all := casesOf(list, ecosystem)
			entries := 0
			byID := map[string]record{}
			for _, r := range list {
				entries += len(r.Affected)
				byID[r.ID] = r
			}
			asked := all
			if most := max(400, checks/entries); len(all) > most {
				asked = slices.Clone(all)
				rand.New(rand.NewPCG(1, 2)).Shuffle(len(asked), func(i, j int) { asked[i], asked[j] = asked[j], asked[i] })
				asked = asked[:most]
			}
			want := theirs(t, scanner, env, asked)
			got, unknown := ourVerdicts(db, asked)
			var sum agreement
			for _, c := range asked {
				sum.compare(t, c, got[c], want[c], unknown, byID)
			}
			t.Logf("%d of %d components asked: %+v", len(asked), len(all), sum)
			if sum.Same < len(asked)/10 {
				t.Errorf("only %d equal verdicts of %d components", sum.Same, len(asked))
			}
		})
	}
}

// agreement counts pairs of component and advisory. Where the two differ, a
// fault of the peer that was read in its source explains it, or the test fails.
type agreement struct {
	Same     int // both say touched
	Alias    int // they leave out an alias of another that they list
	Unknown  int // we say that it can't be told: the text is no version of its ecosystem
	Git      int // they stop looking at the first range of commits
	Unstable int // they sort events at one version in any order, so that [v, v] may never end, or [v, w) never begin
	Module   int // the record is about a module of rpm, and the build is of none
	Spelling int // the version is enumerated under another spelling of the same version
	Other    int
}

func (a *agreement) compare(t *testing.T, c component, ours, others []string, unknown map[string]bool, all map[string]record) {
	t.Helper()
	ids := slices.Concat(ours, others)
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		mine, their := slices.Contains(ours, id), slices.Contains(others, id)
		switch {
		case mine && their:
			a.Same++
		case unknown[fmt.Sprintf("x %s %s () %s", c.Name, c.Version, id)]:
			a.Unknown++
		case mine && covered(id, others, all):
			a.Alias++
		case mine && all[id].gitFirst(c):
			a.Git++
		case all[id].tied(c):
			a.Unstable++
		case their && all[id].modular(c):
			a.Module++
		case mine && all[id].enumerates(c):
			a.Spelling++
		default:
			a.Other++
			t.Errorf("%s touches %s: we say %v, osv-scanner says %v", id, c, mine, their)
		}
	}
}

// covered reports whether an alias of id is among the others.
func covered(id string, others []string, all map[string]record) bool {
	names := append([]string{id}, all[id].Aliases...)
	for _, other := range others {
		for _, name := range append([]string{other}, all[other].Aliases...) {
			if slices.Contains(names, name) {
				return true
			}
		}
	}
	return false
}

// gitFirst reports whether a range of commits stands before another range.
func (r record) gitFirst(c component) bool {
	for _, a := range r.Affected {
		if a.Package.Name == c.Name && len(a.Ranges) > 1 && a.Ranges[0].Type == "GIT" {
			return true
		}
	}
	return false
}

// tied reports whether an interval begins at the version of another event.
func (r record) tied(c component) bool {
	for _, a := range r.Affected {
		for _, span := range a.Ranges {
			begins, ends := map[string]bool{}, map[string]bool{}
			for _, e := range span.Events {
				begins[e["introduced"]] = true
				ends[e["fixed"]+e["last_affected"]] = true
			}
			for v := range begins {
				if a.Package.Name == c.Name && v != "" && ends[v] {
					return true
				}
			}
		}
	}
	return false
}

// modular reports whether the record names builds of a module alone, and the
// component is none.
func (r record) modular(c component) bool {
	if strings.Contains(c.Version, ".module_") {
		return false
	}
	builds, others := 0, 0
	for _, a := range r.Affected {
		for _, span := range a.Ranges {
			for _, e := range span.Events {
				switch {
				case a.Package.Name != c.Name || e["fixed"] == "":
				case strings.Contains(e["fixed"], ".module_"):
					builds++
				default:
					others++
				}
			}
		}
	}
	return builds > 0 && others == 0
}

// enumerates reports whether an entry lists versions and has no ranges.
func (r record) enumerates(c component) bool {
	for _, a := range r.Affected {
		if a.Package.Name == c.Name && len(a.Ranges) == 0 && len(a.Versions) > 0 {
			return true
		}
	}
	return false
}
