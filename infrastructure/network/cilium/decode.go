package cilium

import (
	"fmt"
	"slices"
	"strings"
)

// object is one map of a document, with the path that leads to it.
type object struct {
	path   string
	fields map[string]any
}

func asObject(path string, v any) (object, error) {
	fields, is := v.(map[string]any)
	if !is {
		return object{}, fmt.Errorf("%s is no object", path)
	}
	return object{path, fields}, nil
}

func (o object) at(field string) string {
	if o.path == "" {
		return field
	}
	return o.path + "." + field
}

// object returns a field that holds an object. As in the API, null is absent.
func (o object) object(field string) (value object, present bool, err error) {
	v := o.fields[field]
	if v == nil {
		return object{}, false, nil
	}
	value, err = asObject(o.at(field), v)
	return value, err == nil, err
}

// list returns a field that holds a list, which may be present and empty.
func (o object) list(field string) (value []any, present bool, err error) {
	v := o.fields[field]
	if v == nil {
		return nil, false, nil
	}
	value, is := v.([]any)
	if !is {
		return nil, false, fmt.Errorf("%s is no list", o.at(field))
	}
	return value, true, nil
}

// objects returns a field that holds a list of objects.
func (o object) objects(field string) (value []object, present bool, err error) {
	list, present, err := o.list(field)
	for i, v := range list {
		item, err := asObject(fmt.Sprintf("%s[%d]", o.at(field), i), v)
		if err != nil {
			return nil, false, err
		}
		value = append(value, item)
	}
	return value, present, err
}

// texts returns a field that holds a list of strings.
func (o object) texts(field string) (value []string, present bool, err error) {
	list, present, err := o.list(field)
	for i, v := range list {
		text, is := v.(string)
		if !is {
			return nil, false, fmt.Errorf("%s[%d] is no string", o.at(field), i)
		}
		value = append(value, text)
	}
	return value, present, err
}

// text returns a field that holds a string, "" where it is absent.
func (o object) text(field string) (string, error) {
	v := o.fields[field]
	if v == nil {
		return "", nil
	}
	text, is := v.(string)
	if !is {
		return "", fmt.Errorf("%s is no string", o.at(field))
	}
	return text, nil
}

// flag returns a field that holds true or false, otherwise where it is absent.
func (o object) flag(field string, otherwise bool) (bool, error) {
	v := o.fields[field]
	if v == nil {
		return otherwise, nil
	}
	value, is := v.(bool)
	if !is {
		return false, fmt.Errorf("%s is neither true nor false", o.at(field))
	}
	return value, nil
}

// number returns a field that holds an integer, 0 where it is absent.
func (o object) number(field string) (int, error) {
	v := o.fields[field]
	if v == nil {
		return 0, nil
	}
	value, is := v.(int64)
	if !is || value < 0 || value > maxPort {
		return 0, fmt.Errorf("%s is no number from 0 to %d", o.at(field), maxPort)
	}
	return int(value), nil
}

// unknown names a field that is not among those known (separated by spaces),
// "" where there is none.
func (o object) unknown(known string) string {
	names := strings.Fields(known)
	first := ""
	for field, v := range o.fields {
		if v != nil && !slices.Contains(names, field) && (first == "" || field < first) {
			first = field
		}
	}
	if first == "" {
		return ""
	}
	return fmt.Sprintf("the field %s, which is not known, counts", o.at(short(first)))
}

// maxText is how many characters of foreign text a message repeats.
const maxText = 80

func short(text string) string {
	if len(text) <= maxText {
		return text
	}
	return strings.ToValidUTF8(text[:maxText], "") + "…"
}
