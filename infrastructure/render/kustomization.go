package render

import (
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	"sigs.k8s.io/kustomize/api/types"
)

// kustomization builds one kustomization.
func (in *input) kustomization(r Request) (Result, error) {
	if in.isComponent(r.Path) {
		return Result{Part: true}, nil
	}
	files := &filesystem{in: in, top: path.Clean("/" + r.Path)}
	objects, err := krusty.MakeKustomizer(&krusty.Options{
		Reorder: krusty.ReorderOptionNone, LoadRestrictions: types.LoadRestrictionsRootOnly, PluginConfig: types.DisabledPluginConfig(),
	}).Run(files, files.top)
	if err != nil {
		return Result{}, files.explain(err)
	}
	var out Result
	for _, o := range objects.Resources() {
		d, err := in.origin(r, o)
		if err != nil {
			return Result{}, err
		}
		out.Documents = append(out.Documents, d)
	}
	return out, nil
}

// isComponent reports whether a kustomization is a component, which only
// others can build.
func (in *input) isComponent(dir string) bool {
	for _, name := range kustomizationNames {
		text, err := in.read(path.Join(dir, name))
		if err != nil {
			continue
		}
		var k struct {
			Kind string `yaml:"kind"`
		}
		return yaml.Unmarshal(text, &k) == nil && k.Kind == types.ComponentKind
	}
	return false
}

// origin places one object in the file that it came from: the manifest, or
// the kustomization that made it.
func (in *input) origin(r Request, o *resource.Resource) (Document, error) {
	file := path.Join(r.Path, kustomizationNames[0])
	from, err := o.GetOrigin()
	if err == nil && from != nil {
		if p := from.Path + from.ConfiguredIn; p != "" { // never both
			file = path.Join(r.Path, p)
		}
	}
	if err := o.SetOrigin(nil); err != nil {
		return Document{}, err
	}
	text, err := o.AsYAML()
	if err != nil {
		return Document{}, err
	}
	d := Document{File: strings.TrimPrefix(file, "/"), Text: string(text)}
	if source, err := in.read(d.File); err == nil {
		d.Lines = startOf(string(source), o.GetKind(), o.GetName(), strings.Count(d.Text, "\n"))
	}
	return d, nil
}

// startOf points every line of an object to the first line of its document in
// the source: an object that was patched has no line for line. Its name there
// is the longest of its kind that its name now holds: Kustomize may have put
// something before and behind it.
func startOf(source, kind, name string, lines int) []int {
	line, longest := 0, -1
	dec := yaml.NewDecoder(strings.NewReader(source))
	for {
		var doc yaml.Node
		if dec.Decode(&doc) != nil { // its end, or text that Kustomize made sense of and we don't
			break
		}
		var head struct {
			Kind     string `yaml:"kind"`
			Metadata struct {
				Name string `yaml:"name"`
			} `yaml:"metadata"`
		}
		if doc.Decode(&head) == nil && head.Kind == kind && strings.Contains(name, head.Metadata.Name) && len(head.Metadata.Name) > longest {
			line, longest = doc.Content[0].Line, len(head.Metadata.Name)
		}
	}
	if line == 0 {
		return nil
	}
	out := make([]int, lines)
	for i := range out {
		out[i] = line
	}
	return out
}

// traced makes the kustomization at the top note where each object is from.
// Any other change of its text is none of its meaning.
func traced(text []byte) ([]byte, error) {
	var k map[string]any
	if err := yaml.Unmarshal(text, &k); err != nil {
		return nil, err
	}
	if k == nil {
		return text, nil
	}
	k["buildMetadata"] = []string{types.OriginAnnotations}
	return yaml.Marshal(k)
}

// remote reports whether an entry of a kustomization is fetched from outside.
// Kustomize takes an entry that is no file here for an address or a
// repository.
func remote(entry string) bool {
	return strings.Contains(entry, "://") || strings.HasPrefix(entry, "git@") || strings.HasPrefix(entry, "git::") ||
		strings.HasPrefix(entry, "github.com/") || strings.Contains(entry, "?ref=") || strings.Contains(entry, ".git//")
}

// refuseRemote looks for anything in a kustomization that Kustomize would
// fetch, and for charts, which it would have Helm fetch.
func refuseRemote(name string, text []byte) error {
	var k map[string]any
	if err := yaml.Unmarshal(text, &k); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if k["helmCharts"] != nil || k["helmChartInflationGenerator"] != nil {
		return fmt.Errorf("%s inflates Helm charts: render them by themselves", name)
	}
	for _, field := range []string{"resources", "bases", "components", "crds", "configurations", "generators", "transformers", "validators", "openapi", "patches", "patchesStrategicMerge", "patchesJson6902", "replacements", "configMapGenerator", "secretGenerator"} {
		if entry := firstRemote(k[field], field); entry != "" {
			return fmt.Errorf("%s fetches %q (%s): nothing is fetched, so it is not rendered", name, entry, field)
		}
	}
	return nil
}

// firstRemote is the first remote entry below a field. Literals and inline
// patches are text, not entries.
func firstRemote(v any, field string) string {
	switch v := v.(type) {
	case string:
		if remote(v) && !strings.Contains(v, "\n") {
			return v
		}
	case []any:
		for _, x := range v {
			if entry := firstRemote(x, field); entry != "" {
				return entry
			}
		}
	case map[string]any:
		for name, x := range v {
			if name == "literals" || name == "patch" || name == "options" || name == "target" {
				continue
			}
			if entry := firstRemote(x, field); entry != "" {
				return entry
			}
		}
	}
	return ""
}
