package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGroups(t *testing.T) {
	small, large := filepath.Join(t.TempDir(), "small"), filepath.Join(t.TempDir(), "large")
	for name, size := range map[string]int{small: 100, large: smallFile + 1} {
		if err := os.WriteFile(name, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	many := func(n int, name string) (out []string) {
		for range n {
			out = append(out, name)
		}
		return out
	}
	for name, tc := range map[string]struct {
		args []string
		want []int
	}{
		"none":       {nil, nil},
		"one":        {many(1, large), []int{1}},
		"images":     {many(33, "registry.example/app:1"), []int{16, 16, 1}},
		"large":      {many(17, large), []int{16, 1}},
		"small":      {many(300, small), []int{128, 128, 44}},
		"mixed":      {append(many(120, small), many(2, large)...), []int{121, 1}},
		"just right": {append(many(15, large), many(8, small)...), []int{23}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []int
			var all []string
			for some := range groups(tc.args) {
				got, all = append(got, len(some)), append(all, some...)
			}
			if diff := cmp.Diff(tc.want, got) + cmp.Diff(tc.args, all); diff != "" {
				t.Error(diff)
			}
		})
	}
}
