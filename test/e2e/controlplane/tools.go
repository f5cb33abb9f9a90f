//go:build tools

// Package controlplane is a module of its own that pins the programs of a
// Kubernetes control plane, so that build.sh can build them. Nothing imports
// it. The replace lines of go.mod repeat those of k8s.io/kubernetes.
package controlplane

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "k8s.io/kubernetes/cmd/kube-scheduler"
	_ "sigs.k8s.io/kwok/cmd/kwok"
)
