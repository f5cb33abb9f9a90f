package identity

import (
	"fmt"
	"strings"

	"github.com/scantling/scantling/infrastructure/kube"
	"github.com/scantling/scantling/model"
)

// ownCondition is the ladder's condition "one identity a workload".
const ownCondition = "identity.own"

// Reading hands over the identities and bindings, which identity each
// workload acts as, and whether that identity is its own. Documents are
// counted by their reader: Read is 0 where there is nothing to join.
func (e *Engine) Reading() model.Reading {
	r := model.Reading{Stage: model.Infrastructure, Incomplete: e.Incomplete()}
	cluster := e.snapshot.Cluster
	for _, s := range e.Accounts() {
		a := model.Asset{Ref: s.Ref(cluster), Name: s.Namespace + "/" + s.Name}
		if o := e.accounts[s]; o != nil {
			a.Position = o.Position
		}
		r.Assets = append(r.Assets, a)
	}
	for _, s := range e.subjects {
		if s.Namespace == "" {
			r.Assets = append(r.Assets, model.Asset{Ref: s.Ref(cluster), Name: s.String()})
		}
	}
	for i := range e.bindings {
		o := e.bindings[i].object
		r.Assets = append(r.Assets, model.Asset{
			Ref: BindingRef(cluster, o), Name: strings.TrimPrefix(o.Namespace+"/", "/") + o.Name, Position: o.Position,
		})
	}
	users := map[Subject][]*kube.Workload{}
	for _, w := range e.snapshot.Workloads {
		users[e.Account(w)] = append(users[e.Account(w)], w)
	}
	for _, w := range e.snapshot.Workloads {
		s := e.Account(w)
		asset := model.Ref{Kind: model.Workload, Key: e.snapshot.Key(w)}
		r.Facts = append(r.Facts, model.Fact{
			Kind: model.ActsAs, Asset: asset, Object: s.Ref(cluster), P: 1, Origin: model.Measured,
			Evidence: []model.Evidence{{What: "runs as", Where: where(w), Value: s.String()}},
		})
		r.Facts = append(r.Facts, own(asset, w, s, users[s]))
	}
	return r
}

// own states whether a workload has an identity that nothing else uses. The
// "default" ServiceAccount is nobody's own: the next pod without one gets it.
func own(asset model.Ref, w *kube.Workload, s Subject, users []*kube.Workload) model.Fact {
	f := model.Fact{Kind: model.Meets, Asset: asset, Value: ownCondition, P: 1, Origin: model.Measured}
	why := s.String() + " is used by nothing else"
	switch {
	case s.Name == defaultAccount:
		f.Kind, why = model.Lacks, "it runs as the default ServiceAccount of its namespace"
	case len(users) > 1:
		f.Kind, why = model.Lacks, fmt.Sprintf("%s is shared by %d workloads", s, len(users))
	}
	f.Evidence = []model.Evidence{{What: why, Where: where(w), Value: s.Name}}
	return f
}

// where is the place of a workload's definition.
func where(w *kube.Workload) string {
	if w.Object == nil {
		return w.Kind + " " + w.Namespace + "/" + w.Name
	}
	return place(w.Object)
}
