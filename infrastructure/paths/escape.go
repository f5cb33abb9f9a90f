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
	// pKeys: a key that logs in to the very node lies among the files, or a
	// hash can be cracked.
	pKeys = 0.3
)

// way is one way out of the containers of a pod.
type way struct {
	value string // as a fact states it
	field string // of the pod's spec
	p     float64
	gives sort // on the node: root, files as its root reads them, or the tokens of its pods
	logs  bool // only together with the right to read the workload's logs
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
		"/run/k3s/containerd/containerd.sock", "/run/k0s/containerd.sock", "/run/dockershim.sock", "/var/snap/microk8s/common/run/containerd.sock",
		"/run/nri/nri.sock", "/run/buildkit/buildkitd.sock",
	}
	// managers are sockets by which root asks systemd to run a program on the
	// host.
	managers = []string{"/run/systemd/private", "/run/dbus/system_bus_socket"}
	// keys hold what a node proves itself with: the kubelet's certificate, and
	// on a control plane those of the cluster.
	keys = []string{"/etc/kubernetes", "/var/lib/kubelet/pki", "/var/lib/rancher", "/var/lib/k0s/pki"}
	// logins hold what people and machines log in with; so do the .ssh folders
	// of all homes.
	logins = []string{"/root/.ssh", "/home", "/etc/shadow"}
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
		add(way{value: "privileged", field: at + ".securityContext.privileged", p: pEscape, gives: root})
	}
	if hostProcess(spec, c) {
		add(way{value: "host process", field: at + ".securityContext.windowsOptions.hostProcess", p: pEscape, gives: root})
	}
	// Without uid 0 added capabilities stay out of reach and host files that
	// belong to root can't be written.
	if !mayBeRoot(spec, c) {
		return
	}
	if !mapped {
		capabilityWays(spec, c, at+".securityContext.capabilities.add", add)
		if unmasked(c) {
			add(way{value: "unmasked /proc", field: at + ".securityContext.procMount", p: pEscape, gives: root})
		}
	}
	// Root among the host's processes looks into those of other containers that
	// have no more capabilities than itself: their files and environment.
	if spec.HostPID && !mapped {
		add(way{value: "processes of other pods", field: "spec.hostPID", p: pGuarded, gives: tokens})
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
	way := func(value, field string, p float64) { add(way{value: value, field: field, p: p, gives: root}) }
	open := unconfined(spec, c)
	if has("SYS_MODULE") {
		way("capability SYS_MODULE", field, pEscape)
	}
	if has("SYS_ADMIN") {
		p := pAged
		if open { // a default AppArmor profile forbids the mount that it takes
			p = pGuarded
		}
		way("capability SYS_ADMIN", field, p)
	}
	if has("DAC_READ_SEARCH") {
		way("capability DAC_READ_SEARCH", field, pAged)
	}
	if has("SYS_RAWIO") {
		way("capability SYS_RAWIO", field, pKeys)
	}
	if has("BPF") && has("PERFMON") {
		way("capabilities BPF and PERFMON", field, pAged)
	}
	if spec.HostPID && has("SYS_PTRACE") {
		p := pGuarded
		if open {
			p = pEscape
		}
		way("host processes with SYS_PTRACE", "spec.hostPID", p)
	}
}

// unconfined reports whether the container asks for no AppArmor profile.
func unconfined(spec *corev1.PodSpec, c *corev1.Container) bool {
	var profile *corev1.AppArmorProfile
	if spec.SecurityContext != nil {
		profile = spec.SecurityContext.AppArmorProfile
	}
	if c.SecurityContext != nil && c.SecurityContext.AppArmorProfile != nil {
		profile = c.SecurityContext.AppArmorProfile
	}
	return profile != nil && profile.Type == corev1.AppArmorProfileTypeUnconfined
}

// hostProcess reports whether a container of Windows is a process of the host.
func hostProcess(spec *corev1.PodSpec, c *corev1.Container) bool {
	var windows *corev1.WindowsSecurityContextOptions
	if spec.SecurityContext != nil {
		windows = spec.SecurityContext.WindowsOptions
	}
	if c.SecurityContext != nil && c.SecurityContext.WindowsOptions != nil {
		windows = c.SecurityContext.WindowsOptions
	}
	return windows != nil && windows.HostProcess != nil && *windows.HostProcess
}

// unmasked reports whether the container writes the kernel's settings in /proc.
func unmasked(c *corev1.Container) bool {
	return c.SecurityContext != nil && c.SecurityContext.ProcMount != nil && *c.SecurityContext.ProcMount == corev1.UnmaskedProcMount
}

// hostPath resolves a mount to the path on the host that it shows. A subPath
// with variables is taken for the whole volume.
func hostPath(spec *corev1.PodSpec, m corev1.VolumeMount) (string, bool) {
	for _, v := range spec.Volumes {
		if v.Name == m.Name && v.HostPath != nil {
			return cleanPath(v.HostPath.Path, m.SubPath), true
		}
	}
	return "", false
}

func cleanPath(host, sub string) string { return path.Clean("/" + path.Join(host, sub)) }

// mountWays judges one mounted host path.
func mountWays(host string, readOnly bool, field string, add func(way)) {
	real := host
	if rest, ok := strings.CutPrefix(host, "/var/run"); ok && (rest == "" || rest[0] == '/') {
		real = "/run" + rest // /var/run is a link to /run on every current distribution
	}
	// The socket itself or a folder above it. /run is a file system of its own,
	// but mounts are shown with all below them.
	shows := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return s == real || real == "/" || strings.HasPrefix(s, real+"/") })
	}
	if shows(sockets) {
		add(way{value: "runtime socket in " + host, field: field, p: pEscape, gives: root})
	} else if shows(managers) {
		add(way{value: "system socket in " + host, field: field, p: pEscape, gives: root})
	}
	sensitive := slices.Contains(writable, host) || slices.ContainsFunc(deep, func(d string) bool { return inside(host, d) })
	if sensitive && !readOnly {
		add(way{value: "writable host path " + host, field: field, p: pEscape, gives: root})
		return
	}
	if host == "/var/log" && !readOnly {
		add(way{value: "links in host path " + host, field: field, p: pEscape, gives: files, logs: true})
	}
	readWays(host, field, add)
}

// readWays judges what can be read below a host path, or beside it in one that
// is part of something telling.
func readWays(host, field string, add func(way)) {
	holds := func(list []string) bool {
		return slices.ContainsFunc(list, func(s string) bool { return inside(s, host) || inside(host, s) })
	}
	home := strings.HasPrefix(host, "/home/") && (strings.Count(host, "/") == 2 || strings.Contains(host, "/.ssh"))
	switch {
	case host == "/proc": // as with hostPID
		add(way{value: "readable host path " + host, field: field, p: pGuarded, gives: tokens})
	case holds(keys):
		add(way{value: "readable host path " + host, field: field, p: pEscape, gives: files})
	case inside(kubeletPods, host):
		add(way{value: "readable host path " + host, field: field, p: pEscape, gives: tokens})
	case home || slices.ContainsFunc(logins, func(s string) bool { return inside(s, host) }):
		add(way{value: "readable logins in host path " + host, field: field, p: pKeys, gives: root})
	}
}

// inside reports whether a path is folder or lies below it.
func inside(path, folder string) bool {
	return path == folder || folder == "/" || strings.HasPrefix(path, folder+"/")
}
