// Package oci opens container images: today the folder form, an OCI image
// layout (image-spec, image-layout.md). It reads manifests, configurations
// and layers and verifies every digest on the way; it never judges and never
// unpacks to disk. It is the only package that knows go-containerregistry.
//
// Everything read is foreign: sizes, counts and nesting are bounded by the
// constants of this package, no name leads out of the layout's folder, and
// what is over a bound or broken becomes a model.Incomplete while the rest is
// still read.
package oci
