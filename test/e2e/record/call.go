package record

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// call is one request of the script. Names in it are those of the shipped log;
// those that the API server generates are tied to the real ones when they come.
type call struct {
	at      time.Time
	who     actor
	verb    string
	on      objectRef
	query   string // of the request URI, with its question mark
	code    int
	body    any           // of a request that is sent
	latency time.Duration // 0: a few milliseconds

	generated string // the object's name is this, a dash, and something generated
	node      string // where the scheduler has to put the pods that follow
	attack    string // step of the attack, never written to the log
	before    step   // what has to be prepared
	after     step   // what has to be waited for
}

// step is done beside the log, as the recorder's own user.
type step func(*player) error

// logDay is a Tuesday: the newsletter goes out.
var logDay = time.Date(2026, 8, 25, 0, 0, 0, 0, time.UTC)

// clock is a time of logDay.
func clock(h, m, s int) time.Time {
	return logDay.Add(time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second)
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

// path is the request's path and query; rename gives the real name of a name
// of the script.
func (c call) path(rename func(string) string) string {
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
		path += "/" + rename(c.on.Name)
	}
	if c.on.Subresource != "" {
		path += "/" + c.on.Subresource
	}
	return path + c.query
}

// method is the HTTP method of the verb.
func (c call) method() string {
	switch c.verb {
	case "create":
		return "POST"
	case "update":
		return "PUT"
	case "patch":
		return "PATCH"
	case "delete":
		return "DELETE"
	}
	return "GET"
}

// like reports whether an event is the one that the call expects.
func (c call) like(e event, rename func(string) string) bool {
	ref := e.ObjectRef
	if e.Verb != c.verb || e.User.Username != c.who.name || ref.Resource != c.on.Resource || ref.Namespace != c.on.Namespace ||
		ref.APIGroup != c.on.APIGroup || ref.Subresource != c.on.Subresource || e.ResponseStatus.Code != c.code {
		return false
	}
	if c.generated != "" {
		rest, ok := strings.CutPrefix(e.name(), rename(c.generated)+"-")
		return ok && rest != ""
	}
	return e.name() == rename(c.on.Name)
}

func (c call) String() string {
	return fmt.Sprintf("%s %s %s %s/%s/%s %s", c.at.Format("15:04:05"), c.who.name, c.verb, c.on.Namespace, c.on.Resource, c.on.Name, c.on.Subresource)
}

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
