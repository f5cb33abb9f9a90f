// Package advisory tells which advisories touch the packages of an image.
//
// It loads records in the OSV schema from a folder that is laid out like the
// public OSV bucket, or from the Library that a sync of package feed keeps in a
// store, joins them with CISA's catalogue of exploited
// vulnerabilities (KEV) and with the exploit predictions of FIRST (EPSS), and
// evaluates them exactly as the schema says: ranges of events in the order of
// each ecosystem's versions, and enumerated versions. It is the only package
// that knows the version orders of osv-scalibr.
//
// What can't be told is never clean: a version that has no place in its
// ecosystem's order, a record without a range that can be evaluated, a release
// that the feed doesn't cover or that its vendor no longer supports, are
// reported as incomplete.
package advisory
