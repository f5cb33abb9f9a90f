package paths

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
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

// containerPatch changes one container; nil where it is no way out.
func containerPatch(spec *corev1.PodSpec, c *corev1.Container, volumes map[string]bool, pod object) object {
	var found []way
	containerWays(spec, c, "", func(w way) { found = append(found, w) })
	security := object{}
	var mounts []any
	for _, w := range found {
		switch {
		case w.value == "privileged":
			security["privileged"] = false
		case strings.HasSuffix(w.field, "capabilities.add"):
			security["capabilities"] = object{"add": harmless(c)}
		case w.field == "spec.hostPID":
			pod["hostPID"] = false
		}
	}
	for _, m := range c.VolumeMounts {
		host, ok := hostPath(spec, m)
		if !ok || !mayBeRoot(spec, c) {
			continue
		}
		mountWays(host, m.ReadOnly, "", func(way) {
			if !slices.ContainsFunc(mounts, func(have any) bool { return have.(object)["mountPath"] == m.MountPath }) {
				mounts = append(mounts, object{"mountPath": m.MountPath, "$patch": "delete"})
			}
			if !mountedElsewhere(spec, m.Name) {
				volumes[m.Name] = true
			}
		})
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

// mountedElsewhere reports whether some mount of the volume stays, so that
// the volume must, too.
func mountedElsewhere(spec *corev1.PodSpec, volume string) bool {
	for _, list := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range list {
			for _, m := range list[i].VolumeMounts {
				if m.Name != volume {
					continue
				}
				bad := false
				if host, ok := hostPath(spec, m); ok && mayBeRoot(spec, &list[i]) {
					mountWays(host, m.ReadOnly, "", func(way) { bad = true })
				}
				if !bad {
					return true
				}
			}
		}
	}
	return false
}

// harmless lists the added capabilities that are no way out.
func harmless(c *corev1.Container) []any {
	out := []any{}
	for _, have := range c.SecurityContext.Capabilities.Add {
		switch strings.TrimPrefix(strings.ToUpper(string(have)), "CAP_") {
		case "ALL", "SYS_MODULE", "SYS_ADMIN", "SYS_PTRACE", "DAC_READ_SEARCH":
		default:
			out = append(out, string(have))
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

// moving are labels that the cluster gives to single pods or revisions: a
// policy that names them stops to select at the next change.
var moving = []string{
	"pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
	"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index",
}

// addPolicy isolates a workload from other namespaces: its policy admits its
// own namespace, and the namespace of the ingress controller where an Ingress
// leads to it. There is none for a workload that a port of the node or of a
// load balancer serves: to keep that working a policy must admit every address
// on the port, neighbours among them, and so would remove nothing.
func (s *services) addPolicy(l *load, ref model.Ref, removes []string) (model.Action, bool) {
	chosen := object{}
	for k, v := range l.Labels {
		if !slices.Contains(moving, k) {
			chosen[k] = v
		}
	}
	for _, c := range l.Spec.Containers {
		if slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 }) {
			return model.Action{}, false
		}
	}
	rules := []any{object{"from": []any{object{"podSelector": object{}}}}}
	evidence := []model.Evidence{{
		What:  "the policy admits its own namespace " + l.Namespace + "; a caller from another one that it has needs a rule of its own",
		Where: place(l.Object), Value: "no ingress policy selects it",
	}}
	for _, svc := range s.byNamespace[l.Namespace] {
		if len(svc.Value.Spec.Selector) == 0 || !labels.SelectorFromSet(svc.Value.Spec.Selector).Matches(labels.Set(l.Labels)) {
			continue
		}
		if t := svc.Value.Spec.Type; t == corev1.ServiceTypeLoadBalancer || t == corev1.ServiceTypeNodePort || len(svc.Value.Spec.ExternalIPs) > 0 {
			return model.Action{}, false
		}
		if in := s.routed[[2]string{l.Namespace, svc.Object.Name}]; in != nil {
			from, named := s.controllerNamespaces()
			rules = append(rules, object{"from": from, "ports": targetPorts(svc.Value)})
			evidence = append(evidence, model.Evidence{What: "and, for " + nameOf(in) + ", the ingress controller in namespace " + named, Where: place(in), Value: "Service " + svc.Object.Name})
		}
	}
	if len(chosen) == 0 {
		evidence = append(evidence, model.Evidence{What: "its pods have no label of their own that a policy could select: give them one first", Where: place(l.Object), Value: "metadata.labels"})
	}
	policy := object{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": object{"name": l.Name + "-ingress", "namespace": l.Namespace},
		"spec": object{"podSelector": object{"matchLabels": chosen}, "policyTypes": []any{"Ingress"}, "ingress": rules},
	}
	patch := text(policy)
	if len(chosen) == 0 {
		patch = ""
	}
	return model.Action{
		ID: model.ActionID(model.AddPolicy, ref), Type: model.AddPolicy, Title: "Isolate " + nameOfLoad(l.Workload) + " from other namespaces",
		Assets: []model.Ref{ref}, Removes: removes, Patch: patch, Evidence: evidence,
	}, true
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
func targetPorts(svc *corev1.Service) []any {
	out := []any{}
	for _, p := range svc.Spec.Ports {
		var port any = p.Port
		switch {
		case p.TargetPort.Type == intstr.String:
			port = p.TargetPort.StrVal
		case p.TargetPort.IntVal != 0:
			port = p.TargetPort.IntVal
		}
		protocol := p.Protocol
		if protocol == "" {
			protocol = corev1.ProtocolTCP
		}
		out = append(out, object{"protocol": string(protocol), "port": port})
	}
	return out
}
