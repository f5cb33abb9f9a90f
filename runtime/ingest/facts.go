package ingest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"github.com/scantling/scantling/model"
)

// maxRights bounds how many different rights one Usage keeps. A large cluster
// uses some ten thousand.
const maxRights = 1 << 18

// Usage gathers what a log proves beyond its alerts: how much of each request
// it holds, and which rights were used. Feed it every event, then ask for the
// facts. It is not safe for concurrent use.
type Usage struct {
	cluster string
	alerted map[string]bool
	parser  decoder
	level   int
	rights  map[right]*use
	lost    int // events whose right was one too many
}

// right is one use of authority as a role would have to grant it.
type right struct {
	identity  model.Ref
	value     string // verb group/resource[/sub]
	namespace string // empty: of the cluster, or of all namespaces
}

type use struct {
	count        int
	first        time.Time
	where, audit string
	last         string // audit id counted last: the stages of a request are neighbours
}

// NewUsage returns an empty Usage for one cluster. alerted holds the keys (see
// EventKey) of the requests that raised an alert: an attack is no legitimate
// use of a right, so that they don't count.
func NewUsage(cluster string, alerted map[string]bool) *Usage {
	return &Usage{cluster: Config{Cluster: cluster}.cluster(), alerted: alerted, rights: map[right]*use{}}
}

// EventKey tells requests apart: the audit id and when the request came in,
// which all stages of it share, or stream#index where a record has no id. The
// id by itself tells nothing: a client may choose it (the header Audit-ID, or
// the id of a trace), the same for a harmless request and an attack.
func EventKey(ev model.Event) string {
	switch {
	case ev.Key != "" && !ev.Time.IsZero():
		return ev.Key + "@" + strconv.FormatInt(ev.Time.UnixMicro(), 10)
	case ev.Key != "":
		return ev.Key
	}
	return ev.Stream + "#" + strconv.Itoa(ev.Index)
}

// levels are those of an audit policy, least first.
var levels = []string{"Metadata", "Request", "RequestResponse"}

// Add takes one event. Events of other log kinds are ignored.
func (u *Usage) Add(ev model.Event) {
	if ev.Source != Kind {
		return
	}
	v, why := u.parser.parse(ev.Raw)
	if why != "" {
		return // Read has named it
	}
	u.level = max(u.level, 1+slices.Index(levels, str(v, "level")))
	if u.alerted[EventKey(ev)] || !allowed(v) {
		return
	}
	value := requested(v)
	if value == "" {
		return
	}
	ns := str(v, "objectRef", "namespace")
	u.note(right{IdentityOf(u.cluster, actor(v)), value, ns}, ev)
	if impersonator := str(v, "user", "username"); str(v, "impersonatedUser", "username") != "" {
		u.note(right{IdentityOf(u.cluster, impersonator), "impersonate /" + impersonated(v), ""}, ev)
	}
}

// impersonated is the resource that impersonation is authorized on.
func impersonated(v *fastjson.Value) string {
	if strings.HasPrefix(str(v, "impersonatedUser", "username"), serviceAccountUser) {
		return "serviceaccounts"
	}
	return "users"
}

func (u *Usage) note(r right, ev model.Event) {
	if r.identity.IsZero() {
		return
	}
	known := u.rights[r]
	if known == nil {
		if len(u.rights) >= maxRights {
			u.lost++
			return
		}
		known = &use{first: ev.Time, where: fmt.Sprintf("%s#%d", ev.Stream, ev.Index), audit: ev.Key}
		u.rights[r] = known
	}
	if key := EventKey(ev); key != known.last {
		known.last = key
		known.count++
	}
}

// allowed reports whether a request was surely allowed: the authorizer's own
// annotation where there is one, else an answer that is no error. A record
// without either (the RequestReceived stage) proves nothing.
func allowed(v *fastjson.Value) bool {
	switch str(v, "annotations", "authorization.k8s.io/decision") {
	case "allow":
		return true
	case "":
		code := v.GetInt("responseStatus", "code")
		return code > 0 && code < 400
	default:
		return false
	}
}

// requested is the right that a request needs: "list apps/deployments",
// "create /pods/exec"; the core group is empty, its slash stays. "" for a
// request to no resource.
func requested(v *fastjson.Value) string {
	resource := str(v, "objectRef", "resource")
	verb := str(v, "verb")
	if resource == "" || verb == "" {
		return ""
	}
	value := verb + " " + str(v, "objectRef", "apiGroup") + "/" + resource
	if sub := str(v, "objectRef", "subresource"); sub != "" {
		value += "/" + sub
	}
	return value
}

// Facts returns what was gathered, sorted: one model.LogRead whose value is the
// highest level seen ("" when no record names one), and a model.UsedRight for
// each identity, right and namespace (Fact.Object, zero for requests to the
// whole cluster), with its first request and the number of requests.
// No event at all gives no fact. The second value says what was left out.
func (u *Usage) Facts() ([]model.Fact, []model.Incomplete) {
	var out []model.Fact
	for r, n := range u.rights {
		f := model.Fact{
			Kind: model.UsedRight, Asset: r.identity, Value: r.value, P: 1, Origin: model.Measured, Source: Kind, Date: n.first,
			Evidence: []model.Evidence{{What: fmt.Sprintf("first of %d allowed requests", n.count), Where: n.where, Value: n.audit}},
		}
		if r.namespace != "" {
			f.Object = model.Ref{Kind: model.Namespace, Key: u.cluster + "/" + r.namespace}
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b model.Fact) int { return strings.Compare(a.ID(), b.ID()) })
	if u.lost > 0 {
		why := fmt.Sprintf("more than %d different rights were used; %d requests are not counted", maxRights, u.lost)
		return append([]model.Fact{u.logRead()}, out...), []model.Incomplete{{What: "used rights of cluster " + u.cluster, Why: why}}
	}
	if u.level > 0 || len(out) > 0 {
		out = append([]model.Fact{u.logRead()}, out...)
	}
	return out, nil
}

func (u *Usage) logRead() model.Fact {
	f := model.Fact{
		Kind: model.LogRead, Asset: model.Ref{Kind: model.Log, Key: Kind}, P: 1, Origin: model.Measured, Source: Kind,
	}
	if u.level > 0 {
		f.Value = levels[u.level-1]
	}
	return f
}

// Facts is Usage over events in memory.
func Facts(cluster string, events []model.Event, alerted map[string]bool) ([]model.Fact, []model.Incomplete) {
	u := NewUsage(cluster, alerted)
	for _, ev := range events {
		u.Add(ev)
	}
	return u.Facts()
}
