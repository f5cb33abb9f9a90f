package cloud

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// What Google Cloud calls things.
const (
	gsaAnnotation    = "iam.gke.io/gcp-service-account"
	nodePoolLabel    = "cloud.google.com/gke-nodepool"
	defaultGSA       = "default"
	metadataOfGKE    = "GKE_METADATA"
	poolSuffix       = ".svc.id.goog"
	memberAccount    = "serviceAccount:"
	memberPrincipal  = "principal://iam.googleapis.com/"
	memberSet        = "principalSet://iam.googleapis.com/"
	roleWorkload     = "roles/iam.workloadIdentityUser"
	roleTokenCreator = "roles/iam.serviceAccountTokenCreator"
)

// gkeCluster is a GKE cluster.
type gkeCluster struct {
	origin
	Name, Location, SelfLink string
	WorkloadIdentityConfig   struct{ WorkloadPool string }
	NodePools                []struct {
		Name   string
		Config struct {
			ServiceAccount         string
			WorkloadMetadataConfig struct{ Mode string }
		}
	}
}

// project is the id of the cluster's project.
func (c *gkeCluster) project() string {
	_, rest, _ := strings.Cut(c.SelfLink, "/projects/")
	id, _, _ := strings.Cut(rest, "/")
	return id
}

// pool is the workload identity pool that the cluster's tokens are of, "" where
// it has none.
func (c *gkeCluster) pool() string { return c.WorkloadIdentityConfig.WorkloadPool }

// gcpBinding is one role for some members, on one resource.
type gcpBinding struct {
	origin
	resource  string // "projects/P" or the e-mail address of a service account
	account   bool   // the resource is a service account
	Role      string
	Members   []string
	Condition *struct{ Expression string }
}

// conditional says that a condition decides as well.
func (b *gcpBinding) conditional() string {
	if b.Condition != nil && b.Condition.Expression != "" {
		return "the binding has a condition, which is not evaluated: " + cut(b.Condition.Expression)
	}
	return ""
}

func cut(text string) string {
	const most = 200
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + "…"
	}
	return text
}

func (x *Export) readGKE(name, at string, text []byte) error {
	c := gkeCluster{origin: origin{name, at}}
	if err := decode(text, &c); err != nil {
		return err
	}
	x.gke = append(x.gke, c)
	return nil
}

// readAsset reads one result of gcloud asset search-all-iam-policies.
func (x *Export) readAsset(name, at string, text []byte) error {
	var doc struct {
		Resource string
		Policy   struct{ Bindings []gcpBinding }
	}
	if err := decode(text, &doc); err != nil {
		return err
	}
	resource, account := resourceOf(doc.Resource)
	if resource == "" {
		return nil // a policy on something that is neither a project nor a service account
	}
	for i, b := range doc.Policy.Bindings {
		b.origin = origin{name, fmt.Sprintf("%s.policy.bindings[%d]", at, i)}
		b.resource, b.account = resource, account
		x.bindings = append(x.bindings, b)
	}
	return nil
}

// resourceOf reads the full name of a project or of a service account.
func resourceOf(full string) (resource string, account bool) {
	if _, email, ok := strings.Cut(full, "/serviceAccounts/"); ok {
		return email, true
	}
	if _, project, ok := strings.Cut(full, "cloudresourcemanager.googleapis.com/projects/"); ok {
		return "projects/" + project, false
	}
	return "", false
}

// readPolicy reads what get-iam-policy prints, which doesn't name its resource:
// the file does, by the e-mail address of a service account or the id of a
// project.
func (x *Export) readPolicy(name, at string, text []byte) error {
	var doc struct{ Bindings []gcpBinding }
	if err := decode(text, &doc); err != nil {
		return err
	}
	resource := strings.TrimSuffix(filepath.Base(name), ".json")
	account := strings.Contains(resource, "@")
	if !account {
		resource = "projects/" + resource
	}
	for i, b := range doc.Bindings {
		b.origin, b.resource, b.account = origin{name, fmt.Sprintf("%sbindings[%d]", at, i)}, resource, account
		x.bindings = append(x.bindings, b)
	}
	return nil
}

// gcp finds all links with Google Cloud.
func (j *joiner) gcp() {
	cluster, doubt := j.gkeOf()
	if cluster != nil {
		j.nodePools(cluster)
		if cluster.pool() == "" {
			return // its tokens are of no pool
		}
	}
	pools := j.pools(cluster)
	for i := range j.export.bindings {
		b := &j.export.bindings[i]
		for k, m := range b.Members {
			j.member(b, k, m, pools, cluster, doubt)
		}
	}
	j.unreadGSAs()
}

// gkeOf finds the cluster of the snapshot, as eksOf does.
func (j *joiner) gkeOf() (found *gkeCluster, doubt string) {
	var names []string
	for i := range j.export.gke {
		c := &j.export.gke[i]
		names = append(names, c.Name)
		if j.isNamed(c.Name, "gke_"+c.project()+"_"+c.Location+"_"+c.Name, c.SelfLink) {
			return c, ""
		}
	}
	switch len(names) {
	case 0:
		return nil, "the export has no description of the cluster (gcloud container clusters describe): that it is of this project is taken for granted"
	case 1:
		return &j.export.gke[0], ""
	}
	return nil, fmt.Sprintf("the export has the clusters %s, and nobody said which of them was read", few(names))
}

// pools are those that the cluster's tokens may be of; nil: any.
func (j *joiner) pools(cluster *gkeCluster) []string {
	if cluster != nil {
		return []string{cluster.pool()}
	}
	var out []string
	for i := range j.export.gke {
		if p := j.export.gke[i].pool(); p != "" && !slices.Contains(out, p) {
			out = append(out, p)
		}
	}
	return out
}

// member finds the link that one member of one binding is. A pool belongs to a
// project: the account of the same name in another cluster of it is the same
// member.
func (j *joiner) member(b *gcpBinding, index int, member string, pools []string, cluster *gkeCluster, doubt string) {
	from, pool, why := j.partyOf(member, cluster)
	if from == (Party{}) && why == "" || pools != nil && !slices.Contains(pools, pool) {
		return
	}
	proof := b.proof(fmt.Sprintf("members[%d]", index), member)
	if why != "" {
		j.miss(b.document, b.at+": "+why)
		return
	}
	to, ok := b.grants()
	if !ok {
		return
	}
	if c := b.conditional(); c != "" {
		doubt = c
	}
	l := Link{From: from, To: Party{Kind: KindCloud, Name: to}, How: ByGKE, Token: pool, Given: !b.account, Proof: []Proof{proof, b.proof("role", b.Role)}, Depends: doubt}
	for _, a := range j.accounts {
		if a.party() == from {
			l.Given = !b.account || a.annotations[gsaAnnotation] == to
			if v := a.annotations[gsaAnnotation]; v != "" && v == to {
				l.Proof = append(l.Proof, a.proof(gsaAnnotation))
			}
		}
	}
	j.link(l)
}

// grants is what the members of a binding come to: the service account itself,
// or a role on a project.
func (b *gcpBinding) grants() (to string, ok bool) {
	if !b.account {
		return b.Role + " on " + b.resource, true
	}
	switch b.Role {
	case roleWorkload, roleTokenCreator, "roles/owner", "roles/editor", "roles/iam.serviceAccountKeyAdmin":
		return b.resource, true
	}
	return "", false
}

// partyOf reads a member: who of the cluster it is, and of which pool; why,
// where it is of a cluster's pool and says so in a way that is not known. The
// zero value is somebody else.
func (j *joiner) partyOf(member string, cluster *gkeCluster) (from Party, pool, why string) {
	if rest, ok := strings.CutPrefix(member, memberAccount); ok {
		pool, name, ok := strings.Cut(rest, "[")
		ns, account, cut := strings.Cut(strings.TrimSuffix(name, "]"), "/")
		if !ok || !cut || !strings.HasSuffix(pool, poolSuffix) {
			return Party{}, "", ""
		}
		return Party{KindAccount, ns, account}, pool, ""
	}
	set := strings.HasPrefix(member, memberSet)
	if !set && !strings.HasPrefix(member, memberPrincipal) {
		return Party{}, "", ""
	}
	_, rest, _ := strings.Cut(member, "/workloadIdentityPools/")
	pool, name, _ := strings.Cut(rest, "/")
	if !strings.HasSuffix(pool, poolSuffix) {
		return Party{}, "", ""
	}
	if set {
		return j.setOf(member, pool, name, cluster)
	}
	part := strings.Split(name, "/")
	switch {
	case len(part) == 5 && part[0] == "subject" && part[1] == "ns" && part[3] == "sa":
		return Party{KindAccount, part[2], part[4]}, pool, ""
	case len(part) == 2 && part[0] == "kubernetes.serviceaccount.uid":
		for _, a := range j.accounts {
			if a.object != nil && a.object.UID() == part[1] && part[1] != "" {
				return a.party(), pool, ""
			}
		}
		return Party{}, "", "" // an account of another cluster, or one that is gone
	}
	return Party{}, pool, "the member " + cut(member) + " is of a form that is not known"
}

// setOf reads a set of members: all of the pool, of a cluster or of a namespace.
func (j *joiner) setOf(member, pool, name string, cluster *gkeCluster) (Party, string, string) {
	if name == "*" {
		return everyAccount(), pool, ""
	}
	if ns, ok := strings.CutPrefix(name, "namespace/"); ok {
		return accountsIn(ns), pool, ""
	}
	if url, ok := strings.CutPrefix(name, "kubernetes.cluster/"); ok {
		if cluster == nil || strings.HasSuffix(url, fmt.Sprintf("/projects/%s/locations/%s/clusters/%s", cluster.project(), cluster.Location, cluster.Name)) {
			return everyAccount(), pool, ""
		}
		return Party{}, "", ""
	}
	return Party{}, pool, "the member " + cut(member) + " is of a form that is not known"
}

// unreadGSAs links what is annotated with a service account whose policy isn't
// in the export.
func (j *joiner) unreadGSAs() {
	read := map[string]bool{}
	for i := range j.export.bindings {
		if b := &j.export.bindings[i]; b.account {
			read[b.resource] = true
		}
	}
	for _, a := range j.accounts {
		if gsa := a.annotations[gsaAnnotation]; gsa != "" && !read[gsa] {
			j.link(Link{
				From: a.party(), To: Party{Kind: KindCloud, Name: gsa}, How: ByGKE, Given: true,
				Proof: []Proof{a.proof(gsaAnnotation)}, Depends: "the IAM policy of the service account is not in the export",
			})
		}
	}
}

// nodePools finds the service account of each node. Where the metadata server
// of GKE runs, pods get their own identity from it, and only those of the
// host's network that of the node.
func (j *joiner) nodePools(c *gkeCluster) {
	for i, p := range c.NodePools {
		account := p.Config.ServiceAccount
		at := fmt.Sprintf("nodePools[%d].config.", i)
		for _, node := range j.nodesOf(nodePoolLabel, p.Name) {
			l := Link{
				From: Party{Kind: KindNode, Name: node}, To: Party{Kind: KindCloud, Name: account}, How: ByMetadata, Reach: ReachPods, Given: true,
				Proof: []Proof{c.proof(at+"serviceAccount", account), c.proof(at+"workloadMetadataConfig.mode", p.Config.WorkloadMetadataConfig.Mode)},
			}
			if p.Config.WorkloadMetadataConfig.Mode == metadataOfGKE {
				l.Reach = ReachHost
			}
			if account == "" || account == defaultGSA {
				l.To.Name = j.defaultGSA(c.project())
			}
			j.link(l)
		}
	}
}

// defaultGSA is the service account that a node has when nobody names one: the
// project's policy tells its number.
func (j *joiner) defaultGSA(project string) string {
	for i := range j.export.bindings {
		b := &j.export.bindings[i]
		if b.account || b.resource != "projects/"+project {
			continue
		}
		for _, m := range b.Members {
			if email, ok := strings.CutPrefix(m, memberAccount); ok && strings.HasSuffix(email, "-compute@developer.gserviceaccount.com") {
				return email
			}
		}
	}
	return "the default service account of Compute Engine in projects/" + project
}
