package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/internal/testkit"
)

// verdicts are all that the cluster commands say of a snapshot, as plain data
// without positions.
func verdicts(t *testing.T, s *kube.Snapshot) any {
	t.Helper()
	a := &app{}
	reading, missed, err := a.judge(s, standard{})
	if err != nil || len(missed) > 0 {
		t.Fatal(err, missed)
	}
	strict, _, err := (standard{spec: "restricted:v1.37"}).judge(s)
	if err != nil {
		t.Fatal(err)
	}
	net, id := network.Build(s), identity.Build(s)
	m, err := paths.Build(s, net, id)
	if err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(map[string]any{
		"findings": reading.Findings, "standard": strict.Findings, "connections": net.List(), "paths": m.Report(10), "edges": m.Edges(),
		"incomplete": s.Incomplete, "network": len(net.Incomplete), "identity": len(id.Incomplete()), "key": m.Reading().Assets,
	})
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return placeless(v)
}

// placeless drops what says where something stood in a file.
func placeless(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, x := range v {
			switch k {
			case "position", "Position", "where":
				delete(v, k)
			default:
				v[k] = placeless(x)
			}
		}
	case []any:
		for i, x := range v {
			v[i] = placeless(x)
		}
	}
	return v
}

// TestSnapshotIsJudgedAlike: what the cluster commands say of a snapshot's
// file is what they say of what it was made of, but for positions.
func TestSnapshotIsJudgedAlike(t *testing.T) {
	folders := map[string]string{"the example": "../examples/shop/k8s"}
	for seed := range uint64(2) {
		dir := t.TempDir()
		if err := (testkit.Estate{Seed: seed, Workloads: 40}).Write(dir); err != nil {
			t.Fatal(err)
		}
		folders[fmt.Sprintf("generated %d", seed)] = filepath.Join(dir, "k8s")
	}
	public, _ := filepath.Glob("../../shared/corpora/netpol/tests/*") // nil where they aren't there
	for i, dir := range public {
		if i%8 == 0 { // package kube compares the objects of all of them
			folders[filepath.Base(dir)] = dir
		}
	}
	for name, dir := range folders {
		t.Run(name, func(t *testing.T) {
			s, err := kube.Reader{}.Read(context.Background(), "", []string{dir})
			if err != nil {
				t.Fatal(err)
			}
			var file bytes.Buffer
			if err := s.Write(&file); err != nil {
				t.Fatal(err)
			}
			back, err := kube.ReadFrom(context.Background(), "", "s", &file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(verdicts(t, s), verdicts(t, back)); diff != "" {
				t.Errorf("%.3000s", diff)
			}
		})
	}
	t.Logf("%d sets", len(folders))
}
