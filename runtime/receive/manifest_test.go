package receive

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestServers(t *testing.T) {
	for name, tc := range map[string]struct {
		text string
		want []Server
	}{
		"a static Pod":      {"kind: Pod\nmetadata: {name: kube-apiserver-n1}\nspec:\n  containers:\n  - command: [kube-apiserver, --audit-webhook-mode=batch]\n", []Server{{"kube-apiserver-n1", []string{"kube-apiserver", "--audit-webhook-mode=batch"}}}},
		"a path, arguments": {"metadata: {name: a}\nspec: {containers: [{command: [/usr/local/bin/kube-apiserver], args: [--x]}]}", []Server{{"a", []string{"/usr/local/bin/kube-apiserver", "--x"}}}},
		"a list":            {`{"kind":"List","items":[{"metadata":{"name":"other"},"spec":{"containers":[{"command":["etcd"]}]}},{"metadata":{"name":"b"},"spec":{"containers":[{"command":["kube-apiserver"]}]}}]}`, []Server{{"b", []string{"kube-apiserver"}}}},
		"documents":         {"metadata: {name: x}\n---\nmetadata: {name: c}\nspec: {containers: [{args: [kube-apiserver]}]}", []Server{{"c", []string{"kube-apiserver"}}}},
		"nothing":           {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Servers([]byte(tc.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := Servers([]byte("spec: [")); err == nil {
		t.Error("what is no YAML was read")
	}
}

func FuzzServers(f *testing.F) {
	f.Add([]byte("kind: Pod\nspec: {containers: [{command: [kube-apiserver, --x=y]}]}"))
	f.Add([]byte("a: &a [*a]\n---\n"))
	f.Fuzz(func(_ *testing.T, manifest []byte) {
		servers, _ := Servers(manifest)
		for _, s := range servers {
			Check(s.Args)
		}
	})
}
