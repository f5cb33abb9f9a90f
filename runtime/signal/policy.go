package signal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// Levels of an audit policy, least first.
const (
	levelNone     = "None"
	levelMetadata = "Metadata"
	levelRequest  = "Request"
	levelResponse = "RequestResponse"
)

// rank orders levels; a word that is none is below None.
func rank(level string) int {
	return slices.Index([]string{levelNone, levelMetadata, levelRequest, levelResponse}, level)
}

// stages are those at which the API server writes a record.
var stages = []string{"RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"}

// maxPolicy bounds a policy, in bytes, and maxRules its rules. Those of large
// clouds have some thirty.
const (
	maxPolicy = 1 << 20
	maxRules  = 10_000
)

// Policy is an audit policy of the API server, audit.k8s.io/v1. It is not
// changed once it is read, and safe to share.
// Source: kubernetes.io/docs/reference/config-api/apiserver-audit.v1.
type Policy struct {
	File   string
	Digest string // of the text, in hex
	Rules  []PolicyRule

	OmitStages        []string
	OmitManagedFields bool
}

// PolicyRule is one rule of a policy. An empty list stands for all.
type PolicyRule struct {
	Line              int
	Level             string
	Users             []string
	UserGroups        []string
	Verbs             []string
	Namespaces        []string // "" is that of objects without one
	Resources         []GroupResources
	NonResourceURLs   []string
	OmitStages        []string
	OmitManagedFields *bool // nil: as the policy
}

// GroupResources are resources of an API group. "*" is any group.
type GroupResources struct {
	Group         string
	Resources     []string // "pods", "pods/log", "pods/*", "*/scale", "*"
	ResourceNames []string
}

// Request is one request to the API server. Without a resource it is one for
// Path.
type Request struct {
	User        string
	Groups      []string
	Verb        string
	Group       string
	Resource    string
	Subresource string
	Namespace   string
	Name        string
	Path        string
}

// Decision is what a policy logs of a request.
type Decision struct {
	Level             string
	Line              int // of the rule; 0: none matched, and nothing is logged
	OmitStages        []string
	OmitManagedFields bool
}

// Decide finds the first rule that matches a request.
func (p *Policy) Decide(r Request) Decision {
	for _, pr := range p.Rules {
		if !pr.matches(r) {
			continue
		}
		d := Decision{Level: pr.Level, Line: pr.Line, OmitStages: p.omitted(pr), OmitManagedFields: p.OmitManagedFields}
		if pr.OmitManagedFields != nil {
			d.OmitManagedFields = *pr.OmitManagedFields
		}
		return d
	}
	return Decision{Level: levelNone, OmitStages: p.OmitStages, OmitManagedFields: p.OmitManagedFields}
}

// omitted are the stages that neither the policy nor the rule wants, sorted.
func (p *Policy) omitted(pr PolicyRule) []string {
	out := slices.Concat(p.OmitStages, pr.OmitStages)
	slices.Sort(out)
	return slices.Compact(out)
}

func (pr PolicyRule) matches(r Request) bool {
	has := func(list []string, word string) bool { return len(list) == 0 || slices.Contains(list, word) }
	if !has(pr.Users, r.User) || !has(pr.Verbs, r.Verb) {
		return false
	}
	if len(pr.UserGroups) > 0 && !slices.ContainsFunc(r.Groups, func(g string) bool { return slices.Contains(pr.UserGroups, g) }) {
		return false
	}
	if len(pr.Namespaces) > 0 || len(pr.Resources) > 0 {
		return r.Resource != "" && has(pr.Namespaces, r.Namespace) &&
			(len(pr.Resources) == 0 || slices.ContainsFunc(pr.Resources, func(gr GroupResources) bool { return gr.matches(r) }))
	}
	if len(pr.NonResourceURLs) > 0 {
		return r.Resource == "" && slices.ContainsFunc(pr.NonResourceURLs, func(spec string) bool { return pathMatches(spec, r.Path) })
	}
	return true
}

func (gr GroupResources) matches(r Request) bool {
	if gr.Group != "*" && gr.Group != r.Group {
		return false
	}
	if len(gr.Resources) == 0 {
		return true
	}
	return (len(gr.ResourceNames) == 0 || slices.Contains(gr.ResourceNames, r.Name)) && gr.lists(r.Resource, r.Subresource)
}

// lists reports whether one of the resources stands for a resource or its
// subresource. A resource alone doesn't stand for its subresources; "pods/*"
// stands for pods, too, which the API server's documentation doesn't say.
func (gr GroupResources) lists(resource, sub string) bool {
	whole := resource
	if sub != "" {
		whole += "/" + sub
	}
	return slices.ContainsFunc(gr.Resources, func(spec string) bool {
		before, after, _ := strings.Cut(spec, "/")
		return spec == "*" || spec == whole || sub != "" && before == "*" && after == sub || after == "*" && before == resource
	})
}

func pathMatches(spec, path string) bool {
	begin, star := strings.CutSuffix(spec, "*")
	return spec == path || star && strings.HasPrefix(path, begin)
}

var yamlLine = regexp.MustCompile(`^yaml: (?:line ([0-9]+): )?`)

// ParsePolicy reads a policy. Every error is a *rule.Problem with its line. A
// key that is unknown is an error: the API server passes over it, and so logs
// other requests than its author meant.
func ParsePolicy(file string, data []byte) (*Policy, []error) {
	sum := sha256.Sum256(data)
	p := &policyParser{policy: &Policy{File: file, Digest: hex.EncodeToString(sum[:])}}
	if root := p.document(data); root != nil {
		p.top(root)
	}
	if len(p.errs) > 0 {
		return nil, p.errs
	}
	return p.policy, nil
}

type policyParser struct {
	policy *Policy
	errs   []error
}

func (p *policyParser) problem(n *yaml.Node, format string, args ...any) {
	p.errs = append(p.errs, &rule.Problem{File: p.policy.File, Line: n.Line, Text: fmt.Sprintf(format, args...)})
}

func (p *policyParser) document(data []byte) *yaml.Node {
	top := &yaml.Node{Line: 1}
	if len(data) > maxPolicy {
		p.problem(top, "larger than %d bytes", maxPolicy)
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF) || err == nil && len(doc.Content) != 1:
		p.problem(top, "the file is empty")
		return nil
	case err != nil:
		if m := yamlLine.FindStringSubmatch(err.Error()); m != nil && m[1] != "" {
			top.Line, _ = strconv.Atoi(m[1])
		}
		p.problem(top, "%s", yamlLine.ReplaceAllString(err.Error(), ""))
		return nil
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		p.problem(top, "a policy is one document")
		return nil
	}
	return doc.Content[0]
}

// keys hands each key of a mapping to its reader.
func (p *policyParser) keys(n *yaml.Node, what string, read map[string]func(*yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		p.problem(n, "%s is a mapping of keys to values", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		take := read[k.Value]
		switch {
		case take == nil:
			near := model.Nearest(k.Value, slices.Sorted(maps.Keys(read)))
			if near != "" {
				near = fmt.Sprintf(": did you mean %q?", near)
			}
			p.problem(k, "%s has no key %q%s", what, k.Value, near)
		case seen[k.Value]:
			p.problem(k, "key %q is given twice", k.Value)
		case v.Kind == yaml.AliasNode || v.Anchor != "":
			p.problem(v, "anchors and aliases are not read")
		case v.Tag != "!!null":
			take(v)
		}
		seen[k.Value] = true
	}
}

func (p *policyParser) top(root *yaml.Node) {
	version, kind := "", ""
	p.keys(root, "a policy", map[string]func(*yaml.Node){
		"apiVersion":        func(v *yaml.Node) { version = v.Value },
		"kind":              func(v *yaml.Node) { kind = v.Value },
		"metadata":          func(*yaml.Node) {},
		"omitStages":        func(v *yaml.Node) { p.policy.OmitStages = p.stages(v) },
		"omitManagedFields": func(v *yaml.Node) { p.policy.OmitManagedFields = p.boolean(v) },
		"rules": func(v *yaml.Node) {
			if v.Kind != yaml.SequenceNode || len(v.Content) > maxRules {
				p.problem(v, "rules is a list of at most %d", maxRules)
				return
			}
			for _, n := range v.Content {
				p.rule(n)
			}
		},
	})
	switch {
	case kind != "Policy" || version != "audit.k8s.io/v1":
		p.problem(root, "not an audit policy: apiVersion is audit.k8s.io/v1, kind is Policy")
	case len(p.policy.Rules) == 0 && len(p.errs) == 0:
		p.problem(root, "a policy without rules is refused by the API server")
	}
}

func (p *policyParser) rule(n *yaml.Node) {
	r := PolicyRule{Line: n.Line}
	list := func(to *[]string) func(*yaml.Node) { return func(v *yaml.Node) { *to = p.words(v) } }
	p.keys(n, "a rule", map[string]func(*yaml.Node){
		"level": func(v *yaml.Node) {
			if r.Level = v.Value; rank(r.Level) < 0 {
				p.problem(v, "level is None, Metadata, Request or RequestResponse")
			}
		},
		"users": list(&r.Users), "userGroups": list(&r.UserGroups), "verbs": list(&r.Verbs), "namespaces": list(&r.Namespaces),
		"resources": func(v *yaml.Node) {
			if v.Kind != yaml.SequenceNode {
				p.problem(v, "resources is a list")
				return
			}
			for _, c := range v.Content {
				r.Resources = append(r.Resources, p.resources(c))
			}
		},
		"nonResourceURLs": func(v *yaml.Node) {
			r.NonResourceURLs = p.words(v)
			for i, url := range r.NonResourceURLs {
				if url != "*" && (!strings.HasPrefix(url, "/") || strings.Contains(url[:len(url)-1], "*")) {
					p.problem(v.Content[i], "a path begins with / and has a * at its end alone")
				}
			}
		},
		"omitStages": func(v *yaml.Node) { r.OmitStages = p.stages(v) },
		"omitManagedFields": func(v *yaml.Node) {
			b := p.boolean(v)
			r.OmitManagedFields = &b
		},
	})
	if r.Level == "" && n.Kind == yaml.MappingNode {
		p.problem(n, "a rule has a level")
	}
	if len(r.NonResourceURLs) > 0 && len(r.Resources)+len(r.Namespaces) > 0 {
		p.problem(n, "a rule is about resources or about other paths, not both")
	}
	p.policy.Rules = append(p.policy.Rules, r)
}

// groupForm is a lower-case DNS name without a version.
var groupForm = regexp.MustCompile(`^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$`)

func (p *policyParser) resources(n *yaml.Node) GroupResources {
	var g GroupResources
	p.keys(n, "an entry of resources", map[string]func(*yaml.Node){
		"group": func(v *yaml.Node) {
			if g.Group = v.Value; !groupForm.MatchString(g.Group) || len(g.Group) > 253 {
				p.problem(v, "group is the name of an API group, without a version")
			}
		},
		"resources":     func(v *yaml.Node) { g.Resources = p.words(v) },
		"resourceNames": func(v *yaml.Node) { g.ResourceNames = p.words(v) },
	})
	if len(g.ResourceNames) > 0 && len(g.Resources) == 0 {
		p.problem(n, "resourceNames without resources")
	}
	return g
}

// words reads a list of texts; "" is one, too.
func (p *policyParser) words(v *yaml.Node) []string {
	if v.Kind != yaml.SequenceNode {
		p.problem(v, "this is a list of texts")
		return nil
	}
	var out []string
	for _, c := range v.Content {
		if c.Kind != yaml.ScalarNode || c.Tag != "!!str" {
			p.problem(c, "this is a text")
			continue
		}
		out = append(out, c.Value)
	}
	return out
}

func (p *policyParser) stages(v *yaml.Node) []string {
	out := p.words(v)
	for i, s := range out {
		if !slices.Contains(stages, s) && i < len(v.Content) {
			p.problem(v.Content[i], "stage %q is not one of %s", s, strings.Join(stages, ", "))
		}
	}
	return out
}

func (p *policyParser) boolean(v *yaml.Node) bool {
	if v.Tag != "!!bool" {
		p.problem(v, "this is true or false")
	}
	return v.Value == "true"
}
