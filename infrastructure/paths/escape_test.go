package paths

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	corev1 "k8s.io/api/core/v1"
)

// pod reads a pod spec.
func pod(t *testing.T, text string) *corev1.PodSpec {
	t.Helper()
	var spec corev1.PodSpec
	if err := yaml.UnmarshalStrict([]byte(text), &spec); err != nil {
		t.Fatal(err)
	}
	return &spec
}

// mount is a pod that mounts a host path; more are fields of the mount,
// security those of the container's security context.
func mount(host, more, security string) string {
	return fmt.Sprintf(`{containers: [{name: c, securityContext: {%s}, volumeMounts: [{name: v, mountPath: /m%s}]}], volumes: [{name: v, hostPath: {path: %q}}]}`, security, more, host)
}

func TestWays(t *testing.T) {
	context := func(pod, container string) string {
		return fmt.Sprintf(`{%s containers: [{name: c, securityContext: {%s}}]}`, pod, container)
	}
	for name, tc := range map[string]struct {
		spec string
		want []string // value, field, p
	}{
		"plain":                           {context("", ""), nil},
		"privileged":                      {context("", "privileged: true"), []string{"privileged spec.containers[0].securityContext.privileged 0.9"}},
		"not privileged":                  {context("", "privileged: false, allowPrivilegeEscalation: true"), nil},
		"privileged in a user namespace":  {context("hostUsers: false,", "privileged: true"), nil},
		"privileged init container":       {`{initContainers: [{name: i, securityContext: {privileged: true}}], containers: [{name: c}]}`, []string{"privileged spec.initContainers[0].securityContext.privileged 0.9"}},
		"hostPID alone":                   {context("hostPID: true,", ""), nil},
		"SYS_PTRACE alone":                {context("", "capabilities: {add: [SYS_PTRACE]}"), nil},
		"hostPID and SYS_PTRACE":          {context("hostPID: true,", "capabilities: {add: [CAP_SYS_PTRACE]}"), []string{"host processes with SYS_PTRACE spec.hostPID 0.7"}},
		"hostPID, SYS_PTRACE, unconfined": {context("hostPID: true,", "appArmorProfile: {type: Unconfined}, capabilities: {add: [SYS_PTRACE]}"), []string{"host processes with SYS_PTRACE spec.hostPID 0.9"}},
		"SYS_ADMIN":                       {context("", "capabilities: {add: [SYS_ADMIN]}"), []string{"capability SYS_ADMIN spec.containers[0].securityContext.capabilities.add 0.5"}},
		"SYS_ADMIN without root":          {context("securityContext: {runAsNonRoot: true},", "capabilities: {add: [SYS_ADMIN]}"), nil},
		"SYS_ADMIN dropped":               {context("", "capabilities: {drop: [SYS_ADMIN]}"), nil},
		"SYS_MODULE":                      {context("", "capabilities: {add: [SYS_MODULE]}"), []string{"capability SYS_MODULE spec.containers[0].securityContext.capabilities.add 0.9"}},
		"NET_ADMIN":                       {context("hostNetwork: true,", "capabilities: {add: [NET_ADMIN]}"), nil},
		"host root":                       {mount("/", "", ""), []string{"runtime socket in / spec.containers[0].volumeMounts[0] 0.9", "writable host path / spec.containers[0].volumeMounts[0] 0.9"}},
		"host root read-only":             {mount("/", ", readOnly: true", ""), []string{"readable host path / spec.containers[0].volumeMounts[0] 0.9", "runtime socket in / spec.containers[0].volumeMounts[0] 0.9"}},
		"host root as somebody":           {mount("/", "", "runAsUser: 1000"), nil},
		"host root, a harmless subPath":   {mount("/", ", subPath: srv/data", ""), nil},
		"host root, a telling subPath":    {mount("/", ", subPath: etc/kubernetes", ""), []string{"writable host path /etc/kubernetes spec.containers[0].volumeMounts[0] 0.9"}},
		"etc":                             {mount("/etc/", "", ""), []string{"writable host path /etc spec.containers[0].volumeMounts[0] 0.9"}},
		"etc read-only":                   {mount("/etc", ", readOnly: true", ""), nil},
		"a file of one's own in etc":      {mount("/etc/myapp", "", ""), nil},
		"static pods":                     {mount("/etc/kubernetes/manifests", "", ""), []string{"writable host path /etc/kubernetes/manifests spec.containers[0].volumeMounts[0] 0.9"}},
		"docker socket":                   {mount("/var/run/docker.sock", "", ""), []string{"runtime socket in /var/run/docker.sock spec.containers[0].volumeMounts[0] 0.9"}},
		"containerd socket read-only":     {mount("/run/containerd/containerd.sock", ", readOnly: true", ""), []string{"runtime socket in /run/containerd/containerd.sock spec.containers[0].volumeMounts[0] 0.9"}},
		"folder of the socket":            {mount("/var/run", ", readOnly: true", ""), []string{"runtime socket in /var/run spec.containers[0].volumeMounts[0] 0.9"}},
		"another socket":                  {mount("/var/run/app.sock", "", ""), nil},
		"a like name":                     {mount("/var/runner", "", ""), nil},
		"kubelet's pods read-only":        {mount("/var/lib/kubelet/pods", ", readOnly: true", ""), []string{"readable host path /var/lib/kubelet/pods spec.containers[0].volumeMounts[0] 0.9"}},
		"kernel settings":                 {mount("/proc/sys/kernel", "", ""), []string{"writable host path /proc/sys/kernel spec.containers[0].volumeMounts[0] 0.9"}},
		"data":                            {mount("/data", "", ""), nil},
		"tricks with dots":                {mount("/data/../etc", "", ""), []string{"writable host path /etc spec.containers[0].volumeMounts[0] 0.9"}},
		"volume that no container mounts": {`{containers: [{name: c}], volumes: [{name: v, hostPath: {path: /}}]}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, w := range ways(pod(t, tc.spec)) {
				got = append(got, fmt.Sprintf("%s %s %v", w.value, w.field, w.p))
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestSecretsOf(t *testing.T) {
	for name, tc := range map[string]struct {
		spec string
		want []secretUse
	}{
		"volume":           {`{containers: [{name: c, volumeMounts: [{name: v, mountPath: /s}]}], volumes: [{name: v, secret: {secretName: a}}]}`, []secretUse{{"a", "spec.volumes[0].secret"}}},
		"unmounted volume": {`{containers: [{name: c}], volumes: [{name: v, secret: {secretName: a}}]}`, nil},
		"projected":        {`{containers: [{name: c, volumeMounts: [{name: v, mountPath: /s}]}], volumes: [{name: v, projected: {sources: [{secret: {name: a}}]}}]}`, []secretUse{{"a", "spec.volumes[0].projected.sources[0].secret"}}},
		"environment":      {`{containers: [{name: c, env: [{name: E, valueFrom: {secretKeyRef: {name: a, key: k}}}], envFrom: [{secretRef: {name: b}}]}]}`, []secretUse{{"a", "spec.containers[0].env[0].valueFrom.secretKeyRef"}, {"b", "spec.containers[0].envFrom[0].secretRef"}}},
		"pull secret":      {`{imagePullSecrets: [{name: a}], containers: [{name: c}]}`, nil},
		"config map":       {`{containers: [{name: c, envFrom: [{configMapRef: {name: b}}]}]}`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			got := secretsOf(pod(t, tc.spec))
			if len(got) == 0 {
				got = nil
			}
			if diff := cmp.Diff(tc.want, got, cmp.AllowUnexported(secretUse{})); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// FuzzHostPath feeds foreign host paths and sub paths: the judgement must not
// depend on how a path is spelled, and a read-only mount is never worse.
func FuzzHostPath(f *testing.F) {
	for _, seed := range []string{"/", "/etc/", "/var/run/docker.sock", "/var/lib/kubelet/pods", "//run/../etc", "", "data"} {
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, path, sub string) {
		spec := &corev1.PodSpec{Volumes: []corev1.Volume{{Name: "v", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: path}}}}}
		values := func(readOnly bool, path string) map[string]bool {
			spec.Volumes[0].HostPath.Path = path
			host, ok := hostPath(spec, corev1.VolumeMount{Name: "v", SubPath: sub})
			if !ok || host == "" || host[0] != '/' {
				t.Fatalf("host path %q of %q, %q", host, path, sub)
			}
			out := map[string]bool{}
			mountWays(host, readOnly, "", func(w way) { out[w.value] = !w.files })
			return out
		}
		if diff := cmp.Diff(values(false, path), values(false, path+"/.")); diff != "" {
			t.Errorf("spelling matters: %s", diff)
		}
		write := values(false, path)
		for value, isRoot := range values(true, path) {
			if isRoot && !write[value] {
				t.Errorf("%s only when read-only", value)
			}
		}
	})
}
