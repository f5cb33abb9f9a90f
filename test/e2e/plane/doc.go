// Package plane runs a real Kubernetes control plane for tests: etcd, the API
// server, the controller manager, the scheduler, and kwok in place of kubelets.
//
// Everything listens on free ports of 127.0.0.1 and keeps its files below one
// folder. Stop ends each process by its id; should this process die without
// calling it, the kernel ends them (Linux only). Pods never run: kwok, or a
// test, writes the status that a kubelet would write.
package plane
