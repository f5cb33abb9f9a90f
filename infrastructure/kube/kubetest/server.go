// Package kubetest serves a cluster's API as far as reading needs it, from
// objects in memory: discovery, and lists in pages, as protobuf, JSON, tables
// and bare metadata. It is for tests, which can make it fail in every way that
// a cluster has. It holds no cache and no watches, and never writes.
package kubetest

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/protobuf"
	"k8s.io/client-go/kubernetes/scheme"
)

// Token is what every request has to carry.
const Token = "kubetest-token"

// Server is one cluster. Its fields may be set until the first request.
type Server struct {
	URL     string
	Version string // as "v1.37.2"

	// Answer, where set, is asked before each list; true means that it has
	// answered. The resource is "pods" or "deployments.apps".
	Answer func(w http.ResponseWriter, r *http.Request, resource string) bool

	Protobuf bool // built-in kinds are served as protobuf where it is asked for
	Tables   bool // tables are served where they are asked for

	authority []byte // PEM; clients send a token only where there is TLS

	mutex    sync.Mutex
	requests []string // paths with queries, in order
	sent     int64
	objects  map[schema.GroupVersionResource]source
	kinds    map[schema.GroupVersionResource]schema.GroupVersionKind
	resource map[schema.GroupVersionKind]schema.GroupVersionResource
}

// New serves the objects until the test ends. Kinds of the built-in API are
// served whether there are objects or not; others where there is one. Objects
// of one kind have to be sorted by namespace and name.
func New(t testing.TB, objects []map[string]any) *Server {
	s := &Server{
		Version: "v1.37.2", Protobuf: true, Tables: true,
		objects:  map[schema.GroupVersionResource]source{},
		kinds:    map[schema.GroupVersionResource]schema.GroupVersionKind{},
		resource: map[schema.GroupVersionKind]schema.GroupVersionResource{},
	}
	for kind := range scheme.Scheme.AllKnownTypes() {
		if kind.Version == "v1" && !strings.HasSuffix(kind.Kind, "List") && scheme.Scheme.Recognizes(kind.GroupVersion().WithKind(kind.Kind+"List")) {
			s.add(kind)
		}
	}
	of := map[schema.GroupVersionKind][]map[string]any{}
	for _, o := range objects {
		version, _ := o["apiVersion"].(string)
		kind, _ := o["kind"].(string)
		id := schema.FromAPIVersionAndKind(version, kind)
		of[id] = append(of[id], o)
	}
	for kind, list := range of {
		s.objects[s.add(kind)] = source{len(list), func(i int) map[string]any { return list[i] }}
	}
	server := httptest.NewTLSServer(s)
	server.Config.ErrorLog = log.New(io.Discard, "", 0) // tests hang up on purpose
	t.Cleanup(server.Close)
	s.URL = server.URL
	s.authority = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return s
}

// source gives the objects of one kind, sorted by namespace and name.
type source struct {
	count int
	at    func(i int) map[string]any
}

// Make serves objects that are made when they are asked for, for clusters
// that are too large to hold.
func (s *Server) Make(apiVersion, kind string, count int, at func(i int) map[string]any) {
	s.objects[s.add(schema.FromAPIVersionAndKind(apiVersion, kind))] = source{count, at}
}

func (s *Server) add(kind schema.GroupVersionKind) schema.GroupVersionResource {
	if r, has := s.resource[kind]; has {
		return r
	}
	r, _ := meta.UnsafeGuessKindToResource(kind)
	s.kinds[r], s.resource[kind] = kind, r
	return r
}

// Kubeconfig is a file's text with the contexts "test" and "other" for this
// server; the user of "other" is refused.
func (s *Server) Kubeconfig() string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: test-cluster, cluster: {server: %q, certificate-authority-data: %s}}]
users: [{name: me, user: {token: %s}}, {name: nobody, user: {token: wrong}}]
contexts: [{name: test, context: {cluster: test-cluster, user: me}}, {name: other, context: {cluster: test-cluster, user: nobody}}]
current-context: test
`, s.URL, base64.StdEncoding.EncodeToString(s.authority), Token)
}

// Requests are the paths and queries that were asked for so far.
func (s *Server) Requests() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return slices.Clone(s.requests)
}

// Sent is the number of bytes of objects sent so far.
func (s *Server) Sent() int64 {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.sent
}

// Status answers with an error as the API server does.
func Status(w http.ResponseWriter, code int, reason, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(map[string]any{ // the client is gone if it fails
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
	})
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	s.requests = append(s.requests, r.URL.RequestURI())
	s.mutex.Unlock()
	if r.Header.Get("Authorization") != "Bearer "+Token {
		Status(w, http.StatusUnauthorized, "Unauthorized", "Unauthorized")
		return
	}
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	group := ""
	switch {
	case r.Method != http.MethodGet:
		Status(w, http.StatusMethodNotAllowed, "MethodNotAllowed", "only GET")
		return
	case parts[0] == "version":
		s.json(w, map[string]any{"gitVersion": s.Version})
		return
	case parts[0] == "api" && len(parts) > 1:
		parts = parts[1:]
	case parts[0] == "apis" && len(parts) > 2:
		group, parts = parts[1], parts[2:]
	default:
		s.discovery(w, parts)
		return
	}
	gv := schema.GroupVersion{Group: group, Version: parts[0]}
	if len(parts) == 1 {
		s.resources(w, gv)
		return
	}
	namespace := ""
	if parts[1] == "namespaces" && len(parts) == 4 {
		namespace, parts = parts[2], parts[2:]
	}
	s.list(w, r, gv.WithResource(parts[1]), namespace)
}

func (s *Server) json(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the client is gone if it fails
}

// discovery answers /api and /apis in the form that every server has.
func (s *Server) discovery(w http.ResponseWriter, parts []string) {
	if parts[0] == "api" {
		s.json(w, map[string]any{"kind": "APIVersions", "versions": []string{"v1"}})
		return
	}
	versions := map[string][]any{}
	for r := range s.kinds {
		entry := map[string]any{"groupVersion": r.GroupVersion().String(), "version": r.Version}
		if r.Group != "" && !slices.ContainsFunc(versions[r.Group], func(v any) bool { return v.(map[string]any)["version"] == r.Version }) {
			versions[r.Group] = append(versions[r.Group], entry)
		}
	}
	var groups []any
	for name, list := range versions {
		groups = append(groups, map[string]any{"name": name, "versions": list, "preferredVersion": list[0]})
	}
	s.json(w, map[string]any{"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

func (s *Server) resources(w http.ResponseWriter, gv schema.GroupVersion) {
	list := []any{}
	for r, kind := range s.kinds {
		if r.GroupVersion() == gv {
			list = append(list, map[string]any{"name": r.Resource, "kind": kind.Kind, "namespaced": s.namespaced(r), "verbs": []string{"get", "list"}})
		}
	}
	s.json(w, map[string]any{"kind": "APIResourceList", "groupVersion": gv.String(), "resources": list})
}

// namespaced goes by the objects, and by the names of what is cluster-wide.
func (s *Server) namespaced(r schema.GroupVersionResource) bool {
	if all := s.objects[r]; all.count > 0 {
		return field(all.at(0), "namespace") != ""
	}
	return !slices.Contains([]string{"namespaces", "nodes", "clusterroles", "clusterrolebindings"}, r.Resource)
}

func field(o map[string]any, name string) string {
	m, _ := o["metadata"].(map[string]any)
	v, _ := m[name].(string)
	return v
}

// within keeps the objects of a namespace, "" for all.
func (s source) within(namespace string) source {
	if namespace == "" {
		return s
	}
	kept := slices.DeleteFunc(s.slice(0, s.count), func(o map[string]any) bool { return field(o, "namespace") != namespace })
	return source{len(kept), func(i int) map[string]any { return kept[i] }}
}

func (s source) slice(from, to int) []map[string]any {
	list := make([]map[string]any, 0, to-from)
	for i := from; i < to; i++ {
		list = append(list, s.at(i))
	}
	return list
}

// list answers with one page. A token is the number of objects before it.
func (s *Server) list(w http.ResponseWriter, r *http.Request, resource schema.GroupVersionResource, namespace string) {
	kind, has := s.kinds[resource]
	if s.Answer != nil && s.Answer(w, r, resource.GroupResource().String()) {
		return
	}
	if !has {
		Status(w, http.StatusNotFound, "NotFound", "the server could not find the requested resource")
		return
	}
	all := s.objects[resource].within(namespace)
	start, _ := strconv.Atoi(r.URL.Query().Get("continue")) // 0 where there is none
	limit, _ := strconv.Atoi(r.URL.Query().Get("limit"))
	if limit <= 0 {
		limit = all.count
	}
	end, next := min(start+limit, all.count), ""
	if end < all.count {
		next = strconv.Itoa(end)
	}
	body, form, err := s.render(r.Header.Get("Accept"), kind, all.slice(min(start, end), end), next)
	if err != nil {
		Status(w, http.StatusNotAcceptable, "NotAcceptable", err.Error())
		return
	}
	s.mutex.Lock()
	s.sent += int64(len(body))
	s.mutex.Unlock()
	w.Header().Set("Content-Type", form)
	_, _ = w.Write(body) // the client is gone if it fails
}

// render writes a page in the first form of Accept that the server has.
func (s *Server) render(accept string, kind schema.GroupVersionKind, objects []map[string]any, next string) (body []byte, form string, err error) {
	page := map[string]any{"resourceVersion": "1", "continue": next}
	for _, want := range strings.Split(accept, ",") {
		switch {
		case strings.Contains(want, "as=Table") && s.Tables:
			body, err = json.Marshal(table(objects, page))
			return body, "application/json", err
		case strings.Contains(want, "as=PartialObjectMetadataList"):
			items := []any{}
			for _, o := range objects {
				items = append(items, map[string]any{"metadata": o["metadata"]})
			}
			body, err = json.Marshal(map[string]any{"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": page, "items": items})
			return body, "application/json", err
		case want == runtime.ContentTypeProtobuf && s.Protobuf && scheme.Scheme.Recognizes(kind):
			body, err = encode(kind, objects, next)
			return body, want, err
		case want == "application/json":
			body, err = json.Marshal(map[string]any{"kind": kind.Kind + "List", "apiVersion": kind.GroupVersion().String(), "metadata": page, "items": objects})
			return body, want, err
		}
	}
	return nil, "", fmt.Errorf("only other forms than %s are served", accept)
}

// table has the columns of the API server's table of Secrets.
func table(objects []map[string]any, page map[string]any) map[string]any {
	rows := []any{}
	for _, o := range objects {
		data, _ := o["data"].(map[string]any)
		kind := o["type"]
		if kind == nil {
			kind = "Opaque"
		}
		rows = append(rows, map[string]any{
			"cells":  []any{field(o, "name"), kind, len(data), "1d"},
			"object": map[string]any{"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": o["metadata"]},
		})
	}
	columns := []any{}
	for _, name := range []string{"Name", "Type", "Data", "Age"} {
		columns = append(columns, map[string]any{"name": name, "type": "string"})
	}
	return map[string]any{"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": page, "columnDefinitions": columns, "rows": rows}
}

// encode is a list as protobuf.
func encode(kind schema.GroupVersionKind, objects []map[string]any, next string) ([]byte, error) {
	list, err := scheme.Scheme.New(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err != nil {
		return nil, err
	}
	items := make([]runtime.Object, 0, len(objects))
	for _, o := range objects {
		item, err := scheme.Scheme.New(kind)
		if err != nil {
			return nil, err
		}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o, item); err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	if err := meta.SetList(list, items); err != nil {
		return nil, err
	}
	page, err := meta.ListAccessor(list)
	if err != nil {
		return nil, err
	}
	page.SetContinue(next)
	list.GetObjectKind().SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	serializer := protobuf.NewSerializer(scheme.Scheme, scheme.Scheme)
	return runtime.Encode(serializer, list)
}
