// Package image takes the inventory of a container image: which operating
// system it is, which packages it holds, and which layer brought each.
//
// A layer is read once, as a stream, and reduced to facts: the names of its
// entries, its whiteouts and links, and the packages of the few files that
// say what is installed (dpkg, apk and rpm databases, os-release, Go executables,
// Rust executables with the audit data of cargo-auditable, package.json below
// node_modules, archives of Yarn's Plug'n'Play, metadata of Python, Java
// archives, specifications of gems, Composer's installed.json, deps.json of
// .NET beside a program or in it). Of executables and libraries it keeps what
// they tell the loader, and of files that are read whole their SHA-256.
// An image is the ordered merge of its layers' facts by path: what a layer
// above overrides, hides or removes is gone (image-spec, layer.md, "Applying
// changesets"). No image is unpacked to disk: a single file of more than 256 KiB
// that is looked into goes through a temporary file without a name, and is in
// memory where there can be none. Layers of an image are read together, as many as there are processors, and layers that images share once
// by one Reader; with a Keeper once ever, until what is extracted changes.
// Bounds on a layer are in facts.go, on an image in reader.go, on what is kept
// of a layer in codec.go; a layer over the last is read each time.
//
// On the way every text is searched for keys, tokens and passwords, by package
// secret. Those of files that a layer above removed are listed too: they stay
// in their layer. The environment, labels and history of the configuration are
// searched as well. No value is kept.
//
// What a language's metadata names is left out where the system's database
// lists that file (dpkg's info/*.list and *.md5sums, apk's F and R lines, the
// headers of rpm):
// distributions mend flaws without raising the version that the language's
// advisories go by, and the package counts through the database. An image
// without those lists shows such packages twice. Files of packages that the
// distribution didn't build are not left out: those of an rpm vendor other than
// that of most packages, and of dpkg those that nobody at Debian or Ubuntu
// maintains. Of apk nothing tells.
//
// Packages of rpm are those of its database in any of its forms (see package
// rpmdb). Its version has the epoch in front where that isn't 0, as advisories
// write it. A source package's epoch isn't stated: it is that of the package
// with the same version, else the package's own. Packages of a vendor beside the
// system's, as of EPEL, are listed and named, since the system's advisories
// don't know them. What only SQLite's log beside a database holds isn't read,
// and said.
//
// Programs are no such metadata: what Go and Rust built in counts wherever the
// program is from. A Rust program without audit data is named, unless a package
// of the system brought it; a mere library is part of what it came with.
//
// Not read: lock files, since what is installed counts (one without installed
// packages beside it is named, and so is Plug'n'Play without its archives);
// wheels and source archives, which aren't installed; gems that Bundler took
// from git, and what of a gemspec only Ruby can tell; a vendor folder of
// Composer by another name; .NET assemblies that no deps.json lists, programs
// of .NET compiled ahead of time; programs for Windows and macOS; programs that
// a packer compressed, as UPX; what bundlers merged into other files; what
// only a symbolic link names as such (a Java archive, a package's folder in
// node_modules); the own name of a Java archive that others with a
// pom.properties were merged into. Folders in which the loader looks for a
// library (RUNPATH, ld.so.conf) aren't followed. A package of NuGet that a newer
// framework replaces at start is listed all the same.
//
// An inventory never guesses in silence: a database that could not be read, a
// kind of package that is not read, an archive whose name is a guess, an entry
// that leads out of the image are named in Inventory.Incomplete, and the rest
// stands.
package image
