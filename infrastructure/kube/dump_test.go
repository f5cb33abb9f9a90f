package kube

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/scantling/scantling/infrastructure/kube/kubetest"
	"github.com/scantling/scantling/internal/testkit"
)

func pack(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func unpack(t testing.TB, packed []byte) string {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// again writes a snapshot and reads it.
func again(t testing.TB, s *Snapshot) (*Snapshot, []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := s.Write(&b); err != nil {
		t.Fatal(err)
	}
	packed := bytes.Clone(b.Bytes())
	back, err := ReadFrom(context.Background(), "prod", "s.snapshot.gz", &b)
	if err != nil {
		t.Fatal(err)
	}
	return back, packed
}

// same compares two snapshots but for positions.
func same(t testing.TB, want, got *Snapshot) {
	t.Helper()
	type object struct {
		Name, Version, Namespace string
		Typed                    any
		Raw                      map[string]any
	}
	flat := func(s *Snapshot) (objects []object, workloads []string) {
		for _, o := range s.Objects {
			x := object{o.String(), o.APIVersion, o.Namespace, o.Typed, o.Raw}
			if o.Kind == "Pod" || o.Kind == "ReplicaSet" {
				x.Raw = nil // not there for all of them
			}
			objects = append(objects, x)
		}
		for _, w := range s.Workloads {
			text := fmt.Sprint(s.Key(w), w.Labels, w.ServiceAccount, w.Replicas, w.Object.String())
			for _, p := range w.Pods {
				text += fmt.Sprint(" ", p.Name, p.UID, p.Node, p.IPs, p.ImageIDs)
			}
			workloads = append(workloads, text)
		}
		return objects, workloads
	}
	wantObjects, wantWorkloads := flat(want)
	gotObjects, gotWorkloads := flat(got)
	// What has no Raw is written from its type, which leaves empty lists out.
	typed := func(p cmp.Path) bool { return p.Index(2).String() == ".Typed" }
	if diff := cmp.Diff(wantObjects, gotObjects, cmp.FilterPath(typed, cmpopts.EquateEmpty())); diff != "" {
		t.Errorf("objects:\n%.3000s", diff)
	}
	if diff := cmp.Diff(wantWorkloads, gotWorkloads); diff != "" {
		t.Errorf("workloads:\n%.3000s", diff)
	}
	if diff := cmp.Diff(want.Incomplete, got.Incomplete); diff != "" {
		t.Errorf("incomplete:\n%s", diff)
	}
	if diff := cmp.Diff(want.Origin, got.Origin); diff != "" {
		t.Errorf("origin:\n%s", diff)
	}
	for _, w := range got.Workloads {
		if diff := cmp.Diff(want.Workload(w.Namespace, w.Kind, w.Name).Object.Raw, w.Object.Raw); diff != "" {
			t.Errorf("%s:\n%.3000s", got.Key(w), diff)
		}
	}
}

func TestDumpRoundTrip(t *testing.T) {
	example, objects := manifests(t, shop)
	sets := map[string]*Snapshot{
		"the example": example,
		"live":        readLive(t, connect(t, kubetest.New(t, append(objects, pods(300)...)), Access{Namespace: "shop"})),
		"with gaps": read(t, "a.yaml", pod+"---\napiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: 7}\n---\nwords\n---\n"+
			"apiVersion: x.io/v1\nkind: Thing\nmetadata: {name: b}\nsize: 1.5\nbig: 123456789012\n---\napiVersion: batch/v1\nkind: Job\nmetadata: {generateName: j-}\nspec: {template: {spec: {containers: []}}}\n"),
	}
	for seed := range uint64(3) {
		dir := t.TempDir()
		if err := (testkit.Estate{Seed: seed, Workloads: 60}).Write(dir); err != nil {
			t.Fatal(err)
		}
		sets[fmt.Sprintf("generated %d", seed)], _ = manifests(t, filepath.Join(dir, "k8s"))
	}
	for name, s := range sets {
		t.Run(name, func(t *testing.T) {
			back, packed := again(t, s)
			same(t, s, back)
			if _, once := again(t, s); !bytes.Equal(packed, once) {
				t.Error("written again it is another file")
			}
		})
	}
}

func TestDumpRoundTripOfPublicManifests(t *testing.T) {
	folders, err := filepath.Glob(filepath.Join(corpora(t, "netpol", "tests"), "*"))
	if err != nil || len(folders) == 0 {
		t.Fatalf("no folders: %v", err)
	}
	for _, dir := range folders {
		s, err := Reader{}.Read(context.Background(), "prod", []string{dir})
		if err != nil {
			t.Fatal(err)
		}
		back, _ := again(t, s)
		same(t, s, back)
	}
	t.Logf("%d folders", len(folders))
}

func TestReadDumpNamesItsFaults(t *testing.T) {
	head := `{"schema":1,"kind":"ClusterSnapshot","objects":%d,"incomplete":[]}` + "\n"
	object := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"b"}}` + "\n"
	whole := pack(t, fmt.Sprintf(head, 2)+object+strings.Replace(object, `"a"`, `"c"`, 1))
	for name, tc := range map[string]struct {
		file []byte
		want []string
	}{
		"whole":           {whole, []string{"ConfigMap b/a @s:2", "ConfigMap b/c @s:3"}},
		"broken off":      {whole[:len(whole)-9], []string{"ConfigMap b/a @s:2", "ConfigMap b/c @s:3", "s:4 the snapshot isn't readable from here on: it ends early, as a copy that was broken off"}},
		"a line missing":  {pack(t, fmt.Sprintf(head, 2)+object), []string{"ConfigMap b/a @s:2", "s:2 the snapshot has 1 objects, its first line says 2"}},
		"a later version": {pack(t, strings.Replace(fmt.Sprintf(head, 0), `"schema":1`, `"schema":2`, 1)), []string{"s:1 a snapshot of schema 2, which a later version wrote: not read"}},
		"something else":  {pack(t, "hello\n"), []string{"s under gzip lies no snapshot of `scantling cluster snapshot`: not read"}},
		"nothing":         {pack(t, ""), []string{"s not readable as a snapshot: it is empty"}},
		"no gzip":         {[]byte("\x1f\x8bxx"), []string{"s not readable as gzip: unexpected EOF"}},
		"a broken line":   {pack(t, fmt.Sprintf(head, 1)+"{\n"), []string{"s:2 a line that is no Kubernetes object: not read"}},
		"a misfit":        {pack(t, fmt.Sprintf(head, 1)+`{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":7}}`), []string{"Pod default/a @s:2", "s:2 Pod a doesn't fit its type: cannot unmarshal number into Go struct field PodSpec.spec.containers of type []v1.Container: kept, not judged"}},
		"a line too long": {pack(t, fmt.Sprintf(head, 1)+strings.Repeat("x", maxLine+1)), []string{"s:2 the snapshot isn't readable from here on: a line of more than 16 MiB"}},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ReadFrom(context.Background(), "prod", "s", bytes.NewReader(tc.file))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, brief(s)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestDumpInAFolder: it is found by its suffix, and gzip by another name isn't.
func TestDumpInAFolder(t *testing.T) {
	dir := t.TempDir()
	var b bytes.Buffer
	if err := read(t, "a.yaml", pod).Write(&b); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"prod.snapshot.gz", "audit.log.gz"} {
		if err := os.WriteFile(filepath.Join(dir, name), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, _ := manifests(t, dir)
	if diff := cmp.Diff([]string{"Pod shop/web @" + filepath.ToSlash(dir) + "/prod.snapshot.gz:2"}, brief(s)); diff != "" {
		t.Error(diff)
	}
}

func FuzzReadDump(f *testing.F) {
	f.Add([]byte(`{"schema":1,"kind":"ClusterSnapshot","objects":1,"incomplete":[{"what":"x","why":"y"}]}` + "\n" + `{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"}}`))
	f.Add([]byte(`{"schema":1,"kind":"ClusterSnapshot","objects":2,"server":"v1.37.2"}` + "\n[]\n{}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		r := reading{lean: newLean()}
		r.lines("s", bytes.NewReader(text))
		s := assemble("prod", []reading{r}, nil)
		if len(s.Incomplete) == 0 && !json.Valid(bytes.SplitN(text, []byte("\n"), 2)[0]) {
			t.Error("read without a header and nothing said")
		}
		var again bytes.Buffer
		if err := s.writeLines(&again); err != nil {
			t.Fatal(err)
		}
		back := reading{lean: newLean()}
		back.lines("s", &again)
		if got := assemble("prod", []reading{back}, nil); len(got.Objects) != len(s.Objects) {
			t.Errorf("%d objects, then %d", len(s.Objects), len(got.Objects))
		}
	})
}

// FuzzPage: whatever a server answers, a page is read or refused.
func FuzzPage(f *testing.F) {
	f.Add([]byte(`{"kind":"PodList","apiVersion":"v1","metadata":{"continue":"x"},"items":[{"metadata":{"name":"a"}}]}`), 0)
	f.Add([]byte(`{"kind":"Table","rows":[{"cells":["a","Opaque"],"object":{"metadata":{"name":"a"}}}],"columnDefinitions":[{"name":"Name"},{"name":"Type"}]}`), 1)
	f.Add([]byte(`{"items":[{"metadata":{"name":"a","annotations":7}}]}`), 2)
	f.Add([]byte("k8s\x00\n\x0d\n\x02v1\x12\x07PodList"), 0)
	kinds := []served{
		{liveKind{"", "Pod", "pods", nil, typed}, "v1", true},
		{liveKind{"", "Secret", "secrets", nil, bare}, "v1", true},
		{liveKind{"cilium.io", "CiliumNetworkPolicy", "ciliumnetworkpolicies", nil, whole}, "v2", true},
	}
	f.Fuzz(func(t *testing.T, body []byte, which int) {
		k := kinds[(which%3+3)%3]
		r := reading{lean: newLean()}
		if _, err := k.decode(&r, body); err != nil && strings.Contains(err.Error(), "gave up") {
			t.Error(err)
		}
		for _, o := range assemble("prod", []reading{r}, nil).Objects {
			if o.Kind != k.kind {
				t.Errorf("a %s among %s", o.Kind, k.resource)
			}
		}
	})
}
