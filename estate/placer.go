package estate

import (
	"fmt"
	"slices"
	"strings"
)

// A placer finds the workload of the estate that an alert means: logs name
// pods and ReplicaSets, the estate their controllers.
type placer struct {
	workloads []string          // keys, sorted
	aliases   map[string]string // pods that a cluster listed: key, UID -> key of the workload
}

// place returns the key of a workload and by what it was found, else why it
// wasn't.
func (p *placer) place(key string) (found, by, why string) {
	if _, ok := slices.BinarySearch(p.workloads, key); ok {
		return key, "key", ""
	}
	if owner, ok := p.aliases[key]; ok {
		return owner, "alias", ""
	}
	scope, kind, name, ok := splitWorkload(key)
	if !ok {
		return "", "", "its key is none of a workload"
	}
	var owners []string
	first, _ := slices.BinarySearch(p.workloads, scope)
	for _, k := range p.workloads[first:] {
		if !strings.HasPrefix(k, scope) {
			break
		}
		if _, owner, base, ok := splitWorkload(k); ok && makes(owner, base, kind, name) {
			owners = append(owners, k)
		}
	}
	switch len(owners) {
	case 0:
		return "", "", "it is not in the estate"
	case 1:
		return owners[0], "name", ""
	default:
		return "", "", fmt.Sprintf("its name fits %d workloads of the estate", len(owners))
	}
}

// splitWorkload takes CLUSTER/NAMESPACE/KIND/NAME apart. The scope ends with a
// slash.
func splitWorkload(key string) (scope, kind, name string, ok bool) {
	rest, name, ok1 := cutLast(key)
	scope, kind, ok2 := cutLast(rest)
	return scope + "/", kind, name, ok1 && ok2 && scope != "" && kind != "" && name != ""
}

func cutLast(s string) (before, after string, found bool) {
	i := strings.LastIndexByte(s, '/')
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+1:], true
}

// makes reports whether a controller gives what it makes such a name. Source:
// the controllers of Kubernetes 1.30; names are cut at 63 bytes, and then
// nothing fits.
func makes(owner, base, kind, name string) bool {
	rest, ok := strings.CutPrefix(name, base+"-")
	if !ok {
		return false
	}
	front, back, two := strings.Cut(rest, "-")
	switch owner + ">" + kind {
	case "Deployment>ReplicaSet":
		return !two && isHash(rest)
	case "Deployment>Pod":
		return two && isHash(front) && isRandom(back)
	case "ReplicaSet>Pod", "DaemonSet>Pod", "Job>Pod", "ReplicationController>Pod":
		return !two && isRandom(rest)
	case "StatefulSet>Pod":
		return !two && isNumber(rest)
	case "CronJob>Job":
		return !two && isNumber(rest)
	case "CronJob>Pod":
		return two && isNumber(front) && isRandom(back)
	}
	return false
}

// safe are the letters of generated names, without vowels and what looks like
// them (k8s.io/apimachinery/pkg/util/rand).
const safe = "bcdfghjklmnpqrstvwxz2456789"

func isRandom(s string) bool { return len(s) == 5 && only(s, safe) }

// isHash: the hash of a pod template is a number of 32 bits in safe letters.
func isHash(s string) bool { return s != "" && len(s) <= 10 && only(s, safe) }

func isNumber(s string) bool { return s != "" && len(s) <= 10 && only(s, "0123456789") }

func only(s, letters string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(letters, r) }) < 0
}
