package calico_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/network/calico"
	"github.com/scantling/scantling/infrastructure/network/kubernetes"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/infrastructure/network/policy/policytest"
)

// The oracle works as Calico's documentation says that Calico does: a selector
// is a set of addresses, a rule looks at the addresses of a packet, policies go
// in the order of tiers, orders and names. It knows nothing of the common form,
// nor of the parser of selectors: worlds remember what their texts mean.

// endpoint is what Calico keeps of a pod.
type endpoint struct {
	ip     netip.Addr
	labels map[string]string
	ports  []object // of its containers
	host   bool
}

// oracle is a world as Calico sees it.
type oracle struct {
	d         *dice
	endpoints []endpoint
	sets      []endpoint // without address: labels alone
	setNets   [][]any
	tiers     map[string]object
	policies  []object
}

func text(o object, path ...string) string {
	for _, p := range path[:len(path)-1] {
		o, _ = o[p].(object)
	}
	s, _ := o[path[len(path)-1]].(string)
	return s
}

func labelsOf(v any) map[string]string {
	m := map[string]string{}
	switch t := v.(type) {
	case map[string]string:
		return t
	case object:
		for k, x := range t {
			m[k] = x.(string)
		}
	}
	return m
}

func newOracle(d *dice, list []object) *oracle {
	o := &oracle{d: d, tiers: map[string]object{"default": {"order": 1_000_000.0}}}
	spaces, accounts := map[string]map[string]string{}, map[string]map[string]string{}
	for _, x := range list {
		meta := x["metadata"].(object)
		switch x["kind"] {
		case "Namespace":
			spaces[text(meta, "name")] = labelsOf(meta["labels"])
			spaces[text(meta, "name")]["kubernetes.io/metadata.name"] = text(meta, "name")
		case "ServiceAccount":
			accounts[text(meta, "namespace")+"/"+text(meta, "name")] = labelsOf(meta["labels"])
		case "Tier":
			o.tiers[text(meta, "name")] = x["spec"].(object)
		case "NetworkPolicy", "GlobalNetworkPolicy":
			o.policies = append(o.policies, d.stored(x))
		}
	}
	for _, x := range list {
		meta := x["metadata"].(object)
		namespace := text(meta, "namespace")
		labels := map[string]string{}
		for k, v := range labelsOf(meta["labels"]) {
			labels[k] = v
		}
		if namespace != "" {
			labels["projectcalico.org/namespace"] = namespace
			labels["pcns.projectcalico.org/name"] = namespace
			for k, v := range spaces[namespace] {
				labels["pcns."+k] = v
			}
		}
		switch x["kind"] {
		case "Pod":
			spec := x["spec"].(object)
			account := text(spec, "serviceAccountName")
			labels["projectcalico.org/orchestrator"] = "k8s"
			labels["projectcalico.org/serviceaccount"] = account
			labels["pcsa.projectcalico.org/name"] = account
			for k, v := range accounts[namespace+"/"+account] {
				labels["pcsa."+k] = v
			}
			e := endpoint{ip: netip.MustParseAddr(text(x, "status", "podIP")), labels: labels, host: spec["hostNetwork"] == true}
			for _, p := range asList(spec["containers"].([]any)[0].(object)["ports"]) {
				e.ports = append(e.ports, p.(object))
			}
			o.endpoints = append(o.endpoints, e)
		case "NetworkSet", "GlobalNetworkSet":
			o.sets = append(o.sets, endpoint{labels: labels})
			o.setNets = append(o.setNets, asList(x["spec"].(object)["nets"]))
		}
	}
	return o
}

func asList(v any) []any { l, _ := v.([]any); return l }

// stored is a policy as Calico stores it: its name begins with its tier.
func (d *dice) stored(x object) object {
	if x["apiVersion"] == "networking.k8s.io/v1" {
		return d.asCalico(x)
	}
	tier := text(x, "spec", "tier")
	if tier == "" {
		tier = "default"
	}
	return object{"kind": x["kind"], "spec": x["spec"], "metadata": object{"name": tier + "." + text(x, "metadata", "name"), "namespace": text(x, "metadata", "namespace")}}
}

func (o *oracle) means(of about, selector string, labels map[string]string) bool {
	if of == namespaces && selector == "global()" {
		_, has := labels["projectcalico.org/namespace"]
		return !has
	}
	return o.d.meaning[strconv.Itoa(int(of))+selector](labels)
}

func netHolds(net string, a netip.Addr) bool {
	if !strings.Contains(net, "/") {
		return netip.MustParseAddr(net) == a
	}
	return netip.MustParsePrefix(net).Contains(a)
}

func netsHold(nets []any, a netip.Addr) bool {
	return slices.ContainsFunc(nets, func(n any) bool { return netHolds(n.(string), a) })
}

// inSet reports whether an address is in the set of those whose labels match.
func (o *oracle) inSet(a netip.Addr, match func(map[string]string) bool) bool {
	for _, e := range o.endpoints {
		if !e.host && e.ip == a && match(e.labels) {
			return true
		}
	}
	for i, s := range o.sets {
		if match(s.labels) && netsHold(o.setNets[i], a) {
			return true
		}
	}
	return false
}

// packet is one connection.
type packet struct {
	source, destination netip.Addr
	protocol            string
	port                int
}

func (o *oracle) entity(e object, a netip.Addr, namespace string) bool {
	if nets := asList(e["nets"]); len(nets) > 0 && !netsHold(nets, a) {
		return false
	}
	if netsHold(asList(e["notNets"]), a) {
		return false
	}
	accountsOf, _ := e["serviceAccounts"].(object)
	selects := e["selector"] != nil || e["namespaceSelector"] != nil || asList(accountsOf["names"]) != nil || accountsOf["selector"] != nil ||
		namespace != "" && e["notSelector"] != nil
	if selects && !o.inSet(a, func(labels map[string]string) bool {
		if s, has := e["selector"].(string); has && !o.means(endpoints, s, labels) {
			return false
		}
		if s, has := e["namespaceSelector"].(string); has {
			if !o.means(namespaces, s, labels) {
				return false
			}
		} else if namespace != "" && labels["projectcalico.org/namespace"] != namespace {
			return false
		}
		if names := asList(accountsOf["names"]); names != nil && !slices.Contains(names, any(labels["projectcalico.org/serviceaccount"])) {
			return false
		}
		s, has := accountsOf["selector"].(string)
		return !has || o.means(accounts, s, labels)
	}) {
		return false
	}
	s, has := e["notSelector"].(string)
	return !has || !o.inSet(a, func(labels map[string]string) bool { return o.means(endpoints, s, labels) })
}

func sameProtocol(v any, protocol string) bool {
	text := strings.ToUpper(fmt.Sprint(v))
	return text == protocol || text == map[string]string{"TCP": "6", "UDP": "17", "SCTP": "132"}[protocol]
}

// ports reports whether the destination's port is one of a list.
func (o *oracle) ports(list []any, p packet) bool {
	return slices.ContainsFunc(list, func(v any) bool {
		text := fmt.Sprint(v)
		if low, high, isRange := strings.Cut(text, ":"); isRange {
			from, _ := strconv.Atoi(low)
			to, _ := strconv.Atoi(high)
			return from <= p.port && p.port <= to
		}
		if number, err := strconv.Atoi(text); err == nil {
			return number == p.port
		}
		return o.named(text, p)
	})
}

func (o *oracle) named(name string, p packet) bool {
	for _, e := range o.endpoints {
		for _, port := range e.ports {
			if e.ip == p.destination && port["name"] == name && port["containerPort"] == p.port && p.protocol == "TCP" {
				return true
			}
		}
	}
	return false
}

// service is that of the world: app == 'a' in namespace one, ports "web" and 80.
func (o *oracle) service(a netip.Addr, p packet, withPorts bool) bool {
	for _, e := range o.endpoints {
		if e.ip == a && e.labels["projectcalico.org/namespace"] == "one" && e.labels["app"] == "a" {
			return !withPorts || p.protocol == "TCP" && (p.port == 80 || o.named("web", p))
		}
	}
	return false
}

func (o *oracle) rule(r object, p packet, ingress bool, namespace string) bool {
	if v, has := r["ipVersion"]; has && (v == 4) != p.source.Is4() && (v == 4) != p.destination.Is4() {
		return false
	}
	if v, has := r["ipVersion"]; has {
		peer := p.source
		if !ingress {
			peer = p.destination
		}
		if (v == 4) != peer.Is4() {
			return false
		}
	}
	if v, has := r["protocol"]; has && !sameProtocol(v, p.protocol) {
		return false
	}
	if v, has := r["notProtocol"]; has && sameProtocol(v, p.protocol) {
		return false
	}
	source, _ := r["source"].(object)
	destination, _ := r["destination"].(object)
	if source["services"] != nil && !o.service(p.source, p, false) || destination["services"] != nil && !o.service(p.destination, p, true) {
		return false
	}
	if list := asList(destination["ports"]); len(list) > 0 && !o.ports(list, p) || o.ports(asList(destination["notPorts"]), p) {
		return false
	}
	return o.entity(source, p.source, namespace) && o.entity(destination, p.destination, namespace)
}

func orderOf(v any) float64 {
	switch t := v.(type) {
	case int:
		return float64(t)
	case float64:
		return t
	}
	return math.Inf(1)
}

// applying lists the policies of a tier for an endpoint and a direction.
func (o *oracle) applying(tier string, e endpoint, ingress bool) []object {
	var list []object
	for _, p := range o.policies {
		spec := p["spec"].(object)
		own := text(spec, "tier")
		if own == "" {
			own = "default"
		}
		namespace := text(p, "metadata", "namespace")
		s, selects := spec["selector"].(string)
		n, spaces := spec["namespaceSelector"].(string)
		a, robots := spec["serviceAccountSelector"].(string)
		if own != tier || namespace != "" && e.labels["projectcalico.org/namespace"] != namespace || selects && !o.means(endpoints, s, e.labels) ||
			spaces && !o.means(namespaces, n, e.labels) || robots && !o.means(accounts, a, e.labels) {
			continue
		}
		in, out := asList(spec["ingress"]), asList(spec["egress"])
		applies := ingress && (len(in) > 0 || len(out) == 0) || !ingress && len(out) > 0
		if types := asList(spec["types"]); len(types) > 0 {
			applies = slices.Contains(types, any(map[bool]string{true: "Ingress", false: "Egress"}[ingress]))
		}
		if applies {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b object) int {
		x, y := orderOf(a["spec"].(object)["order"]), orderOf(b["spec"].(object)["order"])
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		if c := strings.Compare(text(a, "metadata", "name"), text(b, "metadata", "name")); c != 0 {
			return c
		}
		return strings.Compare(text(a, "metadata", "namespace"), text(b, "metadata", "namespace"))
	})
	return list
}

// direction judges a packet at one endpoint.
func (o *oracle) direction(a netip.Addr, p packet, ingress bool) bool {
	at := slices.IndexFunc(o.endpoints, func(e endpoint) bool { return e.ip == a && !e.host })
	if at < 0 {
		return true
	}
	var names []string
	for name := range o.tiers {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		x, y := orderOf(o.tiers[a]["order"]), orderOf(o.tiers[b]["order"])
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return strings.Compare(a, b)
	})
tiers:
	for _, name := range names {
		applying := o.applying(name, o.endpoints[at], ingress)
		for _, policy := range applying {
			for _, r := range asList(policy["spec"].(object)[map[bool]string{true: "ingress", false: "egress"}[ingress]]) {
				rule := r.(object)
				if !o.rule(rule, p, ingress, text(policy, "metadata", "namespace")) {
					continue
				}
				switch rule["action"] {
				case "Allow":
					return true
				case "Deny":
					return false
				case "Pass":
					continue tiers
				}
			}
		}
		if len(applying) > 0 && text(o.tiers[name], "defaultAction") != "Pass" {
			return false
		}
	}
	return true // the profile of the namespace
}

func (o *oracle) allows(p packet) bool {
	return o.direction(p.destination, p, true) && o.direction(p.source, p, false)
}

// TestAgreesWithOracle compares the policies of whole random worlds with what
// Calico's documentation says.
func TestAgreesWithOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	worlds, answers, allowed, probes := 0, 0, 0, 0
	for seed := range uint64(10_000) {
		if policytest.SampledOut(rng) {
			continue
		}
		d := &dice{rand.New(rand.NewPCG(seed, 5)), map[string]func(map[string]string) bool{}}
		list := d.world()
		s, text := policytest.Read(t, list)
		policies, incomplete := calico.Read(s)
		plain, invalid := kubernetes.Read(s, nil)
		engine := network.Build(s)
		if len(incomplete)+len(invalid)+len(engine.Incomplete) > 0 {
			t.Fatalf("seed %d: %v %v %v\n%s", seed, incomplete, invalid, engine.Incomplete, text)
		}
		w := &policytest.World{Snapshot: s, Policies: append(policies, plain...), Markers: []policy.Marker{calico.Marks(s, policies)}}
		o := newOracle(d, list)
		all := policytest.Ends(s)
		for _, a := range []string{"203.0.113.7", "10.9.9.9", "2001:db8::1", "8.8.8.8"} {
			all = append(all, policytest.End{IP: netip.MustParseAddr(a)})
		}
		worlds++
		for _, from := range all {
			for _, to := range all {
				for _, on := range []struct {
					protocol string
					port     int
				}{{"TCP", 80}, {"TCP", 8080}, {"UDP", 53}, {"UDP", 80}} {
					p := packet{policytest.Addresses(from)[0], policytest.Addresses(to)[0], on.protocol, on.port}
					want := o.allows(p)
					got := w.Connection(from, to, on.protocol, on.port)
					answers++
					if (from.Load != nil || to.Load != nil) && from != to && rng.IntN(4) == 0 {
						compareEngine(t, engine, from, to, fmt.Sprintf("%s/%d", strings.ToLower(on.protocol), on.port), got)
						probes++
					}
					if want {
						allowed++
					}
					if (got == policytest.Allowed) != want || got == policytest.Depends {
						t.Errorf("seed %d: %s -> %s %s %d: got %v, oracle %v", seed, p.source, p.destination, p.protocol, p.port, got, want)
					}
				}
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, text)
		}
	}
	if allowed*10 < answers || allowed*10 > answers*9 {
		t.Errorf("of %d answers %d are allowed: the worlds test little", answers, allowed)
	}
	t.Logf("%d worlds, %d answers agree, %d of them allowed; the engine agrees on %d", worlds, answers, allowed, probes)
}

func name(e policytest.End) string {
	if e.Load == nil {
		return e.IP.String()
	}
	return e.Load.Namespace + "/" + e.Pod.Name
}

// compareEngine holds the engine against the evaluation of the common form.
func compareEngine(t *testing.T, engine *network.Engine, from, to policytest.End, port string, want policytest.Answer) {
	t.Helper()
	v, err := engine.Probe(name(from), name(to), port)
	if err != nil {
		t.Fatal(err)
	}
	unsettled := v.Answer == network.Depends && (isHost(from) || isHost(to)) // NetworkPolicy leaves open whether it sees such pods
	if string(v.Answer) != want.String() && !unsettled {
		t.Errorf("%s -> %s %s: engine %v, the form says %v", name(from), name(to), port, v.Answer, want)
	}
}

func isHost(e policytest.End) bool { return e.Load != nil && e.Load.Spec.HostNetwork }
