package paths

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

type object = map[string]any

// text writes a patch as YAML, keys sorted.
func text(v any) string {
	out, err := yaml.Marshal(v)
	if err != nil { // maps of strings, numbers and lists always marshal
		return ""
	}
	return string(out)
}

// privilegePatch is the strategic merge patch that takes every way out from a
// workload: of each container its privileged mode, the capabilities and the
// mounts that help, of the pod hostPID where it does.
func privilegePatch(l *load) string {
	spec := object{}
	volumes := map[string]bool{}
	for list, containers := range map[string][]corev1.Container{"initContainers": l.Spec.InitContainers, "containers": l.Spec.Containers} {
		var out []any
		for i := range containers {
			if c := containerPatch(&l.Spec, &containers[i], volumes, spec); c != nil {
				out = append(out, c)
			}
		}
		if len(out) > 0 {
			spec[list] = out
		}
	}
	var gone []any
	for _, name := range slices.Sorted(maps.Keys(volumes)) {
		gone = append(gone, object{"name": name, "$patch": "delete"})
	}
	if len(gone) > 0 {
		spec["volumes"] = gone
	}
	return text(wrap(l, spec))
}

// containerPatch changes one container; nil where it is no way out. What to
// take is told by the field of each way.
func containerPatch(spec *corev1.PodSpec, c *corev1.Container, volumes map[string]bool, pod object) object {
	security := object{}
	var mounts []any
	containerWays(spec, c, "", func(w way) {
		switch {
		case strings.HasSuffix(w.field, "securityContext.privileged"):
			security["privileged"] = false
		case strings.HasSuffix(w.field, "capabilities.add"):
			security["capabilities"] = object{"add": harmless(spec, c)}
		case strings.HasSuffix(w.field, "procMount"):
			security["procMount"] = "Default"
		case strings.HasSuffix(w.field, "hostProcess"):
			security["windowsOptions"] = object{"hostProcess": false}
		case slices.Contains([]string{"spec.hostPID", "spec.hostIPC", "spec.hostNetwork", "spec.shareProcessNamespace"}, w.field):
			pod[strings.TrimPrefix(w.field, "spec.")] = false
		}
	})
	for _, at := range badMounts(spec, c) {
		m := c.VolumeMounts[at]
		if !slices.ContainsFunc(mounts, func(have any) bool { return have.(object)["mountPath"] == m.MountPath }) {
			mounts = append(mounts, object{"mountPath": m.MountPath, "$patch": "delete"})
		}
		if !mountedElsewhere(spec, m.Name) {
			volumes[m.Name] = true
		}
	}
	if len(security) == 0 && len(mounts) == 0 {
		return nil
	}
	out := object{"name": c.Name}
	if len(security) > 0 {
		out["securityContext"] = security
	}
	if len(mounts) > 0 {
		out["volumeMounts"] = mounts
	}
	return out
}

// badMounts are the mounts of a container that are ways out of it, by place.
func badMounts(spec *corev1.PodSpec, c *corev1.Container) []int {
	var out []int
	containerWays(spec, c, "", func(w way) {
		_, number, ok := strings.Cut(w.field, ".volumeMounts[")
		number, _, _ = strings.Cut(number, "]")
		if at, err := strconv.Atoi(number); ok && err == nil && at < len(c.VolumeMounts) && !slices.Contains(out, at) {
			out = append(out, at)
		}
	})
	slices.Sort(out)
	return out
}

// mountedElsewhere reports whether some mount of the volume stays, so that
// the volume must, too.
func mountedElsewhere(spec *corev1.PodSpec, volume string) bool {
	stays := false
	eachContainer(spec, func(_ string, c *corev1.Container) {
		bad := badMounts(spec, c)
		for i, m := range c.VolumeMounts {
			stays = stays || m.Name == volume && !slices.Contains(bad, i)
		}
	})
	return stays
}

// harmless lists the added capabilities that together are no way out.
func harmless(spec *corev1.PodSpec, c *corev1.Container) []any {
	bare := corev1.Container{SecurityContext: c.SecurityContext.DeepCopy()}
	bare.SecurityContext.Privileged = nil
	ways := func(add []corev1.Capability) int {
		bare.SecurityContext.Capabilities.Add = add
		n := 0
		containerWays(spec, &bare, "", func(way) { n++ })
		return n
	}
	out, kept := []any{}, []corev1.Capability{}
	before := ways(nil)
	for _, have := range c.SecurityContext.Capabilities.Add {
		if more := append(slices.Clip(kept), have); ways(more) == before {
			out, kept = append(out, string(have)), more
		}
	}
	return out
}

// wrap puts a pod spec where the workload's kind has it.
func wrap(l *load, spec object) object {
	switch l.Kind {
	case "Pod":
	case "CronJob":
		spec = object{"jobTemplate": object{"spec": object{"template": object{"spec": spec}}}}
	default:
		spec = object{"template": object{"spec": spec}}
	}
	version := "v1"
	if l.Object != nil && l.Object.Kind == l.Kind {
		version = l.Object.APIVersion
	}
	return object{"apiVersion": version, "kind": l.Kind, "metadata": object{"name": l.Name, "namespace": l.Namespace}, "spec": spec}
}

// services are the ways from outside to workloads, by namespace.
type services struct {
	byNamespace map[string][]kube.Typed[*corev1.Service]
	routed      map[[2]string]*kube.Object // Service that an Ingress names -> the Ingress
	controllers []string                   // namespaces that look like an ingress controller's
}

func readServices(s *kube.Snapshot) *services {
	out := &services{byNamespace: map[string][]kube.Typed[*corev1.Service]{}, routed: map[[2]string]*kube.Object{}}
	for _, svc := range kube.All[*corev1.Service](s) {
		out.byNamespace[svc.Object.Namespace] = append(out.byNamespace[svc.Object.Namespace], svc)
	}
	for _, in := range kube.All[*networkingv1.Ingress](s) {
		add := func(b *networkingv1.IngressBackend) {
			if b != nil && b.Service != nil {
				out.routed[[2]string{in.Object.Namespace, b.Service.Name}] = in.Object
			}
		}
		add(in.Value.Spec.DefaultBackend)
		for _, r := range in.Value.Spec.Rules {
			if r.HTTP == nil {
				continue
			}
			for i := range r.HTTP.Paths {
				add(&r.HTTP.Paths[i].Backend)
			}
		}
	}
	for _, w := range s.Workloads {
		name := w.Name + " " + w.Labels["app.kubernetes.io/name"]
		if (strings.Contains(name, "ingress") || strings.Contains(name, "traefik")) && !slices.Contains(out.controllers, w.Namespace) {
			out.controllers = append(out.controllers, w.Namespace)
		}
	}
	return out
}

// everyAddress is why no policy may isolate what a port outside of the pod
// network serves: to keep that working it must admit every address on the
// port, neighbours among them.
const everyAddress = " serves it: every address must be let in on the port"

// serve notes the ports on which everybody must be let in to a workload, and
// says why; zero where there are none.
func (s *services) serve(l *load) model.Proof {
	var why model.Proof
	add := func(p model.Proof, ports ...served) {
		if why == (model.Proof{}) {
			why = p
		}
		for _, port := range ports {
			if !slices.Contains(l.served, port) {
				l.served = append(l.served, port)
			}
		}
	}
	for at, list := range [][]corev1.Container{l.Spec.InitContainers, l.Spec.Containers} {
		for i := range list {
			for j, p := range list[i].Ports {
				if p.HostPort != 0 {
					field := fmt.Sprintf("spec.%s[%d].ports[%d].hostPort", [...]string{"initContainers", "containers"}[at], i, j)
					add(model.Proof{Object: nameOfLoad(l.Workload), Field: field, Rule: "a host port" + everyAddress}, served{p.ContainerPort, cmp.Or(p.Protocol, corev1.ProtocolTCP)})
				}
			}
		}
	}
	for _, svc := range s.leadingTo(l) {
		p := model.Proof{Object: nameOf(svc.Object), Field: "spec.type"}
		switch {
		case svc.Value.Spec.Type == corev1.ServiceTypeLoadBalancer:
			p.Rule = "a load balancer" + everyAddress
		case svc.Value.Spec.Type == corev1.ServiceTypeNodePort:
			p.Rule = "a NodePort" + everyAddress
		case len(svc.Value.Spec.ExternalIPs) > 0:
			p.Field, p.Rule = "spec.externalIPs", "an external IP"+everyAddress
		default:
			continue
		}
		add(p, targetPorts(svc.Value)...)
	}
	return why
}

// leadingTo lists the Services that select pods of a workload.
func (s *services) leadingTo(l *load) []kube.Typed[*corev1.Service] {
	var out []kube.Typed[*corev1.Service]
	for _, svc := range s.byNamespace[l.Namespace] {
		selects := func(set map[string]string) bool { return within(svc.Value.Spec.Selector, set) }
		if len(svc.Value.Spec.Selector) > 0 && slices.ContainsFunc(l.labels, selects) {
			out = append(out, svc)
		}
	}
	return out
}

// fromIngress are the rules that admit the ingress controller's namespace to
// the ports of a workload to which an Ingress leads; none for others.
func (s *services) fromIngress(l *load) (rules []any, evidence []model.Evidence) {
	for _, svc := range s.leadingTo(l) {
		in := s.routed[[2]string{l.Namespace, svc.Object.Name}]
		if in == nil {
			continue
		}
		from, named := s.controllerNamespaces()
		rules = append(rules, object{"from": from, "ports": written(targetPorts(svc.Value))})
		evidence = append(evidence, model.Evidence{
			What: "for " + nameOf(in) + " a rule admits the ingress controller in namespace " + named + " to " + nameOfLoad(l.Workload), Where: place(in), Value: "Service " + svc.Object.Name,
		})
	}
	return rules, evidence
}

// controllerNamespaces are the peers that an Ingress needs. Where nothing
// looks like a controller the common name stands in, to be replaced.
func (s *services) controllerNamespaces() (from []any, named string) {
	names := s.controllers
	if len(names) == 0 {
		names = []string{"ingress-nginx"}
	}
	for _, n := range names {
		from = append(from, object{"namespaceSelector": object{"matchLabels": object{corev1.LabelMetadataName: n}}})
	}
	named = strings.Join(names, ", ")
	if len(s.controllers) == 0 {
		named = fmt.Sprintf("%s (none was read: put the right one)", named)
	}
	return from, named
}

// targetPorts are the pods' ports behind a Service.
func targetPorts(svc *corev1.Service) []served {
	var out []served
	for _, p := range svc.Spec.Ports {
		s := served{p.Port, cmp.Or(p.Protocol, corev1.ProtocolTCP)}
		switch {
		case p.TargetPort.Type == intstr.String:
			s.port = p.TargetPort.StrVal
		case p.TargetPort.IntVal != 0:
			s.port = p.TargetPort.IntVal
		}
		out = append(out, s)
	}
	return out
}

// written are ports as a policy has them.
func written(ports []served) []any {
	out := []any{}
	for _, p := range ports {
		out = append(out, object{"protocol": string(p.protocol), "port": p.port})
	}
	return out
}
