package calico

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/ends"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/infrastructure/network/raw"
	"github.com/scantling/scantling/model"
)

// The API groups of Calico: the one that its API server serves, and the one
// in which its objects are stored.
const (
	servedGroup = "projectcalico.org"
	storedGroup = "crd.projectcalico.org"
)

// reader holds what the policies refer to.
type reader struct {
	snapshot   *kube.Snapshot
	tiers      map[string]tier
	sets       []networkSet
	names      map[portName][]int // numbers that names of ports stand for somewhere; nil until asked for
	incomplete []model.Incomplete
}

// Read returns Calico's policies of a snapshot, and names what it can't read.
// A policy may come in several parts, which have one Object.
func Read(s *kube.Snapshot) ([]policy.Policy, []model.Incomplete) {
	r := &reader{snapshot: s}
	objects := append(r.objects("NetworkPolicy"), r.objects("GlobalNetworkPolicy")...)
	if len(objects) == 0 {
		return nil, nil
	}
	r.readTiers()
	r.readSets()
	r.nameHostEndpoints()
	var list []policy.Policy
	var read []*readPolicy
	for _, o := range objects {
		p, err := r.prepare(o)
		if err != nil {
			list = append(list, r.refuse(o, p, err))
			continue
		}
		if p.spec.DoNotTrack || p.spec.PreDNAT {
			r.fail(o, "it holds for host endpoints alone, which are not modelled")
			continue
		}
		read = append(read, p)
	}
	setOrders(read)
	for _, p := range read {
		parts, err := r.translate(p)
		if err != nil {
			list = append(list, r.refuse(p.object, p, err))
			continue
		}
		list = append(list, parts...)
	}
	return list, r.incomplete
}

// Marks gives what the conditions of Read's policies ask of pods.
func Marks(_ *kube.Snapshot, policies []policy.Policy) policy.Marker { return ends.Marks(policies) }

// refuse names a policy that can't be read: it may be in force all the same.
func (r *reader) refuse(o *kube.Object, p *readPolicy, err error) policy.Policy {
	why := fmt.Sprintf("%s is not valid: %v", o, err)
	r.incomplete = append(r.incomplete, model.Incomplete{What: where(o), Why: why + "; answers that it could change depend on it"})
	subject := p.subject
	if subject == nil && o.Kind == "NetworkPolicy" {
		subject = policy.InNamespace(namespaceOf(o))
	}
	number := float64(policy.Standard)
	if p.tier != nil {
		number = p.tier.number
	}
	unknown := policy.Unknown(o, policy.Network, number, subject, why)
	unknown.Unsettled = false // it can't be about pods on the host's network
	return unknown
}

func (r *reader) fail(o *kube.Object, why string) {
	r.incomplete = append(r.incomplete, model.Incomplete{What: where(o), Why: o.String() + ": " + why})
}

func where(o *kube.Object) string { return o.Position.File + ":" + strconv.Itoa(o.Position.Line) }

// namespaceOf is the namespace of a namespaced object, whose kind package kube
// may not know to be so.
func namespaceOf(o *kube.Object) string { return cmp.Or(o.Namespace, "default") }

// objects lists Calico's objects of a kind. Of one that both groups have only
// that of the served group is taken.
func (r *reader) objects(kind string) []*kube.Object {
	groups := map[string][]*kube.Object{}
	for _, o := range r.snapshot.ByKind(kind) {
		group, _, _ := strings.Cut(o.APIVersion, "/")
		groups[group] = append(groups[group], o)
	}
	list := groups[servedGroup]
	if len(list) == 0 || len(groups[storedGroup]) == 0 {
		return append(list, groups[storedGroup]...)
	}
	type id struct{ namespace, name string }
	served := map[id]bool{}
	for _, o := range list {
		served[id{o.Namespace, plainName(o)}] = true
	}
	for _, o := range groups[storedGroup] {
		if !served[id{o.Namespace, plainName(o)}] {
			list = append(list, o)
		}
	}
	return list
}

// plainName is an object's name without the tier that stored names begin with.
func plainName(o *kube.Object) string {
	spec, _ := o.Raw["spec"].(map[string]any)
	tier, _ := spec["tier"].(string)
	return strings.TrimPrefix(o.Name, cmp.Or(tier, defaultTier)+".")
}

// readPolicy is a policy whose rules are not translated yet.
type readPolicy struct {
	object    *kube.Object
	spec      policySpec
	namespace string // "" of a GlobalNetworkPolicy
	tier      *tier
	subject   policy.Expr
	depends   string  // what it depends on whether it is in force
	first     float64 // the order of its first rule
	step      float64 // from one rule to the next, egress after ingress
}

// rules is how many rules p has in both directions.
func (p *readPolicy) rules() int { return len(p.spec.Ingress) + len(p.spec.Egress) }

// prepare decodes a policy and finds its tier and subject, which are nil
// where they can't be found.
func (r *reader) prepare(o *kube.Object) (*readPolicy, error) {
	p := &readPolicy{object: o}
	if _, version, _ := strings.Cut(o.APIVersion, "/"); version != "v1" && version != "v3" {
		return p, fmt.Errorf("the version %s isn't known", o.APIVersion)
	}
	if stray := raw.Stray("spec", o.Raw["spec"], specFields); stray != "" {
		return p, fmt.Errorf("the field %s isn't known", stray)
	}
	if err := raw.Spec(o, &p.spec); err != nil {
		return p, err
	}
	if o.Kind == "NetworkPolicy" {
		p.namespace = namespaceOf(o)
	}
	t, known := r.tierOf(p.spec.Tier)
	p.tier = &t
	if !known {
		p.depends = fmt.Sprintf("tier %s, which isn't known", p.spec.Tier)
		r.fail(o, "its tier "+p.spec.Tier+" isn't known; answers that it could change depend on it")
	}
	subject := policy.All{}
	if p.namespace != "" {
		subject = append(subject, policy.InNamespace(p.namespace))
	}
	for _, s := range []struct {
		text  string
		of    about
		field string
	}{
		{p.spec.Selector, endpoints, "selector"},
		{p.spec.NamespaceSelector, namespaces, "namespaceSelector"},
		{p.spec.ServiceAccountSelector, accounts, "serviceAccountSelector"},
	} {
		e, err := parseSelector(s.text, s.of)
		if err != nil {
			return p, fmt.Errorf("spec.%s: %w", s.field, err)
		}
		if s.text != "" {
			subject = append(subject, e)
		}
	}
	if p.namespace != "" && p.spec.NamespaceSelector != "" {
		return p, fmt.Errorf("spec.namespaceSelector: only a GlobalNetworkPolicy has one")
	}
	p.subject = subject
	return p, nil
}

// setOrders gives each policy of a tier its place. The rules of all policies of
// a tier get orders of their own, so that none are peers: those of Kubernetes'
// policies, which package kubernetes gives whole numbers, stay between.
func setOrders(policies []*readPolicy) {
	slices.SortStableFunc(policies, func(a, b *readPolicy) int {
		return cmp.Or(cmp.Compare(a.tier.number, b.tier.number), a.compare(b))
	})
	for from := 0; from < len(policies); {
		first := policies[from]
		to, rules := from, 0
		for to < len(policies) && policies[to].tier.number == first.tier.number && policies[to].slot() == first.slot() {
			rules += policies[to].rules()
			to++
		}
		step := 1 / float64(rules+1)
		at := first.slot() - 1 + step
		for _, p := range policies[from:to] {
			p.first, p.step = at, step
			at += step * float64(p.rules())
		}
		from = to
	}
}

// compare orders policies of one tier.
func (p *readPolicy) compare(q *readPolicy) int {
	return cmp.Or(
		cmp.Compare(p.order(), q.order()),
		strings.Compare(plainName(p.object), plainName(q.object)),
		strings.Compare(p.namespace, q.namespace),
		strings.Compare(where(p.object), where(q.object)),
	)
}

func (p *readPolicy) order() float64 {
	if p.spec.Order == nil {
		return math.Inf(1)
	}
	return *p.spec.Order
}

// slot is the order of Kubernetes' policies before which p goes. All
// NetworkPolicies have 0 in the common form and 1,000 in Calico; an
// AdminNetworkPolicy has its priority, 0 to 1,000, in both.
func (p *readPolicy) slot() float64 {
	order := p.order()
	if p.tier.number != policy.Standard {
		return max(0, min(math.Ceil(order), 1001))
	}
	if order <= 1000 {
		return 0
	}
	return 1
}
