// Package config reads the estate file, scantling.yaml: one struct, visible
// defaults, unknown keys rejected with line and nearest key, every problem
// reported at once. Secrets never stand in this file.
package config

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
)

// FileName is the estate file that is looked for at the root of an estate.
const FileName = "scantling.yaml"

// maxSize bounds the estate file, in bytes: the largest reasonable one lists
// thousands of images in a few hundred kilobytes.
const maxSize = 4 << 20

// Config is the estate file. The zero value is an estate of which everything
// is found by looking.
type Config struct {
	Estate     string    `yaml:"estate"` // default: the folder's name
	Build      Build     `yaml:"build"`
	Registry   Registry  `yaml:"registry"`
	Clusters   []Cluster `yaml:"clusters"`
	Logs       []Log     `yaml:"logs"`
	Images     []Image   `yaml:"images"`
	Jewels     []Jewel   `yaml:"jewels"`
	Risk       Risk      `yaml:"risk"`
	Rules      Rules     `yaml:"rules"`
	Accept     []Accept  `yaml:"accept"`
	Notify     []Notify  `yaml:"notify"`
	Advisories string    `yaml:"advisories"` // folder laid out like the public OSV bucket
	VEX        []string  `yaml:"vex"`        // documents, and folders of them
	Exclude    []string  `yaml:"exclude"`    // patterns of paths that are not looked at

	dir  string
	file string
}

// Build names the sources and what they may use.
type Build struct {
	Paths      []string `yaml:"paths"` // default: all of the estate
	BaseImages Allow    `yaml:"baseImages"`
	Sources    Allow    `yaml:"sources"`
	Labels     Labels   `yaml:"labels"`
}

// Allow is a list of patterns, `*` for any run of characters.
type Allow struct {
	Allow []string `yaml:"allow"`
}

// Labels is the label schema.
type Labels struct {
	Required []string `yaml:"required"`
}

// Registry is read by `scantling registry`, which this version doesn't have.
type Registry struct {
	Hosts []any          `yaml:"hosts"`
	Shelf map[string]any `yaml:"shelf"`
}

// Cluster names one cluster and where its manifests are.
type Cluster struct {
	Name      string   `yaml:"name"`
	Context   string   `yaml:"context"`
	Manifests []string `yaml:"manifests"`
	Platform  string   `yaml:"platform"` // gke, eks, aks or self
}

// Log names one log.
type Log struct {
	Kind string `yaml:"kind"`
	Path string `yaml:"path"`
}

// Image ties an image's name, without tag, to its Dockerfile.
type Image struct {
	Name       string `yaml:"name"`
	Dockerfile string `yaml:"dockerfile"`
}

// Jewel prices an asset; all jewels together are worth 1000 points.
type Jewel struct {
	Name  string  `yaml:"name"`
	Match Match   `yaml:"match"`
	Value float64 `yaml:"value"`
}

// Match names exactly one asset: a Secret as namespace/name, a node, a cloud
// role, or a cluster.
type Match struct {
	Secret    string `yaml:"secret"`
	Node      string `yaml:"node"`
	CloudRole string `yaml:"cloudRole"`
	Cluster   string `yaml:"cluster"`
}

// Risk sets the load line, in points.
type Risk struct {
	Line *float64 `yaml:"line"` // default: a third of the measured load
}

// Rules selects rules.
type Rules struct {
	Set     string    `yaml:"set"`
	Dirs    []string  `yaml:"dirs"`
	Disable []Disable `yaml:"disable"`
}

// Disable turns one rule off, with owner, reason and date.
type Disable struct {
	ID      string `yaml:"id"`
	Reason  string `yaml:"reason"`
	Owner   string `yaml:"owner"`
	Expires string `yaml:"expires"`
}

// Accept accepts one advisory or rule on one asset until a date.
type Accept struct {
	Advisory string `yaml:"advisory"`
	Rule     string `yaml:"rule"`
	Asset    string `yaml:"asset"`
	Reason   string `yaml:"reason"`
	Owner    string `yaml:"owner"`
	Expires  string `yaml:"expires"`
}

// Notify is one sink of alerts; package notify says what the values mean.
type Notify struct {
	Name   string `yaml:"name"`
	To     string `yaml:"to"`     // address, as "ocsf+https://siem.example/alerts"
	Format string `yaml:"format"` // default: what the address takes
	Level  string `yaml:"level"`  // least severity; default: all
	Group  Group  `yaml:"group"`
	Secret Secret `yaml:"secret"`
	CA     string `yaml:"ca"` // file of certificates
	SASL   string `yaml:"sasl"`
	Index  string `yaml:"index"`
	Tenant string `yaml:"tenant"`
	Ack    bool   `yaml:"ack"`
	Batch  bool   `yaml:"batch"`
}

// Group says how alerts are throttled.
type Group struct {
	Window string `yaml:"window"` // default: 5m; "none"
	By     string `yaml:"by"`     // "asset" (default) or "identity"
}

// Secret says where a secret is, never what it is.
type Secret struct {
	Env  string `yaml:"env"`  // variable of the environment
	File string `yaml:"file"` // may lie outside of the estate
}

// Load reads the estate file of a folder. A folder without one is an empty
// Config. The error holds every problem, a line each: FILE:LINE: text.
func Load(dir string) (*Config, error) {
	file := filepath.Join(dir, FileName)
	c := &Config{dir: dir, file: file}
	info, err := os.Stat(file)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return c, c.complete()
	case err != nil:
		return nil, fmt.Errorf("reading the estate file: %w", err)
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("reading the estate file: %s is not a regular file", file)
	case info.Size() > maxSize:
		return nil, fmt.Errorf("%s: %d bytes, more than the %d that an estate file may have", file, info.Size(), maxSize)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading the estate file: %w", err)
	}
	if err := c.decode(data); err != nil {
		return nil, err
	}
	return c, c.complete()
}

func (c *Config) decode(data []byte) error {
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return fmt.Errorf("%s: %w", c.file, err)
	}
	if root.Kind == 0 {
		return nil // an empty file
	}
	problems := unknownKeys(c.file, root.Content[0], *c)
	if err := root.Decode(c); err != nil {
		problems = append(problems, typeErrors(c.file, err)...)
	}
	return errors.Join(problems...)
}

// typeErrors splits the decoder's list of wrong types into one error each.
func typeErrors(file string, err error) []error {
	var list *yaml.TypeError
	if !errors.As(err, &list) {
		return []error{fmt.Errorf("%s: %w", file, err)}
	}
	var out []error
	for _, text := range list.Errors {
		line, rest, _ := strings.Cut(strings.TrimPrefix(text, "line "), ": ")
		// It quotes the value, line ends and all; a problem is one line.
		out = append(out, fmt.Errorf("%s:%s: %s", file, line, strings.Join(strings.Fields(rest), " ")))
	}
	return out
}

// complete fills in the defaults and reports everything that can't be right.
func (c *Config) complete() error {
	if c.Estate == "" {
		abs, err := filepath.Abs(c.dir)
		if err != nil {
			return fmt.Errorf("naming the estate: %w", err)
		}
		c.Estate = filepath.Base(abs)
	}
	var problems []error
	complain := func(format string, args ...any) {
		problems = append(problems, fmt.Errorf("%s: "+format, append([]any{c.file}, args...)...))
	}
	for i, k := range c.Clusters {
		if k.Name == "" {
			complain("clusters[%d]: a cluster needs a name", i)
		}
		if k.Platform != "" && !slices.Contains([]string{"gke", "eks", "aks", "self"}, k.Platform) {
			complain("clusters[%d]: platform %q: use gke, eks, aks or self", i, k.Platform)
		}
	}
	for i, a := range c.Accept {
		if (a.Advisory == "") == (a.Rule == "") {
			complain("accept[%d]: name an advisory or a rule, one of the two", i)
		}
		checkOwned(complain, fmt.Sprintf("accept[%d]", i), a.Reason, a.Owner, a.Expires)
	}
	for i, d := range c.Rules.Disable {
		checkOwned(complain, fmt.Sprintf("rules.disable[%d]", i), d.Reason, d.Owner, d.Expires)
	}
	c.checkValues(complain)
	c.checkNotify(complain)
	c.checkExclude(complain)
	for _, p := range c.paths() {
		if path.IsAbs(filepath.ToSlash(p)) || !filepath.IsLocal(filepath.FromSlash(p)) {
			complain("path %q leaves the estate: use a path below %s", p, c.dir)
		} else if leadsOut(c.dir, p) {
			complain("path %q leads out of the estate by a link: use a path below %s", p, c.dir)
		}
	}
	return errors.Join(problems...)
}

// leadsOut reports whether links take a path below dir out of it. What isn't
// there is its reader's to tell.
func leadsOut(dir, name string) bool {
	root, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return false
	}
	target, err := filepath.EvalSymlinks(filepath.Join(dir, filepath.FromSlash(name)))
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(root, target)
	return err != nil || !filepath.IsLocal(rel)
}

// checkValues checks prices and the line.
func (c *Config) checkValues(complain func(string, ...any)) {
	sum := 0.0
	for i, j := range c.Jewels {
		if n := len(j.Match.refs()); n != 1 {
			complain("jewels[%d]: match names %d assets, it takes exactly one of secret, node, cloudRole, cluster", i, n)
		}
		if !(j.Value > 0) {
			complain("jewels[%d]: value %v: a jewel is worth more than 0", i, j.Value)
		}
		sum += j.Value
	}
	if sum > 1000 {
		complain("jewels: their values sum to %v, all jewels together are worth 1000", sum)
	}
	if c.Risk.Line != nil && !(*c.Risk.Line >= 0) {
		complain("risk.line %v: a line is 0 or more", *c.Risk.Line)
	}
}

// checkNotify checks what needs no knowledge of sinks.
func (c *Config) checkNotify(complain func(string, ...any)) {
	for i, n := range c.Notify {
		if n.Name == "" || n.To == "" {
			complain("notify[%d]: a sink needs a name and an address in to", i)
		}
		if slices.ContainsFunc(c.Notify[:i], func(o Notify) bool { return o.Name == n.Name }) {
			complain("notify[%d]: the name %q is taken by another sink", i, n.Name)
		}
		if n.Secret.Env != "" && n.Secret.File != "" {
			complain("notify[%d]: the secret is in env or in file, not both", i)
		}
	}
}

// checkOwned wants what makes an exception governed.
func checkOwned(complain func(string, ...any), where, reason, owner, expires string) {
	if reason == "" || owner == "" {
		complain("%s: an exception needs a reason and an owner", where)
	}
	if _, err := time.Parse("2006-01-02", expires); err != nil {
		complain("%s: expires %q: use a date as 2027-01-31", where, expires)
	}
}

// paths are all the paths that the file names; URLs aren't paths.
func (c *Config) paths() []string {
	all := slices.Clone(c.Build.Paths)
	for _, k := range c.Clusters {
		all = append(all, k.Manifests...)
	}
	for _, l := range c.Logs {
		all = append(all, l.Path)
	}
	for _, i := range c.Images {
		all = append(all, i.Dockerfile)
	}
	all = append(all, c.Rules.Dirs...)
	all = append(all, c.VEX...)
	if c.Advisories != "" {
		all = append(all, c.Advisories)
	}
	return slices.DeleteFunc(all, func(p string) bool { return p == "" })
}

// refs are the assets of one match; the cluster is filled in by Refs.
func (m Match) refs() []model.Ref {
	var out []model.Ref
	for _, r := range []model.Ref{
		{Kind: model.Secret, Key: m.Secret},
		{Kind: model.Node, Key: m.Node},
		{Kind: model.CloudRole, Key: m.CloudRole},
		{Kind: model.Cluster, Key: m.Cluster},
	} {
		if r.Key != "" {
			out = append(out, r)
		}
	}
	return out
}

// Ref is the asset that a match names, in the given cluster.
func (m Match) Ref(cluster string) model.Ref {
	r := m.refs()[0]
	if r.Kind == model.Secret || r.Kind == model.Node {
		r.Key = cluster + "/" + r.Key
	}
	return r
}

// DefaultCluster is what a cluster is called that the estate file doesn't name.
const DefaultCluster = "cluster"

// LogCluster is the cluster that logs and crown jewels are of: the first.
func (c *Config) LogCluster() string {
	if len(c.Clusters) == 0 {
		return DefaultCluster
	}
	return c.Clusters[0].Name
}

// Exceptions are the accept entries as the model has them.
func (c *Config) Exceptions() []model.Exception {
	out := make([]model.Exception, len(c.Accept))
	for i, a := range c.Accept {
		out[i] = model.Exception(a)
	}
	return out
}
