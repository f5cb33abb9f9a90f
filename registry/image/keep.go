package image

import (
	"context"
	"fmt"
	"strings"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/oci"
)

// Keeper remembers the facts of layers from one run to the next. It is called
// from several goroutines.
type Keeper interface {
	Get(ctx context.Context, kind, key string) (model.Record, bool, error)
	Apply(ctx context.Context, writes []model.Write) error // as a whole or not at all
}

// Kinds of record.
//
// The facts of a layer are those of its DiffID: whatever blob it is stored as,
// its content is the same. That a blob holds the layer which a configuration
// says is another thing, and an image that pairs a blob with the DiffID of
// some other layer must not get the facts of that one. So each pair that was
// read to the end with both digests right is a record of its own, and facts
// are only taken for a blob whose pair is there. A layer of which nothing
// states a blob's digest is named by its DiffID alone, as its image is.
const (
	kindFacts = "layer-facts" // key: extractorVersion, blank, DiffID; body: see codec.go
	kindBlob  = "layer-blob"  // key: digest of the blob, blank, DiffID; no body
)

// hasDigest reports whether the name of a layer says what it holds. That of a
// root folder doesn't: the folder may change, so it is never remembered.
func hasDigest(layer oci.Layer) bool {
	return strings.HasPrefix(layer.DiffID, "sha256:")
}

func factsKey(version int, diffID string) string { return fmt.Sprintf("%d %s", version, diffID) }

// blobKey names the pair of a layer; "" where the layer is its own proof: no
// blob's digest is stated, or the blob is the uncompressed layer.
func blobKey(layer oci.Layer) string {
	if layer.Digest == "" || layer.Digest == layer.DiffID {
		return ""
	}
	return layer.Digest + " " + layer.DiffID
}

// recall returns the facts that the keeper has of a layer; nil where it has
// none, or a damaged record: the layer is then read, and the record written
// anew. The error is that of the keeper.
func recall(ctx context.Context, keeper Keeper, layer oci.Layer) (*facts, error) {
	if key := blobKey(layer); key != "" {
		if _, ok, err := keeper.Get(ctx, kindBlob, key); err != nil || !ok {
			return nil, err
		}
	}
	key := factsKey(extractorVersion, layer.DiffID)
	record, ok, err := keeper.Get(ctx, kindFacts, key)
	if err != nil || !ok {
		return nil, err
	}
	f, err := decodeFacts(key, record.Body)
	if err != nil {
		return nil, nil
	}
	return f, nil
}

// remember writes the facts of a layer that was read to its end. Those of
// earlier extractors go.
func remember(ctx context.Context, keeper Keeper, layer oci.Layer, f *facts) error {
	key := factsKey(extractorVersion, layer.DiffID)
	body, err := encodeFacts(key, f)
	if err != nil {
		return nil // larger than a record may be: it is read again each time
	}
	writes := []model.Write{{Record: model.Record{Kind: kindFacts, Key: key, Version: codecVersion, Body: body}}}
	if key := blobKey(layer); key != "" {
		writes = append(writes, model.Write{Record: model.Record{Kind: kindBlob, Key: key, Version: codecVersion}})
	}
	for v := 1; v < extractorVersion; v++ {
		writes = append(writes, model.Write{Record: model.Record{Kind: kindFacts, Key: factsKey(v, layer.DiffID)}, Delete: true})
	}
	return keeper.Apply(ctx, writes)
}
