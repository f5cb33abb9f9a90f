package ingest

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"

	"github.com/valyala/fastjson"
)

// gkeService is the service of entries of GKE's API servers.
const gkeService = "k8s.io"

// gkeRecord is a Kubernetes audit event as far as an entry of Cloud Audit Logs
// tells. Groups of the user, the stage and the audit policy's level it doesn't
// tell: an entry is written when the response is complete, and the level is
// that of the bodies that are there, so that what may have been cut off is
// never taken for absent.
type gkeRecord struct {
	Kind       string            `json:"kind"`
	APIVersion string            `json:"apiVersion"`
	Level      string            `json:"level"`
	AuditID    string            `json:"auditID"`
	Stage      string            `json:"stage"`
	Verb       string            `json:"verb"`
	User       map[string]string `json:"user"`
	SourceIPs  []string          `json:"sourceIPs,omitempty"`
	UserAgent  string            `json:"userAgent,omitempty"`
	ObjectRef  *gkeObject        `json:"objectRef,omitempty"`
	Status     map[string]any    `json:"responseStatus"`
	Time       string            `json:"requestReceivedTimestamp"`
	Labels     map[string]string `json:"annotations,omitempty"`
}

type gkeObject struct {
	Resource    string `json:"resource"`
	Namespace   string `json:"namespace,omitempty"`
	Name        string `json:"name,omitempty"`
	APIGroup    string `json:"apiGroup,omitempty"`
	APIVersion  string `json:"apiVersion,omitempty"`
	Subresource string `json:"subresource,omitempty"`
}

// gkeAudit writes the audit event that an entry of GKE's API server was made
// from. The bodies are copied as they stand, which holds only while no string
// in them was looked at: the parser then unescapes it in place.
func gkeAudit(entry *fastjson.Value) []byte {
	p := entry.Get("protoPayload")
	var bodies []byte
	level := levels[0]
	for i, field := range []string{"request", "response"} {
		if body := p.Get(field); body != nil && body.Type() == fastjson.TypeObject {
			bodies = append(bodies, `,"`+field+`Object":`...)
			bodies = body.MarshalTo(bodies)
			level = levels[i+1]
		}
	}
	object, verb := gkeObjectOf(str(p, "resourceName"), str(p, "methodName"))
	rec := gkeRecord{
		Kind: "Event", APIVersion: "audit.k8s.io/v1", Level: level, Stage: "ResponseComplete", Verb: verb,
		AuditID:   cmp.Or(str(entry, "operation", "id"), str(entry, "insertId")),
		User:      map[string]string{"username": str(p, "authenticationInfo", "principalEmail")},
		UserAgent: str(p, "requestMetadata", "callerSuppliedUserAgent"),
		ObjectRef: object,
		Status:    gkeStatus(p),
		Time:      str(entry, "timestamp"),
		Labels:    gkeLabels(entry),
	}
	if ip := str(p, "requestMetadata", "callerIp"); ip != "" {
		rec.SourceIPs = []string{ip}
	}
	out, _ := json.Marshal(rec) // strings and numbers only
	return append(append(bytes.TrimSuffix(out, []byte("}")), bodies...), '}')
}

// gkeObjectOf reads what a request was for from a resource name as
// "core/v1/namespaces/shop/pods/web-0/exec", and the verb from the end of a
// method name as "io.k8s.core.v1.pods.exec.create".
func gkeObjectOf(resource, method string) (*gkeObject, string) {
	words := strings.Split(method, ".")
	verb := words[len(words)-1]
	parts := strings.Split(resource, "/")
	if len(parts) < 3 {
		return nil, verb
	}
	o := &gkeObject{APIGroup: parts[0], APIVersion: parts[1]}
	if o.APIGroup == "core" {
		o.APIGroup = ""
	}
	parts = parts[2:]
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
		o.Namespace, parts = parts[1], parts[2:]
	}
	o.Resource = parts[0]
	if len(parts) > 1 {
		o.Name = parts[1]
	}
	if len(parts) > 2 {
		o.Subresource = strings.Join(parts[2:], "/")
	}
	if o.Resource == "namespaces" {
		o.Namespace = o.Name // as the API server logs it
	}
	return o, verb
}

// gkeStatus is the status of HTTP for that of gRPC, of which only these occur;
// google/rpc/code.proto.
func gkeStatus(p *fastjson.Value) map[string]any {
	http := map[int]int{0: 200, 3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 10: 409, 13: 500, 14: 503, 16: 401}
	code := p.GetInt("status", "code")
	known, ok := http[code]
	if !ok {
		known = 500
	}
	status := map[string]any{"code": known}
	if message := str(p, "status", "message"); message != "" {
		status["message"] = message
	}
	return status
}

func gkeLabels(entry *fastjson.Value) map[string]string {
	labels := entry.GetObject("labels")
	if labels == nil {
		return nil
	}
	out := map[string]string{}
	labels.Visit(func(key []byte, v *fastjson.Value) {
		if b, err := v.StringBytes(); err == nil {
			out[clip(key)] = clip(b)
		}
	})
	return out
}
