package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// schemas is where the shapes of all outputs are published.
const schemas = "../docs/schemas"

// schemaOf names the schema of each command's JSON.
var schemaOf = map[string]string{
	"assess": "assess", "plan": "assess", "demo": "assess", "why": "why",
	"lint": "findings", "cluster check": "findings", "image": "image",
	"cluster network list": "connections", "cluster network probe": "probes", "cluster network probe --matrix": "matrix",
	"cluster network diff":     "network-diff",
	"cluster identity who-can": "who-can", "cluster identity can": "can", "cluster identity report": "identities",
	"cluster paths": "paths", "cluster paths --compat": "compat", "detect run": "alert", "detect test": "trials", "detect coverage": "coverage", "detect outbox": "outbox", "detect watch": "alert",
	"rules list": "rules", "rules show": "rules", "rules test": "cases",
	"rules docs": "pages", "rules new": "new-rule",
	"advisories sync": "advisories", "advisories status": "advisories", "advisories export": "advisories", "advisories import": "advisories",
	"registry scan": "scan", "registry status": "index", "registry forget": "forgotten",
	"version": "version", "do": "do", "ci": "ci", "cluster snapshot": "snapshot", "cluster role": "role", "completion": "completion",
}

// loadSchemas compiles the published schemas. Published, they are open: keys
// may be added. Here they are closed, so that no key goes unpublished.
func loadSchemas() (map[string]*jsonschema.Schema, error) {
	files, err := filepath.Glob(schemas + "/*.json")
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("no schema below %s: %w", schemas, err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		closeObjects(doc)
		if err := c.AddResource("file:///"+filepath.Base(file), doc); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	out := map[string]*jsonschema.Schema{}
	for _, file := range files {
		name := filepath.Base(file)
		if out[strings.TrimSuffix(name, ".json")], err = c.Compile("file:///" + name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// closeObjects refuses unknown keys in every object that names its keys.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "$id") // the tests load them under names of their own
		if _, names := v["properties"].(map[string]any); names {
			v["additionalProperties"] = false
		}
		for _, x := range v {
			closeObjects(x)
		}
	case []any:
		for _, x := range v {
			closeObjects(x)
		}
	}
}

// validate holds one command's output against its schema; a command may print
// an object a line.
func validate(known map[string]*jsonschema.Schema, command, output string) error {
	schema := known[schemaOf[command]]
	if schema == nil {
		return fmt.Errorf("%q prints JSON and has no schema in %s", command, schemas)
	}
	dec := json.NewDecoder(strings.NewReader(output))
	dec.UseNumber()
	for {
		var doc any
		switch err := dec.Decode(&doc); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("%s: not JSON: %w", command, err)
		}
		if err := schema.Validate(doc); err != nil {
			return fmt.Errorf("%s: %w", command, err)
		}
	}
}

// leaves lists every command that does something, as "cluster check".
func leaves() map[string]bool {
	out := map[string]bool{}
	a := &app{}
	var visit func(path []string)
	root := a.root()
	visit = func(path []string) {
		cmd, _, err := root.Find(path)
		if err != nil {
			panic(err)
		}
		if !cmd.HasSubCommands() {
			out[strings.Join(path, " ")] = true
			return
		}
		for _, c := range cmd.Commands() {
			if c.Name() != "help" && !c.Hidden {
				visit(append(slices.Clone(path), c.Name()))
			}
		}
	}
	visit(nil)
	return out
}

// otherOutput are the flags with which a command prints another document.
var otherOutput = []string{" --matrix", " --compat"}

// commandOf is the command that arguments call, with a flag that makes
// another output; "" where they call none.
func commandOf(all map[string]bool, args []string) string {
	path := ""
	for i, word := range args {
		path = strings.TrimSpace(path + " " + word)
		if !all[path] {
			continue
		}
		for _, flag := range otherOutput {
			if slices.Contains(args[i:], flag[1:]) {
				return path + flag
			}
		}
		return path
	}
	return ""
}

// printsJSON reports whether a call that ended with code printed JSON.
func printsJSON(command string, args []string, code int) bool {
	i := slices.Index(args, "--format")
	asked := slices.Contains(args, "--format=json") || i >= 0 && i+1 < len(args) && args[i+1] == "json"
	ours := (command == "detect run" || command == "detect watch") && (i < 0 || asked) // its other formats have schemas of their own
	return code != exitFailed && code != exitUsage && !slices.Contains(args, "--help") && (asked || ours)
}

// codes are the exit codes that each command can end with, all of which a
// transcript shows.
var codes = map[string]string{
	"assess": "0 1 2 3 4", "plan": "0 1 2 3 4", "why": "0 1 2 4", "demo": "0 2",
	"lint": "0 1 2 3 4", "image": "0 1 2 3 4",
	"cluster check": "0 1 2 3 4", "cluster network list": "0 1 2 4", "cluster network probe": "0 1 2 4", "cluster network diff": "0 1 2 3 4", "cluster paths": "0 1 2 4",
	"cluster identity who-can": "0 1 2 4", "cluster identity can": "0 1 2 4", "cluster identity report": "0 1 2 4",
	"detect run":      "0 1 2 3 4",
	"detect test":     "0 1 2 3 4",
	"detect coverage": "0 1 2 3 4",
	"detect outbox":   "0 1 2 3",
	"detect watch":    "0 1 2 3 4",
	"advisories sync": "0 1 2 3 4", "advisories status": "0 1 2 4", "advisories export": "0 1 2 4", "advisories import": "0 1 2 3 4",
	"registry scan": "0 1 2 3 4", "registry status": "0 1 2 4", "registry forget": "0 1 2",
	"rules list": "0 2 4", "rules show": "0 2", "rules test": "0 2 3 4", "rules docs": "0 1 2 4", "rules new": "0 1 2 4", "version": "0 2",
	"do": "0 1 2", "ci": "0 1 2 3 4", "cluster snapshot": "0 1 2 4", "cluster role": "0 2", "completion": "0 2",
}

// TestEveryCommandIsScripted: the transcripts show each command with text,
// with JSON, and with each of its exit codes; those for bad usage and bad
// input are among these.
func TestEveryCommandIsScripted(t *testing.T) {
	all := leaves()
	seen := map[string]map[string]bool{}
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			words := strings.Fields(line)
			if len(words) < 3 || words[0] != "exits" || words[2] != "scantling" {
				continue
			}
			command := commandOf(all, words[3:])
			for _, flag := range otherOutput {
				command = strings.TrimSuffix(command, flag)
			}
			if seen[command] == nil {
				seen[command] = map[string]bool{}
			}
			seen[command][words[1]] = true
			if slices.Contains(words, "json") {
				seen[command]["json"] = true
			} else {
				seen[command]["text"] = true
			}
		}
	}
	for command := range all {
		want := append(strings.Fields(codes[command]), "text")
		if schemaOf[command] != "alert" && schemaOf[command] != "" {
			want = append(want, "json")
		}
		if codes[command] == "" {
			t.Errorf("%s: which exit codes can it have?", command)
		}
		for _, what := range want {
			if !seen[command][what] {
				t.Errorf("%s: no transcript shows %s", command, what)
			}
		}
		for what := range seen[command] {
			if !slices.Contains(append(want, "json"), what) {
				t.Errorf("%s: a transcript shows %s, which is not among %v", command, what, want)
			}
		}
	}
}

// TestSchemasRefuse: what is missing, of another type or unpublished is seen.
func TestSchemasRefuse(t *testing.T) {
	known, err := loadSchemas()
	if err != nil {
		t.Fatal(err)
	}
	good := `{"schema": 1, "tool": {"name": "scantling", "version": "", "ruleset": ""}, "go": "", "incomplete": [{"what": "a", "why": "b"}]}`
	for name, tc := range map[string]struct{ from, to string }{
		"as published":          {"", ""},
		"a key is missing":      {`"go": "", `, ""},
		"a key is unpublished":  {`"go"`, `"gone": 1, "go"`},
		"deep in another file":  {`"what": "a"`, `"what": "a", "who": "c"`},
		"of another type":       {`"go": ""`, `"go": 1`},
		"of another version":    {`"schema": 1`, `"schema": 2`},
		"nobody says what":      {`"what": "a"`, `"what": ""`},
		"two objects, one good": {`{"schema"`, `{} {"schema"`},
		"the text ends early":   {`"b"}]}`, `"b"`},
	} {
		err := validate(known, "version", strings.Replace(good, tc.from, tc.to, 1))
		if want := name != "as published"; (err != nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := validate(known, "lint", good); err == nil {
		t.Error("one command's output passes for another's")
	}
}
