package paths

import (
	"fmt"

	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/strategicpatch"

	"github.com/scantling/scantling/graph"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
)

// edit is one change of one object: remove it, create doc, or merge doc into
// the object that it names, strategically as kubectl patch does.
type edit struct {
	remove *kube.Object
	create bool
	doc    object
}

// after is the model of the cluster with some changes made: objects are
// changed in copies, and network, identity and paths built anew from them.
func (m *Model) after(changes []change) (*Model, error) {
	changed := map[*kube.Object]map[string]any{}
	var added []map[string]any
	for _, c := range changes {
		for _, e := range c.edits {
			switch {
			case e.remove != nil:
				changed[e.remove] = nil
			case e.create:
				doc, err := decoded(e.doc)
				if err != nil {
					return nil, err
				}
				added = append(added, doc)
			default:
				if err := m.merge(changed, e.doc); err != nil {
					return nil, err
				}
			}
		}
	}
	s, err := m.snapshot.With(changed, added)
	if err != nil {
		return nil, err
	}
	return Build(s, network.Build(s), identity.Build(s), m.links...) // what a cloud trusts no change here ends
}

// merge applies a strategic merge patch to what changes before it left of an
// object.
func (m *Model) merge(changed map[*kube.Object]map[string]any, patch object) error {
	meta, _ := patch["metadata"].(object)
	kind, _ := patch["kind"].(string)
	name, _ := meta["name"].(string)
	space, _ := meta["namespace"].(string)
	o := m.snapshot.Get(kind, space, name)
	if o == nil || o.Typed == nil {
		return fmt.Errorf("%s %s/%s was not read itself", kind, space, name)
	}
	doc, begun := changed[o]
	if begun && doc == nil {
		return nil // it is removed
	}
	if !begun {
		doc = o.Document()
	}
	clean, err := decoded(patch)
	if err != nil {
		return err
	}
	if doc, err = strategicpatch.StrategicMergeMapPatch(doc, clean, o.Typed); err != nil {
		return fmt.Errorf("patching %s: %w", o, err)
	}
	changed[o] = doc
	return nil
}

// decoded is a document with the types that decoding gives.
func decoded(v object) (map[string]any, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out map[string]any
	err = json.Unmarshal(raw, &out)
	return out, err
}

// pairIn is a pair with its numbers in another model.
type pairIn struct {
	graph.Pair
	there graph.Pair
}

// connected lists those of some pairs that are connected in another model:
// what isn't there any more is not reached.
func (m *Model) connected(in *Model, pairs []graph.Pair) []pairIn {
	var order []graph.Vertex
	wanted := map[graph.Vertex][]pairIn{}
	for _, p := range pairs {
		from, ok := in.vertices[m.keys[p.From]]
		to, also := in.vertices[m.keys[p.To]]
		if !ok || !also {
			continue
		}
		if wanted[from] == nil {
			order = append(order, from)
		}
		wanted[from] = append(wanted[from], pairIn{p, graph.Pair{From: from, To: to}})
	}
	var out []pairIn
	for i, set := range in.graph.Closure(order, nil) {
		for _, p := range wanted[order[i]] {
			if set.Has(p.there.To) {
				out = append(out, p)
			}
		}
	}
	return out
}
