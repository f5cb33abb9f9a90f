package coverage

import (
	"slices"
	"strings"

	"github.com/scantling/scantling/runtime/ingest"
)

// Kinds of log that a team can be asked to collect, in the order in which a
// rule is best written: the audit log is there in every cluster, the others
// have to be set up.
const (
	KubernetesAudit  = "kubernetes-audit"
	Application      = "application"
	ContainerRuntime = "container-runtime"
	// CloudAudit is asked for by nobody here: not every cluster is in a cloud.
	CloudAudit = "cloud-audit"
)

// logKind is a log behind letters of signals that a rule can read.
type logKind struct {
	letters string
	kind    string
	events  []string // model.Event.Source of its records
}

// logKinds lists the logs that are asked for. A and B are one log: B needs the
// body of the request, so level Request.
var logKinds = []logKind{
	{"AB", KubernetesAudit, []string{ingest.Kind}},
	{"L", Application, []string{"cri", "docker-json", "journald", "otlp", "syslog"}},
	{"R", ContainerRuntime, []string{"containerd-events", "docker-events", "falco", "kubernetes-events", "tetragon", "tracee"}},
}

// cloudLog is told apart where it is read, and not asked for.
var cloudLog = logKind{"C", CloudAudit, []string{"azure-activity", "azure-diagnostics", "cloudtrail", "gcp-audit", "google-workspace"}}

// logOf is the log that holds the events of a kind.
func logOf(event string) string {
	for _, k := range append(slices.Clone(logKinds), cloudLog) {
		if slices.Contains(k.events, event) {
			return k.kind
		}
	}
	return event
}

// signals says what can show a technique of the Containers matrix: A audit log
// (metadata), B audit log with request bodies, C cloud audit log, L application
// log, R events of the container runtime, S system calls, N network flows,
// G registry log, D build log, H metrics. Judged per technique of ATT&CK v18.1.
var signals = map[string]string{
	"T1036": "SR", "T1036.005": "RGB", "T1036.010": "AS", "T1046": "NS", "T1053": "BS", "T1053.007": "B",
	"T1059.013": "RAS", "T1068": "S", "T1069": "A", "T1070": "AS", "T1078": "ACL", "T1078.001": "AL", "T1078.003": "LS",
	"T1098": "AC", "T1098.006": "B", "T1110": "LA", "T1110.001": "LA", "T1110.003": "LAC", "T1110.004": "LC",
	"T1133": "LNA", "T1136": "AC", "T1136.001": "S", "T1190": "LSN", "T1204": "RB", "T1204.003": "GRD",
	"T1485": "ACS", "T1490": "AC", "T1496": "HSN", "T1496.001": "HSNB", "T1496.002": "HN", "T1498": "NH", "T1499": "LH",
	"T1525": "GCD", "T1528": "AS", "T1543": "BS", "T1543.005": "RB", "T1550": "AC", "T1550.001": "ACL",
	"T1552": "SA", "T1552.001": "S", "T1552.007": "AR", "T1562": "SRA", "T1562.001": "ASR",
	"T1609": "ARS", "T1610": "BR", "T1611": "BS", "T1612": "RDS", "T1613": "AS",
}

// signalsOf returns the letters of a technique: its own, else its parent's.
func signalsOf(technique string) string {
	if s, ok := signals[technique]; ok {
		return s
	}
	parent, _, _ := strings.Cut(technique, ".")
	return signals[parent]
}

// Shows reports whether a kind of log can show a technique.
func Shows(kind, technique string) bool {
	for _, k := range logKinds {
		if k.kind == kind {
			return strings.ContainsAny(signalsOf(technique), k.letters)
		}
	}
	return false
}

// bestLog is the log that a rule for a technique is best written for, "" when
// only a sensor, the network, the registry or the build shows it. Of two logs
// it is one that is read.
func bestLog(technique string, logs map[string]string) string {
	best := ""
	for _, k := range logKinds {
		if !Shows(k.kind, technique) {
			continue
		}
		if _, read := logs[k.kind]; read {
			return k.kind
		}
		if best == "" {
			best = k.kind
		}
	}
	return best
}

// needsBody reports whether the audit log shows a technique by its bodies only.
func needsBody(technique string) bool {
	s := signalsOf(technique)
	return strings.Contains(s, "B") && !strings.Contains(s, "A")
}
