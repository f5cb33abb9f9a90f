package receive

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Problem is a setting of an API server that loses events or holds up requests.
type Problem struct {
	Flag string // with its dashes
	Why  string // and what to do
}

// What an API server does where it isn't told otherwise, and what Check wants.
const (
	defaultBuffer = 10000
	minBatch      = 10
)

// Check reads the command line of a kube-apiserver, as its container has it,
// and says what is wrong with how it audits. Flags that mean nothing here are
// passed over. It is nil where all is well.
func Check(args []string) (problems []Problem) {
	f := flags(args)
	add := func(flag, why string) { problems = append(problems, Problem{"--" + flag, why}) }
	if f["audit-policy-file"] == "" {
		add("audit-policy-file", "is missing: without a policy nothing is logged")
	}
	if f["audit-log-path"] == "" {
		add("audit-log-path", "is missing: a webhook loses events when it is away for long; only the log file, read by a tail, loses none")
	} else if mode := f["audit-log-mode"]; mode == "batch" {
		add("audit-log-mode", "is batch: the log file loses events when its buffer is full; leave it at blocking")
	}
	if f["audit-webhook-config-file"] == "" {
		add("audit-webhook-config-file", "is missing: the API server has no webhook")
		return problems
	}
	switch mode := f["audit-webhook-mode"]; mode {
	case "", "batch":
	case "blocking", "blocking-strict":
		add("audit-webhook-mode", fmt.Sprintf("is %s: every request of the cluster waits for the webhook; set batch", mode))
	default:
		add("audit-webhook-mode", fmt.Sprintf("is %q, which is no mode; set batch", mode))
	}
	if on := f["audit-webhook-truncate-enabled"]; !isTrue(on) {
		add("audit-webhook-truncate-enabled", "isn't set: a batch with large objects may be larger than a receiver takes, and is lost whole")
	}
	return append(problems, checkBatch(f)...)
}

func checkBatch(f map[string]string) (problems []Problem) {
	number := func(flag string, least int, why string) {
		text, ok := f[flag]
		if !ok {
			return
		}
		if n, err := strconv.Atoi(text); err != nil || n < least {
			problems = append(problems, Problem{"--" + flag, fmt.Sprintf("is %s, at least %d is right: %s", text, least, why)})
		}
	}
	number("audit-webhook-batch-buffer-size", defaultBuffer, "events that don't fit into the buffer are dropped")
	number("audit-webhook-batch-max-size", minBatch, "each request holds few events, and the others wait in the buffer")
	const largest = "audit-webhook-truncate-max-batch-size"
	if n, err := strconv.Atoi(f[largest]); err == nil && n > DefaultBody {
		problems = append(problems, Problem{"--" + largest, fmt.Sprintf("is %d, a receiver takes %d: larger batches are lost", n, DefaultBody)})
	}
	return problems
}

// flags reads --name=value and --name value; the last of a name counts, as it
// does for the API server. A switch by itself is "true".
func flags(args []string) map[string]string {
	f := map[string]string{}
	for i := 0; i < len(args); i++ {
		name, ok := strings.CutPrefix(args[i], "--")
		if !ok {
			continue
		}
		name, value, given := strings.Cut(name, "=")
		name = strings.ReplaceAll(name, "_", "-") // which the API server takes too
		switch {
		case given:
		case i+1 < len(args) && !strings.HasPrefix(args[i+1], "-") && !slices.Contains(switches, name):
			i++
			value = args[i]
		default:
			value = "true"
		}
		f[name] = value
	}
	return f
}

// switches need no value.
var switches = []string{"audit-webhook-truncate-enabled", "audit-webhook-batch-throttle-enable", "allow-privileged", "profiling"}

func isTrue(s string) bool {
	on, err := strconv.ParseBool(s)
	return err == nil && on
}
