package ingest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/valyala/fastjson"
)

// maxName bounds a name taken from an event, in bytes: usernames have no
// bound of their own, and they are repeated in every alert.
const maxName = 1024

// decoder parses records. It is reused from record to record and not safe for
// concurrent use.
type decoder struct {
	parser *fastjson.Parser
	big    bool // the parser keeps the room of a large record
	lists  *lister
}

// parse returns the record's DOM, valid until the next call, or why there is none.
// The parser's own messages quote the record, which may hold a Secret's value:
// they are never passed on.
func (d *decoder) parse(raw []byte) (*fastjson.Value, string) {
	if len(raw) > maxValues { // fewer bytes can't hold more values
		n := bytes.Count(raw, []byte{','}) + bytes.Count(raw, []byte{'['}) + bytes.Count(raw, []byte{'{'})
		if n > maxValues {
			return nil, "record has too many values"
		}
	}
	if d.parser == nil || d.big {
		d.parser = new(fastjson.Parser)
	}
	d.big = len(raw) > MaxRecord/8
	v, err := d.parser.ParseBytes(raw)
	switch {
	case err == nil && v.Type() == fastjson.TypeObject:
		return v, ""
	case err == nil:
		return nil, "not a JSON object"
	case len(raw) > 0 && raw[0] == '{' && raw[len(raw)-1] != '}':
		return nil, "record is cut off: it does not end with a bracket"
	default:
		return nil, "record is not valid JSON"
	}
}

// isList reports whether a document holds a list of records.
func (d *decoder) isList(v *fastjson.Value) bool {
	if d.lists == nil {
		d.lists = newLister()
	}
	d.lists.found = false
	o, _ := v.Object()
	o.Visit(d.lists.member)
	return d.lists.found
}

// lister looks for a list of records among the members of an object.
type lister struct {
	member func(key []byte, v *fastjson.Value) // takes one; made once
	found  bool
}

func newLister() *lister {
	l := &lister{}
	l.member = func(key []byte, v *fastjson.Value) {
		for _, k := range listKeys {
			l.found = l.found || k == string(key) && v.Type() == fastjson.TypeArray
		}
	}
	return l
}

// printable keeps short plain words and hides anything else.
func printable(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-"
	if len(s) > 64 || strings.Trim(s, plain) != "" {
		return "(not shown)"
	}
	return s
}

// str returns the string at the path, clipped to maxName, or "".
func str(v *fastjson.Value, path ...string) string {
	if v == nil {
		return ""
	}
	return clip(v.GetStringBytes(path...))
}

func clip(b []byte) string {
	if len(b) > maxName {
		b = bytes.ToValidUTF8(b[:maxName], nil)
	}
	return string(b)
}

// has reports whether every path leads to a value of the type.
func has(v *fastjson.Value, kind fastjson.Type, keys ...string) bool {
	for _, key := range keys {
		if child := v.Get(key); child == nil || child.Type() != kind {
			return false
		}
	}
	return true
}

// instant is the first of several texts that is a time as RFC 3339 has it;
// zero when none is.
func instant(texts ...string) time.Time {
	for _, text := range texts {
		if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// instantAt is the time at a key of a record, as instant reads it.
func instantAt(v *fastjson.Value, key string) time.Time {
	text := v.GetStringBytes(key)
	var t time.Time
	if len(text) == 0 {
		return t
	}
	if err := t.UnmarshalText(text); err == nil {
		return t.UTC()
	}
	return instant(clip(text)) // a time that is less than strict
}

// object writes a record of another form as a JSON object. Bytes that are no
// UTF-8 become U+FFFD.
func object(v any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(fmt.Sprintf("a record of strings and numbers has no JSON: %v", err)) // a mistake of ours, never the log's
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
