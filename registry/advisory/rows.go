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
// prints it. CVSS and EPSS are null where none is known. VEX, Due and Lane
// are for others to fill in.
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
			Severity: w.Severity, KEV: w.KEV, Fixed: w.Fixed,
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
