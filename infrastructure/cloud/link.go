package cloud

import (
	"cmp"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// Sides of a Link.
const (
	KindAccount = "ServiceAccount" // Namespace and Name
	KindGroup   = "Group"          // of Kubernetes, by Name
	KindUser    = "User"           // of Kubernetes, by Name
	KindNode    = "Node"           // by Name; "" is any node
	KindRole    = "ClusterRole"    // by Name, held in Namespace, "" for the whole cluster
	KindCloud   = "Cloud"          // an identity of the cloud, by Name: an ARN, an e-mail address, a resource id
)

// Party is one side of a Link.
type Party struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

// String is "ServiceAccount shop/web", or the kind and the name.
func (p Party) String() string {
	switch {
	case p.Kind == KindNode && p.Name == "":
		return "any node"
	case p.Namespace != "" && p.Kind == KindRole:
		return p.Kind + " " + p.Name + " in namespace " + p.Namespace
	case p.Namespace != "":
		return p.Kind + " " + p.Namespace + "/" + p.Name
	case p.Kind == KindCloud:
		return p.Name
	}
	return p.Kind + " " + p.Name
}

// How a Link came to be.
const (
	ByIRSA        = "irsa"
	ByPodIdentity = "pod-identity"
	ByAccessEntry = "access-entry"
	ByAWSAuth     = "aws-auth"
	ByMetadata    = "node-metadata"
	ByGKE         = "gke-workload-identity"
	ByAKS         = "aks-federated-credential"
	ByAKSAdmin    = "aks-admin-group"
)

// Who reaches the metadata service of a node, and with it the node's identity.
const (
	ReachPods = "pods"         // every pod
	ReachHost = "host-network" // pods of the host's network, and whoever is on the node
)

// Link is one step from one identity to another.
type Link struct {
	From    Party   `json:"from"`
	To      Party   `json:"to"`
	How     string  `json:"how"`
	Reach   string  `json:"reach,omitempty"`   // of node-metadata alone
	Token   string  `json:"token,omitempty"`   // the audience of the token that is shown; absent where none is
	Given   bool    `json:"given"`             // a workload gets it without asking: the ServiceAccount is annotated or associated
	Proof   []Proof `json:"proof"`             // what says so
	Depends string  `json:"depends,omitempty"` // what it rests on that nobody told; absent: proven
}

// Proof is one place in an export or in the snapshot.
type Proof struct {
	Document string `json:"document"` // file, or file:line of an object
	Field    string `json:"field"`
	Value    string `json:"value,omitempty"`
}

// Links lists every step between the cluster of the snapshot and the export,
// sorted, each once. What it could not tell is the second value.
func (x *Export) Links(s *kube.Snapshot) ([]Link, []model.Incomplete) {
	j := &joiner{export: x, snapshot: s, accounts: accountsOf(s)}
	j.aws()
	j.gcp()
	j.azure()
	slices.SortFunc(j.links, compareLinks)
	j.links = slices.CompactFunc(j.links, func(a, b Link) bool {
		return a.From == b.From && a.To == b.To && a.How == b.How && a.Depends == b.Depends && a.Reach == b.Reach
	})
	slices.SortFunc(j.missed, func(a, b model.Incomplete) int {
		return cmp.Or(strings.Compare(a.What, b.What), strings.Compare(a.Why, b.Why))
	})
	return j.links, slices.Compact(j.missed)
}

func compareLinks(a, b Link) int {
	return cmp.Or(
		compareParties(a.From, b.From), compareParties(a.To, b.To), strings.Compare(a.How, b.How),
		strings.Compare(a.Depends, b.Depends), strings.Compare(a.Reach, b.Reach),
	)
}

func compareParties(a, b Party) int {
	return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
}

// joiner joins one export and one snapshot.
type joiner struct {
	export   *Export
	snapshot *kube.Snapshot
	accounts []account
	links    []Link
	missed   []model.Incomplete
}

func (j *joiner) miss(what, why string) {
	j.missed = append(j.missed, model.Incomplete{What: what, Why: why})
}

func (j *joiner) link(l Link) { j.links = append(j.links, l) }

// account is a ServiceAccount that is declared, or that a workload uses.
type account struct {
	namespace, name string
	object          *kube.Object // nil where none was read
	annotations     map[string]string
}

func (a account) party() Party { return Party{KindAccount, a.namespace, a.name} }

// subject is the name that a token of the account carries.
func (a account) subject() string { return "system:serviceaccount:" + a.namespace + ":" + a.name }

func (a account) proof(annotation string) Proof {
	return Proof{place(a.object), "metadata.annotations[" + annotation + "]", a.annotations[annotation]}
}

func accountsOf(s *kube.Snapshot) []account {
	known := map[[2]string]*kube.Object{}
	for _, w := range s.Workloads {
		known[[2]string{w.Namespace, w.ServiceAccount}] = nil
	}
	for _, o := range s.ByKind("ServiceAccount") {
		known[[2]string{o.Namespace, o.Name}] = o
	}
	out := make([]account, 0, len(known))
	for name, o := range known {
		a := account{namespace: name[0], name: name[1], object: o}
		if o != nil {
			a.annotations = o.Annotations()
		}
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b account) int { return compareParties(a.party(), b.party()) })
	return out
}

// everyAccount and accountsIn are the groups that stand for all ServiceAccounts
// of a cluster and of a namespace.
func everyAccount() Party { return Party{Kind: KindGroup, Name: "system:serviceaccounts"} }

func accountsIn(namespace string) Party {
	return Party{Kind: KindGroup, Name: "system:serviceaccounts:" + namespace}
}
