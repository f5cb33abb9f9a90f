// Package archtest holds the architecture as a test: which package may import
// which, where each third-party module is caged, and a few habits that would
// wear the layout down. table_test.go is meant to be read: it is the layer
// picture as data. A package or module that is missing there fails the build.
//
// It reads the source of the whole module, build tags and test files
// included, and needs no build. Test files are bound as follows. A test in
// the package it tests may import what that package may, and the means made
// for tests (the rule catalogue, internal/testkit, oci/ocitest). A test in an
// external package (package x_test) may put together anything below cli,
// because nothing can import it. Folders named testdata, those beginning with
// a dot or an underscore, node_modules, and other modules are not read.
package archtest
