package kube

import (
	"fmt"
	"slices"
)

// With is the snapshot as it would be read after a change of some objects:
// each in changed is replaced by its new document, or gone where that is nil,
// and those in added come on top. The documents become the snapshot's own;
// objects that stay are shared. The error names a document that doesn't fit
// its type.
func (s *Snapshot) With(changed map[*Object]map[string]any, added []map[string]any) (*Snapshot, error) {
	r := reading{read: s.Read, skipped: s.Skipped, origin: s.Origin}
	for _, o := range s.Objects {
		raw, is := changed[o]
		switch {
		case !is:
			kept := *o // assembling may give it a Raw
			r.objects = append(r.objects, &kept)
		case raw != nil:
			at := len(r.objects)
			r.object(o.Position.File, o.Position.Line, raw)
			if len(r.objects) > at {
				r.objects[at].Rendered = o.Rendered
			}
		}
	}
	for _, raw := range added {
		if !isObject(raw) {
			return nil, fmt.Errorf("changing a snapshot: a new document is no Kubernetes object")
		}
		r.object("", 0, raw)
	}
	if len(r.incomplete) > 0 {
		return nil, fmt.Errorf("changing a snapshot: %s", r.incomplete[0].Why)
	}
	r.read, r.skipped = s.Read, s.Skipped
	return assemble(s.Cluster, []reading{r}, slices.Clone(s.Incomplete)), nil
}

// Document is a copy of the object as it was written, to be changed.
func (o *Object) Document() map[string]any { return deepCopy(o.data()).(map[string]any) }

// deepCopy copies a decoded document.
func deepCopy(v any) any {
	switch t := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(t))
		for k, x := range t {
			out[k] = deepCopy(x)
		}
		return out
	case []any:
		out := make([]any, len(t))
		for i, x := range t {
			out[i] = deepCopy(x)
		}
		return out
	}
	return v
}
