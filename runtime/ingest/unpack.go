package ingest

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"github.com/klauspost/compress/zstd"
)

const (
	// maxUnzipped bounds what one compressed stream may unfold to. It is far
	// above any day's audit log.
	maxUnzipped = 64 << 30
	// maxRatio bounds how much smaller than its contents a stream may be, once
	// more than freeUnzipped came out of it. Audit logs are packed to a
	// fifteenth or twentieth; a bomb of gzip to a thousandth, of zstd to less.
	maxRatio     = 200
	freeUnzipped = 1 << 30
	// maxWindow is the largest window of zstd that is decoded, in bytes:
	// `zstd --long=27` makes such.
	maxWindow = 128 << 20
)

// limits bounds what is unpacked of one stream.
type limits struct {
	total, free int64
}

// unpack returns the contents of a stream that may be packed by gzip or zstd,
// told by its first bytes. done frees what it holds.
func unpack(br *bufio.Reader, bound limits) (out *bufio.Reader, done func(), err error) {
	done = func() {}
	magic, _ := br.Peek(4)
	counted := &countedReader{r: br}
	var unpacked io.Reader
	switch {
	case bytes.HasPrefix(magic, []byte{0x1f, 0x8b}):
		zr, err := gzip.NewReader(counted)
		if err != nil {
			return nil, done, fmt.Errorf("gzip header: %w", err)
		}
		unpacked = zr
	case bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		zr, err := zstd.NewReader(counted, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, done, fmt.Errorf("zstd header: %w", err)
		}
		unpacked, done = zr, zr.Close
	default:
		return br, done, nil
	}
	return bufio.NewReaderSize(&boundedReader{r: unpacked, packed: counted, bound: bound}, peekSize), done, nil
}

// countedReader counts the bytes that are read through it.
type countedReader struct {
	r io.Reader
	n int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// boundedReader fails, instead of ending, when more comes than its bounds allow.
type boundedReader struct {
	r      io.Reader
	packed *countedReader
	bound  limits
	n      int64
}

func (b *boundedReader) Read(p []byte) (int, error) {
	if b.n >= b.bound.total {
		return 0, errors.New("unpacks to more than is read of one log")
	}
	if b.n > b.bound.free && b.n/maxRatio > b.packed.n {
		return 0, fmt.Errorf("unpacks to more than %d times its size", maxRatio)
	}
	n, err := b.r.Read(p)
	b.n += int64(n)
	return n, err
}
