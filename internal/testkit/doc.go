// Package testkit writes estates of any size to a folder, as a team would
// hand them over: manifests, image layouts, advisories and an audit log. Tests
// and benchmarks assess them; the same seed gives the same bytes.
package testkit
