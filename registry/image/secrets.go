package image

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/scantling/scantling/oci"
	"github.com/scantling/scantling/registry/secret"
)

// maxSecrets is how many secrets of one layer, and of one configuration, are
// listed; the rest is counted.
const maxSecrets = 500

// Secret is a key, token or password that an image holds: where it stands and
// of which kind, never its value.
type Secret struct {
	Kind    string    // an ID of secret.Kinds
	Layer   string    // DiffID; "" of one in the configuration
	Path    string    // with leading slash; of the configuration "config env NAME", "config label NAME", "config history N"
	Line    int       // 1-based; 0 of one in the configuration
	Expires time.Time // of a token that says so
	// Visible: the file is there in the finished image. One that a layer above
	// removed or replaced stays in its layer, for everybody who can pull it.
	Visible bool
}

// secretScan searches the files of one layer.
type secretScan struct {
	scanner secret.Scanner
	listed  int
	more    int
}

// search looks for secrets in a file while look reads it. What look leaves of
// a text is read here, so that no file is read twice.
func (s *layerScan) search(name string, size int64, content io.Reader) (*found, error) {
	if size == 0 || !s.secrets.scanner.Begin(name) {
		return s.look(name, size, content)
	}
	f, err := s.look(name, size, io.TeeReader(content, &s.secrets.scanner))
	if err == nil && s.secrets.scanner.Wants() {
		_, err = io.Copy(&s.secrets.scanner, content)
	}
	r := s.secrets.scanner.End()
	if err != nil {
		return nil, err
	}
	if r.Unread != "" {
		s.note(clip(name), "%s", r.Unread)
	}
	return s.secrets.keep(f, r), nil
}

// keep files the hits with what else the file says.
func (s *secretScan) keep(f *found, r secret.Result) *found {
	room := max(0, min(len(r.Hits), maxSecrets-s.listed))
	s.more += r.More + len(r.Hits) - room
	if room == 0 {
		return f
	}
	s.listed += room
	if f == nil {
		f = &found{kind: foundSecret}
	}
	f.secrets = r.Hits[:room]
	return f
}

// uncounted says how many secrets of a layer are not listed.
func (s *layerScan) uncounted() {
	if s.secrets.more > 0 {
		s.facts.notes = append(s.facts.notes, note{"", fmt.Sprintf("%d more secrets are in it and not listed", s.secrets.more)})
	}
}

// takeSecrets lists the secrets of all layers that were merged into t.
func (inv *Inventory) takeSecrets(t *tree, layers []*facts) {
	visible := map[*found]bool{}
	t.root.walk(func(v *vertex) {
		if len(v.found.secrets) > 0 {
			visible[v.found] = true
		}
	})
	for i, f := range layers {
		for _, e := range f.entries {
			if e.found == nil {
				continue
			}
			for _, hit := range e.found.secrets {
				s := Secret{Kind: hit.Kind, Layer: inv.Layers[i].DiffID, Path: "/" + e.path, Line: hit.Line, Visible: visible[e.found]}
				if hit.Expires > 0 {
					s.Expires = time.Unix(hit.Expires, 0).UTC()
				}
				inv.Secrets = append(inv.Secrets, s)
			}
		}
	}
	slices.SortFunc(inv.Secrets, func(a, b Secret) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Layer, b.Layer))
	})
}

// configSecrets searches what an image says of itself: values of the
// environment and of labels, and the steps of its history with the arguments
// that the builder wrote into them. Labels that hold one lose their value.
func (inv *Inventory) configSecrets(config oci.Config) {
	c := configScan{inv: inv}
	for i, pair := range config.Env {
		name, _, _ := strings.Cut(pair, "=")
		inv.Config.EnvNames = append(inv.Config.EnvNames, c.shown(name))
		c.search("env", name, i, pair)
	}
	slices.Sort(inv.Config.EnvNames)
	for i, name := range slices.Sorted(maps.Keys(config.Labels)) {
		if c.search("label", name, i, name+"="+config.Labels[name]) {
			inv.Config.Labels = maps.Clone(inv.Config.Labels)
			delete(inv.Config.Labels, name)
			inv.Config.Labels[c.shown(name)] = notShown
		}
	}
	for i, step := range config.History {
		c.search("history", "", i, step.CreatedBy+"\n"+step.Comment)
	}
	if c.more > 0 {
		inv.incomplete("config", fmt.Sprintf("%d more secrets are in it and not listed", c.more))
	}
}

type configScan struct {
	inv     *Inventory
	scanner secret.Scanner
	more    int
}

// notShown stands for a text of the configuration that holds a secret.
const notShown = "(not shown: it holds a secret)"

// shown is a name as it may be shown.
func (c *configScan) shown(name string) string {
	if len(c.scan(name).Hits) > 0 {
		return notShown
	}
	return name
}

// search takes one text of the configuration and reports whether it holds a
// secret. The name is shown only where it is plain and none itself.
func (c *configScan) search(sort, name string, index int, text string) bool {
	r := c.scan(text)
	if len(r.Hits) == 0 {
		return false
	}
	if !plainName(name) || len(c.scan(name).Hits) > 0 {
		name = fmt.Sprint(index + 1)
	}
	for _, hit := range r.Hits {
		if len(c.inv.Secrets) >= maxSecrets {
			c.more++
			continue
		}
		s := Secret{Kind: hit.Kind, Path: "config " + sort + " " + name, Visible: true}
		if hit.Expires > 0 {
			s.Expires = time.Unix(hit.Expires, 0).UTC()
		}
		c.inv.Secrets = append(c.inv.Secrets, s)
	}
	c.more += r.More
	return true
}

// scan reads a text as a file of settings.
func (c *configScan) scan(text string) secret.Result {
	c.scanner.Begin(".env")
	_, _ = c.scanner.Write([]byte(text))
	return c.scanner.End()
}

// plainName is one that variables and labels have, of a length that no token
// needs.
func plainName(name string) bool {
	if name == "" || len(name) > 64 {
		return false
	}
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("_.-", c) {
			return false
		}
	}
	return true
}
