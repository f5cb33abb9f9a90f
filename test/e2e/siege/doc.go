// Package siege records what a real API server logs while ten scripted attacks
// go on among the work of a small company, and judges the detections by it.
//
// The cluster is real as far as the control plane goes: etcd, API server,
// controllers, scheduler; kwok plays the nodes (test/e2e/plane). Workloads roll
// out, scale, fail, are evicted; people and programs call the API server with
// tokens and roles of their own, at random times of a seed (background.go,
// people.go, kubelets.go). Twins (twins.go) are legitimate work that looks like
// one of the attacks, each played on purpose. The attacks (attacks*.go) run
// beside all that, in an order and at times of the seed.
//
// The truth is not guessed from the log: each request of an attack or a twin
// carries an audit id that the script chose (the API server takes it from the
// Audit-ID header), and what controllers make of an attack's objects is known
// by the name of the object. The judge (judge.go) runs the built program over
// the log and counts its alerts against that.
//
// What this can't show: nothing runs in the pods, so there are no logs of
// containers and no events of a runtime; exec carries nothing. Twelve
// people, 22 programs and six nodes are no large estate, and rates of false
// alerts depend on how often people do what looks like an attack: that is why
// the twins are counted apart from the rest of the background.
package siege
