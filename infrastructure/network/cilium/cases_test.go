package cilium_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/network/cilium"
)

// theWorld is what the cases ask about. Its pods are named by their short
// names, its nodes by n1 and n2, and addresses outside by themselves.
func theWorld() *testWorld {
	pod := func(namespace, name, node, ip string, labels ...string) *testPod {
		p := &testPod{namespace: namespace, name: name, account: name, node: node, ip: netip.MustParseAddr(ip), labels: map[string]string{"app": name}}
		for _, l := range labels {
			k, v, _ := strings.Cut(l, "=")
			p.labels[k] = v
		}
		return p
	}
	w := &testWorld{
		namespaces: map[string]map[string]string{"shop": {"team": "a"}, "bank": {"team": "b"}, "kube-system": {}, "default": {}},
		pods: []*testPod{
			pod("shop", "web", "n1", "10.1.0.1", "tier=front", "app.kubernetes.io/name=web", "kubernetes.io/x=z"),
			pod("shop", "db", "n2", "10.1.0.2", "tier=back"), pod("bank", "till", "n2", "10.1.0.3", "tier=front"),
			pod("kube-system", "dns", "n1", "10.1.0.4"), pod("kube-system", "agent", "n2", "10.0.0.2"), pod("default", "lone", "n1", "10.1.0.5"),
		},
		nodes: []*testNode{
			{"n1", map[string]string{"role": "control"}, netip.MustParseAddr("10.0.0.1")},
			{"n2", nil, netip.MustParseAddr("10.0.0.2")},
		},
	}
	w.pods[0].ports = map[string]int{"http": 8080}
	w.pods[1].ports = map[string]int{"http": 81}
	w.pods[4].host = true
	for name, labels := range w.namespaces {
		labels["kubernetes.io/metadata.name"] = name
	}
	return w
}

// end finds what a case names.
func (w *testWorld) end(t testing.TB, name string) end {
	t.Helper()
	for _, p := range w.pods {
		if p.name == name {
			return end{pod: p}
		}
	}
	if n := w.node(name); n != nil {
		return end{ip: n.ip}
	}
	ip, err := netip.ParseAddr(name)
	if err != nil {
		t.Fatal(err)
	}
	return end{ip: ip}
}

// cnp writes a policy of the namespace shop, ccnp a cluster-wide one.
func cnp(spec string) string {
	return "apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\nspec:\n" + spec
}

func ccnp(spec string) string {
	return "apiVersion: cilium.io/v2\nkind: CiliumClusterwideNetworkPolicy\nmetadata: {name: p}\nspec:\n" + spec
}

const (
	forDB  = "  endpointSelector: {matchLabels: {app: db}}\n"
	forWeb = "  endpointSelector: {matchLabels: {app: web}}\n"
	group  = "apiVersion: cilium.io/v2\nkind: CiliumCIDRGroup\nmetadata: {name: office, labels: {kind: ours}}\nspec: {externalCIDRs: [192.0.2.0/24, '2001:db8::/32']}"
	shield = "apiVersion: v1\nkind: Service\nmetadata: {name: store, namespace: shop, labels: {kind: ours}}\nspec: {selector: {app: db}}"
	remote = "apiVersion: v1\nkind: Service\nmetadata: {name: remote, namespace: shop}\nspec: {}"
	slice  = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: remote-1, namespace: shop, labels: {kubernetes.io/service-name: remote}}\naddressType: IPv4\nendpoints: [{addresses: [192.0.2.9]}, {addresses: [10.1.0.3]}]"
	api    = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: kubernetes, namespace: default}\nsubsets: [{addresses: [{ip: 198.51.100.1}]}]"
)

func config(data string) string {
	return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cilium-config, namespace: kube-system}\ndata: {" + data + "}"
}

// cases hold policies, then what they answer: "web>db:80=." is a connection
// over TCP unless the port ends in u (UDP) or s (SCTP).
var cases = map[string]struct {
	policies []string
	want     string
	oracle   bool // the oracle knows all that the case uses
}{
	"nothing":              {nil, "web>db:80=. 8.8.8.8>db:1u=. agent>db:1=.", true},
	"labels of one space":  {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {tier: front}}]}]")}, "web>db:80=. till>db:80=X 8.8.8.8>db:80=X n1>db:80=X agent>db:80=X db>web:1=.", true},
	"all of the namespace": {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{}]}]")}, "web>db:80=. till>db:80=X 8.8.8.8>db:80=X", true},
	"another namespace":    {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': bank, app: till}}]}]")}, "web>db:80=X till>db:80=.", true},
	"namespace, no prefix": {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {io.kubernetes.pod.namespace: bank}}]}]")}, "web>db:80=X till>db:80=.", true},
	"labels of namespaces": {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.cilium.k8s.namespace.labels.team': b}}]}]")}, "web>db:80=X till>db:80=.", true},
	"a service account":    {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: web}}]}]")}, "web>db:80=. dns>db:80=X", true},
	"expressions": {
		[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchExpressions: [{key: 'any:tier', operator: In, values: [front, x]}, {key: nope, operator: DoesNotExist}, {key: 'k8s:app', operator: NotIn, values: [db]}, {key: io.kubernetes.pod.namespace, operator: Exists}]}]}]")},
		"web>db:80=. till>db:80=. dns>db:80=X", true,
	},
	"a namespace that isn't it selects the world": {
		[]string{ccnp(forDB + "  ingress: [{fromEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace, operator: NotIn, values: [shop]}]}]}]")},
		"web>db:80=X till>db:80=. 8.8.8.8>db:80=. n1>db:80=.", true,
	},
	"labels no identity has":          {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {kubernetes.io/x: z}}]}]")}, "web>db:80=X", true},
	"labels of app.kubernetes.io":     {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {app.kubernetes.io/name: web}}]}]")}, "web>db:80=.", true},
	"a source that no pod has":        {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {'container:app': web}}]}]")}, "web>db:80=X", true},
	"cluster-wide, every pod":         {[]string{ccnp("  endpointSelector: {}\n  ingress: [{fromEndpoints: [{}]}]")}, "web>till:80=. till>web:1=. 8.8.8.8>web:1=X n2>web:1=X", true},
	"reserved labels":                 {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {'reserved:world': ''}}]}]")}, "web>db:80=X 8.8.8.8>db:80=. n1>db:80=X", true},
	"not a reserved label":            {[]string{ccnp(forDB + "  ingress: [{fromEndpoints: [{matchExpressions: [{key: 'reserved:world', operator: DoesNotExist}]}]}]")}, "till>db:80=. 8.8.8.8>db:80=X n1>db:80=.", true},
	"the API server by its label":     {[]string{cnp(forWeb + "  egress: [{toEndpoints: [{matchLabels: {'reserved:kube-apiserver': ''}}]}]")}, "web>198.51.100.1:1=? web>db:1=X", false},
	"no namespace is default":         {[]string{strings.Replace(cnp("  endpointSelector: {}\n  ingress: [{fromEndpoints: [{}]}]"), ", namespace: shop", "", 1)}, "web>db:1=. web>lone:1=X", false},
	"namespace in the subject":        {[]string{cnp("  endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': bank}}\n  ingress: [{}]")}, "web>db:80=X web>till:80=.", true},
	"no list of peers, no ports":      {[]string{cnp(forDB + "  ingress: [{}]")}, "web>db:80=X 8.8.8.8>db:80=X", true},
	"an empty list of endpoints":      {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: '80'}]}]}]")}, "web>db:80=X 8.8.8.8>db:80=X", true},
	"an empty list of entities":       {[]string{cnp(forDB + "  ingress: [{fromEntities: []}]")}, "web>db:80=X", true},
	"ports alone":                     {[]string{cnp(forDB + "  ingress: [{toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]")}, "web>db:80=. 8.8.8.8>db:80=. n1>db:80=. web>db:80u=X web>db:81=X", true},
	"a deny rule that says nothing":   {[]string{cnp(forDB + "  ingressDeny: [{}]\n  ingress: [{fromEntities: [all]}]")}, "web>db:80=.", true},
	"only the other direction":        {[]string{cnp(forDB + "  ingress: []\n  egress: [{}]")}, "web>db:80=. db>web:80=X db>8.8.8.8:1=X", true},
	"the entity all":                  {[]string{cnp(forDB + "  ingress: [{fromEntities: [all]}]")}, "web>db:80=. 8.8.8.8>db:80=. n1>db:80=. agent>db:1s=.", true},
	"the entity world":                {[]string{cnp(forDB + "  ingress: [{fromEntities: [world]}]")}, "web>db:80=X 8.8.8.8>db:80=. 2001:db8::1>db:80=. n1>db:80=X agent>db:1=X", true},
	"the entity world-ipv6":           {[]string{cnp(forDB + "  ingress: [{fromEntities: [world-ipv6]}]")}, "8.8.8.8>db:80=X 2001:db8::1>db:80=.", true},
	"the entity cluster":              {[]string{cnp(forDB + "  ingress: [{fromEntities: [cluster]}]")}, "web>db:80=. till>db:80=. 8.8.8.8>db:80=X n1>db:80=. agent>db:80=.", true},
	"the entity remote-node":          {[]string{cnp(forDB + "  ingress: [{fromEntities: [remote-node]}]")}, "web>db:80=X n1>db:80=. 8.8.8.8>db:80=X", true},
	"the entity host":                 {[]string{cnp(forDB + "  ingress: [{fromEntities: [host]}]")}, "web>db:80=X n1>db:80=? 8.8.8.8>db:80=X", true},
	"host beside remote-node":         {[]string{cnp(forDB + "  ingress: [{fromEntities: [host, remote-node]}]")}, "n1>db:80=. agent>db:80=. web>db:1=X", true},
	"entities that no pod is":         {[]string{cnp(forDB + "  ingress: [{fromEntities: [none, init, health, unmanaged]}]")}, "web>db:80=X 8.8.8.8>db:80=X n1>db:80=X", true},
	"the API server, unknown":         {[]string{cnp(forWeb + "  egress: [{toEntities: [kube-apiserver]}]")}, "web>db:80=X web>198.51.100.1:443=? web>n1:6443=?", true},
	"the API server, known":           {[]string{api, cnp(forWeb + "  egress: [{toEntities: [kube-apiserver]}]")}, "web>db:80=X web>198.51.100.1:443=. web>n1:6443=X web>8.8.8.8:1=X", false},
	"the API server of a cluster":     {[]string{api, cnp(forWeb + "  egress: [{toEntities: [cluster]}]")}, "web>198.51.100.1:443=. web>8.8.8.8:1=X", false},
	"Cilium's ingress":                {[]string{cnp(forWeb + "  ingress: [{fromEntities: [ingress]}]")}, "db>web:80=X 8.8.8.8>web:80=?", true},
	"a CIDR":                          {[]string{cnp(forWeb + "  egress: [{toCIDR: [192.0.2.0/24, 198.51.100.7]}]")}, "web>192.0.2.1:1=. web>198.51.100.7:1=. web>198.51.100.8:1=X web>db:1=X", true},
	"a CIDR selects no pod or node":   {[]string{cnp(forWeb + "  egress: [{toCIDR: [0.0.0.0/0]}]")}, "web>db:1=X web>n1:1=X web>agent:1=X web>8.8.8.8:1=. web>2001:db8::1:1=X", true},
	"a CIDR with exceptions":          {[]string{cnp(forWeb + "  egress: [{toCIDRSet: [{cidr: 10.0.0.0/8, except: [10.96.0.0/12, 10.1.0.0/16]}]}]")}, "web>10.200.0.1:1=. web>10.96.0.1:1=X web>10.1.9.9:1=X", true},
	"a CIDR group":                    {[]string{group, cnp(forWeb + "  egress: [{toCIDRSet: [{cidrGroupRef: office, except: [192.0.2.8/32]}]}]")}, "web>192.0.2.1:1=. web>192.0.2.8:1=X web>2001:db8::5:1=. web>8.8.8.8:1=X", false},
	"CIDR groups by labels":           {[]string{group, cnp(forWeb + "  egress: [{toCIDRSet: [{cidrGroupSelector: {matchLabels: {kind: ours}}}]}, {toCIDRSet: [{cidrGroupSelector: {matchLabels: {kind: other}}}]}]")}, "web>192.0.2.1:1=. web>8.8.8.8:1=X", false},
	"a CIDR group that isn't there":   {[]string{cnp(forWeb + "  egress: [{toCIDRSet: [{cidrGroupRef: gone}, {cidr: 9.9.9.9/32}]}]")}, "web>192.0.2.1:1=? web>9.9.9.9:1=. web>db:1=X", true},
	"CIDRs set to match nodes":        {[]string{config("policy-cidr-match-mode: nodes"), cnp(forWeb + "  egress: [{toCIDR: [10.0.0.0/8]}]")}, "web>n1:1=? web>db:1=X web>10.9.9.9:1=.", false},
	"nodes by labels":                 {[]string{cnp(forDB + "  ingress: [{fromNodes: [{matchLabels: {role: control}}]}]")}, "n1>db:1=? n2>db:1=X web>db:1=X", true},
	"nodes by labels, set":            {[]string{config("enable-node-selector-labels: 'true'"), cnp(forDB + "  ingress: [{fromNodes: [{matchLabels: {role: control}}]}]")}, "n1>db:1=. n2>db:1=X", false},
	"names of the DNS":                {[]string{cnp(forWeb + "  egress: [{toFQDNs: [{matchName: example.org}], toPorts: [{ports: [{port: '443', protocol: TCP}]}]}]")}, "web>8.8.8.8:443=? web>8.8.8.8:80=X web>db:443=X web>n1:443=X", true},
	"groups of a cloud":               {[]string{cnp(forWeb + "  egress: [{toGroups: [{aws: {securityGroupsIds: [sg-1]}}]}]")}, "web>8.8.8.8:443=? web>db:443=X", false},
	"a service":                       {[]string{shield, cnp(forWeb + "  egress: [{toServices: [{k8sService: {serviceName: store, namespace: shop}}]}]")}, "web>db:1=. web>till:1=X web>8.8.8.8:1=X", false},
	"services by labels":              {[]string{shield, cnp(forWeb + "  egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {kind: ours}}}}], toPorts: [{ports: [{port: '5'}]}]}]")}, "web>db:5=. web>db:6=X web>till:5=X", false},
	"a service without a selector":    {[]string{remote, slice, cnp(forWeb + "  egress: [{toServices: [{k8sService: {serviceName: remote, namespace: shop}}]}]")}, "web>192.0.2.9:1=. web>192.0.2.8:1=X web>till:1=X", false},
	"its addresses unknown":           {[]string{remote, cnp(forWeb + "  egress: [{toServices: [{k8sService: {serviceName: remote, namespace: shop}}]}]")}, "web>192.0.2.9:1=? web>till:1=X", false},
	"a service that isn't there":      {[]string{cnp(forWeb + "  egress: [{toServices: [{k8sService: {serviceName: gone, namespace: shop}}]}]")}, "web>192.0.2.9:1=? web>db:1=? web>n1:1=X", true},
	"any protocol":                    {[]string{cnp(forDB + "  ingress: [{toPorts: [{ports: [{port: '53'}, {port: '54', protocol: ANY}]}]}]")}, "web>db:53=. web>db:53u=. web>db:53s=. web>db:54u=. web>db:55=X", true},
	"a range of ports":                {[]string{cnp(forDB + "  ingress: [{toPorts: [{ports: [{port: '80', endPort: 444, protocol: TCP}]}]}]")}, "web>db:79=X web>db:80=. web>db:444=. web>db:445=X web>db:100u=X", true},
	"port 0":                          {[]string{cnp(forDB + "  ingress: [{toPorts: [{ports: [{port: '0', protocol: UDP}]}]}]")}, "web>db:1u=. web>db:65535u=. web>db:1=X", true},
	"a named port":                    {[]string{cnp("  endpointSelector: {}\n  ingress: [{toPorts: [{ports: [{port: http, protocol: TCP}]}]}]")}, "web>db:81=. db>web:8080=. web>db:8080=X", true},
	"a range with an odd end":         {[]string{cnp(forDB + "  ingress: [{toPorts: [{ports: [{port: '80', endPort: 70}]}]}]")}, "web>db:80=? web>db:75=X", false},
	"ICMP alone":                      {[]string{cnp(forDB + "  ingress: [{icmps: [{fields: [{type: 8, family: IPv4}]}]}]")}, "web>db:80=X", true},
	"VRRP alone":                      {[]string{cnp(forDB + "  ingress: [{toPorts: [{ports: [{port: '0', protocol: VRRP}]}]}]")}, "web>db:80=X", false},
	"HTTP":                            {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{}], toPorts: [{ports: [{port: '80', protocol: TCP}], rules: {http: [{path: /x}]}}, {ports: [{port: '81', protocol: TCP}]}]}]")}, "web>db:80=? web>db:81=. web>db:82=X till>db:80=X", true},
	"every name of the DNS":           {[]string{cnp(forDB + "  egress: [{toPorts: [{ports: [{port: '53', protocol: UDP}], rules: {dns: [{matchPattern: '*'}]}}]}]")}, "db>dns:53u=.", false},
	"some names of the DNS":           {[]string{cnp(forDB + "  egress: [{toPorts: [{ports: [{port: '53', protocol: UDP}], rules: {dns: [{matchName: a.b}]}}]}]")}, "db>dns:53u=?", true},
	"TLS server names":                {[]string{cnp(forDB + "  egress: [{toPorts: [{ports: [{port: '443', protocol: TCP}], serverNames: [a.b]}]}]")}, "db>8.8.8.8:443=?", false},
	"authentication":                  {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{}], authentication: {mode: required}}]")}, "web>db:1=? till>db:1=X", true},
	"authentication that is off":      {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{}], authentication: {mode: disabled}}]")}, "web>db:1=.", true},
	"deny goes before every allow":    {[]string{cnp(forDB + "  ingress: [{fromEntities: [all]}]"), ccnp(forDB + "  ingressDeny: [{fromEndpoints: [{matchLabels: {app: web}}], toPorts: [{ports: [{port: '80', protocol: TCP}]}]}]")}, "web>db:80=X web>db:81=. till>db:80=.", true},
	"the world is denied":             {[]string{ccnp("  endpointSelector: {}\n  ingressDeny: [{fromEntities: [world]}]\n  ingress: [{fromEntities: [all]}]")}, "8.8.8.8>db:80=X web>db:80=. n1>db:80=.", true},
	"deny isolates":                   {[]string{cnp(forDB + "  ingressDeny: [{fromEntities: [world]}]")}, "web>db:80=X", true},
	"no default deny":                 {[]string{cnp(forDB + "  enableDefaultDeny: {ingress: false}\n  ingressDeny: [{fromEntities: [world]}]")}, "web>db:80=. 8.8.8.8>db:80=X", true},
	"no default deny, another does":   {[]string{cnp(forDB + "  enableDefaultDeny: {ingress: false}\n  ingress: [{fromEndpoints: [{}]}]"), ccnp("  endpointSelector: {}\n  ingress: [{}]")}, "web>db:80=. till>db:80=X", true},
	"default deny without rules":      {[]string{cnp(forDB + "  enableDefaultDeny: {ingress: true, egress: true}\n  egress: [{toEntities: [all]}]")}, "web>db:80=. db>web:1=.", true},
	"several specs":                   {[]string{"apiVersion: cilium.io/v2\nkind: CiliumNetworkPolicy\nmetadata: {name: p, namespace: shop}\nspecs:\n- {endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEndpoints: [{}]}]}\n- {endpointSelector: {matchLabels: {app: web}}, ingress: [{}]}"}, "web>db:1=. till>db:1=X db>web:1=X", true},
	"requirements":                    {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{}], fromRequires: [{matchLabels: {tier: front}}]}]")}, "web>db:1=. dns>db:1=X", false},
	"requirements that are not met":   {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{}]}, {fromRequires: [{matchLabels: {tier: x}}]}]")}, "web>db:1=?", false},
	"a field of a rule, unknown":      {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{}], fromStars: [{a: b}]}]")}, "web>db:1=? till>db:1=X", false},
	"a rule of an unknown field only": {[]string{cnp(forDB + "  ingress: [{fromStars: [{a: b}]}]")}, "web>db:1=? 8.8.8.8>db:1=?", false},
	"a field of a selector, unknown":  {[]string{cnp("  endpointSelector: {matchLabel: {app: db}}\n  ingress: [{}]")}, "web>db:1=? db>web:1=? dns>till:1=.", false},
	"a field of a port, unknown":      {[]string{cnp(forDB + "  ingress: [{toPorts: [{ports: [{port: '80', step: 2}]}]}]")}, "web>db:80=? web>db:81=X", false},
	"the cluster's name, unknown":     {[]string{cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.cluster: east}}]}]")}, "web>db:1=? till>db:1=X", false},
	"the cluster's name":              {[]string{config("cluster-name: east"), cnp(forDB + "  ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.cluster: east, tier: front}}, {matchLabels: {io.cilium.k8s.policy.cluster: west}}]}]")}, "web>db:1=. dns>db:1=X", false},
	"labels that are set to identify": {[]string{config("labels: 'k8s:tier'"), cnp("  endpointSelector: {}\n  ingress: [{fromEndpoints: [{matchLabels: {tier: front}}]}]"), ccnp(forDB + "  ingress: [{fromEntities: [all]}]")}, "web>db:1=. 8.8.8.8>db:1=X db>web:1=X", false},
	"always enforced":                 {[]string{config("enable-policy: always"), cnp(forDB + "  ingress: [{fromEntities: [all]}]\n  egress: [{toEntities: [all]}]")}, "web>db:1=X db>web:1=X 8.8.8.8>db:1=. db>8.8.8.8:1=.", false},
	"never enforced":                  {[]string{config("enable-policy: never"), cnp(forDB + "  ingress: [{}]")}, "web>db:1=? db>web:1=.", false},
	"only logged":                     {[]string{config("policy-audit-mode: 'true'"), cnp(forDB + "  ingress: [{fromEndpoints: [{}]}]")}, "web>db:1=. till>db:1=?", false},
	"no rule at all":                  {[]string{cnp(forDB + "  ingress: []")}, "web>db:1=.", false},
	"a policy that isn't valid":       {[]string{cnp(forDB + "  ingress: [{fromCIDR: [10.0.0.300/8]}]")}, "web>db:1=? db>web:1=? till>dns:1=.", false},
	"policies of nodes":               {[]string{ccnp("  nodeSelector: {}\n  ingress: [{}]")}, "web>db:1=. web>agent:1=?", false},
	"policies of nodes, in force":     {[]string{config("enable-host-firewall: 'true'"), ccnp("  nodeSelector: {}\n  ingress: [{fromEndpoints: [{matchLabels: {app: dns}}]}]")}, "web>db:1=. web>agent:1=X dns>agent:1=. 8.8.8.8>agent:1=X agent>web:1=.", false},
	"policies of other nodes":         {[]string{config("enable-host-firewall: 'true'"), ccnp("  nodeSelector: {matchLabels: {role: control}}\n  ingress: [{}]")}, "web>agent:1=.", false},
	"policies of nodes, not in force": {[]string{config("a: b"), ccnp("  nodeSelector: {}\n  ingress: [{}]")}, "web>agent:1=.", false},
}

func TestCases(t *testing.T) {
	w := theWorld()
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			s := snapshot(t, append(slices.Clone(tc.policies), w.manifests(t))...)
			policies, gaps := cilium.Read(s)
			judges := map[string]func(question) answer{"read": form{w, policies}.judge, "engine": engine{t, w, network.Build(s)}.judge}
			if tc.oracle {
				var docs []map[string]any
				for _, text := range tc.policies {
					var m map[string]any
					if err := yaml.Unmarshal([]byte(text), &m); err != nil {
						t.Fatal(err)
					}
					docs = append(docs, m)
				}
				judges["oracle"] = newOracle(w, docs).judge
			}
			for who, judge := range judges {
				got := asked(t, w, judge, tc.want)
				if who == "engine" {
					got = w.withoutMates(t, got, tc.want)
				}
				if got != tc.want {
					t.Errorf("%s:\n got %s\nwant %s\n%v", who, got, tc.want, gaps)
				}
			}
		})
	}
}

// asked answers the questions of a case in its own words.
func asked(t testing.TB, w *testWorld, judge func(question) answer, questions string) string {
	var out []string
	for _, q := range strings.Fields(questions) {
		at, eq := strings.LastIndexByte(q, ':'), strings.LastIndexByte(q, '=')
		from, to, _ := strings.Cut(q[:at], ">")
		text, protocol := q[at+1:eq], "TCP"
		for suffix, name := range map[string]string{"u": "UDP", "s": "SCTP"} {
			if strings.HasSuffix(text, suffix) {
				text, protocol = strings.TrimSuffix(text, suffix), name
			}
		}
		port, err := strconv.Atoi(text)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%s=%s", q[:eq], w.connect(judge, w.end(t, from), w.end(t, to), protocol, port)))
	}
	return strings.Join(out, " ")
}
