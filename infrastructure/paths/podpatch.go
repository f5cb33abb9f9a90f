package paths

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// secretsPatch takes some Secrets out of the environment and the volumes of a
// pod spec.
func secretsPatch(spec *corev1.PodSpec, names []string) object {
	out := volumesWithout(
		spec,
		func(v corev1.Volume) bool { return v.Secret != nil && slices.Contains(names, v.Secret.SecretName) },
		func(src corev1.VolumeProjection) bool {
			return src.Secret != nil && slices.Contains(names, src.Secret.Name)
		},
	)
	eachContainer(spec, func(list string, c *corev1.Container) {
		patch := object{}
		var env []any
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil && slices.Contains(names, e.ValueFrom.SecretKeyRef.Name) {
				env = append(env, object{"name": e.Name, "$patch": "delete"})
			}
		}
		if len(env) > 0 {
			patch["env"] = env
		}
		left := []any{}
		for _, e := range c.EnvFrom {
			if e.SecretRef == nil || !slices.Contains(names, e.SecretRef.Name) {
				left = append(left, plain(e))
			}
		}
		if len(left) < len(c.EnvFrom) {
			patch["envFrom"] = left
		}
		patchContainer(out, list, c.Name, patch)
	})
	return out
}

// volumesWithout is the patch of a pod spec that takes out whole volumes, or
// sources of projected ones, with the mounts of what is gone.
func volumesWithout(spec *corev1.PodSpec, whole func(corev1.Volume) bool, source func(corev1.VolumeProjection) bool) object {
	out := object{}
	gone := map[string]bool{}
	var volumes []any
	for _, v := range spec.Volumes {
		left := []any{}
		sources := 0
		if v.Projected != nil {
			sources = len(v.Projected.Sources)
			for _, src := range v.Projected.Sources {
				if !source(src) {
					left = append(left, plain(src))
				}
			}
		}
		switch {
		case whole(v), sources > 0 && len(left) == 0:
			gone[v.Name] = true
			volumes = append(volumes, object{"name": v.Name, "$patch": "delete"})
		case len(left) < sources:
			volumes = append(volumes, object{"name": v.Name, "projected": object{"sources": left}})
		}
	}
	if len(volumes) > 0 {
		out["volumes"] = volumes
	}
	eachContainer(spec, func(list string, c *corev1.Container) {
		var mounts []any
		for _, v := range c.VolumeMounts {
			if gone[v.Name] {
				mounts = append(mounts, object{"mountPath": v.MountPath, "$patch": "delete"})
			}
		}
		if len(mounts) > 0 {
			patchContainer(out, list, c.Name, object{"volumeMounts": mounts})
		}
	})
	return out
}

func eachContainer(spec *corev1.PodSpec, visit func(list string, c *corev1.Container)) {
	for i := range spec.InitContainers {
		visit("initContainers", &spec.InitContainers[i])
	}
	for i := range spec.Containers {
		visit("containers", &spec.Containers[i])
	}
}

// patchContainer adds fields to the patch of one container.
func patchContainer(spec object, list, name string, fields object) {
	if len(fields) == 0 {
		return
	}
	containers, _ := spec[list].([]any)
	at := slices.IndexFunc(containers, func(c any) bool { return c.(object)["name"] == name })
	if at < 0 {
		at, containers = len(containers), append(containers, object{"name": name})
	}
	maps.Copy(containers[at].(object), fields)
	spec[list] = containers
}
