// Package deploy holds what is applied to a cluster so that Scantling may
// read it.
package deploy

import (
	_ "embed"
	"strings"
)

// ReadOnly is read-only.yaml: an account, and the roles that let it read.
//
//go:embed read-only.yaml
var ReadOnly string

// WithoutSecrets is ReadOnly up to the documents about Secrets.
func WithoutSecrets() string {
	before, _, _ := strings.Cut(ReadOnly, "---\n# Secrets.")
	return before
}
