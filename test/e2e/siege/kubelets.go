package siege

import (
	"fmt"
	"time"
)

// kubelet does what kwok leaves out: it reads what pods mount, asks for their
// tokens, and tells of what it does.
func kubelet(node, address string) worker {
	return worker{
		identity{"system:node:" + node, "kubelet/v1.37.2 (linux/amd64) kubernetes/cf8b7a2", address},
		[]habit{
			{10 * time.Second, func(a *actor) { a.get(core("", "nodes", node) + "?resourceVersion=0&timeout=10s") }},
			{8 * time.Second, func(a *actor) { mount(a, node) }},
		},
	}
}

// mount does for one pod of the node what its volumes need.
func mount(a *actor, node string) {
	var list struct{ Items []pod }
	if err := a.get(core("", "pods") + "?fieldSelector=spec.nodeName%3D" + node + "&limit=500&resourceVersion=0").Decode(&list); err != nil || len(list.Items) == 0 {
		return
	}
	p := list.Items[a.dice.IntN(len(list.Items))]
	ns := p.Metadata.Namespace
	a.get(core(ns, "configmaps", "settings"))
	if p.Spec.ServiceAccountName != "default" {
		a.create(core(ns, "serviceaccounts", p.Spec.ServiceAccountName, "token"), object{
			"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
			"spec": object{"expirationSeconds": 3607, "boundObjectRef": object{"apiVersion": "v1", "kind": "Pod", "name": p.Metadata.Name, "uid": p.Metadata.UID}},
		})
	}
	now := time.Now().UTC()
	event := named("v1", "Event", ns, fmt.Sprintf("%s.%x", p.Metadata.Name, now.UnixNano()), nil)
	event["involvedObject"] = object{"apiVersion": "v1", "kind": "Pod", "namespace": ns, "name": p.Metadata.Name, "uid": p.Metadata.UID}
	event["reason"], event["message"], event["type"], event["count"] = "Pulled", "Container image already present on machine", "Normal", 1
	event["source"], event["firstTimestamp"], event["lastTimestamp"] = object{"component": "kubelet", "host": node}, now.Format(time.RFC3339), now.Format(time.RFC3339)
	a.create(core(ns, "events"), event)
}
