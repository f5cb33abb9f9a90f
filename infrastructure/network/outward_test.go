package network

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
)

// TestOutward asks about the metadata service of clouds, and holds each answer
// against that of Probe.
func TestOutward(t *testing.T) {
	const pod = "{apiVersion: v1, kind: Pod, metadata: {name: web, namespace: shop, labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}"
	egress := func(selector, rules string) string {
		return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out, namespace: shop}, spec: {podSelector: " + selector + ", policyTypes: [Egress], egress: [" + rules + "]}}"
	}
	for name, tc := range map[string]struct {
		pod, policy string
		answer      Answer
		open        bool
	}{
		"no policy":       {pod, "", Allowed, true},
		"other pods":      {pod, egress("{matchLabels: {app: db}}", ""), Allowed, true},
		"ingress alone":   {pod, strings.Replace(egress("{}", ""), "Egress", "Ingress", 1), Allowed, true},
		"denied":          {pod, egress("{}", ""), Denied, false},
		"all but it":      {pod, egress("{}", "{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]}"), Denied, false},
		"all":             {pod, egress("{}", "{}"), Allowed, false},
		"its block":       {pod, egress("{}", "{to: [{ipBlock: {cidr: 169.254.0.0/16}}]}"), Allowed, false},
		"another port":    {pod, egress("{}", "{to: [{ipBlock: {cidr: 0.0.0.0/0}}], ports: [{port: 443}]}"), Denied, false},
		"pods alone":      {pod, egress("{}", "{to: [{podSelector: {}}]}"), Denied, false},
		"host's network":  {strings.Replace(pod, "spec: {", "spec: {hostNetwork: true, ", 1), "", Denied, false},
		"another address": {pod, egress("{}", "{to: [{ipBlock: {cidr: 169.254.169.253/32}}]}"), Denied, false},
	} {
		t.Run(name, func(t *testing.T) {
			e := build(t, tc.pod, tc.policy)
			got := e.Outward(0, netip.MustParseAddr("169.254.169.254"), 80)
			if got.Answer != tc.answer || got.Open != tc.open {
				t.Errorf("%s, open %v, want %s, %v", got.Answer, got.Open, tc.answer, tc.open)
			}
			if name == "host's network" {
				return
			}
			probe, err := e.Probe("shop/web", "169.254.169.254", "tcp/80")
			if err != nil {
				t.Fatal(err)
			}
			if probe.Answer != got.Answer || fmt.Sprint(probe.Egress.Reasons) != fmt.Sprint(got.Reasons) {
				t.Errorf("%v, a probe says %v", got, probe)
			}
		})
	}
}
