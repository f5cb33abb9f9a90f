// Command shop writes the machine-made half of examples/shop that no machine
// is needed for: the image layouts under images/. The audit log beside them is
// recorded from a real API server (test/e2e/record).
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
	out := flag.String("out", filepath.Join("examples", "shop"), "folder that receives images/")
	flag.Parse()
	if err := generate(*out); err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

// imagesDir is the folder that generate owns.
const imagesDir = "images"

// generate replaces images/ under dir.
func generate(dir string) error {
	if err := os.RemoveAll(filepath.Join(dir, imagesDir)); err != nil {
		return fmt.Errorf("clearing %s: %w", imagesDir, err)
	}
	return writeImages(filepath.Join(dir, imagesDir))
}
