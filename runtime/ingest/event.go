package ingest

import (
	"bytes"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// maxName bounds a name taken from an event, in bytes: usernames have no
// bound of their own, and they are repeated in every alert.
const maxName = 1024

// decoder turns the bytes of one record into an event. It is reused from
// record to record and not safe for concurrent use.
type decoder struct {
	parser *fastjson.Parser
	big    bool // the parser keeps the room of a large record
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
		return nil, "not an audit event: not a JSON object"
	case len(raw) > 0 && raw[0] == '{' && raw[len(raw)-1] != '}':
		return nil, "record is cut off: it does not end with a bracket"
	default:
		return nil, "record is not valid JSON"
	}
}

// isList reports whether a line holds a list of events.
func (d *decoder) isList(line []byte) bool {
	if !bytes.Contains(line, []byte(`"`+itemsKey+`"`)) {
		return false // most lines, at the cost of one search
	}
	v, why := d.parse(line)
	return why == "" && v.Get(itemsKey) != nil && v.Get(itemsKey).Type() == fastjson.TypeArray
}

// event decodes one record. why is set when it is no audit event.
func (d *decoder) event(raw []byte, cluster string) (ev model.Event, why string) {
	v, why := d.parse(raw)
	if why != "" {
		return ev, why
	}
	if why := notAudit(v); why != "" {
		return ev, why
	}
	return model.Event{
		Source: Kind,
		Time:   eventTime(v),
		Key:    str(v, "auditID"),
		Actor:  actor(v),
		Assets: assets(v, cluster),
		Raw:    bytes.Clone(raw),
	}, ""
}

// notAudit says why a document is no audit event, "" when it is one. Items of
// an EventList carry neither kind nor apiVersion, so that the audit id and the
// stage then have to tell.
func notAudit(v *fastjson.Value) string {
	version, kind := str(v, "apiVersion"), str(v, "kind")
	if kind != "" && kind != "Event" {
		return "not an audit event: kind " + printable(kind)
	}
	switch version {
	case "audit.k8s.io/v1", "audit.k8s.io/v1beta1":
		return ""
	case "":
		if str(v, "auditID") != "" && str(v, "stage") != "" {
			return ""
		}
		return "not an audit event: no audit.k8s.io version, no auditID and stage"
	default:
		return "not an audit event of a version that is known: apiVersion " + printable(version)
	}
}

// printable keeps short plain words and hides anything else.
func printable(s string) string {
	const plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789./-"
	if len(s) > 64 || strings.Trim(s, plain) != "" {
		return "(not shown)"
	}
	return s
}

func eventTime(v *fastjson.Value) time.Time {
	for _, field := range []string{"requestReceivedTimestamp", "stageTimestamp", "timestamp"} {
		if t, err := time.Parse(time.RFC3339Nano, str(v, field)); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}

// actor is the user whose rights decided on the request: the impersonated one
// where there is one, since authorization runs after impersonation.
func actor(v *fastjson.Value) string {
	if name := str(v, "impersonatedUser", "username"); name != "" {
		return name
	}
	return str(v, "user", "username")
}

// str returns the string at the path, clipped to maxName, or "".
func str(v *fastjson.Value, path ...string) string {
	b := v.GetStringBytes(path...)
	if len(b) > maxName {
		b = bytes.ToValidUTF8(b[:maxName], nil)
	}
	return string(b)
}
