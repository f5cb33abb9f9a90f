package splice

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"go.yaml.in/yaml/v3"
)

// Bounds on reading one document.
const (
	maxDepth = 100     // of nesting; a CustomResourceDefinition stays under 60
	maxNodes = 500_000 // reached, through aliases too
)

// root parses the document as it is now.
func (e *editor) root() (root *yaml.Node, err error) {
	defer func() {
		// A fault of the parser on hostile text must be an error like any other.
		if r := recover(); r != nil {
			root, err = nil, fmt.Errorf("not readable as YAML: the parser gave up (%v)", r)
		}
	}()
	var node yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(e.text)).Decode(&node); err != nil {
		return nil, fmt.Errorf("not readable as YAML: %w", err)
	}
	if len(node.Content) == 0 {
		return nil, errors.New("an empty document")
	}
	return node.Content[0], nil
}

// documents counts those between the two "---": "..." may part more.
func (e *editor) documents() (n int, err error) {
	dec := yaml.NewDecoder(bytes.NewReader(e.text))
	for ; ; n++ {
		var node yaml.Node
		if err := dec.Decode(&node); errors.Is(err, io.EOF) {
			return n, nil
		} else if err != nil {
			return n, fmt.Errorf("not readable as YAML: %w", err)
		}
	}
}

// at is the node at a path, nil where the last key isn't there. A way through
// an alias is an error: an edit there would change other places, too.
func (e *editor) at(p path) (*yaml.Node, error) {
	n, err := e.root()
	if err != nil {
		return nil, err
	}
	for i, step := range p {
		var next *yaml.Node
		switch step := step.(type) {
		case string:
			if n.Kind != yaml.MappingNode {
				return nil, fmt.Errorf("%v is no mapping", p[:i])
			}
			next = child(n, step)
			if next == nil && child(n, "<<") != nil {
				return nil, fmt.Errorf("%v rests on a merge key (<<), which is not edited", p[:i])
			}
		case int:
			if n.Kind == yaml.SequenceNode && step < len(n.Content) {
				next = n.Content[step]
			}
		}
		switch {
		case next == nil && i < len(p)-1:
			return nil, fmt.Errorf("%v is not there", p[:i+1])
		case next == nil:
			return nil, nil
		case next.Kind == yaml.AliasNode:
			return nil, fmt.Errorf("%v is an alias, which is not edited", p[:i+1])
		}
		n = next
	}
	return n, nil
}

// child is the value of a key of a mapping, nil where it has none.
func child(n *yaml.Node, key string) *yaml.Node {
	if _, v := pair(n, key); v != nil {
		return v
	}
	return nil
}

func pair(n *yaml.Node, key string) (k, v *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind == yaml.ScalarNode && n.Content[i].Value == key {
			return n.Content[i], n.Content[i+1]
		}
	}
	return nil, nil
}

// value decodes the node at a path.
func (e *editor) value(p path) (any, error) {
	n, err := e.at(p)
	if err != nil {
		return nil, err
	}
	if n == nil {
		return nil, fmt.Errorf("%v is not there", p)
	}
	left := maxNodes
	return decoded(n, 0, &left)
}

func decoded(n *yaml.Node, depth int, left *int) (any, error) {
	if *left--; *left < 0 || depth > maxDepth {
		return nil, errors.New("nested deeper or larger than what is edited")
	}
	switch n.Kind {
	case yaml.AliasNode:
		return decoded(n.Alias, depth+1, left)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			v, err := decoded(c, depth+1, left)
			if err != nil {
				return nil, err
			}
			list[i] = v
		}
		return list, nil
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			if _, twice := m[key]; twice || n.Content[i].Kind != yaml.ScalarNode {
				return nil, fmt.Errorf("line %d: a key that stands twice or is no scalar", n.Content[i].Line)
			}
			v, err := decoded(n.Content[i+1], depth+1, left)
			if err != nil {
				return nil, err
			}
			m[key] = v
		}
		return m, nil
	}
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, fmt.Errorf("line %d: a value that can't be read: %w", n.Line, err)
	}
	return v, nil
}
