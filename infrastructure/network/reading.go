package network

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// The conditions of the ladder about which Reading gives evidence.
const (
	Isolated = "network.isolated" // of a namespace: nothing reaches a pod unless a policy says so
	Rules    = "network.rules"    // of a workload: policies for both directions select it
)

// Isolation says which policies select the pods of a workload: names of
// NetworkPolicies, sorted, and for each direction whether all its pods are
// selected by one.
type Isolation struct {
	Ingress, Egress bool
	Policies        []string // namespace/name
	HostNetwork     bool     // no policy can select such pods
}

// Isolation returns which policies select a workload, by index.
func (e *Engine) Isolation(workload int) Isolation {
	result := Isolation{Ingress: true, Egress: true}
	for _, c := range e.classesOf(workload) {
		result.HostNetwork = result.HostNetwork || e.world.classes[c].host
		for d := range e.sides {
			side := e.sides[d][c]
			if side.open && direction(d) == ingress {
				result.Ingress = false
			}
			if side.open && direction(d) == egress {
				result.Egress = false
			}
			for _, i := range side.policies {
				result.Policies = append(result.Policies, e.policies[i].String())
			}
		}
	}
	slices.Sort(result.Policies)
	result.Policies = slices.Compact(result.Policies)
	return result
}

// Reading hands over what the network says: the exposure of every workload,
// and evidence for the network control of the ladder. Read stays 0: the
// objects are counted where the snapshot is.
func (e *Engine) Reading() model.Reading {
	r := model.Reading{Stage: model.Infrastructure, Incomplete: slices.Clone(e.Incomplete)}
	x := e.findEntries()
	r.Incomplete = append(r.Incomplete, x.missed...)
	for i, load := range e.world.snapshot.Workloads {
		ref := e.world.snapshot.Ref(load)
		exposure := e.exposure(x, i)
		r.Facts = append(r.Facts, model.Fact{
			Kind: model.Exposed, Asset: ref, Value: exposure.Level, P: 1, Origin: exposure.Origin, Source: "network engine", Evidence: exposure.Evidence,
		})
		if e.inDoubt(i) {
			continue // policies that are not evaluated may be those rules
		}
		r.Facts = append(r.Facts, e.rulesFact(i, ref))
	}
	for i, space := range e.world.spaces {
		if e.empty(i) {
			continue // nothing in it can be reached, so it is no subject
		}
		key := e.world.snapshot.Cluster + "/" + space.Name
		r.Assets = append(r.Assets, model.Asset{Ref: model.Ref{Kind: model.Namespace, Key: key}, Name: space.Name})
		if fact, known := e.isolatedFact(i, space); known {
			r.Facts = append(r.Facts, fact)
		}
	}
	return r
}

func (e *Engine) rulesFact(workload int, ref model.Ref) model.Fact {
	isolation := e.Isolation(workload)
	fact := model.Fact{Kind: model.Meets, Asset: ref, Value: Rules, P: 1, Origin: model.Measured, Source: "network engine"}
	evidence := model.Evidence{What: "selected for ingress and egress by " + strings.Join(isolation.Policies, ", "), Where: e.position(workload)}
	var missing []string
	if !isolation.Ingress {
		missing = append(missing, "ingress")
	}
	if !isolation.Egress {
		missing = append(missing, "egress")
	}
	switch {
	case isolation.HostNetwork:
		fact.Kind = model.Lacks
		evidence.What = "uses the host's network, where no NetworkPolicy applies"
	case len(missing) > 0:
		fact.Kind = model.Lacks
		evidence.What = "no NetworkPolicy selects all its pods for " + strings.Join(missing, " and ")
	}
	fact.Evidence = []model.Evidence{evidence}
	return fact
}

// empty reports whether a namespace has no pods.
func (e *Engine) empty(space int) bool {
	return !slices.ContainsFunc(e.world.classes, func(c class) bool { return c.space == space && len(c.members) > 0 })
}

// isolatedFact says whether every pod of a namespace, the next one too, is
// shut to what no rule names. It isn't known where policies that are not
// evaluated apply.
func (e *Engine) isolatedFact(space int, n kube.Namespace) (model.Fact, bool) {
	fact := model.Fact{
		Kind: model.Lacks, Asset: model.Ref{Kind: model.Namespace, Key: e.world.snapshot.Cluster + "/" + n.Name},
		Value: Isolated, P: 1, Origin: model.Measured, Source: "network engine",
	}
	for i, c := range e.world.classes {
		if c.space == space && e.doubt[i] != certain {
			return fact, false
		}
	}
	evidence := model.Evidence{What: "no NetworkPolicy with an empty podSelector isolates all its pods for ingress"}
	if n.Object != nil {
		evidence.Where = where(n.Object)
	}
	for i, p := range e.policies {
		if p.space != space || !p.applies[ingress] || len(p.pods.MatchLabels)+len(p.pods.MatchExpressions) > 0 {
			continue
		}
		if at := slices.IndexFunc(p.rules[ingress], func(r rule) bool { return r.anyone && r.all }); at >= 0 {
			fact.Kind = model.Lacks
			evidence = model.Evidence{What: fmt.Sprintf("NetworkPolicy %s lets everything in to every pod", p), Where: where(e.policies[i].object), Value: fmt.Sprintf("spec.ingress[%d]", at)}
			break
		}
		fact.Kind = model.Meets
		evidence = model.Evidence{What: fmt.Sprintf("NetworkPolicy %s isolates every pod for ingress", p), Where: where(p.object)}
	}
	fact.Evidence = []model.Evidence{evidence}
	return fact, true
}
