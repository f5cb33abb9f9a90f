package kube

import (
	"fmt"
	"math"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"

	"github.com/scantling/scantling/model"
)

// reading collects what the files give, in the order of the files.
type reading struct {
	objects    []*Object
	incomplete []model.Incomplete
	read       int
	skipped    int

	lean   *lean   // nil where objects are kept as they are
	origin *Origin // of a snapshot's file
	gaps   int     // how many of incomplete the snapshot's maker told
	partly string  // why a kind was read in part, so that it is said once
}

func (r *reading) fail(file string, line int, format string, args ...any) {
	r.incomplete = append(r.incomplete, model.Incomplete{What: place(file, line), Why: fmt.Sprintf(format, args...)})
}

func isObject(raw map[string]any) bool {
	version, _ := raw["apiVersion"].(string)
	kind, _ := raw["kind"].(string)
	return version != "" && kind != ""
}

// document takes one document: an object or a list of them. It is false when
// the document is neither.
func (r *reading) document(file string, d document) bool {
	kind, _ := d.raw["kind"].(string)
	items, isList := d.raw["items"].([]any)
	if !isList || (kind != "" && !strings.HasSuffix(kind, "List")) {
		if !isObject(d.raw) {
			return false
		}
		if r.kindCluster(file, d) {
			return true
		}
		if strings.HasSuffix(kind, "List") && d.raw["items"] == nil && d.raw["spec"] == nil {
			return true // an empty list
		}
		r.object(file, d.line, d.raw)
		return true
	}
	ours := len(items) == 0 || isObject(d.raw)
	version, _ := d.raw["apiVersion"].(string)
	for i, item := range items {
		line := d.line
		if i < len(d.itemLines) {
			line = d.itemLines[i]
		}
		raw, isMap := item.(map[string]any)
		if isMap && kind != "List" && kind != "" {
			inherit(raw, "kind", strings.TrimSuffix(kind, "List"))
			inherit(raw, "apiVersion", version)
		}
		switch {
		case isObject(raw):
			ours = true
			r.item(file, line, raw)
		case ours:
			r.fail(file, line, "a list item that is no Kubernetes object: apiVersion and kind are missing")
		}
	}
	return ours
}

// item takes one item of a list, which may be a list itself. Its own items
// have no lines of their own; nesting is bounded by maxDepth.
func (r *reading) item(file string, line int, raw map[string]any) {
	kind, _ := raw["kind"].(string)
	if _, nested := raw["items"].([]any); nested && strings.HasSuffix(kind, "List") {
		r.document(file, document{raw: raw, line: line})
		return
	}
	r.object(file, line, raw)
}

func inherit(raw map[string]any, key, value string) {
	if s, _ := raw[key].(string); s == "" && value != "" {
		raw[key] = value
	}
}

// object makes one Object of a decoded document.
func (r *reading) object(file string, line int, raw map[string]any) {
	version, _ := raw["apiVersion"].(string)
	kind, _ := raw["kind"].(string)
	id := gvk(version, kind)
	if notClusterObjects[id.Group] {
		r.skipped++
		return
	}
	r.read++
	if id.Group == "" && kind == "Secret" {
		dropSecretValues(raw)
	}
	o := &Object{APIVersion: version, Kind: kind, Raw: raw, Position: model.Position{File: file, Line: line}}
	typed := newTyped(id)
	o.Name = o.metaString("name")
	if o.Name == "" {
		o.Name = o.metaString("generateName")
	}
	if o.Name == "" && typed != nil {
		r.fail(file, line, "%s without metadata.name: not read", kind)
		return
	}
	o.Namespace = o.metaString("namespace")
	switch {
	case clusterScoped[kind]:
		o.Namespace = ""
	case o.Namespace == "" && typed != nil:
		o.Namespace = "default"
	}
	if typed != nil {
		if err := decodeTyped(raw, typed); err != nil {
			r.misfit(file, line, fmt.Sprintf("%s %s doesn't fit its type: %v: kept, not judged", kind, o.Name, err))
		} else {
			if named, is := typed.(metav1.Object); is {
				named.SetNamespace(o.Namespace)
			}
			o.Typed = typed
		}
	}
	r.objects = append(r.objects, r.lean.keep(o))
}

// misfit names an object that doesn't fit its type, unless the maker of the
// snapshot that it is from has done so.
func (r *reading) misfit(file string, line int, why string) {
	if !slices.ContainsFunc(r.incomplete[:r.gaps], func(i model.Incomplete) bool { return i.Why == why }) {
		r.fail(file, line, "%s", why)
	}
}

// dropSecretValues keeps the names of a Secret's entries and empties their
// values, and drops the annotation in which kubectl repeats them.
func dropSecretValues(raw map[string]any) {
	for _, field := range []string{"data", "stringData"} {
		entries, isMap := raw[field].(map[string]any)
		if !isMap {
			delete(raw, field)
			continue
		}
		for name := range entries {
			entries[name] = ""
		}
	}
	if meta, isMap := raw["metadata"].(map[string]any); isMap {
		if annotations, isMap := meta["annotations"].(map[string]any); isMap {
			delete(annotations, lastApplied)
		}
	}
}

// decodeTyped fills typed from raw. The quick way doesn't notice numbers that
// don't fit and names no field in its errors: then JSON is the way.
func decodeTyped(raw map[string]any, typed runtime.Object) error {
	if !unusualNumbers(raw) {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, typed); err == nil {
			typed.GetObjectKind().SetGroupVersionKind(schema.FromAPIVersionAndKind(raw["apiVersion"].(string), raw["kind"].(string)))
			return nil
		}
	}
	text, err := json.Marshal(raw)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, typed); err != nil {
		return fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// unusualNumbers reports whether v holds a fraction or an integer that doesn't
// fit 32 bits, which is what most fields of the API are.
func unusualNumbers(v any) bool {
	switch t := v.(type) {
	case map[string]any:
		for _, x := range t {
			if unusualNumbers(x) {
				return true
			}
		}
	case []any:
		for _, x := range t {
			if unusualNumbers(x) {
				return true
			}
		}
	case int64:
		return t > math.MaxInt32 || t < math.MinInt32
	case float64:
		return true
	}
	return false
}

// data is Raw, or what it would be.
func (o *Object) data() map[string]any {
	if o.Raw == nil && o.Typed != nil {
		return plain(o.Typed)
	}
	return o.Raw
}

func (o *Object) meta() map[string]any {
	raw := o.Raw
	if named, is := o.Typed.(metav1.Object); is && raw == nil {
		raw = plain(&metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
			Name: named.GetName(), GenerateName: named.GetGenerateName(), Namespace: named.GetNamespace(), UID: named.GetUID(),
			Labels: named.GetLabels(), Annotations: named.GetAnnotations(),
		}})
	}
	m, _ := raw["metadata"].(map[string]any)
	return m
}

func (o *Object) metaString(field string) string {
	s, _ := o.meta()[field].(string)
	return s
}

// UID returns metadata.uid, empty in manifests.
func (o *Object) UID() string {
	if named, is := o.Typed.(metav1.Object); is && o.Raw == nil {
		return string(named.GetUID())
	}
	return o.metaString("uid")
}

// Labels returns a copy of metadata.labels.
func (o *Object) Labels() map[string]string { return stringMap(o.meta()["labels"]) }

// Annotations returns a copy of metadata.annotations.
func (o *Object) Annotations() map[string]string { return stringMap(o.meta()["annotations"]) }

// String is "Kind namespace/name", or "Kind name" without a namespace.
func (o *Object) String() string {
	if o.Namespace == "" {
		return o.Kind + " " + o.Name
	}
	return o.Kind + " " + o.Namespace + "/" + o.Name
}

func stringMap(v any) map[string]string {
	m, _ := v.(map[string]any)
	out := make(map[string]string, len(m))
	for k, x := range m {
		if s, isString := x.(string); isString {
			out[k] = s
		}
	}
	return out
}

// owner is one entry of metadata.ownerReferences.
type owner struct{ kind, name string }

// controllerOwner returns the owner that controls o: the reference marked so,
// else the first. A Node owns mirror pods without being a workload.
func (o *Object) controllerOwner() (owner, bool) {
	if named, is := o.Typed.(metav1.Object); is && o.Raw == nil {
		return controllerOf(o.Kind, named.GetOwnerReferences())
	}
	refs, _ := o.meta()["ownerReferences"].([]any)
	var found []owner
	for _, ref := range refs {
		m, _ := ref.(map[string]any)
		kind, _ := m["kind"].(string)
		name, _ := m["name"].(string)
		controls, _ := m["controller"].(bool)
		if kind == "" && controls {
			kind = o.Kind // manifests leave it out: what has one controller is still one workload
		}
		if kind == "" || name == "" || kind == "Node" {
			continue
		}
		if controls {
			return owner{kind, name}, true
		}
		found = append(found, owner{kind, name})
	}
	if len(found) == 0 {
		return owner{}, false
	}
	return found[0], true
}

// controllerOf is the same for an object without Raw.
func controllerOf(kind string, refs []metav1.OwnerReference) (owner, bool) {
	var first owner
	for _, ref := range refs {
		if ref.Kind == "" && ref.Controller != nil && *ref.Controller {
			ref.Kind = kind
		}
		switch {
		case ref.Kind == "" || ref.Name == "" || ref.Kind == "Node":
		case ref.Controller != nil && *ref.Controller:
			return owner{ref.Kind, ref.Name}, true
		case first == (owner{}):
			first = owner{ref.Kind, ref.Name}
		}
	}
	return first, first != (owner{})
}
