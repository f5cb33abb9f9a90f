package advisory

import (
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/registry/image"
)

// PackageRow is one package as `scantling image` prints it. SHA256 is there
// where one file is the package.
type PackageRow struct {
	PURL      string `json:"purl"`
	Name      string `json:"name"`
	Version   string `json:"version"`
	Ecosystem string `json:"ecosystem"`
	Layer     string `json:"layer"`
	Path      string `json:"path"`
	SHA256    string `json:"sha256,omitempty"`
}

// MatchRow is one advisory that touches one package as `scantling image`
// prints it. CVSS and EPSS are null where none is known. Who ranks fills in
// Due, Lane, SSVC, Assumed and Step, which are empty where a statement of VEX
// says that there is nothing to do.
type MatchRow struct {
	Package  string         `json:"package"` // package URL
	Advisory string         `json:"advisory"`
	Aliases  []string       `json:"aliases"`
	CVEs     []string       `json:"cves"`
	Severity model.Severity `json:"severity"`
	CVSS     *float64       `json:"cvss"`
	EPSS     *float64       `json:"epss"`
	KEV      bool           `json:"kev"`
	Fixed    string         `json:"fixed"`
	VEX      string         `json:"vex"`
	Due      string         `json:"due"`
	Lane     string         `json:"lane"`

	Image     string           `json:"image"`               // key
	SSVC      string           `json:"ssvc"`                // priority of the deployer's tree, or a range
	Assumed   []string         `json:"assumed"`             // decision points that nobody stated
	Step      int              `json:"step"`                // of the plan; 0: none clears it
	Statement *model.Statement `json:"statement,omitempty"` // behind VEX
}

// PackageRows lists the packages of an image in the order of its inventory.
func PackageRows(inv *image.Inventory) []PackageRow {
	out := []PackageRow{}
	for _, p := range inv.Packages {
		out = append(out, PackageRow{PURL: p.PURL, Name: p.Name, Version: p.Version, Ecosystem: p.Ecosystem, Layer: p.Layer, Path: p.Path, SHA256: p.SHA256})
	}
	return out
}

// MatchRows lists weaknesses in their order.
func MatchRows(weaknesses []model.Weakness) []MatchRow {
	out := []MatchRow{}
	for _, w := range weaknesses {
		row := MatchRow{
			Package: w.Component, Advisory: w.Advisory, Aliases: append([]string{}, w.Aliases...), CVEs: append([]string{}, w.CVEs...),
			Severity: w.Severity, KEV: w.KEV, Fixed: w.Fixed, Image: w.Image.Key, Assumed: []string{}, Statement: w.Statement,
		}
		if w.Statement != nil {
			row.VEX = w.Statement.Status
		}
		if w.CVSS > 0 {
			row.CVSS = &w.CVSS
		}
		if w.HasEPSS {
			row.EPSS = &w.EPSS
		}
		out = append(out, row)
	}
	return out
}
