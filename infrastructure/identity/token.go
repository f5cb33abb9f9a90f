package identity

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// tokenPath is where the admission plugin of ServiceAccounts mounts a token.
const tokenPath = "/var/run/secrets/kubernetes.io/serviceaccount"

// mirrorAnnotation marks a pod that a kubelet made from a file on its node:
// such a pod can't use a ServiceAccount.
const mirrorAnnotation = "kubernetes.io/config.mirror"

// TokenMount says whether the containers of a workload can read a token of
// its ServiceAccount that the API server accepts, and which field decided.
type TokenMount struct {
	Mounted bool
	Source  string // object that decided: "Deployment shop/web", "ServiceAccount shop/web", or "default" where nothing says so
	Field   string // field of it
}

// Account is the ServiceAccount that a workload runs as.
func (e *Engine) Account(w *kube.Workload) Subject { return Account(w.Namespace, w.ServiceAccount) }

// Token decides whether a token is mounted: the pod's own
// automountServiceAccountToken goes before that of its ServiceAccount, the
// default of both is yes, and a projected token volume counts whatever they
// say. A token for an audience other than the API server is not one of ours.
//
// Before Kubernetes 1.24 each ServiceAccount also had a Secret with a token
// that never expires. Such Secrets are found as what they are: Secrets that
// somebody mounts or reads (see LegacyToken).
func (e *Engine) Token(w *kube.Workload) TokenMount {
	self := w.Kind + " " + w.Namespace + "/" + w.Name
	if o := w.Object; o != nil && mirror(o) {
		return TokenMount{Source: self, Field: "metadata.annotations"}
	}
	for i, v := range w.Spec.Volumes {
		if v.Projected == nil || !mountsVolume(&w.Spec, v.Name) {
			continue
		}
		for j, src := range v.Projected.Sources {
			if t := src.ServiceAccountToken; t != nil && apiAudience(t.Audience) {
				return TokenMount{true, self, fmt.Sprintf("spec.volumes[%d].projected.sources[%d].serviceAccountToken", i, j)}
			}
		}
	}
	if b := w.Spec.AutomountServiceAccountToken; b != nil {
		return TokenMount{*b && !covered(&w.Spec), self, "spec.automountServiceAccountToken"}
	}
	if o := e.accounts[e.Account(w)]; o != nil {
		if b := o.Typed.(*corev1.ServiceAccount).AutomountServiceAccountToken; b != nil {
			return TokenMount{*b && !covered(&w.Spec), "ServiceAccount " + o.Namespace + "/" + o.Name, "automountServiceAccountToken"}
		}
	}
	return TokenMount{!covered(&w.Spec), "default", "spec.automountServiceAccountToken"}
}

// apiAudience reports whether the API server accepts a token for the
// audience: none named, or one of the names that clusters use for it.
func apiAudience(audience string) bool {
	return slices.Contains([]string{
		"", "api", "kubernetes", "https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local",
	}, audience)
}

// containers lists init and plain containers.
func containers(spec *corev1.PodSpec) []corev1.Container {
	return append(slices.Clip(spec.InitContainers), spec.Containers...)
}

func mountsVolume(spec *corev1.PodSpec, name string) bool {
	for _, c := range containers(spec) {
		for _, m := range c.VolumeMounts {
			if m.Name == name {
				return true
			}
		}
	}
	return false
}

// covered reports whether every container mounts something else at the
// token's path: admission leaves those alone.
func covered(spec *corev1.PodSpec) bool {
	all := containers(spec)
	for _, c := range all {
		if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == tokenPath }) {
			return false
		}
	}
	return len(all) > 0
}

// mirror reports whether the object is a static pod's image on the API.
func mirror(o *kube.Object) bool {
	p, ok := o.Typed.(*corev1.Pod)
	return ok && p.Annotations[mirrorAnnotation] != ""
}

// LegacyToken returns the ServiceAccount whose token a Secret holds: one of
// type kubernetes.io/service-account-token that names its account. Such a
// token never expires.
func LegacyToken(o *kube.Object) (Subject, bool) {
	s, ok := o.Typed.(*corev1.Secret)
	if !ok || s.Type != corev1.SecretTypeServiceAccountToken {
		return Subject{}, false
	}
	name := s.Annotations[corev1.ServiceAccountNameKey]
	return Account(o.Namespace, name), name != ""
}

// Accounts lists the ServiceAccounts that are declared, used by a workload or
// named by a binding, by namespace and name.
func (e *Engine) Accounts() []Subject {
	seen := map[Subject]bool{}
	for s := range e.accounts {
		seen[s] = true
	}
	for _, w := range e.snapshot.Workloads {
		seen[e.Account(w)] = true
	}
	for _, s := range e.subjects {
		if s.Kind == "ServiceAccount" {
			seen[s] = true
		}
	}
	out := make([]Subject, 0, len(seen))
	for s := range seen {
		out = append(out, s)
	}
	slices.SortFunc(out, Subject.compare)
	return out
}

// BindingRef is the asset of a RoleBinding or ClusterRoleBinding.
func BindingRef(cluster string, o *kube.Object) model.Ref {
	return model.Ref{Kind: model.Binding, Key: cluster + "/" + o.Namespace + "/" + o.Kind + "/" + o.Name}
}
