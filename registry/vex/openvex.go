package vex

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/package-url/packageurl-go"

	"github.com/scantling/scantling/model"
)

// openContext begins the @context of every OpenVEX document.
const openContext = "https://openvex.dev/ns"

// openDocument is the part of an OpenVEX document that is read.
type openDocument struct {
	Author     string          `json:"author"`
	Timestamp  *time.Time      `json:"timestamp"`
	Statements []openStatement `json:"statements"`
}

type openStatement struct {
	Vulnerability openVulnerability `json:"vulnerability"`
	Timestamp     *time.Time        `json:"timestamp"`
	Products      []openProduct     `json:"products"`
	Subcomponents []openProduct     `json:"subcomponents"` // of v0.0.1, of all products
	Status        string            `json:"status"`
	Justification string            `json:"justification"`
	Impact        string            `json:"impact_statement"`
	Action        string            `json:"action_statement"`
}

// openVulnerability is an object, and in v0.0.1 its id alone.
type openVulnerability struct {
	ID      string   `json:"@id"`
	Name    string   `json:"name"`
	Aliases []string `json:"aliases"`
}

func (v *openVulnerability) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &v.Name)
	}
	type plain openVulnerability
	return json.Unmarshal(data, (*plain)(v))
}

// openProduct is an object, and in v0.0.1 its id alone.
type openProduct struct {
	ID            string            `json:"@id"`
	Identifiers   map[string]string `json:"identifiers"`
	Hashes        map[string]string `json:"hashes"`
	Subcomponents []openProduct     `json:"subcomponents"`
}

func (p *openProduct) UnmarshalJSON(data []byte) error {
	if data[0] == '"' {
		return json.Unmarshal(data, &p.ID)
	}
	type plain openProduct
	return json.Unmarshal(data, (*plain)(p))
}

// open takes in an OpenVEX document.
func (d *document) open(raw openDocument) {
	if len(raw.Statements) > maxStatements {
		d.skip("statements", "%d of them, read up to %d", len(raw.Statements), maxStatements)
		raw.Statements = raw.Statements[:maxStatements]
	}
	for i, s := range raw.Statements {
		where := fmt.Sprintf("statements[%d]", i)
		if err := checkStatus(s.Status, s.Justification, s.Impact); err != nil {
			d.skip(where, "%v", err)
			continue
		}
		out := Statement{
			Statement: model.Statement{
				Status: s.Status, Justification: s.Justification, Impact: clip(s.Impact), Action: clip(s.Action),
				Author: clip(raw.Author), Document: d.name,
			},
			Vulnerabilities: identifiers(append([]string{s.Vulnerability.Name, s.Vulnerability.ID}, s.Vulnerability.Aliases...)...),
		}
		switch {
		case s.Timestamp != nil:
			out.Time = s.Timestamp.UTC()
		case raw.Timestamp != nil:
			out.Time = raw.Timestamp.UTC()
		}
		if len(out.Vulnerabilities) == 0 {
			d.skip(where, "it names no vulnerability")
			continue
		}
		for _, p := range s.Products {
			product := Product{Component: p.component()}
			for _, sub := range append(slices.Clone(p.Subcomponents), s.Subcomponents...) {
				product.Subcomponents = append(product.Subcomponents, sub.component())
			}
			out.Products = append(out.Products, product)
		}
		d.add(out)
	}
}

// checkStatus refuses what the specifications do: an unknown word, and
// not_affected without a reason.
func checkStatus(status, justification, impact string) error {
	switch {
	case favour(status) < 0:
		return fmt.Errorf("status %q is none of %s", clip(status), strings.Join(statuses, ", "))
	case justification != "" && !slices.Contains(justifications, justification):
		return fmt.Errorf("justification %q is none of %s", clip(justification), strings.Join(justifications, ", "))
	case status == model.NotAffected && justification == "" && impact == "":
		return fmt.Errorf("not_affected has neither a justification nor an impact statement")
	}
	return nil
}

// component gathers the names: the id, the package URLs, and the digest.
func (p openProduct) component() Component {
	var out Component
	out.name(p.ID)
	out.name(p.Identifiers["purl"])
	if sum := p.Hashes["sha-256"]; sum != "" {
		out.digests = append(out.digests, "sha256:"+strings.ToLower(sum))
	}
	return out
}

// name files a text by what it is. A package URL that can't be read names
// nothing.
func (c *Component) name(text string) {
	switch {
	case text == "" || len(text) > maxText:
	case len(text) >= 4 && strings.EqualFold(text[:4], "pkg:"):
		if p, err := packageurl.FromString(text); err == nil {
			c.purls = append(c.purls, p)
		}
	case strings.HasPrefix(text, "sha256:"):
		c.digests = append(c.digests, text)
	default:
		c.names = append(c.names, text)
	}
}
