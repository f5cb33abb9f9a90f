package ingest

import (
	"cmp"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// kubeEventFormat is the Events of Kubernetes: v1 and events.k8s.io/v1 and
// v1beta1, one by one and in lists, whose items may lack kind and apiVersion.
// Docs: kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1.
var kubeEventFormat = format{
	name: "kubernetes-events",
	json: func(v *fastjson.Value) bool { return notKubeEvent(v) == "" },
	open: func() reader { return decode(kubeEvent) },
}

func notKubeEvent(v *fastjson.Value) string {
	version, kind := str(v, "apiVersion"), str(v, "kind")
	about := has(v, fastjson.TypeObject, "involvedObject") || has(v, fastjson.TypeObject, "regarding")
	switch {
	case kind != "" && kind != "Event":
		return "not an Event: kind " + printable(kind)
	case version != "" && version != "v1" && version != "events.k8s.io/v1" && version != "events.k8s.io/v1beta1":
		return "not an Event of a version that is known: apiVersion " + printable(version)
	case !about:
		return "not an Event: no involvedObject and no regarding"
	}
	return ""
}

func kubeEvent(s *stream, r record) (model.Event, string) {
	v := r.doc
	if why := notKubeEvent(v); why != "" {
		return model.Event{}, why
	}
	about := v.Get("involvedObject")
	if about == nil {
		about = v.Get("regarding")
	}
	cluster, kind, ns := s.cfg.cluster(), str(about, "kind"), str(about, "namespace")
	host := cmp.Or(str(v, "source", "host"), str(v, "deprecatedSource", "host"))
	return model.Event{
		Source: "kubernetes-events",
		// The newest of a series: what is told now.
		Time: instant(str(v, "series", "lastObservedTime"), str(v, "lastTimestamp"), str(v, "deprecatedLastTimestamp"),
			str(v, "eventTime"), str(v, "firstTimestamp"), str(v, "metadata", "creationTimestamp")),
		Key:    str(v, "metadata", "uid"),
		Actor:  cmp.Or(str(v, "reportingComponent"), str(v, "reportingController"), str(v, "source", "component")),
		Action: str(v, "reason"),
		Host:   host,
		Assets: distinct(ofKind(cluster, kind, ns, str(about, "name")), ofKind(cluster, "Node", "", host)),
	}, ""
}
