package oci

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// IsLayout reports whether dir holds the two files that make an OCI image
// layout: oci-layout and index.json.
func IsLayout(dir string) bool {
	for _, name := range []string{"oci-layout", "index.json"} {
		info, err := os.Lstat(filepath.Join(dir, name))
		if err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// layout reads every image of a layout (image-spec, image-layout.md) whose
// files are those of from.
func (r *reader) layout(from source) error {
	r.manifests, r.blobs = blobs{from}, blobs{from}
	index, err := readFile(from, "index.json", maxManifest)
	if err != nil {
		return err
	}
	if err := checkVersion(from); err != nil {
		return err
	}
	return r.index("index.json", index, inherited{}, 0)
}

// checkVersion refuses a layout of another major version, whose files may
// mean something else.
func checkVersion(from source) error {
	data, err := readFile(from, "oci-layout", maxManifest)
	if err != nil {
		return err
	}
	var layout struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(data, &layout); err != nil {
		return fmt.Errorf("oci-layout: %w", err)
	}
	if !strings.HasPrefix(layout.Version, "1.") {
		return fmt.Errorf("oci-layout: version %q is not read, only 1.x", layout.Version)
	}
	return nil
}
