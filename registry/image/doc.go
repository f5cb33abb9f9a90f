// Package image takes the inventory of a container image: which operating
// system it is, which packages it holds, and which layer brought each.
//
// A layer is read once, as a stream, and reduced to facts: the names of its
// entries, its whiteouts and links, and the packages of the few files that
// say what is installed (dpkg and apk databases, os-release, Go executables,
// package.json below node_modules, metadata of Python, Java archives).
// An image is the ordered merge of its layers' facts by path: what a layer
// above overrides, hides or removes is gone (image-spec, layer.md, "Applying
// changesets"). Nothing is unpacked to disk. Layers of an image are read
// together, as many as there are processors, and layers that images share once
// by one Reader; with a Keeper once ever, until what is extracted changes.
// Bounds on a layer are in facts.go, on an image in reader.go, on what is kept
// of a layer in codec.go; a layer over the last is read each time.
//
// What a language's metadata names is left out where the system's database
// lists that file (dpkg's info/*.list and *.md5sums, apk's F and R lines):
// distributions mend flaws without raising the version that the language's
// advisories go by, and the package counts through the database. An image
// without those lists shows such packages twice.
//
// Not read: rpm, RubyGems, Packagist and NuGet, which are named where they are
// seen; lock files, since what is installed counts (one without installed
// packages beside it is named); wheels and source archives, which aren't
// installed; archives of Yarn's Plug'n'Play; what bundlers merged into other
// files; Java archives that only a link names as such; the own name of a Java
// archive that others with a pom.properties were merged into.
//
// An inventory never guesses in silence: a database that could not be read, a
// kind of package that is not read, an archive whose name is a guess, an entry
// that leads out of the image are named in Inventory.Incomplete, and the rest
// stands.
package image
