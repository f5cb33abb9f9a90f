package config

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
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
				problems = append(problems, fmt.Errorf("%s:%d: unknown key %q: the nearest is %q", file, key.Line, key.Value, nearest(key.Value, fields)))
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

// nearest is the key of least edit distance, the first by name where equal.
func nearest(word string, fields map[string]reflect.Type) string {
	best, least := "", 1<<30
	for key := range fields {
		d := distance(strings.ToLower(word), strings.ToLower(key))
		if d < least || d == least && key < best {
			best, least = key, d
		}
	}
	return best
}

// distance is the Levenshtein distance in bytes.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(diagonal+cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
