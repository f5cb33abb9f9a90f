package kubehound

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// endpointEdges leads from every address and port of a container to it: as a
// Service shows it (External), as a host port (NodeIP), or as neither
// (ClusterIP).
func (b *builder) endpointEdges() {
	for i := range b.pods {
		p := &b.pods[i]
		for j, c := range p.spec.Containers {
			for k, port := range c.Ports {
				b.exposed(p, p.container(c.Name), port, fmt.Sprintf("spec.containers[%d].ports[%d]", j, k))
			}
		}
	}
}

func (b *builder) exposed(p *pod, to Vertex, port corev1.ContainerPort, field string) {
	services := b.sliced(p, port)
	if len(kube.All[*discoveryv1.EndpointSlice](b.snapshot)) == 0 {
		services = b.selected(p, port)
	}
	for _, name := range services {
		from := Vertex{Class: Endpoint, Name: name, Namespace: p.Namespace, Pod: p.Name, Port: port.ContainerPort, Exposure: "External"}
		b.add("ENDPOINT_EXPLOIT", from, to, model.Proof{Object: "Service " + p.Namespace + "/" + name, Field: "spec.ports"}, p.proof(field))
	}
	if len(services) > 0 {
		return
	}
	from := Vertex{
		Class: Endpoint, Name: cmp.Or(port.Name, fmt.Sprint(port.ContainerPort)), Namespace: p.Namespace, Pod: p.Name,
		Port: port.ContainerPort, Exposure: "ClusterIP",
	}
	if port.HostPort != 0 {
		from.Port, from.Exposure = port.HostPort, "NodeIP"
	}
	b.add("ENDPOINT_EXPLOIT", from, to, p.proof(field))
}

// sliced names the Services whose EndpointSlices hold the pod's port.
func (b *builder) sliced(p *pod, port corev1.ContainerPort) []string {
	var out []string
	for _, s := range kube.All[*discoveryv1.EndpointSlice](b.snapshot) {
		serves := slices.ContainsFunc(s.Value.Ports, func(have discoveryv1.EndpointPort) bool {
			return have.Port != nil && *have.Port == port.ContainerPort && (have.Protocol == nil || *have.Protocol == protocol(port.Protocol))
		})
		has := slices.ContainsFunc(s.Value.Endpoints, func(e discoveryv1.Endpoint) bool {
			return e.TargetRef != nil && e.TargetRef.Kind == "Pod" && e.TargetRef.Name == p.Name
		})
		if serves && has && s.Object.Namespace == p.Namespace {
			out = append(out, cmp.Or(s.Value.Labels[discoveryv1.LabelServiceName], s.Object.Name))
		}
	}
	return out
}

// selected names the Services that select the pod and forward to the port.
func (b *builder) selected(p *pod, port corev1.ContainerPort) []string {
	var out []string
	for _, s := range kube.All[*corev1.Service](b.snapshot) {
		if s.Object.Namespace != p.Namespace || len(s.Value.Spec.Selector) == 0 || !labels.SelectorFromSet(s.Value.Spec.Selector).Matches(labels.Set(p.labels)) {
			continue
		}
		if slices.ContainsFunc(s.Value.Spec.Ports, func(have corev1.ServicePort) bool { return forwards(have, port) }) {
			out = append(out, s.Object.Name)
		}
	}
	return out
}

func forwards(s corev1.ServicePort, port corev1.ContainerPort) bool {
	if protocol(s.Protocol) != protocol(port.Protocol) {
		return false
	}
	if s.TargetPort.Type == intstr.String {
		return s.TargetPort.StrVal == port.Name
	}
	return cmp.Or(s.TargetPort.IntVal, s.Port) == port.ContainerPort
}

func protocol(p corev1.Protocol) corev1.Protocol { return cmp.Or(p, corev1.ProtocolTCP) }
