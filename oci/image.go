package oci

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/distribution/reference"
)

// Image is one image for one platform. It is immutable once opened and safe
// for concurrent use; its layers are read on demand.
type Image struct {
	Path         string   // folder, archive or reference, as it was given
	Digest       string   // of the platform manifest; of the configuration where an archive has no manifest; "root:" and the path of a root folder
	ConfigDigest string   // of the configuration, "sha256:…"; "" of a root folder
	Indexes      []string // digests of the indexes that list it, sorted
	Names        []string // full references from annotations, as written, sorted
	Tags         []string // annotations that are a bare tag ("1.2", "latest"), sorted
	Platform     string   // "os/architecture" or "os/architecture/variant"; "" where nothing says
	Config       Config
	Layers       []Layer // lowest first
}

// Config is the part of an image's configuration that judges look at. Env and
// History may hold secrets in their values: never print or store those.
type Config struct {
	Labels       map[string]string
	Env          []string // "NAME=value"
	User         string   // "" is root
	ExposedPorts []string // "80/tcp", sorted
	Entrypoint   []string
	Cmd          []string
	Created      time.Time // zero where not given
	History      []History
}

// History is one build step. Empty steps brought no layer.
type History struct {
	CreatedBy string
	Comment   string
	Created   time.Time
	Empty     bool
}

// Name is what a person would call the image: its first full reference, else
// its folder with a tag, else its folder.
func (i *Image) Name() string {
	switch {
	case len(i.Names) > 0:
		return i.Names[0]
	case len(i.Tags) > 0:
		return i.Path + ":" + i.Tags[0]
	}
	return i.Path
}

// Aliases lists every other key under which the world names the image,
// sorted: digests of its configuration and of its indexes, references as
// written and in canonical form ("nginx" is docker.io/library/nginx:latest),
// and repository@digest. Indexes and tags of a multi-platform image are
// aliases of each of its platforms. Bare tags are no aliases: they name
// nothing without a repository.
func (i *Image) Aliases() []string {
	out := append([]string{i.ConfigDigest}, i.Indexes...)
	for _, name := range i.Names {
		out = append(out, name)
		ref, err := reference.ParseNormalizedNamed(name)
		if err != nil {
			continue
		}
		out = append(out, reference.TagNameOnly(ref).String(), reference.FamiliarString(reference.TagNameOnly(ref)))
		repo := reference.TrimNamed(ref)
		for _, digest := range append([]string{i.Digest}, i.Indexes...) {
			out = append(out, repo.Name()+"@"+digest)
		}
	}
	out = slices.DeleteFunc(out, func(s string) bool { return s == "" || s == i.Digest })
	slices.Sort(out)
	return slices.Compact(out)
}

// addName files one reference annotation. The specification lets
// org.opencontainers.image.ref.name be a bare tag, which most writers use, or
// a full reference: a slash or a colon makes it one.
func (i *Image) addName(name string) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > maxName {
		return
	}
	list := &i.Tags
	if strings.ContainsAny(name, "/:") {
		list = &i.Names
	}
	if !slices.Contains(*list, name) {
		*list = append(*list, name)
		slices.Sort(*list)
	}
}

// compareImages orders images by digest, the one name that every image has.
func compareImages(a, b *Image) int { return cmp.Compare(a.Digest, b.Digest) }

// Unite brings images of several inputs together: one of an archive without
// manifests is the image with that configuration, if it is among the others,
// and what was read twice comes once. The first of them keeps all names. It is
// for images that nobody uses yet.
func Unite(images []*Image) []*Image {
	byDigest, byConfig := map[string]*Image{}, map[string]*Image{}
	for _, i := range images {
		if byDigest[i.Digest] == nil {
			byDigest[i.Digest] = i
		}
		if i.Digest != i.ConfigDigest && byConfig[i.ConfigDigest] == nil {
			byConfig[i.ConfigDigest] = i
		}
	}
	var out []*Image
	for _, i := range images {
		same := byDigest[i.Digest]
		if i.Digest == i.ConfigDigest && byConfig[i.ConfigDigest] != nil {
			same = byConfig[i.ConfigDigest]
		}
		if same == i {
			out = append(out, i)
			continue
		}
		same.join(inherited{names: append(slices.Clone(i.Names), i.Tags...), indexes: i.Indexes})
	}
	return out
}
