package identity

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// Kinds of TokenFile.
const (
	TokenMounted   = "mounted"   // by the admission plugin of ServiceAccounts
	TokenProjected = "projected" // a volume of the pod asks for it
	TokenLegacy    = "legacy"    // a Secret of type kubernetes.io/service-account-token
)

// Lifetimes of tokens, in seconds.
const (
	// mountedSeconds is what admission asks for. The API server extends such a
	// token to a year unless it was told not to.
	// Source: kubernetes, plugin/pkg/admission/serviceaccount.
	mountedSeconds = 3607
	// projectedSeconds is the default of a projected source.
	projectedSeconds = 3600
)

// TokenFile is a token of a ServiceAccount that lies in the files of
// containers.
type TokenFile struct {
	Kind       string
	Account    Subject  // whose token it is
	Containers []string // that can read it, init containers too, sorted
	Path       string   // in the first of them
	Field      string   // of the pod, or of its ServiceAccount, that puts it there
	Source     string   // the object of Field; "default" where nothing says so
	Audience   string   // "" is that of the API server
	Server     bool     // the API server accepts it
	Seconds    int64    // lifetime that was asked for; 0: it never ends
	Secret     string   // of a legacy token
}

// TokenFiles lists the tokens that lie in a workload's containers: the one that
// Token tells of, those of projected volumes, whoever they are for, and legacy
// ones whose Secret a container mounts.
func (e *Engine) TokenFiles(w *kube.Workload) []TokenFile {
	var out []TokenFile
	account, self := e.Account(w), w.Kind+" "+w.Namespace+"/"+w.Name
	if m := e.Token(w); m.Mounted && !strings.HasPrefix(m.Field, "spec.volumes[") || m.Mounted && kubeAPIAccess(&w.Spec) >= 0 {
		out = append(out, TokenFile{
			Kind: TokenMounted, Account: account, Containers: bare(&w.Spec), Path: path.Join(tokenPath, "token"), Field: m.Field, Source: m.Source,
			Server: true, Seconds: mountedSeconds,
		})
	}
	if w.Object != nil && mirror(w.Object) {
		return out
	}
	for i := range w.Spec.Volumes {
		v := &w.Spec.Volumes[i]
		names, at := mountedBy(&w.Spec, v.Name)
		if len(names) == 0 {
			continue
		}
		base := TokenFile{Containers: names, Source: self}
		switch {
		case v.Projected != nil && i != kubeAPIAccess(&w.Spec):
			out = append(out, e.projected(base, v.Projected, account, at, i)...)
		case v.Secret != nil:
			base.Field = fmt.Sprintf("spec.volumes[%d].secret", i)
			out = append(out, e.legacy(base, w.Namespace, v.Secret.SecretName, at)...)
		}
	}
	return out
}

// projected lists the tokens of one volume.
func (e *Engine) projected(base TokenFile, p *corev1.ProjectedVolumeSource, account Subject, at string, volume int) []TokenFile {
	var out []TokenFile
	for j, src := range p.Sources {
		field := fmt.Sprintf("spec.volumes[%d].projected.sources[%d]", volume, j)
		if t := src.ServiceAccountToken; t != nil {
			f := base
			f.Kind, f.Account, f.Path, f.Field = TokenProjected, account, path.Join(at, t.Path), field+".serviceAccountToken"
			f.Audience, f.Server, f.Seconds = t.Audience, apiAudience(t.Audience), projectedSeconds
			if t.ExpirationSeconds != nil {
				f.Seconds = *t.ExpirationSeconds
			}
			out = append(out, f)
		}
		if src.Secret != nil {
			f := base
			f.Field = field + ".secret"
			out = append(out, e.legacy(f, account.Namespace, src.Secret.Name, at)...)
		}
	}
	return out
}

// legacy gives the token of a Secret, nothing where that holds none.
func (e *Engine) legacy(base TokenFile, namespace, secret, at string) []TokenFile {
	o := e.snapshot.Get("Secret", namespace, secret)
	if o == nil {
		return nil
	}
	account, ok := LegacyToken(o)
	if !ok {
		return nil
	}
	base.Kind, base.Account, base.Path, base.Server, base.Secret = TokenLegacy, account, path.Join(at, "token"), true, secret
	return []TokenFile{base}
}

// kubeAPIAccess is the index of the volume that admission has already added to
// the pod of a live cluster, -1 where there is none.
func kubeAPIAccess(spec *corev1.PodSpec) int {
	return slices.IndexFunc(spec.Volumes, func(v corev1.Volume) bool {
		if v.Projected == nil || !strings.HasPrefix(v.Name, "kube-api-access-") {
			return false
		}
		_, at := mountedBy(spec, v.Name)
		return at == tokenPath
	})
}

// bare lists the containers with nothing else at the token's path.
func bare(spec *corev1.PodSpec) []string {
	var out []string
	for _, c := range containers(spec) {
		if !slices.ContainsFunc(c.VolumeMounts, func(m corev1.VolumeMount) bool {
			return m.MountPath == tokenPath && !strings.HasPrefix(m.Name, "kube-api-access-")
		}) {
			out = append(out, c.Name)
		}
	}
	slices.Sort(out)
	return out
}

// mountedBy lists the containers that mount a volume, and where the first does.
func mountedBy(spec *corev1.PodSpec, volume string) (names []string, at string) {
	for _, c := range containers(spec) {
		for _, m := range c.VolumeMounts {
			if m.Name == volume {
				if at == "" {
					at = m.MountPath
				}
				names = append(names, c.Name)
				break
			}
		}
	}
	slices.Sort(names)
	return names, at
}
