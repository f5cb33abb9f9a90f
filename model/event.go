package model

import "time"

// Event is one normalised log record. What a record doesn't say is zero.
//
// Raw is the record as one JSON object, the form that rules read. It is what
// was received where that is such an object already; else Original is.
type Event struct {
	Source   string    `json:"source"` // kind of log, as "kubernetes-audit"
	Stream   string    `json:"stream"` // file or stream name
	Index    int       `json:"index"`  // non-blank record number in the stream, from 0, malformed ones counted
	Time     time.Time `json:"time"`   // when it happened
	Received time.Time `json:"received,omitzero"`

	// Late is how far Time lies behind Received, or where that is unknown
	// behind the newest event before it in the stream.
	Late time.Duration `json:"late,omitempty"`

	Key       string  `json:"key,omitempty"`       // correlates records of one action: the audit id
	Actor     string  `json:"actor,omitempty"`     // who acted, in the log's own words
	Identity  Ref     `json:"identity,omitzero"`   // who acted, as an asset
	Action    string  `json:"action,omitempty"`    // what was done: "create pods/exec", "RunInstances"
	Address   string  `json:"address,omitempty"`   // whence: an IP address, or the name of a service
	Host      string  `json:"host,omitempty"`      // machine that wrote the record, as it names itself
	Container string  `json:"container,omitempty"` // id of the container
	Assets    []Ref   `json:"assets,omitempty"`
	Signal    *Signal `json:"signal,omitempty"` // of records that are alerts already

	Raw      []byte `json:"-"`
	Original []byte `json:"-"`
}

// Signal is what another detector says of an event.
type Signal struct {
	Rule   string   `json:"rule"` // its own name for what it saw
	Level  Severity `json:"level"`
	Attack []string `json:"attack,omitempty"` // ATT&CK ids, sorted
}

// Alert is one detection on one or more events. Its JSON is the line that
// `detect run` prints.
type Alert struct {
	Schema int               `json:"schema"`
	ID     string            `json:"id"`
	Rule   string            `json:"rule"`
	Title  string            `json:"title"`
	Level  Severity          `json:"level"`
	Time   time.Time         `json:"time"`
	Source string            `json:"source"` // the file or stream
	Index  int               `json:"index"`
	Assets []Ref             `json:"assets"`
	Attack []string          `json:"attack"`
	Fields map[string]string `json:"fields"`

	// Context is what the estate knew of the assets; nil where nobody asked.
	Context *Context `json:"context,omitempty"`
}
