//go:build !scanner

package cli

import (
	"context"
	"path"
	"regexp"
	"strings"

	"github.com/scantling/scantling/infrastructure/cloud"
	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/model"
)

// cloudUsage is what --cloud says of itself in every command that has it.
const cloudUsage = "what a cloud exported of its identities: a JSON file or a folder of them (repeatable)"

// readCloud reads the named exports of clouds: none is an empty export.
func readCloud(ctx context.Context, exports []string) (*cloud.Export, []model.Incomplete, error) {
	export, missed, err := cloud.Read(ctx, exports...)
	if err != nil {
		return nil, nil, failed("%w", err)
	}
	if len(exports) > 0 && export.Documents == 0 {
		return nil, nil, failed("%s: %s", missed[0].What, missed[0].Why)
	}
	return export, missed, nil
}

// cloudLinks are the links of a cluster with the cloud as the attack graph
// takes them. What they rest on that no export tells is incomplete where some
// export was named: who names none asks nothing of the cloud.
func cloudLinks(ctx context.Context, s *kube.Snapshot, id *identity.Engine, exports []string) ([]paths.Link, []model.Incomplete, error) {
	export, missed, err := readCloud(ctx, exports)
	if err != nil {
		return nil, nil, err
	}
	links, more := export.Links(s)
	missed = append(missed, more...)
	c := &linker{snapshot: s, identity: id, export: export, links: links}
	for i := range links {
		l := &links[i]
		if l.Depends != "" && len(exports) > 0 {
			missed = append(missed, model.Incomplete{What: l.From.String() + " → " + l.To.String(), Why: l.Depends})
		}
		c.add(l)
	}
	return c.out, missed, nil
}

// linker turns links of package cloud into those of package paths.
type linker struct {
	snapshot *kube.Snapshot
	identity *identity.Engine
	export   *cloud.Export
	links    []cloud.Link
	out      []paths.Link
}

func (c *linker) add(l *cloud.Link) {
	from := paths.Holder{Role: l.From.Name}
	switch l.From.Kind {
	case cloud.KindAccount:
		from = paths.Holder{Subject: identity.Account(l.From.Namespace, l.From.Name)}
	case cloud.KindGroup:
		from = paths.Holder{Subject: identity.Group(l.From.Name)}
	case cloud.KindUser:
		from = paths.Holder{Subject: identity.User(l.From.Name)}
	case cloud.KindNode:
		from = paths.Holder{Node: l.From.Name}
		if l.From.Name == "" {
			from.Node = paths.EveryNode
		}
		c.asNode(l, from)
	}
	for _, to := range c.ends(l) {
		c.link(l, from, to)
	}
}

// ends are what a link leads to. A user with braces in his name is every one
// that a binding names and the name may become; namespaces by a pattern are
// those that it matches.
func (c *linker) ends(l *cloud.Link) []paths.Holder {
	switch to := l.To; to.Kind {
	case cloud.KindAccount:
		return []paths.Holder{{Subject: identity.Account(to.Namespace, to.Name)}}
	case cloud.KindGroup:
		return []paths.Holder{{Subject: identity.Group(to.Name)}}
	case cloud.KindUser:
		return c.users(to.Name)
	case cloud.KindRole:
		if !strings.Contains(to.Namespace, "*") {
			return []paths.Holder{{Rights: paths.Rights{Role: to.Name, Namespace: to.Namespace}}}
		}
		var out []paths.Holder
		for _, n := range c.snapshot.Namespaces() {
			if ok, err := path.Match(to.Namespace, n.Name); ok && err == nil {
				out = append(out, paths.Holder{Rights: paths.Rights{Role: to.Name, Namespace: n.Name}})
			}
		}
		return out
	default:
		return []paths.Holder{{Role: to.Name}}
	}
}

// braces stand in the name of a user for what a session of AWS fills in.
var braces = regexp.MustCompile(`\\\{\\\{[^{}]*\\\}\\\}`)

func (c *linker) users(name string) []paths.Holder {
	if !strings.Contains(name, "{{") {
		return []paths.Holder{{Subject: identity.User(name)}}
	}
	pattern, err := regexp.Compile("^" + braces.ReplaceAllString(regexp.QuoteMeta(name), ".+") + "$")
	if err != nil { // a quoted name always compiles
		return nil
	}
	var out []paths.Holder
	for _, s := range c.identity.Subjects() {
		if s == identity.User(s.Name) && pattern.MatchString(s.Name) {
			out = append(out, paths.Holder{Subject: s})
		}
	}
	return out
}

// nodeUser is how the name of a user begins as whom AWS lets the role of a node
// in: each node as itself, because a session of it bears its instance's name.
const nodeUser = "system:node:{{"

// asNode adds that whoever has a node's role by its metadata service is the
// node to the API server, where the cluster takes the role for its nodes.
func (c *linker) asNode(l *cloud.Link, from paths.Holder) {
	for i := range c.links {
		m := &c.links[i]
		if m.From != l.To || m.To.Kind != cloud.KindUser || !strings.HasPrefix(m.To.Name, nodeUser) {
			continue
		}
		both := *l
		both.To, both.How = m.To, l.How+" and "+m.How
		both.Proof = append(append([]cloud.Proof{}, l.Proof...), m.Proof...)
		if both.Depends == "" {
			both.Depends = m.Depends
		}
		c.link(&both, from, paths.Holder{Node: from.Node})
		return
	}
}

// link adds one link with its proof. One that depends has an even chance.
func (c *linker) link(l *cloud.Link, from, to paths.Holder) {
	out := paths.Link{
		From: from, To: to, Value: l.How, Given: l.Given, Audience: l.Token, Pods: l.Reach == cloud.ReachPods,
		Limited: l.To.Kind == cloud.KindCloud && c.export.Power(l.To.Name).Level == cloud.Limited,
	}
	if l.Reach != "" {
		out.Value += " for " + l.Reach
	}
	if l.To.Kind == cloud.KindRole {
		out.Value += ": " + cloud.Party{Kind: cloud.KindRole, Namespace: to.Rights.Namespace, Name: to.Rights.Role}.String()
	}
	for _, p := range l.Proof {
		out.Proof = append(out.Proof, model.Proof{Object: p.Document, Field: p.Field, Rule: p.Value})
	}
	if l.Depends != "" {
		out.P = paths.Doubtful
		out.Proof = append(out.Proof, model.Proof{Object: l.To.String(), Field: "depends", Rule: l.Depends})
		out.Evidence = append(out.Evidence, model.Evidence{What: "depends: " + l.Depends, Where: l.Proof[0].Document, Value: l.Proof[0].Field})
	}
	out.Evidence = append(out.Evidence, model.Evidence{
		What: l.From.String() + " → " + l.To.String() + " by " + out.Value, Where: l.Proof[0].Document, Value: l.Proof[0].Field,
	})
	c.out = append(c.out, out)
}
