package network

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/model"
)

// TestIsolationByEveryKind: policies of all kinds count for the conditions of
// the ladder, where they isolate.
func TestIsolationByEveryKind(t *testing.T) {
	admin := func(version, kind, name, more, action string) string {
		return "apiVersion: policy.networking.k8s.io/" + version + "\nkind: " + kind + "\nmetadata: {name: " + name + "}\nspec: {" + more +
			"subject: {namespaces: {}}, ingress: [{action: " + action + ", from: [{namespaces: {}}]}]}"
	}
	cilium := func(kind, meta, spec string) string {
		return "apiVersion: cilium.io/v2\nkind: " + kind + "\nmetadata: {name: c" + meta + "}\nspec: {" + spec + "}"
	}
	calico := func(kind, meta, spec string) string {
		return "apiVersion: projectcalico.org/v3\nkind: " + kind + "\nmetadata: {name: c" + meta + "}\nspec: {" + spec + "}"
	}
	for name, tc := range map[string]struct {
		policies string
		isolated model.FactKind // of the namespace; "" where it isn't known
		rules    model.FactKind // of the workload
	}{
		"none":                           {"", model.Lacks, model.Lacks},
		"Cilium, every pod":              {cilium("CiliumNetworkPolicy", ", namespace: shop", "endpointSelector: {}, ingress: [{}], egress: [{}]"), model.Meets, model.Meets},
		"Cilium, some pods":              {cilium("CiliumNetworkPolicy", ", namespace: shop", "endpointSelector: {matchLabels: {app: web}}, ingress: [{}], egress: [{}]"), model.Lacks, model.Meets},
		"Cilium, without a default deny": {cilium("CiliumNetworkPolicy", ", namespace: shop", "endpointSelector: {}, enableDefaultDeny: {ingress: false, egress: false}, ingress: [{}], egress: [{}]"), model.Lacks, model.Lacks},
		"Cilium, whole cluster":          {cilium("CiliumClusterwideNetworkPolicy", "", "endpointSelector: {}, ingress: [{}], egress: [{}]"), model.Meets, model.Meets},
		"Cilium, elsewhere":              {cilium("CiliumNetworkPolicy", ", namespace: bank", "endpointSelector: {}, ingress: [{}], egress: [{}]"), model.Lacks, model.Lacks},
		"Calico, every pod":              {calico("NetworkPolicy", ", namespace: shop", "selector: all(), types: [Ingress, Egress]"), model.Meets, model.Meets},
		"Calico, some pods":              {calico("NetworkPolicy", ", namespace: shop", "selector: app == 'web', types: [Ingress, Egress]"), model.Lacks, model.Meets},
		"Calico, whole cluster":          {calico("GlobalNetworkPolicy", "", "types: [Ingress, Egress]"), model.Meets, model.Meets},
		"Calico, lets everything in":     {calico("GlobalNetworkPolicy", "", "types: [Ingress, Egress], ingress: [{action: Allow}], egress: [{action: Allow}]"), model.Lacks, model.Meets},
		"an administrator's, of pods":    {admin("v1alpha1", "BaselineAdminNetworkPolicy", "default", "", "Deny"), model.Lacks, model.Lacks},
		"an administrator's, that lets":  {admin("v1alpha1", "AdminNetworkPolicy", "a", "priority: 1, ", "Allow"), model.Lacks, model.Lacks},
	} {
		t.Run(name, func(t *testing.T) {
			docs := []string{deploy("shop", "web", ""), deploy("bank", "db", "")}
			if tc.policies != "" {
				docs = append(docs, tc.policies)
			}
			var isolated, rules model.FactKind
			for _, f := range build(t, docs...).Reading().Facts {
				switch {
				case f.Value == Isolated && strings.HasSuffix(f.Asset.Key, "/shop"):
					isolated = f.Kind
				case f.Value == Rules && strings.Contains(f.Asset.Key, "/shop/"):
					rules = f.Kind
				}
			}
			if diff := cmp.Diff([]model.FactKind{tc.isolated, tc.rules}, []model.FactKind{isolated, rules}); diff != "" {
				t.Error(diff)
			}
		})
	}
}
