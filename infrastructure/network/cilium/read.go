package cilium

import (
	"cmp"
	"errors"
	"fmt"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// Within the tier a rule that denies goes before all that allow, which have
// the order of NetworkPolicy's rules.
const (
	denyOrder  = -1
	allowOrder = 0
)

// maxEnds is how many peers and ports the policies of a snapshot may name in
// all, those of referred CIDR groups and services included. The policies of 10,000
// workloads name some 100,000.
const maxEnds = 1_000_000

// maxLooks is how many objects selectors of services and of CIDR groups may be
// compared with in all.
const maxLooks = 50_000_000

var (
	errTooMany = fmt.Errorf("together with the policies before it, it names more than %d peers and ports", maxEnds)
	errTooWide = fmt.Errorf("together with the policies before it, it is compared with more than %d services and CIDR groups", maxLooks)
)

// Read returns the Cilium policies of a snapshot in the form of package
// policy: one for each of an object's specs. What can't be evaluated is
// named, with the place of the object.
func Read(s *kube.Snapshot) ([]policy.Policy, []model.Incomplete) {
	r := &reader{settings: newSettings(s), named: newNamed(s), nodeObjects: kube.All[*corev1.Node](s), left: maxEnds, looks: maxLooks}
	kinds := []string{"CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"}
	for _, kind := range kinds {
		for _, o := range s.ByKind(kind) {
			if group, _, _ := strings.Cut(o.APIVersion, "/"); group == "cilium.io" {
				r.read(o)
			}
		}
	}
	r.enforcement()
	return r.policies, r.incomplete
}

type reader struct {
	settings    settings
	named       named
	nodeObjects []kube.Typed[*corev1.Node]
	left        int // of maxEnds
	looks       int // of maxLooks
	policies    []policy.Policy
	incomplete  []model.Incomplete
}

// spend takes from what the policies may name.
func (r *reader) spend(ends int) error {
	if r.left -= ends; r.left < 0 {
		r.left = 0
		return errTooMany
	}
	return nil
}

// look takes from what selectors may be compared with.
func (r *reader) look(objects int) error {
	if r.looks -= objects; r.looks < 0 {
		r.looks = 0
		return errTooWide
	}
	return nil
}

func (r *reader) fail(o *kube.Object, format string, args ...any) {
	r.incomplete = append(r.incomplete, model.Incomplete{
		What: o.Position.File + ":" + strconv.Itoa(o.Position.Line),
		Why:  o.String() + ": " + fmt.Sprintf(format, args...),
	})
}

// enforcement adds what the mode of enforcement means for all pods.
func (r *reader) enforcement() {
	o := r.settings.object
	if why := r.settings.unenforced(); why != "" {
		r.fail(o, "%s", why)
	}
	if r.settings.data["enable-policy"] != "always" {
		return
	}
	all := policy.Policy{Object: o, Subject: policy.All{}}
	for d := range all.Sides {
		all.Sides[d] = &policy.Side{Tier: policy.Standard, Isolates: true, Depends: r.settings.unenforced()}
	}
	r.policies = append(r.policies, all)
}

// scope is what a selector that names no namespace is kept to.
type scope struct {
	namespace string // "" for all
	init      bool   // the policy is for pods that have no labels yet
}

// namespaceOf returns the namespace of a policy, "" for a cluster-wide one.
func namespaceOf(o *kube.Object) string {
	if o.Kind == "CiliumClusterwideNetworkPolicy" {
		return ""
	}
	return cmp.Or(o.Namespace, "default")
}

// errNoRule is what Cilium says of a spec without a rule.
var errNoRule = errors.New("holds no rule: Cilium takes it for nothing, and since 1.17 refuses the object")

func (r *reader) read(o *kube.Object) {
	specs, err := specsOf(o)
	if err != nil {
		r.refuse(o, err)
		return
	}
	var read []policy.Policy
	refused := ""
	for _, spec := range specs {
		list, err := r.spec(o, spec)
		switch {
		case errors.Is(err, errNoRule):
			refused = spec.path + " " + err.Error()
		case err != nil:
			r.refuse(o, err)
			return
		}
		read = append(read, list...)
	}
	if refused != "" {
		r.fail(o, "%s", refused)
	}
	doubt := cmp.Or(r.settings.unenforced(), refused)
	for _, p := range read {
		for _, side := range p.Sides {
			if side != nil {
				side.Depends = cmp.Or(side.Depends, doubt)
			}
		}
	}
	r.policies = append(r.policies, read...)
}

// specsOf returns spec, if there is one, and the members of specs.
func specsOf(o *kube.Object) ([]object, error) {
	if _, version, _ := strings.Cut(o.APIVersion, "/"); version != "v2" {
		return nil, fmt.Errorf("the version %s is not known", short(o.APIVersion))
	}
	root := object{"", o.Raw}
	spec, has, err := root.object("spec")
	if err != nil {
		return nil, err
	}
	specs, _, err := root.objects("specs")
	if err != nil {
		return nil, err
	}
	if has {
		specs = append([]object{spec}, specs...)
	}
	if len(specs) == 0 {
		return nil, errors.New("neither spec nor specs")
	}
	return specs, nil
}

// refuse names a policy that Cilium would refuse, and adds one that may decide
// anything about the pods of its scope: that of a Cilium that takes it.
func (r *reader) refuse(o *kube.Object, err error) {
	r.fail(o, "%v: not evaluated, and what it could decide depends", err)
	why := o.String() + " is not valid, or not known: " + err.Error()
	var subject policy.Expr
	if namespace := namespaceOf(o); namespace != "" {
		subject = policy.InNamespace(namespace)
	}
	r.policies = append(r.policies, policy.Unknown(o, policy.Network, policy.Standard, subject, why))
}

// sections are the lists of rules of one direction.
var sections = [2][2]string{policy.Ingress: {"ingress", "ingressDeny"}, policy.Egress: {"egress", "egressDeny"}}

// spec reads one spec: one policy, or those that one for nodes becomes.
func (r *reader) spec(o *kube.Object, spec object) ([]policy.Policy, error) {
	subject, forNodes, err := r.subject(o, spec)
	if err != nil {
		return nil, err
	}
	p := policy.Policy{Object: o}
	defaults, _, err := spec.object("enableDefaultDeny")
	if err != nil {
		return nil, err
	}
	unknown := cmp.Or(
		spec.unknown("endpointSelector nodeSelector ingress ingressDeny egress egressDeny enableDefaultDeny labels description log"),
		defaults.unknown("ingress egress"),
	)
	depends := ""
	if !forNodes {
		p.Subject, depends = r.pods(subject)
	}
	sc := scope{namespaceOf(o), subject.reserved("init")}
	for d := range p.Sides {
		side, err := r.side(spec, policy.Direction(d), sc)
		if err != nil {
			return nil, err
		}
		isolates, err := defaults.flag(sections[d][0], true)
		if err != nil {
			return nil, err
		}
		if side != nil {
			side.Isolates = isolates
			side.Depends = cmp.Or(unknown, depends)
			p.Sides[d] = side
		}
	}
	switch {
	case p.Sides[policy.Ingress] == nil && p.Sides[policy.Egress] == nil:
		return nil, errNoRule
	case !forNodes:
		return []policy.Policy{p}, nil
	case r.settings.off("enable-host-firewall"):
		return nil, nil
	}
	r.fail(o, "%s is for nodes: evaluated for the pods on their network, not for what else runs on them", spec.path)
	return r.forNodes(p, subject), nil
}

// subject reads which endpoints, or which nodes, a spec is for.
func (r *reader) subject(o *kube.Object, spec object) (s selector, forNodes bool, err error) {
	endpoints, has, err := spec.object("endpointSelector")
	if err != nil {
		return s, false, err
	}
	nodes, forNodes, err := spec.object("nodeSelector")
	namespace := namespaceOf(o)
	switch {
	case err != nil:
		return s, false, err
	case has == forNodes:
		return s, false, fmt.Errorf("%s has to have one of endpointSelector and nodeSelector", spec.path)
	case forNodes && namespace != "":
		return s, false, fmt.Errorf("%s: a policy for nodes has to be cluster-wide", spec.path)
	case forNodes:
		s, err = newSelector(nodes)
		return s, true, err
	}
	if s, err = newSelector(endpoints); err != nil || namespace == "" {
		return s, false, err
	}
	// Cilium writes its own namespace over another one of this spelling.
	labels, _, _ := endpoints.object("matchLabels")
	if other, is := labels.fields["k8s:"+namespaceKey]; is && other != namespace {
		s.dropNamespace(other)
	}
	return s.in(namespace), false, nil
}

// side reads the rules of one direction, nil where there are none.
func (r *reader) side(spec object, d policy.Direction, sc scope) (*policy.Side, error) {
	side := &policy.Side{Tier: policy.Standard}
	found := 0
	for i, action := range []policy.Action{policy.Accept, policy.Deny} {
		list, _, err := spec.objects(sections[d][i])
		if err != nil {
			return nil, err
		}
		found += len(list)
		for _, o := range list {
			rules, err := r.rule(o, d, action, sc)
			if err != nil {
				return nil, err
			}
			side.Rules = append(side.Rules, rules...)
		}
	}
	if found == 0 {
		return nil, nil
	}
	return side, nil
}
