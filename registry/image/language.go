package image

import (
	"path"
	"slices"
	"strings"
)

// unreadLanguages are the kinds of package that are seen by their file names
// and not read.
var unreadLanguages = map[string]*found{
	"RubyGems":  {kind: foundLanguage, language: "RubyGems"},
	"Packagist": {kind: foundLanguage, language: "Packagist"},
	"NuGet":     {kind: foundLanguage, language: "NuGet"},
}

// unreadLanguage recognises the metadata file of one installed package of a
// language that is not read, so that an image with such packages is never
// taken for one that was read in full. It returns nil for any other file.
func unreadLanguage(name string) *found {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case strings.HasSuffix(base, ".gemspec") && (endsIn(dir, "specifications") || endsIn(dir, "specifications/default")):
		return unreadLanguages["RubyGems"]
	case base == "installed.json" && endsIn(dir, "vendor/composer"):
		return unreadLanguages["Packagist"]
	case strings.HasSuffix(base, ".deps.json"):
		return unreadLanguages["NuGet"]
	}
	return nil
}

// languageKind recognises by its name the file that says what a package of a
// language is. Names of Java archives and their like are taken in any case.
func languageKind(name string) foundKind {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case base == "package.json" && isNodeModule(dir):
		return foundNPM
	case slices.Contains(lockFiles, base) && !strings.Contains("/"+dir+"/", "/node_modules/"):
		return foundLock
	case base == "METADATA" && strings.HasSuffix(dir, ".dist-info"),
		base == "PKG-INFO" && (strings.HasSuffix(dir, ".egg-info") || endsIn(dir, "EGG-INFO")),
		strings.HasSuffix(base, ".egg-info"):
		return foundPython
	}
	switch strings.ToLower(path.Ext(base)) {
	case ".egg":
		return foundEgg
	case ".jar", ".war", ".ear", ".jpi", ".hpi", ".nar", ".par", ".sar":
		return foundJava
	}
	return foundNothing
}

// isNodeModule reports whether dir is node_modules/NAME or
// node_modules/@SCOPE/NAME.
func isNodeModule(dir string) bool {
	parent, name := path.Split(dir)
	parent = strings.TrimSuffix(parent, "/")
	if strings.HasPrefix(name, ".") {
		return false // caches and the like: no package begins so
	}
	if endsIn(parent, "node_modules") {
		return true
	}
	above, scope := path.Split(parent)
	return strings.HasPrefix(scope, "@") && endsIn(strings.TrimSuffix(above, "/"), "node_modules")
}
