package identity

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/model"
)

// Names that the API server treats specially.
const (
	userPrefix         = "system:serviceaccount:"
	allServiceAccounts = "system:serviceaccounts"
	namespaceAccounts  = "system:serviceaccounts:"
	authenticated      = "system:authenticated"
	unauthenticated    = "system:unauthenticated"
	anonymous          = "system:anonymous"
	masters            = "system:masters"
	defaultAccount     = "default"
	nodeUserPrefix     = "system:node:"
	nodeGroup          = "system:nodes"
)

// Subject is who asks: a ServiceAccount (with its namespace), a User or a
// Group. A Group stands for any member of it. The zero value is nobody.
type Subject struct {
	Kind      string // rbacv1.ServiceAccountKind, rbacv1.UserKind or rbacv1.GroupKind
	Namespace string // of a ServiceAccount only
	Name      string
}

// Account is the ServiceAccount name of a namespace.
func Account(namespace, name string) Subject {
	return Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
}

// User is a user by name. The user name of a ServiceAccount
// (system:serviceaccount:NAMESPACE:NAME) gives that ServiceAccount, because
// the API server can't tell the two apart.
func User(name string) Subject {
	if rest, ok := strings.CutPrefix(name, userPrefix); ok {
		if ns, account, ok := strings.Cut(rest, ":"); ok && ns != "" && account != "" && !strings.Contains(account, ":") {
			return Account(ns, account)
		}
	}
	return Subject{Kind: rbacv1.UserKind, Name: name}
}

// Group is a group by name.
func Group(name string) Subject { return Subject{Kind: rbacv1.GroupKind, Name: name} }

// NodeUser is the user as which the kubelet of a node acts.
func NodeUser(node string) Subject { return User(nodeUserPrefix + node) }

// NodeGroup is the group of all kubelets.
func NodeGroup() Subject { return Group(nodeGroup) }

// Masters is the group that no authorizer is asked about.
func Masters() Subject { return Group(masters) }

// Ref is the asset of the subject in a cluster, keyed as model.Identity says.
func (s Subject) Ref(cluster string) model.Ref {
	key := cluster + "/" + s.Namespace + "/" + s.Name
	switch s.Kind {
	case rbacv1.UserKind:
		key = cluster + "//user:" + s.Name
	case rbacv1.GroupKind:
		key = cluster + "//group:" + s.Name
	}
	return model.Ref{Kind: model.Identity, Key: key}
}

// String is as kubectl names it: "ServiceAccount shop/web", "Group ops".
func (s Subject) String() string {
	if s.Kind == rbacv1.ServiceAccountKind {
		return s.Kind + " " + s.Namespace + "/" + s.Name
	}
	return s.Kind + " " + s.Name
}

// Groups are the groups that the subject is in by its nature, nearest first.
// A member of a group that the API server gives to authenticated callers only
// is authenticated as well; what else a user or a member belongs to is not
// known to the cluster.
// Source: apiserver, pkg/authentication/serviceaccount and group.
func (s Subject) Groups() []Subject {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		return []Subject{Group(namespaceAccounts + s.Namespace), Group(allServiceAccounts), Group(authenticated)}
	case rbacv1.UserKind:
		if s.Name == anonymous {
			return []Subject{Group(unauthenticated)}
		}
		if strings.HasPrefix(s.Name, nodeUserPrefix) {
			return []Subject{NodeGroup(), Group(authenticated)}
		}
		return []Subject{Group(authenticated)}
	case rbacv1.GroupKind:
		switch {
		case s.Name == authenticated || s.Name == unauthenticated:
			return nil
		case strings.HasPrefix(s.Name, namespaceAccounts):
			return []Subject{Group(allServiceAccounts), Group(authenticated)}
		}
		return []Subject{Group(authenticated)}
	}
	return nil
}

// Resolve resolves a subject of a binding. A ServiceAccount without a
// namespace is in that of its RoleBinding, and nobody in a ClusterRoleBinding.
// Source: kubernetes, pkg/registry/rbac/validation, appliesToUser.
func Resolve(s rbacv1.Subject, bindingNamespace string) (Subject, bool) {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		ns := s.Namespace
		if ns == "" {
			ns = bindingNamespace
		}
		return Account(ns, s.Name), ns != ""
	case rbacv1.UserKind:
		return User(s.Name), true
	case rbacv1.GroupKind:
		return Group(s.Name), true
	}
	return Subject{}, false
}

// compare orders subjects by kind, namespace, name.
func (s Subject) compare(o Subject) int {
	if c := strings.Compare(s.Kind, o.Kind); c != 0 {
		return c
	}
	if c := strings.Compare(s.Namespace, o.Namespace); c != 0 {
		return c
	}
	return strings.Compare(s.Name, o.Name)
}
