package kube

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/scantling/scantling/model"
)

// decode adds the objects of one page and returns the token of the next, ""
// after the last.
func (k served) decode(r *reading, body []byte) (next string, err error) {
	defer func() {
		// A fault of a decoder on a hostile answer must cost one kind, not the run.
		if fault := recover(); fault != nil {
			err = fmt.Errorf("not readable: the decoder gave up (%v)", fault)
		}
	}()
	switch {
	case k.form == bare:
		return k.decodeTable(r, body)
	case k.form == typed && newTyped(gvk(k.apiVersion(), k.kind)) != nil && k.current():
		return k.decodeTyped(r, body)
	}
	return k.decodeJSON(r, body)
}

// current is true where the type of this very version is the one that judges
// read; others go through JSON, as manifests of them do.
func (k served) current() bool {
	_, retired := currentVersion[gvk(k.apiVersion(), k.kind)]
	return !retired && k.version == "v1"
}

// decodeTyped takes protobuf, or JSON where the server has nothing else.
func (k served) decodeTyped(r *reading, body []byte) (string, error) {
	decoded, found, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil)
	if err != nil {
		return "", fmt.Errorf("not readable: %w", err)
	}
	if found.Kind != k.kind+"List" { // one without items would say that there are none
		return "", fmt.Errorf("not readable: a %s in place of %s", found.Kind, k.resource)
	}
	page, err := meta.ListAccessor(decoded)
	if err != nil {
		return "", fmt.Errorf("not readable: %w", err)
	}
	items, err := meta.ExtractList(decoded)
	if err != nil {
		return "", fmt.Errorf("not readable: %w", err)
	}
	want := reflect.TypeOf(newTyped(gvk(k.apiVersion(), k.kind)))
	for _, item := range items {
		if reflect.TypeOf(item) != want {
			return "", fmt.Errorf("not readable: a %T among %s", item, k.resource)
		}
		named := item.(metav1.Object) // every kind of the table has metadata
		item.GetObjectKind().SetGroupVersionKind(gvk(k.apiVersion(), k.kind))
		prune(item)
		r.read++
		r.objects = append(r.objects, r.lean.keep(&Object{
			APIVersion: k.apiVersion(), Kind: k.kind, Namespace: named.GetNamespace(), Name: named.GetName(), Typed: item,
			Position: model.Position{File: k.position(named.GetNamespace(), named.GetName())},
		}))
	}
	return page.GetContinue(), nil
}

// decodeJSON takes objects as a file would give them.
func (k served) decodeJSON(r *reading, body []byte) (string, error) {
	scanned := scanJSON("", body)
	if len(scanned.incomplete) > 0 || len(scanned.docs) != 1 {
		return "", errors.New("not readable as a list in JSON")
	}
	raw := scanned.docs[0].raw
	items, isList := raw["items"].([]any)
	if kind, _ := raw["kind"].(string); !isList && (raw["items"] != nil || !strings.HasSuffix(kind, "List")) {
		return "", errors.New("not readable: no list in the answer")
	}
	for _, item := range items {
		m, isMap := item.(map[string]any)
		if !isMap {
			return "", errors.New("not readable: a list item that is no object")
		}
		k.take(r, m)
	}
	metadata, _ := raw["metadata"].(map[string]any)
	next, _ := metadata["continue"].(string)
	return next, nil
}

// take adds one object of the kind.
func (k served) take(r *reading, raw map[string]any) {
	raw["apiVersion"], raw["kind"] = k.apiVersion(), k.kind
	metadata, _ := raw["metadata"].(map[string]any)
	namespace, _ := metadata["namespace"].(string)
	name, _ := metadata["name"].(string)
	pruneRaw(metadata)
	r.object(k.position(namespace, name), 0, raw)
}

// secretType is the column of the table of Secrets that is read.
const secretType = "Type"

// table is a page without values: the server's table, each row with the
// object's metadata, or a PartialObjectMetadataList. In the latter the type
// of a Secret is missing, and with it which Secrets hold a token.
type table struct {
	Kind     string          `json:"kind"`
	Metadata metav1.ListMeta `json:"metadata"`
	Columns  []struct {
		Name string `json:"name"`
	} `json:"columnDefinitions"`
	Rows []struct {
		Cells  []any          `json:"cells"`
		Object map[string]any `json:"object"`
	} `json:"rows"`
	Items []map[string]any `json:"items"`
}

func (k served) decodeTable(r *reading, body []byte) (string, error) {
	var t table
	if err := json.Unmarshal(body, &t); err != nil {
		return "", fmt.Errorf("not readable as a table: %w", err)
	}
	switch t.Kind {
	case "PartialObjectMetadataList":
		for _, item := range t.Items {
			k.take(r, map[string]any{"metadata": item["metadata"]})
		}
		if len(t.Items) > 0 && r.partly == "" {
			r.partly = "read without their types: which of them hold a token isn't known"
			r.incomplete = append(r.incomplete, model.Incomplete{What: "list " + k.name(), Why: r.partly})
		}
	case "Table":
		column := -1
		for i, c := range t.Columns {
			if c.Name == secretType {
				column = i
			}
		}
		for _, row := range t.Rows {
			if column < 0 || column >= len(row.Cells) {
				return "", errors.New("not readable: a table without types")
			}
			k.take(r, map[string]any{"metadata": row.Object["metadata"], "type": row.Cells[column]})
		}
	default:
		return "", fmt.Errorf("not readable: %q in place of a table", t.Kind)
	}
	return t.Metadata.Continue, nil
}

// lastApplied is the annotation in which kubectl apply repeats an object.
const lastApplied = "kubectl.kubernetes.io/last-applied-configuration"

func pruneRaw(metadata map[string]any) {
	delete(metadata, "managedFields")
	if annotations, isMap := metadata["annotations"].(map[string]any); isMap {
		delete(annotations, lastApplied)
	}
}

// plain is the object as data.
func plain(o runtime.Object) map[string]any {
	raw, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil { // no type of the table has a field that can't be
		return map[string]any{}
	}
	return tight(raw).(map[string]any)
}

// tight has no room but for what is there: the converter makes each map for all
// fields of its type, of which most objects have few.
func tight(v any) any {
	switch t := v.(type) {
	case map[string]any:
		m := make(map[string]any, len(t))
		for k, x := range t {
			m[k] = tight(x)
		}
		return m
	case []any:
		for i := range t {
			t[i] = tight(t[i])
		}
	}
	return v
}
