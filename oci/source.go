package oci

import (
	"fmt"
	"io"
	"os"
	"regexp"
)

// source opens content by name and refuses content of another size than the
// stated one (negative: none stated). A folder and an archive go by paths;
// blobs, a registry and a root folder by digests. Nothing is verified here.
type source interface {
	open(name string, size int64) (io.ReadCloser, error)
}

// sha256Digest is the only digest form read here; the registered sha512 form
// is refused by name.
var sha256Digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// blobs finds digests in the files of an image layout.
type blobs struct{ files source }

func (b blobs) open(digest string, size int64) (io.ReadCloser, error) {
	if !sha256Digest.MatchString(digest) {
		return nil, fmt.Errorf("digest %q: only sha256 is read", digest)
	}
	return b.files.open("blobs/sha256/"+digest[len("sha256:"):], size)
}

// folder opens files below one folder. Every open goes through os.Root, so
// that no link inside the folder leads out of it.
type folder string

// open refuses anything but a regular file, before opening it: opening a
// named pipe would wait for ever.
func (f folder) open(name string, size int64) (io.ReadCloser, error) {
	root, err := os.OpenRoot(string(f))
	if err != nil {
		return nil, err
	}
	defer root.Close()
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case size >= 0 && info.Size() != size:
		return nil, otherSize(name, info.Size(), size)
	}
	return root.Open(name)
}

func otherSize(name string, have, want int64) error {
	return fmt.Errorf("%s has %d bytes where its descriptor says %d", name, have, want)
}

// readFile reads a whole file of at most limit bytes.
func readFile(from source, name string, limit int64) ([]byte, error) {
	file, err := from.open(name, -1)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readBounded(file, name, limit)
}

// readBlob reads a whole blob of at most limit bytes and verifies its digest.
func readBlob(from source, digest string, size, limit int64) ([]byte, error) {
	blob, err := from.open(digest, size)
	if err != nil {
		return nil, err
	}
	defer blob.Close()
	return readBounded(newVerifier(blob, digest), digest, limit)
}

// readBounded reads r to its end, or fails where it holds more than limit bytes.
func readBounded(r io.Reader, what string, limit int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", what, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("reading %s: more than %d bytes", what, limit)
	}
	return data, nil
}
