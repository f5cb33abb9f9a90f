package cli

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/scantling/scantling/registry/image"
)

// TestNames: a tag that moved is the name of the image that was read last, on
// its platform; the other one keeps a name of its own.
func TestNames(t *testing.T) {
	first, then := time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC()
	n := newNames(map[string]imageAsset{})
	take := func(digest, platform string, now time.Time, aliases ...string) int {
		writes, err := n.take(&image.Inventory{Digest: digest, Name: "app:1", Aliases: aliases, Platform: platform, File: "x"}, now)
		if err != nil {
			t.Fatal(err)
		}
		return len(writes)
	}
	if got := []int{take("a", "amd64", first, "app:1", "old"), take("a", "amd64", then, "app:1"), take("b", "arm64", first, "app:1"), take("c", "amd64", then, "app:1"), take("c", "amd64", then, "app:1")}; !cmp.Equal(got, []int{1, 0, 1, 2, 0}) {
		t.Errorf("writes %v", got)
	}
	want := map[string]imageAsset{
		"a": {"app:1@a", []string{"old"}, "amd64", "x", first},
		"b": {"app:1", []string{"app:1"}, "arm64", "x", first},
		"c": {"app:1", []string{"app:1"}, "amd64", "x", then},
	}
	if diff := cmp.Diff(want, n.assets); diff != "" {
		t.Error(diff)
	}
}
