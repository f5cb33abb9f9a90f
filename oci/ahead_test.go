package oci

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

// TestAhead: the bytes and the error come as they would without it, whatever
// pieces they are read in.
func TestAhead(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	trouble := errors.New("the line is cut")
	for _, size := range []int{0, 1, aheadBlock - 1, aheadBlock, aheadBlock + 1, (aheadBlocks+3)*aheadBlock + 5} {
		data := make([]byte, size)
		for i := range data {
			data[i] = byte(rng.Uint32())
		}
		for name, wrap := range map[string]func(io.Reader) io.Reader{"as it is": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "error with data": iotest.DataErrReader} {
			for _, want := range []error{nil, trouble} {
				source := wrap(bytes.NewReader(data))
				if want != nil {
					source = io.MultiReader(source, iotest.ErrReader(want))
				}
				a := readAhead(source)
				got, err := io.ReadAll(iotest.HalfReader(a))
				if !bytes.Equal(got, data) || !errors.Is(err, want) {
					t.Errorf("%d bytes, %s: %d bytes and error %v, want %v", size, name, len(got), err, want)
				}
				if _, again := a.Read(make([]byte, 1)); (want == nil && again != io.EOF) || (want != nil && again != want) {
					t.Errorf("%d bytes, %s: the error doesn't stay: %v", size, name, again)
				}
				a.end()
				a.wait()
			}
		}
	}
}

// zeros is a stream without end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// TestAheadEnds where nobody reads any more, and where the stream hangs until
// it is closed.
func TestAheadEnds(t *testing.T) {
	a := readAhead(zeros{})
	a.end()
	a.wait()

	r, w := io.Pipe()
	b := readAhead(r)
	b.end()
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	b.wait()
}
