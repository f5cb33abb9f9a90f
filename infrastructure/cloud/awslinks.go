package cloud

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// What AWS calls things.
const (
	roleAnnotation     = "eks.amazonaws.com/role-arn"
	audienceAnnotation = "eks.amazonaws.com/audience"
	nodegroupLabel     = "eks.amazonaws.com/nodegroup"
	stsAudience        = "sts.amazonaws.com"
	webIdentity        = "sts:assumerolewithwebidentity"
	assumeRole         = "sts:assumerole"
	podIdentityService = "pods.eks.amazonaws.com"
)

// aws finds all links with AWS.
func (j *joiner) aws() {
	cluster, doubt := j.eksOf()
	j.irsa(cluster, doubt)
	j.podIdentity(cluster, doubt)
	j.accessEntries(cluster, doubt)
	j.awsAuth()
	j.nodegroups(cluster, doubt)
}

// eksOf finds the cluster of the snapshot in the export: the one whose name or
// ARN the snapshot has, else the only one. It is nil where there is none, and
// where nobody knows which it is; doubt says so then.
func (j *joiner) eksOf() (found *eksCluster, doubt string) {
	var names []string
	for i := range j.export.eks {
		c := &j.export.eks[i]
		names = append(names, c.Name)
		if j.isNamed(c.Arn, c.Name) {
			return c, ""
		}
	}
	switch len(j.export.eks) {
	case 0:
		return nil, "the export has no description of the cluster (aws eks describe-cluster): that it is this one is taken for granted"
	case 1:
		return &j.export.eks[0], ""
	}
	return nil, fmt.Sprintf("the export has the clusters %s, and nobody said which of them was read", few(names))
}

// isNamed reports whether the snapshot goes by one of the names.
func (j *joiner) isNamed(names ...string) bool {
	for _, name := range names {
		if name != "" && (j.snapshot.Cluster == name || j.snapshot.Origin != nil && j.snapshot.Origin.Cluster == name) {
			return true
		}
	}
	return false
}

// few names the first of a list.
func few(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}

// irsa finds the ServiceAccounts that a role trusts by their tokens. What an
// annotation asks for and the trust policy refuses is no link.
func (j *joiner) irsa(cluster *eksCluster, doubt string) {
	known := map[string]bool{}
	for i := range j.export.roles {
		r := &j.export.roles[i]
		known[r.Arn] = known[r.Arn] || r.Trust != nil
		for _, provider := range r.providers(cluster) {
			issuer := issuerOf(provider)
			if !j.issues(cluster, issuer, r.Arn) {
				continue
			}
			why := doubt
			if cluster != nil && cluster.Identity.Oidc.Issuer == "" {
				why = "the description of the cluster has no issuer"
			}
			j.trusted(r, provider, issuer, why)
		}
	}
	for _, a := range j.accounts {
		if arn := a.annotations[roleAnnotation]; arn != "" && !known[arn] {
			j.link(Link{
				From: a.party(), To: Party{Kind: KindCloud, Name: arn}, How: ByIRSA, Token: a.audience(), Given: true,
				Proof: []Proof{a.proof(roleAnnotation)}, Depends: "the trust policy of the role is not in the export",
			})
		}
	}
}

// issues reports whether the issuer may be that of the cluster. Where no issuer
// is known, it is one of EKS, or one whose role an annotation names: others are
// GitHub and the like.
func (j *joiner) issues(cluster *eksCluster, issuer, role string) bool {
	candidates := j.export.eks
	if cluster != nil {
		candidates = []eksCluster{*cluster}
	}
	told := false
	for _, c := range candidates {
		if c.Identity.Oidc.Issuer != "" {
			told = true
			if bareIssuer(c.Identity.Oidc.Issuer) == issuer {
				return true
			}
		}
	}
	return !told && (strings.HasPrefix(issuer, "oidc.eks.") || j.annotated(role))
}

// audience is that of the token that EKS mounts for the account.
func (a account) audience() string {
	if v := a.annotations[audienceAnnotation]; v != "" {
		return v
	}
	return stsAudience
}

func (j *joiner) annotated(arn string) bool {
	return slices.ContainsFunc(j.accounts, func(a account) bool { return a.annotations[roleAnnotation] == arn })
}

// providers lists the OIDC providers that the trust policy names. One that
// names everybody, or all but some, may mean that of the cluster.
func (r *awsRole) providers(cluster *eksCluster) []string {
	var out []string
	if r.Trust == nil {
		return nil
	}
	for _, s := range r.Trust.Statement {
		if s.Effect == "Allow" && cluster != nil && (s.NotPrincipal != nil || s.Principal != nil && (s.Principal.Any || slices.Contains(s.Principal.Kind["AWS"], "*"))) {
			own := strings.TrimSuffix(accountRoot(r.Arn), "root") + "oidc-provider/" + bareIssuer(cluster.Identity.Oidc.Issuer)
			if !slices.Contains(out, own) {
				out = append(out, own)
			}
		}
		if s.Principal == nil {
			continue
		}
		for _, p := range s.Principal.Kind["Federated"] {
			if strings.Contains(p, ":oidc-provider/") && !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out
}

// issuerOf is the issuer of a provider's ARN, as the keys of conditions have it.
func issuerOf(provider string) string {
	_, issuer, _ := strings.Cut(provider, ":oidc-provider/")
	return issuer
}

func bareIssuer(url string) string {
	return strings.TrimSuffix(strings.TrimPrefix(url, "https://"), "/")
}

// stranger is a name that no ServiceAccount can have: what lets it in lets in
// everybody of its kind.
const stranger = "\x00"

// trusted finds who may assume a role with a token of the issuer. Where all of
// the cluster or of a namespace may, one link stands for them.
func (j *joiner) trusted(r *awsRole, provider, issuer, doubt string) {
	ask := func(a account) answer {
		return r.Trust.allows(caller{
			kind: "Federated", name: provider, action: webIdentity,
			keys: map[string]string{strings.ToLower(issuer + ":sub"): a.subject(), strings.ToLower(issuer + ":aud"): a.audience()},
		})
	}
	add := func(from Party, a account, got answer, given bool) {
		l := Link{
			From: from, To: Party{Kind: KindCloud, Name: r.Arn}, How: ByIRSA, Token: a.audience(), Given: given,
			Proof: []Proof{r.proof("AssumeRolePolicyDocument", provider)}, Depends: doubt,
		}
		if given {
			l.Proof = append(l.Proof, a.proof(roleAnnotation))
		}
		if got == unknown {
			l.Depends = "the trust policy rests on what only the call would tell"
		}
		j.link(l)
	}
	answers, spaces := make([]answer, len(j.accounts)), map[string]answer{}
	everybody := ask(account{namespace: stranger, name: stranger})
	for i, a := range j.accounts {
		answers[i] = ask(a)
		if _, seen := spaces[a.namespace]; !seen {
			spaces[a.namespace] = ask(account{namespace: a.namespace, name: stranger})
		}
	}
	for i, a := range j.accounts {
		if answers[i] < everybody {
			everybody = no // some are left out, so that the group can't stand for all
		}
		spaces[a.namespace] = min(spaces[a.namespace], answers[i])
	}
	if everybody != no {
		add(everyAccount(), account{}, everybody, false)
	}
	told := map[string]bool{}
	for i, a := range j.accounts {
		space := spaces[a.namespace]
		if space > everybody && !told[a.namespace] {
			told[a.namespace] = true
			add(accountsIn(a.namespace), account{}, space, false)
		}
		given := a.annotations[roleAnnotation] == r.Arn
		if answers[i] > max(everybody, space) || given && answers[i] != no {
			add(a.party(), a, answers[i], given)
		}
	}
}

// podIdentity finds the ServiceAccounts that the agent of EKS gives a role. Of
// one with a target role the pod gets that alone.
func (j *joiner) podIdentity(cluster *eksCluster, doubt string) {
	whole := map[string]bool{}
	for _, a := range j.export.associations {
		if a.RoleArn != "" {
			whole[a.AssociationID] = true
		}
	}
	for i := range j.export.associations {
		a := &j.export.associations[i]
		if j.otherEKS(cluster, a.ClusterName) || a.RoleArn == "" && whole[a.AssociationID] {
			continue
		}
		if a.RoleArn == "" {
			j.miss(a.document, fmt.Sprintf("%s of %s/%s has no roleArn: aws eks describe-pod-identity-association has it", a.at, a.Namespace, a.ServiceAccount))
			continue
		}
		l := Link{
			From: Party{KindAccount, a.Namespace, a.ServiceAccount}, To: Party{Kind: KindCloud, Name: a.RoleArn}, How: ByPodIdentity, Given: true,
			Proof: []Proof{a.proof("roleArn", a.RoleArn)}, Depends: doubt,
		}
		role := j.role(a.RoleArn)
		switch got := trusts(role, caller{kind: "Service", name: podIdentityService, action: assumeRole}); {
		case role == nil || role.Trust == nil:
			l.Depends = "the trust policy of the role is not in the export"
		case got == no:
			continue
		default:
			l.Proof = append(l.Proof, role.proof("AssumeRolePolicyDocument", podIdentityService))
			if got == unknown {
				l.Depends = "the trust policy rests on what only the call would tell"
			}
		}
		if a.TargetRoleArn != "" {
			if !j.target(&l, a) {
				continue
			}
		}
		j.link(l)
	}
}

// target puts the target role in the place of the role that assumes it.
func (j *joiner) target(l *Link, a *eksAssociation) bool {
	l.To.Name = a.TargetRoleArn
	l.Proof = append(l.Proof, a.proof("targetRoleArn", a.TargetRoleArn))
	role := j.role(a.TargetRoleArn)
	if role == nil || role.Trust == nil {
		l.Depends = "the trust policy of the target role is not in the export"
		return true
	}
	asks := caller{kind: "AWS", name: a.RoleArn, action: assumeRole}
	got := trusts(role, asks)
	if root := accountRoot(a.RoleArn); got != yes { // an account stands for its roles, by their own policies
		asks.name = root
		got = got.or(trusts(role, asks).and(unknown))
	}
	l.Proof = append(l.Proof, role.proof("AssumeRolePolicyDocument", a.RoleArn))
	if got == unknown {
		l.Depends = "the target role trusts the account, or under conditions that only the call would tell"
	}
	return got != no
}

// accountRoot is the ARN that stands for the account of another one.
func accountRoot(arn string) string {
	part := strings.SplitN(arn, ":", 6)
	if len(part) < 6 {
		return ""
	}
	return strings.Join(part[:3], ":") + "::" + part[4] + ":root"
}

func trusts(r *awsRole, c caller) answer {
	if r == nil || r.Trust == nil {
		return unknown
	}
	return r.Trust.allows(c)
}

// role finds a role by its ARN, one with a trust policy before others.
func (j *joiner) role(arn string) *awsRole {
	var found *awsRole
	for i := range j.export.roles {
		if r := &j.export.roles[i]; r.Arn == arn && (found == nil || found.Trust == nil) {
			found = r
		}
	}
	return found
}

// otherEKS reports whether a document is of another cluster than the one read.
func (j *joiner) otherEKS(cluster *eksCluster, name string) bool {
	return cluster != nil && name != "" && cluster.Name != "" && name != cluster.Name
}

// accessPolicies are the policies of access entries that are like a
// ClusterRole. Source: Amazon EKS User Guide, access policy permissions.
var accessPolicies = map[string]string{
	"AmazonEKSClusterAdminPolicy": "cluster-admin",
	"AmazonEKSAdminPolicy":        "admin",
	"AmazonEKSEditPolicy":         "edit",
	"AmazonEKSViewPolicy":         "view",
}

// accessEntries finds the identities of AWS that the cluster knows.
func (j *joiner) accessEntries(cluster *eksCluster, doubt string) {
	whole := map[string]bool{}
	for _, e := range j.export.entries {
		whole[e.PrincipalArn] = whole[e.PrincipalArn] || !e.bare
	}
	for i := range j.export.entries {
		e := &j.export.entries[i]
		switch {
		case j.otherEKS(cluster, e.ClusterName) || e.bare && whole[e.PrincipalArn]:
			continue
		case e.bare:
			j.miss(e.document, fmt.Sprintf("%s: the groups of %s are not in the list: aws eks describe-access-entry has them", e.at, e.PrincipalArn))
			continue
		}
		from := Party{Kind: KindCloud, Name: e.PrincipalArn}
		for k, g := range e.KubernetesGroups {
			j.link(Link{
				From: from, To: Party{Kind: KindGroup, Name: g}, How: ByAccessEntry, Given: true,
				Proof: []Proof{e.proof(fmt.Sprintf("kubernetesGroups[%d]", k), g)}, Depends: doubt,
			})
		}
		if e.Username != "" {
			j.link(Link{From: from, To: Party{Kind: KindUser, Name: e.Username}, How: ByAccessEntry, Given: true, Proof: []Proof{e.proof("username", e.Username)}, Depends: doubt})
		}
	}
	for i := range j.export.accesses {
		a := &j.export.accesses[i]
		if j.otherEKS(cluster, a.ClusterName) {
			continue
		}
		for k, p := range a.Policies {
			j.accessPolicy(a, k, p.PolicyArn, p.AccessScope.Type, p.AccessScope.Namespaces, doubt)
		}
	}
}

func (j *joiner) accessPolicy(a *eksAccess, index int, arn, scope string, namespaces []string, doubt string) {
	name := arn[strings.LastIndex(arn, "/")+1:]
	role, known := accessPolicies[name]
	if !known {
		role, doubt = name, "what the access policy "+name+" allows is not known here"
	}
	if scope != "namespace" {
		namespaces = []string{""}
	}
	for _, ns := range namespaces {
		if strings.Contains(ns, "*") {
			doubt = "the access policy is for namespaces by a pattern, " + ns
		}
		j.link(Link{
			From: Party{Kind: KindCloud, Name: a.PrincipalArn}, To: Party{KindRole, ns, role}, How: ByAccessEntry, Given: true,
			Proof: []Proof{a.proof(fmt.Sprintf("associatedAccessPolicies[%d].policyArn", index), arn)}, Depends: doubt,
		})
	}
}

// nodegroups finds the role of each node, and who reaches it by the metadata
// service.
func (j *joiner) nodegroups(cluster *eksCluster, doubt string) {
	seen, instances := map[string]bool{}, map[string]*ec2Instance{} // nodes whose instance has told of a role; all instances
	for _, o := range j.snapshot.ByKind("Node") {
		n, is := o.Typed.(*corev1.Node)
		if !is {
			continue
		}
		if i := j.instance(n.Spec.ProviderID); i != nil {
			instances[n.Name] = i
			seen[n.Name] = i.Profile != nil && j.instanceRole(n.Name, i)
		}
	}
	for i := range j.export.nodegroups {
		g := &j.export.nodegroups[i]
		if j.otherEKS(cluster, g.ClusterName) || g.NodeRole == "" {
			continue
		}
		for _, name := range j.nodesOf(nodegroupLabel, g.NodegroupName) {
			options, from := j.templateOf(g)
			if i := instances[name]; i != nil {
				options, from = i.MetadataOptions, i.origin
			}
			if !seen[name] {
				j.nodeRole(name, g.NodeRole, options, []Proof{g.proof("nodeRole", g.NodeRole)}, from, doubt)
			}
		}
	}
}

func (j *joiner) instance(providerID string) *ec2Instance {
	for i := range j.export.instances {
		if id := j.export.instances[i].InstanceID; id != "" && strings.HasSuffix(providerID, "/"+id) {
			return &j.export.instances[i]
		}
	}
	return nil
}

// instanceRole links the node of an instance with the roles whose profile it has.
func (j *joiner) instanceRole(node string, i *ec2Instance) bool {
	found := false
	for k := range j.export.roles {
		r := &j.export.roles[k]
		for p, profile := range r.Profiles {
			if profile.Arn == i.Profile.Arn {
				found = true
				proof := []Proof{i.proof("IamInstanceProfile.Arn", profile.Arn), r.proof(fmt.Sprintf("InstanceProfileList[%d].Arn", p), profile.Arn)}
				j.nodeRole(node, r.Arn, i.MetadataOptions, proof, i.origin, "")
			}
		}
	}
	return found
}

// templateOf finds the metadata options of a node group's launch template.
func (j *joiner) templateOf(g *eksNodegroup) (*metadataOptions, origin) {
	for i := range j.export.templates {
		t := &j.export.templates[i]
		named := g.LaunchTemplate.ID != "" && t.LaunchTemplateID == g.LaunchTemplate.ID || g.LaunchTemplate.Name != "" && t.LaunchTemplateName == g.LaunchTemplate.Name
		if named && (g.LaunchTemplate.Version == strconv.Itoa(t.VersionNumber) || g.LaunchTemplate.Version == "" && t.DefaultVersion) {
			return t.Data.MetadataOptions, t.origin
		}
	}
	return nil, origin{}
}

// nodesOf lists the nodes with a label; "" (any node) where there is none.
func (j *joiner) nodesOf(label, value string) []string {
	var out []string
	for _, o := range j.snapshot.ByKind("Node") {
		if o.Labels()[label] == value {
			out = append(out, o.Name)
		}
	}
	if out == nil {
		out = []string{""}
	}
	return out
}

// nodeRole adds the link of a node. The hop limit bounds how far the answer to
// the request for a session token travels: one hop ends at the node itself. Who
// may ask without such a token needs none.
// Source: Amazon EC2 User Guide, configure the instance metadata options.
func (j *joiner) nodeRole(node, role string, o *metadataOptions, proof []Proof, at origin, doubt string) {
	l := Link{
		From: Party{Kind: KindNode, Name: node}, To: Party{Kind: KindCloud, Name: role}, How: ByMetadata, Reach: ReachPods, Given: true, Proof: proof, Depends: doubt,
	}
	options := func(field, value string) {
		l.Proof = append(l.Proof, at.proof("MetadataOptions."+field, value))
	}
	switch {
	case o == nil || o.HTTPTokens == "":
		l.Depends = "the metadata options of its instances are not in the export: every pod may reach the role, or those of the host's network alone"
	case o.HTTPEndpoint == "disabled":
		return
	case o.HTTPTokens != "required":
		options("HttpTokens", o.HTTPTokens)
	case o.HopLimit == 1:
		l.Reach = ReachHost
		options("HttpPutResponseHopLimit", "1")
	case o.HopLimit == 0:
		l.Depends = "the hop limit is not in the export: every pod may reach the role, or those of the host's network alone"
	default:
		options("HttpPutResponseHopLimit", strconv.Itoa(o.HopLimit))
	}
	j.link(l)
}
