package ingest

import (
	"bytes"
	"cmp"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// dockerLogFormat is what containers write, as Docker's json-file driver keeps
// it: {"log", "stream", "time"} a line. A message without a line's end goes on
// in the next record of that output. Docs: docs.docker.com/engine/logging/drivers/json-file.
var dockerLogFormat = format{
	name: "docker-json",
	json: func(v *fastjson.Value) bool { return has(v, fastjson.TypeString, "log", "stream", "time") },
	open: func() reader { return &dockerLog{} },
}

type dockerLog struct{ joiner }

func (d *dockerLog) read(s *stream, r record) (string, error) {
	if !has(r.doc, fastjson.TypeString, "log", "time") {
		return "not a record of the json-file driver: no log and time", nil
	}
	output := cmp.Or(str(r.doc, "stream"), "stdout")
	p := d.output(output)
	if p == nil {
		return "not a record of the json-file driver: neither of stdout nor of stderr", nil
	}
	text := r.doc.GetStringBytes("log")
	whole, ends := bytes.CutSuffix(text, []byte("\n"))
	p.add(r, str(r.doc, "time"), whole)
	if !ends {
		return "", nil
	}
	return "", s.message(p, "docker-json", output)
}

// dockerEventFormat is `docker events --format json` and the stream of
// GET /events. Docs: docs.docker.com/reference/cli/docker/system/events.
var dockerEventFormat = format{
	name: "docker-events",
	json: func(v *fastjson.Value) bool {
		return has(v, fastjson.TypeString, "Type", "Action") && has(v, fastjson.TypeObject, "Actor") && (v.Exists("time") || v.Exists("timeNano"))
	},
	open: func() reader { return decode(dockerEvent) },
}

func dockerEvent(s *stream, r record) (model.Event, string) {
	v := r.doc
	kind := str(v, "Type")
	if kind == "" || str(v, "Action") == "" {
		return model.Event{}, "not an event of Docker: no Type and Action"
	}
	ev := model.Event{Source: "docker-events", Time: dockerTime(v), Action: kind + " " + str(v, "Action")}
	if kind == "container" {
		ev.Container = str(v, "Actor", "ID")
		ev.Assets = distinct(ofKind(s.cfg.cluster(), "Pod",
			str(v, "Actor", "Attributes", "io.kubernetes.pod.namespace"), str(v, "Actor", "Attributes", "io.kubernetes.pod.name")))
	}
	return ev, ""
}

// dockerTime is timeNano, else time: nanoseconds and seconds since 1970.
func dockerTime(v *fastjson.Value) time.Time {
	if ns := v.GetInt64("timeNano"); ns > 0 {
		return time.Unix(0, ns).UTC()
	}
	if sec := v.GetInt64("time"); sec > 0 && sec < maxSeconds {
		return time.Unix(sec, 0).UTC()
	}
	return time.Time{}
}

// maxSeconds is the year 9999: JSON has no later time.
const maxSeconds = 253402300800
