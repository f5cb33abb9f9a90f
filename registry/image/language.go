package image

import (
	"path"
	"strings"
)

// ownedBySystem are folders that distributions reserve for their own packages
// (Debian Python Policy 3.1, FHS 4.11): what lies there is counted through the
// system's database.
var ownedBySystem = []string{"usr/share/", "usr/lib/python3/dist-packages/", "usr/lib/jvm/"}

// languages are the kinds of package that are seen by their file names and
// not read.
var languages = map[string]*found{
	"npm":       {kind: foundLanguage, language: "npm"},
	"PyPI":      {kind: foundLanguage, language: "PyPI"},
	"Maven":     {kind: foundLanguage, language: "Maven"},
	"RubyGems":  {kind: foundLanguage, language: "RubyGems"},
	"Packagist": {kind: foundLanguage, language: "Packagist"},
	"NuGet":     {kind: foundLanguage, language: "NuGet"},
}

// languageOf recognises the metadata file of one installed package of a
// language, so that an image with such packages is never taken for one that
// was read in full. It returns nil for any other file.
func languageOf(name string) *found {
	for _, prefix := range ownedBySystem {
		if strings.HasPrefix(name, prefix) {
			return nil
		}
	}
	dir, base := path.Split(name)
	dir = strings.TrimSuffix(dir, "/")
	switch {
	case base == "package.json" && isNodeModule(dir):
		return languages["npm"]
	case base == "METADATA" && strings.HasSuffix(dir, ".dist-info"),
		base == "PKG-INFO" && strings.HasSuffix(dir, ".egg-info"),
		strings.HasSuffix(base, ".egg-info"):
		return languages["PyPI"]
	case strings.HasSuffix(base, ".jar"), strings.HasSuffix(base, ".war"), strings.HasSuffix(base, ".ear"):
		return languages["Maven"]
	case strings.HasSuffix(base, ".gemspec") && endsIn(dir, "specifications"):
		return languages["RubyGems"]
	case base == "installed.json" && endsIn(dir, "vendor/composer"):
		return languages["Packagist"]
	case strings.HasSuffix(base, ".deps.json"):
		return languages["NuGet"]
	}
	return nil
}

// isNodeModule reports whether dir is node_modules/NAME or
// node_modules/@SCOPE/NAME.
func isNodeModule(dir string) bool {
	parent, _ := path.Split(dir)
	parent = strings.TrimSuffix(parent, "/")
	if endsIn(parent, "node_modules") {
		return true
	}
	above, scope := path.Split(parent)
	return strings.HasPrefix(scope, "@") && endsIn(strings.TrimSuffix(above, "/"), "node_modules")
}
