package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	networkingv1 "k8s.io/api/networking/v1"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network"
	"github.com/scantling/scantling/infrastructure/paths"
	"github.com/scantling/scantling/internal/testkit/lateral"
)

// The phases, in their order. All pairs are those of workloads.
const (
	classes = iota
	pairs
	rights
	steps
	blast
	total
	numPhases
)

var phases = [numPhases]string{"network", "all pairs", "identity", "graph", "blast", "total"}

// result is what one size costs. Memory is in MiB.
type result struct {
	Workloads, Pods, Policies, Roles int
	Assembled                        time.Duration            // decoded objects to a snapshot
	Median, CPU                      [numPhases]time.Duration // by the clock, and of all processors
	Alone                            [numPhases]time.Duration // of all processors, with no collection of garbage
	Bytes, Allocations               [numPhases]uint64        // what is asked of the heap
	Policy, PolicyCPU                time.Duration            // one policy changed
	Hubs, Vertices, Steps, Facts     int
	Radii                            int // different ones
	Estate, Held, Heap, Peak         int // the snapshot; with the results; heap at its largest; resident at its largest
	AllPairs                         int // of workloads that may connect
}

// measure builds the cluster once and its answers several times. These are
// profiled where a file is given.
func measure(workloads int, profile string) (result, error) {
	objects := lateral.Estate{Seed: 1, Workloads: workloads}.Objects()
	start := time.Now()
	s := kube.FromTyped("bench", objects)
	r := result{Workloads: len(s.Workloads), Assembled: time.Since(start)}
	objects = nil
	for _, w := range s.Workloads {
		r.Pods += len(w.Pods)
	}
	r.Policies, r.Roles = len(s.ByKind("NetworkPolicy")), len(s.ByKind("Role"))+len(s.ByKind("ClusterRole"))
	r.Estate = held()
	if profile != "" {
		file, err := os.Create(profile)
		if err != nil {
			return r, fmt.Errorf("writing a profile: %w", err)
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return r, fmt.Errorf("writing a profile: %w", err)
		}
		defer pprof.StopCPUProfile()
	}
	var taken, spent [numPhases][]time.Duration
	for range *runs {
		l, err := r.once(s)
		if err != nil {
			return r, err
		}
		for p := range phases {
			taken[p], spent[p] = append(taken[p], l.took[p]), append(spent[p], l.cpu[p])
		}
	}
	for p := range phases {
		r.Median[p], r.CPU[p] = median(taken[p]), median(spent[p])
	}
	r.Policy, r.PolicyCPU = changePolicy(s)
	r.Peak = peak()
	return r, r.alone(s)
}

// alone measures what the answers take by themselves: the collector, which goes
// through the whole snapshot whenever it runs, is off.
func (r *result) alone(s *kube.Snapshot) error {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var spent [numPhases][]time.Duration
	for range *runs {
		l, err := (&result{}).once(s)
		if err != nil {
			return err
		}
		for p := range phases {
			spent[p] = append(spent[p], l.cpu[p])
		}
		r.Bytes, r.Allocations = l.bytes, l.allocations
	}
	for p := range phases {
		r.Alone[p] = median(spent[p])
	}
	return nil
}

// laps are the costs of the phases of one run.
type laps struct {
	took, cpu          [numPhases]time.Duration
	bytes, allocations [numPhases]uint64
	at, spent          time.Duration // where the phase began, by either clock
	memory             runtime.MemStats
	start              time.Time
}

func newLaps() *laps {
	l := &laps{start: time.Now()}
	runtime.ReadMemStats(&l.memory)
	l.at, l.spent = time.Since(l.start), used()
	return l
}

// end notes what a phase took. Counting what it asked of the heap is left out.
func (l *laps) end(phase int) {
	took, cpu := time.Since(l.start)-l.at, used()-l.spent
	bytes, allocations := l.memory.TotalAlloc, l.memory.Mallocs
	runtime.ReadMemStats(&l.memory)
	for _, p := range []int{phase, total} {
		l.took[p] += took
		l.cpu[p] += cpu
		l.bytes[p] += l.memory.TotalAlloc - bytes
		l.allocations[p] += l.memory.Mallocs - allocations
	}
	l.at, l.spent = time.Since(l.start), used()
}

// once answers everything, from nothing but the snapshot.
func (r *result) once(s *kube.Snapshot) (*laps, error) {
	runtime.GC()
	l := newLaps()
	n := network.Build(s)
	l.end(classes)
	hubs := n.Hubs()
	l.end(pairs)
	id := identity.Build(s)
	l.end(rights)
	m, err := paths.Build(s, n, id)
	if err != nil {
		return nil, err
	}
	l.end(steps)
	radii := m.Blasts()
	l.end(blast)
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	r.Heap = max(r.Heap, int(memory.HeapSys-memory.HeapReleased)>>20)
	r.Held = held()
	r.describe(hubs, m, radii)
	runtime.KeepAlive(n)
	return l, nil
}

func (r *result) describe(hubs []network.Hub, m *paths.Model, radii []paths.Blast) {
	g := m.Graph()
	r.Hubs, r.Vertices, r.Steps, r.Facts, r.AllPairs = len(hubs), g.NumVertices(), g.NumSteps(), g.NumFacts(), 0
	for _, h := range hubs {
		r.AllPairs += len(h.Sources) * len(h.Destinations)
	}
	different := map[paths.Reaches]bool{}
	for _, b := range radii {
		different[b.Reaches] = true
	}
	r.Radii = len(different)
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// held is what is in use after a collection.
func held() int {
	runtime.GC()
	var memory runtime.MemStats
	runtime.ReadMemStats(&memory)
	return int(memory.HeapAlloc >> 20)
}

// used is the processor time of this process so far.
func used() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// peak is the largest resident memory so far, 0 where the system doesn't tell.
func peak() int {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib >> 10
		}
	}
	return 0
}

// changePolicy changes what one policy after another lets in, and answers all
// pairs anew each time.
func changePolicy(s *kube.Snapshot) (took, cpu time.Duration) {
	n := network.Build(s)
	n.Hubs()
	var taken, spent []time.Duration
	for i := range *runs {
		next := withoutRule(s, i)
		runtime.GC()
		start, before := time.Now(), used()
		n.With(next).Hubs()
		taken, spent = append(taken, time.Since(start)), append(spent, used()-before)
	}
	return median(taken), median(spent)
}

// withoutRule is the snapshot in which one policy lets nothing in. Which one
// depends on i.
func withoutRule(s *kube.Snapshot, i int) *kube.Snapshot {
	list := slices.DeleteFunc(slices.Clone(s.ByKind("NetworkPolicy")), func(o *kube.Object) bool {
		return len(o.Typed.(*networkingv1.NetworkPolicy).Spec.Ingress) == 0
	})
	old := list[(2*i+1)*len(list)/(2**runs)]
	policy := old.Typed.(*networkingv1.NetworkPolicy).DeepCopy()
	policy.Spec.Ingress = nil
	changed := *old
	changed.Typed = policy
	next := &kube.Snapshot{Cluster: s.Cluster, Workloads: s.Workloads, Objects: slices.Clone(s.Objects)}
	next.Objects[slices.Index(next.Objects, old)] = &changed
	return next
}

// reading is what a folder of manifests costs.
type reading struct {
	Objects, Bytes, Connections int
	Took                        time.Duration
	Peak                        int
}

// readFolder reads manifests as every command does.
func readFolder(dir string, list bool) (reading, error) {
	var r reading
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			var info fs.FileInfo
			if info, err = d.Info(); err == nil {
				r.Bytes += int(info.Size())
			}
		}
		return err
	})
	if err != nil {
		return r, fmt.Errorf("listing %s: %w", dir, err)
	}
	start := time.Now()
	s, err := kube.Reader{}.Read(context.Background(), "bench", []string{dir})
	if err != nil {
		return r, err
	}
	if len(s.Incomplete) > 0 {
		return r, fmt.Errorf("%s: %s", s.Incomplete[0].What, s.Incomplete[0].Why)
	}
	if list {
		r.Connections = len(network.Build(s).List())
	}
	r.Took, r.Objects, r.Peak = time.Since(start), s.Read, peak()
	return r, nil
}
