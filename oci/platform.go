package oci

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Platform names the platforms that are wanted: "os/architecture", the same
// with "/variant", "all", or "" for the default of where the image lies.
type Platform string

// AllPlatforms wants every platform.
const AllPlatforms Platform = "all"

// defaultPlatform is what most clusters run, and what tools that pull an image
// take where nobody says.
const defaultPlatform = "linux/amd64"

var platformForm = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(/[a-z0-9.]+)?$`)

// ParsePlatform reads what a user writes; the empty string is the default.
func ParsePlatform(s string) (Platform, error) {
	if s != "" && s != string(AllPlatforms) && !platformForm.MatchString(s) {
		return "", fmt.Errorf("%q is neither os/architecture, as linux/arm64, nor os/architecture/variant, nor all", s)
	}
	return Platform(s), nil
}

// ErrPlatform is what Only and Fetch return where the platform isn't there.
var ErrPlatform = errors.New("no such platform")

// wants reports whether a platform is the wanted one. Without a variant every
// variant is.
func (p Platform) wants(have string) bool {
	return have == string(p) || strings.HasPrefix(have, string(p)+"/")
}

// pick chooses of the platforms that are there. It returns indexes into have,
// and the platforms that are left out. By default one is chosen: that of most
// clusters, else the first.
func (p Platform) pick(have []string) (picked []int, left []string, err error) {
	first := func(p Platform) int {
		if i := slices.Index(have, string(p)); i >= 0 {
			return i
		}
		return slices.IndexFunc(have, p.wants)
	}
	i := 0
	switch {
	case p == AllPlatforms || len(have) == 0:
		for i := range have {
			picked = append(picked, i)
		}
		return picked, nil, nil
	case p == "":
		i = max(first(defaultPlatform), 0)
	default:
		if i = first(p); i < 0 {
			return nil, nil, fmt.Errorf("%w: %s; there is %s", ErrPlatform, p, Few(have))
		}
	}
	return []int{i}, slices.Delete(slices.Clone(have), i, i+1), nil
}

// Only keeps the images of the wanted platform, and says of which platforms
// it leaves some out, sorted. By default all stay.
func Only(images []*Image, want Platform) (kept []*Image, left []string, err error) {
	if want == "" || want == AllPlatforms || len(images) == 0 {
		return images, nil, nil
	}
	for _, i := range images {
		if want.wants(i.Platform) {
			kept = append(kept, i)
		} else {
			left = append(left, cmp.Or(i.Platform, "one that names none"))
		}
	}
	slices.Sort(left)
	left = slices.Compact(left)
	if len(kept) == 0 {
		return nil, nil, fmt.Errorf("%w: %s; there is %s", ErrPlatform, want, Few(left))
	}
	return kept, left, nil
}

func platformName(os, arch, variant string) string {
	out := cmp.Or(os, "linux") + "/" + arch
	if variant != "" {
		out += "/" + variant
	}
	return clip(out)
}

// Few lists platforms for people: the first twenty, and how many more.
func Few(platforms []string) string {
	const most = 20
	if more := len(platforms) - most; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(platforms[:most], ", "), more)
	}
	return strings.Join(platforms, ", ")
}
