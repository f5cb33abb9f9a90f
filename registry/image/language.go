package image

import (
	"path"
	"slices"
	"strings"
)

// languageKind recognises by its name the file that says what a package of a
// language is. Names of Java archives and their like are taken in any case.
func languageKind(name string) foundKind {
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case base == "package.json" && isNodeModule(dir):
		return foundNPM
	case (slices.Contains(lockFiles, base) || isPlugAndPlay(base)) && !strings.Contains("/"+dir+"/", "/node_modules/"):
		return foundLock
	case base == "METADATA" && strings.HasSuffix(dir, ".dist-info"),
		base == "PKG-INFO" && (strings.HasSuffix(dir, ".egg-info") || endsIn(dir, "EGG-INFO")),
		strings.HasSuffix(base, ".egg-info"):
		return foundPython
	case strings.HasSuffix(base, ".gemspec") && (endsIn(dir, "specifications") || endsIn(dir, "specifications/default")):
		return foundGem
	case base == "installed.json" && endsIn(dir, "vendor/composer"):
		return foundComposer
	case strings.HasSuffix(base, ".deps.json"):
		return foundNuGet
	case isYarnCache(dir) && strings.HasSuffix(base, ".zip"):
		return foundYarn
	case isPnpmStore(dir, base):
		return foundStore
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
