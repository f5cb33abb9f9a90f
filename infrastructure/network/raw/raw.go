// Package raw decodes the specs of custom kinds, which package kube keeps as
// they were read, into the structs of those who know them.
package raw

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
)

// Spec fills spec, a pointer to a struct with JSON names, from an object's spec.
// An object without one leaves it as it is.
func Spec(o *kube.Object, spec any) error {
	found, has := o.Raw["spec"]
	if !has || found == nil {
		return nil
	}
	text, err := json.Marshal(found)
	if err != nil {
		return fmt.Errorf("spec: %w", err)
	}
	if err := json.Unmarshal(text, spec); err != nil {
		return fmt.Errorf("spec: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	return nil
}

// Unknown lists the fields of a JSON object that have a value and are not among
// known, names with spaces between. For UnmarshalJSON of what must not be taken
// for wider than it is.
func Unknown(data []byte, known string) []string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(data, &fields) != nil {
		return nil // told by who decodes it
	}
	names := strings.Fields(known)
	var unknown []string
	for name, value := range fields {
		if !slices.Contains(names, name) && !bytes.Equal(value, []byte("null")) {
			unknown = append(unknown, name)
		}
	}
	sort.Strings(unknown)
	return unknown
}
