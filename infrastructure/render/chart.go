package render

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/loader/archive"
	chart "helm.sh/helm/v4/pkg/chart/v2"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	deps "helm.sh/helm/v4/pkg/chart/v2/util"
	"helm.sh/helm/v4/pkg/engine"
	"helm.sh/helm/v4/pkg/ignore"
)

// chart renders one chart, as a folder or as an archive.
func (in *input) chart(ctx context.Context, r Request) (Result, error) {
	load := in.chartFolder
	if r.Kind == Archive {
		load = in.chartArchive
	}
	files, err := load(r.Path)
	if err != nil {
		return Result{}, err
	}
	c, err := loader.LoadFiles(files)
	if err != nil {
		return Result{}, err
	}
	if c.Metadata.Type == "library" {
		return Result{Part: true}, nil
	}
	values, err := userValues(r.Values)
	if err != nil {
		return Result{}, err
	}
	out := Result{Unread: missing(c)}
	if err := deps.ProcessDependencies(c, values); err != nil {
		return Result{}, fmt.Errorf("resolving the dependencies: %w", err)
	}
	release := common.ReleaseOptions{Name: c.Name(), Namespace: cmp.Or(r.Namespace, "default"), Revision: 1, IsInstall: true}
	top, err := util.ToRenderValuesWithSchemaValidation(c, values, release, common.DefaultCapabilities, true)
	if err != nil {
		return Result{}, fmt.Errorf("putting the values together: %w", err)
	}
	rendered, err := engine.Engine{}.RenderWithContext(ctx, c, top)
	if err != nil {
		return Result{}, err
	}
	sources := map[string]string{}
	collect(sources, c, c.Name())
	for _, name := range slices.Sorted(maps.Keys(rendered)) {
		text := withoutTests(rendered[name])
		if isManifest(name) && strings.TrimSpace(text) != "" {
			out.Documents = append(out.Documents, document(r, c.Name(), name, sources[name], text))
		}
	}
	for _, crd := range c.CRDObjects() {
		out.Documents = append(out.Documents, document(r, c.Name(), crd.Filename, string(crd.File.Data), string(crd.File.Data)))
	}
	return out, nil
}

// chartFolder reads a chart's folder as Helm does: all but what .helmignore
// names.
func (in *input) chartFolder(dir string) ([]*archive.BufferedFile, error) {
	rules := ignore.Empty()
	if text, err := in.read(path.Join(dir, ignore.HelmIgnore)); err == nil {
		if rules, err = ignore.Parse(bytes.NewReader(text)); err != nil {
			return nil, fmt.Errorf("%s: %w", ignore.HelmIgnore, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	rules.AddDefaults()
	names, err := in.below(dir, rules.Ignore)
	if err != nil {
		return nil, err
	}
	var out []*archive.BufferedFile
	for _, name := range names {
		data, err := in.read(path.Join(dir, name))
		if err != nil {
			return nil, err
		}
		out = append(out, &archive.BufferedFile{Name: name, Data: bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))})
	}
	return out, nil
}

// chartArchive reads a packed chart; Helm's reader bounds what it unpacks.
func (in *input) chartArchive(name string) ([]*archive.BufferedFile, error) {
	data, err := in.read(name)
	if err != nil {
		return nil, err
	}
	return archive.LoadArchiveFiles(bytes.NewReader(data))
}

// userValues merges values files, the later over the earlier.
func userValues(files []string) (map[string]any, error) {
	values := map[string]any{}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
		f.Close()
		if err == nil && len(text) > maxFile {
			err = fmt.Errorf("more than %d bytes", maxFile)
		}
		var more map[string]any
		if err == nil {
			more, err = loader.LoadValues(bytes.NewReader(text))
		}
		if err != nil {
			return nil, fmt.Errorf("values of %s: %w", name, err)
		}
		values = loader.MergeMaps(values, more)
	}
	return values, nil
}

// missing names the dependencies that Chart.yaml lists and charts/ lacks.
func missing(c *chart.Chart) []string {
	var out []string
	for _, d := range c.Metadata.Dependencies {
		if !slices.ContainsFunc(c.Dependencies(), func(have *chart.Chart) bool { return have.Name() == d.Name }) {
			out = append(out, fmt.Sprintf("its dependency %s %s is not in charts/: run helm dependency build", d.Name, d.Version))
		}
	}
	return out
}

// collect gathers the templates of a chart and of those below it under the
// names that rendering gives them.
func collect(sources map[string]string, c *chart.Chart, prefix string) {
	for _, t := range c.Templates {
		sources[path.Join(prefix, t.Name)] = string(t.Data)
	}
	for _, d := range c.Dependencies() {
		collect(sources, d, path.Join(prefix, "charts", d.Name()))
	}
}

// isManifest leaves out partials and notes.
func isManifest(name string) bool {
	base := path.Base(name)
	return !strings.HasPrefix(base, "_") && (strings.HasSuffix(base, ".yaml") || strings.HasSuffix(base, ".yml") || strings.HasSuffix(base, ".json"))
}

// withoutTests blanks the documents that are tests of the release: they run
// when somebody asks for them. Lines stay where they are.
func withoutTests(text string) string {
	lines := strings.SplitAfter(text, "\n")
	from := 0
	for i := 0; i <= len(lines); i++ {
		if i < len(lines) && !strings.HasPrefix(lines[i], "---") {
			continue
		}
		if isTest(strings.Join(lines[from:i], "")) {
			for k := from; k < i; k++ {
				lines[k] = "\n"
			}
		}
		from = i
	}
	return strings.Join(lines, "")
}

// isTest reports whether the only hooks of a document are tests. What isn't
// YAML is none: its reader says what is wrong with it.
func isTest(document string) bool {
	var head struct {
		Metadata struct {
			Annotations map[string]string `yaml:"annotations"`
		} `yaml:"metadata"`
	}
	if yaml.Unmarshal([]byte(document), &head) != nil {
		return false
	}
	hooks, marked := head.Metadata.Annotations["helm.sh/hook"]
	for hook := range strings.SplitSeq(hooks, ",") {
		if !strings.HasPrefix(strings.TrimSpace(hook), "test") {
			return false
		}
	}
	return marked
}

// document places rendered text in its source file. In an archive, the file
// is the archive.
func document(r Request, chartName, name, source, text string) Document {
	if r.Kind == Archive {
		return Document{File: r.Path, Text: text}
	}
	return Document{File: path.Join(r.Path, strings.TrimPrefix(name, chartName+"/")), Text: text, Lines: linesOf(source, text)}
}
