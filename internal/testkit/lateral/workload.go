package lateral

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// agents run on every node: what a cluster can't do without.
var agents = []string{"network-agent", "log-agent", "storage-agent"}

// makeLoads decides which workloads there are and how many pods each has.
func (m *maker) makeLoads() {
	pods := m.Workloads * podsPerWorkload
	m.nodes = max(3, pods/podsPerNode)
	for _, name := range agents {
		m.load(m.spaces[0], name, "DaemonSet", m.nodes)
	}
	m.load(m.spaces[0], "coredns", "Deployment", 3)
	m.load(m.spaces[1], "ingress-controller", "Deployment", 3)
	for i, size := range m.sizes(m.Workloads - len(m.loads)) {
		for k := range size {
			m.load(m.spaces[i+2], fmt.Sprintf("app-%03d", k), m.controller(), one(m, []int{1, 1, 2, 2, 3, 3, 3, 5, 10, 25}))
		}
	}
	left := pods
	for _, l := range m.loads {
		left -= l.pods
	}
	for own := m.loads[len(agents):]; left > 0; left-- {
		one(m, own).pods++
	}
}

func (m *maker) controller() string {
	switch r := m.IntN(100); {
	case r < 80:
		return "Deployment"
	case r < 95:
		return "StatefulSet"
	}
	return "CronJob"
}

// load enters one workload with the spec of its pods.
func (m *maker) load(s *space, name, kind string, pods int) {
	l := &load{
		name: name, space: s, kind: kind, pods: pods, port: one(m, []int32{8080, 8080, 8443, 5432, 6379, 9090}),
		tier: one(m, []string{"web", "api", "worker", "data"}), account: name, secret: name,
	}
	if s.name != systemNamespace {
		switch r := m.IntN(10); {
		case r == 0:
			l.account = "default"
		case r == 1 && len(s.loads) > 0:
			l.account = one(m, s.loads).account
		}
		if m.chance(15) {
			l.secret = "shared"
		}
	}
	l.spec = m.podSpec(l)
	s.loads = append(s.loads, l)
	m.loads = append(m.loads, l)
}

func (m *maker) podSpec(l *load) corev1.PodSpec {
	c := corev1.Container{
		Name: "main", Image: "registry.example/" + l.name + ":1.0", ImagePullPolicy: corev1.PullIfNotPresent,
		Ports: []corev1.ContainerPort{{Name: "main", ContainerPort: l.port, Protocol: corev1.ProtocolTCP}},
		EnvFrom: []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: l.secret},
		}}},
		SecurityContext: &corev1.SecurityContext{},
	}
	if m.chance(60) {
		c.SecurityContext.RunAsNonRoot = new(true)
	}
	if m.chance(30) {
		c.Ports = append(c.Ports, corev1.ContainerPort{Name: "metrics", ContainerPort: 9100, Protocol: corev1.ProtocolTCP})
	}
	spec := corev1.PodSpec{
		ServiceAccountName: l.account, RestartPolicy: corev1.RestartPolicyAlways, DNSPolicy: corev1.DNSClusterFirst,
		SecurityContext: &corev1.PodSecurityContext{},
	}
	if m.chance(50) {
		spec.AutomountServiceAccountToken = new(false)
	}
	agent := l.kind == "DaemonSet"
	if agent || m.chance(1) {
		c.SecurityContext = &corev1.SecurityContext{Privileged: new(true)}
	}
	if agent || m.chance(1) {
		spec.Volumes = []corev1.Volume{{Name: "host", VolumeSource: corev1.VolumeSource{
			HostPath: &corev1.HostPathVolumeSource{Path: one(m, []string{"/", "/var/lib/kubelet/pods", "/var/log", "/etc"})},
		}}}
		c.VolumeMounts = []corev1.VolumeMount{{Name: "host", MountPath: "/host"}}
	}
	if l.name == "ingress-controller" {
		c.Image = "registry.k8s.io/ingress-nginx/controller:v1.12.0"
	}
	spec.HostNetwork = false
	spec.Containers = []corev1.Container{c}
	return spec
}

func (m *maker) makeNodes() {
	for i := range m.nodes {
		n := &corev1.Node{TypeMeta: kind("v1", "Node"), ObjectMeta: named("", nodeName(i))}
		n.Labels = map[string]string{"kubernetes.io/hostname": n.Name, "topology.kubernetes.io/zone": fmt.Sprintf("zone-%d", i%3)}
		if i < 3 {
			n.Labels["node-role.kubernetes.io/control-plane"] = ""
		}
		n.Spec.PodCIDR = podRange(i)
		n.Status.Addresses = []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: nodeAddress(i)}}
		m.add(n)
	}
	m.onNode = make([]int, m.nodes)
}

func nodeName(i int) string { return fmt.Sprintf("node-%05d", i) }

func nodeAddress(i int) string { return fmt.Sprintf("192.168.%d.%d", i>>8, i&0xff) }

// podRange is the addresses of a node's pods: 256 of 10.64.0.0/10, which
// suffices for 16,384 nodes.
func podRange(node int) string { return fmt.Sprintf("10.%d.%d.0/24", 64+node>>8, node&0xff) }

// labels are those of the pods of a workload.
func (l *load) labels() map[string]string {
	return map[string]string{"app": l.name, "tier": l.tier, "app.kubernetes.io/part-of": l.space.team}
}

// makeObjects makes what belongs to one workload: the controller, its pods,
// its account, Secret, and mostly a Service.
func (m *maker) makeObjects(l *load) {
	meta, ns := named(l.space.name, l.name), l.space.name
	m.add(&corev1.Secret{TypeMeta: kind("v1", "Secret"), ObjectMeta: named(ns, l.name), Type: corev1.SecretTypeOpaque})
	if l.account == l.name {
		m.add(&corev1.ServiceAccount{TypeMeta: kind("v1", "ServiceAccount"), ObjectMeta: meta})
	}
	if l == l.space.loads[0] {
		m.add(&corev1.Secret{TypeMeta: kind("v1", "Secret"), ObjectMeta: named(ns, "shared"), Type: corev1.SecretTypeOpaque})
		m.add(&corev1.ServiceAccount{TypeMeta: kind("v1", "ServiceAccount"), ObjectMeta: named(ns, "default")})
	}
	owner := m.makeController(l, meta)
	if !m.NoPods {
		m.makePods(l, owner)
	}
	if l.kind != "CronJob" {
		m.makeService(l, meta)
	}
}

func (m *maker) makeController(l *load, meta metav1.ObjectMeta) metav1.OwnerReference {
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": l.name}}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: l.labels()}, Spec: l.spec}
	replicas := new(int32(l.pods))
	switch l.kind {
	case "Deployment":
		spec := appsv1.DeploymentSpec{Replicas: replicas, Selector: selector, Template: template}
		m.add(&appsv1.Deployment{TypeMeta: kind("apps/v1", l.kind), ObjectMeta: meta, Spec: spec})
		if m.NoPods {
			break
		}
		set := named(meta.Namespace, meta.Name+"-5d8f9c7b4")
		set.OwnerReferences = []metav1.OwnerReference{owner("apps/v1", "Deployment", l.name)}
		m.add(&appsv1.ReplicaSet{
			TypeMeta: kind("apps/v1", "ReplicaSet"), ObjectMeta: set, Spec: appsv1.ReplicaSetSpec{Replicas: replicas, Selector: selector, Template: template},
		})
		return owner("apps/v1", "ReplicaSet", set.Name)
	case "StatefulSet":
		spec := appsv1.StatefulSetSpec{Replicas: replicas, Selector: selector, Template: template, ServiceName: l.name}
		m.add(&appsv1.StatefulSet{TypeMeta: kind("apps/v1", l.kind), ObjectMeta: meta, Spec: spec})
	case "DaemonSet":
		m.add(&appsv1.DaemonSet{TypeMeta: kind("apps/v1", l.kind), ObjectMeta: meta, Spec: appsv1.DaemonSetSpec{Selector: selector, Template: template}})
	case "CronJob":
		job := batchv1.JobTemplateSpec{Spec: batchv1.JobSpec{Template: template}}
		m.add(&batchv1.CronJob{TypeMeta: kind("batch/v1", l.kind), ObjectMeta: meta, Spec: batchv1.CronJobSpec{Schedule: "0 * * * *", JobTemplate: job}})
		// A Job that is gone but for its pods: its name tells.
		return owner("batch/v1", "Job", l.name+"-29000000")
	}
	return owner("apps/v1", l.kind, l.name)
}

func owner(version, kind, name string) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: version, Kind: kind, Name: name, UID: types.UID(kind + name), Controller: new(true)}
}

// makePods makes the running pods: an agent's on every node, others at random.
func (m *maker) makePods(l *load, by metav1.OwnerReference) {
	owners := []metav1.OwnerReference{by}
	labels := l.labels()
	if by.Kind == "ReplicaSet" {
		labels["pod-template-hash"] = "5d8f9c7b4"
	}
	for i := range l.pods {
		node := i
		if l.kind != "DaemonSet" {
			node = m.IntN(m.nodes)
		}
		p := &corev1.Pod{TypeMeta: kind("v1", "Pod"), ObjectMeta: named(l.space.name, fmt.Sprintf("%s-%d", by.Name, i))}
		p.UID, p.Labels, p.OwnerReferences = types.UID(p.Namespace+"/"+p.Name), labels, owners
		p.Spec, p.Spec.NodeName = l.spec, nodeName(node)
		p.Status.Phase, p.Status.PodIP = corev1.PodRunning, nodeAddress(node)
		if !l.spec.HostNetwork {
			m.onNode[node]++
			p.Status.PodIP = fmt.Sprintf("10.%d.%d.%d", 64+node>>8, node&0xff, m.onNode[node]%256)
		}
		p.Status.PodIPs = []corev1.PodIP{{IP: p.Status.PodIP}}
		m.add(p)
	}
}

func (m *maker) makeService(l *load, meta metav1.ObjectMeta) {
	s := &corev1.Service{TypeMeta: kind("v1", "Service"), ObjectMeta: meta, Spec: corev1.ServiceSpec{
		Type: corev1.ServiceTypeClusterIP, Selector: map[string]string{"app": l.name},
		Ports: []corev1.ServicePort{{Name: "main", Port: 80, Protocol: corev1.ProtocolTCP, TargetPort: intstr.FromString("main")}},
	}}
	if l.name == "ingress-controller" || m.chance(1) {
		s.Spec.Type = corev1.ServiceTypeLoadBalancer
	}
	m.add(s)
	if l.tier == "web" && m.chance(40) {
		backend := networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: l.name, Port: networkingv1.ServiceBackendPort{Number: 80}}}
		m.add(&networkingv1.Ingress{
			TypeMeta: kind("networking.k8s.io/v1", "Ingress"), ObjectMeta: meta, Spec: networkingv1.IngressSpec{DefaultBackend: &backend},
		})
	}
}
