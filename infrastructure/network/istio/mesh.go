package istio

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// Where Istio's own settings are, and what they are where nothing is said.
const (
	controlNamespace   = "istio-system"
	configName         = "istio"
	defaultTrustDomain = "cluster.local"
	maxConfig          = 1 << 20 // bytes
)

// mesh is what the policies refer to.
type mesh struct {
	snapshot        *kube.Snapshot
	root            string
	trustDomain     string
	aliases         []string // other names of the trust domain
	spaces          map[string]map[string]string
	waypoints       map[string][]*kube.Object        // Services that name a waypoint, by namespace
	authentications map[string][]*peerAuthentication // by namespace, oldest first
	refused         []policy.Policy                  // what stands for those that are not valid
	incomplete      []model.Incomplete
}

func newMesh(s *kube.Snapshot) *mesh {
	m := &mesh{
		snapshot: s, root: controlNamespace, trustDomain: defaultTrustDomain,
		spaces: map[string]map[string]string{}, waypoints: map[string][]*kube.Object{}, authentications: map[string][]*peerAuthentication{},
	}
	for _, n := range s.Namespaces() {
		m.spaces[n.Name] = n.Labels
	}
	for _, svc := range kube.All[*corev1.Service](s) {
		if svc.Value.Labels[useWaypoint] != "" && len(svc.Value.Spec.Selector) > 0 {
			m.waypoints[svc.Object.Namespace] = append(m.waypoints[svc.Object.Namespace], svc.Object)
		}
	}
	m.readConfig()
	m.readAuthentications()
	return m
}

// config is what of the mesh's settings counts here.
type config struct {
	RootNamespace      string   `json:"rootNamespace"`
	TrustDomain        string   `json:"trustDomain"`
	TrustDomainAliases []string `json:"trustDomainAliases"`
}

// readConfig reads the settings of the mesh: of several the one of the usual
// namespace, else the first.
func (m *mesh) readConfig() {
	var found *kube.Object
	var text string
	for _, c := range kube.All[*corev1.ConfigMap](m.snapshot) {
		if c.Object.Name == configName && c.Value.Data["mesh"] != "" && (found == nil || c.Object.Namespace == controlNamespace) {
			found, text = c.Object, c.Value.Data["mesh"]
		}
	}
	if found == nil {
		return
	}
	var c config
	err := fmt.Errorf("it is longer than %d bytes", maxConfig)
	if len(text) <= maxConfig {
		err = yaml.Unmarshal([]byte(text), &c)
	}
	if err != nil {
		m.fail(found, "the settings of the mesh can't be read: "+err.Error())
		return
	}
	m.root = cmp.Or(c.RootNamespace, m.root)
	m.trustDomain = cmp.Or(c.TrustDomain, m.trustDomain)
	m.aliases = append(c.TrustDomainAliases, defaultTrustDomain)
}

func (m *mesh) fail(o *kube.Object, why string) {
	m.incomplete = append(m.incomplete, model.Incomplete{What: where(o), Why: o.String() + ": " + why})
}

func where(o *kube.Object) string { return o.Position.File + ":" + strconv.Itoa(o.Position.Line) }

// objects lists Istio's objects of a kind.
func (m *mesh) objects(kind string) []*kube.Object {
	var list []*kube.Object
	for _, o := range m.snapshot.ByKind(kind) {
		if strings.HasPrefix(o.APIVersion, "security.istio.io/") {
			list = append(list, o)
		}
	}
	return list
}

// namespaceOf is the namespace of a namespaced object, whose kind package kube
// may not know to be so.
func namespaceOf(o *kube.Object) string { return cmp.Or(o.Namespace, "default") }

// end is one pod, or one that a workload would have.
type end struct {
	namespace   string
	account     string
	labels      map[string]string
	annotations map[string]string
	spec        *corev1.PodSpec
	running     bool // it is as it runs, after injection
}

func endOf(load *kube.Workload, pod *kube.Pod) end {
	e := end{namespace: load.Namespace, account: cmp.Or(load.ServiceAccount, "default"), labels: load.Labels, spec: &load.Spec}
	if pod == nil {
		e.annotations = templateAnnotations(load.Object)
		return e
	}
	e.running = pod.UID != "" || pod.Node != "" || len(pod.IPs) > 0
	if pod.Labels != nil {
		e.labels = pod.Labels
	}
	if pod.Object != nil {
		e.annotations = pod.Object.Annotations()
		if typed, is := pod.Object.Typed.(*corev1.Pod); is {
			e.spec, e.account = &typed.Spec, cmp.Or(typed.Spec.ServiceAccountName, e.account)
		}
	}
	return e
}

// The data planes of Istio.
const (
	sidecar = "sidecar"
	ambient = "ambient"
)

// The labels and annotations that decide who is in the mesh.
const (
	injectKey     = "sidecar.istio.io/inject"
	injectionKey  = "istio-injection"
	revisionKey   = "istio.io/rev"
	dataplaneKey  = "istio.io/dataplane-mode"
	useWaypoint   = "istio.io/use-waypoint"
	noWaypoint    = "none"
	proxyName     = "istio-proxy"
	gatewayLabel  = "gateway.networking.k8s.io/gateway-name"
	excludedPorts = "traffic.sidecar.istio.io/excludeInboundPorts"
	includedPorts = "traffic.sidecar.istio.io/includeInboundPorts"
	ambientBypass = "ambient.istio.io/bypass-inbound-capture"
)

// neverInjected are the namespaces that injection leaves out.
var neverInjected = []string{"kube-system", "kube-public", "kube-node-lease", "local-path-storage"}

// plane says which data plane a pod is part of, "" for none.
func (m *mesh) plane(e *end) string {
	switch {
	case e.spec.HostNetwork:
		return ""
	case hasProxy(e.spec), !e.running && m.injected(e):
		return sidecar
	case m.inAmbient(e):
		return ambient
	}
	return ""
}

func hasProxy(spec *corev1.PodSpec) bool {
	is := func(c corev1.Container) bool { return c.Name == proxyName }
	return slices.ContainsFunc(spec.Containers, is) || slices.ContainsFunc(spec.InitContainers, is)
}

// injected reports whether a pod will get a proxy when it is made: not where
// any label says no, else where any says yes.
func (m *mesh) injected(e *end) bool {
	space := m.spaces[e.namespace]
	onPod, has := e.labels[injectKey]
	if !has {
		if onPod = e.annotations[injectKey]; onPod == "true" {
			onPod = "" // the annotation can only refuse
		}
	}
	switch {
	case slices.Contains(neverInjected, e.namespace), space[injectionKey] == "disabled", onPod != "" && onPod != "true":
		return false
	case space[injectionKey] == "enabled", onPod == "true":
		return true
	}
	return space[revisionKey] != "" || e.labels[revisionKey] != ""
}

func (m *mesh) inAmbient(e *end) bool {
	if mode, has := e.labels[dataplaneKey]; has {
		return mode == ambient
	}
	return m.spaces[e.namespace][dataplaneKey] == ambient
}

// waypoint names the waypoint of a pod in ambient mode, "" for none: its own,
// that of its Services, or that of its namespace.
func (m *mesh) waypoint(e *end) string {
	name, has := e.labels[useWaypoint]
	if !has {
		for _, o := range m.waypoints[e.namespace] {
			svc := o.Typed.(*corev1.Service) // newMesh took no others
			if svc.Labels[useWaypoint] != noWaypoint && selects(svc.Spec.Selector, e.labels) {
				return svc.Labels[useWaypoint]
			}
		}
		name = m.spaces[e.namespace][useWaypoint]
	}
	if name == noWaypoint {
		return ""
	}
	return name
}

// selects reports whether labels have all that a selector names.
func selects(selector, labels map[string]string) bool {
	for k, v := range selector {
		if got, has := labels[k]; !has || got != v {
			return false
		}
	}
	return true
}
