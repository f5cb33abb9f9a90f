// Package shop holds the files of a small web shop: Dockerfiles, images,
// manifests, advisories and an audit log, with a way in from the internet to
// the whole cluster. `scantling demo` assesses it, and the end-to-end tests
// know by name what must be found. README.md tells its story.
package shop

import "embed"

// FS is the estate's folder, read-only: scantling.yaml is at its root. The
// images/ folder is written by internal/gen/shop, audit/ by test/e2e/record.
//
//go:embed README.md scantling.yaml advisories audit images k8s services
var FS embed.FS

// Day is the day after the attack in the audit log, YYYY-MM-DD: the demo is
// assessed as of it, so that it prints the same for everybody.
const Day = "2026-08-26"
