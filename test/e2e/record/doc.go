// Package record plays one day of the example shop against a real control
// plane and takes down what its API server logs. The result is the audit log
// that the example ships.
//
// The script (traffic.go, attack.go) names each request of the day: when, who,
// what, and which code must come back. Requests of pods, people, kubelets and
// the intruder are sent with real tokens; those of the controllers and of the
// scheduler are awaited, because they have to follow from what was sent. An
// event that the script doesn't expect, or one that doesn't come, is an error.
//
// What no two runs share is then rewritten by position: times, identifiers,
// generated names, resource versions, addresses. All else is the API server's:
// users, groups, decisions and their reasons, codes, messages, bodies with
// defaults, user agents. So the same versions give the same bytes.
//
// Nothing runs in the pods. The recorder stands in for the kubelets: it writes
// their status, and a small server answers for logs and exec, so that the
// shells of the log open (code 101) and carry nothing.
package record
