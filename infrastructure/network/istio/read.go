package istio

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// The orders of rules: all are in one tier.
const (
	orderPast   = -3 // what the mesh doesn't see
	orderDoubt  = -2
	orderCustom = -1
	orderDeny   = 0
	orderAllow  = 1
)

// dryRun is the annotation of policies that are only tried.
const dryRun = "istio.io/dry-run"

// Read returns Istio's policies of a snapshot, and names what it can't read. A
// policy may come in several parts, which have one Object.
func Read(s *kube.Snapshot) ([]policy.Policy, []model.Incomplete) {
	if len(s.ByKind("AuthorizationPolicy"))+len(s.ByKind("PeerAuthentication")) == 0 {
		return nil, nil
	}
	m := newMesh(s)
	found := m.survey()
	list := m.refused
	for i := range found.chains {
		if p, denies := found.chains[i].strict(); denies {
			list = append(list, p)
		}
	}
	enforced := 0
	for _, o := range m.objects("AuthorizationPolicy") {
		if tried, err := strconv.ParseBool(o.Annotations()[dryRun]); tried && err == nil {
			continue
		}
		parts, err := m.authorize(o, found.plain)
		if err != nil {
			parts = []policy.Policy{m.refuse(o, err)}
		}
		list = append(list, parts...)
		enforced++
	}
	if enforced > 0 {
		list = append(list, m.throughWaypoints(found.waypoints)...)
	}
	if len(list) > 0 {
		list = append(list, found.bypasses...)
	}
	return list, m.incomplete
}

// refuse names a policy that can't be read: it may be in force all the same.
func (m *mesh) refuse(o *kube.Object, err error) policy.Policy {
	why := fmt.Sprintf("%s is not valid: %v", o, err)
	m.incomplete = append(m.incomplete, model.Incomplete{What: where(o), Why: why + "; answers that it could change depend on it"})
	return doubt(o, policy.All{inMesh, m.scope(o)}, why, policy.Accept, policy.Deny)
}

// doubt is a policy that may do any of some actions to every TCP connection.
func doubt(o *kube.Object, subject policy.Expr, why string, actions ...policy.Action) policy.Policy {
	p := policy.Policy{Object: o, Layer: policy.Mesh, Subject: subject}
	side := &policy.Side{}
	for _, action := range actions {
		side.Rules = append(side.Rules, policy.Rule{Action: action, Order: orderDoubt, Ports: ends.Ports("TCP", ends.AllPorts), Field: "spec", Depends: why})
	}
	p.Sides[policy.Ingress] = side
	return p
}

// scope holds for the pods of an object's namespace, for all where that is the
// root namespace.
func (m *mesh) scope(o *kube.Object) policy.Expr {
	if namespaceOf(o) == m.root {
		return policy.All{}
	}
	return policy.InNamespace(namespaceOf(o))
}

// plaintext are pods with a proxy that turns mutual TLS off at some ports.
type plaintext struct {
	pods  policy.Expr
	ports []ends.Span
}

// survey is what there is among the pods of the mesh.
type survey struct {
	chains    []chain
	plain     []plaintext
	bypasses  []policy.Policy
	waypoints []string
}

// survey goes over all pods once.
func (m *mesh) survey() survey {
	var found survey
	seen := map[[2]string]bool{} // mark, value
	look := func(load *kube.Workload, pod *kube.Pod) {
		e := endOf(load, pod)
		plane := m.plane(&e)
		if plane == "" {
			return
		}
		c := m.chainOf(&e)
		if key := c.key(); key != "" && !seen[[2]string{chainMark, key}] {
			seen[[2]string{chainMark, key}] = true
			found.addChain(c)
		}
		spans, err := e.bypass(plane)
		text := spanText(spans)
		if err != nil {
			text = where(load.Object)
		}
		switch first := !seen[[2]string{bypassMark, text}]; {
		case first && err != nil:
			m.fail(load.Object, err.Error()+": it is taken to be empty")
		case first && len(spans) > 0:
			found.bypasses = append(found.bypasses, bypassPolicy(load.Object, text, spans))
		}
		seen[[2]string{bypassMark, text}] = true
		if name := m.waypoint(&e); plane == ambient && name != "" && !slices.Contains(found.waypoints, name) {
			found.waypoints = append(found.waypoints, name)
		}
	}
	for _, load := range m.snapshot.Workloads {
		if len(load.Pods) == 0 {
			look(load, nil)
		}
		for i := range load.Pods {
			look(load, &load.Pods[i])
		}
	}
	return found
}

func (s *survey) addChain(c chain) {
	s.chains = append(s.chains, c)
	if spans := c.portsOf(disable); len(spans) > 0 {
		s.plain = append(s.plain, plaintext{policy.All{is(planeMark, sidecar), is(chainMark, c.key())}, spans})
	}
}

// bypassPolicy lets through what an annotation keeps from the proxy.
func bypassPolicy(o *kube.Object, text string, spans []ends.Span) policy.Policy {
	p := policy.Policy{Object: o, Layer: policy.Mesh, Subject: is(bypassMark, text)}
	p.Sides[policy.Ingress] = &policy.Side{Rules: []policy.Rule{{
		Action: policy.Accept, Order: orderPast, Field: "metadata.annotations", Ports: ends.Ports("TCP", spans),
	}}}
	return p
}

// throughWaypoints says of pods behind waypoints that all depends on these.
func (m *mesh) throughWaypoints(names []string) []policy.Policy {
	var list []policy.Policy
	slices.Sort(names)
	for _, name := range names {
		object := m.objects("AuthorizationPolicy")[0]
		for _, o := range m.snapshot.ByKind("Gateway") {
			if o.Name == name {
				object = o
			}
		}
		list = append(list, doubt(object, is(waypointMark, name), "waypoint "+name+", whose policies are not evaluated", policy.Accept, policy.Deny))
	}
	return list
}

// authorize translates one AuthorizationPolicy.
func (m *mesh) authorize(o *kube.Object, plain []plaintext) ([]policy.Policy, error) {
	var spec authorization
	if err := decode(o, authorizationFields, &spec); err != nil {
		return nil, err
	}
	if spec.TargetRef != nil {
		spec.TargetRefs = append(spec.TargetRefs, *spec.TargetRef)
	}
	if !slices.Contains([]string{"", "ALLOW", "DENY", "AUDIT", "CUSTOM"}, spec.Action) {
		return nil, fmt.Errorf("spec.action: %q is none of ALLOW, DENY, AUDIT and CUSTOM", spec.Action)
	}
	for i := range spec.Rules {
		if err := spec.Rules[i].check(); err != nil {
			return nil, fmt.Errorf("spec.rules[%d]: %w", i, err)
		}
	}
	switch {
	case spec.Action == "AUDIT":
		return nil, nil
	case len(spec.TargetRefs) > 0:
		return m.attached(o, &spec), nil
	}
	subject := policy.All{m.scope(o)}
	if len(spec.Selector.MatchLabels) > 0 {
		labels, err := policy.Labels(policy.PodLabel, &metav1.LabelSelector{MatchLabels: spec.Selector.MatchLabels})
		if err != nil {
			return nil, fmt.Errorf("spec.selector: %w", err)
		}
		subject = append(subject, labels)
	}
	var parts []policy.Policy
	for _, v := range variants(&spec, plain) {
		part, err := m.part(o, &spec, v)
		if err != nil {
			return nil, err
		}
		part.Subject = policy.All{v.pods, subject}
		parts = append(parts, part)
	}
	return parts, nil
}

// variant are pods at which a policy means the same.
type variant struct {
	pods  policy.Expr
	plane string      // "" where it makes no difference
	plain []ends.Span // ports at which nobody has an identity
}

// variants splits the pods of the mesh as far as a policy needs it.
func variants(spec *authorization, plain []plaintext) []variant {
	split := spec.Action == "CUSTOM"
	for i := range spec.Rules {
		split = split || spec.Rules[i].beyond() != ""
	}
	if !split && len(plain) == 0 {
		return []variant{{pods: inMesh}}
	}
	list := []variant{{pods: is(planeMark, ambient), plane: ambient}}
	proxies := policy.All{is(planeMark, sidecar)}
	for _, p := range plain {
		list = append(list, variant{pods: p.pods, plane: sidecar, plain: p.ports})
		proxies = append(proxies, policy.Not{Expr: p.pods})
	}
	return append(list, variant{pods: proxies, plane: sidecar})
}

// part is what a policy means at the pods of a variant.
func (m *mesh) part(o *kube.Object, spec *authorization, v variant) (policy.Policy, error) {
	side := &policy.Side{Isolates: spec.Action == "" || spec.Action == "ALLOW"}
	if side.Isolates {
		side.Rules = append(side.Rules, notTCP())
	}
	p := policy.Policy{Object: o, Layer: policy.Mesh}
	p.Sides[policy.Ingress] = side
	if spec.Action == "CUSTOM" && v.plane == ambient {
		return p, nil // ztunnel knows no such action
	}
	for i := range spec.Rules {
		rules, err := m.rules(namespaceOf(o), spec, &spec.Rules[i], v)
		if err != nil {
			return p, fmt.Errorf("spec.rules[%d]: %w", i, err)
		}
		for _, r := range rules {
			r.Field = fmt.Sprintf("spec.rules[%d]", i)
			side.Rules = append(side.Rules, r)
		}
	}
	return p, nil
}

// attached says of a policy for gateways, waypoints or Services that what it
// does depends on these.
func (m *mesh) attached(o *kube.Object, spec *authorization) []policy.Policy {
	var list []policy.Policy
	for _, ref := range spec.TargetRefs {
		subject := policy.All{}
		switch ref.Kind {
		case "ServiceEntry":
			continue // it stands for what is outside
		case "Gateway":
			subject = append(subject, policy.InNamespace(namespaceOf(o)), policy.Test{
				Key: policy.Key{Of: policy.PodLabel, Name: gatewayLabel}, Op: policy.In, Values: []string{ref.Name},
			})
		case "Service":
			subject = append(subject, inMesh, policy.InNamespace(namespaceOf(o)))
			if svc := m.snapshot.Get("Service", namespaceOf(o), ref.Name); svc != nil {
				if typed, is := svc.Typed.(*corev1.Service); is {
					for _, k := range slices.Sorted(maps.Keys(typed.Spec.Selector)) {
						subject = append(subject, policy.Test{Key: policy.Key{Of: policy.PodLabel, Name: k}, Op: policy.In, Values: []string{typed.Spec.Selector[k]}})
					}
				}
			}
		default: // GatewayClass: all waypoints
			subject = append(subject, test(waypointMark, policy.Exists))
		}
		list = append(list, doubt(o, subject, fmt.Sprintf("%s %s, which may enforce %s or not", ref.Kind, ref.Name, o), policy.Deny))
	}
	return list
}
