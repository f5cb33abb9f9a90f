package signal

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/runtime/detect"
	"github.com/scantling/scantling/runtime/ingest"
)

// Feed says whether an audit policy gives a rule what it needs.
type Feed struct {
	Rule    detect.Rule
	Verdict string // Fed, Partly, Starved or Unknown
	Given   []Given
	Cut     bool // the rule is about more requests than are told
}

// The verdicts of a Feed.
const (
	Fed     = "fed"
	Partly  = "part" // some kinds of request are not logged as the rule needs them
	Starved = "none"
	Unknown = "unknown" // it matches no request that is known
)

// Given is what a policy logs of one kind of request, and what a rule needs.
type Given struct {
	Request string // "create pods/exec", "any request"
	Needs   string
	Level   string // of all requests of this kind but Except
	Line    int    // of the policy's rule; 0: none matches, so that nothing is logged
	Omitted bool   // the level would do, but all stages that the rule reads are left out
	Fed     bool
	Except  []Exception // those below Needs alone, at most maxExcept
}

// Exception is a part of the requests that a rule of the policy takes out.
type Exception struct {
	Who   string // "namespaces kube-system", in the words of the policy
	Level string
	Line  int
}

const (
	maxGiven  = 1000
	maxExcept = 8
)

// asked are the fields of a record on which a policy decides.
var asked = []string{
	"verb", "objectRef.resource", "objectRef.subresource", "objectRef.apiGroup", "objectRef.namespace", "objectRef.name", "user.username", "stage",
}

// Feeds asks a policy of every rule of the audit log, in the order of
// Program.Rules. Which requests a rule is about its exact values of verb,
// resource and so on tell. A rule that names a resource and no subresource is
// taken to be about the resource itself. system:authenticated counts as
// everybody, but where a rule names the anonymous user.
func (p *Policy) Feeds(prog *detect.Program) []Feed {
	var out []Feed
	for _, r := range prog.Rules() {
		if r.Silent || !slices.Contains(r.Kinds, ingest.Kind) {
			continue
		}
		f := Feed{Rule: r, Verdict: Fed}
		for _, way := range prog.Ways(r.ID, asked, stages) {
			for _, c := range classes(way) {
				if len(f.Given) == maxGiven {
					f.Cut = true
					break
				}
				f.Given = append(f.Given, p.gives(c, way))
			}
		}
		f.Given = distinct(f.Given)
		switch {
		case len(f.Given) == 0:
			f.Verdict = Unknown
		case !slices.ContainsFunc(f.Given, func(g Given) bool { return g.Fed }):
			f.Verdict = Starved
		case slices.ContainsFunc(f.Given, func(g Given) bool { return !g.Fed }):
			f.Verdict = Partly
		}
		out = append(out, f)
	}
	return out
}

// distinct sorts, and leaves of several ways to see one request the one that
// needs least: it is enough.
func distinct(given []Given) []Given {
	slices.SortFunc(given, func(a, b Given) int {
		return cmp.Or(cmp.Compare(a.Request, b.Request), cmp.Compare(rank(a.Needs), rank(b.Needs)), a.Line-b.Line)
	})
	return slices.CompactFunc(given, func(a, b Given) bool { return a.Request == b.Request })
}

// Problems says what a policy doesn't give a rule, a line for each level and
// rule of the policy: "D102 T1611 needs Request for create pods, the policy
// logs Metadata (policy.yaml:12)".
func (p *Policy) Problems(f Feed) []string {
	type cause struct {
		needs, level string
		line         int
		omitted      bool
	}
	var order []cause
	requests := map[cause][]string{}
	for _, g := range f.Given {
		if g.Fed {
			continue
		}
		c := cause{g.Needs, g.Level, g.Line, g.Omitted}
		if requests[c] == nil {
			order = append(order, c)
		}
		requests[c] = append(requests[c], g.Request)
	}
	var out []string
	for _, c := range order {
		logs, where := "the policy logs "+c.level, fmt.Sprintf("%s:%d", p.File, c.line)
		if c.omitted {
			logs = "the policy leaves out its stages"
		}
		if c.line == 0 {
			where = p.File + ": no rule matches"
		}
		who := strings.Join(append([]string{f.Rule.ID}, f.Rule.Attack...), " ")
		out = append(out, fmt.Sprintf("%s needs %s for %s, %s (%s)", who, c.needs, Join(requests[c]), logs, where))
	}
	return out
}

// maxJoined is how many resources Join names.
const maxJoined = 8

// Join writes kinds of request shorter: "create/patch pods, jobs.batch".
func Join(requests []string) string {
	verbs := map[string]string{} // by resource, joined
	var resources []string
	for _, r := range requests {
		verb, what, _ := strings.Cut(r, " ")
		if verbs[what] == "" {
			resources = append(resources, what)
			verbs[what] = verb
			continue
		}
		verbs[what] += "/" + verb
	}
	slices.Sort(resources)
	slices.SortStableFunc(resources, func(a, b string) int { return cmp.Compare(verbs[a], verbs[b]) })
	var b strings.Builder
	for i, what := range resources[:min(len(resources), maxJoined)] {
		switch {
		case i == 0:
			b.WriteString(verbs[what] + " ")
		case verbs[what] != verbs[resources[i-1]]:
			b.WriteString("; " + verbs[what] + " ")
		default:
			b.WriteString(", ")
		}
		b.WriteString(what)
	}
	if more := len(resources) - maxJoined; more > 0 {
		fmt.Fprintf(&b, ", and %d more", more)
	}
	return b.String()
}

// class is a kind of request. A nil value is one that the rule leaves open.
type class struct {
	verb, resource, sub, group, namespace, name, user *string
	stages                                            []string // that the rule reads, folded
}

// classes are the kinds of request of one way.
func classes(way detect.Way) []class {
	one := func(field string) []*string {
		values, ok := way.Values[field]
		if !ok {
			return []*string{nil}
		}
		out := make([]*string, len(values))
		for i := range values {
			out[i] = &values[i]
		}
		return out
	}
	stage, ok := way.Values["stage"]
	if !ok {
		for _, s := range stages {
			stage = append(stage, strings.ToLower(s))
		}
	}
	out := []class{{stages: stage}}
	for _, f := range []struct {
		field string
		set   func(*class, *string)
	}{
		{"objectRef.resource", func(c *class, v *string) { c.resource = v }},
		{"objectRef.subresource", func(c *class, v *string) { c.sub = v }},
		{"objectRef.apiGroup", func(c *class, v *string) { c.group = v }},
		{"verb", func(c *class, v *string) { c.verb = v }},
		{"objectRef.namespace", func(c *class, v *string) { c.namespace = v }},
		{"objectRef.name", func(c *class, v *string) { c.name = v }},
		{"user.username", func(c *class, v *string) { c.user = v }},
	} {
		var next []class
		for _, c := range out {
			for _, v := range one(f.field) {
				if len(next) > maxGiven {
					break
				}
				f.set(&c, v)
				next = append(next, c)
			}
		}
		out = next
	}
	for i := range out {
		out[i].settle()
	}
	return slices.DeleteFunc(out, func(c class) bool { return !c.exists() })
}

// settle fills in what a resource implies.
func (c *class) settle() {
	if c.resource == nil || *c.resource == "" {
		return
	}
	empty := ""
	if c.sub == nil {
		c.sub = &empty
	}
	if group, known := groupOf[*c.resource]; known && c.group == nil {
		c.group = &group
	}
}

// exists reports whether the API server has such requests, as far as is known.
func (c class) exists() bool {
	if c.resource == nil || c.sub == nil || *c.sub == "" {
		return true
	}
	subs, known := subresources[*c.resource]
	return !known || slices.Contains(subs, *c.sub)
}

// String is the kind of request in words.
func (c class) String() string {
	verb := "any verb on"
	if c.verb != nil {
		verb = *c.verb
	}
	if c.resource == nil || *c.resource == "" {
		switch {
		case c.ofGroup():
			return c.of(verb + " any resource of " + *c.group)
		case c.verb == nil:
			return c.of("any request")
		}
		return c.of("any " + verb)
	}
	what := *c.resource
	if c.group != nil && *c.group != "" {
		what += "." + *c.group
	}
	if c.sub != nil && *c.sub != "" {
		what += "/" + *c.sub
	}
	if c.name != nil && *c.name != "" {
		what += " " + *c.name
	}
	if c.namespace != nil && *c.namespace != "" {
		what += " in " + *c.namespace
	}
	return c.of(verb + " " + what)
}

// ofGroup reports whether a group is all that is known of the resource.
func (c class) ofGroup() bool { return c.resource == nil && c.group != nil && *c.group != "" }

func (c class) of(text string) string {
	if c.user != nil && *c.user != "" {
		text += " by " + *c.user
	}
	return text
}

// gives walks the policy: a rule that takes all of a class decides for what
// those before it left.
func (p *Policy) gives(c class, way detect.Way) Given {
	g := Given{Request: c.String(), Needs: way.Needs, Level: levelNone}
	for _, pr := range p.Rules {
		part := pr.part(c)
		if part == 0 {
			continue
		}
		level, omitted := pr.Level, p.silent(pr, c, way)
		if omitted {
			level = levelNone
		}
		if part == 2 {
			g.Level, g.Line, g.Omitted = pr.Level, pr.Line, omitted
			g.Fed = rank(level) >= rank(way.Needs)
			return g
		}
		if rank(level) < rank(way.Needs) && len(g.Except) < maxExcept {
			g.Except = append(g.Except, Exception{Who: pr.who(), Level: level, Line: pr.Line})
		}
	}
	return g
}

// silent reports whether a rule of the policy leaves out every stage at which
// a way can match. A request that was only received has no body yet, only a
// request that lasts has a start of its answer before the end, and what a panic
// leaves is nothing to count on.
func (p *Policy) silent(pr PolicyRule, c class, way detect.Way) bool {
	omitted := p.omitted(pr)
	for _, s := range stages {
		if s == stages[0] && way.Needs != levelMetadata || s == stages[1] && !c.lasts() || s == stages[3] {
			continue
		}
		if slices.Contains(c.stages, strings.ToLower(s)) && !slices.Contains(omitted, s) {
			return false
		}
	}
	return true
}

// lasts reports whether the API server takes all requests of a class for long
// ones. Source: k8s.io/apiserver, BasicLongRunningRequestCheck as kube-apiserver
// sets it up.
func (c class) lasts() bool {
	return c.verb != nil && slices.Contains([]string{"watch", "proxy"}, *c.verb) ||
		c.sub != nil && slices.Contains([]string{"attach", "exec", "proxy", "log", "portforward"}, *c.sub)
}

// who are the requests of a rule in the words of the policy.
func (pr PolicyRule) who() string {
	var words []string
	for _, l := range []struct {
		name string
		list []string
	}{{"users", pr.Users}, {"userGroups", pr.UserGroups}, {"verbs", pr.Verbs}, {"namespaces", pr.Namespaces}, {"nonResourceURLs", pr.NonResourceURLs}} {
		if len(l.list) > 0 {
			words = append(words, l.name+" "+strings.Join(l.list[:min(4, len(l.list))], ", "))
		}
	}
	for _, gr := range pr.Resources[:min(4, len(pr.Resources))] {
		text := strings.Join(gr.Resources, ", ")
		if len(gr.Resources) == 0 {
			text = "all"
		}
		if gr.Group != "" {
			text += " of " + gr.Group
		}
		if len(gr.ResourceNames) > 0 {
			text += " named " + strings.Join(gr.ResourceNames[:min(4, len(gr.ResourceNames))], ", ")
		}
		words = append(words, text)
	}
	return strings.Join(words, "; ")
}

// part says how much of a class a rule of a policy takes: 0 nothing, 1 some,
// 2 all. Where it isn't known it is some.
func (pr PolicyRule) part(c class) int {
	out := min(takes(pr.Users, c.user), pr.groupPart(c.user), takes(pr.Verbs, c.verb))
	switch {
	case len(pr.Namespaces) > 0 || len(pr.Resources) > 0:
		if c.resource != nil && *c.resource == "" {
			return 0
		}
		return min(out, takes(pr.Namespaces, c.namespace), pr.resourcePart(c))
	case len(pr.NonResourceURLs) > 0:
		if c.resource != nil && *c.resource != "" || c.ofGroup() {
			return 0
		}
		return min(out, 1)
	}
	return out
}

// takes compares a list of a policy, of which none stands for all, with a
// value. A rule's values are folded.
func takes(list []string, value *string) int {
	switch {
	case len(list) == 0:
		return 2
	case value == nil:
		return 1
	case slices.ContainsFunc(list, func(w string) bool { return strings.EqualFold(w, *value) }):
		return 2
	}
	return 0
}

const (
	authenticated   = "system:authenticated"
	unauthenticated = "system:unauthenticated"
	anonymous       = "system:anonymous"
	accountUser     = "system:serviceaccount:"
	accountGroup    = "system:serviceaccounts"
)

// groupPart knows the groups that the API server itself gives.
func (pr PolicyRule) groupPart(user *string) int {
	has := func(g string) bool { return slices.Contains(pr.UserGroups, g) }
	switch {
	case len(pr.UserGroups) == 0:
		return 2
	case user != nil && *user == anonymous:
		if has(unauthenticated) {
			return 2
		}
		return 0
	case has(authenticated):
		return 2
	case user != nil && strings.HasPrefix(*user, accountUser):
		namespace, _, _ := strings.Cut(strings.TrimPrefix(*user, accountUser), ":")
		if has(accountGroup) || has(accountGroup+":"+namespace) {
			return 2
		}
		return 0
	}
	return 1
}

func (pr PolicyRule) resourcePart(c class) int {
	if len(pr.Resources) == 0 {
		if c.resource == nil && !c.ofGroup() {
			return 1 // of requests for other paths none
		}
		return 2
	}
	if c.resource == nil && !c.ofGroup() {
		return 1
	}
	best := 0
	for _, gr := range pr.Resources {
		best = max(best, gr.part(c))
	}
	return best
}

func (gr GroupResources) part(c class) int {
	out := 2
	switch {
	case gr.Group == "*":
	case c.group == nil:
		out = 1
	case gr.Group != *c.group:
		return 0
	}
	if len(gr.Resources) == 0 {
		return out
	}
	if c.resource == nil {
		return 1
	}
	if !gr.lists(*c.resource, *c.sub) {
		return 0
	}
	return min(out, takes(gr.ResourceNames, c.name))
}
