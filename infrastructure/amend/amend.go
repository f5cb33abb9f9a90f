package amend

import (
	"context"
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/splice"
)

// Verb says what a change does to its object.
type Verb string

// The verbs of changes.
const (
	Patch  Verb = "patch"
	Create Verb = "create"
	Remove Verb = "delete"
)

// Change is one change of one object.
type Change struct {
	Verb    Verb
	Kind    string
	Name    string // of the object
	Space   string // its namespace, "" for a cluster's object
	Text    string // the patch or the new object as YAML; empty for Remove
	File    string // where it is to be made; "" where no file holds the object
	Why     string // why there is no file
	Command string // the same for a cluster

	line  int // of the object; 0 for Create
	patch map[string]any
}

// Types are the actions that this package knows.
var Types = []model.ActionType{model.DropPrivilege, model.SplitIdentity, model.AddPolicy, model.DeleteBinding}

// Plan lists the changes that an action of one of Types consists of. The error
// says what the action or the snapshot lacks.
func Plan(s *kube.Snapshot, a model.Action) ([]Change, error) {
	if a.Type == model.DeleteBinding {
		c, err := deletion(s, a)
		return []Change{c}, err
	}
	var out []Change
	text := []byte(a.Patch)
	for _, d := range splice.Split(text) {
		part := strings.TrimPrefix(string(text[d.Start:d.End]), "---\n")
		var doc map[string]any
		if err := yaml.Unmarshal([]byte(part), &doc); err != nil {
			return nil, fmt.Errorf("reading the patch of action %s: %w", a.ID, err)
		}
		out = append(out, change(s, doc, part))
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("action %s has no patch", a.ID)
	}
	return home(s, out), nil
}

// change takes one document of a patch: a new object, or a change of one that
// was read.
func change(s *kube.Snapshot, doc map[string]any, text string) Change {
	meta, _ := doc["metadata"].(map[string]any)
	c := Change{Verb: Patch, Text: text, patch: doc}
	c.Kind, _ = doc["kind"].(string)
	c.Name, _ = meta["name"].(string)
	c.Space, _ = meta["namespace"].(string)
	if c.Kind == "NetworkPolicy" || c.Kind == "ServiceAccount" {
		c.Verb = Create
		c.Command = "kubectl apply -f -"
		return c
	}
	c.Command = fmt.Sprintf("kubectl patch %s%s --type strategic --patch-file /dev/stdin", c.argument(), c.inNamespace())
	delete(doc, "apiVersion")
	delete(doc, "kind")
	delete(doc, "metadata")
	c.place(s)
	return c
}

func deletion(s *kube.Snapshot, a model.Action) (Change, error) {
	if len(a.Assets) == 0 || strings.Count(a.Assets[0].Key, "/") != 3 {
		return Change{}, fmt.Errorf("action %s names no binding", a.ID)
	}
	part := strings.Split(a.Assets[0].Key, "/")
	c := Change{Verb: Remove, Space: part[1], Kind: part[2], Name: part[3]}
	c.Command = fmt.Sprintf("kubectl delete %s%s", c.argument(), c.inNamespace())
	c.place(s)
	return c, nil
}

// argument names the object for kubectl. A name that begins like a switch,
// which no cluster takes and a manifest may have, is kept from being one.
func (c *Change) argument() string {
	kind := strings.ToLower(c.Kind)
	if strings.HasPrefix(c.Name, "-") {
		return quoted(kind + "/" + c.Name)
	}
	return quoted(kind) + " " + quoted(c.Name)
}

func (c *Change) inNamespace() string {
	if c.Space == "" {
		return ""
	}
	return " --namespace " + quoted(c.Space)
}

var plain = regexp.MustCompile(`^[A-Za-z0-9._:@%+=,][A-Za-z0-9._:@%+=,-]*$`)

// quoted is a word for a shell: names come from foreign manifests.
func quoted(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// place finds the one file that holds the object.
func (c *Change) place(s *kube.Snapshot) {
	var found []*kube.Object
	for _, o := range s.Objects {
		if o.Kind == c.Kind && o.Namespace == c.Space && o.Name == c.Name {
			found = append(found, o)
		}
	}
	switch {
	case len(found) == 0:
		c.Why = c.String() + " was not read itself"
	case len(found) > 1:
		c.Why = fmt.Sprintf("%s is written twice, at %s:%d and %s:%d", c, found[0].Position.File, found[0].Position.Line, found[1].Position.File, found[1].Position.Line)
	case found[0].Position.File == "" || found[0].Position.File == "-":
		c.Why = c.String() + " was not read from a file"
	case found[0].Rendered != "":
		c.Why = fmt.Sprintf("%s comes out of a %s, at %s: templates and patches are edited by hand", c, found[0].Rendered, found[0].Position.File)
	case !isYAML(found[0].Position.File):
		c.Why = found[0].Position.File + " is no YAML file: only YAML is edited"
	default:
		c.File, c.line = found[0].Position.File, found[0].Position.Line
	}
}

// String names the object of a change.
func (c *Change) String() string {
	if c.Space == "" {
		return c.Kind + " " + c.Name
	}
	return c.Kind + " " + c.Space + "/" + c.Name
}

func isYAML(name string) bool {
	ext := strings.ToLower(path.Ext(name))
	return ext == ".yaml" || ext == ".yml"
}

// home gives new objects a file: that of the object which is patched with
// them, else the one that holds most workloads of the namespace. A file of its
// own might not be among those that are read.
func home(s *kube.Snapshot, changes []Change) []Change {
	for i := range changes {
		c := &changes[i]
		if c.Verb != Create {
			continue
		}
		if k := slices.IndexFunc(changes, func(o Change) bool { return o.Verb == Patch }); k >= 0 {
			c.File, c.Why = changes[k].File, changes[k].Why
			continue
		}
		if c.File = busiest(s, c.Space); c.File == "" {
			c.Why = "no YAML file that was read as it stands holds a workload of namespace " + c.Space
		}
	}
	return changes
}

// busiest is the file with most workloads of a namespace, the first by name
// where equal.
func busiest(s *kube.Snapshot, namespace string) string {
	count := map[string]int{}
	for _, w := range s.Workloads {
		if w.Namespace == namespace && w.Object != nil && w.Object.Rendered == "" && isYAML(w.Object.Position.File) {
			count[w.Object.Position.File]++
		}
	}
	best := ""
	for _, file := range slices.Sorted(maps.Keys(count)) {
		if count[file] > count[best] {
			best = file
		}
	}
	return best
}

// Apply makes the change in the text of its file. Several changes of one file
// are to be applied in the order that Order gives.
func (c *Change) Apply(ctx context.Context, text []byte) ([]byte, error) {
	if c.Verb == Create {
		return splice.Append(text, c.Text), nil
	}
	if err := c.check(ctx, text); err != nil {
		return nil, err
	}
	var out []byte
	var err error
	if c.Verb == Remove {
		out, err = splice.Remove(text, c.line)
	} else {
		out, err = splice.Merge(text, c.line, c.patch)
	}
	if err != nil {
		return nil, fmt.Errorf("editing %s at %s:%d: %w", c, c.File, c.line, err)
	}
	return out, nil
}

// check wants the object to stand where it was read.
func (c *Change) check(ctx context.Context, text []byte) error {
	s, err := kube.ReadFrom(ctx, "", c.File, strings.NewReader(string(text)))
	if err != nil {
		return fmt.Errorf("reading %s again: %w", c.File, err)
	}
	for _, o := range s.Objects {
		if o.Kind == c.Kind && o.Name == c.Name && o.Namespace == c.Space && o.Position.Line == c.line {
			return nil
		}
	}
	return fmt.Errorf("%s is no longer at %s:%d: the file has changed since it was read", c, c.File, c.line)
}

// Order sorts the changes of each file from its end to its beginning, so that
// lines of those to come stay right; what is appended comes last.
func Order(changes []Change) {
	slices.SortStableFunc(changes, func(a, b Change) int {
		if (a.Verb == Create) != (b.Verb == Create) {
			if a.Verb == Create {
				return 1
			}
			return -1
		}
		return b.line - a.line
	})
}
