package paths

import (
	"strings"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/model"
)

// sort is what a vertex stands for. Its comment names the fields of key.
type sort uint8

const (
	control    sort = iota // of a workload: a namespace, b kind, c name
	held                   // an identity: a kind, b namespace, c name
	root                   // on a node: a name
	known                  // value of a Secret: a namespace, b name
	admin                  // authority over the cluster
	rule                   // all rights in a namespace: a ("" every one)
	create                 // pods of one's own making in a namespace: a ("" every one)
	controls               // every workload of a namespace: a ("" every one)
	reads                  // every Secret of a namespace: a ("" every one)
	makes                  // new Secrets in a namespace: a ("" every one)
	accounts               // every ServiceAccount of a namespace: a ("" every one)
	label                  // the labels of a namespace: a ("" every one)
	debug                  // containers added to running pods of a namespace: a ("" every one)
	template               // pod templates of a kind of workload: a namespace ("" every one), b kind
	anywhere               // a privileged pod on a node of one's choice
	on                     // every pod on a node: a name
	kubelets               // every kubelet's exec
	tokens                 // tokens and Secrets of the pods on a node: a name
	lends                  // new tokens for the pods on a node: a name
	rewrite                // the rules of a role: a namespace ("" cluster role), b name
	rewrites               // the rules of every Role of a namespace: a ("" every one)
	granted                // the rules of a role, in scope: a namespace of the role, b name, c scope ("" cluster)
	binds                  // any Role of a namespace may be bound there: a ("" every one)
	joins                  // any RoleBinding of a namespace may be joined: a ("" every one, and cluster role bindings with b)
	may                    // one of several grants gives a right: a subject, b right, c scope
	sends                  // connections from a class of pods: a
	arrives                // connections to pods that accept the same classes: a
	files                  // every file of a node, as its root reads it: a name
	attaches               // the running processes of pods in a namespace: a ("" every one)
	forwards               // connections through the API server to pods of a namespace: a ("" every one), or to one workload: a, b kind, c name
	logs                   // container logs of a namespace: a ("" every one), or of one workload: a, b kind, c name
	claims                 // new claims for volumes in a namespace: a ("" every one)
	volumes                // new persistent volumes
	requests               // new certificate signing requests
	approves               // approval of them, for a signer: a clientSigner or kubeletSigner
	certs                  // the client certificate of any node
	creds                  // the credentials of a node: a name
	injects                // changes to whatever the API server is about to store
	watches                // sight of whatever the API server is about to store
	drains                 // the taints of every node
	steers                 // the labels and capacity of every node
	evicts                 // the running pods of a namespace: a ("" every one), or of one workload: a, b kind, c name
	ownNode                // root on some node
	stolen                 // pods of a namespace that move to a node of the attacker's: a ("" every one)
	intercepts             // connections that workloads of a namespace make: a ("" every one)
	metadata               // the cloud's metadata service as a node sees it: a name, b fromPods: as its pods do
	cloud                  // a role in the cloud: a its name there
	mints                  // tokens for any audience of a ServiceAccount, or of some in a group of them: a kind, b namespace, c name
)

// anyNode is the node on which workloads without a known node stand.
const anyNode = "(any node)"

// key identifies a vertex.
type key struct {
	sort    sort
	a, b, c string
}

// subjectKey is the vertex of a held identity.
func subjectKey(s identity.Subject) key { return key{held, s.Kind, s.Namespace, s.Name} }

func (k key) subject() identity.Subject {
	return identity.Subject{Kind: k.a, Namespace: k.b, Name: k.c}
}

// ref is the asset of a vertex, zero for a hub.
func (k key) ref(cluster string) model.Ref {
	switch k.sort {
	case control:
		return model.Ref{Kind: model.Workload, Key: strings.Join([]string{cluster, k.a, k.b, k.c}, "/")}
	case held:
		return k.subject().Ref(cluster)
	case root:
		return model.Ref{Kind: model.Node, Key: cluster + "/" + k.a}
	case known:
		return model.Ref{Kind: model.Secret, Key: cluster + "/" + k.a + "/" + k.b}
	case admin:
		return model.Ref{Kind: model.Cluster, Key: cluster}
	case cloud:
		return model.Ref{Kind: model.CloudRole, Key: k.a}
	}
	return model.Ref{}
}

// in words a scope.
func in(namespace string) string {
	if namespace == "" {
		return "in every namespace"
	}
	return "in namespace " + namespace
}

// name says in words what a vertex stands for: "kind key" for an asset.
func (k key) name(cluster string) string {
	if ref := k.ref(cluster); !ref.IsZero() {
		return ref.String()
	}
	switch k.sort {
	case rule:
		return "all rights " + in(k.a)
	case create:
		return "create pods " + in(k.a)
	case controls:
		return "every workload " + in(k.a)
	case reads:
		return "read Secrets " + in(k.a)
	case makes:
		return "create Secrets " + in(k.a)
	case accounts:
		return "act as any ServiceAccount " + in(k.a)
	case label:
		return "change Pod Security " + in(k.a)
	case debug:
		return "add containers to running pods " + in(k.a)
	case template:
		return "change the pods of " + k.b + "s " + in(k.a)
	case anywhere:
		return "run a privileged pod on any node"
	case on:
		return "every pod on node " + k.a
	case kubelets:
		return "exec through every kubelet"
	case tokens:
		return "read the tokens and Secrets of pods on node " + k.a
	case lends:
		return "request tokens for pods on node " + k.a
	}
	return k.authority()
}

// authority words the hubs about roles and the network.
func (k key) authority() string {
	switch k.sort {
	case rewrite:
		return "change the rules of role " + strings.TrimPrefix(k.a+"/"+k.b, "/")
	case rewrites:
		return "change the rules of any Role " + in(k.a)
	case granted:
		if k.c == "" {
			return "rights of role " + strings.TrimPrefix(k.a+"/"+k.b, "/") + " in the whole cluster"
		}
		return "rights of role " + strings.TrimPrefix(k.a+"/"+k.b, "/") + " " + in(k.c)
	case binds:
		return "bind any Role " + in(k.a)
	case joins:
		return "join any binding " + in(k.a)
	case may:
		return k.a + " may " + k.b + " " + in(k.c)
	case sends:
		return "send from pods of network class " + k.a
	case arrives:
		return "reach pods of network group " + k.a
	}
	return k.power()
}

// power words the hubs about the API server's other doors.
func (k key) power() string {
	one := strings.Join([]string{k.b, k.a + "/" + k.c}, " ")
	switch k.sort {
	case files:
		return "read every file of node " + k.a
	case attaches:
		return "attach to running pods " + in(k.a)
	case forwards:
		if k.b != "" {
			return "connect through the API server to " + one
		}
		return "connect through the API server to pods " + in(k.a)
	case logs:
		if k.b != "" {
			return "read the logs of " + one
		}
		return "read logs " + in(k.a)
	case claims:
		return "create volume claims " + in(k.a)
	case volumes:
		return "create persistent volumes"
	case requests:
		return "create certificate signing requests"
	case approves:
		return "approve signing requests of signer " + k.a
	case creds:
		return "hold the credentials of node " + k.a
	case certs:
		return "hold the client certificate of any node"
	case injects:
		return "change objects on their way into the API server"
	case watches:
		return "see objects on their way into the API server"
	case drains:
		return "taint every node"
	case stolen:
		return "draw pods to a node of one's own " + in(k.a)
	case steers:
		return "change labels and capacity of every node"
	case evicts:
		if k.b != "" {
			return "make an end of " + one
		}
		return "make an end of running pods " + in(k.a)
	case ownNode:
		return "hold some node"
	case intercepts:
		return "intercept connections made " + in(k.a)
	case mints:
		return "have tokens for any audience of " + k.subject().String()
	case metadata:
		if k.b == fromPods {
			return "ask the cloud's metadata service from a pod on node " + k.a
		}
		return "ask the cloud's metadata service as node " + k.a
	}
	return ""
}
