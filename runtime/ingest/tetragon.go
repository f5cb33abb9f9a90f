package ingest

import (
	"strings"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// tetragonFormat is the JSON export of Tetragon: GetEventsResponse of its API,
// one a line. What a tracing policy reports is a signal of that policy, which
// has no level of its own; starts and ends of processes are events. Docs:
// tetragon.io/docs/reference/grpc-api.
var tetragonFormat = format{
	name: "tetragon",
	json: func(v *fastjson.Value) bool {
		return tetragonKind(v) != "" && has(v, fastjson.TypeString, "time")
	},
	open: func() reader { return decode(tetragonEvent) },
}

// tetragonKinds are the members that hold an event.
var tetragonKinds = []string{
	"process_exec", "process_exit", "process_kprobe", "process_tracepoint", "process_uprobe", "process_usdt", "process_lsm",
	"process_loader", "process_throttle", "rate_limit_info",
}

func tetragonKind(v *fastjson.Value) string {
	for _, kind := range tetragonKinds {
		if has(v, fastjson.TypeObject, kind) {
			return kind
		}
	}
	return ""
}

func tetragonEvent(s *stream, r record) (model.Event, string) {
	kind := tetragonKind(r.doc)
	if kind == "" {
		return model.Event{}, "not an event of Tetragon that is known"
	}
	v, cluster := r.doc.Get(kind), s.cfg.cluster()
	pod := v.Get("process", "pod")
	ns := str(pod, "namespace")
	host := str(r.doc, "node_name")
	ev := model.Event{
		Source:    "tetragon",
		Time:      instant(str(r.doc, "time")),
		Key:       str(v, "process", "exec_id"),
		Actor:     str(v, "process", "binary"),
		Action:    strings.TrimSpace(kind + " " + str(v, "function_name")),
		Host:      host,
		Container: bareID(str(pod, "container", "id")),
		Assets: distinct(ofKind(cluster, "Pod", ns, str(pod, "name")), tetragonWorkload(cluster, ns, pod),
			ofKind(cluster, "Node", "", host)),
	}
	if policy := str(v, "policy_name"); policy != "" {
		ev.Signal = &model.Signal{Rule: policy, Attack: techniques(v.GetArray("tags"))}
	}
	return ev, ""
}

func tetragonWorkload(cluster, ns string, pod *fastjson.Value) model.Ref {
	for _, kind := range workloadKinds {
		if kind == str(pod, "workload_kind") {
			return ofKind(cluster, kind, ns, str(pod, "workload"))
		}
	}
	return model.Ref{}
}

// bareID is a container's id without its runtime, as in "containerd://ID".
func bareID(id string) string {
	if _, bare, ok := strings.Cut(id, "://"); ok {
		return bare
	}
	return id
}
