package paths

import (
	"fmt"
	"slices"
	"strings"

	"github.com/scantling/scantling/model"
)

// isolate is the change after which the open workloads of a namespace admit
// no other one, except the ingress controller's where an Ingress needs it.
// Served ports stay open to everybody.
//
// One policy for all pods is the shortest and covers workloads to come. But
// policies are additive: where some workloads are isolated already it would
// let their namespace in to them. There each open workload gets one of its own,
// all in the same change, whose selectors spare the others.
func (sp *space) isolate(ref model.Ref, removes []string, services *services) model.Action {
	plan := &plan{space: sp, services: services, taken: map[string]bool{}}
	for _, name := range sp.policies {
		plan.taken[name] = true
	}
	evidence := sp.evidence()
	where := place(sp.open[0].Object)
	evidence = append(evidence, model.Evidence{
		What: "the namespace itself is admitted; callers from others that they need take a rule of their own", Where: where, Value: "NetworkPolicy",
	})
	if sp.mixed() {
		evidence = append(evidence, model.Evidence{
			What:  "policies isolate other workloads of the namespace already, and one for all would widen them: each open workload gets its own",
			Where: place(sp.shut[0].Object), Value: "NetworkPolicy",
		})
		plan.each()
	} else {
		plan.whole()
	}
	count := fmt.Sprintf("%d workloads", len(sp.open))
	if len(sp.open) == 1 {
		count = "1 workload"
	}
	return model.Action{
		ID: model.ActionID(model.AddPolicy, ref), Type: model.AddPolicy, Assets: []model.Ref{ref}, Removes: removes,
		Title: fmt.Sprintf("Isolate namespace %s from other namespaces (%s)", sp.namespace, count),
		Patch: strings.Join(plan.documents, "---\n"), Evidence: append(evidence, plan.evidence()...),
	}
}

// evidence names the open workloads, the first few one by one.
func (sp *space) evidence() []model.Evidence {
	var out []model.Evidence
	for _, l := range sp.open[:min(len(sp.open), maxListed)] {
		out = append(out, model.Evidence{What: "no ingress policy selects " + nameOfLoad(l.Workload), Where: place(l.Object), Value: "metadata.labels"})
	}
	if more := len(sp.open) - len(out); more > 0 {
		out = append(out, model.Evidence{What: fmt.Sprintf("nor %d more workloads of namespace %s", more, sp.namespace), Where: place(sp.open[len(out)].Object), Value: "metadata.labels"})
	}
	return out
}

// plan collects the policies that isolate a namespace.
type plan struct {
	*space
	services  *services
	taken     map[string]bool // names of policies
	documents []string
	ingress   []model.Evidence
}

// whole isolates all pods, and lets in again on ports that must stay open.
func (p *plan) whole() {
	p.policy("isolate", object{}, ownNamespace())
	var routed, other []*load
	for _, l := range p.open {
		if rules, _ := p.services.fromIngress(l); len(rules) > 0 {
			routed = append(routed, l)
		} else {
			other = append(other, l)
		}
	}
	spare := newPostings(other)
	for _, l := range routed {
		selector, _ := spare.selector(l) // a twin is let in, too: the Ingress must go on
		p.policy(l.Name+"-ingress", selector, p.fromIngress(l)...)
	}
	spare = newPostings(p.open)
	for _, l := range p.kept {
		if l.host {
			continue
		}
		rules := p.fromIngress(l)
		if len(l.served) > 0 { // without ports a rule would mean all
			rules = append([]any{object{"ports": written(l.served)}}, rules...)
		}
		if len(rules) > 0 {
			selector, _ := spare.selector(l) // settle left no twin of what is served
			p.policy(l.Name+"-served", selector, rules...)
		}
	}
}

// each isolates the open workloads one by one; settle left no twin.
func (p *plan) each() {
	spare := newPostings(p.spared())
	for _, l := range p.open {
		selector, _ := spare.selector(l)
		p.policy(l.Name+"-isolate", selector, append([]any{ownNamespace()}, p.fromIngress(l)...)...)
	}
}

func ownNamespace() any { return object{"from": []any{object{"podSelector": object{}}}} }

func (p *plan) fromIngress(l *load) []any {
	rules, evidence := p.services.fromIngress(l)
	p.ingress = append(p.ingress, evidence...)
	return rules
}

// policy adds one, under a name that no policy of the namespace has: applying
// the change must not replace it.
func (p *plan) policy(name string, selector object, rules ...any) {
	free := name
	for i := 2; p.taken[free]; i++ {
		free = fmt.Sprintf("%s-%d", name, i)
	}
	p.taken[free] = true
	p.documents = append(p.documents, text(object{
		"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": object{"name": free, "namespace": p.namespace},
		"spec": object{"podSelector": selector, "policyTypes": []any{"Ingress"}, "ingress": rules},
	}))
}

// evidence tells what the policies let through, and what they don't although
// someone may want it. Each sort names the first few.
func (p *plan) evidence() []model.Evidence {
	out := slices.Clip(p.ingress[:min(len(p.ingress), maxListed)])
	for _, l := range p.kept[:min(len(p.kept), maxListed)] {
		out = append(out, model.Evidence{What: nameOfLoad(l.Workload) + " stays open: " + l.kept.Rule, Where: place(l.Object), Value: l.kept.Object + " " + l.kept.Field})
		if l.host {
			out = append(out, model.Evidence{
				What: nameOfLoad(l.Workload) + " is on the host's network, which no selector admits: if it calls others here, admit its nodes' addresses", Where: place(l.Object), Value: "spec.hostNetwork",
			})
		}
	}
	bare := 0
	for _, l := range p.open {
		if len(lasting(l)) > 0 {
			continue
		}
		if bare++; bare <= maxListed {
			out = append(out, model.Evidence{
				What: "the pods of " + nameOfLoad(l.Workload) + " have no label of their own: give them one, so that policies can name them", Where: place(l.Object), Value: "metadata.labels",
			})
		}
	}
	return out
}
