package paths

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// space is a namespace as its isolation sees it. Each of its workloads is in
// one of the first three lists.
type space struct {
	namespace string
	open      []*load  // no ingress policy selects all their pods, and one could
	kept      []*load  // none does, and none can or must: load.kept says why
	shut      []*load  // isolated already
	loose     []*load  // no egress policy selects any of their pods, and one could: where that was asked
	bound     []*load  // some does
	policies  []string // names of NetworkPolicies
}

// served is a port on which everybody must be let in.
type served struct {
	port     any // number or name
	protocol corev1.Protocol
}

// readSpaces says of every workload whether a policy isolates it, could, or
// must not, and groups them by namespace.
func (b *builder) readSpaces() {
	b.services = readServices(b.snapshot)
	found := map[string]*space{}
	for i := range b.loads {
		l := &b.loads[i]
		sp := found[l.Namespace]
		if sp == nil {
			sp = &space{namespace: l.Namespace}
			found[l.Namespace] = sp
			b.spaces = append(b.spaces, sp)
		}
		l.labels, l.host = labelSets(l.Workload), onHost(l.Workload)
		isolation := b.network.Isolation(i)
		if isolation.Ingress {
			sp.shut = append(sp.shut, l)
			continue
		}
		if !l.host { // there every port is the host's, and no policy needed
			l.kept = b.services.serve(l)
		}
		if isolation.HostNetwork {
			l.kept = model.Proof{Object: nameOfLoad(l.Workload), Field: "spec.hostNetwork", Rule: "no policy selects pods on the host's network"}
		}
		if l.kept != (model.Proof{}) {
			sp.kept = append(sp.kept, l)
		} else {
			sp.open = append(sp.open, l)
		}
	}
	for _, o := range b.snapshot.ByKind("NetworkPolicy") {
		if sp := found[o.Namespace]; sp != nil {
			sp.policies = append(sp.policies, o.Name)
		}
	}
	for _, sp := range b.spaces {
		sp.settle()
		for _, l := range sp.open {
			l.open = true
		}
	}
}

// labelSets are the labels that pods of a workload have: those of its
// template and those of each pod.
func labelSets(w *kube.Workload) []map[string]string {
	out := []map[string]string{w.Labels}
	for _, p := range w.Pods {
		if p.Labels != nil && !slices.ContainsFunc(out, func(have map[string]string) bool { return maps.Equal(have, p.Labels) }) {
			out = append(out, p.Labels)
		}
	}
	return out
}

// onHost reports whether all pods of a workload use the host's network, so
// that no selector of a policy admits them.
func onHost(w *kube.Workload) bool {
	for _, p := range w.Pods {
		host := w.Spec.HostNetwork
		if p.Object != nil {
			if pod, ok := p.Object.Typed.(*corev1.Pod); ok {
				host = pod.Spec.HostNetwork
			}
		}
		if !host {
			return false
		}
	}
	return len(w.Pods) > 0 || w.Spec.HostNetwork
}

// mixed reports whether some workloads are isolated already. Policies are
// additive: one for all pods that admits the namespace would let it in to
// those, too. So there each open workload gets a policy of its own.
func (sp *space) mixed() bool { return len(sp.shut) > 0 }

// settle moves to kept what no selector can tell from a workload that must
// not be selected together with it, until nothing moves.
func (sp *space) settle() {
	for moved := true; moved; {
		stuck := map[*load]*load{}
		if sp.mixed() {
			spare := newPostings(sp.spared())
			for _, l := range sp.open {
				if _, twins := spare.selector(l); len(twins) > 0 {
					stuck[l] = twins[0]
				}
			}
		} else {
			spare := newPostings(sp.open)
			for _, l := range sp.kept {
				if len(l.served) == 0 {
					continue
				}
				_, twins := spare.selector(l)
				for _, twin := range twins {
					stuck[twin] = l
				}
			}
		}
		sp.open = slices.DeleteFunc(sp.open, func(l *load) bool {
			twin := stuck[l]
			if twin != nil {
				l.kept = model.Proof{Object: nameOfLoad(l.Workload), Field: "metadata.labels", Rule: "no selector tells its pods from those of " + nameOfLoad(twin.Workload)}
				sp.kept = append(sp.kept, l)
			}
			return twin != nil
		})
		moved = len(stuck) > 0
	}
}

// spared are the workloads that policies for the open ones must not select,
// where each has its own.
func (sp *space) spared() []*load {
	return slices.DeleteFunc(slices.Concat(sp.shut, sp.kept), func(l *load) bool { return l.host })
}

// moving are labels that the cluster gives to single pods or revisions: a
// policy that names them stops to select at the next change.
var moving = []string{
	"pod-template-hash", "controller-revision-hash", "pod-template-generation", "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index",
	"controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name", "batch.kubernetes.io/job-completion-index",
}

// lasting are the labels that all pods of a workload have and keep.
func lasting(l *load) map[string]string {
	out := map[string]string{}
	for k, v := range l.labels[0] {
		all := !slices.ContainsFunc(l.labels, func(set map[string]string) bool { have, ok := set[k]; return !ok || have != v })
		if all && !slices.Contains(moving, k) {
			out[k] = v
		}
	}
	return out
}

// pods is one set of labels that pods of a workload have.
type pods struct {
	*load
	labels map[string]string
}

// postings finds the pods that a selector must spare by one of their labels.
type postings struct {
	all  []pods
	by   map[[2]string][]pods
	memo map[string]selection // by labels: replicas of one template are many
}

// selection is a selector, and the workloads that it selects although it
// should spare them.
type selection struct {
	selector object
	twins    []*load
}

func newPostings(spare []*load) *postings {
	out := &postings{by: map[[2]string][]pods{}, memo: map[string]selection{}}
	for _, l := range spare {
		for _, set := range l.labels {
			p := pods{l, set}
			out.all = append(out.all, p)
			for k, v := range set {
				out.by[[2]string{k, v}] = append(out.by[[2]string{k, v}], p)
			}
		}
	}
	return out
}

// maxExcept bounds the exceptions of one selector: nobody reads more.
const maxExcept = 50

// selector selects the pods of a workload, which is not among the postings, by
// their lasting labels, and spares the postings' pods that have these labels,
// too: by a key that the workload lacks, else by a value. Twins can't be
// spared.
func (s *postings) selector(l *load) (selector object, twins []*load) {
	id := fmt.Sprint(l.labels) // maps are printed sorted
	if known, ok := s.memo[id]; ok {
		return known.selector, known.twins
	}
	match := lasting(l)
	near := s.all
	for k, v := range match {
		if list := s.by[[2]string{k, v}]; len(list) < len(near) {
			near = list
		}
	}
	lacks, differs := map[string]bool{}, map[[2]string]bool{}
	for _, p := range near {
		if !within(match, p.labels) || excluded(p.labels, lacks, differs) {
			continue
		}
		if len(lacks)+len(differs) == maxExcept || !except(l, p.labels, lacks, differs) {
			twins = append(twins, p.load)
		}
	}
	selector = selectorOf(match, lacks, differs)
	s.memo[id] = selection{selector, twins}
	return selector, twins
}

func selectorOf(match map[string]string, lacks map[string]bool, differs map[[2]string]bool) object {
	selector := object{}
	if len(match) > 0 {
		labels := object{}
		for k, v := range match {
			labels[k] = v
		}
		selector["matchLabels"] = labels
	}
	var rules []any
	for _, k := range slices.Sorted(maps.Keys(lacks)) {
		rules = append(rules, object{"key": k, "operator": "DoesNotExist"})
	}
	byBoth := func(a, b [2]string) int { return cmp.Or(strings.Compare(a[0], b[0]), strings.Compare(a[1], b[1])) }
	for _, kv := range slices.SortedFunc(maps.Keys(differs), byBoth) {
		rules = append(rules, object{"key": kv[0], "operator": "NotIn", "values": []any{kv[1]}})
	}
	if len(rules) > 0 {
		selector["matchExpressions"] = rules
	}
	return selector
}

// within reports whether a set has all of some labels.
func within(some, set map[string]string) bool {
	for k, v := range some {
		if have, ok := set[k]; !ok || have != v {
			return false
		}
	}
	return true
}

func excluded(set map[string]string, lacks map[string]bool, differs map[[2]string]bool) bool {
	for k, v := range set {
		if lacks[k] || differs[[2]string{k, v}] {
			return true
		}
	}
	return false
}

// except adds the exception that tells other pods from those of a workload;
// false where there is none.
func except(l *load, other map[string]string, lacks map[string]bool, differs map[[2]string]bool) bool {
	value := ""
	for _, k := range slices.Sorted(maps.Keys(other)) {
		if slices.Contains(moving, k) {
			continue
		}
		has, same := false, false
		for _, set := range l.labels {
			have, ok := set[k]
			has, same = has || ok, same || ok && have == other[k]
		}
		if !has {
			lacks[k] = true
			return true
		}
		if !same && value == "" {
			value = k
		}
	}
	if value == "" {
		return false
	}
	differs[[2]string{value, other[value]}] = true
	return true
}

// maxListed bounds the workloads that evidence and proofs name one by one.
const maxListed = 20

// names lists workloads, the first few by name.
func names(list []*load) string {
	var out []string
	for _, l := range list[:min(len(list), maxListed)] {
		out = append(out, l.Kind+" "+l.Name)
	}
	text := strings.Join(out, ", ")
	if more := len(list) - len(out); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// ref is the asset of the namespace.
func (sp *space) ref(cluster string) model.Ref {
	return model.Ref{Kind: model.Namespace, Key: cluster + "/" + sp.namespace}
}
