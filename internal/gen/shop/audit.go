package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// event is one line of the log: audit.k8s.io/v1, in the order in which the
// API server writes its fields.
type event struct {
	Kind                     string            `json:"kind"`
	APIVersion               string            `json:"apiVersion"`
	Level                    string            `json:"level"`
	AuditID                  string            `json:"auditID"`
	Stage                    string            `json:"stage"`
	RequestURI               string            `json:"requestURI"`
	Verb                     string            `json:"verb"`
	User                     user              `json:"user"`
	SourceIPs                []string          `json:"sourceIPs"`
	UserAgent                string            `json:"userAgent"`
	ObjectRef                objectRef         `json:"objectRef"`
	ResponseStatus           status            `json:"responseStatus"`
	RequestObject            any               `json:"requestObject,omitempty"`
	ResponseObject           any               `json:"responseObject,omitempty"`
	RequestReceivedTimestamp string            `json:"requestReceivedTimestamp"`
	StageTimestamp           string            `json:"stageTimestamp"`
	Annotations              map[string]string `json:"annotations"`
}

type user struct {
	Username string              `json:"username"`
	UID      string              `json:"uid,omitempty"`
	Groups   []string            `json:"groups"`
	Extra    map[string][]string `json:"extra,omitempty"`
}

type objectRef struct {
	Resource    string `json:"resource"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	APIGroup    string `json:"apiGroup,omitempty"`
	APIVersion  string `json:"apiVersion"`
	Subresource string `json:"subresource,omitempty"`
}

type status struct {
	Metadata struct{}    `json:"metadata"`
	Status   string      `json:"status,omitempty"`
	Message  string      `json:"message,omitempty"`
	Reason   string      `json:"reason,omitempty"`
	Details  *statusKind `json:"details,omitempty"`
	Code     int         `json:"code"`
}

type statusKind struct {
	Kind string `json:"kind"`
}

// call is one request before it becomes an event.
type call struct {
	at       time.Time
	who      actor
	verb     string
	on       objectRef
	query    string // of the request URI, with its question mark
	code     int
	request  any           // body; its presence raises the level to RequestResponse
	latency  time.Duration // 0: a few milliseconds
	reason   string        // of the authorizer; empty: the actor's
	attack   string        // step of the attack, never written to the log
	podLevel string        // Pod Security level that the namespace enforces, for pods
}

// logDay is a Tuesday: the newsletter goes out.
var logDay = day(2026, 8, 25)

// clock is a time of logDay.
func clock(h, m, s int) time.Time {
	return logDay.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second)
}

// writeAudit writes the log, one event a line in order of time.
func writeAudit(dir string) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	for _, e := range auditLog() {
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("encoding audit event %s: %w", e.AuditID, err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the audit folder: %w", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "audit.jsonl"), b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the audit log: %w", err)
	}
	return nil
}

// auditLog is the whole day.
func auditLog() []event {
	calls := allCalls()
	events := make([]event, len(calls))
	for i, c := range calls {
		next := logDay.Add(48 * time.Hour)
		if i+1 < len(calls) {
			next = calls[i+1].at
		}
		events[i] = toEvent(i, c, next)
	}
	return events
}

// allCalls merges traffic and attack in order of time. Times are spread within
// their second by content, and no two are equal.
func allCalls() []call {
	calls := slices.Concat(traffic(), attack())
	for i := range calls {
		calls[i].at = calls[i].at.Add(time.Duration(number("at", i, calls[i].verb, calls[i].on.Name)%900_000) * time.Microsecond)
	}
	slices.SortStableFunc(calls, func(a, b call) int { return a.at.Compare(b.at) })
	for i := 1; i < len(calls); i++ {
		if gap := 5 * time.Millisecond; calls[i].at.Before(calls[i-1].at.Add(gap)) {
			calls[i].at = calls[i-1].at.Add(gap)
		}
	}
	return calls
}

// toEvent renders a call. It ends before the next one starts, so that the log
// is in the order of both its timestamps.
func toEvent(i int, c call, next time.Time) event {
	latency := c.latency
	if latency == 0 {
		latency = time.Duration(1200+number("latency", i)%2600) * time.Microsecond
	}
	end := c.at.Add(latency)
	if !end.Before(next) {
		end = c.at.Add(next.Sub(c.at) / 2)
	}
	e := event{
		Kind: "Event", APIVersion: "audit.k8s.io/v1", Level: "Metadata", AuditID: uuid("audit", i), Stage: "ResponseComplete",
		RequestURI: uri(c), Verb: c.verb, User: c.who.user, SourceIPs: []string{c.who.ip}, UserAgent: c.who.agent, ObjectRef: c.on,
		ResponseStatus:           status{Code: c.code},
		RequestReceivedTimestamp: stamp(c.at), StageTimestamp: stamp(end),
		Annotations: map[string]string{"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": c.who.reason},
	}
	if c.reason != "" {
		e.Annotations["authorization.k8s.io/reason"] = c.reason
	}
	if c.code == 403 {
		e.Annotations["authorization.k8s.io/decision"] = "forbid"
		e.Annotations["authorization.k8s.io/reason"] = ""
		e.ResponseStatus = forbidden(c)
	}
	if c.request != nil {
		e.Level, e.RequestObject, e.ResponseObject = "RequestResponse", c.request, answered(i, c)
	}
	if c.podLevel != "" {
		e.Annotations["pod-security.kubernetes.io/enforce-policy"] = c.podLevel
	}
	return e
}

// forbidden is what the API server answers when nothing allows a request.
func forbidden(c call) status {
	where := "at the cluster scope"
	if c.on.Namespace != "" {
		where = fmt.Sprintf("in the namespace %q", c.on.Namespace)
	}
	return status{
		Status: "Failure", Reason: "Forbidden", Details: &statusKind{Kind: c.on.Resource}, Code: 403,
		Message: fmt.Sprintf("%s is forbidden: User %q cannot %s resource %q in API group %q %s",
			c.on.Resource, c.who.user.Username, c.verb, c.on.Resource, c.on.APIGroup, where),
	}
}

// uri is the request's path and query.
func uri(c call) string {
	path := "/api/" + c.on.APIVersion
	if c.on.APIGroup != "" {
		path = "/apis/" + c.on.APIGroup + "/" + c.on.APIVersion
	}
	if c.on.Namespace != "" {
		path += "/namespaces/" + c.on.Namespace
	}
	path += "/" + c.on.Resource
	// A create names its object in the body, except on a subresource.
	if c.on.Name != "" && (c.verb != "create" || c.on.Subresource != "") {
		path += "/" + c.on.Name
	}
	if c.on.Subresource != "" {
		path += "/" + c.on.Subresource
	}
	return path + c.query
}

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000000Z") }

// number is a fixed pseudo-random number of its arguments.
func number(parts ...any) int64 {
	sum := sha256.Sum256([]byte(fmt.Sprint(parts...)))
	return int64(sum[0])<<24 | int64(sum[1])<<16 | int64(sum[2])<<8 | int64(sum[3])
}

// uuid is a fixed identifier of its arguments, in the form of version 4.
func uuid(parts ...any) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(parts...)))
	sum[6], sum[8] = sum[6]&0x0f|0x40, sum[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", sum[0:4], sum[4:6], sum[6:8], sum[8:10], sum[10:16])
}

// suffix is what a controller appends to a generated name.
func suffix(parts ...any) string {
	return strconv.FormatInt(number(parts...)+1<<26, 36)[:5]
}
