package sbom

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"

	"github.com/CycloneDX/cyclonedx-go"
)

// parseCycloneDX reads a document in JSON or XML.
func parseCycloneDX(data []byte, isXML bool) (*document, error) {
	format := cyclonedx.BOMFileFormatJSON
	if isXML {
		format = cyclonedx.BOMFileFormatXML
	}
	var bom cyclonedx.BOM
	if err := cyclonedx.NewBOMDecoder(bytes.NewReader(data), format).Decode(&bom); err != nil {
		var syntax *xml.SyntaxError
		switch {
		case errors.As(err, &syntax):
			return nil, fmt.Errorf(":%d: %s", syntax.Line, syntax.Msg)
		case errors.Is(err, cyclonedx.ErrInvalidSpecVersion):
			return nil, errors.New(": this version of CycloneDX is not known: 1.2 to 1.7 are read")
		}
		return nil, at(data, err)
	}
	if bom.SpecVersion == 0 {
		return nil, errors.New(": this version of CycloneDX is not known: 1.2 to 1.7 are read")
	}
	doc := &document{form: "CycloneDX " + bom.SpecVersion.String()}
	if bom.Metadata != nil && bom.Metadata.Component != nil {
		subject := cycloneComponent(bom.Metadata.Component)
		doc.subject = &subject
		doc.name = subject.name
		doc.cyclone(bom.Metadata.Component.Components)
	}
	doc.cyclone(bom.Components)
	if bom.Properties != nil {
		for _, p := range *bom.Properties {
			if p.Name == propIncomplete {
				doc.notes = append(doc.notes, p.Value)
			}
		}
	}
	if bom.Compositions != nil && len(doc.notes) == 0 {
		for _, c := range *bom.Compositions {
			if strings.HasPrefix(string(c.Aggregate), "incomplete") {
				doc.notes = append(doc.notes, "the document says of itself that it is incomplete")
				break
			}
		}
	}
	return doc, nil
}

// cyclone takes in components with all that are nested in them. The decoder
// bounds how deep that goes.
func (d *document) cyclone(list *[]cyclonedx.Component) {
	if list == nil {
		return
	}
	for i := range *list {
		c := &(*list)[i]
		if c.Type == cyclonedx.ComponentTypeOS && c.PackageURL == "" {
			d.systems = append(d.systems, cycloneComponent(c))
		} else {
			d.components = append(d.components, cycloneComponent(c))
		}
		d.cyclone(c.Components)
	}
}

func cycloneComponent(c *cyclonedx.Component) component {
	out := component{id: c.BOMRef, group: c.Group, name: c.Name, version: c.Version, purl: c.PackageURL, properties: map[string][]string{}}
	if c.Properties != nil {
		for _, p := range *c.Properties {
			out.properties[p.Name] = append(out.properties[p.Name], p.Value)
		}
	}
	if c.Hashes != nil {
		for _, h := range *c.Hashes {
			out.digest(string(h.Algorithm), h.Value)
		}
	}
	switch c.Type {
	case cyclonedx.ComponentTypeLibrary, cyclonedx.ComponentTypeFramework, cyclonedx.ComponentTypePlatform,
		cyclonedx.ComponentTypeFirmware, cyclonedx.ComponentTypeDeviceDriver, "":
	case cyclonedx.ComponentTypeApplication:
		// Trivy writes the lock file that packages are from as an application.
		_, out.passive = out.properties["aquasecurity:trivy:Class"]
	default:
		out.passive = true
	}
	return out
}
