package image

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// runtimePack precedes, in a program that brings .NET with it, the name of the
// package that the copy was taken from.
const runtimePack = "runtimepack."

// sharedForm is the place of a shared framework: NAME, VERSION.
var sharedForm = regexp.MustCompile(`(?:^|/)shared/([A-Za-z][A-Za-z0-9.]*)/(\d[A-Za-z0-9.-]*)/([^/]+)\.deps\.json$`)

// parseNuGet reads the list of libraries of a .NET program (*.deps.json): those
// of type package are of NuGet, those of type runtimepack as well, below a name
// with a prefix. A file of that name without libraries is of something else and
// has nothing to say (nil).
//
// A shared framework (shared/Microsoft.NETCore.App/8.0.1) lists itself so: as
// the package Microsoft.NETCore.App.Runtime.linux-x64, by which advisories go.
// One that doesn't is named by its folder and by the platform that the list is
// for.
func parseNuGet(name string, data []byte) *found {
	f := &found{kind: foundNuGet}
	var doc struct {
		Target struct {
			Name string `json:"name"`
		} `json:"runtimeTarget"`
		Libraries map[string]struct {
			Type string `json:"type"`
		} `json:"libraries"`
	}
	var parts map[string]json.RawMessage
	text := trimBOM(data)
	err := json.Unmarshal(text, &parts)
	switch {
	case err != nil && json.Valid(text), err == nil && parts["libraries"] == nil && parts["runtimeTarget"] == nil:
		return nil
	case err == nil:
		err = json.Unmarshal(text, &doc)
	}
	if err != nil {
		f.notes = []note{{"", "its deps.json: " + err.Error()}}
		return f
	}
	shared := sharedForm.FindStringSubmatch(name)
	for _, key := range slices.Sorted(maps.Keys(doc.Libraries)) {
		kind := doc.Libraries[key].Type
		if kind != "package" && kind != "runtimepack" {
			continue
		}
		if len(f.packages) == maxListed {
			f.notes = append(f.notes, note{"", fmt.Sprintf("more than %d packages; the rest is not read", maxListed)})
			break
		}
		id, version, _ := strings.Cut(strings.TrimPrefix(key, runtimePack), "/")
		if !f.nuget(id, version) {
			f.notes = append(f.notes, note{"", "a library of deps.json without a usable name and version"})
		}
	}
	if shared != nil && shared[1] == shared[3] && !slices.ContainsFunc(f.packages, func(p Package) bool { return strings.HasPrefix(p.Name, shared[1]) }) {
		id := shared[1]
		if _, platform, ok := strings.Cut(doc.Target.Name, "/"); ok {
			id += ".Runtime." + platform
		}
		if !f.nuget(id, shared[2]) {
			f.notes = append(f.notes, note{"", "a framework of .NET whose platform can't be told"})
		}
	}
	f.notes = boundNotes(f.notes)
	return f
}

// nuget adds a package, or reports that it has no usable name and version.
func (f *found) nuget(id, version string) bool {
	if !plainField(id) || !plainField(version) || strings.Contains(id+version, "/") {
		return false
	}
	f.packages = append(f.packages, Package{Name: id, Version: version, Source: id, SourceVersion: version, Ecosystem: "NuGet"})
	return true
}
