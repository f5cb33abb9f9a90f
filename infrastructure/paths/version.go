package paths

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// version is the minor version of the API server, as 34 for "v1.34.2"; 0 where
// nobody knows.
type version int

// createToConnect is the version from which exec, attach and port-forward over
// a WebSocket need create on the subresource, as they do over SPDY. Before it
// get was enough, because a WebSocket starts as a GET.
// Source: KEP 4006, gate AuthorizePodWebsocketUpgradeCreatePermission, beta in
// 1.35.
const createToConnect = 35

var minorVersion = regexp.MustCompile(`^v?1\.(\d{1,3})\b`)

func readVersion(s *kube.Snapshot) version {
	if s.Origin == nil {
		return 0
	}
	m := minorVersion.FindStringSubmatch(s.Origin.Server)
	if m == nil {
		return 0
	}
	n, _ := strconv.Atoi(m[1]) // at most three digits
	return version(n)
}

// connect are the verbs of which one is enough to exec, attach or forward. An
// unknown version is judged as the newest, and doubtConnect says so where it
// matters.
func (v version) connect() []string {
	if v > 0 && v < createToConnect {
		return []string{"create", "get"}
	}
	return []string{"create"}
}

// doubtConnect names the rules that give get without create on what connects
// to pods, where the version that decides is unknown.
func (b *builder) doubtConnect(grants []identity.Grant) {
	if b.version > 0 {
		return
	}
	for _, g := range grants {
		if g.Rule == nil || identity.AllowsAll(g.Rule) {
			continue
		}
		for _, sub := range []string{"exec", "attach", "portforward"} {
			on := []target{{"", "pods", sub}}
			if !gives(g.Rule, []string{"get"}, on) || slices.ContainsFunc(grants, func(other identity.Grant) bool { return creates(other, g.Namespace, on) }) {
				continue
			}
			b.miss(fmt.Sprintf("%s rules[%d]", nameOf(g.Role), g.RuleIndex), "get on pods/"+sub+" is enough to use it before Kubernetes 1.35; the server's version is not known, and 1.35 was assumed")
			break
		}
	}
}

// creates reports whether a grant allows create in a scope on every object.
func creates(g identity.Grant, scope string, on []target) bool {
	if g.Rule == nil {
		return true
	}
	return (g.Namespace == "" || g.Namespace == scope) && len(g.Rule.ResourceNames) == 0 && gives(g.Rule, []string{"create"}, on)
}

// miss notes once what could not be judged.
func (b *builder) miss(what, why string) {
	m := model.Incomplete{What: what, Why: why}
	if !slices.Contains(b.incomplete, m) {
		b.incomplete = append(b.incomplete, m)
	}
}

// Incomplete lists what the graph had to assume, beside what its engines tell.
func (m *Model) Incomplete() []model.Incomplete { return slices.Clone(m.incomplete) }
