package sbom

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/CycloneDX/cyclonedx-go"

	"github.com/scantling/scantling/registry/image"
)

// The formats that Write knows.
const (
	CycloneDX = "cyclonedx" // 1.6, JSON
	SPDX      = "spdx"      // 2.3, JSON
)

// Formats lists them.
var Formats = []string{CycloneDX, SPDX}

// Write writes an inventory. The same inventory gives the same bytes: the time
// in the document is that of the image, or 1970 where it states none and the
// format wants one. version is that of this program.
func Write(w io.Writer, format string, inv *image.Inventory, version string) error {
	if format == CycloneDX {
		return writeCycloneDX(w, inv, version)
	}
	return writeSPDX(w, inv, version)
}

// properties are what no field of either format holds, in a fixed order.
func properties(p *image.Package) [][2]string {
	all := [][2]string{{propLayer, p.Layer}, {propPath, p.Path}}
	if strings.HasPrefix(p.PURL, "pkg:deb/") || strings.HasPrefix(p.PURL, "pkg:apk/") || strings.HasPrefix(p.PURL, "pkg:rpm/") && !image.ByBinary(p.Ecosystem) {
		all = append(all, [2]string{propSource, p.Source}, [2]string{propSourceVersion, p.SourceVersion})
	}
	out := all[:0]
	for _, pair := range all {
		if pair[1] != "" {
			out = append(out, pair)
		}
	}
	return out
}

// subjectProperties are the same of the image.
func subjectProperties(inv *image.Inventory) (out [][2]string) {
	for _, alias := range inv.Aliases {
		out = append(out, [2]string{propAlias, alias})
	}
	for _, layer := range inv.Layers {
		out = append(out, [2]string{propLayer, layer.DiffID})
	}
	return out
}

// missing are the reasons for which the inventory is incomplete.
func missing(inv *image.Inventory) (out []string) {
	for _, i := range inv.Incomplete {
		what := strings.TrimSpace(strings.TrimPrefix(i.What, inv.Name))
		out = append(out, strings.TrimPrefix(what+": "+i.Why, ": "))
	}
	return out
}

func cycloneProperties(pairs [][2]string) *[]cyclonedx.Property {
	if len(pairs) == 0 {
		return nil
	}
	out := []cyclonedx.Property{}
	for _, pair := range pairs {
		out = append(out, cyclonedx.Property{Name: pair[0], Value: pair[1]})
	}
	return &out
}

func writeCycloneDX(w io.Writer, inv *image.Inventory, version string) error {
	root := "image"
	bom := cyclonedx.NewBOM()
	bom.Metadata = &cyclonedx.Metadata{
		Tools: &cyclonedx.ToolsChoice{Components: &[]cyclonedx.Component{{Type: cyclonedx.ComponentTypeApplication, Name: "scantling", Version: version}}},
		Component: &cyclonedx.Component{
			BOMRef: root, Type: cyclonedx.ComponentTypeContainer, Name: inv.Name, Version: inv.Digest,
			Properties: cycloneProperties(subjectProperties(inv)),
		},
	}
	if !inv.Config.Created.IsZero() {
		bom.Metadata.Timestamp = inv.Config.Created.UTC().Format(time.RFC3339)
	}
	components, refs := []cyclonedx.Component{}, []string{}
	if inv.OS.ID != "" {
		components = append(components, cyclonedx.Component{
			BOMRef: "system", Type: cyclonedx.ComponentTypeOS, Name: inv.OS.ID, Version: inv.OS.VersionID,
			Properties: cycloneProperties(systemProperties(inv.OS)),
		})
		refs = append(refs, "system")
	}
	for i := range inv.Packages {
		p := &inv.Packages[i]
		c := cyclonedx.Component{
			BOMRef: fmt.Sprintf("package-%d", i+1), Type: cyclonedx.ComponentTypeLibrary, Name: p.Name, Version: p.Version,
			PackageURL: p.PURL, Properties: cycloneProperties(properties(p)),
		}
		if p.SHA256 != "" {
			c.Hashes = &[]cyclonedx.Hash{{Algorithm: cyclonedx.HashAlgoSHA256, Value: p.SHA256}}
		}
		if group, artifact, ok := strings.Cut(p.Name, ":"); ok && p.Ecosystem == "Maven" {
			c.Group, c.Name = group, artifact
		}
		components, refs = append(components, c), append(refs, c.BOMRef)
	}
	bom.Components = &components
	bom.Dependencies = &[]cyclonedx.Dependency{{Ref: root, Dependencies: &refs}}
	if why := missing(inv); len(why) > 0 {
		var pairs [][2]string
		for _, text := range why {
			pairs = append(pairs, [2]string{propIncomplete, text})
		}
		bom.Properties = cycloneProperties(pairs)
		bom.Compositions = &[]cyclonedx.Composition{{Aggregate: cyclonedx.CompositionAggregateIncomplete, Assemblies: &[]cyclonedx.BOMReference{cyclonedx.BOMReference(root)}}}
	}
	return cyclonedx.NewBOMEncoder(w, cyclonedx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cyclonedx.SpecVersion1_6)
}

// systemProperties keep what os-release says beside ID and VERSION_ID.
func systemProperties(os image.OS) [][2]string {
	if os.Name == "" {
		return nil
	}
	return [][2]string{{propName, os.Name}}
}

func writeSPDX(w io.Writer, inv *image.Inventory, version string) error {
	created := time.Unix(0, 0)
	if !inv.Config.Created.IsZero() {
		created = inv.Config.Created
	}
	s := &spdxWriter{created: created.UTC().Format(time.RFC3339), tool: "Tool: scantling-" + version}
	const root = "SPDXRef-image"
	doc := spdxDocument{
		Version: "SPDX-2.3", DataLicense: "CC0-1.0", ID: spdxRoot, Name: inv.Name,
		Creation:      &spdxCreation{Created: s.created, Creators: []string{s.tool}},
		Relationships: []spdxRelationship{{spdxRoot, "DESCRIBES", root}},
	}
	add := func(p spdxPackage) {
		p.Download = "NOASSERTION"
		doc.Packages = append(doc.Packages, p)
		if p.ID != root {
			doc.Relationships = append(doc.Relationships, spdxRelationship{root, "CONTAINS", p.ID})
		}
	}
	add(spdxPackage{Name: inv.Name, ID: root, Version: inv.Digest, Purpose: "CONTAINER", Annotations: s.annotations(subjectProperties(inv))})
	if inv.OS.ID != "" {
		add(spdxPackage{Name: inv.OS.ID, ID: "SPDXRef-system", Version: inv.OS.VersionID, Purpose: purposeOS, Annotations: s.annotations(systemProperties(inv.OS))})
	}
	for i := range inv.Packages {
		p := &inv.Packages[i]
		one := spdxPackage{
			Name: p.Name, ID: fmt.Sprintf("SPDXRef-package-%d", i+1), Version: p.Version, Purpose: "LIBRARY",
			Refs: []spdxRef{{"PACKAGE-MANAGER", "purl", p.PURL}}, Annotations: s.annotations(properties(p)),
		}
		if p.SHA256 != "" {
			one.Checksums = []spdxChecksum{{"SHA256", p.SHA256}}
		}
		add(one)
	}
	for _, why := range missing(inv) {
		doc.Annotations = append(doc.Annotations, s.annotation(propIncomplete, why))
	}
	// The namespace has to be unique for each document: it is made of all
	// that the document says.
	body, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(body)
	doc.Namespace = "https://github.com/scantling/scantling/spdx/" + hex.EncodeToString(sum[:])
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(doc)
}

// spdxWriter writes what each annotation repeats.
type spdxWriter struct{ created, tool string }

func (s *spdxWriter) annotation(key, value string) spdxAnnotation {
	return spdxAnnotation{Annotator: s.tool, Date: s.created, Type: "OTHER", Comment: key + "=" + value}
}

func (s *spdxWriter) annotations(pairs [][2]string) (out []spdxAnnotation) {
	for _, pair := range pairs {
		out = append(out, s.annotation(pair[0], pair[1]))
	}
	return out
}
