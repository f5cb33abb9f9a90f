// Package rules is the catalogue: one folder a rule, in the folder of its
// stage, and the named sets of them in sets. This file only carries the folders into the binary; package rule
// reads them.
package rules

import "embed"

// FS holds <stage>/<ID>-<slug>/rule.yaml and cases.txtar of every rule, and
// sets/<name>.yaml. The patterns name files, so that a stage without rules is no error.
//
//go:embed */*/rule.yaml */*/cases.txtar sets/*.yaml
var FS embed.FS
