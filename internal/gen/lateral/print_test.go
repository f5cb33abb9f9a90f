package main

import (
	"testing"
	"time"
)

// TestMissed holds made-up sizes against the bounds.
func TestMissed(t *testing.T) {
	size := func(n int, took, policy time.Duration, peak int) result {
		r := result{Workloads: n, Policy: policy, Peak: peak}
		r.Median[total] = took
		return r
	}
	for name, tc := range map[string]struct {
		r    result
		want string
	}{
		"kept":        {size(10_000, 10*time.Second, 100*time.Millisecond, 2048), ""},
		"of no bound": {size(3000, time.Minute, time.Millisecond, 9000), ""},
		"slow":        {size(1000, 3001*time.Millisecond, time.Millisecond, 1), "bounds missed: 3s of 1000 workloads"},
		"large":       {size(10_000, time.Second, time.Millisecond, 2049), "bounds missed: 2048 MiB of 10000 workloads"},
		"all":         {size(10_000, 11*time.Second, 101*time.Millisecond, 2049), "bounds missed: 10s of 10000 workloads, 2048 MiB of 10000 workloads, one policy in 100ms of 10000 workloads"},
	} {
		got := ""
		if err := missed([]result{size(100, 0, 0, 0), tc.r}); err != nil {
			got = err.Error()
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
