package cilium

import (
	"fmt"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/policy"
)

// knownFields are those of a rule, by direction; the second list holds those
// that a rule which denies doesn't have.
var knownFields = [2][2]string{
	policy.Ingress: {"fromEndpoints fromRequires fromCIDR fromCIDRSet fromEntities fromGroups fromNodes toPorts icmps", " authentication"},
	policy.Egress:  {"toEndpoints toRequires toCIDR toCIDRSet toEntities toServices toGroups toNodes toPorts icmps", " toFQDNs authentication"},
}

// rule reads one member of a section. It becomes a rule for each set of peers
// and each set of ports that depend on different things.
func (r *reader) rule(o object, d policy.Direction, action policy.Action, sc scope) ([]policy.Rule, error) {
	known, base := knownFields[d][0], policy.Rule{Action: action, Order: denyOrder, Field: o.path}
	if action == policy.Accept {
		known, base.Order = known+knownFields[d][1], allowOrder
	}
	unknown := o.unknown(known)
	auth, err := authentication(o)
	if err != nil {
		return nil, err
	}
	ports, named, err := portsOf(o, action)
	if err != nil {
		return nil, err
	}
	required, err := r.requirements(o, d, sc)
	if err != nil {
		return nil, err
	}
	ends, err := r.peersOf(o, d, sc, named, unknown != "")
	if err != nil {
		return nil, err
	}
	var rules []policy.Rule
	if required != nil {
		rules = append(rules, *required)
		if ends.everyone { // as long as it counts, a rule without endpoints lets nobody in
			unknown = join(unknown, required.Depends)
		}
	}
	for _, on := range ports {
		for _, to := range ends.groups() {
			if err := r.spend(1 + len(on.ports)); err != nil {
				return nil, fmt.Errorf("%s: %w", o.path, err)
			}
			one := base
			one.Peers, one.Ports = to.peers, on.ports
			one.Depends = join(unknown, auth, to.depends, on.depends)
			rules = append(rules, one)
		}
	}
	return rules, nil
}

// join puts reasons together that are not "".
func join(reasons ...string) string {
	var list []string
	for _, reason := range reasons {
		if reason != "" {
			list = append(list, reason)
		}
	}
	return strings.Join(list, "; ")
}

// authentication says what an accepted connection has to prove, if anything.
func authentication(o object) (string, error) {
	auth, has, err := o.object("authentication")
	if err != nil || !has {
		return "", err
	}
	mode, err := auth.text("mode")
	if err != nil || mode == "disabled" {
		return "", err
	}
	return fmt.Sprintf("both ends have to authenticate (%s is %q)", auth.at("mode"), short(mode)), nil
}

// requirements reads fromRequires or toRequires: until Cilium 1.19 the pods
// that don't meet them are denied, whatever policy names them as endpoints.
func (r *reader) requirements(o object, d policy.Direction, sc scope) (*policy.Rule, error) {
	field := prefixes[d] + "Requires"
	list, _, err := o.objects(field)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	var met policy.All
	for _, item := range list {
		s, err := newSelector(item)
		if err != nil {
			return nil, err
		}
		expr, depends := r.pods(r.scoped(s, sc))
		if depends != "" { // then it may be met by fewer, and perhaps by none
			expr = policy.Any{}
		}
		met = append(met, expr)
	}
	return &policy.Rule{
		Action: policy.Deny, Order: denyOrder, Field: o.path,
		Peers:   []policy.Peer{{Pods: policy.Not{Expr: met}}},
		Depends: o.at(field) + " counts until Cilium 1.19",
	}, nil
}

// prefixes begin the names of the fields that name peers.
var prefixes = [2]string{policy.Ingress: "from", policy.Egress: "to"}
