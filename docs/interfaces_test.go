package docs_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/config"
)

// command is what a command's help says of it.
type command struct {
	path  string // without scantling, "cluster check"
	short string
	flags []string // long names, less help and the global ones
}

var (
	usageForm = regexp.MustCompile(`(?m)^Usage:\n  scantling ?(.*)$`)
	childForm = regexp.MustCompile(`(?m)^  ([a-z-]+) +(\S.*)$`)
	flagForm  = regexp.MustCompile(`(?m)^ +(?:-[a-z], )?--([a-z-]+)`)
)

// section cuts the part of a help text below a title.
func section(help, title string) string {
	_, part, _ := strings.Cut(help, title+":\n")
	part, _, _ = strings.Cut(part, "\n\n")
	return part
}

func flagsOf(part string) []string {
	var out []string
	for _, m := range flagForm.FindAllStringSubmatch(part, -1) {
		if m[1] != "help" {
			out = append(out, m[1])
		}
	}
	slices.Sort(out)
	return out
}

// commands asks the program for its commands, by usage line.
func commands(t *testing.T) map[string]command {
	t.Helper()
	out := map[string]command{}
	var visit func(path []string, short string)
	visit = func(path []string, short string) {
		help, _, _ := run(t, append(slices.Clone(path), "--help")...)
		if children := section(help, "Available Commands"); children != "" {
			for _, m := range childForm.FindAllStringSubmatch(children, -1) {
				if m[1] != "help" {
					visit(append(slices.Clone(path), m[1]), m[2])
				}
			}
			return
		}
		m := usageForm.FindStringSubmatch(help)
		if m == nil {
			t.Fatalf("the help of %v has no usage line", path)
		}
		usage := "scantling " + strings.TrimSuffix(m[1], " [flags]")
		out[usage] = command{strings.Join(path, " "), short, flagsOf(section(help, "Flags"))}
	}
	visit(nil, "")
	return out
}

// TestCommands: the list of commands and the help agree, both ways.
func TestCommands(t *testing.T) {
	var documented []string
	for _, row := range table(t, "docs/interfaces.md", "command", "input") {
		documented = append(documented, code(row[0]))
	}
	slices.Sort(documented)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(commands(t))), documented); diff != "" {
		t.Errorf("help (-) and docs/interfaces.md (+):\n%s", diff)
	}
}

// TestSwitches: each row names a switch and the commands that take it; all
// stands for the global ones.
func TestSwitches(t *testing.T) {
	actual := map[string][]string{}
	for _, c := range commands(t) {
		for _, f := range c.flags {
			actual["--"+f] = append(actual["--"+f], c.path)
		}
	}
	help, _, _ := run(t, "--help")
	for _, f := range flagsOf(section(help, "Flags")) {
		actual["--"+f] = append(actual["--"+f], "all")
	}
	documented := map[string][]string{}
	for _, row := range table(t, "docs/interfaces.md", "switch", "commands") {
		name, _, _ := strings.Cut(code(row[0]), " ")
		documented[name] = append(documented[name], strings.Split(row[1], ", ")...)
	}
	for _, m := range []map[string][]string{actual, documented} {
		for _, list := range m {
			slices.Sort(list)
		}
	}
	if diff := cmp.Diff(actual, documented); diff != "" {
		t.Errorf("help (-) and docs/interfaces.md (+):\n%s", diff)
	}
}

// TestShapes runs the command of each shape and compares the keys, both ways.
// A key that ends with ? may be absent; {} and [] stand for anything.
func TestShapes(t *testing.T) {
	total := 0
	for _, q := range quotes(t, "docs/interfaces.md") {
		if q.kind != "shape" {
			continue
		}
		total++
		var want any
		if err := json.Unmarshal([]byte(q.text), &want); err != nil {
			t.Errorf("%s: %v", q.at, err)
			continue
		}
		stdout, _, code := run(t, strings.Fields(strings.TrimPrefix(q.from, "scantling "))...)
		if q.exit != fmt.Sprint(code) {
			t.Errorf("%s: exit code %d, the document says %q", q.at, code, q.exit)
		}
		var all []any // a command may print an object a line
		for dec := json.NewDecoder(strings.NewReader(stdout)); dec.More(); {
			var got any
			if err := dec.Decode(&got); err != nil {
				t.Fatalf("%s: %v", q.at, err)
			}
			all = append(all, got)
		}
		if len(all) == 0 {
			t.Errorf("%s: no JSON", q.at)
		}
		for _, problem := range compareShapes("", want, all) {
			t.Errorf("%s: %s", q.at, problem)
		}
	}
	if total < 8 {
		t.Errorf("only %d shapes were found", total)
	}
}

// compareShapes compares the keys of a document's value with those of all
// actual values at the same place.
func compareShapes(place string, want any, got []any) []string {
	got = slices.DeleteFunc(slices.Clone(got), func(v any) bool { return v == nil })
	if len(got) == 0 {
		return nil
	}
	if list, ok := want.([]any); ok {
		if len(list) == 0 {
			return nil
		}
		var elements []any
		for _, v := range got {
			more, ok := v.([]any)
			if !ok {
				return []string{place + " is no list"}
			}
			elements = append(elements, more...)
		}
		return compareShapes(place+"[]", list[0], elements)
	}
	object, ok := want.(map[string]any)
	if !ok {
		if kind := reflect.TypeOf(got[0]).Kind(); kind == reflect.Map || kind == reflect.Slice {
			return []string{place + " is more than one value"}
		}
		return nil
	}
	if len(object) == 0 {
		return nil
	}
	return compareObjects(place, object, got)
}

func compareObjects(place string, object map[string]any, got []any) []string {
	values := map[string][]any{}
	for _, v := range got {
		m, ok := v.(map[string]any)
		if !ok {
			return []string{place + " is no object"}
		}
		for k, x := range m {
			values[k] = append(values[k], x)
		}
	}
	var problems []string
	for _, k := range slices.Sorted(maps.Keys(object)) {
		name, optional := strings.CutSuffix(k, "?")
		list, ok := values[name]
		if !ok && !optional {
			problems = append(problems, fmt.Sprintf("%s.%s is not in the output", place, name))
		}
		problems = append(problems, compareShapes(place+"."+name, object[k], list)...)
		delete(values, name)
	}
	for _, k := range slices.Sorted(maps.Keys(values)) {
		problems = append(problems, fmt.Sprintf("%s.%s is not in the document", place, k))
	}
	return problems
}

// TestEstateFile: the example of scantling.yaml has every key that there is,
// and no other.
func TestEstateFile(t *testing.T) {
	_, text, ok := strings.Cut(read(t, "docs/interfaces.md"), "```yaml\n")
	if !ok {
		t.Fatal("no example")
	}
	text, _, _ = strings.Cut(text, "```")
	var doc any
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	var got, want []string
	keysOfYAML("", doc, &got)
	keysOfType("", reflect.TypeFor[config.Config](), &want)
	for _, list := range []*[]string{&got, &want} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config.Config (-) and docs/interfaces.md (+):\n%s", diff)
	}
	dec := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	dec.KnownFields(true)
	if err := dec.Decode(new(config.Config)); err != nil {
		t.Error(err)
	}
}

func keysOfYAML(place string, v any, out *[]string) {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			*out = append(*out, place+k)
			keysOfYAML(place+k+".", x, out)
		}
	case []any:
		for _, x := range v {
			keysOfYAML(place, x, out)
		}
	}
}

func keysOfType(place string, t reflect.Type, out *[]string) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return
	}
	for i := range t.NumField() {
		if key := t.Field(i).Tag.Get("yaml"); key != "" {
			*out = append(*out, place+key)
			keysOfType(place+key+".", t.Field(i).Type, out)
		}
	}
}
