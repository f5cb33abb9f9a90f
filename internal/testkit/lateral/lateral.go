// Package lateral makes clusters of any size for tests and benchmarks of
// lateral movement: as objects that are already decoded, or as manifests. The
// same Estate gives the same objects. Decision 075 says why they look so.
package lateral

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/scantling/scantling/infrastructure/kube"
)

// Estate describes a cluster. Zero numbers mean the usual share of its
// workloads.
type Estate struct {
	Seed      uint64
	Workloads int  // at least 20
	Policies  int  // NetworkPolicies; half as many as workloads
	Roles     int  // Roles and ClusterRoles; twice as many as workloads, each bound at least once
	NoPods    bool // as manifests have it: controllers alone
}

// The shape.
const (
	podsPerWorkload   = 10 // on average; the agents' pods, one on each node, included
	podsPerNode       = 30
	loadsPerNamespace = 20  // on average
	skew              = 0.8 // exponent of the sizes of namespaces
	period            = 50  // namespaces after which the sizes begin anew: larger clusters have more of them, not larger ones
	systemNamespace   = "kube-system"
	ingressNamespace  = "ingress"
)

// space is a namespace while it is filled.
type space struct {
	name     string
	team     string
	isolated bool // it has a policy that denies what no other one allows
	loads    []*load
}

// load is a workload while objects are made of it.
type load struct {
	name    string
	space   *space
	kind    string
	tier    string
	pods    int
	account string
	port    int32
	secret  string
	spec    corev1.PodSpec
}

// maker collects the objects.
type maker struct {
	Estate
	*rand.Rand
	objects []runtime.Object
	spaces  []*space
	loads   []*load
	nodes   int
	onNode  []int // pods that have an address on each node
}

// Objects makes the cluster.
func (e Estate) Objects() []runtime.Object {
	if e.Policies == 0 {
		e.Policies = e.Workloads / 2
	}
	if e.Roles == 0 {
		e.Roles = 2 * e.Workloads
	}
	m := &maker{Estate: e, Rand: rand.New(rand.NewPCG(e.Seed, 75))}
	m.makeSpaces()
	m.makeLoads()
	m.makeNodes()
	for _, l := range m.loads {
		m.makeObjects(l)
	}
	m.makePolicies()
	m.makeRights()
	return m.objects
}

// Snapshot is the cluster as a reader of a live one gives it.
func (e Estate) Snapshot() *kube.Snapshot { return kube.FromTyped("bench", e.Objects()) }

// Write writes the cluster as YAML below dir, a file for each namespace and
// one for what is in none.
func (e Estate) Write(dir string) error {
	files := map[string][]byte{}
	for _, o := range e.Objects() {
		text, err := yaml.Marshal(o)
		if err != nil {
			return fmt.Errorf("writing %T as YAML: %w", o, err)
		}
		name := "namespace-" + o.(metav1.Object).GetNamespace() + ".yaml"
		files[name] = append(append(files[name], "---\n"...), text...)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return fmt.Errorf("writing an estate: %w", err)
		}
	}
	return nil
}

// add takes objects up.
func (m *maker) add(objects ...runtime.Object) { m.objects = append(m.objects, objects...) }

// chance is true in percent of all calls.
func (m *maker) chance(percent int) bool { return m.IntN(100) < percent }

// one picks an element.
func one[T any](m *maker, list []T) T { return list[m.IntN(len(list))] }

// kind fills in the type of an object.
func kind(version, name string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: version, Kind: name}
}

// named fills in the names of an object.
func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

// makeSpaces makes the namespaces of teams, of which each has four, and two of
// the platform.
func (m *maker) makeSpaces() {
	m.spaces = []*space{{name: systemNamespace, team: "platform", isolated: true}, {name: ingressNamespace, team: "platform"}}
	for i := range max(2, m.Workloads/loadsPerNamespace) {
		m.spaces = append(m.spaces, &space{name: fmt.Sprintf("space-%04d", i), team: fmt.Sprintf("team-%d", i/4), isolated: m.chance(85)})
	}
	for _, s := range m.spaces {
		o := &corev1.Namespace{TypeMeta: kind("v1", "Namespace"), ObjectMeta: named("", s.name)}
		o.Labels = map[string]string{"kubernetes.io/metadata.name": s.name, "team": s.team}
		switch r := m.IntN(10); {
		case s.name == systemNamespace || r < 3:
		case r < 7:
			o.Labels["pod-security.kubernetes.io/enforce"] = "baseline"
		default:
			o.Labels["pod-security.kubernetes.io/enforce"] = "restricted"
		}
		m.add(o)
	}
}

// sizes shares n workloads out to the namespaces of teams: the i-th of a period
// has a share that goes with 1/i^skew.
func (m *maker) sizes(n int) []int {
	count := len(m.spaces) - 2
	weights, sum := make([]float64, count), 0.0
	for i := range weights {
		weights[i] = math.Pow(float64(i%period+1), -skew)
		sum += weights[i]
	}
	sizes, left := make([]int, count), n
	for i := range sizes {
		sizes[i] = min(left, max(1, int(float64(n)*weights[i]/sum)))
		left -= sizes[i]
	}
	for i := 0; left > 0; i, left = (i+1)%count, left-1 {
		sizes[i]++
	}
	return sizes
}
