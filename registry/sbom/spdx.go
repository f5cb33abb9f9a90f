package sbom

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// spdxDocument is what is read and written of SPDX 2.x in JSON.
type spdxDocument struct {
	Version       string             `json:"spdxVersion"`
	DataLicense   string             `json:"dataLicense"`
	ID            string             `json:"SPDXID"`
	Name          string             `json:"name"`
	Namespace     string             `json:"documentNamespace"`
	Comment       string             `json:"comment,omitempty"`
	Creation      *spdxCreation      `json:"creationInfo"`
	Describes     []string           `json:"documentDescribes,omitempty"`
	Packages      []spdxPackage      `json:"packages"`
	Relationships []spdxRelationship `json:"relationships"`
	Annotations   []spdxAnnotation   `json:"annotations,omitempty"`
}

type spdxCreation struct {
	Created  string   `json:"created"`
	Creators []string `json:"creators"`
}

type spdxPackage struct {
	Name        string           `json:"name"`
	ID          string           `json:"SPDXID"`
	Version     string           `json:"versionInfo,omitempty"`
	Download    string           `json:"downloadLocation"`
	Analyzed    bool             `json:"filesAnalyzed"`
	Purpose     string           `json:"primaryPackagePurpose,omitempty"`
	SourceInfo  string           `json:"sourceInfo,omitempty"`
	Checksums   []spdxChecksum   `json:"checksums,omitempty"`
	Refs        []spdxRef        `json:"externalRefs,omitempty"`
	Annotations []spdxAnnotation `json:"annotations,omitempty"`
}

type spdxRef struct {
	Category string `json:"referenceCategory"`
	Type     string `json:"referenceType"`
	Locator  string `json:"referenceLocator"`
}

type spdxChecksum struct {
	Algorithm string `json:"algorithm"`
	Value     string `json:"checksumValue"`
}

type spdxRelationship struct {
	From string `json:"spdxElementId"`
	Type string `json:"relationshipType"`
	To   string `json:"relatedSpdxElement"`
}

type spdxAnnotation struct {
	Annotator string `json:"annotator"`
	Date      string `json:"annotationDate"`
	Type      string `json:"annotationType"`
	Comment   string `json:"comment"`
}

const (
	spdxRoot    = "SPDXRef-DOCUMENT"
	spdxPrefix  = "scantling:" // of comments that hold a property: scantling:path=/x
	purposeOS   = "OPERATING-SYSTEM"
	purposeFile = "FILE"
)

// parseSPDX reads a document in JSON.
func parseSPDX(data []byte) (*document, error) {
	var doc spdxDocument
	if err := json.Unmarshal(data, &doc); err != nil {
		return nil, at(data, err)
	}
	return doc.document()
}

// document brings SPDX in the common form. The one package that the document
// describes is its subject; where it describes several, they are components.
func (s *spdxDocument) document() (*document, error) {
	if s.Version != "SPDX-2.2" && s.Version != "SPDX-2.3" {
		return nil, fmt.Errorf(": %q is not read: SPDX-2.2 and SPDX-2.3 are", clip(s.Version))
	}
	doc := &document{form: s.Version, name: s.Name}
	described := map[string]bool{}
	for _, id := range s.Describes {
		described[id] = true
	}
	for _, r := range s.Relationships {
		switch {
		case r.Type == "DESCRIBES" && r.From == spdxRoot:
			described[r.To] = true
		case r.Type == "DESCRIBED_BY" && r.To == spdxRoot:
			described[r.From] = true
		}
	}
	for i := range s.Packages {
		c := s.Packages[i].component()
		switch {
		case len(described) == 1 && described[s.Packages[i].ID] && doc.subject == nil:
			doc.subject = &c
		case s.Packages[i].Purpose == purposeOS && c.purl == "":
			doc.systems = append(doc.systems, c)
		default:
			doc.components = append(doc.components, c)
		}
	}
	for _, a := range s.Annotations {
		if why, ok := strings.CutPrefix(a.Comment, propIncomplete+"="); ok {
			doc.notes = append(doc.notes, why)
		}
	}
	return doc, nil
}

func (p *spdxPackage) component() component {
	out := component{id: p.ID, name: p.Name, version: p.Version, sourceInfo: p.SourceInfo, properties: map[string][]string{}}
	if out.version == "NOASSERTION" {
		out.version = ""
	}
	for _, r := range p.Refs {
		if r.Type == "purl" && out.purl == "" {
			out.purl = r.Locator
		}
	}
	for _, sum := range p.Checksums {
		out.digest(sum.Algorithm, sum.Value)
	}
	for _, a := range p.Annotations {
		if key, value, ok := strings.Cut(a.Comment, "="); ok && strings.HasPrefix(key, spdxPrefix) {
			out.properties[key] = append(out.properties[key], value)
		}
	}
	switch p.Purpose {
	case purposeFile, "ARCHIVE", "DEVICE", "CONTAINER", "SOURCE":
		out.passive = true
	}
	return out
}

// tagReader collects the packages of a tag-value document.
type tagReader struct {
	doc     spdxDocument
	current *spdxPackage // the package that tags speak of; nil elsewhere
}

// parseTags reads the tag-value form: "Tag: value" lines, where a value may be
// <text>…</text> over several lines; a package begins with PackageName and
// ends where a file, snippet or licence begins (SPDX 2.3, annex on formats).
func parseTags(data []byte) (*document, error) {
	r := &tagReader{}
	line := 0
	for len(data) > 0 {
		var text []byte
		text, data, _ = bytes.Cut(data, []byte("\n"))
		line++
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}
		tag, value, ok := strings.Cut(string(text), ":")
		if !ok {
			return nil, fmt.Errorf(":%d: not a \"Tag: value\" line", line)
		}
		value = strings.TrimSpace(value)
		if rest, open := strings.CutPrefix(value, "<text>"); open {
			end := strings.Index(rest, "</text>")
			if end >= 0 {
				value = rest[:end]
			} else {
				more, after, closed := bytes.Cut(data, []byte("</text>"))
				if !closed {
					return nil, fmt.Errorf(":%d: <text> without </text>", line)
				}
				value = rest + "\n" + string(more)
				line += bytes.Count(more, []byte("\n"))
				data = after
			}
		}
		r.tag(strings.TrimSpace(tag), value)
		if len(r.doc.Packages)+len(r.doc.Relationships) > maxObjects {
			return nil, fmt.Errorf(":%d: more than %d packages and relations", line, maxObjects)
		}
	}
	r.end()
	if r.doc.Version == "" {
		return nil, errors.New(": no SPDXVersion")
	}
	return r.doc.document()
}

// end closes the package that tags spoke of.
func (r *tagReader) end() {
	if r.current != nil {
		r.doc.Packages = append(r.doc.Packages, *r.current)
		r.current = nil
	}
}

func (r *tagReader) tag(tag, value string) {
	switch tag {
	case "SPDXVersion":
		r.doc.Version = value
	case "DocumentName":
		r.doc.Name = value
	case "PackageName":
		r.end()
		r.current = &spdxPackage{Name: value}
	case "FileName", "SnippetSPDXID", "LicenseID":
		r.end()
	case "Relationship":
		if parts := strings.Fields(value); len(parts) == 3 {
			r.doc.Relationships = append(r.doc.Relationships, spdxRelationship{parts[0], parts[1], parts[2]})
		}
	}
	if p := r.current; p != nil {
		p.tag(tag, value)
	}
}

func (p *spdxPackage) tag(tag, value string) {
	switch tag {
	case "SPDXID":
		p.ID = value
	case "PackageVersion":
		p.Version = value
	case "PrimaryPackagePurpose":
		p.Purpose = value
	case "PackageSourceInfo":
		p.SourceInfo = value
	case "PackageChecksum":
		if algorithm, value, ok := strings.Cut(value, ":"); ok {
			p.Checksums = append(p.Checksums, spdxChecksum{algorithm, strings.TrimSpace(value)})
		}
	case "ExternalRef":
		if parts := strings.Fields(value); len(parts) == 3 {
			p.Refs = append(p.Refs, spdxRef{parts[0], parts[1], parts[2]})
		}
	}
}
