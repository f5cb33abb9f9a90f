package paths

import (
	"slices"

	"github.com/scantling/scantling/infrastructure/identity"
)

// Signers whose certificates the API server accepts from clients. That of
// serving certificates is not among them: a kubelet's server is not one that
// people trust with more than their logs.
const (
	clientSigner  = "kubernetes.io/kube-apiserver-client"
	kubeletSigner = "kubernetes.io/kube-apiserver-client-kubelet"
	anySigner     = "kubernetes.io/*"
)

var (
	createRequest  = claim{"create certificatesigningrequests", []string{"create"}, target{certGroup, "certificatesigningrequests", ""}}
	readRequest    = claim{"read certificatesigningrequests", []string{"get", "list", "watch"}, target{certGroup, "certificatesigningrequests", ""}}
	approveRequest = claim{"update certificatesigningrequests/approval", altering, target{certGroup, "certificatesigningrequests", "approval"}}
	approveSigner  = claim{"approve signers", []string{"approve"}, target{certGroup, "signers", ""}}
	askAsNode      = claim{"create certificatesigningrequests/nodeclient", []string{"create"}, target{certGroup, "certificatesigningrequests", "nodeclient"}}
)

// sign covers certificates that the cluster's own signers make. To approve a
// request takes two rights of one identity: over the request, whose name the
// attacker chooses and whose certificate the same call hands over, and over
// its signer. A request of a node is approved by itself for whoever may ask as
// one, and then has to be read.
func (c *combiner) sign() {
	any := c.has[approveRequest.name]
	approval := slices.DeleteFunc(slices.Clone(any), func(g identity.Grant) bool { return g.Namespace != "" })
	for _, signer := range []string{clientSigner, kubeletSigner} {
		signers := slices.DeleteFunc(slices.Clone(c.has[approveSigner.name]), func(g identity.Grant) bool {
			names := g.Rule.ResourceNames
			return g.Namespace != "" || len(names) > 0 && !slices.Contains(names, signer) && !slices.Contains(names, anySigner)
		})
		c.both(approveCert, key{sort: approves, a: signer}, "", approval, signers)
	}
	c.all(nodeCert, key{sort: certs}, "", c.get(createRequest, "", ""), c.get(askAsNode, "", ""), c.get(readRequest, "", ""))
}

// expandCertificate adds what approved requests give. A client certificate may
// name any user: the controller manager, who makes tokens for all; the group
// system:masters alone is refused. A node's shows the tokens and Secrets of the
// pods on it.
func (b *builder) expandCertificate(k key) {
	switch {
	case k.sort == approves && k.a == clientSigner:
		b.step(clientCert, key{sort: admin}, key{sort: requests}, k)
	case k.sort == approves:
		b.step(nodeCert, key{sort: certs}, key{sort: requests}, k)
	case k.sort == certs:
		for _, n := range b.nodes {
			b.step(implied, key{sort: creds, a: n.name}, k)
		}
	case k.sort == creds:
		b.step(implied, key{sort: tokens, a: k.a}, k)
		b.asNode(k, k.a)
	}
}

// asNode adds what the credentials of a node give: tokens of the accounts of its
// pods, bound to those pods, and its own identities, as far as bindings name
// them.
func (b *builder) asNode(from key, name string) {
	b.step(implied, key{sort: lends, a: name}, from)
	for _, s := range []identity.Subject{identity.NodeUser(name), identity.NodeGroup()} {
		if b.named[s] {
			b.step(nodeIdentity, subjectKey(s), from)
		}
	}
}
