package paths

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/model"
)

// at builds a cluster whose API server has a version, "" for unknown.
func at(t *testing.T, version, text string, links ...Link) *Model {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "c", "test.yaml", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range s.Incomplete {
		if !strings.Contains(x.Why, "not known: kept") && !strings.Contains(x.What, "not known: kept") { // kinds of other projects
			t.Fatal(x)
		}
	}
	if version != "" {
		s.Origin = &kube.Origin{Server: version}
	}
	m, err := Build(s, network.Build(s), identity.Build(s), links...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// takes lists the kinds of steps that pod shop/web can take, all of whose
// needs it comes to have: with the network only through the API server.
func takes(t *testing.T, m *Model) map[string]bool {
	t.Helper()
	from, ok := m.Entry("c/shop/Pod/web")
	if !ok {
		t.Fatal("no pod shop/web")
	}
	// From neighbours over the plain network nothing may start.
	gone := graph.NewSet(len(m.facts))
	for f, fact := range m.facts {
		if fact.Kind == model.Network {
			gone.Add(f)
		}
	}
	reach := m.graph.Reach([]graph.Vertex{from}, gone)
	out := map[string]bool{}
	for s := range m.graph.NumSteps() {
		step := graph.Step(s)
		all := !slices.ContainsFunc(m.graph.Needs(step), func(v graph.Vertex) bool { return !reach.Has(int(v)) })
		if all && !slices.ContainsFunc(m.graph.Rests(step), func(f graph.Fact) bool { return gone.Has(int(f)) }) {
			out[moves[m.edges[s]].name] = true
		}
	}
	return out
}

// quietWorld is world with shop isolated, so that each step is one of rights.
func quietWorld(labels, extra string) string {
	for _, ns := range []string{"shop", "other", "kube-system"} {
		extra += "\n---\n{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: deny, namespace: " + ns + "}, spec: {podSelector: {}, policyTypes: [Ingress, Egress]}}\n"
	}
	return world(labels, strings.TrimPrefix(strings.TrimSpace(extra), "---"))
}

const baseline = "pod-security.kubernetes.io/enforce: baseline"

// TestNearMisses holds every edge against a cluster that has it and one that
// nearly has: one word, one field, one object short.
func TestNearMisses(t *testing.T) {
	const (
		csr     = certGroup
		hooks   = admissionGroup
		asEdit  = "update"
		crd     = "\n---\n{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: issuers.cert-manager.io}}\n---\n{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: secretstores.external-secrets.io}}\n"
		stdin   = "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: shell, namespace: shop}, spec: {nodeName: n3, automountServiceAccountToken: false, containers: [{name: c, image: i, stdin: true}]}}\n"
		mapping = "\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: aws-auth, namespace: kube-system}}\n---\n{apiVersion: v1, kind: ConfigMap, metadata: {name: coredns, namespace: kube-system}}\n"
		joiners = "\n---\n{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRoleBinding, metadata: {name: join}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}, subjects: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: 'system:bootstrappers:kubeadm'}]}\n"
		rootPod = "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: strong, namespace: shop}, spec: {nodeName: n1, serviceAccountName: web, containers: [{name: c, image: i, securityContext: {privileged: true}}]}}\n"
	)
	sign := func(verbs string, signer ...string) string {
		return role("", allow(csr, "certificatesigningrequests", "create"), allow(csr, "certificatesigningrequests/approval", asEdit), allow(csr, "signers", verbs, signer...))
	}
	volume := func(path, binding string) string {
		return "\n---\n{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {hostPath: {path: " + path + "}, claimRef: {namespace: shop, name: data}}}\n" +
			"---\n{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: shop}, spec: {volumeName: " + binding + "}}\n"
	}
	exec, attach, forward := allow("", "pods/exec", "get"), allow("", "pods/attach", "create"), allow("", "pods/portforward", "create")
	for name, tc := range map[string]struct {
		edge, labels, with, without string
		version, missVersion        string
	}{
		"exec by get before 1.35":             {edge: "exec", with: role("shop", exec), without: role("shop", exec), version: "v1.34.2", missVersion: "v1.35.0"},
		"exec by get, unknown version":        {edge: "exec", with: role("shop", exec), without: role("shop", exec), version: "v1.34.2"},
		"attach":                              {edge: "attach", with: role("shop", attach) + stdin, without: role("shop", allow("", "pods/attach", "get")) + stdin},
		"attach by get before 1.35":           {edge: "attach", with: role("shop", allow("", "pods/attach", "get")) + stdin, without: role("shop", allow("", "pods/attach", "list")) + stdin, version: "v1.30.0-eks-1", missVersion: "v1.30.0"},
		"port-forward":                        {edge: "port-forward", with: role("shop", forward), without: role("shop", allow("", "pods/portforward", "get"))},
		"port-forward to one pod":             {edge: "port-forward", with: role("shop", allow("", "pods/portforward", "create", "api")), without: role("shop", allow("", "pods/portforward", "create", "db"))},
		"pods/proxy":                          {edge: "port-forward", with: role("shop", allow("", "pods/proxy", "get")), without: role("shop", allow("", "pods/proxy", "list"))},
		"logs":                                {edge: "read-logs", with: role("shop", allow("", "pods/log", "get")), without: role("shop", allow("", "pods/log", "list"))},
		"logs of a node":                      {edge: "read-logs", with: role("", allow("", "nodes/log", "get")), without: role("shop", allow("", "nodes/log", "get"))},
		"volume under baseline":               {edge: "host-volume", labels: baseline, with: role("", allow("", "persistentvolumes", "create")) + role2("shop", allow("", "persistentvolumeclaims", "create"), allow("", "pods", "create")), without: role("", allow("", "persistentvolumes", "create")) + role2("shop", allow("", "pods", "create"))},
		"volume by a RoleBinding":             {edge: "host-volume", labels: baseline, with: role("", allow("", "persistentvolumes", "create")) + role2("shop", allow("", "persistentvolumeclaims", "create"), allow("", "pods", "create")), without: role("shop", allow("", "persistentvolumes", "create"), allow("", "persistentvolumeclaims", "create"), allow("", "pods", "create"))},
		"claim of a host volume":              {edge: "host-volume", labels: baseline, with: role("shop", allow("", "pods", "create")) + volume("/etc", "pv"), without: role("shop", allow("", "pods", "create")) + volume("/data", "pv")},
		"claim under restricted":              {edge: "create-pods", labels: restricted, with: role("shop", allow("", "pods", "create")) + volume("/etc", "pv"), without: role("shop", allow("", "pods", "list")) + volume("/etc", "pv")},
		"client certificate":                  {edge: "client-certificate", with: sign("approve", clientSigner), without: sign("approve", "kubernetes.io/legacy-unknown")},
		"client certificate, any signer":      {edge: "client-certificate", with: sign("approve", "kubernetes.io/*"), without: sign("approve", "example.com/*")},
		"client certificate, sign only":       {edge: "client-certificate", with: sign("approve"), without: sign("sign")},
		"client certificate, no approval":     {edge: "client-certificate", with: sign("approve"), without: role("", allow(csr, "certificatesigningrequests", "create, update"), allow(csr, "signers", "approve"))},
		"approval of one request":             {edge: "client-certificate", with: role("", allow(csr, "certificatesigningrequests", "create"), allow(csr, "certificatesigningrequests/approval", "patch", "mine"), allow(csr, "signers", "approve")), without: role("", allow(csr, "certificatesigningrequests/approval", "patch", "mine"), allow(csr, "signers", "approve"))},
		"node certificate":                    {edge: "node-certificate", with: sign("approve", kubeletSigner), without: sign("approve", "kubernetes.io/kubelet-serving")},
		"node certificate by itself":          {edge: "node-certificate", with: role("", allow(csr, "certificatesigningrequests", "create, get"), allow(csr, "certificatesigningrequests/nodeclient", "create")), without: role("", allow(csr, "certificatesigningrequests", "create"), allow(csr, "certificatesigningrequests/nodeclient", "create"))},
		"node certificate, renewed":           {edge: "node-certificate", with: role("", allow(csr, "certificatesigningrequests", "create, watch"), allow(csr, "certificatesigningrequests/nodeclient", "create")), without: role("", allow(csr, "certificatesigningrequests", "create, watch"), allow(csr, "certificatesigningrequests/selfnodeclient", "create"))},
		"mutating webhook":                    {edge: "mutating-webhook", with: role("", allow(hooks, "mutatingwebhookconfigurations", "create")), without: role("", allow(hooks, "mutatingwebhookconfigurations", "create", "mine"))},
		"mutating webhook changed":            {edge: "mutating-webhook", with: role("", allow(hooks, "mutatingwebhookconfigurations", "patch")), without: role("shop", allow(hooks, "mutatingwebhookconfigurations", "patch"))},
		"mutating webhook that is there":      {edge: "mutating-webhook", with: role("", allow(hooks, "mutatingwebhookconfigurations", "update", "side")) + "\n---\n{apiVersion: admissionregistration.k8s.io/v1, kind: MutatingWebhookConfiguration, metadata: {name: side}}\n", without: role("", allow(hooks, "mutatingwebhookconfigurations", "update", "side"))},
		"validating webhook":                  {edge: "validating-webhook", with: role("", allow(hooks, "validatingwebhookconfigurations", "create")), without: role("", allow(hooks, "validatingwebhookconfigurations", "get, list, delete"))},
		"admission policies are no webhooks":  {edge: "validating-webhook", with: role("", allow(hooks, "*", "create")), without: role("", allow(hooks, "validatingadmissionpolicies", "create"))},
		"taints":                              {edge: "steal-pods", with: role("", allow("", "nodes", "patch")) + rootPod + role2("shop", allow("", "pods/exec", "create")), without: role("", allow("", "nodes", "patch"))},
		"status of nodes":                     {edge: "steal-pods", with: role("", allow("", "nodes/status", "update")) + rootPod + role2("shop", allow("", "pods/exec", "create"), allow("", "pods/eviction", "create")), without: role("", allow("", "nodes/status", "update")) + rootPod + role2("shop", allow("", "pods/exec", "create"))},
		"status of nodes, without a node":     {edge: "steal-pods", with: role("", allow("", "nodes/status", "update")) + rootPod + role2("shop", allow("", "pods/exec", "create"), allow("", "pods", "delete")), without: role("", allow("", "nodes/status", "update")) + role2("shop", allow("", "pods", "delete"))},
		"service addresses":                   {edge: "intercept", with: role("shop", allow("", "services", "create")), without: role("shop", allow("", "services", "get, delete"))},
		"service status, CVE-2020-8554":       {edge: "intercept", with: role("shop", allow("", "services/status", "patch")), without: role("shop", allow("", "services/status", "get"))},
		"one service":                         {edge: "intercept", with: role("shop", allow("", "services", "patch", "s")) + "\n---\n{apiVersion: v1, kind: Service, metadata: {name: s, namespace: shop}}\n", without: role("shop", allow("", "services", "patch", "s"))},
		"endpoint slices":                     {edge: "intercept", with: role("shop", allow("discovery.k8s.io", "endpointslices", "create")), without: role("shop", allow("", "endpointslices", "create"))},
		"pod status":                          {edge: "intercept", with: role("shop", allow("", "pods/status", "patch")), without: role("shop", allow("", "pods/status", "get"))},
		"aws-auth":                            {edge: "aws-auth", with: role("kube-system", allow("", "configmaps", "patch", "aws-auth")) + mapping, without: role("kube-system", allow("", "configmaps", "patch", "aws-auth"))},
		"aws-auth of another namespace":       {edge: "aws-auth", with: role("", allow("", "configmaps", "update")) + mapping, without: role("shop", allow("", "configmaps", "update")) + mapping},
		"another map":                         {edge: "aws-auth", with: role("kube-system", allow("", "configmaps", "update")) + mapping, without: role("kube-system", allow("", "configmaps", "update", "coredns")) + mapping},
		"cluster DNS":                         {edge: "cluster-dns", with: role("kube-system", allow("", "configmaps", "update", "coredns")) + mapping, without: role("kube-system", allow("", "configmaps", "get", "coredns")) + mapping},
		"issuer":                              {edge: "issuer-secret", with: role("shop", allow(issuerGroup, "issuers", "create")) + crd, without: role("shop", allow(issuerGroup, "issuers", "create"))},
		"certificates are no issuers":         {edge: "issuer-secret", with: role("shop", allow(issuerGroup, "issuers", "patch")) + crd, without: role("shop", allow(issuerGroup, "certificates", "create")) + crd},
		"cluster issuer":                      {edge: "issuer-secret", with: role("", allow(issuerGroup, "clusterissuers", "create")) + crd, without: role("shop", allow(issuerGroup, "clusterissuers", "create")) + crd},
		"secret store":                        {edge: "store-secret", with: role("shop", allow(storeGroup, "secretstores", "create")) + crd, without: role("shop", allow(storeGroup, "externalsecrets", "create")) + crd},
		"cluster secret store":                {edge: "store-secret", with: role("", allow(storeGroup, "clustersecretstores", "update")) + crd, without: role("other", allow(storeGroup, "clustersecretstores", "update")) + crd},
		"bootstrap token":                     {edge: "bootstrap-token", with: role("kube-system", allow("", "secrets", "create")) + joiners, without: role("shop", allow("", "secrets", "create")) + joiners},
		"bootstrap token that nobody honours": {edge: "bootstrap-token", with: role("kube-system", allow("", "secrets", "create")) + joiners, without: role("kube-system", allow("", "secrets", "create"))},
		"replication controllers":             {edge: "create-pods", labels: restricted, with: role("shop", allow("", "replicationcontrollers", "create")), without: role("shop", allow("apps", "replicationcontrollers", "create"))},
		"replica sets":                        {edge: "create-pods", labels: restricted, with: role("shop", allow("apps", "replicasets", "create")), without: role("shop", allow("", "replicasets", "create"))},
		"daemon sets":                         {edge: "create-pods", labels: restricted, with: role("shop", allow("apps", "daemonsets", "create")), without: role("shop", allow("apps", "daemonsets", "create", "x"))},
		"stateful sets":                       {edge: "create-pods", labels: restricted, with: role("shop", allow("apps", "statefulsets", "create")), without: role("shop", allow("apps", "statefulsets/scale", "create"))},
		"cron jobs":                           {edge: "create-pods", labels: restricted, with: role("shop", allow("batch", "cronjobs", "create")), without: role("shop", allow("batch", "cronjobs/status", "create"))},
		"impersonate, uids alone":             {edge: "impersonate", with: role("", allow("", "users", "impersonate", "eve")), without: role("", allow("authentication.k8s.io", "uids", "impersonate"), allow("authentication.k8s.io", "userextras/scopes", "impersonate"))},
		"impersonate accounts of a namespace": {edge: "impersonate", with: role("shop", allow("", "serviceaccounts", "impersonate")), without: role("shop", allow("", "users", "impersonate"), allow("", "groups", "impersonate"))},
	} {
		t.Run(name, func(t *testing.T) {
			version, miss := tc.version, tc.missVersion
			if name == "exec by get, unknown version" {
				miss = ""
			}
			if !takes(t, at(t, version, quietWorld(tc.labels, tc.with)))[tc.edge] {
				t.Errorf("the attack gives no %s", tc.edge)
			}
			if takes(t, at(t, miss, quietWorld(tc.labels, tc.without)))[tc.edge] {
				t.Errorf("the near miss gives %s", tc.edge)
			}
		})
	}
}

// role2 is role under names of its own, for a second binding.
func role2(namespace string, rules ...string) string {
	return "\n---\n" + strings.NewReplacer("name: r,", "name: r2,", "name: b,", "name: b2,", "name: r}", "name: r2}").Replace(role(namespace, rules...))
}

// TestDoors looks at how far the new edges lead.
func TestDoors(t *testing.T) {
	own := []string{"sa shop/web"}
	with := func(more ...string) []string {
		out := append(slices.Clone(own), more...)
		slices.Sort(out)
		return out
	}
	sign := func(signer string) string {
		return role("", allow(certGroup, "certificatesigningrequests", "create"), allow(certGroup, "certificatesigningrequests/approval", "patch"), allow(certGroup, "signers", "approve", signer))
	}
	token := "\n---\n{apiVersion: v1, kind: Pod, metadata: {name: bot, namespace: other}, spec: {nodeName: n4, serviceAccountName: bot, containers: [{name: c, image: i}]}}\n"
	for name, tc := range map[string]struct {
		labels, extra string
		want          []string
	}{
		"client certificate":           {"", sign(clientSigner), all},
		"node certificate":             {"", sign(kubeletSigner) + token, with("sa other/bot", "sa other/db", "sa shop/api")},
		"mutating webhook":             {restricted, role("", allow(admissionGroup, "mutatingwebhookconfigurations", "create")), all},
		"validating webhook":           {restricted, role("", allow(admissionGroup, "validatingwebhookconfigurations", "create")), with("secret other/creds", "secret shop/key")},
		"volume, baseline":             {baseline, role("", allow("", "persistentvolumes", "create")) + role2("shop", allow("", "pods", "create"), allow("", "persistentvolumeclaims", "create")), all},
		"volume, restricted":           {restricted, role("", allow("", "persistentvolumes", "create")) + role2("shop", allow("", "pods", "create"), allow("", "persistentvolumeclaims", "create")), with("sa shop/api", "secret shop/key")},
		"store":                        {"", role("shop", allow(storeGroup, "secretstores", "create")) + "\n---\n{apiVersion: external-secrets.io/v1, kind: SecretStore, metadata: {name: s, namespace: shop}}\n", with("secret shop/key")},
		"logs alone":                   {"", role("shop", allow("", "pods/log", "get")), own},
		"connections need a flaw, too": {"", role("", allow("", "pods/portforward", "create"), allow("", "services/status", "update")), own},
	} {
		t.Run(name, func(t *testing.T) {
			want := slices.Clone(tc.want)
			slices.Sort(want)
			if diff := cmp.Diff(want, reached(t, at(t, "", world(tc.labels, tc.extra)), "shop/Pod/web")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestLogLinks needs the mount and the right, of whomever.
func TestLogLinks(t *testing.T) {
	logs := func(readOnly, host, extra string) string {
		return "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n" + onNode("shop", "web", "n1", "containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v, readOnly: "+readOnly+"}]}], volumes: [{name: v, hostPath: {path: "+host+"}}]") +
			onNode("other", "mate", "n1", keySpec) + "---\n" + extra
	}
	read := strings.ReplaceAll(role("shop", allow("", "pods/log", "get")), "name: web", "name: default")
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"both":                   {logs("false", "/var/log", read), []string{"sa other/default", "sa shop/default", "secret other/key"}},
		"named":                  {logs("false", "/var/log", strings.Replace(read, "verbs: [get]", "verbs: [get], resourceNames: [web]", 1)), []string{"sa other/default", "sa shop/default", "secret other/key"}},
		"another pod's logs":     {logs("false", "/var/log", strings.Replace(read, "verbs: [get]", "verbs: [get], resourceNames: [mate]", 1)), []string{"sa shop/default"}},
		"read-only":              {logs("true", "/var/log", read), []string{"sa shop/default"}},
		"another folder":         {logs("false", "/var/log/shop", read), []string{"sa shop/default"}},
		"without the right":      {logs("false", "/var/log", strings.Replace(read, "pods/log", "pods", 1)), []string{"sa shop/default"}},
		"right of another scope": {logs("false", "/var/log", strings.ReplaceAll(strings.ReplaceAll(read, `namespace: "shop"`, `namespace: "other"`), "pods/log", "pods/log")), []string{"sa shop/default"}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tc.want, reached(t, build(t, tc.text), "shop/Pod/web")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestHostVolume: a claim behind which stands a folder of the host is that
// folder.
func TestHostVolume(t *testing.T) {
	pod := func(volume string) string {
		return "{apiVersion: v1, kind: Node, metadata: {name: n1}}\n" + onNode("shop", "web", "n1", "automountServiceAccountToken: false, containers: [{name: c, image: i, volumeMounts: [{name: v, mountPath: /v}]}], volumes: [{name: v, persistentVolumeClaim: {claimName: data}}]") + volume
	}
	const claimed = "---\n{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {hostPath: {path: /etc}, claimRef: {namespace: shop, name: data}}}\n"
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"by the volume's reference": {pod(claimed), []string{"node n1", "sa shop/default"}},
		"by the claim":              {pod("---\n{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {hostPath: {path: /etc}}}\n---\n{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: data, namespace: shop}, spec: {volumeName: pv}}\n"), []string{"node n1", "sa shop/default"}},
		"of another namespace":      {pod(strings.Replace(claimed, "namespace: shop", "namespace: other", 1)), []string{}},
		"harmless folder":           {pod(strings.Replace(claimed, "/etc", "/data", 1)), []string{}},
		"no folder of the host":     {pod("---\n{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv}, spec: {nfs: {server: s, path: /etc}, claimRef: {namespace: shop, name: data}}}\n"), []string{}},
	} {
		t.Run(name, func(t *testing.T) {
			m := build(t, tc.text)
			if diff := cmp.Diff(tc.want, reached(t, m, "shop/Pod/web")); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			patched := slices.ContainsFunc(m.actions, func(a model.Action) bool {
				return a.Type == model.DropPrivilege && strings.Contains(a.Patch, "$patch: delete")
			})
			if patched != (len(tc.want) > 0) {
				t.Errorf("a patch takes the claim away: %v", patched)
			}
		})
	}
}

func TestUnknownVersion(t *testing.T) {
	byGet := role("shop", allow("", "pods/exec", "get"))
	for name, tc := range map[string]struct {
		version, extra string
		want           []string
	}{
		"told":                 {"", byGet, []string{"Role shop/r rules[0]"}},
		"known":                {"v1.33.1", byGet, nil},
		"unreadable":           {"main", byGet, []string{"Role shop/r rules[0]"}},
		"no matter":            {"", role("shop", allow("", "pods/exec", "get"), allow("", "pods/exec", "create")), nil},
		"for another pod only": {"", role("shop", allow("", "pods/exec", "get"), allow("", "pods/exec", "create", "x")), []string{"Role shop/r rules[0]"}},
		"no right to connect":  {"", role("shop", allow("", "pods", "get")), nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, x := range at(t, tc.version, world("", tc.extra)).Incomplete() {
				got = append(got, x.What)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestLinks goes from a ServiceAccount to a role, from a node to its role,
// from role to role and back into the cluster.
func TestLinks(t *testing.T) {
	web := Holder{Subject: identity.Account("shop", "web")}
	trust := Link{From: web, To: Holder{Role: "arn:a"}, Value: "trust policy", Given: true, Proof: []model.Proof{{Object: "role arn:a", Field: "AssumeRolePolicyDocument"}}}
	chain := Link{From: Holder{Role: "arn:a"}, To: Holder{Role: "arn:b"}, Value: "trust policy"}
	back := Link{From: Holder{Role: "arn:b"}, To: Holder{Subject: identity.Masters()}, Value: "access entry"}
	node := Link{From: Holder{Node: "n1"}, To: Holder{Role: "arn:node"}, Value: "instance profile"}
	open := node
	open.Pods = true
	other := Link{From: Holder{Node: "n4"}, To: Holder{Role: "arn:node"}, Value: "instance profile", Pods: true}
	host := func(more string) string {
		return strings.Replace(world("", more), "nodeName: n1,", "nodeName: n1, hostNetwork: true,", 1)
	}
	exception := func(app string) string {
		return "{apiVersion: aadpodidentity.k8s.io/v1, kind: AzurePodIdentityException, metadata: {name: x, namespace: shop}, spec: {podLabels: {app: " + app + "}}}"
	}
	labelled := func(more string) string {
		return strings.Replace(world("", more), "{name: web, namespace: shop}, spec", "{name: web, namespace: shop, labels: {app: web}}, spec", 1)
	}
	for name, tc := range map[string]struct {
		text  string
		links []Link
		want  []string
	}{
		"nobody looked":                  {world("", ""), nil, nil},
		"role of an account":             {world("", ""), []Link{trust}, []string{"arn:a"}},
		"role of another account":        {world("", ""), []Link{{From: Holder{Subject: identity.Account("shop", "api")}, To: Holder{Role: "arn:a"}}}, nil},
		"chain":                          {world("", ""), []Link{chain, trust}, []string{"arn:a", "arn:b"}},
		"back into the cluster":          {world("", ""), []Link{trust, chain, back, node}, []string{"arn:a", "arn:b", "arn:node", "admin"}},
		"a node's role, from a pod":      {world("", ""), []Link{node}, nil},
		"a node's role, hosts network":   {host(""), []Link{node}, []string{"arn:node"}},
		"a node's role, hops allowed":    {world("", ""), []Link{open}, []string{"arn:node"}},
		"another node's role":            {world("", ""), []Link{other}, nil},
		"a node's role, escape":          {strings.Replace(world("", ""), "containers: [{name: c, image: i}]", "containers: [{name: c, image: i, securityContext: {privileged: true}}]", 1), []Link{node}, []string{"arn:node"}},
		"exception of Azure":             {labelled(exception("web")), []Link{node}, []string{"arn:node"}},
		"exception of Azure for another": {labelled(exception("db")), []Link{node}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			m := at(t, "", tc.text, tc.links...)
			from, _ := m.Entry("c/shop/Pod/web")
			var got []string
			for v := range m.graph.Reach([]graph.Vertex{from}, quiet(m)).All() {
				switch k := m.keys[v]; k.sort {
				case cloud:
					got = append(got, m.refs[v].Key)
				case admin:
					got = append(got, "admin")
				}
			}
			slices.Sort(got)
			want := slices.Clone(tc.want)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
