package image

import (
	"context"
	"runtime"
	"sync"

	"github.com/scantling/scantling/oci"
)

// queue reads the layers of an image, as many at a time as there are
// processors, and hands them out in order. What is read ahead of the merge is
// no more than that, so an image over its bounds is not read to its end.
type queue struct {
	reader   *Reader
	ctx      context.Context
	cancel   context.CancelFunc
	layers   []oci.Layer
	readings []*reading // of layers; those that are the same layer share one
	begun    int
	group    sync.WaitGroup
}

// reading is one layer on its way.
type reading struct {
	done  chan struct{}
	facts *facts
	err   error
}

func (r *Reader) queue(ctx context.Context, layers []oci.Layer) *queue {
	q := &queue{reader: r, layers: layers, readings: make([]*reading, len(layers))}
	q.ctx, q.cancel = context.WithCancel(ctx)
	return q
}

// next waits for layer i. It is called once for each, in order.
func (q *queue) next(i int) (*facts, error) {
	for q.begun < min(i+runtime.GOMAXPROCS(0), len(q.layers)) {
		q.begin(q.begun)
		q.begun++
	}
	<-q.readings[i].done
	return q.readings[i].facts, q.readings[i].err
}

// begin starts reading layer i, unless it is one that came before.
func (q *queue) begin(i int) {
	layer := q.layers[i]
	for k, before := range q.layers[:i] {
		if hasDigest(layer) && before.DiffID == layer.DiffID && before.Digest == layer.Digest {
			q.readings[i] = q.readings[k]
			return
		}
	}
	one := &reading{done: make(chan struct{})}
	q.readings[i] = one
	q.group.Go(func() {
		defer close(one.done)
		one.facts, one.err = q.reader.layer(q.ctx, layer)
	})
}

// stop ends what is still being read, and waits for it.
func (q *queue) stop() {
	q.cancel()
	q.group.Wait()
}

// layer returns the facts of one layer. Several that ask for it at the same
// time wait for one reading of it. The error is that of the context.
func (r *Reader) layer(ctx context.Context, layer oci.Layer) (*facts, error) {
	if !hasDigest(layer) {
		return r.read(ctx, layer)
	}
	key := layer.DiffID + " " + layer.Digest
	for ctx.Err() == nil {
		own := false
		wait := r.flight.DoChan(key, func() (any, error) {
			own = true
			return r.known(ctx, key, layer)
		})
		select {
		case <-ctx.Done():
		case got := <-wait:
			f, _ := got.Val.(*facts)
			switch {
			case got.Err != nil: // the context of who read it ended, perhaps not this one
			case !f.whole && !own:
				return r.read(ctx, layer) // from another source than that which failed
			default:
				return f, nil
			}
		}
	}
	return nil, ctx.Err()
}

// known looks for the facts of a layer in memory, then with the keeper, and
// reads it where neither has them. What isn't true of the layer wherever it
// comes from is not remembered.
func (r *Reader) known(ctx context.Context, key string, layer oci.Layer) (*facts, error) {
	if f := r.cache.get(key); f != nil {
		return f, nil
	}
	f := r.recall(ctx, layer)
	if f == nil {
		var err error
		if f, err = r.read(ctx, layer); err != nil {
			return nil, err
		}
		r.remember(ctx, layer, f)
	}
	if f.whole {
		r.cache.put(key, f, maxCached)
	}
	return f, nil
}

// read reads a layer.
func (r *Reader) read(ctx context.Context, layer oci.Layer) (*facts, error) {
	lim := r.limits
	if lim == (limits{}) {
		lim = defaultLimits()
	}
	return readLayer(ctx, layer, lim, &r.heavy)
}

func (r *Reader) recall(ctx context.Context, layer oci.Layer) *facts {
	if r.Keeper == nil || r.trouble.Load() != nil {
		return nil
	}
	f, err := recall(ctx, r.Keeper, layer)
	r.lose(ctx, err)
	return f
}

func (r *Reader) remember(ctx context.Context, layer oci.Layer, f *facts) {
	if r.Keeper == nil || r.trouble.Load() != nil || !f.whole {
		return
	}
	r.lose(ctx, remember(ctx, r.Keeper, layer, f))
}

// lose keeps the first trouble with the keeper. An inventory never depends on
// it: what it doesn't have is read.
func (r *Reader) lose(ctx context.Context, err error) {
	if err != nil && ctx.Err() == nil {
		r.trouble.CompareAndSwap(nil, &err)
	}
}

// tell says what was lost.
func (r *Reader) tell() {
	if err := r.trouble.Load(); err != nil && r.Lost != nil {
		r.told.Do(func() { r.Lost(*err) })
	}
}
