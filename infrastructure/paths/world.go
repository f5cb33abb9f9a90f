package paths

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
)

// systemNamespace exists in every cluster and holds its controllers'
// ServiceAccounts.
const systemNamespace = "kube-system"

// enforceLabel sets the Pod Security level of a namespace. Baseline and
// restricted refuse privileged mode, host namespaces, host paths and added
// capabilities that matter; privileged refuses nothing.
const enforceLabel = "pod-security.kubernetes.io/enforce"

// load is a workload with what attacks look at.
type load struct {
	*kube.Workload
	key     key
	nodes   []string // where its pods run, anyNode among them
	token   identity.TokenMount
	account identity.Subject
	ways    []way
	secrets []secretUse
	leaks   []leak              // made once, when first asked for
	labels  []map[string]string // of its template, then of its pods
	host    bool                // all its pods use the host's network
	open    bool                // a policy could isolate it, and none does
	kept    model.Proof         // why no policy can or must isolate it, though none does
	served  []served            // ports on which everybody must be let in
	outward network.Outward     // to the metadata service of a cloud, where that was asked
	twin    *load               // a workload with egress policies whose pods no selector tells from those of this one
}

// secretUse is one Secret that the containers of a workload can read.
type secretUse struct {
	name  string
	field string
}

// node is a node, or anyNode.
type node struct {
	name    string
	object  *kube.Object // nil where only pods name it
	control string       // field that shows a control plane; "" for a worker
}

func (b *builder) readNamespaces() {
	for _, n := range b.snapshot.Namespaces() {
		b.namespaces = append(b.namespaces, n.Name)
		if level := n.Labels[enforceLabel]; level == "baseline" || level == "restricted" {
			b.guarded[n.Name] = level
		}
	}
	if at, found := slices.BinarySearch(b.namespaces, systemNamespace); !found {
		b.namespaces = slices.Insert(b.namespaces, at, systemNamespace)
	}
}

func (b *builder) readWorkloads() {
	b.loads = make([]load, len(b.snapshot.Workloads))
	for i, w := range b.snapshot.Workloads {
		w = b.host.resolve(w)
		b.loads[i] = load{
			Workload: w, key: key{control, w.Namespace, w.Kind, w.Name}, token: b.identity.Token(w), account: b.identity.Account(w),
			ways: ways(&w.Spec), secrets: secretsOf(&w.Spec),
		}
		b.bySpace[w.Namespace] = append(b.bySpace[w.Namespace], &b.loads[i])
		b.loadOf[b.loads[i].key] = &b.loads[i]
	}
}

// readNodes finds every node and says which workloads run where.
func (b *builder) readNodes() {
	found := map[string]*kube.Object{}
	for _, n := range kube.All[*corev1.Node](b.snapshot) {
		found[n.Object.Name] = n.Object
	}
	unknown := false
	for i := range b.loads {
		l := &b.loads[i]
		for _, p := range l.Pods {
			if p.Node != "" {
				l.nodes = append(l.nodes, p.Node)
				if _, ok := found[p.Node]; !ok {
					found[p.Node] = nil
				}
			}
		}
		if l.Kind != "DaemonSet" && (len(l.nodes) == 0 || slices.ContainsFunc(l.Pods, func(p kube.Pod) bool { return p.Node == "" })) {
			l.nodes = append(l.nodes, anyNode)
			unknown = true
		}
	}
	if unknown || len(found) == 0 {
		found[anyNode] = nil
	}
	for name, o := range found {
		b.nodes = append(b.nodes, node{name: name, object: o, control: controlLabel(o)})
	}
	slices.SortFunc(b.nodes, func(x, y node) int { return strings.Compare(x.name, y.name) })
	for i := range b.loads {
		b.place(&b.loads[i])
	}
}

// place puts a workload on its nodes. A DaemonSet without known pods runs on
// every node that it may be scheduled to.
func (b *builder) place(l *load) {
	if len(l.nodes) == 0 {
		for _, n := range b.nodes {
			if Fits(l.Workload, n.object) {
				l.nodes = append(l.nodes, n.name)
			}
		}
	}
	slices.Sort(l.nodes)
	l.nodes = slices.Compact(l.nodes)
	for _, name := range l.nodes {
		b.onNode[name] = append(b.onNode[name], l)
		if component := l.Labels["component"]; l.Namespace == systemNamespace && (component == "kube-apiserver" || component == "etcd") {
			if at, ok := b.findNode(name); ok && name != anyNode {
				b.nodes[at].control = cmp.Or(b.nodes[at].control, "runs "+component)
			}
		}
	}
}

// findNode returns the place of a node in the list, once that is sorted.
func (b *builder) findNode(name string) (int, bool) {
	return slices.BinarySearchFunc(b.nodes, name, func(n node, s string) int { return strings.Compare(n.name, s) })
}

// Fits reports whether the scheduler could put a workload's pod on a node: node
// selector, affinity, and taints against tolerations, those that the DaemonSet
// controller adds itself always. A node that only pods name (nil) may have any
// labels.
func Fits(w *kube.Workload, o *kube.Object) bool {
	if o == nil {
		return true
	}
	n := o.Typed.(*corev1.Node)
	pod := &corev1.Pod{Spec: w.Spec}
	if ok, err := nodeaffinity.GetRequiredNodeAffinity(pod).Match(n); err == nil && !ok {
		return false
	}
	for i := range n.Spec.Taints {
		taint := &n.Spec.Taints[i]
		if taint.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		// The DaemonSet controller tolerates the conditions of a node itself.
		own := strings.HasPrefix(taint.Key, "node.kubernetes.io/")
		if !own && !slices.ContainsFunc(w.Spec.Tolerations, func(t corev1.Toleration) bool { return tolerates(t, taint) }) {
			return false
		}
	}
	return true
}

// tolerates is the scheduler's comparison: an empty effect or, with Exists, an
// empty key matches all.
func tolerates(t corev1.Toleration, taint *corev1.Taint) bool {
	if t.Effect != "" && t.Effect != taint.Effect {
		return false
	}
	if t.Operator == corev1.TolerationOpExists {
		return t.Key == "" || t.Key == taint.Key
	}
	return (t.Operator == "" || t.Operator == corev1.TolerationOpEqual) && t.Key == taint.Key && t.Value == taint.Value
}

// controlLabel is the field that makes a node a control plane.
func controlLabel(o *kube.Object) string {
	if o == nil {
		return ""
	}
	for _, label := range []string{"node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"} {
		if _, ok := o.Typed.(*corev1.Node).Labels[label]; ok {
			return "metadata.labels[" + label + "]"
		}
	}
	return ""
}

// readSecrets lists the Secrets that are stored or that a workload reads.
func (b *builder) readSecrets() {
	seen := map[key]bool{}
	for _, s := range kube.All[*corev1.Secret](b.snapshot) {
		k := key{sort: known, a: s.Object.Namespace, b: s.Object.Name}
		seen[k] = true
		if account, ok := identity.LegacyToken(s.Object); ok {
			b.legacy[k] = account
		}
	}
	for i := range b.loads {
		for _, use := range b.loads[i].secrets {
			seen[key{sort: known, a: b.loads[i].Namespace, b: use.name}] = true
		}
	}
	for k := range seen {
		b.secrets = append(b.secrets, k)
	}
	slices.SortFunc(b.secrets, func(x, y key) int { return cmp.Or(strings.Compare(x.a, y.a), strings.Compare(x.b, y.b)) })
}

// secretsOf lists the Secrets whose values some container of a pod can read,
// by name, each with the field that says so. A volume counts when a container
// mounts it; pull secrets don't, because only the kubelet reads them.
func secretsOf(spec *corev1.PodSpec) []secretUse {
	found := map[string]string{}
	add := func(name, field string) {
		if _, ok := found[name]; !ok && name != "" {
			found[name] = field
		}
	}
	mounts := map[string]bool{}
	each := func(at string, c *corev1.Container) {
		for _, m := range c.VolumeMounts {
			mounts[m.Name] = true
		}
		for i, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				add(e.ValueFrom.SecretKeyRef.Name, fmt.Sprintf("%s.env[%d].valueFrom.secretKeyRef", at, i))
			}
		}
		for i, e := range c.EnvFrom {
			if e.SecretRef != nil {
				add(e.SecretRef.Name, fmt.Sprintf("%s.envFrom[%d].secretRef", at, i))
			}
		}
	}
	for i := range spec.InitContainers {
		each(fmt.Sprintf("spec.initContainers[%d]", i), &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		each(fmt.Sprintf("spec.containers[%d]", i), &spec.Containers[i])
	}
	for i, v := range spec.Volumes {
		if !mounts[v.Name] {
			continue
		}
		if v.Secret != nil {
			add(v.Secret.SecretName, fmt.Sprintf("spec.volumes[%d].secret", i))
		}
		if v.Projected != nil {
			for j, src := range v.Projected.Sources {
				if src.Secret != nil {
					add(src.Secret.Name, fmt.Sprintf("spec.volumes[%d].projected.sources[%d].secret", i, j))
				}
			}
		}
	}
	out := make([]secretUse, 0, len(found))
	for name, field := range found {
		out = append(out, secretUse{name, field})
	}
	slices.SortFunc(out, func(x, y secretUse) int { return strings.Compare(x.name, y.name) })
	return out
}

// hasPod reports whether a pod name belongs to a workload: one that runs, or
// one that a StatefulSet will have.
func hasPod(w *kube.Workload, name string) bool {
	if slices.ContainsFunc(w.Pods, func(p kube.Pod) bool { return p.Name == name }) || w.Kind == "Pod" && w.Name == name {
		return true
	}
	ordinal, ok := strings.CutPrefix(name, w.Name+"-")
	if n, err := strconv.Atoi(ordinal); ok && err == nil && w.Kind == "StatefulSet" {
		return n >= 0 && n < w.Replicas && strconv.Itoa(n) == ordinal
	}
	return false
}

// nameOf names an object as people do: "RoleBinding shop/web".
func nameOf(o *kube.Object) string {
	return o.Kind + " " + strings.TrimPrefix(o.Namespace+"/", "/") + o.Name
}

// nameOfLoad is nameOf for a workload.
func nameOfLoad(w *kube.Workload) string { return w.Kind + " " + w.Namespace + "/" + w.Name }

// place is file:line of an object, its name where it was not read from a
// file: a built-in role.
func place(o *kube.Object) string {
	if o == nil || o.Position.File == "" {
		return "built in"
	}
	return fmt.Sprintf("%s:%d", o.Position.File, max(1, o.Position.Line))
}
