package record

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// rewriter replaces what no two recordings share, by position.
type rewriter struct {
	names *strings.Replacer // generated names, real to scripted
	ids   map[string]string // identifiers, real to shipped, in order of appearance
}

func newRewriter(real map[string]string) *rewriter {
	scripted := make([]string, 0, len(real))
	for name := range real {
		scripted = append(scripted, name)
	}
	// The longest first: a pod's name begins with that of its owner.
	slices.SortFunc(scripted, func(a, b string) int {
		if d := len(real[b]) - len(real[a]); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var pairs []string
	for _, name := range scripted {
		pairs = append(pairs, real[name], name)
	}
	return &rewriter{strings.NewReplacer(pairs...), map[string]string{}}
}

// rewrite makes the lines of the shipped log of the events of the calls. Each
// request ends before the next one starts, so that the log is in the order of
// both its timestamps.
func (r *rewriter) rewrite(calls []call, events []event) ([]event, error) {
	out := make([]event, len(events))
	for i, c := range calls {
		next := logDay.Add(48 * time.Hour)
		if i+1 < len(calls) {
			next = calls[i+1].at
		}
		e, err := r.one(i, c, events[i], next)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c, err)
		}
		out[i] = e
	}
	return out, nil
}

func (r *rewriter) one(i int, c call, e event, next time.Time) (event, error) {
	e.AuditID = "" // it has the form of the identifiers below
	if e.ObjectRef.ResourceVersion != "" {
		e.ObjectRef.ResourceVersion = version(i)
	}
	e.RequestObject = dated(e.RequestObject, i, c.at)
	e.ResponseObject = dated(e.ResponseObject, i, c.at)
	for key := range e.Annotations {
		if strings.HasPrefix(key, "apiserver.latency.k8s.io/") {
			delete(e.Annotations, key) // how busy the machine was
		}
	}
	line, err := encode(e)
	if err != nil {
		return e, err
	}
	text := r.names.Replace(string(line))
	text = volume.ReplaceAllString(text, "kube-api-access-"+suffix("volume", i))
	text = identifier.ReplaceAllStringFunc(text, r.id)
	if e, err = decode([]byte(text)); err != nil {
		return e, err
	}
	latency := c.latency
	if latency == 0 {
		latency = time.Duration(1200+number("latency", i)%2600) * time.Microsecond
	}
	end := c.at.Add(latency)
	if !end.Before(next) {
		end = c.at.Add(next.Sub(c.at) / 2)
	}
	e.AuditID, e.SourceIPs = uuid("audit", i), []string{c.who.ip}
	e.RequestReceivedTimestamp, e.StageTimestamp = stamp(c.at), stamp(end)
	return e, nil
}

var (
	identifier = regexp.MustCompile(`\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	volume     = regexp.MustCompile(`\bkube-api-access-[a-z0-9]{5}\b`)
)

func (r *rewriter) id(real string) string {
	if r.ids[real] == "" {
		r.ids[real] = uuid("id", len(r.ids))
	}
	return r.ids[real]
}

// dated replaces times and resource versions in a body.
func dated(v any, i int, at time.Time) any {
	switch t := v.(type) {
	case map[string]any:
		for key, x := range t {
			if key == "resourceVersion" {
				t[key] = version(i)
				continue
			}
			t[key] = dated(x, i, at)
		}
	case []any:
		for k, x := range t {
			t[k] = dated(x, i, at)
		}
	case string:
		if _, err := time.Parse(time.RFC3339, t); err == nil {
			return at.Truncate(time.Second).Format(time.RFC3339)
		}
	}
	return v
}

// version is the resource version of the i-th event's object.
func version(i int) string { return strconv.Itoa(8840000 + 37*i) }

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000000Z") }
