package cilium_test

import (
	"encoding/json"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// The oracle is written from Cilium's documentation: every end of a connection
// has an identity, which is a set of labels with their sources, and policies
// are looked through one by one. It shares nothing with the reader.

type (
	oracleSelector struct {
		MatchLabels      map[string]string
		MatchExpressions []struct {
			Key, Operator string
			Values        []string
		}
	}
	oracleCIDR struct {
		CIDR, CIDRGroupRef string
		Except             []string
	}
	oracleService struct {
		K8sService *struct{ ServiceName, Namespace string }
	}
	oracleRule struct {
		FromEndpoints, ToEndpoints, FromNodes, ToNodes []oracleSelector
		FromEntities, ToEntities, FromCIDR, ToCIDR     []string
		FromCIDRSet, ToCIDRSet                         []oracleCIDR
		ToServices                                     []oracleService
		ToFQDNs                                        []any
		ToPorts                                        []struct {
			Ports []struct {
				Port, Protocol string
				EndPort        int
			}
			Rules map[string]any
		}
		Icmps          []any
		Authentication *struct{ Mode string }
	}
	oracleSpec struct {
		EndpointSelector                         oracleSelector
		Ingress, IngressDeny, Egress, EgressDeny []oracleRule
		EnableDefaultDeny                        struct{ Ingress, Egress *bool }
	}
	oraclePolicy struct {
		Kind     string
		Metadata struct{ Namespace string }
		Spec     *oracleSpec
		Specs    []oracleSpec
	}
	oracle struct {
		world    *testWorld
		policies []oraclePolicy
		groups   map[string][]string             // CIDR groups
		services map[[2]string]map[string]string // selectors of services
		exact    bool                            // tells the node of a pod from the others
	}
)

func newOracle(w *testWorld, manifests []map[string]any) *oracle {
	o := &oracle{world: w}
	for _, m := range manifests {
		text, err := json.Marshal(m)
		if err != nil {
			panic(err)
		}
		var p oraclePolicy
		if err := json.Unmarshal(text, &p); err != nil {
			panic(err)
		}
		o.policies = append(o.policies, p)
	}
	return o
}

// leftOut are the labels of pods that no identity has by default.
var leftOut = regexp.MustCompile(`^(io\.kubernetes|kubernetes\.io|statefulset\.kubernetes\.io/pod-name|apps\.kubernetes\.io/pod-index|` +
	`batch\.kubernetes\.io/(job-completion-index|controller-uid)|.*beta\.kubernetes\.io|k8s\.io|pod-template-(generation|hash)|` +
	`controller-revision-hash|annotation|controller-uid|etcd_node|io\.cilium\.k8s\.)`)

// identity returns the labels of an end, as the end self sees it.
func (o *oracle) identity(e, self end) map[string]string {
	labels := map[string]string{}
	node := o.world.nodeOf(e)
	switch {
	case node != nil && self.pod != nil && self.pod.node == node.name:
		labels["reserved:host"] = ""
	case node != nil:
		labels["reserved:remote-node"] = ""
	case e.pod != nil:
		for k, v := range e.pod.labels {
			if !leftOut.MatchString(k) {
				labels["k8s:"+k] = v
			}
		}
		for k, v := range o.world.namespaces[e.pod.namespace] {
			labels["k8s:io.cilium.k8s.namespace.labels."+k] = v
		}
		labels["k8s:io.kubernetes.pod.namespace"] = e.pod.namespace
		labels["k8s:io.cilium.k8s.policy.serviceaccount"] = e.pod.account
	default:
		labels["reserved:world"] = ""
		labels["reserved:world-ipv"+map[bool]string{true: "4", false: "6"}[e.ip.Is4()]] = ""
	}
	return labels
}

// selects compares a selector with an identity.
func (s oracleSelector) selects(labels map[string]string) bool {
	value := func(key string) (string, bool) {
		if source, name, has := strings.Cut(key, ":"); has && source != "any" {
			v, has := labels[key]
			return v, has
		} else if has {
			key = name
		}
		for full, v := range labels {
			if _, name, _ := strings.Cut(full, ":"); name == key {
				return v, true
			}
		}
		return "", false
	}
	for k, want := range s.MatchLabels {
		if v, has := value(k); !has || v != want {
			return false
		}
	}
	for _, e := range s.MatchExpressions {
		v, has := value(e.Key)
		holds := map[string]bool{
			"In": has && slices.Contains(e.Values, v), "NotIn": !has || !slices.Contains(e.Values, v), "Exists": has, "DoesNotExist": !has,
		}
		if !holds[e.Operator] {
			return false
		}
	}
	return true
}

// keys lists the keys that a selector looks at, without k8s: and any:.
func (s oracleSelector) keys() []string {
	var list []string
	for k := range s.MatchLabels {
		list = append(list, k)
	}
	for _, e := range s.MatchExpressions {
		list = append(list, e.Key)
	}
	for i, k := range list {
		list[i] = strings.TrimPrefix(strings.TrimPrefix(k, "k8s:"), "any:")
	}
	return list
}

// isEndpoint says whether a selector of peers selects an identity: without
// a word on namespaces, those of the policy's namespace, or any pod.
func (o *oracle) isEndpoint(s oracleSelector, namespace string, labels map[string]string) bool {
	own, isPod := labels["k8s:io.kubernetes.pod.namespace"]
	free, byLabel := false, false
	for _, k := range s.keys() {
		free = free || k == "io.kubernetes.pod.namespace" || strings.HasPrefix(k, "reserved:")
		byLabel = byLabel || strings.HasPrefix(k, "io.cilium.k8s.namespace.labels.")
	}
	switch {
	case free:
	case namespace == "" && !isPod, namespace != "" && !byLabel && own != namespace:
		return false
	}
	return s.selects(labels)
}

// isEntity answers whether an identity belongs to an entity.
func (o *oracle) isEntity(entity string, labels map[string]string) answer {
	has := func(name string) bool { _, has := labels["reserved:"+name]; return has }
	node := has("host") || has("remote-node")
	is := false
	switch entity {
	case "all":
		is = true
	case "cluster":
		is = !has("world")
	case "host":
		if !o.exact && node {
			return maybe
		}
		is = has("host")
	case "remote-node":
		is = has("remote-node") || !o.exact && node
	case "kube-apiserver":
		// No address of it is known: it may be a node or outside.
		if node || has("world") {
			return maybe
		}
	case "ingress":
		if has("world") {
			return maybe
		}
	default: // world, world-ipv4, world-ipv6, and those that no end is
		is = has(entity)
	}
	return either(is)
}

func either(is bool) answer {
	if is {
		return yes
	}
	return no
}

// best is the surest of some answers.
func best(list ...answer) answer {
	switch {
	case slices.Contains(list, yes):
		return yes
	case slices.Contains(list, maybe):
		return maybe
	}
	return no
}

func (o *oracle) inCIDR(c oracleCIDR, ip netip.Addr) answer {
	blocks := []string{c.CIDR}
	if c.CIDRGroupRef != "" {
		var known bool
		if blocks, known = o.groups[c.CIDRGroupRef]; !known {
			return maybe
		}
	}
	in := func(text string) bool {
		if !strings.Contains(text, "/") {
			return netip.MustParseAddr(text) == ip
		}
		return netip.MustParsePrefix(text).Contains(ip)
	}
	return either(slices.ContainsFunc(blocks, in) && !slices.ContainsFunc(c.Except, in))
}

// peer answers whether a rule names the other end.
func (o *oracle) peer(r oracleRule, namespace string, q question, labels map[string]string) answer {
	_, outside := labels["reserved:world"]
	got, named := []answer{}, false
	for _, list := range [][]oracleSelector{r.FromEndpoints, r.ToEndpoints} {
		named = named || list != nil
		for _, s := range list {
			got = append(got, o.endpointAnswer(s, namespace, labels))
		}
	}
	for _, list := range [][]string{r.FromEntities, r.ToEntities} {
		named = named || list != nil
		for _, e := range list {
			got = append(got, o.isEntity(e, labels))
		}
	}
	var cidrs []oracleCIDR
	for _, list := range [][]string{r.FromCIDR, r.ToCIDR} {
		named = named || list != nil
		for _, c := range list {
			cidrs = append(cidrs, oracleCIDR{CIDR: c})
		}
	}
	named = named || r.FromCIDRSet != nil || r.ToCIDRSet != nil
	for _, c := range slices.Concat(cidrs, r.FromCIDRSet, r.ToCIDRSet) {
		if outside { // CIDRs select neither pods nor nodes
			got = append(got, o.inCIDR(c, q.other.ip))
		}
	}
	for _, list := range [][]oracleSelector{r.FromNodes, r.ToNodes} {
		named = named || list != nil
		for _, s := range list {
			if node := o.world.nodeOf(q.other); node != nil && s.selects(prefixed("node:", node.labels)) {
				got = append(got, maybe)
			}
		}
	}
	if len(r.ToFQDNs) > 0 {
		named = true
		if outside {
			got = append(got, maybe)
		}
	}
	for _, s := range r.ToServices {
		named = true
		selector, known := o.services[[2]string{s.K8sService.Namespace, s.K8sService.ServiceName}]
		if !known && (outside || q.other.pod != nil && !q.other.pod.host) {
			got = append(got, maybe)
		}
		if known {
			match := labels["k8s:io.kubernetes.pod.namespace"] == s.K8sService.Namespace
			got = append(got, either(match && oracleSelector{MatchLabels: selector}.selects(labels)))
		}
	}
	switch {
	case named:
		return best(got...)
	case len(r.ToPorts) > 0 || len(r.Icmps) > 0:
		return yes
	}
	return no // a rule that says nothing allows nothing
}

// endpointAnswer is isEndpoint, but where the oracle isn't to tell a pod's own
// node from others, a node may be either.
func (o *oracle) endpointAnswer(s oracleSelector, namespace string, labels map[string]string) answer {
	_, host := labels["reserved:host"]
	_, remote := labels["reserved:remote-node"]
	if o.exact || !host && !remote {
		return either(o.isEndpoint(s, namespace, labels))
	}
	if o.isEndpoint(s, namespace, map[string]string{"reserved:remote-node": ""}) {
		return yes
	}
	if o.isEndpoint(s, namespace, map[string]string{"reserved:host": ""}) {
		return maybe
	}
	return no
}

func prefixed(prefix string, labels map[string]string) map[string]string {
	out := map[string]string{}
	for k, v := range labels {
		out[prefix+k] = v
	}
	return out
}

// onPort answers whether a rule names the port.
func (o *oracle) onPort(r oracleRule, q question) answer {
	if len(r.Icmps) > 0 {
		return no
	}
	if len(r.ToPorts) == 0 {
		return yes
	}
	got := []answer{}
	for _, group := range r.ToPorts {
		for _, p := range group.Ports {
			if p.Protocol != "" && p.Protocol != "ANY" && p.Protocol != q.protocol {
				continue
			}
			number, err := strconv.Atoi(p.Port)
			match := number == q.port || number == 0 && err == nil || number < q.port && q.port <= p.EndPort
			if err != nil { // a name
				to := q.target().pod
				match = to != nil && q.protocol == "TCP" && to.ports[p.Port] == q.port
			}
			switch {
			case match && len(group.Rules) > 0:
				got = append(got, maybe)
			case match:
				got = append(got, yes)
			}
		}
	}
	return best(got...)
}

// judge answers one side of a connection.
func (o *oracle) judge(q question) answer {
	if q.self.pod == nil || q.self.pod.host {
		return yes
	}
	labels, other := o.identity(q.self, q.self), o.identity(q.other, q.self)
	allowed, denied := []answer{}, []answer{}
	isolated := false
	for _, p := range o.policies {
		namespace := p.Metadata.Namespace
		specs := p.Specs
		if p.Spec != nil {
			specs = append(slices.Clone(specs), *p.Spec)
		}
		for _, s := range specs {
			if namespace != "" { // a word on another namespace is written over
				s.EndpointSelector.MatchLabels = maps.Clone(s.EndpointSelector.MatchLabels)
				delete(s.EndpointSelector.MatchLabels, "k8s:io.kubernetes.pod.namespace")
			}
			if !s.EndpointSelector.selects(labels) || namespace != "" && q.self.pod.namespace != namespace {
				continue
			}
			allow, deny, isolates := s.Ingress, s.IngressDeny, s.EnableDefaultDeny.Ingress
			if q.direction == policy.Egress {
				allow, deny, isolates = s.Egress, s.EgressDeny, s.EnableDefaultDeny.Egress
			}
			isolated = isolated || len(allow)+len(deny) > 0 && (isolates == nil || *isolates)
			for _, r := range allow {
				got := combine(o.peer(r, namespace, q, other), o.onPort(r, q))
				if r.Authentication != nil && r.Authentication.Mode != "disabled" {
					got = combine(got, maybe)
				}
				allowed = append(allowed, got)
			}
			for _, r := range deny {
				denied = append(denied, combine(o.peer(r, namespace, q, other), o.onPort(r, q)))
			}
		}
	}
	verdict := best(allowed...)
	if !isolated {
		verdict = yes
	}
	switch best(denied...) {
	case yes:
		return no
	case maybe:
		return combine(verdict, maybe)
	}
	return verdict
}
