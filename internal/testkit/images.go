package testkit

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
)

// perImage is how many workloads share an image, w0's apart.
const perImage = 4

// imageOf is the image reference of a workload.
func (e Estate) imageOf(i int) string {
	if i == 0 {
		return "registry.example/w0:1"
	}
	return fmt.Sprintf("registry.example/app-%d:1", i/perImage)
}

// packages of a generated image; every seventh has an advisory that touches
// half of its versions.
const (
	packages = 40
	flawed   = 7
)

// images writes one layout an image: a base layer and an application layer,
// each with a Debian package database.
func (e Estate) images(dir string, r *rand.Rand, _ permission) error {
	for i := range e.Workloads {
		name := e.imageOf(i)
		if i > 1 && name == e.imageOf(i-1) {
			continue
		}
		// w0's image has the one weak package; the others' are drawn.
		var extra []string
		if i == 0 {
			extra = []string{stanza("weak", "1.0-1")}
		} else {
			for k := range packages {
				extra = append(extra, stanza(fmt.Sprintf("lib%d", k), fmt.Sprintf("1.%d-1", r.IntN(20))))
			}
		}
		base := layer(map[string]string{"etc/os-release": osRelease, "var/lib/dpkg/status": baseStatus})
		app := layer(map[string]string{"var/lib/dpkg/status": baseStatus + strings.Join(extra, ""), "srv/app": name})
		folder := strings.NewReplacer("/", "_", ":", "_").Replace(name)
		if err := layout(filepath.Join(dir, "images", folder), name, base, app); err != nil {
			return err
		}
	}
	return nil
}

const osRelease = "PRETTY_NAME=\"Debian GNU/Linux 11 (bullseye)\"\nVERSION_ID=\"11\"\nID=debian\n"

var baseStatus = stanza("base-files", "11.1") + stanza("libc6", "2.31-13")

func stanza(name, version string) string {
	return fmt.Sprintf("Package: %s\nStatus: install ok installed\nArchitecture: amd64\nVersion: %s\nDescription: generated\n\n", name, version)
}

// layer is an uncompressed tar of files with fixed order and times.
func layer(files map[string]string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		// Writing to memory fails only on a header that can't be encoded.
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(files[name])), Typeflag: tar.TypeReg}); err != nil {
			panic(err)
		}
		if _, err := w.Write([]byte(files[name])); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// layout writes an OCI image layout (image-spec, image-layout.md).
func layout(dir, name string, layers ...[]byte) error {
	type descriptor struct {
		MediaType   string            `json:"mediaType"`
		Digest      string            `json:"digest"`
		Size        int               `json:"size"`
		Annotations map[string]string `json:"annotations,omitempty"`
	}
	put := func(mediaType string, data []byte) (descriptor, error) {
		sum := sha256.Sum256(data)
		digest := hex.EncodeToString(sum[:])
		return descriptor{MediaType: mediaType, Digest: "sha256:" + digest, Size: len(data)}, write(dir, "blobs/sha256/"+digest, string(data))
	}
	putJSON := func(mediaType string, v any) (descriptor, error) {
		data, err := json.Marshal(v)
		if err != nil {
			return descriptor{}, err
		}
		return put(mediaType, data)
	}
	var below []descriptor
	var ids []string
	for _, l := range layers {
		d, err := put("application/vnd.oci.image.layer.v1.tar", l)
		if err != nil {
			return err
		}
		below, ids = append(below, d), append(ids, d.Digest)
	}
	config, err := putJSON("application/vnd.oci.image.config.v1+json", map[string]any{
		"architecture": "amd64", "os": "linux", "config": map[string]any{}, "rootfs": map[string]any{"type": "layers", "diff_ids": ids},
	})
	if err != nil {
		return err
	}
	manifest, err := putJSON("application/vnd.oci.image.manifest.v1+json", map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "config": config, "layers": below,
	})
	if err != nil {
		return err
	}
	manifest.Annotations = map[string]string{"org.opencontainers.image.ref.name": name}
	index, err := json.Marshal(map[string]any{"schemaVersion": 2, "manifests": []descriptor{manifest}})
	if err != nil {
		return err
	}
	if err := write(dir, "oci-layout", `{"imageLayoutVersion":"1.0.0"}`); err != nil {
		return err
	}
	return write(dir, "index.json", string(index))
}

// advisories writes a feed laid out like the public OSV bucket.
func (e Estate) advisories(dir string, _ *rand.Rand, _ permission) error {
	var epss strings.Builder
	epss.WriteString("#model_version:v2025.03.14,score_date:2026-08-25T00:00:00+0000\ncve,epss,percentile\n")
	record := func(id, cve, name, fixed string) error {
		text := fmt.Sprintf(recordJSON, id, cve, name, fixed)
		return write(dir, "advisories/Debian/"+id+".json", text)
	}
	for k := 0; k < packages; k += flawed {
		id, cve := fmt.Sprintf("DSA-9%03d-1", k), fmt.Sprintf("CVE-2026-9%03d", k)
		if err := record(id, cve, fmt.Sprintf("lib%d", k), "1.10-1"); err != nil {
			return err
		}
		fmt.Fprintf(&epss, "%s,0.%03d,0.5\n", cve, 5+k)
	}
	if !e.NoAdvisory {
		if err := record("DSA-9999-1", "CVE-2026-9999", "weak", "1.1-1"); err != nil {
			return err
		}
	}
	if err := write(dir, "advisories/epss/epss_scores-current.csv", epss.String()); err != nil {
		return err
	}
	if err := write(dir, "advisories/kev/known_exploited_vulnerabilities.json", kevJSON); err != nil {
		return err
	}
	return write(dir, "advisories/ecosystems.txt", "Debian\n")
}

const recordJSON = `{"id":"%s","modified":"2026-08-20T00:00:00Z","published":"2026-08-20T00:00:00Z","upstream":["%s"],"affected":[{"package":{"ecosystem":"Debian:11","name":"%s"},"ranges":[{"type":"ECOSYSTEM","events":[{"introduced":"0"},{"fixed":"%s"}]}]}]}`

const kevJSON = `{"title":"generated","catalogVersion":"2026.08.25","dateReleased":"2026-08-25T00:00:00Z","count":1,"vulnerabilities":[{"cveID":"CVE-2026-9999","vendorProject":"generated","product":"weak","vulnerabilityName":"weak","dateAdded":"2026-08-21","shortDescription":"generated","requiredAction":"upgrade","dueDate":"2026-09-11","knownRansomwareCampaignUse":"Unknown","notes":"","cwes":[]}]}`
