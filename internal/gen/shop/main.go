// Command shop writes the machine-made half of examples/shop: the image
// layouts under images/ and the Kubernetes audit log under audit/.
//
//	go run ./internal/gen/shop [-out examples/shop]
//
// It is deterministic to the byte: no clock, no random source, and layers are
// gzip streams of stored blocks, so that no compressor's choice can change a
// digest. Package names, versions and module versions are facts about real
// releases, kept in facts/; what the shop did with them is made up. The
// manifests, Dockerfiles and advisories beside the output are written by hand.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	out := flag.String("out", filepath.Join("examples", "shop"), "folder that receives images/ and audit/")
	flag.Parse()
	if err := generate(*out); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// generate replaces images/ and audit/ under dir.
func generate(dir string) error {
	for _, sub := range []string{imagesDir, auditDir} {
		if err := os.RemoveAll(filepath.Join(dir, sub)); err != nil {
			return fmt.Errorf("clearing %s: %w", sub, err)
		}
	}
	if err := writeImages(filepath.Join(dir, imagesDir)); err != nil {
		return err
	}
	return writeAudit(filepath.Join(dir, auditDir))
}

// The folders that generate owns.
const (
	imagesDir = "images"
	auditDir  = "audit"
)
