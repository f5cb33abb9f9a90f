// Package render turns Helm charts and kustomizations into the manifests that
// they stand for, with Helm's and Kustomize's own libraries. It never judges
// and never talks to a cluster or a network.
//
// Templates and patches are programs of strangers: a chart can loop or fill
// the memory, and a kustomization can name an address or a repository to
// fetch. Isolated therefore renders in a process of its own, with bounded
// time and memory, no program to call and no network, and reads its files
// through os.Root, so that no path or link leaves the folder that it was
// given.
//
// A chart is rendered as `helm template` does on a first install: values.yaml
// and the values files that are given, the release named as the chart, the
// newest Kubernetes version. What a chart takes from a cluster (lookup) is
// empty, and what it makes by chance (passwords, certificates) differs from
// run to run. Hooks but tests are manifests too; a library chart renders to
// nothing. Values are not held against values.schema.json.
//
// A kustomization is built as `kubectl kustomize` does: no plugins, no Helm
// charts, and files only from below its own folder. What it would fetch is
// refused as a whole, because half of it is another application.
//
// Each document names the file that it came from. Lines are found by
// comparing what came out with what went in: they are exact where a line
// stayed as it was, and near where it was made.
package render
