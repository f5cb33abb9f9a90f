package paths

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// API groups of the rights below.
const (
	admissionGroup = "admissionregistration.k8s.io"
	certGroup      = "certificates.k8s.io"
	issuerGroup    = "cert-manager.io"
	storeGroup     = "external-secrets.io"
)

// issuerNamespace is where cert-manager looks for the Secrets of a
// ClusterIssuer unless it is told otherwise.
const issuerNamespace = "cert-manager"

// doorRights is the table of what one rule gives by the API server's other
// doors: connections, logs, volumes, certificates, admission, nodes, and
// objects that controllers act upon.
func (b *builder) doorRights() []right {
	out := []right{
		{edge: attachPods, verbs: b.version.connect(), on: []target{{"", "pods", "attach"}}, hub: hub(attaches), named: (*builder).attachNamed},
		{edge: forwardPods, verbs: b.version.connect(), on: []target{{"", "pods", "portforward"}}, hub: hub(forwards), named: oneByOne(forwards)},
		// A proxy passes on any method: each verb is one way to send a request.
		{edge: forwardPods, verbs: []string{"get", "create", "update", "patch", "delete"}, on: []target{{"", "pods", "proxy"}}, hub: hub(forwards), named: oneByOne(forwards)},
		{edge: readLogs, verbs: []string{"get"}, on: []target{{"", "pods", "log"}}, hub: hub(logs), named: oneByOne(logs)},
		{edge: readLogs, verbs: []string{"get"}, on: []target{{"", "nodes", "log"}, {"", "nodes", "proxy"}}, cluster: true, hub: hub(logs), named: (*builder).logsNamed},
		{edge: createClaims, verbs: []string{"create"}, on: []target{{"", "persistentvolumeclaims", ""}}, hub: hub(claims)},
		{edge: createVolumes, verbs: []string{"create"}, on: []target{{"", "persistentvolumes", ""}}, cluster: true, hub: hub(volumes)},
		{edge: requestCert, verbs: []string{"create"}, on: []target{{certGroup, "certificatesigningrequests", ""}}, cluster: true, hub: hub(requests)},
		{edge: taintNodes, verbs: altering, on: []target{{"", "nodes", ""}}, cluster: true, hub: hub(drains)},
		{edge: steerNodes, verbs: altering, on: []target{{"", "nodes", "status"}}, cluster: true, hub: hub(steers)},
		{edge: evictPods, verbs: []string{"delete", "deletecollection"}, on: []target{{"", "pods", ""}}, hub: hub(evicts), named: (*builder).evictNamed},
		{edge: evictPods, verbs: []string{"create"}, on: []target{{"", "pods", "eviction"}}, hub: hub(evicts), named: (*builder).evictNamed},
		{edge: mapAWS, verbs: altering, on: []target{{"", "configmaps", ""}}, hub: b.ifSystem(b.awsAuth), named: b.ifNamed("aws-auth", b.awsAuth)},
		{edge: redirectDNS, verbs: altering, on: []target{{"", "configmaps", ""}}, hub: b.ifSystem(b.clusterDNS), named: b.ifNamed("coredns", b.clusterDNS)},
	}
	out = append(out, b.interceptRights()...)
	out = append(out, b.writable(mutatingWebhook, admissionGroup, "mutatingwebhookconfigurations", "MutatingWebhookConfiguration", true, hub(injects))...)
	out = append(out, b.writable(validatingWebhook, admissionGroup, "validatingwebhookconfigurations", "ValidatingWebhookConfiguration", true, hub(watches))...)
	if b.installed(issuerGroup) {
		clusterIssuers := func(string) []key { return []key{{sort: reads, a: issuerNamespace}} }
		out = append(out, b.writable(issuerSecret, issuerGroup, "issuers", "Issuer", false, hub(reads))...)
		out = append(out, b.writable(issuerSecret, issuerGroup, "clusterissuers", "ClusterIssuer", true, clusterIssuers)...)
	}
	if b.installed(storeGroup) {
		everywhere := func(string) []key { return []key{{sort: reads}} }
		out = append(out, b.writable(storeSecret, storeGroup, "secretstores", "SecretStore", false, hub(reads))...)
		out = append(out, b.writable(storeSecret, storeGroup, "clustersecretstores", "ClusterSecretStore", true, everywhere)...)
	}
	return out
}

// interceptRights let connections end elsewhere: addresses of one's choice on
// a Service (CVE-2020-8554) reach all of the cluster, endpoints and the labels
// and addresses in a pod's status its namespace.
func (b *builder) interceptRights() []right {
	everywhere := func(string) []key { return []key{{sort: intercepts}} }
	service := func(b *builder, namespace string, names []string) []key {
		return b.ifExists("Service", namespace, names, everywhere)
	}
	return []right{
		{edge: intercept, verbs: []string{"create"}, on: []target{{"", "services", ""}}, hub: everywhere},
		{edge: intercept, verbs: altering, on: []target{{"", "services", ""}, {"", "services", "status"}}, hub: everywhere, named: service},
		{edge: intercept, verbs: []string{"create"}, on: []target{{"", "endpoints", ""}, {"discovery.k8s.io", "endpointslices", ""}}, hub: hub(intercepts)},
		{edge: intercept, verbs: altering, on: []target{{"", "endpoints", ""}, {"discovery.k8s.io", "endpointslices", ""}}, hub: hub(intercepts)},
		{edge: intercept, verbs: altering, on: []target{{"", "pods", "status"}}, hub: hub(intercepts), named: (*builder).statusNamed},
	}
}

// writable are the two rights to write objects of a kind: create, which
// carries no name, and changes to one that is there.
func (b *builder) writable(e edge, group, resource, kind string, cluster bool, to func(string) []key) []right {
	on := []target{{group, resource, ""}}
	return []right{
		{edge: e, verbs: []string{"create"}, on: on, cluster: cluster, hub: to},
		{edge: e, verbs: altering, on: on, cluster: cluster, hub: to, named: func(b *builder, namespace string, names []string) []key {
			return b.ifExists(kind, namespace, names, to)
		}},
	}
}

// ifExists gives what to leads to, in each namespace that has an object of the
// kind with one of the names.
func (b *builder) ifExists(kind, namespace string, names []string, to func(string) []key) []key {
	var out []key
	for _, o := range b.snapshot.ByKind(kind) {
		if (namespace == "" || o.Namespace == namespace) && slices.Contains(names, o.Name) {
			out = append(out, to(o.Namespace)...)
		}
	}
	return out
}

// installed reports whether the cluster knows an API group that is not built
// in: by an object of it, or by a definition of its kinds.
func (b *builder) installed(group string) bool {
	return slices.ContainsFunc(b.snapshot.Objects, func(o *kube.Object) bool {
		of, _, _ := strings.Cut(o.APIVersion, "/")
		return of == group || o.Kind == "CustomResourceDefinition" && strings.HasSuffix(o.Name, "."+group)
	})
}

// ifSystem gives what to leads to where a rule covers kube-system.
func (b *builder) ifSystem(to func() []key) func(string) []key {
	return func(namespace string) []key {
		if namespace != "" && namespace != systemNamespace {
			return nil
		}
		return to()
	}
}

// ifNamed is ifSystem for a rule that names objects, the one among them.
func (b *builder) ifNamed(name string, to func() []key) func(*builder, string, []string) []key {
	return func(b *builder, namespace string, names []string) []key {
		if !slices.Contains(names, name) {
			return nil
		}
		return b.ifSystem(to)(namespace)
	}
}

// awsAuth is the ConfigMap by which EKS makes anybody anything in the cluster.
// Clusters that use access entries alone don't have it.
func (b *builder) awsAuth() []key {
	if b.snapshot.Get("ConfigMap", systemNamespace, "aws-auth") == nil {
		return nil
	}
	return []key{{sort: admin}}
}

// clusterDNS is the ConfigMap that says how names resolve in the cluster.
func (b *builder) clusterDNS() []key {
	if b.snapshot.Get("ConfigMap", systemNamespace, "coredns") == nil {
		return nil
	}
	return []key{{sort: intercepts}}
}

// oneByOne leads to hubs of the workloads of named pods.
func oneByOne(s sort) func(*builder, string, []string) []key {
	return func(b *builder, namespace string, names []string) []key {
		var out []key
		for _, k := range b.podsNamed(namespace, names) {
			out = append(out, key{s, k.a, k.b, k.c})
		}
		return out
	}
}

// attachNamed leads to the workloads of named pods that read what one types.
func (b *builder) attachNamed(namespace string, names []string) []key {
	return slices.DeleteFunc(b.podsNamed(namespace, names), func(k key) bool { return !interactive(b.loadOf[k]) })
}

// evictNamed leads to the workloads of named pods that start again elsewhere.
func (b *builder) evictNamed(namespace string, names []string) []key {
	out := oneByOne(evicts)(b, namespace, names)
	return slices.DeleteFunc(out, func(k key) bool { return k.b == "DaemonSet" || k.b == "Pod" })
}

// statusNamed leads to the namespaces of named pods.
func (b *builder) statusNamed(namespace string, names []string) []key {
	var out []key
	for _, k := range b.podsNamed(namespace, names) {
		out = append(out, key{sort: intercepts, a: k.a})
	}
	return out
}

// logsNamed leads to the logs of the workloads on named nodes.
func (b *builder) logsNamed(_ string, names []string) []key {
	var out []key
	for _, n := range names {
		for _, l := range b.onNode[n] {
			out = append(out, key{logs, l.Namespace, l.Kind, l.Name})
		}
	}
	return out
}

// interactive reports whether some container reads its standard input: whoever
// attaches to another one sees what it prints, and no more.
func interactive(l *load) bool {
	return slices.ContainsFunc(l.Spec.Containers, func(c corev1.Container) bool { return c.Stdin })
}

// expandDoor adds what the hubs of doorRights mean. Those of all namespaces
// are expanded by expandNamespace.
func (b *builder) expandDoor(k key) {
	switch k.sort {
	case attaches:
		for _, l := range b.bySpace[k.a] {
			if interactive(l) {
				b.step(implied, l.key, k)
			}
		}
	case forwards, intercepts:
		b.expandConnection(k)
	case logs:
		if k.b == "" {
			for _, l := range b.bySpace[k.a] {
				if slices.ContainsFunc(l.ways, func(w way) bool { return w.logs }) {
					b.step(implied, key{logs, l.Namespace, l.Kind, l.Name}, k)
				}
			}
		}
	case injects:
		// Whatever somebody else creates is the attacker's own then.
		b.step(implied, key{sort: create}, k)
		b.step(implied, key{sort: controls}, k)
	case watches:
		b.step(implied, key{sort: reads}, k)
	case drains:
		b.step(stealPods, key{sort: stolen}, k, key{sort: ownNode})
	case ownNode:
		for _, n := range b.nodes {
			b.step(implied, k, key{sort: root, a: n.name})
		}
	case evicts, stolen:
		b.expandMoving(k)
	}
}

// expandMoving leads from pods that somebody makes an end of to the node where
// they start again: one of the attacker's, where he decides which node may have
// them. Those of DaemonSets stay where they are, and bare ones are gone.
func (b *builder) expandMoving(k key) {
	switch {
	case k.b != "":
		b.step(stealPods, key{control, k.a, k.b, k.c}, k, key{sort: steers}, key{sort: ownNode})
	case k.sort == evicts:
		b.step(stealPods, key{sort: stolen, a: k.a}, k, key{sort: steers}, key{sort: ownNode})
	default:
		for _, l := range b.bySpace[k.a] {
			if l.Kind != "DaemonSet" && l.Kind != "Pod" {
				b.step(implied, l.key, k)
			}
		}
	}
}

// expandConnection leads from connections that no network policy sees to the
// flaws of those at the other end.
func (b *builder) expandConnection(k key) {
	if k.b != "" {
		l := b.loadOf[key{control, k.a, k.b, k.c}]
		b.stepOn(forwardPods, l.key, b.exploitOf(l), k)
		return
	}
	for _, l := range b.bySpace[k.a] {
		if k.sort == forwards {
			b.step(implied, key{forwards, l.Namespace, l.Kind, l.Name}, k)
		} else {
			b.stepOn(intercept, l.key, b.exploitOf(l), k)
		}
	}
}

// bootstrappers are the groups that a token in kube-system may put its bearer
// into, as far as bindings name them.
func (b *builder) bootstrappers(k key) {
	for _, s := range b.identity.Subjects() {
		if s.Kind == identity.NodeGroup().Kind && (s.Name == "system:bootstrappers" || strings.HasPrefix(s.Name, "system:bootstrappers:")) {
			b.step(bootstrapToken, subjectKey(s), k)
		}
	}
}

// doorReasons say why the steps that rest on no fact hold; Object is where the
// attack is made.
var doorReasons = map[edge]model.Proof{
	hostVolume:     {Field: "persistentVolumeClaim", Rule: "Pod Security of level baseline looks at volumes of a pod, not at what stands behind a claim"},
	clientCert:     {Object: "CertificateSigningRequest", Field: "spec.signerName", Rule: clientSigner + " signs any user's name; system:kube-controller-manager may make tokens for all"},
	nodeCert:       {Object: "CertificateSigningRequest", Field: "spec.signerName", Rule: kubeletSigner + " signs any node's name"},
	nodeToken:      {Field: "kubelet's credentials", Rule: "a node may request tokens for the ServiceAccounts of its pods"},
	stealPods:      {Object: "Node", Field: "spec.taints and status.capacity", Rule: "pods that may run nowhere else start again on the attacker's node"},
	bootstrapToken: {Object: "Namespace " + systemNamespace, Field: "secrets", Rule: "a Secret of type bootstrap.kubernetes.io/token names the groups of its bearer"},
	intercept:      {Field: "services", Rule: "spec.externalIPs and status.loadBalancer draw connections to any address (CVE-2020-8554)"},

	instanceMetadata: {Field: "hostNetwork", Rule: "the metadata service answers whatever uses the node's own network, and no policy of the cluster decides there"},
}

// doorReason is the proof of such a step from a vertex.
func doorReason(e edge, from key) (model.Proof, bool) {
	p, ok := doorReasons[e]
	if !ok || p.Object != "" {
		return p, ok
	}
	switch from.sort {
	case control:
		p.Object = from.b + " " + from.a + "/" + from.c
	case lends, root:
		p.Object = "Node " + from.a
	default:
		p.Object = "Namespace " + from.a
	}
	return p, true
}
