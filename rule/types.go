package rule

import (
	"fmt"
	"reflect"
	"sort"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
)

// Type is the type of a variable that a stage gives to its rules. Values are
// plain Go data: bool, int64, float64, string, []any, map[string]any, and
// slices or maps of these.
type Type struct {
	cel    *cel.Type
	name   string          // of an object type
	fields map[string]Type // of an object type
	parts  []Type          // of a list or map
}

// Dyn is any value: fields are looked up when the rule runs.
func Dyn() Type { return Type{cel: cel.DynType} }

// Bool is true or false.
func Bool() Type { return Type{cel: cel.BoolType} }

// Int is an int64.
func Int() Type { return Type{cel: cel.IntType} }

// String is text.
func String() Type { return Type{cel: cel.StringType} }

// List is a list of one type.
func List(of Type) Type { return Type{cel: cel.ListType(of.cel), parts: []Type{of}} }

// Map maps text to one type.
func Map(of Type) Type { return Type{cel: cel.MapType(cel.StringType, of.cel), parts: []Type{of}} }

// Object is a map[string]any with named fields: a rule that names another
// field doesn't compile. A field that is absent from a value makes the
// verdict unknown unless has() guards it. name is unique in its Env.
func Object(name string, fields map[string]Type) Type {
	return Type{cel: cel.ObjectType(name), name: name, fields: fields}
}

// Unknown stands anywhere in a scope for a value that nobody knows. Whatever
// a rule can decide without it is decided; else the verdict is unknown for
// this reason. has() counts it as present.
type Unknown struct{ Reason string }

// unknownError carries the reason of an Unknown through an evaluation: CEL
// absorbs errors exactly where they don't matter (true || error is true).
type unknownError struct{ reason string }

func (e *unknownError) Error() string { return e.reason }

// provider answers the type checker about object types.
type provider struct {
	*types.Registry
	objects map[string]map[string]Type
}

func newProvider(all []Type) (*provider, error) {
	registry, err := types.NewRegistry()
	if err != nil {
		return nil, fmt.Errorf("making the type registry: %w", err)
	}
	p := &provider{Registry: registry, objects: map[string]map[string]Type{}}
	for _, t := range all {
		if err := p.add(t); err != nil {
			return nil, err
		}
	}
	return p, nil
}

func (p *provider) add(t Type) error {
	for _, part := range t.parts {
		if err := p.add(part); err != nil {
			return err
		}
	}
	if t.name == "" {
		return nil
	}
	if known, ok := p.objects[t.name]; ok {
		if !reflect.DeepEqual(known, t.fields) {
			return fmt.Errorf("object type %q is declared in two ways", t.name)
		}
		return nil
	}
	p.objects[t.name] = t.fields
	for _, f := range t.fields {
		if err := p.add(f); err != nil {
			return err
		}
	}
	return nil
}

// FindStructType implements types.Provider.
func (p *provider) FindStructType(name string) (*types.Type, bool) {
	if _, ok := p.objects[name]; ok {
		return types.NewTypeTypeWithParam(types.NewObjectType(name)), true
	}
	return p.Registry.FindStructType(name)
}

// FindStructFieldNames implements types.Provider.
func (p *provider) FindStructFieldNames(name string) ([]string, bool) {
	fields, ok := p.objects[name]
	if !ok {
		return p.Registry.FindStructFieldNames(name)
	}
	names := make([]string, 0, len(fields))
	for f := range fields {
		names = append(names, f)
	}
	sort.Strings(names)
	return names, true
}

// FindStructFieldType implements types.Provider. Without getters, values are
// read as the maps that they are.
func (p *provider) FindStructFieldType(name, field string) (*types.FieldType, bool) {
	fields, ok := p.objects[name]
	if !ok {
		return p.Registry.FindStructFieldType(name, field)
	}
	f, ok := fields[field]
	if !ok {
		return nil, false
	}
	return &types.FieldType{Type: f.cel}, true
}

// adapter turns plain Go data into CEL values, at every depth, and an Unknown
// into an error that carries its reason.
type adapter struct{ types.Adapter }

// NativeToValue implements types.Adapter.
func (a adapter) NativeToValue(value any) ref.Val {
	switch v := value.(type) {
	case Unknown:
		return types.WrapErr(&unknownError{v.Reason})
	case map[string]any:
		return types.NewStringInterfaceMap(a, v)
	case []any:
		return a.list(types.NewDynamicList(a, v), v)
	case []map[string]any:
		return types.NewDynamicList(a, v)
	case map[string]string, []string:
		return a.Adapter.NativeToValue(v)
	}
	switch reflect.ValueOf(value).Kind() {
	case reflect.Slice:
		if _, ok := value.(ref.Val); !ok {
			return types.NewDynamicList(a, value)
		}
	case reflect.Map:
		if _, ok := value.(ref.Val); !ok {
			return types.NewDynamicMap(a, value)
		}
	}
	return a.Adapter.NativeToValue(value)
}

// list guards a list that holds an Unknown: `x in list` would else be false.
func (a adapter) list(l traits.Lister, elements []any) ref.Val {
	for _, e := range elements {
		if u, ok := e.(Unknown); ok {
			return partialList{l, types.WrapErr(&unknownError{u.Reason})}
		}
	}
	return l
}

// partialList is a list of which an element is unknown.
type partialList struct {
	traits.Lister
	unknown ref.Val
}

// Contains is true if a known element is equal, else unknown.
func (l partialList) Contains(value ref.Val) ref.Val {
	if l.Lister.Contains(value) == types.True {
		return types.True
	}
	return l.unknown
}

// Equal is false where the lengths differ, else unknown.
func (l partialList) Equal(other ref.Val) ref.Val {
	o, ok := other.(traits.Lister)
	if !ok || o.Size() != l.Size() {
		return types.False
	}
	return l.unknown
}
