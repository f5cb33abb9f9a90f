package plane

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Manifest is one document of a YAML file that the API server takes as it is.
type Manifest struct {
	APIVersion, Kind, Namespace, Name string
	Text                              string
}

// plurals are the resources of the kinds that can be created.
var plurals = map[string]string{
	"Namespace": "namespaces", "ServiceAccount": "serviceaccounts", "Secret": "secrets", "ConfigMap": "configmaps", "Service": "services",
	"Deployment": "deployments", "StatefulSet": "statefulsets", "DaemonSet": "daemonsets", "CronJob": "cronjobs",
	"Pod": "pods", "ReplicaSet": "replicasets", "ReplicationController": "replicationcontrollers",
	"Role": "roles", "RoleBinding": "rolebindings", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
	"Ingress": "ingresses", "IngressClass": "ingressclasses", "NetworkPolicy": "networkpolicies",
	"CustomResourceDefinition": "customresourcedefinitions", "AdminNetworkPolicy": "adminnetworkpolicies",
	"BaselineAdminNetworkPolicy": "baselineadminnetworkpolicies", "ClusterNetworkPolicy": "clusternetworkpolicies",
	"CiliumNetworkPolicy": "ciliumnetworkpolicies", "CiliumClusterwideNetworkPolicy": "ciliumclusterwidenetworkpolicies",
	"GlobalNetworkPolicy": "globalnetworkpolicies", "AuthorizationPolicy": "authorizationpolicies",
}

// first are the kinds that others need, in the order in which they go.
var first = []string{"CustomResourceDefinition", "Namespace", "ServiceAccount", "IngressClass", "ClusterRole", "Role"}

// Manifests reads every document of a file or below a folder, in an order in which they can
// be created. The second value names those of kinds that this package doesn't
// know, which are left out.
func Manifests(dir string) (known []Manifest, left []string, err error) {
	err = filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".yaml" {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for doc := range strings.SplitSeq(string(text), "\n---\n") {
			m := parse(doc)
			switch {
			case m.Kind == "":
			case plurals[m.Kind] == "":
				left = append(left, m.Kind+" "+m.Namespace+"/"+m.Name)
			default:
				known = append(known, m)
			}
		}
		return nil
	})
	slices.SortStableFunc(known, func(a, b Manifest) int { return rank(a) - rank(b) })
	return known, left, err
}

func rank(m Manifest) int {
	if i := slices.Index(first, m.Kind); i >= 0 {
		return i
	}
	return len(first)
}

var (
	topField  = regexp.MustCompile(`(?m)^(apiVersion|kind): (\S+)$`)
	metaField = regexp.MustCompile(`(?m)^metadata:\n((?:  .*\n?)+)`)
	nameField = regexp.MustCompile(`(?m)^  (name|namespace): (\S+)$`)
)

// parse finds the four fields that a path needs. The example is written in
// block style, two spaces a level: this is no YAML parser.
func parse(doc string) Manifest {
	m := Manifest{Text: doc}
	for _, f := range topField.FindAllStringSubmatch(doc, -1) {
		if f[1] == "kind" {
			m.Kind = f[2]
		} else {
			m.APIVersion = f[2]
		}
	}
	if meta := metaField.FindStringSubmatch(doc); meta != nil {
		for _, f := range nameField.FindAllStringSubmatch(meta[1], -1) {
			if f[1] == "name" {
				m.Name = f[2]
			} else {
				m.Namespace = f[2]
			}
		}
	}
	return m
}

// Path is that of the object.
func (m Manifest) Path() string { return m.Collection() + "/" + m.Name }

// Collection is the path that objects of the manifest's kind are created at.
func (m Manifest) Collection() string {
	path := "/apis/" + m.APIVersion
	if !strings.Contains(m.APIVersion, "/") {
		path = "/api/" + m.APIVersion
	}
	if m.Namespace != "" {
		path += "/namespaces/" + m.Namespace
	}
	return path + "/" + plurals[m.Kind]
}

// Create creates each manifest in turn.
func (c *Client) Create(ctx context.Context, manifests []Manifest) error {
	for _, m := range manifests {
		answer := c.Do(ctx, Request{Verb: http.MethodPost, Path: m.Collection(), Type: "application/yaml", Body: m.Text})
		if err := answer.Error(); err != nil {
			return fmt.Errorf("creating %s %s/%s: %w", m.Kind, m.Namespace, m.Name, err)
		}
	}
	return nil
}
