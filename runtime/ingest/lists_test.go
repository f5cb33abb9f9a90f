package ingest

import (
	"strings"
	"testing"
)

// TestNamesList: the search for keys of lists rests on how they end.
func TestNamesList(t *testing.T) {
	for _, key := range listKeys {
		if !strings.HasSuffix(key, "s") {
			t.Errorf("%s doesn't end in s", key)
		}
		for _, text := range []string{`{"a":1,"` + key + `":[]}`, `{"pods":"s","` + key + `" : []}`, `"` + key + `"`} {
			if !namesList([]byte(text)) {
				t.Errorf("%s names a list", text)
			}
		}
	}
	for _, text := range []string{``, `s"`, `{"item":[]}`, `{"myitems":[]}`, `{"items:[]}`, `items"`, `{"a":"items\""}`} {
		if namesList([]byte(text)) {
			t.Errorf("%s names no list", text)
		}
	}
}
