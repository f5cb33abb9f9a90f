package main

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/semver"

	"github.com/scantling/scantling/examples/shop"
)

// record is what a test needs of the OSV schema. Decoding is strict: a field
// that is not listed here is not a fact that we ship.
type record struct {
	SchemaVersion string   `json:"schema_version"`
	ID            string   `json:"id"`
	Published     string   `json:"published"`
	Modified      string   `json:"modified"`
	Aliases       []string `json:"aliases"`
	Upstream      []string `json:"upstream"`
	Related       []string `json:"related"`
	Severity      []struct {
		Type  string `json:"type"`
		Score string `json:"score"`
	} `json:"severity"`
	Affected []struct {
		Package struct {
			Ecosystem string `json:"ecosystem"`
			Name      string `json:"name"`
		} `json:"package"`
		Ranges []struct {
			Type   string              `json:"type"`
			Events []map[string]string `json:"events"`
		} `json:"ranges"`
		Specific json.RawMessage `json:"ecosystem_specific"`
	} `json:"affected"`
}

// advisories decodes all records, sorted by id.
func advisories(t *testing.T) []record {
	t.Helper()
	var records []record
	for name, body := range tree(t, shop.FS) {
		dir := path.Base(path.Dir(name))
		if !strings.HasPrefix(name, "advisories/") || path.Ext(name) != ".json" || dir == "kev" {
			continue
		}
		dec := json.NewDecoder(strings.NewReader(body))
		dec.DisallowUnknownFields()
		var r record
		if err := dec.Decode(&r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.ID+".json" != path.Base(name) {
			t.Errorf("%s holds %s", name, r.ID)
		}
		for _, a := range r.Affected {
			if base, _, _ := strings.Cut(a.Package.Ecosystem, ":"); base != dir {
				t.Errorf("%s: %s is not of %s", name, a.Package.Ecosystem, dir)
			}
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b record) int { return cmp.Compare(a.ID, b.ID) })
	return records
}

func TestAdvisoriesAreOSV(t *testing.T) {
	vector := regexp.MustCompile(`^CVSS:3\.[01](/[A-Z]+:[A-Z])+$`)
	for _, r := range advisories(t) {
		if _, err := time.Parse(time.RFC3339, r.Modified); err != nil {
			t.Errorf("%s: modified: %v", r.ID, err)
		}
		if len(r.Affected) == 0 {
			t.Errorf("%s affects nothing", r.ID)
		}
		for _, s := range r.Severity {
			if s.Type != "CVSS_V3" || !vector.MatchString(s.Score) {
				t.Errorf("%s: severity %v", r.ID, s)
			}
		}
		for _, a := range r.Affected {
			for _, rg := range a.Ranges {
				if want := map[bool]string{true: "SEMVER", false: "ECOSYSTEM"}[a.Package.Ecosystem == "Go"]; rg.Type != want {
					t.Errorf("%s: range of type %s", r.ID, rg.Type)
				}
				for _, e := range rg.Events {
					if len(e) != 1 || e["introduced"] == "" && e["fixed"] == "" {
						t.Errorf("%s: event %v", r.ID, e)
					}
				}
			}
		}
	}
}

func TestFeedListsItsRecords(t *testing.T) {
	files := tree(t, shop.FS)
	for _, ecosystem := range strings.Fields(files["advisories/ecosystems.txt"]) {
		rows, err := csv.NewReader(strings.NewReader(files["advisories/"+ecosystem+"/modified_id.csv"])).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		listed := map[string]string{}
		for i, row := range rows {
			listed[row[1]] = row[0]
			if i > 0 && row[0] > rows[i-1][0] {
				t.Errorf("%s: %s is newer than the row above", ecosystem, row[1])
			}
		}
		for name := range files {
			if path.Dir(name) != "advisories/"+ecosystem || path.Ext(name) != ".json" {
				continue
			}
			var r record
			if err := json.Unmarshal([]byte(files[name]), &r); err != nil {
				t.Fatal(err)
			}
			if listed[r.ID] != r.Modified {
				t.Errorf("%s: %s listed as modified %q, not %q", ecosystem, r.ID, listed[r.ID], r.Modified)
			}
			delete(listed, r.ID)
		}
		for id := range listed {
			t.Errorf("%s lists %s, which is missing", ecosystem, id)
		}
	}
}

func TestExploitFeedsCoverTheSameCVEs(t *testing.T) {
	files := tree(t, shop.FS)
	var kev struct {
		Count           int `json:"count"`
		Vulnerabilities []struct {
			CVE string `json:"cveID"`
			Due string `json:"dueDate"`
		} `json:"vulnerabilities"`
	}
	if err := json.Unmarshal([]byte(files["advisories/kev/known_exploited_vulnerabilities.json"]), &kev); err != nil {
		t.Fatal(err)
	}
	first, rest, _ := strings.Cut(files["advisories/epss/epss_scores-current.csv"], "\n")
	if !strings.HasPrefix(first, "#model_version:") || !strings.Contains(first, ",score_date:") {
		t.Errorf("EPSS starts with %q", first)
	}
	rows, err := csv.NewReader(strings.NewReader(rest)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	scores := map[string]float64{}
	for _, row := range rows[1:] {
		if scores[row[0]], err = strconv.ParseFloat(row[1], 64); err != nil {
			t.Fatal(err)
		}
	}
	if kev.Count != len(kev.Vulnerabilities) || kev.Count != len(scores) {
		t.Errorf("KEV counts %d, holds %d, EPSS %d", kev.Count, len(kev.Vulnerabilities), len(scores))
	}
	for _, v := range kev.Vulnerabilities {
		if scores[v.CVE] == 0 {
			t.Errorf("%s: no EPSS", v.CVE)
		}
		if _, err := time.Parse(time.DateOnly, v.Due); err != nil {
			t.Errorf("%s: %v", v.CVE, err)
		}
	}
}

// installed is one package as advisories name it.
type installed struct{ ecosystem, name, version string }

// contents lists what the facts say that an image holds.
func contents(t *testing.T, spec imageSpec) []installed {
	t.Helper()
	var found []installed
	b := bases[spec.base]
	width, ecosystem, name, version := debColumns, "Debian:11", debSource, debSourceVersion
	if b.flavour == alpine {
		width, ecosystem, name, version = apkColumns, "Alpine:"+b.branch(), apkOrigin, apkVersion
	}
	rows, err := readAll(slices.Concat(b.facts, spec.facts), width)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range rows {
		found = append(found, installed{ecosystem, row[name], row[version]})
	}
	if spec.modules != "" {
		rows, err := readFacts(spec.modules, 2)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range rows {
			switch row[0] {
			case "go":
				found = append(found, installed{"Go", "stdlib", strings.TrimPrefix(row[1], "go")})
			case "main":
				found = append(found, installed{"Go", row[1], strings.TrimPrefix(row[2], "v")})
			default:
				found = append(found, installed{"Go", row[0], strings.TrimPrefix(row[1], "v")})
			}
		}
	}
	return found
}

// TestWeaknesses states every match of the estate, found the naive way: each
// package against each record, with version orders written for this test. The
// golden file is what any matcher must find in images/ with advisories/.
func TestWeaknesses(t *testing.T) {
	records := advisories(t)
	var lines []string
	bearing := map[string][]string{}
	for _, spec := range specs {
		for _, pkg := range contents(t, spec) {
			for _, r := range records {
				if !affects(r, pkg) {
					continue
				}
				lines = append(lines, fmt.Sprintf("%s %s %s %s", spec.name, pkg.name, pkg.version, r.ID))
				if !slices.Contains(bearing[spec.name], pkg.name) {
					bearing[spec.name] = append(bearing[spec.name], pkg.name)
				}
			}
		}
	}
	slices.Sort(lines)
	golden(t, "weaknesses.txt", strings.Join(slices.Compact(lines), "\n")+"\n")

	if got := bearing["storefront"]; !slices.Equal(got, []string{"apache-log4j2"}) {
		t.Errorf("the storefront's advisories touch %v, want apache-log4j2 only", got)
	}
	for _, clean := range []string{"payments-api", "runner", "orders", "search", "nginx-ingress-controller", "log-agent"} {
		if len(bearing[clean]) > 0 {
			t.Errorf("%s has advisories on %v, want none", clean, bearing[clean])
		}
	}
}

// affects evaluates the ranges of a record as the OSV schema says.
func affects(r record, pkg installed) bool {
	for _, a := range r.Affected {
		if a.Package.Ecosystem != pkg.ecosystem || a.Package.Name != pkg.name {
			continue
		}
		for _, rg := range a.Ranges {
			if inRange(rg.Events, pkg) {
				return true
			}
		}
	}
	return false
}

// inRange relies on events being listed in the order of their versions, which
// holds for the records that we ship.
func inRange(events []map[string]string, pkg installed) bool {
	order := debianOrder
	if pkg.ecosystem == "Go" {
		order = func(a, b string) int { return semver.Compare("v"+a, "v"+b) }
	}
	in := false
	for _, e := range events {
		if v := e["introduced"]; v == "0" || v != "" && order(pkg.version, v) >= 0 {
			in = true
		}
		if v := e["fixed"]; v != "" && order(pkg.version, v) >= 0 {
			in = false
		}
	}
	return in
}

// debianOrder compares versions as deb-version(7) says. It also orders the
// few forms of Alpine versions in our facts rightly.
func debianOrder(a, b string) int {
	ea, ra := epoch(a)
	eb, rb := epoch(b)
	ua, va := revision(ra)
	ub, vb := revision(rb)
	return cmp.Or(cmp.Compare(ea, eb), verrevcmp(ua, ub), verrevcmp(va, vb))
}

func epoch(v string) (int, string) {
	if e, rest, ok := strings.Cut(v, ":"); ok {
		n, _ := strconv.Atoi(e)
		return n, rest
	}
	return 0, v
}

func revision(v string) (string, string) {
	if i := strings.LastIndexByte(v, '-'); i >= 0 {
		return v[:i], v[i+1:]
	}
	return v, ""
}

// verrevcmp compares by turns the longest non-digit and the longest digit
// prefix.
func verrevcmp(a, b string) int {
	for a != "" || b != "" {
		na, nb := strings.IndexAny(a+"0", "0123456789"), strings.IndexAny(b+"0", "0123456789")
		for i := range max(na, nb) {
			if c := cmp.Compare(weight(a[:na], i), weight(b[:nb], i)); c != 0 {
				return c
			}
		}
		a, b = a[na:], b[nb:]
		da, db := digits(a), digits(b)
		x, _ := strconv.Atoi("0" + a[:da])
		y, _ := strconv.Atoi("0" + b[:db])
		if x != y {
			return cmp.Compare(x, y)
		}
		a, b = a[da:], b[db:]
	}
	return 0
}

func digits(s string) int {
	return len(s) - len(strings.TrimLeft(s, "0123456789"))
}

// weight sorts the tilde before the end, the end before letters, and letters
// before all else.
func weight(s string, i int) int {
	switch {
	case i >= len(s):
		return 0
	case s[i] == '~':
		return -1
	case s[i] >= 'A' && s[i] <= 'Z' || s[i] >= 'a' && s[i] <= 'z':
		return int(s[i])
	default:
		return int(s[i]) + 256
	}
}
