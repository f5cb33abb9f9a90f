package config

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
)

// unknownKeys walks a document beside the struct that it is decoded into and
// reports every key that the struct doesn't have, with line and nearest key.
func unknownKeys(file string, node *yaml.Node, into any) []error {
	return walk(file, node, reflect.TypeOf(into), 0)
}

// maxDepth is far more than the struct nests.
const maxDepth = 16

func walk(file string, node *yaml.Node, t reflect.Type, depth int) []error {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if depth > maxDepth {
		return nil
	}
	var problems []error
	switch {
	case node.Kind == yaml.SequenceNode && t.Kind() == reflect.Slice:
		for _, item := range node.Content {
			problems = append(problems, walk(file, item, t.Elem(), depth+1)...)
		}
	case node.Kind == yaml.MappingNode && t.Kind() == reflect.Struct:
		fields := fieldsOf(t)
		for i := 0; i+1 < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			field, ok := fields[key.Value]
			if !ok {
				problems = append(problems, fmt.Errorf("%s:%d: unknown key %q: %s", file, key.Line, key.Value, hint(key.Value, fields)))
				continue
			}
			problems = append(problems, walk(file, value, field, depth+1)...)
		}
	}
	return problems
}

// fieldsOf maps the keys that a struct takes to their types.
func fieldsOf(t reflect.Type) map[string]reflect.Type {
	out := map[string]reflect.Type{}
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("yaml"); tag != "" {
			out[tag] = t.Field(i).Type
		}
	}
	return out
}

// hint names the nearest key, or all where none is near.
func hint(word string, fields map[string]reflect.Type) string {
	keys := slices.Sorted(maps.Keys(fields))
	if near := model.Nearest(word, keys); near != "" {
		return fmt.Sprintf("the nearest is %q", near)
	}
	return "there is " + strings.Join(keys, ", ")
}
