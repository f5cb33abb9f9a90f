package network

import (
	"cmp"
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// Kind says what became of a pair, an entry or a workload.
type Kind string

// The kinds.
const (
	Added   Kind = "added"
	Removed Kind = "removed"
	Changed Kind = "changed"

	unknown Kind = "unknown"
)

// Difference is what changed between two snapshots in who may connect to whom.
// All lists are sorted and never nil.
type Difference struct {
	Connections []ConnectionChange `json:"connections"`
	Unknown     []UnknownChange    `json:"unknown"`
	Entries     []EntryChange      `json:"entries"`
	Workloads   []WorkloadChange   `json:"workloads"`

	Missed []model.Incomplete `json:"-"` // ways in that could not be followed
}

// ConnectionChange is a pair of which some port was opened or shut. Old and New
// are as Connection.Conn, "" for none.
type ConnectionChange struct {
	Change  Kind   `json:"change"`
	Src     string `json:"src"`
	Dst     string `json:"dst"`
	Old     string `json:"old"`
	New     string `json:"new"`
	Opened  bool   `json:"opened"`  // some port that was shut
	Depends bool   `json:"depends"` // other policies may decide otherwise, then or now
}

// UnknownChange is a pair that List has alike in both snapshots, while something
// that isn't known may have changed it: a policy that can't be told, or how the
// network plugin takes pods of the host's network. Old and New are the ports
// that may be allowed.
type UnknownChange struct {
	Src string `json:"src"`
	Dst string `json:"dst"`
	Old string `json:"old"`
	New string `json:"new"`
}

func (c UnknownChange) String() string { return c.Src + " => " + c.Dst }

// EntryChange is a workload whose ports that are led in from outside the
// cluster, by Services, routes and host ports, changed. Ways are those of the
// new snapshot, or, where none is left, of the old one.
type EntryChange struct {
	Change   Kind     `json:"change"`
	Workload string   `json:"workload"`
	Old      string   `json:"old"`
	New      string   `json:"new"`
	Opened   bool     `json:"opened"`
	Ways     []string `json:"ways"`
}

// WorkloadChange is a workload that only one snapshot has: Added or Removed.
type WorkloadChange struct {
	Change   Kind   `json:"change"`
	Workload string `json:"workload"`
}

func (c ConnectionChange) String() string {
	return c.Src + " => " + c.Dst + " : " + between(c.Change, c.Old, c.New)
}

func (c EntryChange) String() string {
	return "outside => " + c.Workload + " : " + between(c.Change, c.Old, c.New)
}

func between(k Kind, old, now string) string {
	switch k {
	case Added:
		return now
	case Changed:
		return old + " -> " + now
	}
	return old
}

// Opened reports whether some connection may be made that could not before.
func (d *Difference) Opened() bool {
	return slices.ContainsFunc(d.Connections, func(c ConnectionChange) bool { return c.Opened }) ||
		slices.ContainsFunc(d.Entries, func(c EntryChange) bool { return c.Opened })
}

// Diff compares two snapshots. Workloads are the same where namespace, name and
// kind are. Address ranges of both are split to common blocks first, and those
// of one change joined again, so only what really differs is told. Like List it
// leaves IPv6 out where neither snapshot names an address of it.
//
// Workloads that neither engine tells apart are compared once, so the cost is
// quadratic in their groups and in what differs, not in the workloads.
func Diff(old, now *Engine) *Difference {
	c := newDiffer(old, now)
	c.compareWorkloads()
	for i, source := range c.groups {
		for j, destination := range c.groups {
			c.compareGroups(source, destination, i == j)
		}
	}
	c.compareNodeMates()
	for d := range c.outside {
		c.outside[d] = c.commonRanges(policy.Direction(d))
		for _, group := range c.groups {
			c.compareOutside(policy.Direction(d), group)
		}
	}
	c.compareEntries()
	slices.SortFunc(c.found.Connections, func(a, b ConnectionChange) int {
		return cmp.Or(strings.Compare(a.Src, b.Src), strings.Compare(a.Dst, b.Dst))
	})
	slices.SortFunc(c.found.Unknown, func(a, b UnknownChange) int {
		return cmp.Or(strings.Compare(a.Src, b.Src), strings.Compare(a.Dst, b.Dst))
	})
	return &c.found
}

// differ is a comparison on its way.
type differ struct {
	sides    [2]*Engine
	ends     []end   // sorted by name
	groups   [][]int // of ends that are in the same classes, then and now
	outside  [2][]commonRange
	sameGaps bool                 // both sides can't tell the same
	taken    [2]map[string]*ports // memo of portsOf
	key      []byte
	work     [2]workspace
	widened  map[[2]string]bool // memo of widens
	found    Difference
}

// end is one workload by name. One that only a side has is empty in the other;
// several of one name count as one.
type end struct {
	name    string
	at      [2][]int // workloads
	classes [2][]int // of their pods, each once, sorted
}

// in reports whether the workload is in a snapshot.
func (e *end) in(side int) bool { return len(e.at[side]) > 0 }

func newDiffer(old, now *Engine) *differ {
	c := &differ{
		sides: [2]*Engine{old, now}, widened: map[[2]string]bool{}, taken: [2]map[string]*ports{{}, {}}, sameGaps: sameGaps(old, now),
		found: Difference{Connections: []ConnectionChange{}, Unknown: []UnknownChange{}, Entries: []EntryChange{}, Workloads: []WorkloadChange{}},
	}
	byName := map[string]int{}
	for side, e := range c.sides {
		c.work[side] = newWorkspace(e)
		for i := range e.world.byLoad {
			name := e.fullName(i)
			at, known := byName[name]
			if !known {
				at = len(c.ends)
				byName[name] = at
				c.ends = append(c.ends, end{name: name})
			}
			c.ends[at].at[side] = append(c.ends[at].at[side], i)
		}
	}
	slices.SortFunc(c.ends, func(a, b end) int { return strings.Compare(a.name, b.name) })
	byClasses := map[string]int{}
	for i := range c.ends {
		key := c.findClasses(&c.ends[i])
		at, known := byClasses[key]
		if !known {
			at = len(c.groups)
			byClasses[key] = at
			c.groups = append(c.groups, nil)
		}
		c.groups[at] = append(c.groups[at], i)
	}
	return c
}

// fullName is a workload as List names it.
func (e *Engine) fullName(workload int) string {
	return e.name(workload) + "[" + e.world.snapshot.Workloads[workload].Kind + "]"
}

// findClasses fills the classes of an end, and returns one text for equal ones.
func (c *differ) findClasses(e *end) string {
	var b strings.Builder
	for side := range c.sides {
		for _, workload := range e.at[side] {
			e.classes[side] = append(e.classes[side], c.sides[side].classesOf(workload)...)
		}
		slices.Sort(e.classes[side])
		e.classes[side] = slices.Compact(e.classes[side])
		fmt.Fprint(&b, e.classes[side])
	}
	return b.String()
}

func (c *differ) compareWorkloads() {
	for i := range c.ends {
		switch e := &c.ends[i]; {
		case !e.in(0):
			c.found.Workloads = append(c.found.Workloads, WorkloadChange{Added, e.name})
		case !e.in(1):
			c.found.Workloads = append(c.found.Workloads, WorkloadChange{Removed, e.name})
		}
	}
}

// judge says what became of a pair; "" for nothing.
func (c *differ) judge(old, now conn) Kind {
	switch {
	case old.equal(now) && (!old.depends() || c.sameGaps):
		return ""
	case old.plain.text == now.plain.text:
		return unknown
	case old.plain.text == "":
		return Added
	case now.plain.text == "":
		return Removed
	}
	return Changed
}

// tell records a pair if it differs.
func (c *differ) tell(source, destination string, old, now conn) {
	switch kind := c.judge(old, now); kind {
	case "":
	case unknown:
		c.found.Unknown = append(c.found.Unknown, UnknownChange{source, destination, old.may.text, now.may.text})
	default:
		c.found.Connections = append(c.found.Connections, ConnectionChange{
			Change: kind, Src: source, Dst: destination, Old: old.plain.text, New: now.plain.text,
			Opened: c.widens(old.plain, now.plain), Depends: old.depends() || now.depends(),
		})
	}
}

// widens reports whether now has a port that old hasn't.
func (c *differ) widens(old, now *ports) bool {
	if now.text == "" || old.text == now.text {
		return false
	}
	key := [2]string{old.text, now.text}
	wider, known := c.widened[key]
	if !known {
		space := newPortSpace(slices.Concat(old.ranges, now.ranges))
		had, has := space.none(), space.none()
		for _, r := range old.ranges {
			space.add(had, r)
		}
		for _, r := range now.ranges {
			space.add(has, r)
		}
		has.andNot(had)
		wider = !has.empty()
		c.widened[key] = wider
	}
	return wider
}

// compareGroups compares the pairs of two groups, which are alike but for the
// nodes that they share.
func (c *differ) compareGroups(sources, destinations []int, same bool) {
	if same && len(sources) == 1 {
		return // a workload and itself
	}
	var both [2]conn
	for side := range both {
		both[side] = c.ask(side, c.ends[sources[0]].classes[side], c.ends[destinations[0]].classes[side], false)
	}
	if c.judge(both[0], both[1]) == "" {
		return
	}
	for _, s := range sources {
		for _, d := range destinations {
			if s != d && !c.nodeMates(s, d) {
				c.tell(c.ends[s].name, c.ends[d].name, both[0], both[1])
			}
		}
	}
}

// nodeMates reports whether two ends share a node's network on some side.
func (c *differ) nodeMates(a, b int) bool { return c.shareNode(0, a, b) || c.shareNode(1, a, b) }

func (c *differ) shareNode(side, a, b int) bool {
	for _, i := range c.ends[a].at[side] {
		for _, j := range c.ends[b].at[side] {
			if c.sides[side].shareNode(i, j) {
				return true
			}
		}
	}
	return false
}

// compareNodeMates compares the pairs that share a node's network: at least
// one of each has hostNetwork pods.
func (c *differ) compareNodeMates() {
	hosts := make([]bool, len(c.ends))
	for i := range c.ends {
		for side, e := range c.sides {
			hosts[i] = hosts[i] || slices.ContainsFunc(c.ends[i].at[side], func(w int) bool { return len(e.nodes[w].host) > 0 })
		}
	}
	for a := range c.ends {
		if !hosts[a] {
			continue
		}
		for b := range c.ends {
			if a == b || hosts[b] && b < a || !c.nodeMates(a, b) {
				continue
			}
			for _, pair := range [][2]int{{a, b}, {b, a}} {
				c.tell(c.ends[pair[0]].name, c.ends[pair[1]].name, c.mates(0, pair[0], pair[1]), c.mates(1, pair[0], pair[1]))
			}
		}
	}
}

func (c *differ) mates(side, source, destination int) conn {
	return c.ask(side, c.ends[source].classes[side], c.ends[destination].classes[side], c.shareNode(side, source, destination))
}

// commonRange is a range of addresses that the policies of no side cut, with
// its block on each.
type commonRange struct {
	first, last netip.Addr
	peer        [2]int
}

// commonRanges splits the addresses at the cuts of both sides.
func (c *differ) commonRanges(d policy.Direction) []commonRange {
	var list []commonRange
	for _, e := range c.sides {
		for i, b := range e.addresses.blocks {
			if b.cut[d] && (i < e.addresses.v6 || c.sides[0].hasV6 || c.sides[1].hasV6) {
				list = append(list, commonRange{first: b.first})
			}
		}
	}
	slices.SortFunc(list, func(a, b commonRange) int { return a.first.Compare(b.first) })
	list = slices.CompactFunc(list, func(a, b commonRange) bool { return a.first == b.first })
	for i := range list {
		r := &list[i]
		if i+1 < len(list) && list[i+1].first.Is4() == r.first.Is4() {
			r.last = list[i+1].first.Prev()
		} else {
			r.last = lastOf(netip.PrefixFrom(r.first, 0))
		}
		for side, e := range c.sides {
			r.peer[side] = e.block(e.addresses.of(r.first))
		}
	}
	return list
}

// compareOutside compares a group with the addresses outside. Neighbouring
// ranges of one change are joined.
func (c *differ) compareOutside(d policy.Direction, group []int) {
	list := c.outside[d]
	both := func(r commonRange) (pair [2]conn) {
		for side := range pair {
			from, to := []int{r.peer[side]}, c.ends[group[0]].classes[side]
			if d == egress {
				from, to = to, from
			}
			pair[side] = c.ask(side, from, to, false)
		}
		return pair
	}
	for i := 0; i < len(list); {
		joined, pair := list[i], both(list[i])
		for i++; i < len(list) && joined.last.Next() == list[i].first && alike(pair, both(list[i])); i++ {
			joined.last = list[i].last
		}
		name := block{first: joined.first, last: joined.last}.String()
		for _, g := range group {
			source, destination := name, c.ends[g].name
			if d == egress {
				source, destination = destination, source
			}
			c.tell(source, destination, pair[0], pair[1])
		}
	}
}

func alike(a, b [2]conn) bool {
	return !slices.ContainsFunc([]int{0, 1}, func(side int) bool {
		return !a[side].equal(b[side])
	})
}

// compareEntries compares what is led in from outside.
func (c *differ) compareEntries() {
	var entries [2]*entries
	for side, e := range c.sides {
		entries[side] = e.findEntries()
		c.found.Missed = append(c.found.Missed, entries[side].missed...)
	}
	for i := range c.ends {
		var pair [2]conn
		var ways [2][]string
		for side, e := range c.sides {
			var led []portRange
			for _, workload := range c.ends[i].at[side] {
				for _, w := range e.open(entries[side], workload) {
					led = append(led, w.ports...)
					ways[side] = append(ways[side], w.what)
				}
			}
			p := &ports{e.describe(led), led}
			pair[side] = conn{p, p, p}
			slices.Sort(ways[side])
		}
		kind := c.judge(pair[0], pair[1])
		if kind == "" {
			continue
		}
		told := ways[1]
		if kind == Removed {
			told = ways[0]
		}
		c.found.Entries = append(c.found.Entries, EntryChange{
			Change: kind, Workload: c.ends[i].name, Old: pair[0].plain.text, New: pair[1].plain.text, Opened: c.widens(pair[0].plain, pair[1].plain), Ways: slices.Compact(told),
		})
	}
}

// sameGaps reports whether the policies that may or may not be in force are
// the same on both sides: then they don't make pairs differ.
func sameGaps(old, now *Engine) bool {
	return reflect.DeepEqual(old.gaps(), now.gaps())
}

// gaps are the policies of which something depends, by name, with what they
// say.
func (e *Engine) gaps() map[string]any {
	found := map[string]any{}
	for i := range e.policies {
		p := &e.policies[i]
		if slices.ContainsFunc(p.Sides[:], func(s *policy.Side) bool {
			return s != nil && (s.Depends != "" || slices.ContainsFunc(s.Rules, func(r policy.Rule) bool { return r.Depends != "" }))
		}) {
			found[p.Object.APIVersion+" "+p.Object.Kind+" "+p.String()] = p.Object.Raw["spec"]
		}
	}
	return found
}
