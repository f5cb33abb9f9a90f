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
		"hostPID alone":                   {context("hostPID: true,", ""), []string{"processes of other pods spec.hostPID 0.7"}},
		"hostPID as somebody":             {context("hostPID: true,", "runAsUser: 1000"), nil},
		"hostPID in a user namespace":     {context("hostPID: true, hostUsers: false,", ""), nil},
		"SYS_PTRACE alone":                {context("", "capabilities: {add: [SYS_PTRACE]}"), nil},
		"hostPID and SYS_PTRACE":          {context("hostPID: true,", "capabilities: {add: [CAP_SYS_PTRACE]}"), []string{"host processes with SYS_PTRACE spec.hostPID 0.7", "processes of other pods spec.hostPID 0.7"}},
		"hostPID, SYS_PTRACE, unconfined": {context("hostPID: true,", "appArmorProfile: {type: Unconfined}, capabilities: {add: [SYS_PTRACE]}"), []string{"host processes with SYS_PTRACE spec.hostPID 0.9", "processes of other pods spec.hostPID 0.7"}},
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
		"etc read-only":                   {mount("/etc", ", readOnly: true", ""), []string{"readable host path /etc spec.containers[0].volumeMounts[0] 0.9"}},
		"keys read-only":                  {mount("/etc/kubernetes/pki", ", readOnly: true", ""), []string{"readable host path /etc/kubernetes/pki spec.containers[0].volumeMounts[0] 0.9"}},
		"keys as somebody":                {mount("/etc/kubernetes/pki", ", readOnly: true", "runAsUser: 1000"), nil},
		"logins read-only":                {mount("/root/.ssh", ", readOnly: true", ""), []string{"readable logins in host path /root/.ssh spec.containers[0].volumeMounts[0] 0.3"}},
		"somebody's home read-only":       {mount("/home/eve", ", readOnly: true", ""), []string{"readable logins in host path /home/eve spec.containers[0].volumeMounts[0] 0.3"}},
		"data in a home read-only":        {mount("/home/eve/data", ", readOnly: true", ""), nil},
		"host processes read-only":        {mount("/proc", ", readOnly: true", ""), []string{"readable host path /proc spec.containers[0].volumeMounts[0] 0.7"}},
		"a figure of the kernel":          {mount("/proc/meminfo", ", readOnly: true", ""), nil},
		"logs":                            {mount("/var/log", "", ""), []string{"links in host path /var/log spec.containers[0].volumeMounts[0] 0.9"}},
		"logs read-only":                  {mount("/var/log", ", readOnly: true", ""), nil},
		"logs of one's own":               {mount("/var/log/shop", "", ""), nil},
		"system bus read-only":            {mount("/run/dbus/system_bus_socket", ", readOnly: true", ""), []string{"system socket in /run/dbus/system_bus_socket spec.containers[0].volumeMounts[0] 0.9"}},
		"system bus as somebody":          {mount("/run/dbus/system_bus_socket", "", "runAsUser: 1000"), nil},
		"CRI-O socket":                    {mount("/var/run/crio/crio.sock", "", ""), []string{"runtime socket in /var/run/crio/crio.sock spec.containers[0].volumeMounts[0] 0.9"}},
		"NRI socket":                      {mount("/var/run/nri", "", ""), []string{"runtime socket in /var/run/nri spec.containers[0].volumeMounts[0] 0.9"}},
		"SYS_ADMIN, unconfined":           {context("", "appArmorProfile: {type: Unconfined}, capabilities: {add: [SYS_ADMIN]}"), []string{"capability SYS_ADMIN spec.containers[0].securityContext.capabilities.add 0.7"}},
		"SYS_RAWIO":                       {context("", "capabilities: {add: [SYS_RAWIO]}"), []string{"capability SYS_RAWIO spec.containers[0].securityContext.capabilities.add 0.3"}},
		"MKNOD, which devices rules stop": {context("", "capabilities: {add: [MKNOD]}"), nil},
		"BPF and PERFMON":                 {context("", "capabilities: {add: [BPF, PERFMON]}"), []string{"capabilities BPF and PERFMON spec.containers[0].securityContext.capabilities.add 0.5"}},
		"BPF alone":                       {context("", "capabilities: {add: [BPF]}"), nil},
		"unmasked /proc":                  {context("", "procMount: Unmasked"), []string{"unmasked /proc spec.containers[0].securityContext.procMount 0.9"}},
		"unmasked in a user namespace":    {context("hostUsers: false,", "procMount: Unmasked"), nil},
		"unmasked as somebody":            {context("", "procMount: Unmasked, runAsUser: 1"), nil},
		"default /proc":                   {context("", "procMount: Default"), nil},
		"host process of Windows":         {context("securityContext: {windowsOptions: {hostProcess: true}},", ""), []string{"host process spec.containers[0].securityContext.windowsOptions.hostProcess 0.9"}},
		"no host process of Windows":      {context("securityContext: {windowsOptions: {hostProcess: true}},", "windowsOptions: {hostProcess: false}"), nil},
		"hostIPC":                         {context("hostIPC: true,", ""), nil},
		"hostNetwork":                     {context("hostNetwork: true,", ""), nil},
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
			mountWays(host, readOnly, "", func(w way) { out[w.value] = w.gives == root })
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
