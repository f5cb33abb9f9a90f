package model

import "strings"

// Kind names what sort of thing an asset is.
type Kind string

// The kinds of asset. Key formats are those of docs/ARCHITECTURE.md.
const (
	Source    Kind = "source"    // a Dockerfile: path below the estate's root
	Image     Kind = "image"     // digest of the platform manifest, else of the configuration, "sha256:…"; "root:PATH"
	Workload  Kind = "workload"  // cluster/namespace/Kind/name
	Identity  Kind = "identity"  // cluster/namespace/serviceaccount, "cluster//user:NAME", "cluster//group:NAME"
	Node      Kind = "node"      // cluster/node
	Secret    Kind = "secret"    // cluster/namespace/secret
	Binding   Kind = "binding"   // cluster/namespace/RoleBinding/name, cluster//ClusterRoleBinding/name
	Namespace Kind = "namespace" // cluster/namespace
	Object    Kind = "object"    // any other Kubernetes object: cluster/namespace/Kind/name
	Cluster   Kind = "cluster"   // cluster name; as a jewel: authority over all of it
	CloudRole Kind = "cloud-role"
	Component Kind = "component" // package URL
	Log       Kind = "log"       // a log source: its kind, as "kubernetes-audit"
	Technique Kind = "technique" // ATT&CK id
	EventKind Kind = "event"     // source/stream/sequence
)

// Ref points to an asset by kind and key. The zero Ref points to nothing.
type Ref struct {
	Kind Kind   `json:"kind"`
	Key  string `json:"key"`
}

// String is "kind key", for messages.
func (r Ref) String() string { return string(r.Kind) + " " + r.Key }

// IsZero reports whether r points to nothing.
func (r Ref) IsZero() bool { return r == Ref{} }

// Compare orders references by kind, then key.
func (r Ref) Compare(o Ref) int {
	if c := strings.Compare(string(r.Kind), string(o.Kind)); c != 0 {
		return c
	}
	return strings.Compare(r.Key, o.Key)
}

// Asset is one thing of the estate. Aliases are other keys under which the
// world names it: an image's tags, its config and index digests, a pod's UID.
type Asset struct {
	Ref
	Name     string            `json:"name"`
	Aliases  []string          `json:"aliases,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	Position Position          `json:"position,omitzero"`
}

// Position is a place in a file. Lines and columns count from 1; 0 is
// unknown. File is the argument joined with the path below it.
type Position struct {
	File      string `json:"file,omitempty"`
	Line      int    `json:"line,omitempty"`
	Column    int    `json:"column,omitempty"`
	EndLine   int    `json:"endLine,omitempty"`
	EndColumn int    `json:"endColumn,omitempty"`
}
