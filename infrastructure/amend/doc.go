// Package amend turns an action of the plan into changes of the manifests that
// the cluster was read from: a workload that loses privileges or gets an
// identity of its own, policies that are added, a binding that is deleted. A
// change that has a file can be applied to its text; each has a kubectl
// command, for objects that were read from elsewhere.
//
// It reads and writes no file: the caller hands over the text.
//
// Left out: actions of other types, objects in JSON, in templates, or written
// twice; rights for a new identity, which a person has to choose.
package amend
