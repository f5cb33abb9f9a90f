package image

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// Bounds on the lists that Composer and .NET write of what is installed.
const (
	maxListing = 8 << 20 // bytes; the largest have some 3 MB
	maxListed  = 8192    // packages of one list
)

// composerName is VENDOR/NAME.
var composerName = regexp.MustCompile(`^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$`)

// parseComposer reads vendor/composer/installed.json: a list of packages, or,
// since Composer 2, an object with one. Those for development count where they
// are installed. Versions lose their v, which tags have and advisories leave
// out; a branch ("dev-main") keeps its name, which no advisory can place.
func parseComposer(data []byte) (packages []Package, notes []note) {
	type entry struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	var doc struct {
		Packages *[]entry `json:"packages"`
	}
	text, target := trimBOM(data), any(&doc)
	if bytes.HasPrefix(bytes.TrimLeft(text, " \t\r\n"), []byte("[")) {
		target = &doc.Packages
	}
	if err := json.Unmarshal(text, target); err != nil {
		return nil, []note{{"", "its installed.json: " + err.Error()}}
	}
	if doc.Packages == nil {
		return nil, []note{{"", "its installed.json: no list of packages"}}
	}
	list := *doc.Packages
	if len(list) > maxListed {
		notes = append(notes, note{"", fmt.Sprintf("%d packages, read up to %d", len(list), maxListed)})
		list = list[:maxListed]
	}
	for _, e := range list {
		version := strings.TrimSpace(e.Version)
		if len(version) > 1 && (version[0] == 'v' || version[0] == 'V') && version[1] >= '0' && version[1] <= '9' {
			version = version[1:]
		}
		if !composerName.MatchString(e.Name) || len(e.Name) > maxField || !plainField(version) {
			notes = append(notes, note{"", "a package of installed.json without a usable name and version"})
			continue
		}
		packages = append(packages, Package{Name: e.Name, Version: version, Source: strings.ToLower(e.Name), SourceVersion: version, Ecosystem: "Packagist"})
	}
	return packages, boundNotes(notes)
}
