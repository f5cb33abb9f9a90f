package ingest

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// containerdFormat is what containerd tells: lines of `ctr events`
// ("DATE TIME +0000 UTC NAMESPACE TOPIC {…}") and of `crictl events`, which are
// ContainerEventResponse of the CRI's API in JSON.
var containerdFormat = format{
	name: "containerd-events",
	json: func(v *fastjson.Value) bool {
		return has(v, fastjson.TypeString, "containerId", "containerEventType") || has(v, fastjson.TypeString, "namespace", "topic") && v.Exists("event") && v.Exists("timestamp")
	},
	text: func(line []byte) bool { _, why := ctrLine(line); return why == "" },
	open: func() reader { return decode(containerdRecord) },
}

// ctrEvent is the JSON form of a line of ctr.
type ctrEvent struct {
	Timestamp string          `json:"timestamp"`
	Namespace string          `json:"namespace"`
	Topic     string          `json:"topic"`
	Event     json.RawMessage `json:"event"`
}

func ctrLine(line []byte) (ev ctrEvent, why string) {
	words := bytes.SplitN(line, []byte(" "), 7)
	if len(words) != 7 || len(words[5]) == 0 || words[5][0] != '/' {
		return ev, "not a line of ctr events: no time, namespace, topic and event"
	}
	at, err := time.Parse("2006-01-02 15:04:05.999999999 -0700", string(bytes.Join(words[:3], []byte(" "))))
	switch {
	case err != nil:
		return ev, "not a line of ctr events: it does not begin with a time"
	case !json.Valid(words[6]):
		return ev, "event is not valid JSON"
	}
	return ctrEvent{
		Timestamp: at.UTC().Format(time.RFC3339Nano), Namespace: clip(words[4]), Topic: clip(words[5]), Event: words[6],
	}, ""
}

func containerdRecord(s *stream, r record) (model.Event, string) {
	if r.doc == nil {
		line, why := ctrLine(r.raw)
		if why != "" {
			return model.Event{}, why
		}
		raw := object(line)
		v, why := new(decoder).parse(raw)
		if why != "" {
			return model.Event{}, "event: " + strings.TrimPrefix(why, "record ")
		}
		ev := topicEvent(v)
		ev.Raw, ev.Original = raw, bytes.Clone(r.raw)
		return ev, ""
	}
	if str(r.doc, "topic") != "" {
		return topicEvent(r.doc), ""
	}
	if str(r.doc, "containerEventType") == "" {
		return model.Event{}, "not an event of containerd: no topic and no containerEventType"
	}
	return crictlEvent(r.doc, s.cfg.cluster()), ""
}

// topicEvent is an event of containerd itself: its container is event.id of
// /containers/…, event.container_id of /tasks/….
func topicEvent(v *fastjson.Value) model.Event {
	topic := str(v, "topic")
	ev := model.Event{Source: "containerd-events", Time: instant(str(v, "timestamp")), Action: strings.TrimPrefix(topic, "/")}
	switch {
	case strings.HasPrefix(topic, "/tasks/"):
		ev.Container = str(v, "event", "container_id")
	case strings.HasPrefix(topic, "/containers/"):
		ev.Container = str(v, "event", "id")
	}
	return ev
}

func crictlEvent(v *fastjson.Value, cluster string) model.Event {
	meta := v.Get("podSandboxStatus", "metadata")
	ev := model.Event{
		Source:    "containerd-events",
		Action:    str(v, "containerEventType"),
		Container: str(v, "containerId"),
		Assets:    distinct(ofKind(cluster, "Pod", str(meta, "namespace"), str(meta, "name"))),
	}
	if ns := number(v.Get("createdAt")); ns > 0 {
		ev.Time = time.Unix(0, ns).UTC()
	}
	return ev
}
