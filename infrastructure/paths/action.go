package paths

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/scantling/scantling/infrastructure/identity"
	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// findActions lists the changes that remove facts of the graph, by id: losing
// a way out of a container, deleting a binding, isolating a namespace, keeping
// it from the metadata service of a cloud. Giving workloads identities of their
// own is up to the join, which knows what they use.
func (m *Model) findActions(spaces []*space, services *services) []model.Action {
	type about struct {
		kind  model.FactKind
		asset model.Ref
		value string // of facts of the network alone
	}
	facts := map[about][]string{}
	for _, f := range m.facts {
		a := about{f.Kind, f.Asset, ""}
		if f.Kind == model.Network {
			a.value = f.Value
		}
		facts[a] = append(facts[a], f.ID())
	}
	var out []model.Action
	for i := range m.loads {
		l := &m.loads[i]
		ref := l.key.ref(m.snapshot.Cluster)
		if removes := facts[about{model.Escape, ref, ""}]; len(removes) > 0 {
			out = append(out, dropPrivilege(l, ref, removes))
		}
	}
	for _, sp := range spaces {
		ref := sp.ref(m.snapshot.Cluster)
		if removes := facts[about{model.Network, ref, openValue}]; len(removes) > 0 {
			out = append(out, sp.isolate(ref, removes, services))
		}
		if removes := facts[about{model.Network, ref, metadataOpen}]; len(removes) > 0 {
			out = append(out, sp.keepIn(ref, removes))
		}
	}
	for _, o := range m.snapshot.Objects {
		ref := identity.BindingRef(m.snapshot.Cluster, o)
		if removes := facts[about{model.Right, ref, ""}]; len(removes) > 0 && !ofSystem(o) {
			out = append(out, deleteBinding(o, ref, removes))
		}
	}
	slices.SortFunc(out, func(a, b model.Action) int { return strings.Compare(a.ID, b.ID) })
	return out
}

// ofSystem reports whether the cluster itself needs a binding: those that the
// API server makes again at each start, and those that serve nothing but the
// components in kube-system or the control plane. Deleting one of them breaks
// the cluster, or lasts until the next restart.
func ofSystem(o *kube.Object) bool {
	if strings.HasPrefix(o.Name, "system:") || o.Labels()["kubernetes.io/bootstrapping"] != "" {
		return true
	}
	_, subjects, _ := bindingOf(o)
	for _, raw := range subjects {
		s, ok := identity.Resolve(raw, o.Namespace)
		if !ok {
			continue
		}
		switch s.Kind {
		case rbacv1.ServiceAccountKind:
			// No component runs as the default ServiceAccount.
			if s.Namespace != systemNamespace || s.Name == "default" {
				return false
			}
		case rbacv1.GroupKind:
			if s.Name != "system:masters" && s.Name != "system:nodes" && !strings.HasPrefix(s.Name, "system:bootstrappers") {
				return false
			}
		default:
			if !strings.HasPrefix(s.Name, "system:") || s.Name == "system:anonymous" {
				return false
			}
		}
	}
	return true
}

func deleteBinding(o *kube.Object, ref model.Ref, removes []string) model.Action {
	slices.Sort(removes)
	ref0, subjects, _ := bindingOf(o)
	var who []string
	for _, raw := range subjects {
		if s, ok := identity.Resolve(raw, o.Namespace); ok {
			who = append(who, s.String())
		}
	}
	command := "kubectl delete " + strings.ToLower(o.Kind) + " " + o.Name
	if o.Namespace != "" {
		command += " --namespace " + o.Namespace
	}
	return model.Action{
		ID: model.ActionID(model.DeleteBinding, ref), Type: model.DeleteBinding, Title: "Delete " + nameOf(o), Assets: []model.Ref{ref},
		Removes: removes, Patch: command + "\n",
		Evidence: []model.Evidence{{
			What: fmt.Sprintf("gives %s %s to %s; check first that they don't use it", ref0.Kind, ref0.Name, strings.Join(who, ", ")), Where: place(o), Value: "roleRef",
		}},
	}
}

func dropPrivilege(l *load, ref model.Ref, removes []string) model.Action {
	slices.Sort(removes)
	var what []string
	evidence := make([]model.Evidence, 0, len(l.ways))
	for _, w := range l.ways {
		what = append(what, w.value)
		evidence = append(evidence, model.Evidence{What: w.value, Where: place(l.Object), Value: w.field})
	}
	if l.Kind == "Pod" {
		evidence = append(evidence, model.Evidence{What: "these fields of a running pod can't be changed: create it anew", Where: place(l.Object), Value: "spec"})
	}
	return model.Action{
		ID: model.ActionID(model.DropPrivilege, ref), Type: model.DropPrivilege, Assets: []model.Ref{ref}, Removes: removes,
		Title: "Take from " + nameOfLoad(l.Workload) + ": " + strings.Join(what, ", "), Patch: privilegePatch(l), Evidence: evidence,
	}
}
