package advisory

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
	"sync"
)

// packed is the first byte of a packed body: what follows is a meaning and the
// text as a stream of flate. The 33,422 records of a mirror have 54 MB as text
// and 22 MB so.
const packed = 1

// packers and unpackers are kept for the next record, because making one costs
// more than its use. Resetting an unpacker to bytes doesn't fail.
var (
	packers = sync.Pool{New: func() any {
		z, err := flate.NewWriter(nil, flate.DefaultCompression)
		if err != nil {
			panic(err) // of a wrong level alone
		}
		return z
	}}
	unpackers = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}
)

func pack(m meaning, text []byte) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteByte(packed)
	buf.Write(m[:])
	z := packers.Get().(*flate.Writer)
	defer packers.Put(z)
	z.Reset(&buf)
	if _, err := z.Write(text); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

func unpack(body []byte) (m meaning, text []byte, err error) {
	m, err = unpacking(body, func(r io.Reader) (err error) {
		text, err = readBounded(r, maxScores)
		return err
	})
	return m, text, err
}

// unpacking reads the text of a body without holding it as a whole.
func unpacking(body []byte, read func(text io.Reader) error) (meaning, error) {
	var m meaning
	if len(body) <= len(m) || body[0] != packed {
		return m, errors.New("it is not of this version")
	}
	copy(m[:], body[1:])
	z := unpackers.Get().(io.ReadCloser)
	defer unpackers.Put(z)
	if err := z.(flate.Resetter).Reset(bytes.NewReader(body[1+len(m):]), nil); err != nil {
		return m, err
	}
	return m, read(z)
}
