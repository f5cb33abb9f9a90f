package vex

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

const digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// shop is an image with packages of a system and of a Go program.
var shop = &image.Inventory{
	Digest: digest, Name: "registry.example/shop/cart:1.4", Platform: "linux/amd64",
	Aliases: []string{"registry.example/shop/cart@" + digest, "sha256:" + strings.Repeat("c", 64)},
	Packages: []image.Package{
		{PURL: "pkg:deb/debian/libssl1.1@1.1.1n-0%2Bdeb11u3?arch=amd64&distro=debian-11", Name: "libssl1.1", Version: "1.1.1n-0+deb11u3", Source: "openssl", SourceVersion: "1.1.1n-0+deb11u3", Ecosystem: "Debian:11", Path: "/var/lib/dpkg/status"},
		{PURL: "pkg:golang/golang.org/x/net@v0.7.0", Name: "golang.org/x/net", Version: "v0.7.0", Source: "golang.org/x/net", SourceVersion: "0.7.0", Ecosystem: "Go", Path: "/cart"},
		{PURL: "pkg:golang/example.org/cart@v1.4.0", Name: "example.org/cart", Version: "v1.4.0", Source: "example.org/cart", SourceVersion: "1.4.0", Ecosystem: "Go", Path: "/cart", SHA256: "aa"},
		{PURL: "pkg:golang/example.org/other@v1.0.0", Name: "example.org/other", Version: "v1.0.0", Source: "example.org/other", SourceVersion: "1.0.0", Ecosystem: "Go", Path: "/other", SHA256: "bb"},
	},
}

// Packages of shop by their place.
const (
	libssl = iota
	net
	cart
)

// says makes a document with one statement of not_affected about CVE-2024-1.
func says(products string) string {
	return `{"@context": "https://openvex.dev/ns/v0.2.0", "author": "Maker", "timestamp": "2026-01-02T00:00:00Z", "statements": [
	{"vulnerability": {"name": "CVE-2024-1"}, "status": "not_affected", "justification": "component_not_present", "products": ` + products + `}]}`
}

func set(t *testing.T, documents ...string) *Set {
	t.Helper()
	s := &Set{}
	for i, text := range documents {
		d, err := parse(fmt.Sprintf("%d.json", i), []byte(text))
		if err != nil || len(d.problems()) > 0 {
			t.Fatal(err, d)
		}
		s.statements = append(s.statements, d.said...)
		s.Unplaced += d.unplaced
	}
	s.index()
	return s
}

// TestRelationships: a package that is fine in one image, or on one platform,
// isn't so everywhere, also where the relationship repeats its package URL.
func TestRelationships(t *testing.T) {
	for name, tc := range map[string]struct {
		outer, component, own string // package URLs
		want                  bool
	}{
		"in this image":         {"pkg:oci/cart", "pkg:golang/golang.org/x/net", "", true},
		"repeated":              {"pkg:oci/cart", "pkg:golang/golang.org/x/net@v0.7.0", "pkg:golang/golang.org/x/net@v0.7.0", true},
		"repeated, other image": {"pkg:oci/pay", "pkg:golang/golang.org/x/net@v0.7.0", "pkg:golang/golang.org/x/net@v0.7.0", false},
		"wider, other image":    {"pkg:oci/pay", "pkg:golang/golang.org/x/net@v0.7.0", "pkg:golang/golang.org/x/net", false},
		"on some platform":      {"", "pkg:golang/golang.org/x/net", "pkg:golang/golang.org/x/net", false},
		"a name of its own":     {"", "pkg:golang/golang.org/x/net", "pkg:golang/golang.org/x/net@v0.7.0", true},
	} {
		t.Run(name, func(t *testing.T) {
			document := fmt.Sprintf(`{"document": {"category": "csaf_vex", "csaf_version": "2.0", "tracking": {"current_release_date": "2026-01-02T00:00:00Z"}},
				"product_tree": {"full_product_names": [
					{"product_id": "OUTER", "product_identification_helper": {"cpe": "cpe:/o:x:y:8", "purl": %q}},
					{"product_id": "IN", "product_identification_helper": {"purl": %q}}],
				"relationships": [{"product_reference": "IN", "relates_to_product_reference": "OUTER",
					"full_product_name": {"product_id": "OUTER:IN", "product_identification_helper": {"purl": %q}}}]},
				"vulnerabilities": [{"cve": "CVE-2024-1", "product_status": {"known_not_affected": ["OUTER:IN"]},
					"flags": [{"label": "component_not_present", "product_ids": ["OUTER:IN"]}]}]}`, tc.outer, tc.component, tc.own)
			if got := set(t, document).For(shop).Of(&shop.Packages[net], "CVE-2024-1", nil, nil) != nil; got != tc.want {
				t.Errorf("it is about the package: %v", got)
			}
		})
	}
}

// TestNeighbours: packages of one lock file, and modules beside one another in
// a program, don't speak for each other.
func TestNeighbours(t *testing.T) {
	inv := &image.Inventory{Digest: digest, Packages: []image.Package{
		{PURL: "pkg:npm/express@4.0.0", Source: "express", SourceVersion: "4.0.0", Ecosystem: "npm", Path: "/app/package-lock.json"},
		{PURL: "pkg:npm/qs@6.0.0", Source: "qs", SourceVersion: "6.0.0", Ecosystem: "npm", Path: "/app/package-lock.json"},
		{PURL: "pkg:golang/example.org/cart@v1.4.0", Source: "example.org/cart", SourceVersion: "1.4.0", Ecosystem: "Go", Path: "/cart", SHA256: "aa"},
		{PURL: "pkg:golang/golang.org/x/net@v0.7.0", Source: "golang.org/x/net", SourceVersion: "0.7.0", Ecosystem: "Go", Path: "/cart"},
		{PURL: "pkg:golang/golang.org/x/text@v0.7.0", Source: "golang.org/x/text", SourceVersion: "0.7.0", Ecosystem: "Go", Path: "/cart"},
	}}
	for _, tc := range []struct {
		product, inside string
		at              int
		want            bool
	}{
		{"pkg:npm/express", "pkg:npm/qs", 1, false},
		{"pkg:golang/golang.org/x/net", "pkg:golang/golang.org/x/text", 4, false},
		{"pkg:golang/example.org/cart", "pkg:golang/golang.org/x/text", 4, true},
	} {
		v := set(t, says(fmt.Sprintf(`[{"@id": %q, "subcomponents": [{"@id": %q}]}]`, tc.product, tc.inside))).For(inv)
		if got := v.Of(&inv.Packages[tc.at], "CVE-2024-1", nil, nil) != nil; got != tc.want {
			t.Errorf("%s inside %s: %v", tc.inside, tc.product, got)
		}
	}
}

// TestProducts holds the matching of products against the specifications: what
// each of them is about, of the three packages.
func TestProducts(t *testing.T) {
	const all = "libssl net cart"
	for name, tc := range map[string]struct{ products, want string }{
		"the package itself":                  {`[{"@id": "pkg:golang/golang.org/x/net@v0.7.0"}]`, "net"},
		"any version":                         {`[{"@id": "pkg:golang/golang.org/x/net"}]`, "net"},
		"another version":                     {`[{"@id": "pkg:golang/golang.org/x/net@v0.8.0"}]`, ""},
		"a Go version without its v":          {`[{"@id": "pkg:golang/golang.org/x/net@0.7.0"}]`, "net"},
		"another namespace":                   {`[{"@id": "pkg:golang/x/net"}]`, ""},
		"another type":                        {`[{"@id": "pkg:npm/golang.org/x/net"}]`, ""},
		"a part of it":                        {`[{"@id": "pkg:golang/golang.org/x/net#http2"}]`, ""},
		"qualifiers left out":                 {`[{"@id": "pkg:deb/debian/libssl1.1@1.1.1n-0%2Bdeb11u3"}]`, "libssl"},
		"one qualifier":                       {`[{"@id": "pkg:deb/debian/libssl1.1?distro=debian-11"}]`, "libssl"},
		"another value of a qualifier":        {`[{"@id": "pkg:deb/debian/libssl1.1?distro=debian-12"}]`, ""},
		"a qualifier that the package lacks":  {`[{"@id": "pkg:golang/golang.org/x/net?goos=linux"}]`, ""},
		"the source package":                  {`[{"@id": "pkg:deb/debian/openssl?arch=source"}]`, "libssl"},
		"a source package of another version": {`[{"@id": "pkg:deb/debian/openssl@3.0?arch=source"}]`, ""},
		"a source name without arch":          {`[{"@id": "pkg:deb/debian/openssl"}]`, ""},
		"an identifier":                       {`[{"@id": "https://maker.example/net", "identifiers": {"purl": "pkg:golang/golang.org/x/net"}}]`, "net"},
		"a broken package URL":                {`[{"@id": "pkg:golang"}, {"@id": "pkg:golang/golang.org/x/net"}]`, "net"},
		"the second of two":                   {`[{"@id": "pkg:golang/a"}, {"@id": "pkg:golang/golang.org/x/net"}]`, "net"},

		"the image by its digest":             {`[{"hashes": {"sha-256": "` + digest[7:] + `"}}]`, all},
		"by that of its configuration":        {`[{"@id": "sha256:` + strings.Repeat("c", 64) + `"}]`, all},
		"by its name":                         {`[{"@id": "registry.example/shop/cart:1.4"}]`, all},
		"by another tag":                      {`[{"@id": "registry.example/shop/cart:1.5"}]`, ""},
		"as oci with its digest":              {`[{"@id": "pkg:oci/cart@sha256%3A` + digest[7:] + `"}]`, all},
		"the digest wherever it is kept":      {`[{"@id": "pkg:oci/cart@sha256%3A` + digest[7:] + `?repository_url=elsewhere.example/cart"}]`, all},
		"another digest":                      {`[{"@id": "pkg:oci/cart@sha256%3A` + strings.Repeat("d", 64) + `?repository_url=registry.example/shop/cart"}]`, ""},
		"its digest for another machine":      {`[{"@id": "pkg:oci/cart@sha256%3A` + digest[7:] + `?arch=arm64"}]`, ""},
		"its repository":                      {`[{"@id": "pkg:oci/cart?repository_url=registry.example/shop/cart"}]`, all},
		"its repository without the name":     {`[{"@id": "pkg:oci/cart?repository_url=registry.example/shop"}]`, all},
		"another repository":                  {`[{"@id": "pkg:oci/cart?repository_url=registry.example/other/cart"}]`, ""},
		"its tag":                             {`[{"@id": "pkg:oci/cart?repository_url=registry.example/shop/cart&tag=1.4"}]`, all},
		"another tag of it":                   {`[{"@id": "pkg:oci/cart?repository_url=registry.example/shop/cart&tag=1.5"}]`, ""},
		"its name wherever it is kept":        {`[{"@id": "pkg:oci/cart"}]`, all},
		"another name":                        {`[{"@id": "pkg:oci/car"}]`, ""},
		"a package of the image":              {`[{"@id": "pkg:oci/cart", "subcomponents": [{"@id": "pkg:golang/golang.org/x/net"}]}]`, "net"},
		"a package that it lacks":             {`[{"@id": "pkg:oci/cart", "subcomponents": [{"@id": "pkg:golang/golang.org/x/crypto"}]}]`, ""},
		"a package of another image":          {`[{"@id": "pkg:oci/pay", "subcomponents": [{"@id": "pkg:golang/golang.org/x/net"}]}]`, ""},
		"two packages of the image":           {`[{"@id": "pkg:oci/cart", "subcomponents": [{"@id": "pkg:golang/golang.org/x/net"}, {"@id": "pkg:deb/debian/libssl1.1"}]}]`, "libssl net"},
		"a module inside the program":         {`[{"@id": "pkg:golang/example.org/cart", "subcomponents": [{"@id": "pkg:golang/golang.org/x/net"}]}]`, "net cart"},
		"a module inside another program":     {`[{"@id": "pkg:golang/example.org/other", "subcomponents": [{"@id": "pkg:golang/golang.org/x/net"}]}]`, ""},
		"the program, not what is inside":     {`[{"@id": "pkg:golang/example.org/cart"}]`, "cart"},
		"packages of a system hold no others": {`[{"@id": "pkg:deb/debian/curl", "subcomponents": [{"@id": "pkg:deb/debian/libssl1.1"}]}]`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			v := set(t, says(tc.products)).For(shop)
			var got []string
			for i, p := range []string{libssl: "libssl", net: "net", cart: "cart"} {
				if s := v.Of(&shop.Packages[i], "GHSA-1", []string{"CVE-2024-1"}, []string{"CVE-2024-1"}); s != nil {
					got = append(got, p)
				}
			}
			if got := strings.Join(got, " "); got != tc.want {
				t.Errorf("it is about %q, want %q", got, tc.want)
			}
		})
	}
}

// statement is one of a document about net.
func statement(vulnerability, status, extra string) string {
	if status == model.NotAffected {
		extra += `, "justification": "component_not_present"`
	}
	return fmt.Sprintf(`{"vulnerability": %s, "status": %q, "products": [{"@id": "pkg:golang/golang.org/x/net"}]%s}`, vulnerability, status, extra)
}

func open(statements ...string) string {
	return `{"@context": "https://openvex.dev/ns/v0.2.0", "author": "Maker", "timestamp": "2026-01-02T00:00:00Z", "statements": [` + strings.Join(statements, ",\n") + `]}`
}

func TestWhichCounts(t *testing.T) {
	const cve = `{"name": "CVE-2024-1"}`
	later, sooner := `, "timestamp": "2026-02-01T00:00:00Z"`, `, "timestamp": "2025-02-01T00:00:00+02:00"`
	one := []string{"CVE-2024-1"}
	two := []string{"CVE-2024-1", "CVE-2024-2"}
	for name, tc := range map[string]struct {
		documents     []string
		advisory      string
		aliases, cves []string
		want          string
	}{
		"no statement":                       {[]string{open()}, "CVE-2024-1", nil, one, ""},
		"by the id of the advisory":          {[]string{open(statement(`{"name": "GO-2024-1"}`, "fixed", ""))}, "GO-2024-1", one, one, "fixed"},
		"by an alias of the advisory":        {[]string{open(statement(`{"name": "GHSA-aaaa-bbbb-cccc"}`, "fixed", ""))}, "GO-2024-1", []string{"GHSA-aaaa-bbbb-cccc"}, nil, "fixed"},
		"by an alias of the statement":       {[]string{open(statement(`{"name": "MAKER-1", "aliases": ["cve-2024-1"]}`, "fixed", ""))}, "GO-2024-1", one, one, "fixed"},
		"by the address of its id":           {[]string{open(statement(`{"@id": "https://nvd.nist.gov/vuln/detail/CVE-2024-1"}`, "fixed", ""))}, "GO-2024-1", one, one, "fixed"},
		"about another":                      {[]string{open(statement(`{"name": "CVE-2024-11"}`, "fixed", ""))}, "GO-2024-1", one, one, ""},
		"the newer":                          {[]string{open(statement(cve, "not_affected", ""), statement(cve, "affected", sooner))}, "CVE-2024-1", nil, one, "not_affected"},
		"the newer of two documents":         {[]string{open(statement(cve, "not_affected", later)), open(statement(cve, "affected", ""))}, "CVE-2024-1", nil, one, "not_affected"},
		"the newer, though worse":            {[]string{open(statement(cve, "affected", later)), open(statement(cve, "not_affected", ""))}, "CVE-2024-1", nil, one, "affected"},
		"of one time the worse":              {[]string{open(statement(cve, "not_affected", "")), open(statement(cve, "affected", ""))}, "CVE-2024-1", nil, one, "affected"},
		"in whatever order":                  {[]string{open(statement(cve, "affected", "")), open(statement(cve, "not_affected", ""))}, "CVE-2024-1", nil, one, "affected"},
		"investigated is worse than fixed":   {[]string{open(statement(cve, "fixed", ""), statement(cve, "under_investigation", ""))}, "CVE-2024-1", nil, one, "under_investigation"},
		"fixed is worse than not affected":   {[]string{open(statement(cve, "fixed", ""), statement(cve, "not_affected", ""))}, "CVE-2024-1", nil, one, "fixed"},
		"of both ids the newer":              {[]string{open(statement(cve, "affected", ""), statement(`{"name": "GO-2024-1"}`, "fixed", later))}, "GO-2024-1", one, one, "fixed"},
		"one of two CVEs is not enough":      {[]string{open(statement(cve, "not_affected", ""))}, "DSA-1", nil, two, ""},
		"though the record calls it alias":   {[]string{open(statement(cve, "not_affected", ""))}, "DSA-1", two, two, ""},
		"an alias of one of two isn't":       {[]string{open(statement(`{"name": "GHSA-1"}`, "not_affected", ""))}, "GO-1", []string{"CVE-2024-1", "CVE-2024-2", "GHSA-1", "GHSA-2"}, two, ""},
		"an alias of one of two that is bad": {[]string{open(statement(`{"name": "GHSA-1"}`, "affected", ""), statement(cve, "not_affected", ""), statement(`{"name": "CVE-2024-2"}`, "fixed", ""))}, "GO-1", []string{"GHSA-1", "GHSA-2"}, two, "affected"},
		"both are":                           {[]string{open(statement(cve, "not_affected", ""), statement(`{"name": "CVE-2024-2"}`, "fixed", ""))}, "DSA-1", nil, two, "fixed"},
		"one of two that is bad is":          {[]string{open(statement(`{"name": "CVE-2024-2"}`, "affected", ""))}, "DSA-1", nil, two, "affected"},
		"the advisory stands over its CVEs":  {[]string{open(statement(`{"name": "DSA-1"}`, "not_affected", ""))}, "DSA-1", nil, two, "not_affected"},
		"the oldest form": {
			[]string{`{"@context": "https://openvex.dev/ns", "author": "Maker", "timestamp": "2023-01-02T00:00:00Z", "version": "1", "statements": [
				{"vulnerability": "CVE-2024-1", "status": "fixed", "products": ["pkg:oci/cart"], "subcomponents": ["pkg:golang/golang.org/x/net"]}]}`},
			"CVE-2024-1", nil, one, "fixed",
		},
		"inside a statement of in-toto": {[]string{`{"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://openvex.dev/ns/v0.2.0", "predicate": ` + open(statement(cve, "fixed", "")) + `}`}, "CVE-2024-1", nil, one, "fixed"},
	} {
		t.Run(name, func(t *testing.T) {
			got := set(t, tc.documents...).For(shop).Of(&shop.Packages[net], tc.advisory, tc.aliases, tc.cves)
			if got == nil {
				got = &model.Statement{}
			}
			if got.Status != tc.want {
				t.Errorf("%q counts, want %q", got.Status, tc.want)
			}
		})
	}
}

const csaf = `{
"document": {"category": "csaf_vex", "csaf_version": "2.0", "title": "t", "publisher": {"name": "Maker PSIRT"},
  "tracking": {"current_release_date": "2026-03-01T10:00:00+01:00"}},
"product_tree": {
  "branches": [{"category": "vendor", "name": "Maker", "branches": [
    {"category": "product_version", "name": "1.4", "product": {"product_id": "CART", "name": "cart 1.4", "product_identification_helper": {"purl": "pkg:oci/cart"}}},
    {"category": "product_version", "name": "net", "product": {"product_id": "NET", "name": "net", "product_identification_helper": {"purl": "pkg:golang/golang.org/x/net"}}},
    {"category": "product_version", "name": "ssl", "product": {"product_id": "SSL", "name": "ssl", "product_identification_helper": {"purls": ["pkg:deb/debian/libssl1.1"]}}},
    {"category": "product_name", "name": "OS 9", "product": {"product_id": "OS9", "name": "OS 9", "product_identification_helper": {"cpe": "cpe:/o:maker:os:9"}}}]}],
  "full_product_names": [{"product_id": "PLAIN", "name": "a name alone"}],
  "product_groups": [{"group_id": "G", "product_ids": ["CART:NET", "CART:SSL"]}],
  "relationships": [
    {"category": "default_component_of", "product_reference": "NET", "relates_to_product_reference": "CART", "full_product_name": {"product_id": "CART:NET", "name": "net in cart"}},
    {"category": "default_component_of", "product_reference": "SSL", "relates_to_product_reference": "CART", "full_product_name": {"product_id": "CART:SSL", "name": "ssl in cart"}},
    {"category": "default_component_of", "product_reference": "NET", "relates_to_product_reference": "OS9", "full_product_name": {"product_id": "OS9:NET", "name": "net in OS 9"}}]},
"vulnerabilities": [
  {"cve": "CVE-2024-1", "ids": [{"system_name": "x", "text": "MAKER-1"}],
   "product_status": {"known_not_affected": ["CART:NET", "CART:SSL", "OS9:NET"]},
   "flags": [{"label": "vulnerable_code_not_in_execute_path", "group_ids": ["G"]}, {"label": "component_not_present", "product_ids": ["OS9:NET"]}],
   "threats": [{"category": "impact", "details": "Never called.", "product_ids": ["CART:NET"]}]},
  {"cve": "CVE-2024-2", "product_status": {"known_affected": ["CART:NET"], "fixed": ["SSL"], "under_investigation": ["PLAIN"], "recommended": ["CART"]},
   "remediations": [{"category": "vendor_fix", "details": "Take 1.5.", "product_ids": ["CART:NET"]}]}]}`

func TestCSAF(t *testing.T) {
	s := set(t, csaf)
	if s.Unplaced != 2 { // OS9:NET and PLAIN
		t.Errorf("%d products can't be placed, want 2", s.Unplaced)
	}
	v := s.For(shop)
	for name, tc := range map[string]struct {
		p    int
		id   string
		want *model.Statement
	}{
		"a component of the image": {net, "CVE-2024-1", &model.Statement{Status: "not_affected", Justification: "vulnerable_code_not_in_execute_path", Impact: "Never called."}},
		"another of the group":     {libssl, "MAKER-1", &model.Statement{Status: "not_affected", Justification: "vulnerable_code_not_in_execute_path"}},
		"none of it":               {cart, "CVE-2024-1", nil},
		"affected":                 {net, "CVE-2024-2", &model.Statement{Status: "affected", Action: "Take 1.5."}},
		"fixed wherever it is":     {libssl, "CVE-2024-2", &model.Statement{Status: "fixed"}},
		"what is recommended":      {cart, "CVE-2024-2", nil},
	} {
		got := v.Of(&shop.Packages[tc.p], tc.id, nil, nil)
		if tc.want != nil {
			tc.want.Author, tc.want.Document, tc.want.Time = "Maker PSIRT", "0.json", s.statements[0].Time
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if day := s.statements[0].Time.String(); day != "2026-03-01 09:00:00 +0000 UTC" {
		t.Error(day)
	}
}

// A component of a platform that nobody can know by its CPE says nothing of
// the same component elsewhere.
func TestComponentOfUnknownPlatform(t *testing.T) {
	only := strings.Replace(csaf, `["CART:NET", "CART:SSL", "OS9:NET"]`, `["OS9:NET"]`, 1)
	if s := set(t, only).For(shop).Of(&shop.Packages[net], "CVE-2024-1", nil, nil); s != nil {
		t.Errorf("%+v", s)
	}
}

func TestRead(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"a/good.json":    says(`[{"@id": "pkg:golang/a"}]`),
		"a/csaf.JSON":    csaf,
		"a/other.json":   `{"name": "an npm package"}`,
		"a/list.json":    `[1]`,
		"a/notes.txt":    `{`,
		"broken.json":    "{\n\n  \"@context\": \"https://openvex.dev/ns\",\n  oops}",
		"time.json":      "{\"@context\": \"https://openvex.dev/ns\",\n\"author\": 7}",
		"status.json":    open(statement(`{"name": "CVE-1"}`, "well", ""), statement(`{"name": "CVE-1"}`, "fixed", "")),
		"reason.json":    open(`{"vulnerability": {"name": "CVE-1"}, "status": "not_affected", "products": [{"@id": "pkg:golang/a"}]}`),
		"why.json":       open(`{"vulnerability": {"name": "CVE-1"}, "status": "not_affected", "justification": "because", "products": [{"@id": "pkg:golang/a"}]}`),
		"nameless.json":  open(statement(`{}`, "fixed", "")),
		"advisory.json":  strings.Replace(csaf, "csaf_vex", "csaf_security_advisory", 1),
		"version.json":   strings.Replace(csaf, `"2.0"`, `"3.0"`, 1),
		"noflag.json":    strings.Replace(csaf, `"flags": [`, `"flag": [`, 1),
		"empty/not.json": `{}`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"a/link.json": "../broken.json", "named.json": "a/good.json"} {
		if err := os.Symlink(to, filepath.Join(dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		path       string
		statements int
		want       string // of what is incomplete, or of the error
	}{
		"a folder":             {"a", 5, ""},
		"a document":           {"a/good.json", 1, ""},
		"not JSON":             {"broken.json", 0, "broken.json:4: invalid character 'o' looking for beginning of object key string"},
		"another type":         {"time.json", 0, "time.json:2: author is a number, and can't be"},
		"no such status":       {"status.json", 1, `status.json: statements[0]: status "well" is none of affected, under_investigation, fixed, not_affected`},
		"no reason":            {"reason.json", 0, "reason.json: statements[0]: not_affected has neither a justification nor an impact statement"},
		"no such reason":       {"why.json", 0, `why.json: statements[0]: justification "because" is none of component_not_present`},
		"no vulnerability":     {"nameless.json", 0, "nameless.json: statements[0]: it names no vulnerability"},
		"an advisory":          {"advisory.json", 0, `advisory.json: its category is "csaf_security_advisory": of CSAF documents only csaf_vex are read`},
		"a version to come":    {"version.json", 0, `version.json: CSAF "3.0": versions 2.0 and 2.1 are read`},
		"no flag":              {"noflag.json", 3, "noflag.json: vulnerabilities[0]: not_affected has neither a justification nor an impact statement (2 products)"},
		"something else":       {"a/other.json", 0, "a/other.json: neither an OpenVEX nor a CSAF document"},
		"nothing there":        {"missing", 0, "missing: no such file or directory"},
		"a folder without any": {"empty", 0, "empty: no OpenVEX or CSAF document is in it"},
		"a link that is named": {"named.json", 1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, missed, err := Read(context.Background(), filepath.Join(dir, tc.path))
			got := ""
			if err != nil {
				got = err.Error()
			} else if len(missed) > 0 {
				got = missed[0].What + ": " + missed[0].Why
			}
			got = strings.ReplaceAll(got, dir+"/", "")
			if tc.want == "" && got != "" || !strings.HasPrefix(got, tc.want) {
				t.Errorf("%q, want %q", got, tc.want)
			}
			if s.Len() != tc.statements {
				t.Errorf("%d statements, want %d", s.Len(), tc.statements)
			}
		})
	}
}

// FuzzParse holds that whatever is read is valid: each statement has a status
// that there is, a reason where it needs one, an id, and a product.
func FuzzParse(f *testing.F) {
	f.Add([]byte(csaf))
	f.Add([]byte(says(`[{"@id": "pkg:oci/cart", "subcomponents": [{"@id": "pkg:golang/golang.org/x/net"}]}]`)))
	f.Add([]byte(open(statement(`"CVE-1"`, "fixed", ""))))
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := parse("f", data)
		if err != nil {
			return
		}
		s := &Set{statements: d.said}
		s.index()
		v := s.For(shop)
		for _, one := range d.said {
			if checkStatus(one.Status, one.Justification, one.Impact) != nil || len(one.Vulnerabilities) == 0 || len(one.Products) == 0 {
				t.Errorf("an invalid statement was kept: %+v", one)
			}
			for i := range shop.Packages {
				v.Of(&shop.Packages[i], one.Vulnerabilities[0], nil, nil)
			}
		}
	})
}
