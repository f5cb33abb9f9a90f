// Package storetest holds stores against what they promise. Run is one suite
// for every database that package store stands on; Postgres starts a server
// for it. Kill is for packages above the store too: it kills a process that
// writes, at random moments, and lets the test look at what is left.
//
// A killed process takes nothing of the operating system with it: what it
// wrote and didn't sync is still there. So Trace watches the system calls of a
// process, and tells what was not synced when it acknowledged something. It is
// for Linux on amd64 alone.
package storetest
