package cilium_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/network/cilium"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

func TestRefuses(t *testing.T) {
	rule := func(direction, text string) string {
		return cnp(forDB + "  " + direction + ": [{" + text + "}]")
	}
	for name, tc := range map[string]struct{ policy, why string }{
		"no spec":                    {"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}", "neither spec nor specs"},
		"another version":            {strings.Replace(cnp(forDB), "v2", "v3", 1), "the version cilium.io/v3 is not known"},
		"spec is a list":             {cnp("  - x"), "spec is no object"},
		"specs is an object":         {strings.Replace(cnp(forDB), "spec:", "specs:", 1), "specs is no list"},
		"a member of specs":          {"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\nspecs: [7]", "specs[0] is no object"},
		"no subject":                 {cnp("  ingress: [{}]"), "spec has to have one of endpointSelector and nodeSelector"},
		"two subjects":               {ccnp(forDB + "  nodeSelector: {}\n  ingress: [{}]"), "spec has to have one of endpointSelector and nodeSelector"},
		"nodes in a namespace":       {cnp("  nodeSelector: {}\n  ingress: [{}]"), "spec: a policy for nodes has to be cluster-wide"},
		"rules are an object":        {cnp(forDB + "  ingress: {}"), "spec.ingress is no list"},
		"a rule is text":             {cnp(forDB + "  egress: [x]"), "spec.egress[0] is no object"},
		"default deny":               {cnp(forDB + "  enableDefaultDeny: {ingress: 1}\n  ingress: [{}]"), "spec.enableDefaultDeny.ingress is neither true nor false"},
		"an operator":                {rule("ingress", "fromEndpoints: [{matchExpressions: [{key: a, operator: Gt, values: ['1']}]}]"), `spec.ingress[0].fromEndpoints[0].matchExpressions[0]: the operator "Gt" is none of In, NotIn, Exists and DoesNotExist`},
		"values of Exists":           {rule("ingress", "fromEndpoints: [{matchExpressions: [{key: a, operator: Exists, values: [x]}]}]"), "spec.ingress[0].fromEndpoints[0].matchExpressions[0]: values: Invalid value"},
		"no values of In":            {rule("ingress", "fromEndpoints: [{matchExpressions: [{key: a, operator: In}]}]"), "spec.ingress[0].fromEndpoints[0].matchExpressions[0]: values: Invalid value"},
		"a label that is no text":    {rule("ingress", "fromEndpoints: [{matchLabels: {a: 1}}]"), "spec.ingress[0].fromEndpoints[0].matchLabels.a is no string"},
		"a key":                      {rule("ingress", "fromEndpoints: [{matchLabels: {'a b': x}}]"), "spec.ingress[0].fromEndpoints[0].matchLabels: key: Invalid value"},
		"peers of two kinds":         {rule("ingress", "fromEndpoints: [{}], fromEntities: [world]"), "spec.ingress[0] has both fromEndpoints and fromEntities"},
		"an entity":                  {rule("egress", "toEntities: [moon]"), `spec.egress[0].toEntities: "moon" is no entity`},
		"a CIDR":                     {rule("egress", "toCIDR: [10.0.0.0/33]"), `spec.egress[0].toCIDR: "10.0.0.0/33" is no CIDR`},
		"a CIDR set":                 {rule("egress", "toCIDRSet: [{cidr: 10.0.0.1}]"), `spec.egress[0].toCIDRSet[0].cidr: "10.0.0.1" is no CIDR`},
		"nothing of a CIDR set":      {rule("egress", "toCIDRSet: [{}]"), "spec.egress[0].toCIDRSet[0] has to have one of cidr, cidrGroupRef and cidrGroupSelector"},
		"an exception outside":       {rule("egress", "toCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/16]}]"), "spec.egress[0].toCIDRSet[0].except: 11.0.0.0/16 is not within 10.0.0.0/8"},
		"a wider exception":          {rule("egress", "toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.0.0.0/7]}]"), "spec.egress[0].toCIDRSet[0].except: 10.0.0.0/7 is not within 10.0.0.0/8"},
		"a port that is a number":    {rule("ingress", "toPorts: [{ports: [{port: 80}]}]"), "spec.ingress[0].toPorts[0].ports[0].port is no string"},
		"a port out of range":        {rule("ingress", "toPorts: [{ports: [{port: '65536'}]}]"), `spec.ingress[0].toPorts[0].ports[0]: the port "65536" is neither a name nor a number up to 65535`},
		"an end out of range":        {rule("ingress", "toPorts: [{ports: [{port: '1', endPort: 65536}]}]"), "spec.ingress[0].toPorts[0].ports[0].endPort is no number from 0 to 65535"},
		"no port":                    {rule("ingress", "toPorts: [{ports: [{protocol: TCP}]}]"), `spec.ingress[0].toPorts[0].ports[0]: the port "" is neither a name nor a number up to 65535`},
		"a protocol":                 {rule("ingress", "toPorts: [{ports: [{port: '1', protocol: GRE}]}]"), `spec.ingress[0].toPorts[0].ports[0]: the protocol "GRE" is not known`},
		"too many ports":             {rule("ingress", "toPorts: [{ports: ["+strings.Repeat("{port: '1'}, ", 41)+"]}]"), "spec.ingress[0].toPorts[0] has more than 40 ports"},
		"ICMP with ports":            {rule("ingress", "icmps: [{}], toPorts: [{ports: [{port: '1'}]}]"), "spec.ingress[0] has both icmps and toPorts"},
		"a service without a name":   {rule("egress", "toServices: [{}]"), "spec.egress[0].toServices[0] has neither k8sService nor k8sServiceSelector"},
		"a service by no selector":   {rule("egress", "toServices: [{k8sServiceSelector: {}}]"), "spec.egress[0].toServices[0].k8sServiceSelector has no selector"},
		"authentication of a number": {rule("ingress", "authentication: {mode: 1}"), "spec.ingress[0].authentication.mode is no string"},
		"requirements":               {rule("ingress", "fromRequires: [x]"), "spec.ingress[0].fromRequires[0] is no object"},
	} {
		t.Run(name, func(t *testing.T) {
			policies, gaps := cilium.Read(snapshot(t, tc.policy))
			if len(gaps) != 1 || gaps[0].What != "in.yaml:1" || !strings.Contains(gaps[0].Why, "/p: "+tc.why) && !strings.Contains(gaps[0].Why, " p: "+tc.why) {
				t.Errorf("got %v, want %s", gaps, tc.why)
			}
			w := theWorld()
			if len(policies) != 1 || asked(t, w, form{w, policies}.judge, "web>db:1=?") != "web>db:1=?" {
				t.Errorf("what it could decide doesn't depend: %v", policies)
			}
		})
	}
}

func TestNames(t *testing.T) {
	empty := cnp(forDB + "  ingress: []")
	for name, tc := range map[string]struct {
		manifests []string
		want      []string
	}{
		"nothing":           {[]string{cnp(forDB + "  ingress: [{}]")}, nil},
		"other kinds":       {[]string{"apiVersion: cilium.io/v2\nkind: CiliumLocalRedirectPolicy\nmetadata: {name: p, namespace: shop}\nspec: {}", "apiVersion: cilium.io/v2\nkind: CiliumEgressGatewayPolicy\nmetadata: {name: p}\nspec: {}"}, nil},
		"no rule":           {[]string{empty}, []string{"in.yaml:1 CiliumNetworkPolicy shop/p: spec holds no rule: Cilium takes it for nothing, and since 1.17 refuses the object"}},
		"nodes":             {[]string{ccnp("  nodeSelector: {}\n  ingress: [{}]")}, []string{"in.yaml:1 CiliumClusterwideNetworkPolicy p: spec is for nodes: evaluated for the pods on their network, not for what else runs on them"}},
		"nodes, not in use": {[]string{config("a: b"), ccnp("  nodeSelector: {}\n  ingress: [{}]")}, nil},
		"nodes, in use":     {[]string{config("enable-host-firewall: 'true'"), ccnp("  nodeSelector: {}\n  ingress: [{}]")}, []string{"in.yaml:6 CiliumClusterwideNetworkPolicy p: spec is for nodes: evaluated for the pods on their network, not for what else runs on them"}},
		"never enforced":    {[]string{config("enable-policy: never")}, []string{"in.yaml:1 ConfigMap kube-system/cilium-config: enable-policy is never in cilium-config: no policy is in force"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, gaps := cilium.Read(snapshot(t, tc.manifests...))
			var got []string
			for _, g := range gaps {
				got = append(got, g.What+" "+g.Why)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestSaysWhatItDependsOn holds the reasons, and the fields where rules stand.
func TestSaysWhatItDependsOn(t *testing.T) {
	policies, _ := cilium.Read(snapshot(t, ccnp("  endpointSelector: {}\n  egressDeny: [{toEntities: [world]}]\n  egress:\n"+
		"  - {toFQDNs: [{matchName: a.b}], toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: [a.b], rules: {http: [{}]}}], authentication: {mode: required}, strange: 1}\n"+
		"  - {toEntities: [host, kube-apiserver, world]}\n  - {toNodes: [{}]}\n  - {toPorts: [{}]}")))
	var got []string
	for _, r := range policies[0].Sides[policy.Egress].Rules {
		got = append(got, fmt.Sprintf("%v %v %s: %s", r.Action, r.Order, r.Field, r.Depends))
	}
	want := []string{
		"0 0 spec.egress[0]: the field spec.egress[0].strange, which is not known, counts; both ends have to authenticate (spec.egress[0].authentication.mode is \"required\"); spec.egress[0].toFQDNs are addresses that the DNS knows; spec.egress[0].toPorts[0].serverNames counts; spec.egress[0].toPorts[0].rules.http counts",
		"0 0 spec.egress[1]: ",
		"0 0 spec.egress[1]: the entity host is only the node that the pod runs on",
		"0 0 spec.egress[1]: the addresses of the API server were not read",
		"0 0 spec.egress[2]: spec.egress[2].toNodes counts where enable-node-selector-labels is on",
		"0 0 spec.egress[3]: spec.egress[3].toPorts[0] names no ports",
		"1 -1 spec.egressDeny[0]: ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestBounds feeds what multiplies: groups of many addresses named often, and
// rules of many reasons.
func TestBounds(t *testing.T) {
	var cidrs, refs, gone strings.Builder
	for i := range 25_000 {
		fmt.Fprintf(&cidrs, "'10.%d.%d.0/24', ", i/250, i%250)
	}
	for i := range 60 {
		refs.WriteString("{cidrGroupRef: big}, ")
		fmt.Fprintf(&gone, "{cidrGroupRef: gone-%d}, ", i)
	}
	big := "apiVersion: cilium.io/v2alpha1\nkind: CiliumCIDRGroup\nmetadata: {name: big}\nspec: {externalCIDRs: [" + cidrs.String() + "]}"
	policies, gaps := cilium.Read(snapshot(t, big, cnp(forDB+"  egress: [{toCIDRSet: ["+refs.String()+"]}]")))
	if len(gaps) != 1 || !strings.Contains(gaps[0].Why, "it names more than 1000000 peers and ports") || len(policies) != 1 {
		t.Errorf("1,500,000 addresses are read: %d policies, %v", len(policies), gaps)
	}
	policies, gaps = cilium.Read(snapshot(t, cnp(forDB+"  egress: [{toCIDRSet: ["+gone.String()+"]}]")))
	if rules := policies[0].Sides[policy.Egress].Rules; len(gaps) != 0 || len(rules) != 17 || !strings.Contains(rules[16].Depends, "more than 16 other things") {
		t.Errorf("%d rules for 60 reasons, %v", len(rules), gaps)
	}
}
