package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/examples/shop"
)

// manifests decodes every YAML document under k8s/.
func manifests(t *testing.T) []map[string]any {
	t.Helper()
	var docs []map[string]any
	for name, body := range tree(t, shop.FS) {
		if path.Ext(name) != ".yaml" || !strings.HasPrefix(name, "k8s/") {
			continue
		}
		dec := yaml.NewDecoder(bytes.NewReader([]byte(body)))
		for {
			var doc map[string]any
			err := dec.Decode(&doc)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if doc["kind"] == nil || doc["apiVersion"] == nil {
				t.Errorf("%s: a document without kind or apiVersion", name)
			}
			docs = append(docs, doc)
		}
	}
	if len(docs) == 0 {
		t.Fatal("no manifests")
	}
	return docs
}

// imagesIn collects the image field of every container below a value.
func imagesIn(v any) []string {
	var found []string
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if list, ok := value.([]any); ok && (key == "containers" || key == "initContainers") {
				for _, c := range list {
					image, _ := c.(map[string]any)["image"].(string)
					found = append(found, image)
				}
				continue
			}
			found = append(found, imagesIn(value)...)
		}
	case []any:
		for _, value := range v {
			found = append(found, imagesIn(value)...)
		}
	}
	return found
}

// Each image that the cluster runs is in images/, under the tag or the digest
// by which it is named, and each image there is run.
func TestManifestsAndImagesAgree(t *testing.T) {
	known := map[string]string{} // reference -> name
	for _, spec := range specs {
		manifest, err := committed(t, spec.name).IndexManifest()
		if err != nil {
			t.Fatal(err)
		}
		known[repository+spec.name+":"+spec.tag] = spec.name
		known[repository+spec.name+"@"+manifest.Manifests[0].Digest.String()] = spec.name
	}
	run := map[string]bool{}
	digests := 0
	for _, doc := range manifests(t) {
		for _, image := range imagesIn(doc) {
			tagged, digest, both := strings.Cut(image, "@")
			if both {
				digests++
				image = strings.Split(tagged, ":")[0] + "@" + digest
			}
			name, ok := known[image]
			if !ok {
				t.Errorf("%v %v: no image %s", doc["kind"], doc["metadata"], image)
			}
			run[name] = true
		}
	}
	for _, spec := range specs {
		if !run[spec.name] {
			t.Errorf("image %s is run nowhere", spec.name)
		}
	}
	if digests < 2 {
		t.Errorf("%d images are named by digest, want at least 2", digests)
	}
}

// Each link of the chain is there, once, so that a test can take it away.
func TestChainHasThreeLinks(t *testing.T) {
	count := map[string]int{}
	for _, doc := range manifests(t) {
		meta := doc["metadata"].(map[string]any)
		count[strings.Join([]string{doc["kind"].(string), meta["name"].(string)}, "/")]++
	}
	for _, link := range []string{"Ingress/storefront", "RoleBinding/runner", "ClusterRoleBinding/ci-deployer", "ClusterRoleBinding/prometheus", "ServiceMonitor/storefront"} {
		if count[link] != 1 {
			t.Errorf("%s occurs %d times, want once", link, count[link])
		}
	}
	for object := range count {
		if strings.HasPrefix(object, "Ingress/") && object != "Ingress/storefront" {
			t.Errorf("%s leads in too", object)
		}
	}
}

func TestEstateFileNamesWhatExists(t *testing.T) {
	var estate struct {
		Estate string
		Build  struct {
			Paths      []string
			BaseImages struct{ Allow []string } `yaml:"baseImages"`
			Labels     struct{ Required []string }
		}
		Clusters []struct {
			Name      string
			Manifests []string
		}
		Logs       []struct{ Kind, Path string }
		Advisories string
		Images     []struct{ Name, Dockerfile string }
		Jewels     []struct {
			Name  string
			Match struct{ Secret string }
			Value int
		}
		Accept []struct{ Advisory, Asset, Reason, Owner, Expires string }
	}
	text, err := fs.ReadFile(shop.FS, "scantling.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dec := yaml.NewDecoder(bytes.NewReader(text))
	dec.KnownFields(true)
	if err := dec.Decode(&estate); err != nil {
		t.Fatal(err)
	}
	named := append(slices.Clone(estate.Build.Paths), estate.Advisories)
	for _, c := range estate.Clusters {
		named = append(named, c.Manifests...)
	}
	for _, l := range estate.Logs {
		named = append(named, l.Path)
	}
	for _, i := range estate.Images {
		named = append(named, i.Dockerfile)
		if !slices.ContainsFunc(specs, func(s imageSpec) bool { return repository+s.name == i.Name }) {
			t.Errorf("no image %s", i.Name)
		}
	}
	for _, name := range named {
		if _, err := fs.Stat(shop.FS, name); err != nil {
			t.Errorf("scantling.yaml: %v", err)
		}
	}
	jewels := []string{}
	for _, doc := range manifests(t) {
		meta := doc["metadata"].(map[string]any)
		if doc["kind"] == "Secret" && len(estate.Jewels) == 1 && estate.Jewels[0].Match.Secret == meta["namespace"].(string)+"/"+meta["name"].(string) {
			jewels = append(jewels, meta["name"].(string))
		}
	}
	if diff := cmp.Diff([]string{"postgres-credentials"}, jewels); diff != "" {
		t.Errorf("jewels (-want +got):\n%s", diff)
	}
}
