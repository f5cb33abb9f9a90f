package network

import (
	"slices"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/infrastructure/network/policy"
	"github.com/scantling/scantling/model"
)

// The conditions of the ladder about which Reading gives evidence.
const (
	Isolated = "network.isolated" // of a namespace: nothing reaches a pod unless a policy says so
	Rules    = "network.rules"    // of a workload: policies for both directions select it
)

// Isolation says which policies select the pods of a workload: their names,
// sorted, and for each direction whether all its pods are selected by one that
// lets nothing through but what its rules name.
type Isolation struct {
	Ingress, Egress bool
	Policies        []string // namespace/name, or name
	HostNetwork     bool     // policies don't select such pods for sure
}

// Isolation returns which policies select a workload, by index.
func (e *Engine) Isolation(workload int) Isolation {
	result := Isolation{Ingress: true, Egress: true}
	for _, c := range e.standIns(workload) {
		result.HostNetwork = result.HostNetwork || e.world.classes[c].host
		result.Ingress = result.Ingress && e.sides[ingress][c].isolated
		result.Egress = result.Egress && e.sides[egress][c].isolated
		for d := range e.sides {
			for _, p := range e.sides[d][c].parts {
				result.Policies = append(result.Policies, p.policy.String())
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
		if len(e.world.bySpace[i]) == 0 {
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

// wholeNamespace reports whether a policy selects every pod of a namespace,
// whatever labels it has, the next one too.
func wholeNamespace(p *policy.Policy, n kube.Namespace) bool {
	asked := false
	selects := p.Subject.Match(func(k policy.Key) (string, bool) {
		switch k.Of {
		case policy.NamespaceName:
			return n.Name, true
		case policy.NamespaceLabel:
			v, has := n.Labels[k.Name]
			return v, has
		}
		asked = true
		return "", false
	})
	return selects && !asked
}

// isolatedFact says whether every pod of a namespace, the next one too, is
// shut to what no rule names. It isn't known where it isn't known whether
// some policy is in force.
func (e *Engine) isolatedFact(space int, n kube.Namespace) (model.Fact, bool) {
	fact := model.Fact{
		Kind: model.Lacks, Asset: model.Ref{Kind: model.Namespace, Key: e.world.snapshot.Cluster + "/" + n.Name},
		Value: Isolated, P: 1, Origin: model.Measured, Source: "network engine",
	}
	for _, i := range e.world.bySpace[space] {
		if c := e.world.endpoints[i].class; e.sides[ingress][c].doubtful || e.sides[egress][c].doubtful {
			return fact, false
		}
	}
	evidence := model.Evidence{What: "no NetworkPolicy with an empty podSelector isolates all its pods for ingress"}
	if n.Object != nil {
		evidence.Where = where(n.Object)
	}
	for i := range e.policies {
		p := &e.policies[i]
		side := p.Sides[ingress]
		if side == nil || !side.Isolates || side.Depends != "" || !wholeNamespace(p, n) {
			continue
		}
		name := p.Object.Kind + " " + p.String()
		if at := slices.IndexFunc(side.Rules, func(r policy.Rule) bool { return r.Action == policy.Accept && r.Peers == nil && r.Ports == nil }); at >= 0 {
			fact.Kind = model.Lacks
			evidence = model.Evidence{What: name + " lets everything in to every pod", Where: where(p.Object), Value: side.Rules[at].Field}
			break
		}
		fact.Kind = model.Meets
		evidence = model.Evidence{What: name + " isolates every pod for ingress", Where: where(p.Object)}
	}
	fact.Evidence = []model.Evidence{evidence}
	return fact, true
}
