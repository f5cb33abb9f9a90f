// Package vex reads what makers of software say of vulnerabilities in it: VEX
// documents as OpenVEX (v0.0.1 to v0.2.0, also as the predicate of an in-toto
// statement) and as CSAF (2.0 and 2.1, profile csaf_vex).
//
// A document becomes statements, and statements are joined with matches when
// those are shown. They never make a match and never take one away: they say
// of it what their author said. Whom to believe is the user's decision, who
// names the documents; no signature is checked.
//
// A statement is about a product: a package by its package URL, in which what
// is absent stands for all (version, qualifiers); or an image by its digest, a
// name of it, or a package URL of type oci, alone or with packages as its
// subcomponents. Of several statements about one vulnerability in one product
// the newest counts, of one time the least favourable.
//
// Limits: products that are named by CPE, file hashes, serial numbers or model
// numbers alone can't be placed, and are counted; so is a component of a
// platform that can't be placed, because on another platform the same package
// may be another build. Ranges of versions (vers) and package URLs of type
// docker are not read. CycloneDX's VEX is not read.
package vex
