// Package lint judges Dockerfiles: pure functions over dockerfile.File, no
// I/O. Rules come from the catalogue (rules/build); most are CEL over the
// values that view.go declares, the others name a Go function here:
//
//	unverified-download   what is downloaded is run or unpacked before a check (flow.go)
//	unpinned-package      packages are installed in whatever version is newest (install.go)
//	insecure-transport    certificate or signature checks are switched off (transport.go)
//
// The three share one ledger of a file: every download and every installation,
// in the order of the build. Reading also states, for each file, the evidence
// that the ladder of controls needs and the unverified inputs that count as
// risk.
//
// Values of ARG and ENV never appear in a finding, and addresses appear
// without credentials and query.
package lint
