package record

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/scantling/scantling/test/e2e/plane"
)

// player sends the calls of the script and takes their events off the log.
type player struct {
	ctx     context.Context
	plane   *plane.Plane
	admin   *plane.Client
	clients map[string]*plane.Client // by user, or by pod for service accounts
	kubelet *plane.Kubelet

	real   map[string]string // generated names, by their names in the script
	pods   int               // that have come up so far
	opened string            // the node that takes pods; "" for all of them
	marks  int               // set on nodes so far

	offset int64   // of the log, up to which it was read
	log    []event // read and not taken
}

// patience is how long an event may take.
const patience = 30 * time.Second

// pause is the time between two looks at the log or the API.
const pause = 20 * time.Millisecond

// rename is the real name of a name of the script.
func (p *player) rename(name string) string {
	if real := p.real[name]; real != "" {
		return real
	}
	return name
}

// play does the whole day, and returns an event for each call.
func (p *player) play(calls []call) ([]event, error) {
	events := make([]event, len(calls))
	for i, c := range calls {
		e, err := p.one(c, uuid("audit", i))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c, err)
		}
		events[i] = e
	}
	if err := p.read(); err != nil {
		return nil, err
	}
	for _, e := range p.log {
		if !repeats(e) {
			return nil, fmt.Errorf("the script doesn't expect %s %s by %s: code %d, %s", e.Verb, e.RequestURI, e.User.Username, e.ResponseStatus.Code, e.name())
		}
	}
	return events, nil
}

// repeats is true for what the control plane does as often as time allows: the
// script takes a few of them.
func repeats(e event) bool {
	return e.Verb == "update" && (e.ObjectRef.Resource == "leases" || e.ObjectRef.Resource == "endpointslices")
}

func (p *player) one(c call, id string) (event, error) {
	if c.node != "" {
		if err := p.open(c.node); err != nil {
			return event{}, err
		}
	}
	if c.before != nil {
		if err := c.before(p); err != nil {
			return event{}, err
		}
	}
	expected := func(e event) bool { return c.like(e, p.rename) }
	if !c.who.awaited {
		if err := p.send(c, id); err != nil {
			return event{}, err
		}
		expected = func(e event) bool { return e.AuditID == id }
	}
	e, err := p.await(expected)
	if err != nil {
		return event{}, err
	}
	p.bind(c, e)
	if c.after != nil {
		return e, c.after(p)
	}
	return e, nil
}

// bind ties a generated name to that of the script. The hash of a ReplicaSet
// is a label as well.
func (p *player) bind(c call, e event) {
	if c.generated == "" {
		return
	}
	p.real[c.on.Name] = e.name()
	if c.on.Resource == "replicasets" {
		p.real[strings.TrimPrefix(c.on.Name, c.generated+"-")] = strings.TrimPrefix(e.name(), c.generated+"-")
	}
}

// send sends the request of a call under the audit id.
func (p *player) send(c call, id string) error {
	client, err := p.client(c.who)
	if err != nil {
		return err
	}
	r := plane.Request{Verb: c.method(), Path: c.path(p.rename), Header: http.Header{
		"User-Agent": {c.who.agent}, "X-Forwarded-For": {c.who.ip}, "Audit-Id": {id}, "Accept": {"application/json"},
	}}
	if r.Body, err = p.body(c); err != nil {
		return err
	}
	if c.verb == "patch" {
		r.Type = "application/strategic-merge-patch+json"
	}
	if c.verb == "watch" || c.on.Subresource == "exec" {
		return opened(p.ctx, client, r, c)
	}
	answer := client.Do(p.ctx, r)
	if answer.Err != nil || answer.Code != c.code {
		return fmt.Errorf("want code %d: %d %.500s (%v)", c.code, answer.Code, answer.Body, answer.Err)
	}
	return nil
}

// opened sends a request whose answer has no end of its own.
func opened(ctx context.Context, client *plane.Client, r plane.Request, c call) error {
	if c.on.Subresource == "exec" {
		plane.Upgrade(r.Header, c.method())
	}
	code, err := client.Open(ctx, r)
	if err != nil || code != c.code {
		return fmt.Errorf("want code %d: %d (%v)", c.code, code, err)
	}
	return nil
}

// body resolves what only the API server knows.
func (p *player) body(c call) (any, error) {
	switch b := c.body.(type) {
	case current:
		answer := p.admin.Do(p.ctx, plane.Request{Path: c.path(p.rename)})
		return answer.Body, answer.Error()
	case running:
		p.pods++
		return podRunning(p.pods), nil
	case tokenFor:
		return p.tokenRequest(c.on.Namespace, b.pod)
	}
	return c.body, nil
}

// tokenRequest asks for a token that is bound to a pod.
func (p *player) tokenRequest(ns, pod string) (object, error) {
	var found struct{ Metadata struct{ Name, UID string } }
	if err := p.admin.Do(p.ctx, plane.Request{Path: "/api/v1/namespaces/" + ns + "/pods/" + p.rename(pod)}).Decode(&found); err != nil {
		return nil, err
	}
	return object{"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": object{
		"expirationSeconds": 3607, "boundObjectRef": object{"apiVersion": "v1", "kind": "Pod", "name": found.Metadata.Name, "uid": found.Metadata.UID},
	}}, nil
}

// client acts as an actor: with the token of its pod, or of its own.
func (p *player) client(who actor) (*plane.Client, error) {
	key := who.name + who.pod
	if p.clients[key] != nil {
		return p.clients[key], nil
	}
	client, err := p.newClient(who)
	if err != nil {
		return nil, fmt.Errorf("acting as %s: %w", who.name, err)
	}
	p.clients[key] = client
	return client, nil
}

func (p *player) newClient(who actor) (*plane.Client, error) {
	rest, isAccount := strings.CutPrefix(who.name, "system:serviceaccount:")
	if !isAccount {
		return p.plane.Client(who.name)
	}
	ns, account, _ := strings.Cut(rest, ":")
	request, err := p.tokenRequest(ns, who.pod)
	if err != nil {
		return nil, err
	}
	var answer struct{ Status struct{ Token string } }
	path := "/api/v1/namespaces/" + ns + "/serviceaccounts/" + account + "/token"
	if err := p.admin.Do(p.ctx, plane.Request{Verb: http.MethodPost, Path: path, Body: request}).Decode(&answer); err != nil {
		return nil, err
	}
	return p.plane.Bearer(answer.Status.Token)
}

// await takes the first event that fits off the log.
func (p *player) await(fits func(event) bool) (event, error) {
	var found event
	err := p.until("an event of the log", func() (bool, error) {
		if err := p.read(); err != nil {
			return false, err
		}
		for i, e := range p.log {
			if fits(e) {
				found = e
				p.log = append(p.log[:i], p.log[i+1:]...)
				return true, nil
			}
		}
		return false, nil
	})
	return found, err
}

// read reads what the log has grown by, as far as the last whole line.
func (p *player) read() error {
	file, err := os.Open(p.plane.AuditLog)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	text := make([]byte, info.Size()-p.offset)
	if _, err := file.ReadAt(text, p.offset); err != nil {
		return err
	}
	end := bytes.LastIndexByte(text, '\n') + 1
	p.offset += int64(end)
	for line := range bytes.Lines(text[:end]) {
		e, err := decode(line)
		if err != nil {
			return err
		}
		p.log = append(p.log, e)
	}
	return nil
}

// until looks again and again until there is what is waited for.
func (p *player) until(what string, there func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	for {
		if yes, err := there(); yes || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w", what, ctx.Err())
		case <-time.After(pause):
		}
	}
}
