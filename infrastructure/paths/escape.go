package paths

import (
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Chances that an attacker who controls a container comes out of it, by way.
// The first is docs/model.md's default; the others are ours, with their reason.
const (
	pEscape = 0.9
	// pGuarded: a default AppArmor or SELinux profile, which part of all
	// nodes have, stops ptrace between containers and host processes.
	pGuarded = 0.7
	// pAged: works where an old feature (cgroup v1's release_agent) or a
	// readable host file system helps.
	pAged = 0.5
)

// way is one way out of the containers of a pod.
type way struct {
	value string // as a fact states it
	field string // of the pod's spec
	p     float64
	files bool // gives the files of other pods on the node, not root on it
}

// writable lists host folders of which one write, as root, makes code run as
// root on the host: programs, libraries, system configuration, the kubelet's
// and the runtimes' state, kernel settings. Paths below those in deep count
// as well.
var (
	writable = []string{
		"/", "/etc", "/root", "/home", "/usr", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/local", "/usr/local/bin", "/bin", "/sbin",
		"/lib", "/lib64", "/boot", "/var", "/var/lib", "/var/run", "/run", "/var/spool", "/opt", "/opt/cni", "/opt/cni/bin", "/proc",
		"/proc/sys", "/proc/sys/kernel", "/sys", "/var/lib/kubelet", "/var/lib/docker", "/var/lib/containerd", "/var/lib/containers",
	}
	deep = []string{
		"/etc/kubernetes", "/etc/systemd", "/etc/cron.d", "/etc/cron.daily", "/etc/cron.hourly", "/etc/crontab", "/etc/ld.so.preload",
		"/etc/sudoers.d", "/etc/ssh", "/root/.ssh", "/var/spool/cron", "/etc/cni/net.d", "/etc/containerd", "/etc/docker",
	}
	// sockets of container runtimes: whoever writes to one runs containers
	// of any kind. A read-only mount doesn't stop that.
	sockets = []string{
		"/run/docker.sock", "/run/containerd/containerd.sock", "/run/crio/crio.sock", "/run/cri-dockerd.sock", "/run/podman/podman.sock",
		"/run/k3s/containerd/containerd.sock",
	}
)

// kubeletPods holds the volumes of all pods on a node, tokens included.
const kubeletPods = "/var/lib/kubelet/pods"

// ways lists how code in the containers of a pod may come out of them, by
// value. Init containers count: their image is as good a place to start from.
func ways(spec *corev1.PodSpec) []way {
	found := map[string]way{}
	add := func(w way) {
		if old, ok := found[w.value]; !ok || old.p < w.p {
			found[w.value] = w
		}
	}
	for i := range spec.InitContainers {
		containerWays(spec, &spec.InitContainers[i], fmt.Sprintf("spec.initContainers[%d]", i), add)
	}
	for i := range spec.Containers {
		containerWays(spec, &spec.Containers[i], fmt.Sprintf("spec.containers[%d]", i), add)
	}
	for i := range spec.EphemeralContainers {
		c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
		containerWays(spec, &c, fmt.Sprintf("spec.ephemeralContainers[%d]", i), add)
	}
	out := make([]way, 0, len(found))
	for _, w := range found {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b way) int { return strings.Compare(a.value, b.value) })
	return out
}

// containerWays adds the ways out of one container. In a user namespace
// (hostUsers: false) capabilities and privileged mode count inside only; host
// files are mapped, so that they stay as open as before.
func containerWays(spec *corev1.PodSpec, c *corev1.Container, at string, add func(way)) {
	mapped := spec.HostUsers != nil && !*spec.HostUsers
	privileged := c.SecurityContext != nil && c.SecurityContext.Privileged != nil && *c.SecurityContext.Privileged
	if privileged && !mapped {
		add(way{value: "privileged", field: at + ".securityContext.privileged", p: pEscape})
	}
	// Without uid 0 added capabilities stay out of reach and host files that
	// belong to root can't be written.
	if !mayBeRoot(spec, c) {
		return
	}
	if !mapped {
		capabilityWays(spec, c, at+".securityContext.capabilities.add", add)
	}
	for i, m := range c.VolumeMounts {
		if host, ok := hostPath(spec, m); ok {
			mountWays(host, m.ReadOnly, fmt.Sprintf("%s.volumeMounts[%d]", at, i), add)
		}
	}
}

// mayBeRoot reports whether nothing says that the container runs as somebody
// else than uid 0: an image that names no user runs as root.
func mayBeRoot(spec *corev1.PodSpec, c *corev1.Container) bool {
	var uid *int64
	var nonRoot *bool
	if s := spec.SecurityContext; s != nil {
		uid, nonRoot = s.RunAsUser, s.RunAsNonRoot
	}
	if s := c.SecurityContext; s != nil {
		if s.RunAsUser != nil {
			uid = s.RunAsUser
		}
		if s.RunAsNonRoot != nil {
			nonRoot = s.RunAsNonRoot
		}
	}
	if nonRoot != nil && *nonRoot {
		return false
	}
	return uid == nil || *uid == 0
}

func capabilityWays(spec *corev1.PodSpec, c *corev1.Container, field string, add func(way)) {
	if c.SecurityContext == nil || c.SecurityContext.Capabilities == nil {
		return
	}
	has := func(name string) bool {
		return slices.ContainsFunc(c.SecurityContext.Capabilities.Add, func(have corev1.Capability) bool {
			upper := strings.TrimPrefix(strings.ToUpper(string(have)), "CAP_")
			return upper == name || upper == "ALL"
		})
	}
	if has("SYS_MODULE") {
		add(way{value: "capability SYS_MODULE", field: field, p: pEscape})
	}
	if has("SYS_ADMIN") {
		add(way{value: "capability SYS_ADMIN", field: field, p: pAged})
	}
	if has("DAC_READ_SEARCH") {
		add(way{value: "capability DAC_READ_SEARCH", field: field, p: pAged})
	}
	if spec.HostPID && has("SYS_PTRACE") {
		p := pGuarded
		if unconfined(spec, c) {
			p = pEscape
		}
		add(way{value: "host processes with SYS_PTRACE", field: "spec.hostPID", p: p})
	}
}

// unconfined reports whether the container asks for no AppArmor profile.
func unconfined(spec *corev1.PodSpec, c *corev1.Container) bool {
	profile := c.SecurityContext.AppArmorProfile
	if profile == nil && spec.SecurityContext != nil {
		profile = spec.SecurityContext.AppArmorProfile
	}
	return profile != nil && profile.Type == corev1.AppArmorProfileTypeUnconfined
}

// hostPath resolves a mount to the path on the host that it shows. A subPath
// with variables is taken for the whole volume.
func hostPath(spec *corev1.PodSpec, m corev1.VolumeMount) (string, bool) {
	for _, v := range spec.Volumes {
		if v.Name == m.Name && v.HostPath != nil {
			return path.Clean("/" + path.Join(v.HostPath.Path, m.SubPath)), true
		}
	}
	return "", false
}

// mountWays judges one mounted host path.
func mountWays(host string, readOnly bool, field string, add func(way)) {
	real := host
	if rest, ok := strings.CutPrefix(host, "/var/run"); ok && (rest == "" || rest[0] == '/') {
		real = "/run" + rest // /var/run is a link to /run on every current distribution
	}
	for _, s := range sockets {
		// The socket itself or a folder above it. /run is a file system of
		// its own, but mounts are shown with all below them.
		if s == real || real == "/" || strings.HasPrefix(s, real+"/") {
			add(way{value: "runtime socket in " + host, field: field, p: pEscape})
			break
		}
	}
	sensitive := slices.Contains(writable, host) || slices.ContainsFunc(deep, func(d string) bool {
		return host == d || strings.HasPrefix(host, d+"/")
	})
	if sensitive && !readOnly {
		add(way{value: "writable host path " + host, field: field, p: pEscape})
		return
	}
	if host == kubeletPods || host == "/" || strings.HasPrefix(kubeletPods, host+"/") {
		add(way{value: "readable host path " + host, field: field, p: pEscape, files: true})
	}
}
