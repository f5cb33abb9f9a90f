package paths

import (
	"fmt"

	"github.com/scantling/scantling/model"
)

// SplitPatch is the change that gives a workload an identity of its own: a new
// ServiceAccount, and the workload that names it, as two documents. The new
// one has no rights, and its token is not mounted unless the pods ask for it:
// which of the old rights the workload uses, a log may tell and a manifest
// can't. It is empty for a workload that the snapshot doesn't have.
func (m *Model) SplitPatch(workload model.Ref) string {
	for i := range m.loads {
		l := &m.loads[i]
		if l.key.ref(m.snapshot.Cluster) != workload {
			continue
		}
		name := l.Name
		for n := 2; m.snapshot.Get("ServiceAccount", l.Namespace, name) != nil; n++ {
			name = fmt.Sprintf("%s-%d", l.Name, n)
		}
		account := object{
			"apiVersion": "v1", "kind": "ServiceAccount", "metadata": object{"name": name, "namespace": l.Namespace},
			"automountServiceAccountToken": false,
		}
		spec := object{"serviceAccountName": name}
		if _, named := rawSpec(l)["serviceAccount"]; named {
			spec["serviceAccount"] = name // the API server wants both to agree
		}
		return text(account) + "---\n" + text(wrap(l, spec))
	}
	return ""
}

// rawSpec is the pod spec as it was written; nil where there is none.
func rawSpec(l *load) object {
	if l.Object == nil {
		return nil
	}
	way := []string{"spec", "template", "spec"}
	switch l.Object.Kind {
	case "Pod":
		way = way[:1]
	case "CronJob":
		way = []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	at := l.Object.Raw
	for _, key := range way {
		at, _ = at[key].(map[string]any)
	}
	return at
}
