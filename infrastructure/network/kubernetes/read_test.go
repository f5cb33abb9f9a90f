package kubernetes

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
)

func read(t testing.TB, text string) ([]policy.Policy, []string) {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "", "in.yaml", strings.NewReader(text))
	if err != nil {
		t.Skip(err)
	}
	list, incomplete := Read(s, nil)
	var why []string
	for _, i := range incomplete {
		why = append(why, i.Why)
	}
	return list, why
}

// brief writes a policy on one line a rule.
func brief(p policy.Policy) []string {
	lines := []string{fmt.Sprintf("%s subject %s unsettled %t", &p, p.Subject, p.Unsettled)}
	for d, side := range p.Sides {
		if side == nil {
			continue
		}
		lines = append(lines, fmt.Sprintf("%s tier %g isolates %t", policy.Direction(d), side.Tier, side.Isolates))
		for _, r := range side.Rules {
			line := fmt.Sprintf("%s %d order %g turn %d", r.Field, r.Action, r.Order, r.Turn)
			for _, from := range r.Peers {
				switch {
				case from.Pods != nil:
					line += " pods " + from.Pods.String()
				case from.Nodes != nil:
					line += " nodes " + from.Nodes.String()
				default:
					line += fmt.Sprintf(" block %s except %v unknown %t", from.Block, from.Except, from.Unknown)
				}
			}
			for _, port := range r.Ports {
				line += fmt.Sprintf(" %s %d-%d%s", port.Protocol, port.Low, port.High, port.Name)
			}
			if r.Depends != "" {
				line += " depends: " + r.Depends
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func TestRead(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"NetworkPolicy": {
			"apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n  podSelector: {}\n  ingress:\n  - {from: [{podSelector: {matchLabels: {app: web}}}, {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}], ports: [{port: http}, {port: 1, endPort: 9, protocol: SCTP}]}\n  - {}\n",
			[]string{
				`shop/p subject all(2:"" 1 "shop",all()) unsettled true`,
				"ingress tier 1e+06 isolates true",
				`spec.ingress[0] 0 order 0 turn 0 pods all(2:"" 1 "shop",all(0:"app" 1 "web")) block 10.0.0.0/8 except [10.1.0.0/16] unknown false TCP 0-0http SCTP 1-9`,
				"spec.ingress[1] 0 order 0 turn 0",
			},
		},
		"AdminNetworkPolicy": {
			"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\nspec:\n  priority: 7\n  subject: {namespaces: {}}\n  egress:\n  - {action: Allow, to: [{domainNames: ['*.example.com']}, {nodes: {matchLabels: {os: linux}}}], ports: [{portNumber: {port: 53, protocol: UDP}}, {portRange: {start: 1, end: 9}}]}\n  - {action: Pass, to: [{networks: [0.0.0.0/0, 'fd00::/8']}]}\n  - {action: Deny, to: [{pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: db}}}}], ports: [{namedPort: sql}]}\n",
			[]string{
				"a subject all() unsettled false",
				"egress tier 1000 isolates false",
				`spec.egress[0] 0 order 7 turn 0 nodes all(0:"os" 1 "linux") UDP 53-53 TCP 1-9`,
				"spec.egress[0] 0 order 7 turn 0 block 0.0.0.0/0 except [] unknown false block ::/0 except [] unknown false UDP 53-53 TCP 1-9 depends: the addresses of *.example.com are known to the DNS alone",
				"spec.egress[1] 2 order 7 turn 1 block 0.0.0.0/0 except [] unknown true block fd00::/8 except [] unknown false",
				`spec.egress[2] 1 order 7 turn 2 pods all(all(),all(0:"app" 1 "db")) TCP 0-0sql UDP 0-0sql SCTP 0-0sql`,
			},
		},
		"BaselineAdminNetworkPolicy": {
			"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: {name: default}\nspec:\n  subject: {namespaces: {}}\n  ingress: [{action: Deny, from: [{namespaces: {}}]}]\n",
			[]string{"default subject all() unsettled false", "ingress tier 1e+07 isolates false", "spec.ingress[0] 1 order 0 turn 0 pods all()"},
		},
		"ClusterNetworkPolicy": {
			"apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c}\nspec:\n  tier: Baseline\n  priority: 1000\n  subject: {namespaces: {}}\n  ingress: [{action: Accept, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: 1, end: 2}}}}, {destinationNamedPort: web}]}]\n",
			[]string{
				"c subject all() unsettled false", "ingress tier 1e+07 isolates false",
				"spec.ingress[0] 0 order 1000 turn 0 pods all() TCP 80-80 UDP 1-2 TCP 0-0web UDP 0-0web SCTP 0-0web",
			},
		},
		"a policy of Calico": {"apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata: {name: c, namespace: shop}\nspec: {}\n", nil},
	} {
		t.Run(name, func(t *testing.T) {
			list, why := read(t, tc.text)
			var got []string
			for _, p := range list {
				got = append(got, brief(p)...)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || why != nil {
				t.Errorf("%v\n%s", why, diff)
			}
		})
	}
}

// TestRefuses holds what the API server refuses.
func TestRefuses(t *testing.T) {
	np := func(spec string) string {
		return "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec: {podSelector: {}, " + spec + "}"
	}
	anp := func(spec string) string {
		return "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: p}\nspec: {subject: {namespaces: {}}, " + spec + "}"
	}
	cnp := func(spec string) string {
		return "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: p}\nspec: {subject: {namespaces: {}}, priority: 1, " + spec + "}"
	}
	for name, tc := range map[string]struct{ text, want string }{
		"an unknown type":           {np("policyTypes: [Both]"), `spec.policyTypes: "Both" is neither Ingress nor Egress`},
		"no peer":                   {np("ingress: [{from: [{}]}]"), "names neither a selector nor an ipBlock"},
		"two sorts of peer":         {np("ingress: [{from: [{podSelector: {}, ipBlock: {cidr: 10.0.0.0/8}}]}]"), "names an ipBlock together with a selector"},
		"families mixed":            {np("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: ['fd00::/8']}}]}]"), "fd00::/8 is of the other address family"},
		"an exception outside":      {np("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/16]}}]}]"), "ipBlock.except: 11.0.0.0/16 is no part of 10.0.0.0/8"},
		"an exception of it all":    {np("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [10.0.0.0/8]}}]}]"), "ipBlock.except: 10.0.0.0/8 is no part of 10.0.0.0/8"},
		"a wider exception":         {np("ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8, except: [0.0.0.0/0]}}]}]"), "ipBlock.except: 0.0.0.0/0 is no part of 10.0.0.0/8"},
		"a number as text":          {np(`ingress: [{ports: [{port: "80"}]}]`), `port "80": must contain at least one letter`},
		"a protocol in small":       {np("ingress: [{ports: [{port: 80, protocol: tcp}]}]"), `protocol "tcp" is none of TCP, UDP and SCTP`},
		"a field of the spec":       {np("ingres: []"), "the field spec.ingres isn't known"},
		"a field of a rule":         {np("ingress: [{to: []}]"), "the field spec.ingress[0].to isn't known"},
		"a field of a selector":     {np("ingress: [{}, {from: [{podSelector: {matchLabel: {a: b}}}]}]"), "the field spec.ingress[1].from[0].podSelector.matchLabel isn't known"},
		"a field in capitals":       {np("Ingress: []"), "the field spec.Ingress isn't known"},
		"a later version":           {strings.Replace(anp("priority: 1"), "v1alpha1", "v1beta1", 1), "the version policy.networking.k8s.io/v1beta1 isn't known"},
		"protocols of version 2":    {anp("priority: 1, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 80}}}]}]"), "the field spec.ingress[0].protocols isn't known"},
		"ports of version 1":        {cnp("tier: Admin, ingress: [{action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {port: 80}}]}]"), "the field spec.ingress[0].ports isn't known"},
		"same labels":               {anp("priority: 1, ingress: [{action: Deny, from: [{namespaces: {sameLabels: [a]}}]}]"), "the field spec.ingress[0].from[0].namespaces.sameLabels isn't known"},
		"endPort of a name":         {np("ingress: [{ports: [{port: web, endPort: 9}]}]"), "endPort with a named port"},
		"endPort alone":             {np("ingress: [{ports: [{endPort: 9}]}]"), "endPort without port"},
		"ports out of order":        {np("ingress: [{ports: [{port: 9, endPort: 8}]}]"), "ports 9-8 are out of order or range"},
		"a protocol":                {np("ingress: [{ports: [{port: 9, protocol: ICMP}]}]"), `protocol "ICMP" is none of TCP, UDP and SCTP`},
		"an operator":               {np("ingress: [{from: [{podSelector: {matchExpressions: [{key: a, operator: Near}]}}]}]"), "podSelector: "},
		"no priority":               {anp("ingress: []"), "spec.priority: has to be from 0 to 1000"},
		"a priority above":          {anp("priority: 1001"), "spec.priority: has to be from 0 to 1000"},
		"an action of another kind": {anp("priority: 1, ingress: [{action: Accept, from: [{namespaces: {}}]}]"), `spec.ingress[0]: action "Accept" is not one of this kind`},
		"no peers":                  {anp("priority: 1, ingress: [{action: Deny, from: []}]"), "spec.ingress[0]: 0 peers, has to have 1 to 100"},
		"a peer without fields":     {anp("priority: 1, ingress: [{action: Deny, from: [{}]}]"), "has to have exactly one of its fields, has 0"},
		"a peer with two":           {anp("priority: 1, egress: [{action: Deny, to: [{namespaces: {}, nodes: {}}]}]"), "has to have exactly one of its fields, has 2"},
		"networks as a source":      {anp("priority: 1, ingress: [{action: Deny, from: [{networks: [10.0.0.0/8]}]}]"), "nodes, networks and domainNames are for egress alone"},
		"a name denied":             {anp("priority: 1, egress: [{action: Deny, to: [{domainNames: [example.com]}]}]"), "domainNames are for rules that allow"},
		"no name":                   {anp("priority: 1, egress: [{action: Allow, to: [{domainNames: ['a.*.com']}]}]"), `domainNames: "a.*.com" is none`},
		"a network":                 {anp("priority: 1, egress: [{action: Deny, to: [{networks: [10.0.0.300/8]}]}]"), "networks: "},
		"a range backwards":         {anp("priority: 1, egress: [{action: Deny, to: [{namespaces: {}}], ports: [{portRange: {start: 9, end: 9}}]}]"), "start 9 is not below end 9"},
		"another baseline":          {"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: {name: p}\nspec: {subject: {namespaces: {}}}", `metadata.name: has to be "default"`},
		"pass of the baseline":      {"apiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: {name: default}\nspec: {subject: {namespaces: {}}, ingress: [{action: Pass, from: [{namespaces: {}}]}]}", `action "Pass" is not one of this kind`},
		"a tier":                    {cnp("tier: Middle"), `spec.tier: "Middle" is neither Admin nor Baseline`},
		"too many rules":            {cnp("tier: Admin, ingress: [" + strings.Repeat("{action: Deny, from: [{namespaces: {}}]},", 26) + "]"), "spec.ingress: 26 rules, at most 25"},
		"a protocol of nothing":     {cnp("tier: Admin, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {}}]}]"), "names no destinationPort"},
		"two protocols in one":      {cnp("tier: Admin, ingress: [{action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 1}}, destinationNamedPort: x}]}]"), "has to have exactly one of its fields, has 2"},
		"no subject":                {strings.Replace(cnp("tier: Admin"), "{namespaces: {}}", "{}", 1), "spec.subject: has to name either namespaces or pods"},
		"no object":                 {anp("priority: {}"), "cannot unmarshal"},
	} {
		t.Run(name, func(t *testing.T) {
			list, why := read(t, tc.text)
			if len(why) != 1 || !strings.Contains(why[0], tc.want) {
				t.Fatalf("%q, want %q", why, tc.want)
			}
			if len(list) != 1 || list[0].Sides[0] == nil || list[0].Sides[0].Depends == "" || list[0].Sides[1] == nil {
				t.Errorf("it isn't unknown: %+v", list)
			}
		})
	}
}

// FuzzRead: whatever an object says, it is a policy or named as incomplete,
// and what a policy says can be evaluated.
func FuzzRead(f *testing.F) {
	f.Add("apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\nspec: {priority: 1, subject: {pods: {namespaceSelector: {}, podSelector: {}}}, egress: [{action: Allow, to: [{networks: [10.0.0.0/8]}], ports: [{portRange: {start: 1, end: 9}}]}]}")
	f.Add("apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {name: c}\nspec: {tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [{action: Pass, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 1}}}]}]}")
	f.Add("apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: p, namespace: n}\nspec: {podSelector: {}, ingress: [{from: [{ipBlock: {cidr: '::/0'}}], ports: [{port: 1, endPort: 2}]}]}")
	f.Fuzz(func(t *testing.T, text string) {
		list, _ := read(t, text)
		for _, p := range list {
			if p.Subject == nil {
				t.Fatalf("%s selects by nothing", &p)
			}
			for _, side := range p.Sides {
				if side == nil {
					continue
				}
				for _, r := range side.Rules {
					for _, port := range r.Ports {
						if port.Name == "" && (port.Low < 1 || port.High > 65535 || port.Low > port.High) {
							t.Errorf("%s: ports %+v", &p, port)
						}
					}
					for _, from := range r.Peers {
						if from.Pods == nil && from.Nodes == nil && !from.Block.IsValid() {
							t.Errorf("%s: a peer of nothing", &p)
						}
					}
				}
			}
		}
	})
}
