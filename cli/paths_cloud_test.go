package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/model"
)

// What the cases below are made of.
const (
	eksCluster = `{"cluster": {"name": "prod", "identity": {"oidc": {"issuer": "https://oidc.eks.eu-west-1.amazonaws.com/id/P"}}}}`
	eksRole    = `{"RoleDetailList": [{"RoleName": "r", "Arn": "arn:aws:iam::1:role/r",
  "RolePolicyList": [{"PolicyName": "all", "PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}}],
  "AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "sts:AssumeRoleWithWebIdentity",
    "Principal": {"Federated": "arn:aws:iam::1:oidc-provider/oidc.eks.eu-west-1.amazonaws.com/id/P"},
    "Condition": {"StringLike": {"oidc.eks.eu-west-1.amazonaws.com/id/P:sub": "SUBJECT"}}}]}}]}`
	podsRole = `{"RoleDetailList": [{"RoleName": "r", "Arn": "arn:aws:iam::1:role/r",
  "AssumeRolePolicyDocument": {"Statement": [{"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Principal": {"Service": "pods.eks.amazonaws.com"}}]}}]}`
	nodegroup = `{"nodegroup": {"nodegroupName": "g", "clusterName": "prod", "nodeRole": "arn:aws:iam::1:role/node", "launchTemplate": {"id": "lt", "version": "1"}}}`
	annotated = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: web, namespace: shop, annotations: {eks.amazonaws.com/role-arn: 'arn:aws:iam::1:role/r'}}}"
	ofGroup   = "{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {eks.amazonaws.com/nodegroup: g}}, spec: {providerID: 'aws:///a/i-1'}}"
	toRole    = "cloud/arn:aws:iam::1:role/r"
	toNode    = "cloud/arn:aws:iam::1:role/node"
	eksEntry  = `{"accessEntry": {"clusterName": "prod", "principalArn": "arn:aws:iam::1:role/r", "kubernetesGroups": ["ops"], "username": "ops:{{SessionName}}"}}`
)

// podOf is a pod without a token for the API server; more is YAML of its spec.
func podOf(namespace, name, more string) string {
	return "{apiVersion: v1, kind: Pod, metadata: {name: " + name + ", namespace: " + namespace + ", labels: {app: " + name + "}}, spec: {nodeName: n1, automountServiceAccountToken: false, " + more + "containers: [{name: c, image: i}]}}"
}

func trusting(subject string) string { return strings.Replace(eksRole, "SUBJECT", subject, 1) }

func template(options string) string {
	return `{"LaunchTemplateVersions": [{"LaunchTemplateId": "lt", "VersionNumber": 1, "LaunchTemplateData": {"MetadataOptions": {` + options + `}}}]}`
}

func accessPolicy(name, scope string) string {
	return `{"clusterName": "prod", "principalArn": "arn:aws:iam::1:role/r", "associatedAccessPolicies": [{"policyArn": "arn:aws:eks::aws:cluster-access-policy/` + name + `", "accessScope": ` + scope + `}]}`
}

func egressOf(rules string) string {
	return "{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: out, namespace: shop}, spec: {podSelector: {}, policyTypes: [Egress], egress: [" + rules + "]}}"
}

func boundTo(kind, role, subject string) string {
	return "{apiVersion: rbac.authorization.k8s.io/v1, kind: " + kind + ", metadata: {name: b, namespace: shop}, roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: " + role + "}, subjects: [" + subject + "]}"
}

// TestPathsCloud goes from manifests and exports to the steps of the most
// probable path: each kind of link, and what nearly is one.
func TestPathsCloud(t *testing.T) {
	const (
		two      = `"HttpTokens": "required", "HttpPutResponseHopLimit": 2`
		one      = `"HttpTokens": "required", "HttpPutResponseHopLimit": 1`
		asWeb    = "serviceAccountName: web, "
		ownToken = "serviceAccountName: web, volumes: [{name: t, projected: {sources: [{serviceAccountToken: {audience: sts.amazonaws.com, path: t}}]}}], initContainers: [{name: i, image: i, volumeMounts: [{name: t, mountPath: /t}]}], "
		assume   = "assume-cloud-role arn:aws:iam::1:role/r"
		ask      = "instance-metadata from a pod on node n1"
		nodeRole = "instance-metadata arn:aws:iam::1:role/node"
		secret   = "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: shop}}"
		elsewhre = "{apiVersion: v1, kind: Secret, metadata: {name: s, namespace: ops}}"
	)
	irsa, metadata := []string{eksCluster, trusting("system:serviceaccount:shop:web")}, []string{eksCluster, nodegroup, template(two)}
	association := `{"association": {"clusterName": "prod", "namespace": "shop", "serviceAccount": "web", "associationId": "a", "roleArn": "arn:aws:iam::1:role/r"}}`
	entry := func(more ...string) []string {
		return append([]string{eksCluster, trusting("system:serviceaccount:shop:web")}, more...)
	}
	auth := "{apiVersion: v1, kind: ConfigMap, metadata: {name: aws-auth, namespace: kube-system}, data: {mapRoles: '[{rolearn: \"arn:aws:iam::1:role/r\", username: eve, groups: [\"system:masters\"]}, {rolearn: \"arn:aws:iam::1:role/node\", username: \"system:node:{{EC2PrivateDNSName}}\", groups: [\"system:nodes\"]}]'}}"
	aks := func(more string) string {
		return `{"name": "prod", "agentPoolProfiles": [], "oidcIssuerProfile": {"issuerUrl": "https://x.oic.prod-aks.azure.com/t/c/"}` + more + `}`
	}
	kubelet := `, "identityProfile": {"kubeletidentity": {"resourceId": "/id/kubelet"}}`
	for name, tc := range map[string]struct {
		k8s     []string
		exports []string
		from    string // default shop/web
		to      string
		want    []string // edges with what they lead to; nil: no path
	}{
		"irsa":                          {[]string{annotated, podOf("shop", "web", asWeb)}, irsa, "", toRole, []string{assume}},
		"irsa, another account":         {[]string{annotated, podOf("shop", "web", "")}, irsa, "", toRole, nil},
		"irsa, another namespace":       {[]string{strings.Replace(annotated, "shop", "ops", 1), podOf("ops", "web", asWeb)}, irsa, "ops/web", toRole, nil},
		"irsa, another subject":         {[]string{annotated, podOf("shop", "web", asWeb)}, []string{eksCluster, trusting("system:serviceaccount:shop:api")}, "", toRole, nil},
		"irsa, no subject":              {[]string{annotated, podOf("shop", "web", asWeb)}, []string{eksCluster, trusting("")}, "", toRole, nil},
		"irsa, not asked for":           {[]string{podOf("shop", "web", asWeb)}, irsa, "", toRole, nil},
		"irsa, with a token of its own": {[]string{podOf("shop", "web", ownToken)}, irsa, "", toRole, []string{assume}},
		"irsa, a token for others":      {[]string{podOf("shop", "web", strings.Replace(ownToken, "sts.amazonaws.com", "vault", 1))}, irsa, "", toRole, nil},
		"irsa of a namespace":           {[]string{podOf("shop", "web", ownToken)}, []string{eksCluster, trusting("system:serviceaccount:shop:*")}, "", toRole, []string{assume}},
		"irsa, tokens are made": {
			[]string{
				podOf("shop", "web", asWeb), strings.Replace(podOf("shop", "api", ""), "automountServiceAccountToken: false, ", "serviceAccountName: api, ", 1),
				"{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: minter}, rules: [{apiGroups: [''], resources: [serviceaccounts/token], resourceNames: [web], verbs: [create]}]}",
				boundTo("RoleBinding", "minter", "{kind: ServiceAccount, name: api, namespace: shop}"),
			},
			irsa, "shop/api", toRole,
			[]string{"token c/shop/api", "token-request have tokens for any audience of ServiceAccount shop/web", assume},
		},
		"pod identity":                    {[]string{podOf("shop", "web", asWeb)}, []string{eksCluster, podsRole, association}, "", toRole, []string{assume}},
		"pod identity of another cluster": {[]string{podOf("shop", "web", asWeb)}, []string{eksCluster, podsRole, strings.Replace(association, "prod", "test", 1)}, "", toRole, nil},
		"metadata":                        {[]string{ofGroup, podOf("shop", "web", "")}, metadata, "", toNode, []string{ask, nodeRole}},
		"metadata, one hop":               {[]string{ofGroup, podOf("shop", "web", "")}, []string{eksCluster, nodegroup, template(one)}, "", toNode, nil},
		"metadata, one hop, the host's network": {
			[]string{ofGroup, podOf("shop", "web", "hostNetwork: true, ")},
			[]string{eksCluster, nodegroup, template(one)},
			"", toNode,
			[]string{"instance-metadata ask the cloud's metadata service as node n1", nodeRole},
		},
		"metadata, one hop, root on the node": {
			[]string{ofGroup, strings.Replace(podOf("shop", "web", ""), "image: i}", "image: i, securityContext: {privileged: true}}", 1)},
			[]string{eksCluster, nodegroup, template(one)},
			"", toNode,
			[]string{"escape c/n1", "instance-metadata ask the cloud's metadata service as node n1", nodeRole},
		},
		"metadata, denied":                     {[]string{ofGroup, podOf("shop", "web", ""), egressOf("")}, metadata, "", toNode, nil},
		"metadata, excluded":                   {[]string{ofGroup, podOf("shop", "web", ""), egressOf("{to: [{ipBlock: {cidr: 0.0.0.0/0, except: [169.254.169.254/32]}}]}")}, metadata, "", toNode, nil},
		"metadata, let through":                {[]string{ofGroup, podOf("shop", "web", ""), egressOf("{to: [{ipBlock: {cidr: 0.0.0.0/0}}]}")}, metadata, "", toNode, []string{ask, nodeRole}},
		"metadata, denied, the host's network": {[]string{ofGroup, podOf("shop", "web", "hostNetwork: true, "), egressOf("")}, metadata, "", toNode, []string{"instance-metadata ask the cloud's metadata service as node n1", nodeRole}},
		"metadata of a node nobody read": {
			[]string{strings.Replace(podOf("shop", "web", ""), "nodeName: n1, ", "", 1)},
			metadata, "", toNode,
			[]string{"instance-metadata from a pod on node (any node)", nodeRole},
		},
		"metadata of another node": {[]string{ofGroup, strings.Replace(podOf("shop", "web", ""), "n1", "n2", 1), strings.NewReplacer("n1", "n2", "nodegroup: g", "nodegroup: h", "i-1", "i-2").Replace(ofGroup)}, metadata, "", toNode, nil},
		"a node by its role": {
			[]string{ofGroup, auth, podOf("shop", "web", ""), podOf("ops", "api", "serviceAccountName: api, ")},
			metadata, "", "sa/ops/api",
			[]string{ask, "cloud-access hold the credentials of node n1", "implied request tokens for pods on node n1", "node-token-request c/ops/api"},
		},
		"aws-auth, without exports": {
			[]string{annotated, auth, podOf("shop", "web", asWeb)},
			nil, "", "cluster-admin",
			[]string{assume, "cloud-access c//group:system:masters", "full-control c"},
		},
		"access policy, the cluster":   {[]string{annotated, podOf("shop", "web", asWeb)}, entry(accessPolicy("AmazonEKSClusterAdminPolicy", `{"type": "cluster"}`)), "", "cluster-admin", []string{assume, "cloud-access c"}},
		"access policy, a namespace":   {[]string{annotated, podOf("shop", "web", asWeb), secret}, entry(accessPolicy("AmazonEKSAdminPolicy", `{"type": "namespace", "namespaces": ["shop"]}`)), "", "secret/shop/s", []string{assume, "cloud-access rights of role admin in namespace shop", "read-secrets read Secrets in namespace shop", "implied c/shop/s"}},
		"access policy, a pattern":     {[]string{annotated, podOf("shop", "web", asWeb), secret}, entry(accessPolicy("AmazonEKSAdminPolicy", `{"type": "namespace", "namespaces": ["sh*"]}`)), "", "secret/shop/s", []string{assume, "cloud-access rights of role admin in namespace shop", "read-secrets read Secrets in namespace shop", "implied c/shop/s"}},
		"access policy, elsewhere":     {[]string{annotated, podOf("shop", "web", asWeb), elsewhre}, entry(accessPolicy("AmazonEKSAdminPolicy", `{"type": "namespace", "namespaces": ["shop"]}`)), "", "secret/ops/s", nil},
		"access policy, view":          {[]string{annotated, podOf("shop", "web", asWeb), secret}, entry(accessPolicy("AmazonEKSViewPolicy", `{"type": "cluster"}`)), "", "secret/shop/s", nil},
		"access entry, a group":        {[]string{annotated, podOf("shop", "web", asWeb), boundTo("ClusterRoleBinding", "cluster-admin", "{kind: Group, name: ops}")}, entry(eksEntry), "", "cluster-admin", []string{assume, "cloud-access c//group:ops", "full-control c"}},
		"access entry, a user's name":  {[]string{annotated, podOf("shop", "web", asWeb), boundTo("ClusterRoleBinding", "cluster-admin", "{kind: User, name: 'ops:ann'}")}, entry(eksEntry), "", "cluster-admin", []string{assume, "cloud-access c//user:ops:ann", "full-control c"}},
		"access entry, another's name": {[]string{annotated, podOf("shop", "web", asWeb), boundTo("ClusterRoleBinding", "cluster-admin", "{kind: User, name: 'dev:ann'}")}, entry(eksEntry), "", "cluster-admin", nil},
		"gke":                          {[]string{strings.NewReplacer("eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "arn:aws:iam::1:role/r", "a@p.iam.gserviceaccount.com").Replace(annotated), podOf("shop", "web", asWeb)}, []string{`{"name": "prod", "nodePools": [], "selfLink": "https://x/projects/p/x", "workloadIdentityConfig": {"workloadPool": "p.svc.id.goog"}}`, `[{"resource": "//iam.googleapis.com/projects/p/serviceAccounts/a@p.iam.gserviceaccount.com", "policy": {"bindings": [{"role": "roles/iam.workloadIdentityUser", "members": ["serviceAccount:p.svc.id.goog[shop/web]"]}]}}]`}, "", "cloud/a@p.iam.gserviceaccount.com", []string{"assume-cloud-role a@p.iam.gserviceaccount.com"}},
		"aks, the kubelet's identity":  {[]string{podOf("shop", "web", "")}, []string{aks(kubelet)}, "", "cloud//id/kubelet", []string{ask, "instance-metadata /id/kubelet"}},
		"aks, restricted":              {[]string{podOf("shop", "web", "")}, []string{aks(kubelet + `, "networkProfile": {"podLinkLocalAccess": "None"}`)}, "", "cloud//id/kubelet", nil},
		"aks, federated":               {[]string{podOf("shop", "web", ownTokenFor("api://AzureADTokenExchange"))}, []string{aks(""), `[{"name": "f", "id": "/id/web/federatedIdentityCredentials/f", "issuer": "https://x.oic.prod-aks.azure.com/t/c/", "subject": "system:serviceaccount:shop:web", "audiences": ["api://AzureADTokenExchange"]}]`}, "", "cloud//id/web", []string{"assume-cloud-role /id/web"}},
	} {
		t.Run(name, func(t *testing.T) {
			m, net, _ := withCloud(t, strings.Join(tc.k8s, "\n---\n"), tc.exports)
			from := tc.from
			if from == "" {
				from = "shop/web"
			}
			got := stepsOf(t, m, net, from, tc.to)
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func ownTokenFor(audience string) string {
	return "serviceAccountName: web, volumes: [{name: t, projected: {sources: [{serviceAccountToken: {audience: '" + audience + "', path: t}}]}}], initContainers: [{name: i, image: i, volumeMounts: [{name: t, mountPath: /t}]}], "
}

// withCloud builds the graph of manifests and exports.
func withCloud(t *testing.T, manifests string, exports []string) (*paths.Model, *network.Engine, []model.Incomplete) {
	t.Helper()
	s, err := kube.ReadFrom(context.Background(), "c", "k8s.yaml", strings.NewReader(manifests))
	if err != nil || len(s.Incomplete) > 0 {
		t.Fatal(err, s.Incomplete)
	}
	dir, named := t.TempDir(), []string{}
	for i, text := range exports {
		name := filepath.Join(dir, string(rune('a'+i))+".json")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		named = append(named, name)
	}
	net, id := network.Build(s), identity.Build(s)
	links, missed, err := cloudLinks(context.Background(), s, id, named)
	if err != nil {
		t.Fatal(err)
	}
	m, err := paths.Build(s, net, id, links...)
	if err != nil {
		t.Fatal(err)
	}
	return m, net, missed
}

// stepsOf are the steps of the most probable path, each as its edge and the key
// of what it leads to. An end that is not in the graph has none.
func stepsOf(t *testing.T, m *paths.Model, net *network.Engine, from, to string) []string {
	t.Helper()
	if _, err := m.Ends(net, []string{from}, nil); err != nil {
		t.Fatal(err)
	}
	ends, err := m.Ends(net, []string{from}, []string{to})
	if err != nil {
		return nil
	}
	var out []string
	for _, p := range m.Ask(paths.Query{Ends: ends, Most: 1}).Paths {
		for _, s := range p.Steps {
			kind, key, _ := strings.Cut(s.To, " ")
			switch {
			case kind == "ask" && strings.Contains(key, "from a pod"):
				_, key, _ = strings.Cut(key, "metadata service ")
			case kind != "cloud-role" && kind != "identity" && kind != "cluster" && kind != "node" && kind != "secret":
				key = s.To
			}
			out = append(out, s.Edge+" "+key)
		}
	}
	return out
}
