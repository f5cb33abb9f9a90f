package raw

import (
	"fmt"
	"maps"
	"slices"
)

// Fields are the names that an object may have, each with those of the objects
// that it holds, by itself or in a list; nil stands for whatever.
type Fields map[string]Fields

// Selector are the fields of a label selector.
var Selector = Fields{"matchLabels": nil, "matchExpressions": Names("key", "operator", "values")}

// Names are fields that hold whatever.
func Names(names ...string) Fields {
	known := Fields{}
	for _, name := range names {
		known[name] = nil
	}
	return known
}

// Stray is the first field, as "spec.ingress[0].form", that has a value and is
// not among those known; "" where there is none. A server would refuse an
// object with such a field or drop it, and one of a later version would heed
// it: what the object says isn't known. Deeper than known goes, nothing is looked at.
func Stray(path string, value any, known Fields) string {
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			below, is := known[name]
			switch {
			case v[name] == nil:
			case !is:
				return path + "." + name
			case below != nil:
				if found := Stray(path+"."+name, v[name], below); found != "" {
					return found
				}
			}
		}
	case []any:
		for i, item := range v {
			if found := Stray(fmt.Sprintf("%s[%d]", path, i), item, known); found != "" {
				return found
			}
		}
	}
	return ""
}
