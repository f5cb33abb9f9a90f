package kube

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
)

// assemble joins the readings of all files, which are in the order of their
// names, into one snapshot.
func assemble(cluster string, readings []reading, incomplete []model.Incomplete) *Snapshot {
	if cluster == "" {
		cluster = "cluster"
	}
	s := &Snapshot{Cluster: cluster, Incomplete: incomplete}
	var objects []*Object
	for _, r := range readings {
		objects = append(objects, r.objects...)
		s.Incomplete = append(s.Incomplete, r.incomplete...)
		s.Read += r.read
		s.Skipped += r.skipped
		if r.origin != nil {
			s.Origin = r.origin
		}
	}
	scopeCustomKinds(objects)
	s.Objects, s.Incomplete = lastOfEach(objects, s.Incomplete)
	s.Incomplete = append(s.Incomplete, unknownKinds(s.Objects, s.Incomplete)...)
	slices.SortFunc(s.Objects, compareObjects)
	slices.SortStableFunc(s.Incomplete, func(a, b model.Incomplete) int {
		return cmp.Or(strings.Compare(a.What, b.What), strings.Compare(a.Why, b.Why))
	})
	s.Workloads, s.folded = fold(s.Objects)
	kept := map[*Object]bool{}
	for _, w := range s.Workloads {
		kept[w.Object] = true
		if w.Object.Raw == nil {
			w.Object.Raw = plain(w.Object.Typed)
		}
	}
	for _, r := range readings {
		r.lean.spare(kept)
	}
	return s
}

func compareObjects(a, b *Object) int {
	return cmp.Or(
		strings.Compare(a.Kind, b.Kind),
		strings.Compare(a.Namespace, b.Namespace),
		strings.Compare(a.Name, b.Name),
		strings.Compare(a.APIVersion, b.APIVersion),
		strings.Compare(a.Position.File, b.Position.File),
		cmp.Compare(a.Position.Line, b.Position.Line),
	)
}

// scopeCustomKinds puts objects of custom kinds without a namespace into
// "default" where a CustomResourceDefinition says that they are namespaced.
func scopeCustomKinds(objects []*Object) {
	type groupKind struct{ group, kind string }
	namespaced := map[groupKind]bool{}
	for _, o := range objects {
		if o.Kind != "CustomResourceDefinition" {
			continue
		}
		spec, _ := o.Raw["spec"].(map[string]any)
		names, _ := spec["names"].(map[string]any)
		group, _ := spec["group"].(string)
		kind, _ := names["kind"].(string)
		namespaced[groupKind{group, kind}] = spec["scope"] == "Namespaced"
	}
	for _, o := range objects {
		if o.Namespace == "" && namespaced[groupKind{gvk(o.APIVersion, o.Kind).Group, o.Kind}] {
			o.Namespace = "default"
		}
	}
}

// lastOfEach drops all but the last description of one object, as applying
// the files in order would, and names each that says something else.
func lastOfEach(objects []*Object, incomplete []model.Incomplete) ([]*Object, []model.Incomplete) {
	type identity struct{ group, kind, namespace, name string }
	last := make(map[identity]*Object, len(objects))
	key := func(o *Object) identity {
		return identity{identityGroup(gvk(o.APIVersion, o.Kind)), o.Kind, o.Namespace, o.Name}
	}
	for _, o := range objects {
		last[key(o)] = o
	}
	kept := make([]*Object, 0, len(objects))
	for _, o := range objects {
		winner := last[key(o)]
		// Objects without a fixed name are as many as there are documents.
		if winner == o || o.metaString("name") == "" {
			kept = append(kept, o)
			continue
		}
		if !reflect.DeepEqual(o.data(), winner.data()) {
			incomplete = append(incomplete, model.Incomplete{
				What: place(o.Position.File, o.Position.Line),
				Why:  fmt.Sprintf("%s is described again at %s, which counts: this one is not judged", o, place(winner.Position.File, winner.Position.Line)),
			})
		}
	}
	return kept, incomplete
}

// unknownKinds gives one line for each kind that has no type here and that no
// judge reads, unless the maker of a snapshot has told of it.
func unknownKinds(objects []*Object, told []model.Incomplete) []model.Incomplete {
	type seen struct {
		count int
		first string
	}
	kinds := map[string]*seen{}
	for _, o := range objects {
		if kind := gvk(o.APIVersion, o.Kind); o.Typed != nil || newTyped(kind) != nil || readCustom(kind.Group, kind.Kind) {
			continue
		}
		name := "kind " + o.Kind + "/" + o.APIVersion
		if kinds[name] == nil {
			kinds[name] = &seen{first: place(o.Position.File, o.Position.Line)}
		}
		kinds[name].count++
	}
	lines := make([]model.Incomplete, 0, len(kinds))
	for name, k := range kinds {
		if slices.ContainsFunc(told, func(i model.Incomplete) bool { return i.What == name }) {
			continue
		}
		lines = append(lines, model.Incomplete{What: name, Why: fmt.Sprintf("not known: kept, not judged (%d, first at %s)", k.count, k.first)})
	}
	return lines
}
