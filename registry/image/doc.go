// Package image takes the inventory of a container image: which operating
// system it is, which packages it holds, and which layer brought each.
//
// A layer is read once, as a stream, and reduced to facts: the names of its
// entries, its whiteouts and links, and the packages of the few files that
// say what is installed (dpkg, apk and rpm databases, os-release, Go executables,
// package.json below node_modules, metadata of Python, Java archives).
// An image is the ordered merge of its layers' facts by path: what a layer
// above overrides, hides or removes is gone (image-spec, layer.md, "Applying
// changesets"). Nothing is unpacked to disk, and layers that images share are
// read once by one Reader.
//
// What a language's metadata names is left out where the system's database
// lists that file (dpkg's info/*.list and *.md5sums, apk's F and R lines, the
// headers of rpm):
// distributions mend flaws without raising the version that the language's
// advisories go by, and the package counts through the database. An image
// without those lists shows such packages twice.
//
// Packages of rpm are those of its database in any of its forms (see package
// rpmdb). Its version has the epoch in front where that isn't 0, as advisories
// write it. A source package's epoch isn't stated: it is that of the package
// with the same version, else the package's own. Packages of a vendor beside the
// system's, as of EPEL, are listed and named, since the system's advisories
// don't know them. What only SQLite's log beside a database holds isn't read,
// and said.
//
// Not read: RubyGems, Packagist and NuGet, which are named where they are
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
