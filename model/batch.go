package model

import "time"

// Batch is what a log keeps as one: records of one stream that came in
// together, in their order.
type Batch struct {
	// ID is the batch's own, whoever sends it again: a log that has it already
	// acknowledges and keeps one. Empty: never the same as another.
	ID string

	Kind     string    // of log, as Event.Source; empty: the records tell
	Stream   string    // file or stream name, as Event.Stream
	Index    int       // of the first record, as Event.Index
	Key      string    // what has one key stays in order, in one partition; empty: Stream
	Received time.Time // when the batch came in
	Records  [][]byte  // as received, without the ends of lines

	// Partition and Sequence say where a log keeps the batch, and are the
	// log's to set. Sequences of one partition begin with 1 and rise.
	Partition int
	Sequence  uint64
}
