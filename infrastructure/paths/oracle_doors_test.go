package paths

import (
	"slices"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
)

// doors covers the requests of one identity beyond those over pods, Secrets
// and roles.
func (o *oracle) doors(h holder) {
	can := func(verb, group, resource, sub, ns, name string) bool {
		return h.can(identity.Request{Verb: verb, Group: group, Resource: resource, Subresource: sub, Namespace: ns, Name: name})
	}
	write := func(group, resource, sub, ns, name string) bool {
		return can("update", group, resource, sub, ns, name) || can("patch", group, resource, sub, ns, name)
	}
	for _, ns := range o.spaces {
		if can("create", "", "persistentvolumeclaims", "", ns, "") {
			o.add("claims %s", ns)
		}
		if can("create", "", "services", "", ns, "") || write("", "services", "", ns, stranger) || write("", "services", "status", ns, stranger) {
			o.add("intercepts")
		}
		for _, of := range [][2]string{{"", "endpoints"}, {"discovery.k8s.io", "endpointslices"}} {
			if can("create", of[0], of[1], "", ns, "") || write(of[0], of[1], "", ns, stranger) {
				o.add("intercepts in %s", ns)
			}
		}
		if can("delete", "", "pods", "", ns, stranger) || can("deletecollection", "", "pods", "", ns, "") || can("create", "", "pods", "eviction", ns, stranger) {
			o.add("evicts %s", ns)
		}
		if write("", "pods", "status", ns, stranger) {
			o.add("intercepts in %s", ns)
		}
	}
	for _, w := range o.s.Workloads {
		o.connections(w, func(verb, sub, name string) bool { return can(verb, "", "pods", sub, w.Namespace, name) })
		for _, n := range []string{"n1", "n2", anyNode} {
			if slices.Contains(o.onNodes[loadName(w)], n) && (can("get", "", "nodes", "log", "", n) || can("get", "", "nodes", "proxy", "", n)) {
				o.add("logs %s", loadName(w))
			}
		}
	}
	for name, gain := range map[string]string{"aws-auth": "admin", "coredns": "intercepts"} {
		if o.s.Get("ConfigMap", systemNamespace, name) != nil && write("", "configmaps", "", systemNamespace, name) {
			o.add("%s", gain)
		}
	}
	o.certificates(can, write)
	if can("create", "", "persistentvolumes", "", "", "") {
		o.add("volumes")
	}
	if write("", "nodes", "", "", stranger) {
		o.add("drains")
	}
	if write("", "nodes", "status", "", stranger) {
		o.add("steers")
	}
	for resource, gain := range map[string]string{"mutatingwebhookconfigurations": "injects", "validatingwebhookconfigurations": "watches"} {
		if can("create", "admissionregistration.k8s.io", resource, "", "", "") || write("admissionregistration.k8s.io", resource, "", "", stranger) {
			o.add("%s", gain)
		}
	}
}

func (o *oracle) certificates(can func(verb, group, resource, sub, ns, name string) bool, write func(group, resource, sub, ns, name string) bool) {
	const group, resource = "certificates.k8s.io", "certificatesigningrequests"
	create := can("create", group, resource, "", "", "")
	if create {
		o.add("requests")
	}
	read := can("get", group, resource, "", "", stranger) || can("list", group, resource, "", "", "") || can("watch", group, resource, "", "", "")
	if create && read && can("create", group, resource, "nodeclient", "", "") {
		o.add("certs")
	}
	update := false
	for _, name := range oracleNames {
		update = update || name != "" && write(group, resource, "approval", "", name)
	}
	for _, signer := range []string{"kubernetes.io/kube-apiserver-client", "kubernetes.io/kube-apiserver-client-kubelet"} {
		if update && (can("approve", group, "signers", "", "", signer) || can("approve", group, "signers", "", "", "kubernetes.io/*")) {
			o.add("approves %s", signer)
		}
	}
}

// connections covers what subresources of pods give; a flaw may always be
// there at the other end.
func (o *oracle) connections(w *kube.Workload, can func(verb, sub, name string) bool) {
	name := stranger
	for _, p := range w.Pods {
		name = p.Name
	}
	proxy := false
	for _, verb := range []string{"get", "create", "update", "patch", "delete"} {
		proxy = proxy || can(verb, "proxy", name)
	}
	if proxy || can("create", "portforward", name) || can("create", "attach", name) && w.Spec.Containers[0].Stdin {
		o.add("control %s", loadName(w))
	}
	if can("update", "status", name) || can("patch", "status", name) {
		o.add("intercepts in %s", w.Namespace)
	}
	if can("get", "log", name) {
		o.add("logs %s", loadName(w))
	}
}

// behindDoors covers what follows from them, whoever opened each.
func (o *oracle) behindDoors() {
	if o.have["requests"] && o.have["approves kubernetes.io/kube-apiserver-client"] {
		o.add("admin")
	}
	if o.have["requests"] && o.have["approves kubernetes.io/kube-apiserver-client-kubelet"] {
		o.add("certs")
	}
	for _, n := range []string{"n1", "n2", anyNode} {
		for _, ns := range o.spaces {
			if o.have["node "+n] && (o.have["drains"] || o.have["steers"] && o.have["evicts "+ns]) {
				o.add("stolen %s", ns)
			}
		}
		if !o.have["files on "+n] && !o.have["certs"] {
			continue
		}
		o.add("tokens on %s", n)
		o.add("node's tokens %s", n)
		if slices.Contains(o.id.Subjects(), identity.NodeGroup()) {
			o.identity(identity.NodeGroup())
		}
		if n == "n2" && o.have["files on n2"] {
			o.add("admin")
		}
	}
	for _, ns := range o.spaces {
		if o.have["injects"] {
			o.add("create %s", ns)
		}
		if o.have["watches"] {
			o.add("reads %s", ns)
		}
		level := ""
		for _, n := range o.s.Namespaces() {
			if n.Name == ns {
				level = n.Labels[enforceLabel]
			}
		}
		if o.have["claims "+ns] && o.have["volumes"] && o.have["create "+ns] && level == "baseline" {
			o.add("anywhere")
		}
	}
	for _, w := range o.s.Workloads {
		o.leaks(w)
		for _, n := range o.onNodes[loadName(w)] {
			if o.have["node's tokens "+n] || o.have["node "+n] {
				o.identity(o.id.Account(w))
			}
		}
		name := loadName(w)
		if o.have["injects"] || o.have["intercepts"] || o.have["intercepts in "+w.Namespace] || o.have["stolen "+w.Namespace] && w.Kind == "Deployment" {
			o.add("control %s", name)
		}
		for _, n := range o.onNodes[name] {
			if o.have["control "+name] && w.Spec.HostPID {
				o.add("tokens on %s", n)
			}
			if o.have["control "+name] && o.have["logs "+name] && w.Spec.Volumes[0].HostPath != nil {
				o.add("files on %s", n)
			}
		}
	}
}

// leaks covers the files of pods on a node whose tokens can be read.
func (o *oracle) leaks(w *kube.Workload) {
	for _, n := range o.onNodes[loadName(w)] {
		if !o.have["tokens on "+n] {
			continue
		}
		if o.id.Token(w).Mounted {
			o.identity(o.id.Account(w))
		}
		for _, e := range w.Spec.Containers[0].EnvFrom {
			o.add("secret %s/%s", w.Namespace, e.SecretRef.Name)
		}
	}
}
