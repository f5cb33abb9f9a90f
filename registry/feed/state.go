package feed

import (
	"context"
	"time"
)

// Bounds on a source.
const (
	maxRecord  = 16 << 20  // bytes of one record: the largest public ones have a few MiB
	maxRecords = 2 << 20   // records of one ecosystem: the largest public one has some 300,000
	maxArchive = 16 << 30  // uncompressed bytes of all.zip: the largest public one has some 10 GiB
	maxZip     = 2 << 30   // bytes of all.zip as stored: the largest public one has some 200 MiB
	maxList    = 128 << 20 // bytes of modified_id.csv: the largest public one has some 15 MiB
	maxCatalog = 64 << 20  // bytes of the KEV catalogue: it has about 2 MiB
	maxScores  = 256 << 20 // uncompressed bytes of the EPSS file: it has about 12 MiB
	maxNames   = 4096      // ecosystems of a source
	maxBroken  = 1000      // broken records that a state names one by one
)

// Bounds on a batch: what a kill may repeat, and what a keeper holds in memory.
const (
	batchBytes   = 4 << 20
	batchRecords = 1000
)

// Names of the two feeds that hold no advisories. Their one record is the
// whole file, decompressed, under the name of the feed.
const (
	KEV  = "kev"
	EPSS = "epss"
)

// Raw is one record as its source has it.
type Raw struct {
	ID       string
	Modified time.Time // as the source lists it; zero where it lists none
	Body     []byte
}

// Broken is a record that the source lists and that could not be fetched or
// understood. It is tried again by each sync.
type Broken struct {
	ID       string    `json:"id"`
	Modified time.Time `json:"modified"`
	Why      string    `json:"why"`
}

// Mark tells one content of a file from another: what the server says, or the
// size and time of a file on disk. The zero Mark is that of no content.
type Mark struct {
	ETag     string `json:"etag,omitempty"`
	Modified string `json:"modified,omitempty"` // Last-Modified, where there is no ETag
}

// State is what is known of one feed: an ecosystem, KEV or EPSS. The zero
// State is that of one that was never synced.
type State struct {
	Source  string    `json:"source"`           // of the last sync, without credentials
	Whole   string    `json:"whole,omitempty"`  // the source of the last whole sync
	Mark    Mark      `json:"mark"`             // of the list that all records are of; zero while a sync is under way
	Begun   time.Time `json:"begun"`            // of a sync that has not come to its end; else zero
	Synced  time.Time `json:"synced"`           // end of the last whole sync; zero: there was none
	Newest  time.Time `json:"newest"`           // latest time of the list; zero where it has none
	Listed  int       `json:"listed"`           // records that the source lists
	Pending int       `json:"pending"`          // of those, not yet fetched
	Broken  []Broken  `json:"broken,omitempty"` // sorted by id; at most 1000
	Failed  string    `json:"failed,omitempty"` // why the last sync did not come to its end

	Revision int64 `json:"-"` // the keeper's: another one than it has is that of another writer
}

// Batch is what is kept at once, whole or not at all.
type Batch struct {
	Feed    string // ecosystem without release, KEV or EPSS
	Records []Raw  // new, changed, or perhaps unchanged; no id twice
	Gone    []string
	State   State
}

// Kept is what came of a batch.
type Kept struct {
	State   State // as it was written: with what the keeper found broken
	New     int
	Changed int // what the record says, by the keeper's own measure
	Removed int
}

// Keeper keeps what a sync brings.
type Keeper interface {
	// State is that of one feed, as the last batch left it.
	State(ctx context.Context, feed string) (State, error)
	// Known lists the records of a feed with the times under which they were
	// listed when they came.
	Known(ctx context.Context, feed string) (map[string]time.Time, error)
	// Keep writes the records, removals and state of a batch, durably and
	// together. A record that can't be understood is added to the state's
	// broken ones, and what was kept under its id stays.
	Keep(ctx context.Context, b Batch) (Kept, error)
}
