package main

import (
	"math"
	"testing"
	"time"
)

// TestExceeded judges made-up sizes, of which one quantity of one phase grows
// as a function says and all else with n.
func TestExceeded(t *testing.T) {
	type function func(n float64) float64
	square := function(func(n float64) float64 { return n * n / 1e5 })
	late := function(func(n float64) float64 { return n + n*n/1e4 }) // doubles what 10,000 cost
	sorted := function(func(n float64) float64 { return n * math.Log(n) })
	tests := []struct {
		name  string
		phase int
		set   func(r *result, phase int, cost float64)
		cost  function
		want  int // spans that exceed
	}{
		{"time n log n", rights, setAlone, sorted, 0},
		{"time n²", rights, setAlone, square, 2},
		{"bytes n log n", steps, setBytes, sorted, 0},
		{"bytes n²", steps, setBytes, square, 2},
		{"bytes late", steps, setBytes, late, 1},
		{"allocations n²", classes, setAllocations, square, 2},
		{"bytes of rows", classes, setBytes, square, 0},
		{"nothing measured", rights, setAlone, func(float64) float64 { return 0 }, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			sizes := []result{grown(100), grown(3000), grown(10_000)}
			for i := range sizes {
				test.set(&sizes[i], test.phase, 1e6*test.cost(float64(sizes[i].Workloads)))
			}
			spans := [][2]result{{sizes[1], sizes[2]}, {sizes[0], sizes[2]}}
			if why := exceeded(spans, test.phase); len(why) != test.want {
				t.Errorf("%q exceed, want %d", why, test.want)
			}
		})
	}
}

// grown is a size of which everything is linear.
func grown(n int) result {
	r := result{Workloads: n}
	for p := range phases {
		setAlone(&r, p, float64(n))
		setBytes(&r, p, float64(n))
		setAllocations(&r, p, float64(n))
	}
	return r
}

func setAlone(r *result, phase int, cost float64)       { r.Alone[phase] = time.Duration(cost) }
func setBytes(r *result, phase int, cost float64)       { r.Bytes[phase] = uint64(cost) }
func setAllocations(r *result, phase int, cost float64) { r.Allocations[phase] = uint64(cost) }
