package kubehound

import (
	"cmp"
	"slices"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// Class is the sort of a vertex.
type Class string

// The seven classes.
const (
	Container     Class = "Container"
	Endpoint      Class = "Endpoint"
	Identity      Class = "Identity"
	Node          Class = "Node"
	PermissionSet Class = "PermissionSet"
	Pod           Class = "Pod"
	Volume        Class = "Volume"
)

// Vertex is one end of an edge. Fields that its class doesn't have are empty.
type Vertex struct {
	Class      Class  `json:"class"`
	Name       string `json:"name"` // of a permission set "role::binding", of an endpoint its service or port
	Namespace  string `json:"namespace,omitempty"`
	Kind       string `json:"kind,omitempty"`       // of an identity: ServiceAccount, User, Group
	Pod        string `json:"pod,omitempty"`        // of a container or volume
	Container  string `json:"container,omitempty"`  // of a volume that one container mounts
	Path       string `json:"path,omitempty"`       // of a volume: on the host
	Port       int32  `json:"port,omitempty"`       // of an endpoint
	Exposure   string `json:"exposure,omitempty"`   // of an endpoint: External, NodeIP, ClusterIP
	Namespaced bool   `json:"namespaced,omitempty"` // a permission set that counts in its namespace only
}

func (v Vertex) compare(o Vertex) int {
	return cmp.Or(
		cmp.Compare(v.Class, o.Class), cmp.Compare(v.Namespace, o.Namespace), cmp.Compare(v.Name, o.Name), cmp.Compare(v.Kind, o.Kind),
		cmp.Compare(v.Pod, o.Pod), cmp.Compare(v.Container, o.Container), cmp.Compare(v.Path, o.Path), cmp.Compare(v.Port, o.Port),
		cmp.Compare(v.Exposure, o.Exposure),
	)
}

// Edge is one attack from one vertex to another.
type Edge struct {
	Type   string        `json:"type"`
	From   Vertex        `json:"from"`
	To     Vertex        `json:"to"`
	Attack string        `json:"attack"` // ATT&CK id
	Proof  []model.Proof `json:"proof"`
}

// attacks gives the ATT&CK technique of each kind of edge.
var attacks = map[string]string{
	"CE_MODULE_LOAD": "T1611", "CE_NSENTER": "T1611", "CE_PRIV_MOUNT": "T1611", "CE_SYS_PTRACE": "T1611", "CE_UMH_CORE_PATTERN": "T1611",
	"CE_VAR_LOG_SYMLINK": "T1611", "CONTAINER_ATTACH": "T1609", "ENDPOINT_EXPLOIT": "T1210", "EXPLOIT_HOST_READ": "T1611",
	"EXPLOIT_HOST_TRAVERSE": "T1552.001", "EXPLOIT_HOST_WRITE": "T1611", "IDENTITY_ASSUME": "T1078", "PERMISSION_DISCOVER": "T1069",
	"POD_ATTACH": "T1609", "POD_CREATE": "T1610", "POD_EXEC": "T1609", "POD_PATCH": "T1610", "ROLE_BIND": "T1098.006",
	"SHARE_PS_NAMESPACE": "T1609", "TOKEN_BRUTEFORCE": "T1528", "TOKEN_LIST": "T1528", "TOKEN_STEAL": "T1528", "VOLUME_ACCESS": "T1613",
	"VOLUME_DISCOVER": "T1613",
}

// Edges lists every edge once, by type, source and target.
func Edges(s *kube.Snapshot, id *identity.Engine) []Edge {
	b := &builder{snapshot: s, identity: id, bound: map[identity.Subject]bool{}}
	for _, who := range id.Subjects() {
		b.bound[who] = true
	}
	b.readNodes()
	b.readPods()
	b.readSets()
	b.podEdges()
	b.setEdges()
	b.roleBinds()
	b.endpointEdges()
	order := func(x, y Edge) int {
		return cmp.Or(cmp.Compare(x.Type, y.Type), x.From.compare(y.From), x.To.compare(y.To))
	}
	slices.SortStableFunc(b.edges, order)
	return slices.CompactFunc(b.edges, func(x, y Edge) bool { return order(x, y) == 0 })
}

// builder collects the edges of one cluster.
type builder struct {
	snapshot *kube.Snapshot
	identity *identity.Engine
	bound    map[identity.Subject]bool // subjects that a binding names: the identities
	nodes    []Vertex
	pods     []pod
	sets     []set
	edges    []Edge
}

func (b *builder) add(kind string, from, to Vertex, proof ...model.Proof) {
	b.edges = append(b.edges, Edge{Type: kind, From: from, To: to, Attack: attacks[kind], Proof: proof})
}

func identityVertex(s identity.Subject) Vertex {
	return Vertex{Class: Identity, Name: s.Name, Namespace: s.Namespace, Kind: s.Kind}
}
