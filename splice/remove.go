package splice

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

// remove takes out the key or the item at a path. An item that was the last
// of its list takes the list's key with it.
func (e *editor) remove(p path) error {
	parent, err := e.at(p[:len(p)-1])
	if err != nil {
		return err
	}
	if i, ok := p[len(p)-1].(int); ok {
		if len(parent.Content) == 1 {
			return e.remove(p[:len(p)-1])
		}
		if parent.Style&yaml.FlowStyle != 0 {
			return e.cutFlow(parent.Content, i, 1)
		}
		return e.removeItem(parent.Content[i])
	}
	key, value := pair(parent, p[len(p)-1].(string))
	switch {
	case value == nil:
		return fmt.Errorf("%v is not there", p)
	case parent.Style&yaml.FlowStyle != 0:
		for i, n := range parent.Content {
			if n == key {
				return e.cutFlow(parent.Content, i, 2)
			}
		}
	}
	at, err := e.offset(key)
	if err != nil {
		return err
	}
	start := e.lineStart(at)
	if strings.Trim(string(e.text[start:at]), " ") != "" {
		return fmt.Errorf("line %d: a key that shares its line is not removed", key.Line)
	}
	end, err := e.blockEnd(key, value)
	if err != nil {
		return err
	}
	e.replace(start, end, "")
	return nil
}

// removeItem takes out the lines of one item in block style.
func (e *editor) removeItem(item *yaml.Node) error {
	at, err := e.offset(item)
	if err != nil {
		return err
	}
	start := e.lineStart(at)
	lead := string(e.text[start:at])
	dash := strings.IndexByte(lead, '-')
	if dash < 0 || strings.Trim(lead[:dash], " ") != "" || strings.Trim(lead[dash+1:], " ") != "" {
		return fmt.Errorf("line %d: an item that shares its line, or whose dash stands above it, is not removed", item.Line)
	}
	e.replace(start, e.linesEnd(at, dash, false), "")
	return nil
}

// cutFlow takes n nodes out of a collection in flow style, with one comma.
func (e *editor) cutFlow(nodes []*yaml.Node, i, n int) error {
	start, err := e.offset(nodes[i])
	if err != nil {
		return err
	}
	if i+n < len(nodes) {
		next, err := e.offset(nodes[i+n])
		if err != nil {
			return err
		}
		e.replace(start, next, "")
		return nil
	}
	last := nodes[i+n-1]
	at, err := e.offset(last)
	if err != nil {
		return err
	}
	end, err := e.tokenEnd(last, at)
	if err != nil {
		return err
	}
	for start > 0 && strings.IndexByte(" \t\r\n,", e.text[start-1]) >= 0 {
		start--
	}
	if start == 0 {
		return errors.New("a collection in flow style that is not edited")
	}
	e.replace(start, end, "")
	return nil
}
