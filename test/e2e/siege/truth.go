package siege

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"time"
)

// Truth is what the script knows of a recording.
type Truth struct {
	From, To time.Time
	Seed     uint64
	Attacks  []string               // in the order of their begin
	Twins    []string               // that were played, sorted, each once
	Marks    map[string]Mark        // by audit id
	Made     []Made                 // objects that controllers act upon
	Answers  map[string]map[int]int // of the background, by user and code; -1: no answer
}

// Mark tells whose a request was.
type Mark struct {
	Attack     string   `json:",omitempty"` // or
	Twin       string   `json:",omitempty"`
	Step       string   // in words
	Techniques []string `json:",omitempty"` // ATT&CK ids that an analyst would accept for the step; none: the step shows nothing
	Time       time.Time
}

// Made is an object of an attack or twin. Controllers name what they make of it
// by its name and a dash; what they do to those is a consequence. So is what an
// attack's binding allows to others: the API server logs which one did.
type Made struct {
	Of              Mark
	Namespace, Name string
}

func (t Truth) write(path string) error {
	text, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}

// ReadTruth reads the truth of a recording.
func ReadTruth(path string) (Truth, error) {
	var t Truth
	text, err := os.ReadFile(path)
	if err != nil {
		return t, err
	}
	return t, json.Unmarshal(text, &t)
}

// consequence tells of whose work a request is a consequence: by the object, or
// by the reason for which it was allowed.
func (t Truth) consequence(namespace, name, reason string) (Mark, bool) {
	for _, m := range t.Made {
		byName := name == m.Name || strings.HasPrefix(name, m.Name+"-")
		if m.Namespace == namespace && byName || strings.Contains(reason, fmt.Sprintf("Binding %q", m.Name)) {
			return m.Of, true
		}
	}
	return Mark{}, false
}
