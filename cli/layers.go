package cli

import (
	"github.com/scantling/scantling/registry/image"
	"github.com/scantling/scantling/store"
)

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
