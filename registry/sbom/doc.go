// Package sbom reads software bills of materials as inventories of images, and
// writes inventories as such.
//
// Read are CycloneDX 1.2 to 1.7 in JSON, 1.0 to 1.7 in XML, and SPDX 2.2 and
// 2.3 in JSON and as tag-value text; also where an in-toto statement or
// GitHub's export wraps one. Written are CycloneDX 1.6 and SPDX 2.3 in JSON.
//
// A component counts by its package URL, which stays byte for byte. The
// distribution comes from the qualifier distro, else from the component that
// is the operating system; the source package from the qualifier upstream, or
// from what Scantling, Trivy and SPDX's sourceInfo say beside it; the module of
// an RPM package from the qualifier rpmmod, or from what Trivy and Syft say.
//
// The image has the digest that the document states for it, else that of the
// document itself. Several components of one package URL stay several, as long
// as they differ in layer or path.
//
// What can't be told is in Inventory.Incomplete: a component without a package
// URL or version, a Debian, Alpine or RPM package in a document that states no
// source packages, by which advisories go. SPDX 3, and 2.x in RDF or YAML, are
// refused. Licences, dependencies, vulnerabilities and services are passed over;
// so are components that are files, and relations between components. Of hashes
// the SHA-256 of a package is written and read where its file is the package;
// what libraries an image has is not. The modules of RPM packages are not told
// apart.
package sbom
