package estate

import (
	"path"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
)

// Labels that tie an image to its source (OCI image-spec, annotations).
const (
	sourceLabel   = "org.opencontainers.image.source"
	revisionLabel = "org.opencontainers.image.revision"
)

// placeImages turns the image that a workload names (a tag, a digest, a pod's
// imageID) into the key of an image that was read. A name that no image
// carries stays in the estate as unplaced.
func (e *Estate) placeImages() {
	byName := e.imageNames()
	for i, f := range e.Facts {
		if f.Kind != model.Runs {
			continue
		}
		key, why := lookup(byName, f.Object.Key)
		if why != "" {
			e.Unplaced = append(e.Unplaced, Unplaced{model.Image, f.Object.Key, why + " (runs in " + f.Asset.Key + ")"})
			continue
		}
		e.Facts[i].Object.Key = key
	}
}

// imageNames maps every normalised name of an image to the keys of the images
// that carry it, without repetition.
func (e *Estate) imageNames() map[string][]string {
	names := map[string][]string{}
	for _, a := range e.Assets {
		if a.Kind != model.Image {
			continue
		}
		for _, alias := range append([]string{a.Key, a.Name}, a.Aliases...) {
			name := imageName(alias)
			keys := names[name]
			if name != "" && (len(keys) == 0 || keys[len(keys)-1] != a.Key) {
				names[name] = append(keys, a.Key)
			}
		}
	}
	return names
}

// lookup prefers the digest in a reference, because a tag can be moved.
func lookup(byName map[string][]string, reference string) (key, why string) {
	if _, digest, ok := strings.Cut(reference, "@"); ok {
		reference = digest
	}
	switch keys := byName[imageName(reference)]; len(keys) {
	case 0:
		return "", "no image of this name was read"
	case 1:
		return keys[0], ""
	default:
		return "", "several images carry this name: name it by digest"
	}
}

// imageName brings the spellings of one image to one form: without transport,
// with the default registry and tag that container runtimes add.
func imageName(ref string) string {
	if _, rest, ok := strings.Cut(ref, "://"); ok {
		ref = rest
	}
	if ref == "" || strings.HasPrefix(ref, "sha256:") || strings.Contains(ref, "@") {
		return ref
	}
	host, rest, slash := strings.Cut(ref, "/")
	switch {
	case !slash:
		ref = "docker.io/library/" + ref
	case !strings.ContainsAny(host, ".:") && host != "localhost":
		ref = "docker.io/" + ref
	default:
		ref = host + "/" + rest
	}
	if !strings.Contains(path.Base(ref), ":") {
		ref += ":latest"
	}
	return ref
}

// placeSources ties images to the Dockerfiles that built them: by the image's
// own labels, else by the estate file. sources maps an image's name (without
// tag) to a source key.
func (e *Estate) placeSources(sources map[string]string) {
	var have []string // sorted, as the assets are
	for _, a := range e.Assets {
		if a.Kind == model.Source {
			have = append(have, a.Key)
		}
	}
	built := map[string]bool{}
	for _, a := range e.Assets {
		if a.Kind != model.Image {
			continue
		}
		fact, why := sourceOf(a, sources, have)
		if why != "" {
			e.Unplaced = append(e.Unplaced, Unplaced{model.Image, a.Name, why})
			continue
		}
		built[fact.Object.Key] = true
		e.Facts = append(e.Facts, fact)
	}
	for _, key := range have {
		if !built[key] {
			e.Unplaced = append(e.Unplaced, Unplaced{model.Source, key, "no image that was read is built from it"})
		}
	}
}

func sourceOf(a model.Asset, sources map[string]string, have []string) (model.Fact, string) {
	fact := model.Fact{
		Kind: model.BuiltBy, Asset: a.Ref, P: 1, Origin: model.Measured,
		Object: model.Ref{Kind: model.Source},
	}
	repo, commit := a.Labels[sourceLabel], a.Labels[revisionLabel]
	for _, key := range have {
		if repo != "" && commit != "" && strings.HasPrefix(key, repo+"@"+commit+":") {
			fact.Object.Key, fact.Source = key, "image labels"
			return fact, ""
		}
	}
	for _, name := range append([]string{a.Name}, a.Aliases...) {
		if dockerfile, ok := sources[withoutTag(name)]; ok {
			if !slices.Contains(have, dockerfile) {
				return fact, "its Dockerfile " + dockerfile + " was not read"
			}
			fact.Object.Key, fact.Source, fact.Origin = dockerfile, "estate file", model.User
			return fact, ""
		}
	}
	return fact, "neither its labels nor `images:` of the estate file name a Dockerfile that was read"
}

// withoutTag cuts the tag and the digest off an image reference.
func withoutTag(ref string) string {
	ref, _, _ = strings.Cut(ref, "@")
	dir, base := path.Split(ref)
	base, _, _ = strings.Cut(base, ":")
	return dir + base
}
