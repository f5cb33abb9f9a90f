// Package image takes the inventory of a container image: which operating
// system it is, which packages it holds, and which layer brought each.
//
// A layer is read once, as a stream, and reduced to facts: the names of its
// entries, its whiteouts and links, and the packages of the few files that
// say what is installed (dpkg and apk databases, os-release, Go executables).
// An image is the ordered merge of its layers' facts by path: what a layer
// above overrides, hides or removes is gone (image-spec, layer.md, "Applying
// changesets"). Nothing is unpacked to disk, and layers that images share are
// read once by one Reader.
//
// An inventory never guesses: a database that could not be read, a kind of
// package that is not read, an entry that leads out of the image are named in
// Inventory.Incomplete, and the rest stands.
package image
