package siege

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

// object is a JSON object of the API.
type object = map[string]any

// identity is who calls, with what, from where.
type identity struct {
	who     string // name of a user, namespace/account of a service account, or nobody
	agent   string
	address string // of 127.0.0.0/8, which are all this machine's
}

// nobody shows no credential; expired shows one that nobody knows any more.
const (
	nobody  = "nobody"
	expired = "expired"
)

// worker is one of the people and programs of the background.
type worker struct {
	identity
	habits []habit
}

// habit is done again and again; every is the mean of the time between, which
// is distributed exponentially.
type habit struct {
	every time.Duration
	do    func(*actor)
}

// actor is an identity at work. It is for one goroutine.
type actor struct {
	identity
	siege  *siege
	ctx    context.Context
	client *plane.Client
	dice   *rand.Rand
	mark   *Mark       // of the requests of an attack or twin
	header http.Header // more headers of each request: impersonation
}

func (s *siege) actor(ctx context.Context, id identity, dice *rand.Rand) (*actor, error) {
	client, err := s.client(ctx, id.who)
	if err != nil {
		return nil, err
	}
	client.From(id.address)
	return &actor{identity: id, siege: s, ctx: ctx, client: client, dice: dice}, nil
}

// client acts as a user with a token of the list, or as a service account with
// one that is bound to a pod of it, where there is one.
func (s *siege) client(ctx context.Context, who string) (*plane.Client, error) {
	ns, account, isAccount := strings.Cut(who, "/")
	switch {
	case who == nobody:
		return s.plane.Anonymous()
	case who == expired:
		return s.plane.Bearer("eyJhbGciOiJSUzI1NiJ9.expired.token")
	case !isAccount:
		return s.plane.Client(who)
	}
	spec := object{"expirationSeconds": 7200}
	if pod := s.podOf(ctx, ns, account); pod != nil {
		spec["boundObjectRef"] = object{"apiVersion": "v1", "kind": "Pod", "name": pod.Metadata.Name, "uid": pod.Metadata.UID}
	}
	var answer struct{ Status struct{ Token string } }
	err := s.admin.Do(ctx, plane.Request{
		Verb: http.MethodPost, Path: core(ns, "serviceaccounts", account, "token"),
		Body: object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec},
	}).Decode(&answer)
	if err != nil {
		return nil, fmt.Errorf("a token of %s: %w", who, err)
	}
	return s.plane.Bearer(answer.Status.Token)
}

// think waits some time around the mean; false when the day is over.
func (a *actor) think(mean time.Duration) bool {
	return a.wait(time.Duration(a.dice.ExpFloat64() * float64(mean)))
}

func (a *actor) wait(d time.Duration) bool {
	select {
	case <-a.ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// pick is one of the words.
func (a *actor) pick(words ...string) string { return words[a.dice.IntN(len(words))] }

// do sends one request, under an audit id of the script where it is marked.
func (a *actor) do(r plane.Request) plane.Answer {
	a.dress(&r)
	answer := a.client.Do(a.ctx, r)
	a.count(answer.Code)
	return answer
}

// dress adds the headers that tell who calls.
func (a *actor) dress(r *plane.Request) {
	h := http.Header{"User-Agent": {a.agent}, "Accept": {"application/json"}}
	for key, values := range a.header {
		h[key] = values
	}
	for key, values := range r.Header {
		h[key] = values
	}
	if a.mark != nil {
		h["Audit-Id"] = []string{a.siege.label(*a.mark)}
	}
	r.Header = h
}

// count takes down how the background's requests fare. One that the end of the
// day breaks off is no failure.
func (a *actor) count(code int) {
	if a.mark != nil || a.ctx.Err() != nil {
		return
	}
	if code == 0 {
		code = -1
	}
	a.siege.mu.Lock()
	defer a.siege.mu.Unlock()
	byCode := a.siege.truth.Answers[a.who]
	if byCode == nil {
		byCode = map[int]int{}
		a.siege.truth.Answers[a.who] = byCode
	}
	byCode[code]++
}

// label takes a mark down and gives it an audit id.
func (s *siege) label(m Mark) string {
	m.Time = time.Now().UTC()
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprintf("5c457a1e-%04x-4%03x-8000-%012x", s.cfg.Seed&0xffff, len(s.truth.Marks)&0xfff, m.Time.UnixNano()&0xffffffffffff)
	s.truth.Marks[id] = m
	return id
}

func (a *actor) get(path string) plane.Answer { return a.do(plane.Request{Path: path}) }

func (a *actor) create(path string, body any) plane.Answer {
	return a.do(plane.Request{Verb: http.MethodPost, Path: path, Body: body})
}

func (a *actor) update(path string, body any) plane.Answer {
	return a.do(plane.Request{Verb: http.MethodPut, Path: path, Body: body})
}

func (a *actor) patch(path string, body any) plane.Answer {
	return a.do(plane.Request{Verb: http.MethodPatch, Path: path, Type: "application/strategic-merge-patch+json", Body: body})
}

// apply is a server-side apply: JSON is YAML.
func (a *actor) apply(path, manager string, body any) plane.Answer {
	return a.do(plane.Request{Verb: http.MethodPatch, Path: path + "?fieldManager=" + manager + "&force=true", Type: "application/apply-patch+yaml", Body: body})
}

func (a *actor) remove(path string) plane.Answer {
	return a.do(plane.Request{Verb: http.MethodDelete, Path: path})
}

// watch follows a list as client libraries do: it is read with a resource
// version, and followed for a time, meanwhile the actor goes on.
func (a *actor) watch(path string, d time.Duration) {
	var list struct {
		Metadata struct{ ResourceVersion string }
	}
	if err := a.get(path + "?limit=500&resourceVersion=0").Decode(&list); err != nil {
		return
	}
	follow := plane.Request{Path: fmt.Sprintf("%s?allowWatchBookmarks=true&resourceVersion=%s&timeoutSeconds=%d&watch=true", path, list.Metadata.ResourceVersion, int(d.Seconds()))}
	a.dress(&follow)
	client, ctx := a.client, a.ctx
	a.siege.running.Go(func() { client.Do(ctx, follow) })
}

// stream opens what asks for another protocol: exec, attach, port-forward. It
// gives the code.
func (a *actor) stream(method, path string) int {
	r := plane.Request{Verb: method, Path: path}
	a.dress(&r)
	plane.Upgrade(r.Header, method)
	if strings.Contains(path, "/portforward") {
		r.Header.Set("X-Stream-Protocol-Version", "portforward.k8s.io")
	}
	code, err := a.client.Open(a.ctx, r)
	if err != nil {
		code = 0
	}
	a.count(code)
	return code
}

// core is the path of a resource of the core group. Words that follow the
// resource are name and subresource.
func core(ns, resource string, rest ...string) string { return path("/api/v1", ns, resource, rest) }

// grouped is that of another group, with its version.
func grouped(group, ns, resource string, rest ...string) string {
	return path("/apis/"+group, ns, resource, rest)
}

func path(base, ns, resource string, rest []string) string {
	if ns != "" {
		base += "/namespaces/" + ns
	}
	return strings.Join(append([]string{base, resource}, rest...), "/")
}

const (
	apps   = "apps/v1"
	batch  = "batch/v1"
	rbac   = "rbac.authorization.k8s.io/v1"
	leases = "coordination.k8s.io/v1"
	authz  = "authorization.k8s.io/v1"
	hooks  = "admissionregistration.k8s.io/v1"
	certs  = "certificates.k8s.io/v1"
	nets   = "networking.k8s.io/v1"
)
