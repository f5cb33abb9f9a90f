// Package oci opens container images wherever they lie: an OCI image layout
// (image-spec, image-layout.md), an archive of one, an archive of docker save
// in its older and newer form, each also compressed as a whole by gzip or
// zstd, a folder that is a root file system, and a registry. It reads
// manifests, configurations and layers and verifies every digest on the way;
// it never judges. It is the only package that knows go-containerregistry. An
// artifact, which is a manifest with a titled file for each blob, is opened from
// a layout or a registry, and written as a layout.
//
// Everything read is foreign: sizes, counts and nesting are bounded by the
// constants of this package, no name leads out of the folder or archive, and
// what is over a bound or broken becomes a model.Incomplete while the rest is
// still read. The members of an archive are read where they lie. A compressed
// one is unpacked to one temporary file without a name, of at most a hundred
// times its size; all of them together take at most 16 GiB.
//
// Limits: only sha256 digests; no encrypted layers; no manifests of docker's
// schema 1; no layers that a manifest says to load from elsewhere; no sparse
// members of archives. An archive without manifests states no digest of its
// layers as stored, so the digest of their content stands alone. A compressed
// archive needs a system that lets go of the name of an open file. A root
// folder has no digest: its key is its path, what lies in its dev, proc and
// sys is not read, and a file whose name is not UTF-8 is named as unread. Of
// a tag a registry says itself what it is; signatures are not checked. Plain
// http is spoken with this machine, elsewhere only where it is asked for, and
// a certificate always has to hold. Mirrors are those that the caller names:
// podman's registries.conf, with its mirrors and aliases, is not read.
package oci
