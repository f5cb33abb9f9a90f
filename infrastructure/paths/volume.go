package paths

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
)

// hostVolumes are the claims behind which stands a folder of the host.
type hostVolumes struct {
	byClaim map[[2]string]string // namespace and claim -> path on the host
	open    map[string]bool      // namespaces with one that is a way out
}

// readHostVolumes finds them: a claim that names its volume, or a volume that
// names its claim. Claims of a StatefulSet's template have names that follow
// from its own; they are not resolved.
func readHostVolumes(s *kube.Snapshot) *hostVolumes {
	out := &hostVolumes{map[[2]string]string{}, map[string]bool{}}
	paths := map[string]string{}
	for _, v := range kube.All[*corev1.PersistentVolume](s) {
		if v.Value.Spec.HostPath == nil {
			continue
		}
		paths[v.Object.Name] = v.Value.Spec.HostPath.Path
		if ref := v.Value.Spec.ClaimRef; ref != nil {
			out.byClaim[[2]string{ref.Namespace, ref.Name}] = v.Value.Spec.HostPath.Path
		}
	}
	for _, c := range kube.All[*corev1.PersistentVolumeClaim](s) {
		if path, ok := paths[c.Value.Spec.VolumeName]; ok && c.Value.Spec.VolumeName != "" {
			out.byClaim[[2]string{c.Object.Namespace, c.Object.Name}] = path
		}
	}
	out.mark()
	return out
}

// resolve returns the workload with its claims of such volumes as the host
// paths that they are; the workload itself where it has none.
func (h *hostVolumes) resolve(w *kube.Workload) *kube.Workload {
	var out *kube.Workload
	for i, v := range w.Spec.Volumes {
		if v.PersistentVolumeClaim == nil {
			continue
		}
		path, ok := h.byClaim[[2]string{w.Namespace, v.PersistentVolumeClaim.ClaimName}]
		if !ok {
			continue
		}
		if out == nil {
			resolved := *w
			resolved.Spec.Volumes = slices.Clone(w.Spec.Volumes)
			out = &resolved
		}
		out.Spec.Volumes[i].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}
	}
	if out == nil {
		return w
	}
	return out
}

// mark finds the namespaces with a claim that leads to a folder of the host by
// which a container running as root makes its way out.
func (h *hostVolumes) mark() {
	for claim, path := range h.byClaim {
		mountWays(cleanPath(path, ""), false, "", func(w way) {
			if w.gives == root && !w.logs {
				h.open[claim[0]] = true
			}
		})
	}
}

// mountClaims adds pods that mount a folder of the host through a claim, which
// Pod Security doesn't see. Under level restricted they don't run as root, and
// what they then could do with it is left out.
func (b *builder) mountClaims(k key) {
	if b.guarded[k.a] != "baseline" {
		return
	}
	b.step(hostVolume, key{sort: anywhere}, k, key{sort: claims, a: k.a}, key{sort: volumes})
	if b.host.open[k.a] {
		b.step(hostVolume, key{sort: anywhere}, k)
	}
}
