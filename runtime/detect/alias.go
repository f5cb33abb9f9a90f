package detect

import (
	"errors"
	"slices"

	"go.yaml.in/yaml/v3"
)

// Bounds of one document: what its aliases stand for is counted each time.
const (
	maxYAML      = 200_000 // nodes
	maxYAMLDepth = 64
)

// follow replaces the aliases of a document by what they stand for, and merge
// keys by what they bring. Of a key that a mapping has itself, its own counts.
func follow(doc *yaml.Node) error {
	room := maxYAML
	return followed(doc, &room, 0)
}

func followed(n *yaml.Node, room *int, depth int) error {
	if *room--; *room < 0 || depth > maxYAMLDepth {
		return errors.New("the document is too large or too deep, aliases followed")
	}
	for i, kid := range n.Content {
		if kid.Kind == yaml.AliasNode {
			// A problem is told at the alias; what it stands for may be changed
			// apart from its other uses.
			stands := *kid.Alias
			stands.Content, stands.Line = slices.Clone(stands.Content), kid.Line
			kid = &stands
			n.Content[i] = kid
		}
		if err := followed(kid, room, depth+1); err != nil {
			return err
		}
	}
	if n.Kind == yaml.MappingNode {
		return merged(n)
	}
	return nil
}

// merged puts what a mapping's merge keys bring behind its own keys.
func merged(n *yaml.Node) error {
	var own, brought []*yaml.Node
	has := map[string]bool{}
	for k, v := range pairs(n) {
		if k.Tag == "!!merge" {
			brought = append(brought, v)
			continue
		}
		own, has[k.Value] = append(own, k, v), true
	}
	for len(brought) > 0 {
		from := brought[0]
		brought = brought[1:]
		switch from.Kind {
		case yaml.SequenceNode:
			brought = append(slices.Clone(from.Content), brought...)
		case yaml.MappingNode:
			for k, v := range pairs(from) {
				if !has[k.Value] {
					own, has[k.Value] = append(own, k, v), true
				}
			}
		default:
			return errors.New("a merge key << takes a mapping, or a list of them")
		}
	}
	n.Content = own
	return nil
}
