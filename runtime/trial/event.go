package trial

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/rule"
	"github.com/scantling/scantling/runtime/ingest"
)

// step is one entry of a test's events.
type step struct {
	line  int
	log   string // kind
	event event  // of event, base and line
	file  string // of file, below the test file's folder

	at    time.Duration // after the start, or after the event before it
	after bool
	every time.Duration
	times int
	own   bool // the entry itself names the id of its request
	timed bool // the entry says when it happens
}

// event is a record before its time is known. It has one form.
type event struct {
	object map[string]any
	text   string
}

// clock is where the records of a kind hold their time and their id.
type clock struct {
	times []string // as RFC 3339
	id    string
}

// clocks are the kinds whose records get time and id by themselves.
var clocks = map[string]clock{
	ingest.Kind:         {[]string{"requestReceivedTimestamp", "stageTimestamp"}, "auditID"},
	"cloudtrail":        {[]string{"eventTime"}, "eventID"},
	"gcp-audit":         {[]string{"timestamp"}, "insertId"},
	"azure":             {[]string{"time"}, ""},
	"falco":             {[]string{"time"}, "uuid"},
	"tetragon":          {[]string{"time"}, ""},
	"docker-json":       {[]string{"time"}, ""},
	"kubernetes-events": {[]string{"lastTimestamp"}, ""},
}

// always are what an audit record has in any case. The level is the highest,
// so that what a test's event doesn't hold is not there, rather than not known.
var always = map[string]any{
	"apiVersion": "audit.k8s.io/v1", "kind": "Event", "stage": "ResponseComplete", "level": "RequestResponse",
}

// basesOf reads the named events.
func (p *parser) basesOf(v *yaml.Node) {
	if v.Kind != yaml.MappingNode {
		p.problem(v, "bases is a mapping of names to events")
		return
	}
	for i := 0; i+1 < len(v.Content); i += 2 {
		k := v.Content[i]
		if _, twice := p.file.bases[k.Value]; twice {
			p.problem(k, "base %q is given twice", k.Value)
			continue
		}
		p.file.bases[k.Value] = event{object: p.object(v.Content[i+1], "a base")}
	}
}

// object reads an event: a mapping, or JSON as text.
func (p *parser) object(n *yaml.Node, what string) map[string]any {
	if n.Kind == yaml.MappingNode {
		out, _ := p.value(n).(map[string]any)
		return out
	}
	var out map[string]any
	dec := json.NewDecoder(strings.NewReader(n.Value))
	dec.UseNumber()
	if n.Kind != yaml.ScalarNode || dec.Decode(&out) != nil || out == nil || dec.More() {
		p.problem(n, "%s is a mapping, or one JSON object as text", what)
	}
	return out
}

// value turns YAML into what encoding/json writes as the same value. Dates are
// text: JSON has no others.
func (p *parser) value(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			k := n.Content[i]
			if _, twice := out[k.Value]; twice || k.Kind != yaml.ScalarNode {
				p.problem(k, "key %q is given twice, or is no text", k.Value)
			}
			out[k.Value] = p.value(n.Content[i+1])
		}
		return out
	case yaml.SequenceNode:
		out := make([]any, 0, len(n.Content))
		for _, c := range n.Content {
			out = append(out, p.value(c))
		}
		return out
	}
	switch n.Tag {
	case "!!null":
		return nil
	case "!!bool":
		return n.Value == "true"
	case "!!int", "!!float":
		if json.Valid([]byte(n.Value)) {
			return json.Number(n.Value)
		}
		p.problem(n, "%s is no number that JSON can write: quote it, or write it in decimals", n.Value)
	}
	return n.Value
}

// step reads one entry of events.
func (p *parser) step(n *yaml.Node) step {
	s := step{line: n.Line, times: 1, after: true}
	base := ""
	var set, remove *yaml.Node
	seen := p.keys(n, "an event", map[string]func(*yaml.Node){
		"log":    func(v *yaml.Node) { s.log = p.kind(v) },
		"event":  func(v *yaml.Node) { s.event.object = p.object(v, "event") },
		"line":   func(v *yaml.Node) { s.event.text = p.line(v) },
		"file":   func(v *yaml.Node) { s.file = p.path(v) },
		"base":   func(v *yaml.Node) { base = p.text(v, "base") },
		"set":    func(v *yaml.Node) { set = v },
		"remove": func(v *yaml.Node) { remove = v },
		"at": func(v *yaml.Node) {
			s.after = strings.HasPrefix(v.Value, "+")
			s.at = p.duration(v, strings.TrimPrefix(v.Value, "+"), "at")
		},
		"every": func(v *yaml.Node) { s.every = p.duration(v, v.Value, "every") },
		"times": func(v *yaml.Node) { s.times = p.number(v, "times", 1, maxTimes) },
	})
	forms := 0
	for _, form := range []string{"event", "line", "file", "base"} {
		if seen[form] {
			forms++
		}
	}
	switch {
	case forms != 1 && n.Kind == yaml.MappingNode:
		p.problem(n, "an event is one of event, base, line and file")
	case seen["file"] && (seen["at"] || seen["every"] || seen["times"]):
		p.problem(n, "a file has times of its own: at, every and times are of use with other events")
	case seen["line"] && seen["at"] && !slices.ContainsFunc(marks, func(m string) bool { return strings.Contains(s.event.text, m) }):
		p.problem(n, "mark where the line has its time by {time}, {micros} or {nanos}")
	case seen["every"] != seen["times"]:
		p.problem(n, "every and times belong together")
	case (set != nil || remove != nil) && base == "":
		p.problem(n, "set and remove are changes of a base")
	}
	s.timed = seen["at"] || seen["every"]
	if base != "" {
		p.patched(&s, n, base, set, remove)
	}
	s.own = seen["event"] && s.times == 1 || s.own
	return s
}

// marks stand for the time in an event's text.
var marks = []string{"{time}", "{micros}", "{nanos}"}

func (p *parser) line(v *yaml.Node) string {
	text := p.text(v, "line")
	if strings.ContainsAny(text, "\r\n") {
		p.problem(v, "line is one line")
	}
	return text
}

// patched is a base with its changes: what is removed goes first.
func (p *parser) patched(s *step, at *yaml.Node, name string, set, remove *yaml.Node) {
	base, ok := p.base(at, name)
	if !ok {
		return
	}
	s.event.object = clone(base.object).(map[string]any)
	if remove != nil {
		p.each(remove, "remove", maxTests, func(n *yaml.Node) {
			if !cut(s.event.object, strings.Split(n.Value, ".")) {
				p.problem(n, "base %q has no %s to remove", name, n.Value)
			}
		})
	}
	if set == nil {
		return
	}
	if set.Kind != yaml.MappingNode {
		p.problem(set, "set is a mapping of fields to values")
		return
	}
	for i := 0; i+1 < len(set.Content); i += 2 {
		k := set.Content[i]
		if why := put(s.event.object, strings.Split(k.Value, "."), p.value(set.Content[i+1])); why != "" {
			p.problem(k, "%s can't be set: %s", k.Value, why)
		}
		if k.Value == "auditID" || k.Value == "eventID" || k.Value == "insertId" || k.Value == "uuid" {
			s.own = s.times == 1
		}
	}
}

// base finds a base: all are read before the tests.
func (p *parser) base(at *yaml.Node, name string) (event, bool) {
	base, ok := p.file.bases[name]
	if !ok {
		p.problem(at, "there is no base %q%s", name, suggest(name, p.file.bases))
	}
	return base, ok && base.object != nil
}

// maxDepth bounds paths: no record is read that is deeper.
const maxDepth = 300

// find follows the first keys of a path into an object: a key may hold dots
// itself, and the shortest that is there counts.
func find(o map[string]any, keys []string) (string, []string, bool) {
	for n := 1; n <= len(keys); n++ {
		key := strings.Join(keys[:n], ".")
		if _, ok := o[key]; ok {
			return key, keys[n:], true
		}
	}
	return keys[0], keys[1:], false
}

// put sets the value at a path, making objects on the way; a number is the
// place in a list, at most one past its end. It says why it can't.
func put(o map[string]any, keys []string, v any) string {
	if len(keys) > maxDepth {
		return "the path is too long"
	}
	key, rest, _ := find(o, keys)
	if key == "" {
		return "a name in the path is empty"
	}
	if len(rest) == 0 {
		o[key] = v
		return ""
	}
	child, why := below(o[key], rest, v)
	if why == "" {
		o[key] = child
	}
	return why
}

// below sets the value at a path into what stands under a key.
func below(child any, rest []string, v any) (any, string) {
	switch child := child.(type) {
	case nil:
		made := map[string]any{}
		return made, put(made, rest, v)
	case map[string]any:
		return child, put(child, rest, v)
	case []any:
		i, err := strconv.Atoi(rest[0])
		if err != nil || i < 0 || i > len(child) {
			return nil, fmt.Sprintf("%q is no place in a list of %d", rest[0], len(child))
		}
		if i == len(child) {
			child = append(child, nil)
		}
		if len(rest) == 1 {
			child[i] = v
			return child, ""
		}
		item, why := below(child[i], rest[1:], v)
		child[i] = item
		return child, why
	}
	return nil, "there is a value on the way"
}

// cut removes what is at a path; it reports whether something was.
func cut(o map[string]any, keys []string) bool {
	key, rest, ok := find(o, keys)
	if !ok {
		return false
	}
	if len(rest) == 0 {
		delete(o, key)
		return true
	}
	for child := o[key]; ; {
		switch c := child.(type) {
		case map[string]any:
			return cut(c, rest)
		case []any:
			i, err := strconv.Atoi(rest[0])
			if err != nil || i < 0 || i >= len(c) || len(rest) == 1 {
				return false // a list's items move when one goes: set the list
			}
			child, rest = c[i], rest[1:]
		default:
			return false
		}
	}
}

func clone(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := maps.Clone(v)
		for k := range out {
			out[k] = clone(out[k])
		}
		return out
	case []any:
		out := slices.Clone(v)
		for i := range out {
			out[i] = clone(out[i])
		}
		return out
	}
	return v
}

// record writes a repeat of a step that happens at a time. id tells it from
// every other record of the test.
func (s step) record(file string, t time.Time, id string) ([]byte, error) {
	stamp := t.Format("2006-01-02T15:04:05.000000Z")
	fill := strings.NewReplacer("{time}", stamp, "{micros}", strconv.FormatInt(t.UnixMicro(), 10), "{nanos}", strconv.FormatInt(t.UnixNano(), 10))
	if s.event.object == nil {
		return []byte(fill.Replace(s.event.text)), nil
	}
	o := clone(s.event.object).(map[string]any)
	if s.log == ingest.Kind {
		for k, v := range always {
			if _, there := o[k]; !there {
				o[k] = v
			}
		}
	}
	c, known := clocks[s.log]
	for _, key := range c.times {
		o[key] = stamp
	}
	if given, _ := o[c.id].(string); c.id != "" && (!s.own || given == "") {
		o[c.id] = strings.TrimPrefix(given+"-"+id, "-")
	}
	text, err := json.Marshal(o)
	if err != nil {
		return nil, &rule.Problem{File: file, Line: s.line, Text: "the event has no JSON: " + err.Error()}
	}
	out := fill.Replace(string(text))
	if s.timed && !known && out == string(text) {
		return nil, &rule.Problem{File: file, Line: s.line, Text: "where " + s.log + " has its time is not known: mark it by {time}, {micros} or {nanos}"}
	}
	return []byte(out), nil
}
