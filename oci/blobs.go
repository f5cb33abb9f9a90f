package oci

import (
	"fmt"
	"io"
	"os"
	"regexp"
)

// blobs reads the content-addressed files of one layout. Every open goes
// through os.Root, so that no link inside the folder leads out of it.
type blobs struct{ dir string }

// sha256Digest is the only digest form read here; the registered sha512 form
// is refused by name.
var sha256Digest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)

// open opens the blob of a digest and compares its size with the stated one
// (negative: none stated).
func (b blobs) open(digest string, size int64) (io.ReadCloser, error) {
	if !sha256Digest.MatchString(digest) {
		return nil, fmt.Errorf("digest %q: only sha256 is read", digest)
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return nil, err
	}
	defer root.Close()
	return openRegular(root, "blobs/sha256/"+digest[len("sha256:"):], size)
}

// openRegular refuses anything but a regular file, before opening it: opening
// a named pipe would wait for ever.
func openRegular(root *os.Root, name string, size int64) (io.ReadCloser, error) {
	info, err := root.Stat(name)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", name)
	case size >= 0 && info.Size() != size:
		return nil, fmt.Errorf("%s has %d bytes where its descriptor says %d", name, info.Size(), size)
	}
	return root.Open(name)
}

// readBlob reads a whole blob of at most limit bytes and verifies its digest.
func (b blobs) read(digest string, size, limit int64) ([]byte, error) {
	blob, err := b.open(digest, size)
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
