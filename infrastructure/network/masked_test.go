package network

import (
	"strings"
	"testing"
)

// TestMasked probes from addresses outside that a Service leads to a pod.
func TestMasked(t *testing.T) {
	balancer := service("shop", "web", "web", "  type: LoadBalancer")
	node := nodeWith("InternalIP", "10.0.0.1")
	office := allow("[{from: [{ipBlock: {cidr: 203.0.113.0/24}}]}]")
	nodes := allow("[{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]")
	for name, tc := range map[string]struct {
		from      string
		manifests []string
		want      Answer
	}{
		"let in, and nodes aren't":              {"203.0.113.7", []string{balancer, shutAll, office, node}, Depends},
		"kept out, and nodes aren't":            {"198.51.100.7", []string{balancer, shutAll, nodes, node}, Depends},
		"let in, and nodes too":                 {"203.0.113.7", []string{balancer, shutAll, allow("[{}]"), node}, Allowed},
		"kept out, and nodes too":               {"198.51.100.7", []string{balancer, shutAll, office, node}, Denied},
		"Local":                                 {"203.0.113.7", []string{balancer + "\n  externalTrafficPolicy: Local", shutAll, office, node}, Allowed},
		"no Service":                            {"203.0.113.7", []string{shutAll, office, node}, Allowed},
		"a Service of the cluster alone":        {"203.0.113.7", []string{service("shop", "web", "web", ""), shutAll, office, node}, Allowed},
		"a client that isn't led in":            {"203.0.113.7", []string{balancer + "\n  loadBalancerSourceRanges: [198.51.100.0/24]", shutAll, office, node}, Allowed},
		"nodes that aren't known":               {"203.0.113.7", []string{balancer, shutAll, nodes}, Depends},
		"nodes that aren't known, none private": {"198.51.100.7", []string{balancer, shutAll, office}, Denied},
		"a node":                                {"10.0.0.1", []string{balancer, shutAll, nodes, node}, Allowed},
		"a node of the other family":            {"203.0.113.7", []string{balancer, shutAll, office, nodeWith("InternalIP", "fd00::1")}, Allowed},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := build(t, append([]string{deploy("shop", "web", "")}, tc.manifests...)...).Probe(tc.from, "shop/web", "tcp/8080")
			if err != nil || v.Answer != tc.want {
				t.Fatalf("%s, want %s (%v)", v.Answer, tc.want, err)
			}
			if said := strings.Contains(strings.Join(v.Notes, "\n"), "SNAT"); said != (tc.want == Depends) {
				t.Errorf("what it depends on: %q", v.Notes)
			}
		})
	}
}
