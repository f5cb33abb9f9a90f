package oci

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip" // about twice as fast as the standard library's
	"github.com/klauspost/compress/zstd"
)

// ErrDigest is what reading a blob ends with whose bytes are not those that
// its digest names.
var ErrDigest = errors.New("content does not match its digest")

// maxZstdWindow is the largest zstd window that is decoded, in bytes: what
// the format recommends decoders to support at the least is 8 MiB, long mode
// of the common tools uses up to 128 MiB.
const maxZstdWindow = 128 << 20

// Layer is one layer of an image.
type Layer struct {
	DiffID    string // digest of the uncompressed tar; of a root folder "root:" and its path
	Digest    string // digest of the blob as stored; "" where nothing states one
	MediaType string
	Size      int64 // of the blob as stored, in bytes; negative where nothing states one

	source source
}

// Open streams the uncompressed tar of the layer: gzip, zstd and plain, told
// apart by their first bytes as runtimes do. The stream ends with ErrDigest
// instead of io.EOF where the blob is not the one that the manifest names or
// the tar not the one that the configuration names, so a caller must read to
// the end before it trusts the content. The caller bounds how much it reads.
func (l Layer) Open() (io.ReadCloser, error) {
	if strings.Contains(l.MediaType, "encrypted") {
		return nil, fmt.Errorf("layer %s: it is encrypted (%s)", l.Digest, l.MediaType)
	}
	blob, err := l.source.open(l.Digest, l.Size)
	if err != nil {
		return nil, err
	}
	if _, made := l.source.(rootTar); made {
		return blob, nil // made on the spot: nothing to decompress, and no digest to hold it against
	}
	compressed := newVerifier(blob, l.Digest)
	plain, err := decompress(compressed)
	if err != nil {
		blob.Close()
		return nil, fmt.Errorf("layer %s: %w", l.Digest, err)
	}
	early := readAhead(plain)
	return &layerReader{plain: newVerifier(early, l.DiffID), early: early, compressed: compressed, decoder: plain, blob: blob}, nil
}

// layerReader reads the uncompressed stream. At its end it also reads what
// is left of the blob, so that the digest of all its bytes is checked.
type layerReader struct {
	plain      *verifier
	early      *ahead
	compressed *verifier
	decoder    io.ReadCloser
	blob       io.Closer
}

func (r *layerReader) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	if err == io.EOF {
		if _, drain := io.Copy(io.Discard, r.compressed); drain != nil {
			return n, drain
		}
	}
	return n, err
}

func (r *layerReader) Close() error {
	r.early.end()
	err := r.blob.Close()
	r.early.wait()
	return errors.Join(r.decoder.Close(), err)
}

// decompress looks at the magic number of the stream.
func decompress(r io.Reader) (io.ReadCloser, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	head, err := buffered.Peek(4)
	if err != nil && err != io.EOF {
		return nil, err
	}
	switch {
	case isGzip(head):
		return gzip.NewReader(buffered)
	case isZstd(head):
		decoder, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxZstdWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, err
		}
		return decoder.IOReadCloser(), nil
	}
	return io.NopCloser(buffered), nil
}

// verifier passes bytes through and compares their digest at the end, where
// there is one to compare with.
type verifier struct {
	r    io.Reader
	sum  hash.Hash
	want string
}

func newVerifier(r io.Reader, want string) *verifier {
	return &verifier{r: r, sum: sha256.New(), want: want}
}

func (v *verifier) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.sum.Write(p[:n])
	if err == io.EOF && v.want != "" {
		if got := "sha256:" + hex.EncodeToString(v.sum.Sum(nil)); got != v.want {
			return n, fmt.Errorf("%w: want %s, have %s", ErrDigest, v.want, got)
		}
	}
	return n, err
}
