package detect

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/scantling/scantling/model"
	"github.com/scantling/scantling/rule"
)

// Bounds of one correlation.
const (
	maxRefs      = 64      // rules: they are bits of a word
	maxGroupBy   = 16      // fields
	maxThreshold = 1 << 20 // matches or values that a condition asks for
	maxTimespan  = 10 * 365 * 24 * time.Hour
)

// correlation is a compiled correlation rule.
type correlation struct {
	Rule
	name      string
	kind      string   // the specification's type
	refs      []string // as written; its rules are told by their place here
	nodes     []int    // the rules, then correlations: index into program.feeds
	groupBy   []string
	shown     []bool                       // by groupBy: an alert may show it
	aliases   map[string]map[string]string // alias -> rule as written -> field
	span      int64                        // microseconds
	fields    []string                     // of value_*: what is counted or computed with
	quantile  float64                      // of value_percentile and value_median, 0 to 1
	tests     []threshold                  // all must hold
	sequences []sequence                   // of temporal*: one must be met; nil where rules are counted
	late      bool                         // judged when the window closes, not at each match
	generate  bool
	unrated   bool
}

// threshold is one operator of a condition.
type threshold struct {
	op  compareOp
	num float64
}

// feed says that a correlation reads a rule, its pos-th.
type feed struct{ correlation, pos int }

// demand is a field, as a rule names it, that a correlation of it needs.
type demand struct {
	name   string
	fields []int // index into program.fields
}

// correlations compiles the correlation rules and links them to their rules.
func (b *builder) correlations(sources, rules []Source) []error {
	var errs []error
	var waiting []*correlation
	for _, src := range sources {
		b.begin(src)
		c := &correlation{Rule: src.Rule, name: src.Name, unrated: src.unrated}
		if err := b.correlation(c, src); err != nil {
			errs = append(errs, err)
			continue
		}
		waiting = append(waiting, c)
	}
	slices.SortFunc(waiting, func(a, b *correlation) int { return strings.Compare(a.ID, b.ID) })
	linked := b.settle(waiting)
	for _, c := range waiting {
		if !slices.Contains(linked, c) {
			errs = append(errs, b.unlinked(c, waiting, append(slices.Clone(sources), rules...)))
		}
	}
	p := b.prog
	p.feeds = make([][]feed, len(p.rules)+len(linked))
	for i, c := range linked {
		for pos, node := range c.nodes {
			p.feeds[node] = append(p.feeds[node], feed{i, pos})
		}
		p.correlations = append(p.correlations, *c)
	}
	b.silence()
	for i := range p.correlations {
		c := &p.correlations[i]
		for n, name := range slices.Concat(c.groupBy, c.fields) {
			shown, err := b.demand(len(p.rules)+i, name)
			if err != nil {
				errs = append(errs, err)
			}
			if n < len(c.groupBy) {
				c.shown = append(c.shown, shown)
			}
		}
	}
	return errs
}

// settle returns, in their order, the correlations whose rules all exist, and
// resolves their references.
func (b *builder) settle(waiting []*correlation) []*correlation {
	known := map[*correlation]bool{}
	var order []*correlation // each behind those that it refers to
	for again := true; again; {
		again = false
		for _, c := range waiting {
			if !known[c] && !slices.ContainsFunc(c.refs, func(ref string) bool { return b.count(ref, waiting, known) != 1 }) {
				known[c], again, order = true, true, append(order, c)
			}
		}
	}
	var linked []*correlation
	for _, c := range waiting {
		if known[c] {
			linked = append(linked, c)
		}
	}
	for _, c := range order {
		for _, ref := range c.refs {
			c.nodes = append(c.nodes, b.node(ref, linked))
		}
		b.inherit(c, linked)
	}
	return linked
}

func named(ref, id, name string) bool { return ref == id || ref == name }

// count is how many rules and known correlations a reference names.
func (b *builder) count(ref string, all []*correlation, known map[*correlation]bool) int {
	n := 0
	for _, r := range b.prog.rules {
		if named(ref, r.ID, r.name) {
			n++
		}
	}
	for _, c := range all {
		if known[c] && named(ref, c.ID, c.name) {
			n++
		}
	}
	return n
}

func (b *builder) node(ref string, linked []*correlation) int {
	if i := slices.IndexFunc(b.prog.rules, func(r compiled) bool { return named(ref, r.ID, r.name) }); i >= 0 {
		return i
	}
	return len(b.prog.rules) + slices.IndexFunc(linked, func(c *correlation) bool { return named(ref, c.ID, c.name) })
}

// unlinked says why a correlation's references don't resolve.
func (b *builder) unlinked(c *correlation, all []*correlation, sources []Source) error {
	p := &rule.Problem{File: c.File, Line: c.Line}
	every := map[*correlation]bool{}
	for _, other := range all {
		every[other] = true
	}
	p.Text = "its rules refer to each other in a circle, or to one that can't be compiled"
	for _, ref := range c.refs {
		switch n := b.count(ref, all, every); {
		case n > 1:
			p.Text = fmt.Sprintf("%d rules are called %q", n, ref)
			return p
		case n == 0 && slices.ContainsFunc(sources, func(s Source) bool { return named(ref, s.ID, s.Name) }):
			p.Text = fmt.Sprintf("rule %q, which it needs, can't be compiled", ref)
			return p
		case n == 0:
			p.Text = fmt.Sprintf("no rule is called %q", ref)
			return p
		}
	}
	return p
}

// silence marks the rules that are only there for correlations: those that a
// correlation refers to, unless one of them says generate.
func (b *builder) silence() {
	p := b.prog
	for node, feeds := range p.feeds {
		speaks := len(feeds) == 0 || slices.ContainsFunc(feeds, func(f feed) bool { return p.correlations[f.correlation].generate })
		if node < len(p.rules) {
			p.rules[node].Silent = !speaks
		} else {
			p.correlations[node-len(p.rules)].Silent = !speaks
		}
	}
}

// inherit takes from its rules what a correlation doesn't say itself: the
// highest level, the techniques, and the logs that they need.
func (b *builder) inherit(c *correlation, linked []*correlation) {
	seen := map[string]bool{}
	level := model.Info
	for _, node := range c.nodes {
		var r *Rule
		if node < len(b.prog.rules) {
			r = &b.prog.rules[node].Rule
		} else {
			r = &linked[node-len(b.prog.rules)].Rule
		}
		level = max(level, r.Level)
		c.Attack = append(c.Attack, r.Attack...)
		for _, k := range r.Kinds {
			seen[k] = true
		}
		if rank(r.Needs) > rank(c.Needs) {
			c.Needs = r.Needs
		}
	}
	if c.unrated {
		c.Level = level
	}
	for k := range seen {
		c.Kinds = append(c.Kinds, k)
	}
	slices.Sort(c.Kinds)
	slices.Sort(c.Attack)
	c.Attack = slices.Compact(c.Attack)
}

// field is the name that a field of the correlation has in a rule of it.
func (c *correlation) field(name string, pos int) string {
	if f, ok := c.aliases[name][c.refs[pos]]; ok {
		return f
	}
	return name
}

// demand follows a field down to the rules about single events, which must
// keep it with each match. It reports whether alerts may show the field, as
// they do some anyway; others may hold secrets.
func (b *builder) demand(node int, name string) (shown bool, err error) {
	p := b.prog
	key := fmt.Sprintf("%d %s", node, name)
	if shown, known := b.demanded[key]; known {
		return shown, nil // rules meet again on several ways, which multiply
	}
	if node < len(p.rules) {
		shown, err = b.keep(&p.rules[node], name)
		b.demanded[key] = shown
		return shown, err
	}
	c := &p.correlations[node-len(p.rules)]
	shown = true
	for pos, child := range c.nodes {
		below, err := b.demand(child, c.field(name, pos))
		if err != nil {
			return false, err
		}
		shown = shown && below
	}
	b.demanded[key] = shown
	return shown, nil
}

// keep lets a rule's matches keep a field.
func (b *builder) keep(r *compiled, name string) (may bool, err error) {
	fields, err := mapped(r.pipelines, name)
	if err != nil {
		return false, &rule.Problem{File: r.File, Line: r.Line, Text: err.Error()}
	}
	d := demand{name: name}
	may = true
	for _, f := range fields {
		d.fields = append(d.fields, b.field(f))
		may = may && slices.ContainsFunc(b.prog.kinds, func(k kind) bool {
			return slices.ContainsFunc(k.shown, func(s shown) bool { return s.field == f })
		})
	}
	r.asked = append(r.asked, d)
	return may, nil
}

// correlation reads one document.
func (b *builder) correlation(c *correlation, src Source) error {
	var body, condition *yaml.Node
	for k, v := range pairs(src.doc) {
		switch k.Value {
		case "correlation":
			body = v
		case "generate":
			c.generate = v.Value == "true"
		}
	}
	if body.Kind != yaml.MappingNode {
		return b.problem(body, "correlation is a mapping")
	}
	seen := map[string]*yaml.Node{}
	for k, v := range pairs(body) {
		if seen[k.Value] != nil {
			return b.problem(k, "key %q is given twice", k.Value)
		}
		seen[k.Value] = v
		if err := b.correlationKey(c, k, v); err != nil {
			return err
		}
	}
	condition = seen["condition"]
	for _, key := range []string{"type", "timespan"} {
		if seen[key] == nil {
			return b.problem(body, "%s is missing", key)
		}
	}
	if err := b.correlationCondition(c, body, condition); err != nil {
		return err
	}
	if at := seen["aliases"]; at != nil {
		return b.aliases(c, at)
	}
	return nil
}

var correlationTypes = []string{
	"event_count", "value_count", "value_sum", "value_avg", "value_percentile", "value_median", "temporal", "temporal_ordered",
}

func (b *builder) correlationKey(c *correlation, k, v *yaml.Node) (err error) {
	switch k.Value {
	case "type":
		if c.kind = v.Value; !slices.Contains(correlationTypes, c.kind) {
			return b.problem(v, "%q is no type of correlation, which are %s", v.Value, strings.Join(correlationTypes, ", "))
		}
	case "rules":
		if c.refs, err = b.names(v, maxRefs); err == nil && len(c.refs) == 0 {
			return b.problem(k, "rules is empty")
		}
	case "group-by":
		c.groupBy, err = b.names(v, maxGroupBy)
	case "timespan":
		if c.span, err = timespan(v.Value); err != nil {
			return b.problem(v, "%v", err)
		}
	case "generate":
		c.generate = v.Value == "true"
	case "aliases", "condition":
	default:
		return b.problem(k, "a correlation has no %q", k.Value)
	}
	return err
}

// names reads a list of different names; one name alone is a list of it.
func (b *builder) names(n *yaml.Node, most int) ([]string, error) {
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	var out []string
	for _, item := range items {
		if item.Kind != yaml.ScalarNode || item.Value == "" || slices.Contains(out, item.Value) {
			return nil, b.problem(item, "this is a list of different names")
		}
		if strings.Count(item.Value, ".") >= maxPath {
			return nil, b.problem(item, "field %q can't be read", item.Value)
		}
		if out = append(out, item.Value); len(out) > most {
			return nil, b.problem(item, "more than %d names", most)
		}
	}
	return out, nil
}

// aliases reads the names that a field has in each rule. An alias that is used
// must say it of every rule.
func (b *builder) aliases(c *correlation, n *yaml.Node) error {
	c.aliases = map[string]map[string]string{}
	for k, v := range pairs(n) {
		fields := map[string]string{}
		for ref, field := range pairs(v) {
			if !slices.Contains(c.refs, ref.Value) {
				return b.problem(ref, "alias %q speaks of %q, which is none of the correlation's rules", k.Value, ref.Value)
			}
			if field.Kind != yaml.ScalarNode || field.Value == "" || strings.Count(field.Value, ".") >= maxPath {
				return b.problem(field, "an alias stands for one field a rule")
			}
			fields[ref.Value] = field.Value
		}
		for _, ref := range c.refs {
			used := slices.Contains(c.groupBy, k.Value) || slices.Contains(c.fields, k.Value)
			if used && fields[ref] == "" {
				return b.problem(k, "alias %q names no field of rule %q", k.Value, ref)
			}
		}
		c.aliases[k.Value] = fields
	}
	return nil
}

var timespanForm = regexp.MustCompile(`^([0-9]{1,9})([smhdwMy])$`)

// timespanUnits in seconds. Months and years are those of the mean Gregorian
// year, 365.2425 days, as pySigma has them.
var timespanUnits = map[string]int64{"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "M": 2629746, "y": 31556952}

// timespan reads "15m" into microseconds.
func timespan(text string) (int64, error) {
	m := timespanForm.FindStringSubmatch(text)
	if m == nil {
		return 0, fmt.Errorf("timespan %q is not a number and one of s, m, h, d, w, M, y", text)
	}
	n, err := strconv.ParseInt(m[1], 10, 64)
	seconds := n * timespanUnits[m[2]]
	if err != nil || seconds == 0 || seconds > int64(maxTimespan/time.Second) {
		return 0, fmt.Errorf("timespan %q is nothing, or longer than ten years", text)
	}
	return seconds * 1_000_000, nil
}
