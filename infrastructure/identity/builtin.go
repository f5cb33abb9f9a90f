package identity

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"sync"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/scantling/scantling/infrastructure/kube"
)

// bootstrap holds the roles that every API server creates at start, an object
// a line. It is what Kubernetes 1.37 answers; a test in test/e2e holds it
// against the real server, and rewrites it.
//
//go:embed bootstrap.json
var bootstrap []byte

// builtinRoles gives these roles by their key, as Engine.roles. They have no
// position, for nobody wrote them. The map and what it holds are shared.
var builtinRoles = sync.OnceValue(func() map[string]*kube.Object {
	out := map[string]*kube.Object{}
	for line := range bytes.Lines(bootstrap) {
		o, err := builtinRole(line)
		if err != nil {
			panic(fmt.Sprintf("bootstrap.json: %v", err)) // it is part of the program
		}
		out[o.Namespace+"/"+o.Name] = o
	}
	return out
})

func builtinRole(line []byte) (*kube.Object, error) {
	var head struct {
		Kind     string
		Metadata struct{ Name, Namespace string }
	}
	if err := json.Unmarshal(line, &head); err != nil {
		return nil, err
	}
	var typed runtime.Object = &rbacv1.ClusterRole{}
	if head.Kind == "Role" {
		typed = &rbacv1.Role{}
	}
	if err := json.Unmarshal(line, typed); err != nil {
		return nil, err
	}
	return &kube.Object{
		APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: head.Kind, Namespace: head.Metadata.Namespace, Name: head.Metadata.Name, Typed: typed,
	}, nil
}
