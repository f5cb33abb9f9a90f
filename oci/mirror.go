package oci

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/google/go-containerregistry/pkg/name"
)

// Mirror is another place of a registry's images, or of those below a path.
type Mirror struct {
	Of string // host, or host and path, as "docker.io" or "registry.example/team"
	At string // host, or host and path, under which the rest of the name stands
}

// ParseMirror reads "OF=AT".
func ParseMirror(text string) (Mirror, error) {
	of, at, ok := strings.Cut(text, "=")
	m := Mirror{Of: strings.TrimSuffix(of, "/"), At: strings.TrimSuffix(at, "/")}
	if !ok || m.Of == "" || m.At == "" {
		return Mirror{}, fmt.Errorf("mirror %q: want OF=AT, as docker.io=mirror.example/hub", text)
	}
	for _, prefix := range []string{m.Of, m.At} {
		if _, err := name.NewRepository(prefix+"/x/x", name.WeakValidation); err != nil || strings.Contains(prefix, "//") {
			return Mirror{}, fmt.Errorf("mirror %q: %q is no host with a path", text, prefix)
		}
	}
	return m, nil
}

// place is where the mirror has an image; ok is false where it is for others.
func (m Mirror) place(named reference.Named) (at string, ok bool) {
	rest, ok := strings.CutPrefix(named.String(), m.Of)
	if !ok || !strings.HasPrefix(rest, "/") && !strings.HasPrefix(rest, ":") && !strings.HasPrefix(rest, "@") {
		return "", false
	}
	return m.At + rest, true
}
