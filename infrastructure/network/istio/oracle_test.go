package istio_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/network/istio"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/infrastructure/network/policy/policytest"
)

// The oracle follows a connection to the proxy in front of its destination, as
// Istio's documentation tells it: mutual TLS, CUSTOM, DENY, ALLOW. What HTTP
// and authorizers would say it takes once at their best and once at their worst.
// It knows nothing of the common form.

func get(o object, path ...string) any {
	for _, p := range path[:len(path)-1] {
		o, _ = o[p].(object)
	}
	return o[path[len(path)-1]]
}

func text(o object, path ...string) string { s, _ := get(o, path...).(string); return s }

func texts(v any) []string {
	var list []string
	for _, x := range asList(v) {
		list = append(list, x.(string))
	}
	return list
}

func asList(v any) []any { l, _ := v.([]any); return l }

// oracle is a world, pods by address.
type oracle struct {
	pods       map[string]object
	namespaces map[string]object
	policies   []object
	mtls       []object
}

func newOracle(list []object) *oracle {
	o := &oracle{pods: map[string]object{}, namespaces: map[string]object{}}
	for _, x := range list {
		switch x["kind"] {
		case "Pod":
			o.pods[text(x, "status", "podIP")] = x
		case "Namespace":
			o.namespaces[text(x, "metadata", "name")] = x
		case "AuthorizationPolicy":
			o.policies = append(o.policies, x)
		case "PeerAuthentication":
			o.mtls = append(o.mtls, x)
		}
	}
	slices.SortFunc(o.mtls, func(a, b object) int {
		return strings.Compare(text(a, "metadata", "creationTimestamp"), text(b, "metadata", "creationTimestamp"))
	})
	return o
}

func (o *oracle) plane(pod object) string {
	if pod == nil || get(pod, "spec", "hostNetwork") == true {
		return ""
	}
	for _, list := range []any{get(pod, "spec", "containers"), get(pod, "spec", "initContainers")} {
		for _, c := range asList(list) {
			if c.(object)["name"] == "istio-proxy" {
				return "sidecar"
			}
		}
	}
	mode, has := get(pod, "metadata", "labels").(object)["istio.io/dataplane-mode"]
	if !has {
		mode = get(o.namespaces[text(pod, "metadata", "namespace")], "metadata", "labels").(object)["istio.io/dataplane-mode"]
	}
	if mode == "ambient" {
		return "ambient"
	}
	return ""
}

func selected(spec, pod object) bool {
	labels, _ := get(spec, "selector", "matchLabels").(object)
	for k, v := range labels {
		if get(pod, "metadata", "labels").(object)[k] != v {
			return false
		}
	}
	return true
}

// mode is the mode of mutual TLS at a port of a pod.
func (o *oracle) mode(pod object, port int) string {
	var mesh, space, own object
	namespace := text(pod, "metadata", "namespace")
	for _, m := range o.mtls {
		spec := m["spec"].(object)
		in := text(m, "metadata", "namespace")
		switch {
		case spec["selector"] == nil && in == "root" && mesh == nil:
			mesh = spec
		case spec["selector"] == nil && in == namespace && in != "root" && space == nil:
			space = spec
		case spec["selector"] != nil && in == namespace && selected(spec, pod) && own == nil:
			own = spec
		}
	}
	mode := "PERMISSIVE"
	for _, spec := range []object{mesh, space, own} {
		if m := text(spec, "mtls", "mode"); m != "" && m != "UNSET" {
			mode = m
		}
	}
	if m := text(own, "portLevelMtls", fmt.Sprint(port), "mode"); m != "" && m != "UNSET" {
		return m
	}
	return mode
}

// request is one connection as the proxy in front of its destination sees it.
type request struct {
	address            netip.Addr
	namespace, account string // "" without an identity
	port               int
}

func (r *request) principal() string {
	if r.namespace == "" {
		return ""
	}
	return "td.example/ns/" + r.namespace + "/sa/" + r.account
}

func wild(value, got string) bool {
	switch {
	case got == "":
		return false
	case value == "*":
		return true
	case strings.HasPrefix(value, "*"):
		return strings.HasSuffix(got, value[1:])
	case strings.HasSuffix(value, "*"):
		return strings.HasPrefix(got, value[:len(value)-1])
	}
	return value == got
}

func anyOf(values any, holds func(string) bool) bool {
	return slices.ContainsFunc(texts(values), holds)
}

func (r *request) isPrincipal(value string) bool {
	return wild(strings.Replace(value, "cluster.local/", "td.example/", 1), r.principal())
}

func (r *request) inNamespace(value string) bool { return wild(value, r.namespace) }

func (r *request) inBlock(value string) bool {
	if !strings.Contains(value, "/") {
		return netip.MustParseAddr(value) == r.address
	}
	return netip.MustParsePrefix(value).Contains(r.address)
}

func (r *request) onPort(value string) bool { return value == fmt.Sprint(r.port) }

// clause is what a part of a rule says: of the connection, and whether it asks
// for more than that, or for nothing else.
type clause struct{ connection, more, only bool }

func both(values, notValues any, holds func(string) bool) bool {
	return (values == nil || anyOf(values, holds)) && !anyOf(notValues, holds)
}

func (r *request) source(s object, policyNamespace string) clause {
	account := func(value string) bool {
		space, name, found := strings.Cut(value, "/")
		if !found {
			space, name = policyNamespace, value
		}
		return r.namespace == space && r.account == name
	}
	c := clause{more: s["requestPrincipals"] != nil || s["remoteIpBlocks"] != nil}
	c.connection = both(s["principals"], s["notPrincipals"], r.isPrincipal) && both(s["namespaces"], s["notNamespaces"], r.inNamespace) &&
		both(s["serviceAccounts"], s["notServiceAccounts"], account) && both(s["ipBlocks"], s["notIpBlocks"], r.inBlock)
	fields := len(s)
	for _, k := range []string{"requestPrincipals", "remoteIpBlocks"} {
		if s[k] != nil {
			fields--
		}
	}
	c.only = c.more && fields == 0
	return c
}

func (r *request) operation(o object) clause {
	c := clause{connection: both(o["ports"], o["notPorts"], r.onPort)}
	fields := 0
	for k := range o {
		if k != "ports" && k != "notPorts" {
			c.more = true
		} else {
			fields++
		}
	}
	c.only = c.more && fields == 0
	return c
}

func (r *request) when(w object) clause {
	holds := map[string]func(string) bool{"source.ip": r.inBlock, "source.namespace": r.inNamespace, "source.principal": r.isPrincipal, "destination.port": r.onPort}[text(w, "key")]
	if holds == nil {
		return clause{connection: true, more: true, only: true}
	}
	return clause{connection: both(w["values"], w["notValues"], holds)}
}

// matches says whether a rule matches at best and at worst for who connects.
func (r *request) matches(rule object, action, plane, policyNamespace string) (best, worst bool) {
	more := false
	sure := func(list [][]clause) bool { // every clause has an alternative that holds whatever else is asked
		return !slices.ContainsFunc(list, func(of []clause) bool {
			return !slices.ContainsFunc(of, func(c clause) bool { return c.connection && (!c.more || plane == "ambient" && !c.only) })
		})
	}
	maybe := func(list [][]clause) bool {
		return !slices.ContainsFunc(list, func(of []clause) bool { return !slices.ContainsFunc(of, func(c clause) bool { return c.connection }) })
	}
	var clauses [][]clause
	add := func(of []clause) {
		if len(of) > 0 {
			clauses = append(clauses, of)
		}
	}
	var from, to []clause
	for _, x := range asList(rule["from"]) {
		from = append(from, r.source(get(x.(object), "source").(object), policyNamespace))
	}
	for _, x := range asList(rule["to"]) {
		to = append(to, r.operation(get(x.(object), "operation").(object)))
	}
	add(from)
	add(to)
	for _, x := range asList(rule["when"]) {
		add([]clause{r.when(x.(object))})
	}
	for _, of := range clauses {
		more = more || slices.ContainsFunc(of, func(c clause) bool { return c.more })
	}
	switch {
	case action == "ALLOW" && more && plane == "ambient":
		return false, false
	case action == "ALLOW" && more:
		return maybe(clauses), false
	case action == "ALLOW":
		return maybe(clauses), maybe(clauses)
	}
	return sure(clauses), maybe(clauses) // of a rule that denies
}

// allows says whether a connection is let through at best and at worst.
func (o *oracle) allows(source, destination netip.Addr, protocol string, port int) (best, worst bool) {
	pod := o.pods[destination.String()]
	plane := o.plane(pod)
	excluded := text(pod, "metadata", "annotations", "traffic.sidecar.istio.io/excludeInboundPorts") != "" && port == 8080
	if plane == "" || protocol != "TCP" || excluded {
		return true, true
	}
	r := &request{address: source, port: port}
	mode := o.mode(pod, port)
	if from := o.pods[source.String()]; o.plane(from) != "" && !(mode == "DISABLE" && plane == "sidecar") {
		r.namespace, r.account = text(from, "metadata", "namespace"), text(from, "spec", "serviceAccountName")
	}
	if mode == "STRICT" && r.namespace == "" {
		return false, false
	}
	return o.authorized(r, pod, plane)
}

func (o *oracle) authorized(r *request, pod object, plane string) (best, worst bool) {
	best, worst = true, true
	shut, bestAllow, worstAllow := false, false, false
	for _, p := range o.policies {
		spec, namespace := p["spec"].(object), text(p, "metadata", "namespace")
		action := text(spec, "action")
		if action == "" {
			action = "ALLOW"
		}
		if text(p, "metadata", "annotations", "istio.io/dry-run") == "true" || action == "AUDIT" || action == "CUSTOM" && plane == "ambient" ||
			namespace != "root" && namespace != text(pod, "metadata", "namespace") || !selected(spec, pod) {
			continue
		}
		shut = shut || action == "ALLOW"
		for _, x := range asList(spec["rules"]) {
			b, w := r.matches(x.(object), action, plane, namespace)
			switch action {
			case "ALLOW":
				bestAllow, worstAllow = bestAllow || b, worstAllow || w
			case "DENY":
				best, worst = best && !b, worst && !w
			case "CUSTOM":
				worst = worst && !w
			}
		}
	}
	if shut {
		best, worst = best && bestAllow, worst && worstAllow
	}
	return best, worst
}

// TestAgreesWithOracle compares the policies of whole random worlds with what
// Istio's documentation says.
func TestAgreesWithOracle(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	worlds, probes := 0, 0
	tally := map[policytest.Answer]int{}
	for seed := range uint64(10_000) {
		if policytest.SampledOut(rng) {
			continue
		}
		d := dice{rand.New(rand.NewPCG(seed, 6))}
		list := d.world()
		s, text := policytest.Read(t, list)
		policies, incomplete := istio.Read(s)
		engine := network.Build(s)
		if len(incomplete)+len(engine.Incomplete) > 0 {
			t.Fatalf("seed %d: %v %v\n%s", seed, incomplete, engine.Incomplete, text)
		}
		w := &policytest.World{Snapshot: s, Policies: policies, Markers: []policy.Marker{istio.Marks(s, policies)}}
		o := newOracle(list)
		worlds++
		all := policytest.Ends(s)
		for _, from := range append(all, policytest.End{IP: netip.MustParseAddr("203.0.113.7")}, policytest.End{IP: netip.MustParseAddr("2001:db8::1")}) {
			for _, to := range all {
				for _, on := range []struct {
					protocol string
					port     int
				}{{"TCP", 80}, {"TCP", 8080}, {"TCP", 9090}, {"UDP", 80}} {
					source, destination := policytest.Addresses(from)[0], policytest.Addresses(to)[0]
					best, worst := o.allows(source, destination, on.protocol, on.port)
					want := map[[2]bool]policytest.Answer{{true, true}: policytest.Allowed, {false, false}: policytest.Denied, {true, false}: policytest.Depends}[[2]bool{best, worst}]
					got := w.Connection(from, to, on.protocol, on.port)
					tally[want]++
					if from != to && rng.IntN(4) == 0 {
						compareEngine(t, engine, from, to, fmt.Sprintf("%s/%d", strings.ToLower(on.protocol), on.port), got)
						probes++
					}
					if got != want {
						t.Errorf("seed %d: %s -> %s %s %d: got %v, oracle %v", seed, source, destination, on.protocol, on.port, got, want)
					}
				}
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d: %s", seed, text)
		}
	}
	if total := tally[policytest.Allowed] + tally[policytest.Denied] + tally[policytest.Depends]; tally[policytest.Denied]*20 < total || tally[policytest.Depends]*100 < total {
		t.Errorf("%v: the worlds test little", tally)
	}
	t.Logf("%d worlds agree: %v; the engine agrees on %d", worlds, tally, probes)
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
	if string(v.Answer) != want.String() {
		t.Errorf("%s -> %s %s: engine %v, the form says %v", name(from), name(to), port, v.Answer, want)
	}
}
