package cilium

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

// named holds the objects that policies name.
type named struct {
	groups   map[string]*kube.Object // CiliumCIDRGroup
	services []kube.Typed[*corev1.Service]
	byName   map[string][]kube.Typed[*corev1.Service]
	backends map[[2]string][]netip.Addr // of services by namespace and name, as far as they were read; sorted
}

func newNamed(s *kube.Snapshot) named {
	n := named{
		groups:   map[string]*kube.Object{},
		services: kube.All[*corev1.Service](s),
		byName:   map[string][]kube.Typed[*corev1.Service]{},
		backends: map[[2]string][]netip.Addr{},
	}
	for _, g := range s.ByKind("CiliumCIDRGroup") {
		if strings.HasPrefix(g.APIVersion, "cilium.io/") {
			n.groups[g.Name] = g
		}
	}
	for _, svc := range n.services {
		n.byName[svc.Object.Name] = append(n.byName[svc.Object.Name], svc)
	}
	//lint:ignore SA1019 manifests still hold them, for services without a selector above all
	for _, e := range kube.All[*corev1.Endpoints](s) {
		var texts []string
		for _, subset := range e.Value.Subsets {
			for _, a := range append(slices.Clone(subset.Addresses), subset.NotReadyAddresses...) {
				texts = append(texts, a.IP)
			}
		}
		n.back(e.Object.Namespace, e.Object.Name, texts)
	}
	for _, e := range kube.All[*discoveryv1.EndpointSlice](s) {
		var texts []string
		for _, endpoint := range e.Value.Endpoints {
			texts = append(texts, endpoint.Addresses...)
		}
		n.back(e.Object.Namespace, e.Value.Labels[discoveryv1.LabelServiceName], texts)
	}
	for key, list := range n.backends {
		slices.SortFunc(list, netip.Addr.Compare)
		n.backends[key] = slices.Compact(list)
	}
	return n
}

// back adds addresses of a service, even if there are none.
func (n named) back(namespace, name string, texts []string) {
	key := [2]string{namespace, name}
	list := n.backends[key]
	for _, text := range texts {
		if a, err := netip.ParseAddr(text); err == nil {
			list = append(list, a.Unmap().WithZone(""))
		}
	}
	n.backends[key] = list
}

// apiServer returns the addresses of the Service default/kubernetes, as far as
// they were read: they may be those of nodes.
func (r *reader) apiServer() []policy.Peer {
	return blocks(r.named.backends[[2]string{"default", "kubernetes"}], false)
}

func blocks(addresses []netip.Addr, outside bool) []policy.Peer {
	var list []policy.Peer
	for _, a := range addresses {
		list = append(list, policy.Peer{Block: netip.PrefixFrom(a, a.BitLen()), Outside: outside})
	}
	return list
}

func (r *reader) services(o object, field string, _ scope, to *peers) (int, error) {
	list, _, err := o.objects(field)
	if err != nil {
		return 0, err
	}
	for _, item := range list {
		if err := r.service(item, to); err != nil {
			return 0, err
		}
	}
	return len(list), nil
}

// service reads one member of toServices. Where it has both fields, the
// selector counts.
func (r *reader) service(o object, to *peers) error {
	unknown := o.unknown("k8sService k8sServiceSelector")
	selects, has, err := o.object("k8sServiceSelector")
	if err != nil {
		return err
	}
	if !has {
		return r.serviceNamed(o, unknown, to)
	}
	namespace, err := selects.text("namespace")
	if err != nil {
		return err
	}
	labels, has, err := selects.object("selector")
	if err != nil {
		return err
	}
	if !has {
		return fmt.Errorf("%s has no selector", selects.path)
	}
	s, err := newSelector(labels)
	if err != nil {
		return err
	}
	unknown = cmp.Or(unknown, selects.unknown("selector namespace"), s.depends)
	if err := r.look(len(r.named.services)); err != nil {
		return err
	}
	for _, svc := range r.named.services {
		if (namespace == "" || namespace == svc.Object.Namespace) && s.plain(svc.Value.Labels) {
			if err := r.behind(svc, unknown, to); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *reader) serviceNamed(o object, unknown string, to *peers) error {
	ref, has, err := o.object("k8sService")
	if err != nil {
		return err
	}
	if !has {
		return errors.New(o.path + " has neither k8sService nor k8sServiceSelector")
	}
	name, err := ref.text("serviceName")
	if err != nil {
		return err
	}
	namespace, err := ref.text("namespace")
	if err != nil {
		return err
	}
	unknown = cmp.Or(unknown, ref.unknown("serviceName namespace"))
	found := false
	for _, svc := range r.named.byName[name] {
		if namespace == "" || namespace == svc.Object.Namespace {
			found = true
			if err := r.behind(svc, unknown, to); err != nil {
				return err
			}
		}
	}
	if !found {
		to.add(join(unknown, fmt.Sprintf("the service %s was not read", short(name))),
			append(slices.Clone(outside), policy.Peer{Pods: policy.All{}})...)
	}
	return nil
}

// behind adds the pods that a service selects, or the addresses outside that
// one without a selector leads to.
func (r *reader) behind(svc kube.Typed[*corev1.Service], depends string, to *peers) error {
	if len(svc.Value.Spec.Selector) == 0 {
		addresses, read := r.named.backends[[2]string{svc.Object.Namespace, svc.Object.Name}]
		if !read && svc.Value.Spec.Type != corev1.ServiceTypeExternalName {
			to.add(join(depends, fmt.Sprintf("the addresses of %s were not read", svc.Object)), outside...)
		}
		to.add(depends, blocks(addresses, true)...)
		return r.spend(len(addresses))
	}
	var s selector
	for key, value := range svc.Value.Spec.Selector {
		s.all = append(s.all, requirement{"any", key, "In", []string{value}})
	}
	slices.SortFunc(s.all, func(a, b requirement) int { return strings.Compare(a.key, b.key) })
	expr, more := r.pods(s.in(svc.Object.Namespace))
	to.add(join(depends, more), policy.Peer{Pods: expr})
	return r.spend(len(s.all))
}
