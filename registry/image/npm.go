package image

import (
	"encoding/json"
	"path"
	"strings"
)

// lockFiles say what npm, yarn and pnpm would install.
var lockFiles = []string{"package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml"}

// parseNPM reads the package.json of an installed package: it names exactly
// one. The name in it counts and not that of the folder, which may be an alias.
// Of keys that occur twice the last counts, as for Node.js.
func parseNPM(data []byte) ([]Package, []note) {
	var doc struct {
		Name    string `json:"name"`
		Version string `json:"version"`
	}
	if err := json.Unmarshal(trimBOM(data), &doc); err != nil {
		return nil, []note{{"", "its package.json: " + err.Error()}}
	}
	name, version := doc.Name, strings.TrimPrefix(strings.TrimSpace(doc.Version), "v")
	if !plainField(name) || !plainField(version) {
		return nil, []note{{"", "a package.json without a usable name and version"}}
	}
	return []Package{{Name: name, Version: version, Source: name, SourceVersion: version, Ecosystem: "npm"}}, nil
}

// trimBOM drops the mark that some editors put before a text; Node.js does.
func trimBOM(data []byte) []byte {
	if len(data) >= 3 && data[0] == 0xef && data[1] == 0xbb && data[2] == 0xbf {
		return data[3:]
	}
	return data
}

// bundled reports whether nothing is installed where a lock file lies or in
// a folder above it, as Node.js looks for modules: what it lists may then be
// part of other files. caches tells that archives of a user's Yarn were read.
// Of Plug'n'Play the lock file speaks where there is one.
func bundled(lock *vertex, caches bool) bool {
	if isPlugAndPlay(lock.name) && lock.parent.child("yarn.lock") != nil {
		return false
	}
	for v := lock.parent; v != nil; v = v.parent {
		if v.child("node_modules") != nil || plugged(v, caches) {
			return false
		}
	}
	return true
}

// npmPURL writes "@scope/name" with its scope as namespace.
func npmPURL(name string) string {
	scope, base := path.Split(name)
	if scope == "" {
		return escape(base)
	}
	return escape(strings.TrimSuffix(scope, "/")) + "/" + escape(base)
}
