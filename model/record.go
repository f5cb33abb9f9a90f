package model

import "errors"

// Record is one thing that a part remembers from one run to the next. The
// part that writes it says what its bytes mean; the store keeps them.
type Record struct {
	Kind    string // sort of thing, in the words of its owner, as "layer-facts"; lower case, at most 64 bytes
	Key     string // unique among its kind: any bytes, at most 1,024; records are listed in the byte order of their keys
	Version int64  // the owner's: a format, a revision, microseconds since 1970
	Body    []byte // at most 512 MiB; may be empty
}

// Condition says when a Write may happen.
type Condition uint8

// The conditions of a Write.
const (
	Always    Condition = iota // whatever is there
	IfAbsent                   // no record has the key
	IfVersion                  // the record with the key has the version Was
)

// Write puts a record in the place of any with its kind and key, or deletes
// that one. Writes are handed over in batches that happen as a whole or not
// at all.
type Write struct {
	Record
	Delete bool // kind and key count, the rest of Record doesn't; deleting what is not there is no error
	If     Condition
	Was    int64
}

// ErrConflict is the error of a batch of which a condition didn't hold:
// somebody else wrote in between. Nothing of the batch happened.
var ErrConflict = errors.New("changed by another writer")
