package cloud

import (
	"fmt"
	"strings"
)

// What Azure calls things.
const (
	clientAnnotation = "azure.workload.identity/client-id"
	azureAudience    = "api://AzureADTokenExchange"
)

// aksCluster is an AKS cluster.
type aksCluster struct {
	origin
	Name              string
	ID                string `json:"id"`
	OidcIssuerProfile struct {
		IssuerURL string `json:"issuerUrl"`
	}
	IdentityProfile map[string]struct {
		ResourceID string `json:"resourceId"`
		ClientID   string `json:"clientId"`
		ObjectID   string `json:"objectId"`
	}
	NetworkProfile struct{ PodLinkLocalAccess string }
	AadProfile     *struct {
		AdminGroupObjectIDs []string `json:"adminGroupObjectIDs"`
	}
}

// azureIdentity is a managed identity.
type azureIdentity struct {
	origin
	Name, ClientID, PrincipalID string
	ID                          string `json:"id"`
}

// azureCredential lets a token of an issuer stand for an identity.
type azureCredential struct {
	origin
	Name, Issuer, Subject string
	ID                    string `json:"id"`
	Audiences             []string
	Expression            *struct{ Value string } `json:"claimsMatchingExpression"`
}

type azureAssignment struct {
	origin
	PrincipalID, RoleDefinitionName, Scope string
	Condition                              string
}

func (x *Export) readAKS(name, at string, text []byte) error {
	c := aksCluster{origin: origin{name, at}}
	if err := decode(text, &c); err != nil {
		return err
	}
	x.aks = append(x.aks, c)
	return nil
}

func (x *Export) readIdentity(name, at string, text []byte) error {
	i := azureIdentity{origin: origin{name, at}}
	if err := decode(text, &i); err != nil {
		return err
	}
	x.identities = append(x.identities, i)
	return nil
}

func (x *Export) readCredential(name, at string, text []byte) error {
	c := azureCredential{origin: origin{name, at}}
	if err := decode(text, &c); err != nil {
		return err
	}
	x.credentials = append(x.credentials, c)
	return nil
}

func (x *Export) readAssignment(name, at string, text []byte) error {
	a := azureAssignment{origin: origin{name, at}}
	if err := decode(text, &a); err != nil {
		return err
	}
	x.assignments = append(x.assignments, a)
	return nil
}

// azure finds all links with Azure.
func (j *joiner) azure() {
	cluster, doubt := j.aksOf()
	federated := map[string]bool{} // names of identities whose credentials were read
	for i := range j.export.credentials {
		c := &j.export.credentials[i]
		name, client := j.identityOf(c)
		federated[client] = client != ""
		j.credential(c, name, client, cluster, doubt)
	}
	for _, a := range j.accounts {
		client := a.annotations[clientAnnotation]
		if client == "" || federated[client] {
			continue
		}
		j.link(Link{
			From: a.party(), To: Party{Kind: KindCloud, Name: j.byClient(client)}, How: ByAKS, Token: azureAudience, Given: true,
			Proof: []Proof{a.proof(clientAnnotation)}, Depends: "the federated credentials of the identity are not in the export",
		})
	}
	if cluster != nil {
		j.kubelet(cluster)
		j.adminGroups(cluster)
	}
}

// aksOf finds the cluster of the snapshot, as eksOf does.
func (j *joiner) aksOf() (found *aksCluster, doubt string) {
	var names []string
	for i := range j.export.aks {
		c := &j.export.aks[i]
		names = append(names, c.Name)
		if j.isNamed(c.Name, c.ID) {
			return c, ""
		}
	}
	switch len(names) {
	case 0:
		return nil, "the export has no description of the cluster (az aks show): that the issuer is its own is taken for granted"
	case 1:
		return &j.export.aks[0], ""
	}
	return nil, fmt.Sprintf("the export has the clusters %s, and nobody said which of them was read", few(names))
}

// identityOf finds the identity that a credential belongs to: its id names it.
// An application's credential doesn't say whose it is.
func (j *joiner) identityOf(c *azureCredential) (name, client string) {
	id, _, ok := strings.Cut(c.ID, "/federatedIdentityCredentials/")
	if !ok {
		return "the owner of the federated credential " + c.Name, ""
	}
	for i := range j.export.identities {
		if strings.EqualFold(j.export.identities[i].ID, id) {
			return id, j.export.identities[i].ClientID
		}
	}
	return id, ""
}

// byClient is the id of the identity with a client id, or that client id.
func (j *joiner) byClient(client string) string {
	for i := range j.export.identities {
		if strings.EqualFold(j.export.identities[i].ClientID, client) {
			return j.export.identities[i].ID
		}
	}
	return "client " + client
}

// credential finds the ServiceAccount of one credential. Issuer and subject
// are compared as they are, as Entra ID does.
func (j *joiner) credential(c *azureCredential, name, client string, cluster *aksCluster, doubt string) {
	switch {
	case cluster != nil && cluster.OidcIssuerProfile.IssuerURL == "":
		return // the cluster has no issuer
	case cluster != nil && strings.TrimSuffix(c.Issuer, "/") != strings.TrimSuffix(cluster.OidcIssuerProfile.IssuerURL, "/"):
		return
	case cluster == nil && !j.issuesAKS(c.Issuer):
		return
	case c.Expression != nil && c.Expression.Value != "" && c.Subject == "":
		j.miss(c.document, fmt.Sprintf("%s: the credential %s matches claims by an expression, which is not evaluated", c.at, c.Name))
		return
	}
	ns, account, ok := strings.Cut(strings.TrimPrefix(c.Subject, "system:serviceaccount:"), ":")
	if !ok || !strings.HasPrefix(c.Subject, "system:serviceaccount:") {
		return
	}
	l := Link{
		From: Party{KindAccount, ns, account}, To: Party{Kind: KindCloud, Name: name}, How: ByAKS, Token: strings.Join(c.Audiences, ","),
		Proof: []Proof{c.proof("subject", c.Subject), c.proof("issuer", c.Issuer)}, Depends: doubt,
	}
	for _, a := range j.accounts {
		if v := a.annotations[clientAnnotation]; a.party() == l.From && v != "" && strings.EqualFold(v, client) {
			l.Given = true
			l.Proof = append(l.Proof, a.proof(clientAnnotation))
		}
	}
	j.link(l)
}

// issuesAKS reports whether an issuer may be that of the cluster, where nobody
// knows which cluster it is.
func (j *joiner) issuesAKS(issuer string) bool {
	for i := range j.export.aks {
		if strings.TrimSuffix(j.export.aks[i].OidcIssuerProfile.IssuerURL, "/") == strings.TrimSuffix(issuer, "/") {
			return true
		}
	}
	return len(j.export.aks) == 0 && strings.Contains(issuer, ".oic.")
}

// kubelet finds the identity that every node has.
func (j *joiner) kubelet(c *aksCluster) {
	k, ok := c.IdentityProfile["kubeletidentity"]
	if !ok || k.ResourceID == "" {
		return
	}
	l := Link{
		From: Party{Kind: KindNode}, To: Party{Kind: KindCloud, Name: k.ResourceID}, How: ByMetadata, Reach: ReachPods, Given: true,
		Proof: []Proof{c.proof("identityProfile.kubeletidentity.resourceId", k.ResourceID)},
	}
	if v := c.NetworkProfile.PodLinkLocalAccess; strings.EqualFold(v, "None") {
		l.Reach = ReachHost
		l.Proof = append(l.Proof, c.proof("networkProfile.podLinkLocalAccess", v))
	}
	j.link(l)
}

// adminGroups finds the groups of Entra ID that the cluster takes for its
// administrators.
func (j *joiner) adminGroups(c *aksCluster) {
	if c.AadProfile == nil {
		return
	}
	for i, g := range c.AadProfile.AdminGroupObjectIDs {
		j.link(Link{
			From: Party{Kind: KindCloud, Name: "group " + g}, To: Party{Kind: KindRole, Name: "cluster-admin"}, How: ByAKSAdmin, Given: true,
			Proof: []Proof{c.proof(fmt.Sprintf("aadProfile.adminGroupObjectIDs[%d]", i), g)},
		})
	}
}
