package model

import "time"

// Event is one normalised log record. Raw is kept as it was received.
type Event struct {
	Source   string    `json:"source"` // kind of log, as "kubernetes-audit"
	Stream   string    `json:"stream"` // file or stream name
	Index    int       `json:"index"`  // non-blank record number in the stream, from 0, malformed ones counted
	Time     time.Time `json:"time"`   // when it happened
	Received time.Time `json:"received,omitzero"`
	Key      string    `json:"key,omitempty"` // correlates records of one action: the audit id
	Actor    string    `json:"actor,omitempty"`
	Assets   []Ref     `json:"assets,omitempty"`
	Raw      []byte    `json:"-"`
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
}
