package splice

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"
)

// MaxDocument is the size in bytes of the largest document that is edited:
// one object of a cluster has at most 1.5 MB.
const MaxDocument = 4 << 20

// Delete is the value of the key "$patch" that removes the item of a list
// which has the same name, as in a strategic merge patch of Kubernetes.
const Delete = "delete"

// mergeKeys are the lists whose items are told apart by one of their keys,
// with that key, as Kubernetes' strategic merge has them. Other lists are
// replaced as a whole.
var mergeKeys = map[string]string{"containers": "name", "initContainers": "name", "volumes": "name", "volumeMounts": "mountPath"}

// Merge applies a change to the mapping that begins at a line of text: keys
// are set, mappings merged, a null removes its key, and lists are merged by
// the keys of mergeKeys or else replaced. A list that loses its last item so
// goes with its key.
func Merge(text []byte, line int, change map[string]any) ([]byte, error) {
	e, at, err := open(text, line)
	if err != nil {
		return nil, err
	}
	want, err := e.value(at)
	if err != nil {
		return nil, err
	}
	if want, err = merged(want, change); err != nil {
		return nil, err
	}
	if err := e.merge(at, change); err != nil {
		return nil, err
	}
	return e.close(at, want)
}

// Remove takes out the document, or the item of a document's list "items",
// that begins at a line of text.
func Remove(text []byte, line int) ([]byte, error) {
	e, at, err := open(text, line)
	if err != nil {
		return nil, err
	}
	if len(at) == 0 {
		if more, err := e.documents(); err != nil || more != 1 {
			return nil, errors.New("documents that are not parted by --- are not edited")
		}
		return slices.Concat(text[:e.doc.Start], text[e.doc.End:]), nil
	}
	want, err := e.value(nil)
	if err != nil {
		return nil, err
	}
	items, _ := want.(map[string]any)["items"].([]any)
	i := at[1].(int)
	rest := slices.Delete(slices.Clone(items), i, i+1)
	want.(map[string]any)["items"] = rest
	if len(rest) == 0 {
		delete(want.(map[string]any), "items")
	}
	if err := e.remove(at); err != nil {
		return nil, err
	}
	return e.close(nil, want)
}

// Append adds documents, which are YAML without a line "---" at their
// beginning, to the end of text.
func Append(text []byte, documents string) []byte {
	out := slices.Clone(text)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		out = append(out, '\n')
	}
	if len(Split(out)) > 0 {
		out = append(out, "---\n"...)
	}
	return append(out, documents...)
}

// Begins is the line on which the root of a document begins.
func Begins(text []byte, d Document) (int, error) {
	root, err := (&editor{text: text[d.Start:d.End]}).root()
	if err != nil {
		return 0, err
	}
	return d.Before + root.Line, nil
}

// oddLines are the ends of lines that YAML has besides LF and CRLF.
var oddLines = regexp.MustCompile(`\r[^\n]|\r$|[\x{85}\x{2028}\x{2029}]`)

// path leads from the root of a document to a node: keys and indexes.
type path []any

// editor holds one document of a text while it changes.
type editor struct {
	before, text, after []byte // text is the document
	doc                 Document
}

// open finds the mapping that begins at a line of text.
func open(text []byte, line int) (*editor, path, error) {
	for _, d := range Split(text) {
		e := &editor{before: text[:d.Start], text: text[d.Start:d.End], after: text[d.End:], doc: d}
		if line <= d.Before || line > d.Before+bytes.Count(e.text, []byte("\n"))+1 {
			continue
		}
		if len(e.text) > MaxDocument {
			return nil, nil, fmt.Errorf("a document of more than %d bytes is not edited", MaxDocument)
		}
		if oddLines.Match(e.text) {
			return nil, nil, errors.New("a document with line ends other than LF and CRLF is not edited")
		}
		root, err := e.root()
		if err != nil {
			return nil, nil, err
		}
		if root.Kind == yaml.MappingNode && root.Line+d.Before == line {
			return e, nil, nil
		}
		if items := child(root, "items"); items != nil && items.Kind == yaml.SequenceNode {
			for i, item := range items.Content {
				if item.Kind == yaml.MappingNode && item.Line+d.Before == line {
					return e, path{"items", i}, nil
				}
			}
		}
	}
	return nil, nil, fmt.Errorf("no mapping begins at line %d", line)
}

// close checks that the node at a path now has a value, and returns the text.
func (e *editor) close(at path, want any) ([]byte, error) {
	got, err := e.value(at)
	if err != nil {
		return nil, fmt.Errorf("the edit would not be readable: %w", err)
	}
	if !reflect.DeepEqual(got, want) {
		return nil, errors.New("its layout can't be edited without changing more")
	}
	return slices.Concat(e.before, e.text, e.after), nil
}

// merge makes the edits of a change, key by key in sorted order. Each is made
// on a fresh parse, so that positions are right.
func (e *editor) merge(at path, change map[string]any) error {
	for _, key := range slices.Sorted(maps.Keys(change)) {
		if key == "$patch" {
			continue
		}
		node, err := e.at(append(slices.Clip(at), key))
		if err != nil {
			return err
		}
		below := append(slices.Clip(at), key)
		switch v := change[key].(type) {
		case nil:
			if node != nil {
				err = e.remove(below)
			}
		case map[string]any:
			if node != nil && node.Kind == yaml.MappingNode {
				err = e.merge(below, v)
			} else {
				err = e.set(below, v)
			}
		case []any:
			if name, ok := mergeKeys[key]; ok && node != nil {
				err = e.mergeList(below, name, v)
			} else {
				err = e.set(below, v)
			}
		default:
			err = e.set(below, v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// mergeList merges a list whose items are told apart by a key.
func (e *editor) mergeList(at path, name string, items []any) error {
	for _, item := range items {
		change, ok := item.(map[string]any)
		if !ok {
			return fmt.Errorf("%v of the change has an item that is no mapping", at)
		}
		list, err := e.at(at)
		if err != nil || list == nil || list.Kind != yaml.SequenceNode {
			return fmt.Errorf("%v is no list here", at)
		}
		i := slices.IndexFunc(list.Content, func(n *yaml.Node) bool {
			k := child(n, name)
			return k != nil && k.Value == change[name]
		})
		if i < 0 {
			return fmt.Errorf("%v has no item with %s %v", at, name, change[name])
		}
		below := append(slices.Clip(at), i)
		if change["$patch"] == Delete {
			err = e.remove(below)
		} else {
			err = e.merge(below, change)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// merged is what merge should make of a value, computed on values alone.
func merged(old any, change map[string]any) (any, error) {
	m, ok := old.(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	m = maps.Clone(m)
	for key, v := range change {
		if key == "$patch" {
			continue
		}
		var err error
		switch v := v.(type) {
		case nil:
			delete(m, key)
		case map[string]any:
			m[key], err = merged(m[key], v)
		case []any:
			list, isList := m[key].([]any)
			if name, ok := mergeKeys[key]; ok && isList {
				if list, err = mergedList(list, name, v); len(list) == 0 {
					delete(m, key)
				} else {
					m[key] = list
				}
			} else {
				m[key] = v
			}
		default:
			m[key] = v
		}
		if err != nil {
			return nil, err
		}
	}
	return m, nil
}

func mergedList(list []any, name string, items []any) ([]any, error) {
	out := slices.Clone(list)
	for _, item := range items {
		change, _ := item.(map[string]any)
		i := slices.IndexFunc(out, func(v any) bool {
			m, ok := v.(map[string]any)
			return ok && m[name] == change[name]
		})
		if i < 0 {
			return nil, fmt.Errorf("no item with %s %v", name, change[name])
		}
		if change["$patch"] == Delete {
			out = slices.Delete(out, i, i+1)
			continue
		}
		v, err := merged(out[i], change)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}
