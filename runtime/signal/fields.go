package signal

import (
	"bytes"
	"cmp"
	"hash/maphash"
	"maps"
	"slices"
	"strings"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// EnoughEvents is how many events of a kind have to be seen before a field
// that none of them had is worth a word.
const EnoughEvents = 1000

// maxActions bounds the actions of a kind that are sampled apart.
const maxActions = 4096

// anything are the parts of records that hold whatever a request or program
// puts there: a field below one that was seen may yet come.
var anything = map[string][]string{
	ingest.Kind:         {"requestObject", "responseObject", "annotations", "user", "responseStatus", "objectRef"},
	"cloudtrail":        {"requestParameters", "responseElements", "userIdentity"},
	"gcp-audit":         {"protoPayload", "data", "labels", "resource"},
	"azure-activity":    {"properties", "claims", "authorization", "identity"},
	"azure-diagnostics": {"properties"},
	"falco":             {"output_fields"},
	"tetragon":          {"process_exec", "process_kprobe", "process_exit", "process_tracepoint"},
	"tracee":            {"args", "data"},
	"otlp":              {"attributes", "resource", "body"},
	"journald":          {""},
	"syslog":            {""},
	"cri":               {""},
	"docker-json":       {""},
	"kubernetes-events": {"involvedObject", "regarding", "series", "related"},
	"docker-events":     {"Actor", "actor"},
	"containerd-events": {"event"},
}

// rare are fields that only some requests have: none may come for long, and
// nothing is wrong.
var rare = map[string][]string{
	ingest.Kind:  {"impersonatedUser", "authenticationMetadata"},
	"cloudtrail": {"errorCode", "errorMessage", "additionalEventData", "serviceEventDetails", "vpcEndpointId", "resources", "sessionCredentialFromConsole"},
	"falco":      {"tags"},
}

// Fields finds the fields that rules name and no event has. It is not safe for
// concurrent use.
type Fields struct {
	prog   *detect.Program
	kinds  map[string]*kindFields
	parser fastjson.Parser
}

type kindFields struct {
	rules   map[string][]string // by field: the ids of rules that name it
	missing map[string]path     // the fields not seen yet
	events  int
	actions map[uint64]int // events by a hash of their action

	top    map[string]bool // keys of the record at hand
	dotted bool            // one of them holds a dot
}

// path is how a field is reached: keys[i][n] joins the n+1 keys from the i-th
// on, as a key may hold dots.
type path struct {
	keys [][]string
	open [][]string // of the part that may hold anything; nil: none
}

func newPath(name string) [][]string {
	words := strings.Split(name, ".")
	out := make([][]string, len(words))
	for i := range words {
		for n := i + 1; n <= len(words); n++ {
			out[i] = append(out[i], strings.Join(words[i:n], "."))
		}
	}
	return out
}

// Never is a field that rules name and no event of a kind had.
type Never struct {
	Kind   string
	Field  string
	Events int      // of the kind
	Rules  []string // that name it, sorted
	Dead   []string // of those, the ones that can match no event that has none of the missing fields
}

// NewFields begins to look for the fields of a program's rules.
func NewFields(prog *detect.Program) *Fields {
	f := &Fields{prog: prog, kinds: map[string]*kindFields{}}
	for _, r := range prog.Rules() {
		for _, kind := range r.Kinds {
			k := f.kinds[kind]
			if k == nil {
				k = &kindFields{rules: map[string][]string{}, missing: map[string]path{}, actions: map[uint64]int{}, top: map[string]bool{}}
				f.kinds[kind] = k
			}
			for _, field := range prog.Fields(r.ID) {
				k.rules[field] = append(k.rules[field], r.ID)
				if below(rare[kind], field) == "" && !strings.Contains(field, "*") { // which stands for any key
					k.missing[field] = path{newPath(field), open(kind, field)}
				}
			}
		}
	}
	return f
}

// Add takes one event. Of each action the first events are looked at, and then
// a sample, until every field was seen.
func (f *Fields) Add(ev model.Event) {
	k := f.kinds[ev.Source]
	if !k.wants(len(ev.Raw)) || !k.samples(maphash.String(hashSeed, ev.Action)) {
		return
	}
	if doc, err := f.parser.ParseBytes(ev.Raw); err == nil { // else ingest has named it
		k.look(doc)
	}
}

// AddRecord is Add of a record, of which no event is made.
func (f *Fields) AddRecord(rec *ingest.Record) {
	doc := rec.Document()
	if doc == nil {
		f.Add(rec.Event())
		return
	}
	if k := f.kinds[rec.Source()]; k.wants(len(rec.Raw())) && k.samples(actionOf(doc)) {
		k.look(doc)
	}
}

var hashSeed = maphash.MakeSeed()

// actionOf is a hash of what tells most of the actions of a record apart.
func actionOf(doc *fastjson.Value) uint64 {
	var hash maphash.Hash
	hash.SetSeed(hashSeed)
	ref := doc.Get("objectRef")
	for _, part := range [][]byte{
		doc.GetStringBytes("verb"), ref.GetStringBytes("resource"), ref.GetStringBytes("subresource"),
		doc.GetStringBytes("eventSource"), doc.GetStringBytes("eventName"), doc.GetStringBytes("operationName"), doc.GetStringBytes("protoPayload", "methodName"),
	} {
		hash.Write(part)
		hash.WriteByte(0)
	}
	return hash.Sum64()
}

// wants counts one event, and reports whether one of that many bytes is to be
// looked at.
func (k *kindFields) wants(size int) bool {
	if k == nil {
		return false
	}
	k.events++
	return len(k.missing) > 0 && size <= maxRecord
}

// samples counts one event of an action, and reports whether it is of the sample.
func (k *kindFields) samples(action uint64) bool {
	if _, known := k.actions[action]; !known && len(k.actions) >= maxActions {
		action = 0
	}
	n := k.actions[action]
	k.actions[action]++
	return sampled(n)
}

// look takes the fields out that a record has. Of most not even the first key
// is there.
func (k *kindFields) look(doc *fastjson.Value) {
	clear(k.top)
	k.dotted = false
	doc.GetObject().Visit(func(key []byte, _ *fastjson.Value) {
		k.top[string(key)] = true
		k.dotted = k.dotted || bytes.IndexByte(key, '.') >= 0
	})
	for field, p := range k.missing {
		if !k.dotted && !k.top[p.keys[0][0]] && (p.open == nil || len(p.open) > 0) {
			continue
		}
		if leads(doc, p.keys) || leads(doc, p.open) {
			delete(k.missing, field)
		}
	}
}

// open is the part of a record that may hold the field and anything else; nil
// where there is none.
func open(kind, field string) [][]string {
	if slices.Contains(anything[kind], "") {
		return [][]string{}
	}
	if part := below(anything[kind], field); part != "" {
		return newPath(part)
	}
	return nil
}

// below is the part that a field is, or stands below; "" where there is none.
func below(parts []string, field string) string {
	for _, part := range parts {
		if field == part || strings.HasPrefix(field, part+".") {
			return part
		}
	}
	return ""
}

// leads reports whether a path leads to a value, as rules read it: a key may
// hold dots itself, and of a list any item will do. A nil path leads nowhere.
func leads(v *fastjson.Value, keys [][]string) bool {
	if keys == nil {
		return false
	}
	if v.Type() == fastjson.TypeArray {
		items, _ := v.Array()
		return slices.ContainsFunc(items, func(item *fastjson.Value) bool { return leads(item, keys) })
	}
	if len(keys) == 0 {
		return v.Type() != fastjson.TypeNull
	}
	for n, key := range keys[0] {
		if child := v.Get(key); child != nil && leads(child, keys[n+1:]) {
			return true
		}
	}
	return false
}

// Never lists the fields that were not seen in enough events, sorted by kind
// and field. A rule is dead there when nothing else can make it match.
func (f *Fields) Never(enough int) []Never {
	var out []Never
	for _, kind := range slices.Sorted(maps.Keys(f.kinds)) {
		k := f.kinds[kind]
		if k.events < enough {
			continue
		}
		absent := func(field string) bool { _, missing := k.missing[field]; return missing }
		for _, field := range slices.Sorted(maps.Keys(k.missing)) {
			n := Never{Kind: kind, Field: field, Events: k.events, Rules: k.rules[field]}
			for _, id := range n.Rules {
				if !f.prog.CanMatch(id, absent) {
					n.Dead = append(n.Dead, id)
				}
			}
			out = append(out, n)
		}
	}
	slices.SortFunc(out, func(a, b Never) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Field, b.Field))
	})
	return out
}
