package cli

import (
	"context"
	"runtime/debug"

	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/store"
)

// layersKept opens the store of layers where there is one: image and assess
// use what is remembered and make no data folder. Trouble with it is talk.
func (a *app) layersKept(ctx context.Context) *store.Store {
	data, err := a.openDataIfAny(ctx)
	if err != nil {
		a.say("layers are read anew and not remembered: %v", err)
		return nil
	}
	return data
}

// sparing leaves the collector half of the room that it takes by default: a
// scan of images makes much garbage and keeps little. That costs a tenth of the
// processor time and saves as much of the memory. What the user says counts.
func (a *app) sparing() {
	if a.Env("GOGC") == "" {
		debug.SetGCPercent(50)
	}
}

// imageReader makes the reader of images, which calls step behind each layer.
// It remembers layers in data, the store of the data folder; without one (nil)
// it reads each layer in every run. Trouble with the store costs time and
// nothing of the result, so it is talk.
func (a *app) imageReader(step func(), data *store.Store) *image.Reader {
	r := &image.Reader{Layer: step}
	if data != nil {
		r.Keeper = data
		r.Lost = func(err error) { a.say("layers are read anew and not remembered: %v", err) }
	}
	return r
}
