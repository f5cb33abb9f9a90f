package peer

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/scantling/scantling/oci/ocitest"
)

// bills is how many SBOMs the registry of the benchmark has.
const bills = 1000

// cost is what a run of a program took.
type cost struct {
	wall, cpu time.Duration
	peak      int64 // bytes: VmHWM, as last seen
	own       int64 // bytes of the peak that are no pages of files: the most seen
	output    []byte
}

func (c cost) String() string {
	return fmt.Sprintf("%8.2fs wall %8.2fs CPU %6d MiB, %d MiB of them its own", c.wall.Seconds(), c.cpu.Seconds(), c.peak>>20, c.own>>20)
}

var (
	highWater = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)
	anonymous = regexp.MustCompile(`RssAnon:\s+(\d+) kB`)
)

// bytesOf reads a number of KiB out of the status of a process.
func bytesOf(line *regexp.Regexp, status []byte) int64 {
	m := line.FindSubmatch(status)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(m[1]), 10, 64)
	return n << 10
}

// measured runs a program to its end and holds its exit code against those
// that are allowed.
func measured(t *testing.T, env []string, codes []int, program string, args ...string) cost {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = env
	var out, talk bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &talk
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended, watched := make(chan struct{}), make(chan struct{})
	var most, own int64
	go func() { // the rusage of a child begins with the size of its parent
		defer close(watched)
		for {
			if text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)); err == nil {
				most, own = max(most, bytesOf(highWater, text)), max(own, bytesOf(anonymous, text))
			}
			select {
			case <-ended:
				return
			case <-time.After(2 * time.Millisecond):
			}
		}
	}()
	err := cmd.Wait()
	took := time.Since(start)
	close(ended)
	<-watched
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) || !slices.Contains(codes, cmd.ProcessState.ExitCode()) {
		t.Fatalf("%s %.200q: %v\n%.2000s", program, args, err, talk.Bytes())
	}
	return cost{took, cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), most, own, out.Bytes()}
}

// scantling is the program under test, complete or an edition of it, by the
// variable that names it.
func scantling(t *testing.T, variable string) string {
	t.Helper()
	program := os.Getenv(variable)
	if program == "" {
		t.Skipf("%s names no scantling: make bench-registry builds it", variable)
	}
	return settled(t, program)
}

// coldRuns is how often an image is scanned by each program: the medians count.
const coldRuns = 5

// median is each cost of several runs by itself.
func median(runs []cost) cost {
	middle := func(of func(cost) int64) int64 {
		var list []int64
		for _, r := range runs {
			list = append(list, of(r))
		}
		slices.Sort(list)
		return list[len(list)/2]
	}
	return cost{
		wall: time.Duration(middle(func(c cost) int64 { return int64(c.wall) })), cpu: time.Duration(middle(func(c cost) int64 { return int64(c.cpu) })),
		peak: middle(func(c cost) int64 { return c.peak }), own: middle(func(c cost) int64 { return c.own }),
	}
}

// settled copies a program in small pieces. Of one that was just linked the
// system maps 2 MiB wherever a byte is touched, of one that was downloaded or
// copied so far less: 28 MiB of our 50 at the start.
func settled(t testing.TB, program string) string {
	t.Helper()
	from, err := os.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close() //nolint:errcheck // only read from
	to, err := os.OpenFile(filepath.Join(t.TempDir(), filepath.Base(program)), os.O_CREATE|os.O_WRONLY, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	plain := struct{ io.Writer }{to} // without a ReadFrom, which would copy at once
	if _, err := io.CopyBuffer(plain, struct{ io.Reader }{from}, make([]byte, 4<<10)); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return to.Name()
}

// purlOf writes a component as both sides read it; "" for one that has no
// package URL with a release.
func purlOf(c component) string {
	name, release, _ := strings.Cut(c.Ecosystem, ":")
	switch version := strings.NewReplacer("+", "%2B", ":", "%3A").Replace(c.Version); name {
	case "Debian":
		return fmt.Sprintf("pkg:deb/debian/%s@%s?arch=source&distro=debian-%s", c.Name, version, release)
	case "Alpine":
		return fmt.Sprintf("pkg:apk/alpine/%s@%s?distro=alpine-%s", c.Name, version, strings.TrimPrefix(release, "v"))
	case "Go":
		return fmt.Sprintf("pkg:golang/%s@%s", c.Name, version)
	case "npm":
		return fmt.Sprintf("pkg:npm/%s@%s", strings.Replace(c.Name, "@", "%40", 1), version)
	case "PyPI":
		return fmt.Sprintf("pkg:pypi/%s@%s", strings.ToLower(c.Name), version)
	case "crates.io":
		return fmt.Sprintf("pkg:cargo/%s@%s", c.Name, version)
	case "Maven":
		return fmt.Sprintf("pkg:maven/%s@%s", strings.Replace(c.Name, ":", "/", 1), version)
	}
	return ""
}

// writeBills writes CycloneDX documents of packages that the mirror's records
// name: each has one of 20 bases of 12 packages of a distribution, and 8
// packages of languages: so few because osv-scanner compares each with every
// entry of its ecosystem.
func writeBills(t *testing.T, mirror, dir string, n int) (files []string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(1, 52))
	pools := map[string][]component{}
	for _, ecosystem := range []string{"Debian", "Alpine", "Go", "Maven", "PyPI", "crates.io", "npm"} {
		pools[ecosystem] = slices.DeleteFunc(casesOf(records(t, mirror, ecosystem), ecosystem), func(c component) bool {
			return strings.ContainsAny(c.Version, "~ ^_") || purlOf(c) == ""
		})
	}
	some := func(ecosystem, release string, n int) (out []component) {
		pool := slices.DeleteFunc(slices.Clone(pools[ecosystem]), func(c component) bool { return release != "" && c.Ecosystem != release })
		if len(pool) == 0 {
			t.Fatalf("the mirror names no package of %s %s", ecosystem, release)
		}
		for range n {
			out = append(out, pool[rng.IntN(len(pool))])
		}
		return out
	}
	var bases [][]component
	for _, release := range []string{"Debian:10", "Debian:11", "Alpine:v3.10", "Alpine:v3.9"} {
		for range 5 {
			name, _, _ := strings.Cut(release, ":")
			bases = append(bases, some(name, release, 12))
		}
	}
	for i := range n {
		list := slices.Clone(bases[rng.IntN(len(bases))])
		for range 8 {
			pool := pools[[]string{"Go", "Maven", "PyPI", "crates.io", "npm"}[rng.IntN(5)]]
			list = append(list, pool[rng.IntN(len(pool))])
		}
		type row map[string]any
		var rows []row
		for at, c := range list {
			rows = append(rows, row{"type": "library", "bom-ref": fmt.Sprint(at), "name": c.Name, "version": c.Version, "purl": purlOf(c)})
		}
		text, err := json.Marshal(row{
			"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
			"metadata": row{"component": row{"type": "container", "name": fmt.Sprintf("registry.example/app%d:1", i)}}, "components": rows,
		})
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, filepath.Join(dir, fmt.Sprintf("app%d.cdx.json", i)))
		if err := os.WriteFile(files[i], text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// change makes one record of a copy of the mirror say that all versions of its
// packages are affected, lists it as modified now, and returns its id. The
// record lies beside the archive too, where a sync of few looks first.
func change(t *testing.T, mirror, ecosystem string, wanted func(record) bool) string {
	t.Helper()
	file := filepath.Join(mirror, ecosystem, "all.zip")
	in, err := zip.OpenReader(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	now, id := time.Now().UTC().Format(time.RFC3339), ""
	var changed []byte
	for _, f := range in.File {
		if id != "" {
			if err := w.Copy(f); err != nil {
				t.Fatal(err)
			}
			continue
		}
		one, text := unpack(t, f)
		if wanted(one) {
			id = one.ID
			text = regexp.MustCompile(`"fixed"\s*:\s*"[^"]*"`).ReplaceAll(text, []byte(`"fixed": "99999"`))
			text = regexp.MustCompile(`"modified"\s*:\s*"[^"]*"`).ReplaceAll(text, []byte(`"modified": "`+now+`"`))
			changed = text
		}
		member, err := w.Create(f.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := member.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil || id == "" {
		t.Fatal("no record to change", err)
	}
	list := filepath.Join(mirror, ecosystem, "modified_id.csv")
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	rows := slices.DeleteFunc(strings.Split(string(text), "\n"), func(row string) bool { return strings.HasSuffix(row, ","+id) })
	single := filepath.Join(mirror, ecosystem, id+".json") // as the bucket has each record
	for name, body := range map[string][]byte{file: out.Bytes(), single: changed, list: []byte(now + "," + id + "\n" + strings.Join(rows, "\n"))} {
		if err := os.Chmod(name, 0o644); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return id
}

// touchedBills are the SBOMs in which osv-scanner finds an advisory, under its
// id or as an alias in the same group.
func touchedBills(t *testing.T, output []byte, id string) map[string]bool {
	t.Helper()
	var doc struct {
		Results []struct {
			Source   struct{ Path string }
			Packages []struct{ Vulnerabilities []struct{ ID string } }
		}
	}
	if err := json.Unmarshal(output, &doc); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, r := range doc.Results {
		for _, p := range r.Packages {
			for _, v := range p.Vulnerabilities {
				if v.ID == id {
					out[filepath.Base(r.Source.Path)] = true
				}
			}
		}
	}
	return out
}

// distribution is the first SBOM with packages of Debian.
func distribution(t *testing.T, files []string) []byte {
	t.Helper()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("pkg:deb/")) {
			return text
		}
	}
	t.Fatal("no SBOM is of Debian")
	return nil
}

// TestRematch: after one advisory changed, which of 1,000 SBOMs does it touch?
// osv-scanner reads and matches them all in one run; a sync here asks the
// index. Both sides read the same copy of the mirror.
func TestRematch(t *testing.T) {
	source, scanner := mirror(t)
	program := scantling(t, "SCANTLING")
	dir := t.TempDir()
	files := writeBills(t, source, dir, bills)
	osv := filepath.Join(dir, "osv")
	if err := os.CopyFS(osv, os.DirFS(source)); err != nil {
		t.Fatal(err)
	}
	data := []string{"--data", filepath.Join(dir, "data"), "--format", "json", "-q"}
	ours := func(codes []int, args ...string) cost {
		return measured(t, os.Environ(), codes, program, append(args, data...)...)
	}
	first := ours([]int{0, 3, 4}, "advisories", "sync", "--from", osv)
	t.Logf("first sync of the mirror      %v", first)
	scan := ours([]int{0, 3, 4}, append([]string{"registry", "scan"}, files...)...)
	t.Logf("scan of %d SBOMs            %v", bills, scan)

	bill := distribution(t, files)
	id := change(t, osv, "Debian", func(r record) bool {
		if len(r.Affected) == 0 || len(r.Affected[0].Ranges) == 0 {
			return false
		}
		_, release, _ := strings.Cut(r.Affected[0].Package.Ecosystem, ":")
		installed := regexp.MustCompile(`/` + regexp.QuoteMeta(r.Affected[0].Package.Name) + `@[^"]*distro=debian-` + release + `"`)
		return installed.Match(bill)
	})
	sync := ours([]int{0, 3, 4}, "advisories", "sync", "--from", osv)
	var doc struct {
		Changes []struct {
			Advisory, Kind string
			Images         struct{ Count int }
		}
	}
	if err := json.Unmarshal(sync.output, &doc); err != nil || len(doc.Changes) == 0 {
		t.Fatalf("no change was told of %s: %v %.2000s", id, err, sync.output)
	}
	t.Logf("re-match, scantling           %v  %s: %+v", sync, id, doc.Changes)
	env := append(localDB(t, osv), "NO_COLOR=1")
	args := []string{"scan", "source", "--offline", "--format", "json"}
	for _, file := range files {
		args = append(args, "-L", file)
	}
	theirs := measured(t, env, []int{0, 1}, scanner, args...)
	touched := touchedBills(t, theirs.output, id)
	t.Logf("re-match, osv-scanner         %v  %s in %d SBOMs", theirs, id, len(touched))
	t.Logf("first scan of all, ratios     wall %.1fx, CPU %.1fx, memory %.1fx", theirs.wall.Seconds()/scan.wall.Seconds(), theirs.cpu.Seconds()/scan.cpu.Seconds(), float64(theirs.peak)/float64(scan.peak))
	if theirs.wall < scan.wall {
		t.Errorf("the first scan of the SBOMs takes longer than osv-scanner's")
	}
	ratio := theirs.wall.Seconds() / sync.wall.Seconds()
	t.Logf("ratios: wall %.0fx, CPU %.0fx, memory %.1fx", ratio, theirs.cpu.Seconds()/sync.cpu.Seconds(), float64(theirs.peak)/float64(sync.peak))
	if ratio < 100 {
		t.Errorf("the re-match is %.0f times as fast as osv-scanner's run, not 100", ratio)
	}
	if 2*sync.peak > theirs.peak {
		t.Errorf("the re-match takes more than half of osv-scanner's memory")
	}
}

// debian makes an image of Debian with some packages.
func debian(t *testing.T, packages string) string {
	dir := t.TempDir()
	root := filepath.Join(dir, "root.tar")
	if out, err := exec.CommandContext(t.Context(), "mmdebstrap", "--variant=apt", "--include="+packages, "bookworm", root).CombinedOutput(); err != nil {
		t.Fatalf("no Debian image: %v: %.300s", err, out)
	}
	text, err := os.ReadFile(root)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "debian.tar")
	if err := os.WriteFile(file, ocitest.Saved(ocitest.Image{Names: []string{"debian:12"}, Layers: [][]byte{text}}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(root); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestColdScan reads and matches images that nothing is known of: by
// osv-scanner, which does nothing else, by our edition that does little else,
// and by the complete program, at whose start the libraries of clusters and
// logs take more than a small image does.
func TestColdScan(t *testing.T) {
	source, scanner := mirror(t)
	complete, edition := scantling(t, "SCANTLING"), scantling(t, "SCANTLING_SCANNER")
	scalibr, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/google/osv-scalibr").Output()
	if err != nil {
		t.Fatal(err)
	}
	images := map[string]string{
		"alpine-with-packages": filepath.Join(strings.TrimSpace(string(scalibr)), "artifact/image/layerscanning/image/testdata/alpine-with-packages.tar"),
	}
	for name, packages := range map[string]string{
		"small Debian": "python3,openssl,curl",
		"large Debian": "python3-numpy,nodejs,npm,default-jre-headless,golang-go,nginx,postgresql",
	} {
		images[name] = debian(t, packages)
	}
	env := localDB(t, source)
	synced := filepath.Join(t.TempDir(), "data")
	measured(t, os.Environ(), []int{0, 3, 4}, complete, "advisories", "sync", "--from", source, "--data", synced, "-q")
	ours := func(program, file string) cost {
		data := filepath.Join(t.TempDir(), "data") // where no layer is known yet
		defer os.RemoveAll(data)                   //nolint:errcheck // one at a time is enough of the disk; the rest goes with the test
		if err := os.CopyFS(data, os.DirFS(synced)); err != nil {
			t.Fatal(err)
		}
		return measured(t, os.Environ(), []int{0, 3, 4}, program, "registry", "scan", file, "--data", data, "--format", "json", "-q")
	}
	for _, name := range slices.Sorted(maps.Keys(images)) {
		file := images[name]
		var theirs, small, whole []cost
		for range coldRuns {
			theirs = append(theirs, measured(t, env, []int{0, 1}, scanner, "scan", "image", "--offline", "--format", "json", "--archive", file))
			small, whole = append(small, ours(edition, file)), append(whole, ours(complete, file))
		}
		peer := median(theirs)
		t.Logf("%-20s  osv-scanner        %v", name, peer)
		for _, one := range []struct {
			name string
			cost cost
		}{{"scanner edition", median(small)}, {"complete program", median(whole)}} {
			wall, memory := peer.wall.Seconds()/one.cost.wall.Seconds(), float64(peer.peak)/float64(one.cost.peak)
			t.Logf("%-20s  %-16s   %v; ratios: wall %.2fx, CPU %.2fx, memory %.2fx", name, one.name, one.cost, wall, peer.cpu.Seconds()/one.cost.cpu.Seconds(), memory)
			if wall < 1 {
				t.Errorf("%s: a cold scan by the %s takes longer than osv-scanner's", name, one.name)
			}
			if one.name == "scanner edition" && memory < 2 {
				t.Errorf("%s: a cold scan by the %s takes more than half of osv-scanner's memory", name, one.name)
			}
		}
	}
}
