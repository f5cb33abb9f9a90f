package paths

import (
	"cmp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/scantling/scantling/model"
)

// Reading hands over the workloads, nodes and Secrets, what runs where and
// from which image, which Secrets each workload can read, and the actions. The
// attack graph itself travels as such. Read is 0: documents are counted by
// their reader.
func (m *Model) Reading() model.Reading {
	r := model.Reading{Stage: model.Infrastructure, Actions: slices.Clone(m.actions), Incomplete: m.Incomplete()}
	cluster := m.snapshot.Cluster
	for i := range m.loads {
		l := &m.loads[i]
		ref := l.key.ref(cluster)
		a := model.Asset{Ref: ref, Name: l.Namespace + "/" + l.Name, Labels: l.Labels}
		if l.Object != nil {
			a.Position = l.Object.Position
		}
		for _, p := range l.Pods {
			if p.UID != "" {
				a.Aliases = append(a.Aliases, p.UID)
			}
			if p.Name != "" && l.Kind != "Pod" {
				a.Aliases = append(a.Aliases, strings.Join([]string{cluster, l.Namespace, "Pod", p.Name}, "/"))
			}
		}
		r.Assets = append(r.Assets, a)
		r.Facts = append(r.Facts, m.runs(l, ref)...)
		for _, n := range l.nodes {
			if n != anyNode {
				r.Facts = append(r.Facts, model.Fact{Kind: model.RunsOn, Asset: ref, Object: key{sort: root, a: n}.ref(cluster), P: 1, Origin: model.Measured})
			}
		}
		for _, use := range l.secrets {
			r.Facts = append(r.Facts, model.Fact{
				Kind: model.Mounts, Asset: ref, Object: key{sort: known, a: l.Namespace, b: use.name}.ref(cluster), P: 1, Origin: model.Measured,
				Evidence: []model.Evidence{{What: "Secret " + use.name, Where: place(l.Object), Value: use.field}},
			})
		}
	}
	for _, n := range m.nodes {
		a := model.Asset{Ref: key{sort: root, a: n.name}.ref(cluster), Name: n.name}
		if n.object != nil {
			a.Position = n.object.Position
		}
		r.Assets = append(r.Assets, a)
	}
	for _, s := range m.secrets {
		a := model.Asset{Ref: s.ref(cluster), Name: s.a + "/" + s.b}
		if o := m.snapshot.Get("Secret", s.a, s.b); o != nil {
			a.Position = o.Position
		}
		r.Assets = append(r.Assets, a)
	}
	return r
}

// runs ties a workload to its images: for each container what the node says
// that it runs (a digest), and the reference of the pod spec where it says
// nothing. A tag may have moved since, so it counts only then.
func (m *Model) runs(l *load, ref model.Ref) []model.Fact {
	running := map[string][]string{} // container -> image ids
	for _, p := range l.Pods {
		if p.Object == nil {
			continue
		}
		pod, ok := p.Object.Typed.(*corev1.Pod)
		if !ok {
			continue
		}
		for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
			for _, c := range list {
				if strings.Contains(c.ImageID, "sha256:") && !slices.Contains(running[c.Name], c.ImageID) {
					running[c.Name] = append(running[c.Name], c.ImageID)
				}
			}
		}
	}
	var out []model.Fact
	add := func(image, spec string) {
		f := model.Fact{
			Kind: model.Runs, Asset: ref, Object: model.Ref{Kind: model.Image, Key: image}, P: 1, Origin: model.Measured,
			Evidence: []model.Evidence{{What: "image", Where: place(l.Object), Value: spec}},
		}
		if image != "" && !slices.ContainsFunc(out, func(have model.Fact) bool { return have.Object == f.Object }) {
			out = append(out, f)
		}
	}
	for _, c := range slices.Concat(l.Spec.InitContainers, l.Spec.Containers) {
		if len(running[c.Name]) == 0 {
			add(c.Image, c.Image)
		}
		for _, id := range running[c.Name] {
			add(id, c.Image)
		}
	}
	slices.SortFunc(out, func(a, b model.Fact) int { return cmp.Compare(a.Object.Key, b.Object.Key) })
	return out
}
