package kubehound

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/model"
)

// anyNode is the node of pods where no node is known.
const anyNode = "(any node)"

// pod is one running pod, or the one that a workload will have.
type pod struct {
	Vertex
	object  string // for proofs: "Pod shop/web"
	load    *kube.Workload
	spec    *corev1.PodSpec
	labels  map[string]string
	nodes   []Vertex
	account identity.Subject
	volumes []volume
}

// volume is one mount of a host path by one container, or the token of a pod.
type volume struct {
	Vertex
	field    string
	readOnly bool
	token    bool
}

func (p *pod) container(name string) Vertex {
	return Vertex{Class: Container, Name: name, Namespace: p.Namespace, Pod: p.Name}
}

func (p *pod) proof(field string) model.Proof { return model.Proof{Object: p.object, Field: field} }

func (b *builder) readNodes() {
	names := map[string]bool{}
	for _, n := range kube.All[*corev1.Node](b.snapshot) {
		names[n.Object.Name] = true
	}
	for _, w := range b.snapshot.Workloads {
		for _, p := range w.Pods {
			if p.Node != "" {
				names[p.Node] = true
			}
		}
	}
	if len(names) == 0 {
		names[anyNode] = true
	}
	for name := range names {
		b.nodes = append(b.nodes, Vertex{Class: Node, Name: name})
	}
	slices.SortFunc(b.nodes, Vertex.compare)
}

func (b *builder) readPods() {
	for _, w := range b.snapshot.Workloads {
		running := w.Pods
		if len(running) == 0 {
			running = []kube.Pod{{Name: w.Name, Labels: w.Labels}}
		}
		for _, r := range running {
			p := pod{
				Vertex: Vertex{Class: Pod, Name: r.Name, Namespace: w.Namespace}, object: w.Kind + " " + w.Namespace + "/" + w.Name,
				load: w, spec: &w.Spec, labels: r.Labels, nodes: b.nodesOf(w, r), account: b.identity.Account(w),
			}
			p.volumes = b.volumesOf(&p)
			b.pods = append(b.pods, p)
		}
	}
}

func (b *builder) nodesOf(w *kube.Workload, p kube.Pod) []Vertex {
	if p.Node != "" {
		return []Vertex{{Class: Node, Name: p.Node}}
	}
	var out []Vertex
	for _, n := range b.nodes {
		if paths.Fits(w, b.snapshot.Get("Node", "", n.Name)) {
			out = append(out, n)
		}
	}
	return out
}

// volumesOf lists the mounts of host paths, and the token of an identity.
func (b *builder) volumesOf(p *pod) []volume {
	var out []volume
	for i, c := range p.spec.Containers {
		for j, m := range c.VolumeMounts {
			for _, v := range p.spec.Volumes {
				if v.Name != m.Name || v.HostPath == nil {
					continue
				}
				out = append(out, volume{
					Vertex: Vertex{
						Class: Volume, Name: v.Name, Namespace: p.Namespace, Pod: p.Name, Container: c.Name,
						Path: path.Clean("/" + path.Join(v.HostPath.Path, m.SubPath)),
					},
					field: fmt.Sprintf("spec.containers[%d].volumeMounts[%d]", i, j), readOnly: m.ReadOnly,
				})
			}
		}
	}
	if t := b.identity.Token(p.load); t.Mounted && b.bound[p.account] {
		name := "kube-api-access"
		for _, v := range p.spec.Volumes {
			if v.Projected != nil && slices.ContainsFunc(v.Projected.Sources, func(s corev1.VolumeProjection) bool { return s.ServiceAccountToken != nil }) {
				name = v.Name
			}
		}
		out = append(out, volume{Vertex: Vertex{Class: Volume, Name: name, Namespace: p.Namespace, Pod: p.Name}, field: t.Field, token: true})
	}
	return out
}

// podEdges are those that a pod's own fields make.
func (b *builder) podEdges() {
	for _, n := range b.nodes {
		for _, s := range []identity.Subject{identity.NodeGroup(), identity.NodeUser(n.Name)} {
			if b.bound[s] {
				b.add("IDENTITY_ASSUME", n, identityVertex(s), model.Proof{Object: "Node " + n.Name, Field: "kubelet"})
			}
		}
	}
	for i := range b.pods {
		p := &b.pods[i]
		for _, n := range p.nodes {
			b.add("POD_ATTACH", n, p.Vertex, p.proof("spec.nodeName"))
		}
		for j := range p.spec.Containers {
			c := &p.spec.Containers[j]
			v := p.container(c.Name)
			b.add("CONTAINER_ATTACH", p.Vertex, v, p.proof(fmt.Sprintf("spec.containers[%d]", j)))
			if b.bound[p.account] {
				b.add("IDENTITY_ASSUME", v, identityVertex(p.account), p.proof("spec.serviceAccountName"))
			}
			b.share(p, v)
			b.escapes(p, c, fmt.Sprintf("spec.containers[%d]", j))
		}
		b.volumeEdges(p)
	}
}

func (b *builder) share(p *pod, from Vertex) {
	if p.spec.ShareProcessNamespace == nil || !*p.spec.ShareProcessNamespace {
		return
	}
	for _, c := range p.spec.Containers {
		if c.Name != from.Name {
			b.add("SHARE_PS_NAMESPACE", from, p.container(c.Name), p.proof("spec.shareProcessNamespace"))
		}
	}
}

// escapes are the ways out of one container.
func (b *builder) escapes(p *pod, c *corev1.Container, at string) {
	out := func(kind, field string) {
		for _, n := range p.nodes {
			b.add(kind, p.container(c.Name), n, p.proof(field))
		}
	}
	s := c.SecurityContext
	if s == nil {
		s = &corev1.SecurityContext{}
	}
	has := func(capability string) bool {
		return s.Capabilities != nil && slices.ContainsFunc(s.Capabilities.Add, func(have corev1.Capability) bool {
			return strings.TrimPrefix(string(have), "CAP_") == capability
		})
	}
	privileged := s.Privileged != nil && *s.Privileged
	if privileged {
		out("CE_PRIV_MOUNT", at+".securityContext.privileged")
		out("CE_MODULE_LOAD", at+".securityContext.privileged")
	}
	if privileged && p.spec.HostPID {
		out("CE_NSENTER", "spec.hostPID")
	}
	if has("SYS_MODULE") {
		out("CE_MODULE_LOAD", at+".securityContext.capabilities.add")
	}
	if p.spec.HostPID && has("SYS_PTRACE") && has("SYS_ADMIN") {
		out("CE_SYS_PTRACE", at+".securityContext.capabilities.add")
	}
	if s.RunAsUser == nil || *s.RunAsUser != 0 {
		return
	}
	for _, v := range p.volumes {
		if slices.Contains([]string{"/", "/proc", "/proc/sys", "/proc/sys/kernel"}, v.Path) {
			out("CE_UMH_CORE_PATTERN", v.field)
		}
	}
}

// Host paths by what KubeHound makes of them. Every writable one is a way out
// except those of one agent.
var (
	readPaths     = []string{"/", "/home", "/root", "/root/.ssh", "/proc", "/etc"}
	traversePaths = []string{"/", "/var", "/var/lib", "/var/lib/kubelet", "/var/lib/kubelet/pods"}
	logPaths      = []string{"/", "/var", "/var/log"}
	harmlessPaths = []string{"/var/run/datadog-agent", "/etc/datadog-agent", "/etc/datadog-agent/auth", "/etc/datadog", "/run/xtables.lock"}
)

func (b *builder) volumeEdges(p *pod) {
	for _, v := range p.volumes {
		for _, c := range p.spec.Containers {
			if v.Container == "" || v.Container == c.Name {
				b.add("VOLUME_DISCOVER", p.container(c.Name), v.Vertex, p.proof(v.field))
			}
		}
		for _, n := range p.nodes {
			b.add("VOLUME_ACCESS", n, v.Vertex, p.proof(v.field))
			switch {
			case v.token:
			case v.readOnly && slices.Contains(readPaths, v.Path):
				b.add("EXPLOIT_HOST_READ", v.Vertex, n, p.proof(v.field))
			case !v.readOnly && !slices.Contains(harmlessPaths, v.Path):
				b.add("EXPLOIT_HOST_WRITE", v.Vertex, n, p.proof(v.field))
			}
		}
		if v.token {
			b.add("TOKEN_STEAL", v.Vertex, identityVertex(p.account), p.proof(v.field))
		} else if slices.Contains(traversePaths, v.Path) {
			b.traverse(p, v)
		}
	}
}

// traverse leads from a folder of the host to the tokens of its pods.
func (b *builder) traverse(p *pod, v volume) {
	for i := range b.pods {
		other := &b.pods[i]
		if !slices.ContainsFunc(other.nodes, func(n Vertex) bool { return slices.Contains(p.nodes, n) }) {
			continue
		}
		for _, t := range other.volumes {
			if t.token {
				b.add("EXPLOIT_HOST_TRAVERSE", v.Vertex, t.Vertex, p.proof(v.field), other.proof(t.field))
			}
		}
	}
}
