package oci

import (
	"io"
	"sync"
)

// How far a layer is decompressed before it is asked for: enough to level out
// who is faster, and little memory.
const (
	aheadBlocks = 4
	aheadBlock  = 32 << 10 // bytes
)

var aheadPool = sync.Pool{New: func() any { return new([aheadBlock]byte) }}

// ahead reads a stream in a goroutine of its own, so that decompressing and
// what is done with the bytes take a processor each.
type ahead struct {
	filled chan block
	stop   chan struct{}
	ended  chan struct{} // closed when the stream isn't read any more
	now    block
	left   []byte // of now
}

// block is a part of the stream, and the error that comes behind it.
type block struct {
	data *[aheadBlock]byte
	n    int
	err  error
}

func readAhead(r io.Reader) *ahead {
	a := &ahead{filled: make(chan block, aheadBlocks), stop: make(chan struct{}), ended: make(chan struct{})}
	go a.fill(r)
	return a
}

func (a *ahead) fill(r io.Reader) {
	defer close(a.ended)
	for {
		b := block{data: aheadPool.Get().(*[aheadBlock]byte)}
		for b.n < aheadBlock && b.err == nil {
			var n int
			n, b.err = r.Read(b.data[b.n:])
			b.n += n
		}
		select {
		case a.filled <- b:
		case <-a.stop:
			aheadPool.Put(b.data)
			return
		}
		if b.err != nil {
			return
		}
	}
}

func (a *ahead) Read(p []byte) (int, error) {
	for len(a.left) == 0 {
		if a.now.err != nil {
			return 0, a.now.err
		}
		if a.now.data != nil {
			aheadPool.Put(a.now.data)
		}
		a.now = <-a.filled
		a.left = a.now.data[:a.now.n]
	}
	n := copy(p, a.left)
	a.left = a.left[n:]
	return n, nil
}

// end makes the reading end; wait waits for that. What the stream comes from
// may be closed in between, so that no read of it hangs.
func (a *ahead) end()  { close(a.stop) }
func (a *ahead) wait() { <-a.ended }
