package ladder

import "github.com/scantling/scantling/model"

// Spec is one control as docs/model.md has it.
type Spec struct {
	ID     string
	Name   string
	Area   string
	Levels [4]Level
}

// Level is reached when all its conditions and all levels below hold.
type Level struct {
	Text       string
	Conditions []Condition
}

// Condition is the name of a Meets or Lacks fact that every asset of kind Of
// has to meet; an empty Of is the estate as a whole. A condition for which no
// stage gives evidence yet is unknown, which keeps the level out of reach.
type Condition struct {
	Name string
	Of   model.Kind
}

func level(text string, conditions ...Condition) Level { return Level{text, conditions} }

func each(of model.Kind, name string) Condition { return Condition{name, of} }

func whole(name string) Condition { return Condition{name, ""} }

// Controls are the fourteen, in the order of a container's life.
var Controls = []Spec{
	{"base", "base images", "build", [4]Level{
		level("every base is known", each(model.Source, "base.known")),
		level("only allowed bases", each(model.Source, "base.allowed")),
		level("bases pinned by digest and fresh", each(model.Source, "base.pinned"), each(model.Source, "base.fresh")),
		level("signature or provenance of bases verified", each(model.Source, "base.verified")),
	}},
	{"deps", "dependencies", "build", [4]Level{
		level("every install and download is in the ledger with its source", each(model.Source, "deps.ledger")),
		level("dependencies pinned or locked", each(model.Source, "deps.pinned")),
		level("allowed sources over verified transport only", each(model.Source, "deps.sources")),
		level("dependencies verified by hash or signature", each(model.Source, "deps.verified")),
	}},
	{"labels", "governance labels", "build", [4]Level{
		level("a label schema is set", whole("labels.schema")),
		level("required labels in every Dockerfile", each(model.Source, "labels.source")),
		level("required labels on the built images", each(model.Image, "labels.image")),
		level("labels are true: source, revision and owner resolve", each(model.Image, "labels.true")),
	}},
	{"hygiene", "Dockerfile practice", "build", [4]Level{
		level("every Dockerfile is linted", each(model.Source, "hygiene.linted")),
		level("no high finding", each(model.Source, "hygiene.no-high")),
		level("no medium finding; suppressions owned and in date", each(model.Source, "hygiene.no-medium")),
		level("the built image gets the same verdict", each(model.Image, "hygiene.image")),
	}},
	{"scan", "continuous registry scanning", "build", [4]Level{
		level("images inventoried", each(model.Image, "scan.inventoried")),
		level("every deployable tag assessed", each(model.Image, "scan.assessed")),
		level("re-assessed within a day of an advisory", whole("scan.day")),
		level("re-assessed within five minutes, running images included", whole("scan.minutes")),
	}},
	{"patch", "patch management", "build", [4]Level{
		level("a fix plan for each finding", each(model.Image, "patch.plan")),
		level("due dates kept in sight", each(model.Image, "patch.due")),
		level("the next version proposed automatically", whole("patch.proposed")),
		level("published and the old one retired in time", whole("patch.published")),
	}},
	{"shelf", "shelf life", "build", [4]Level{
		level("a shelf-life policy in dry run", whole("shelf.dry-run")),
		level("unpatched, old, unsafe images deleted if not running", whole("shelf.deleted")),
		level("admission refuses them", whole("shelf.refused")),
		level("nothing past its date is deployable", whole("shelf.undeployable")),
	}},
	{"posture", "misconfiguration", "infrastructure", [4]Level{
		level("every workload checked", each(model.Workload, "posture.checked")),
		level("Pod Security baseline everywhere", each(model.Workload, "posture.baseline")),
		level("restricted but for owned exceptions, enforced at admission", each(model.Workload, "posture.restricted"), each(model.Namespace, "posture.enforced")),
		level("control plane and nodes evidenced, the provider's share included", whole("posture.evidenced")),
	}},
	{"threat", "threat model", "infrastructure", [4]Level{
		level("a threat model is generated", whole("threat.generated")),
		level("reviewed and committed", whole("threat.reviewed")),
		level("verified at each scan, no high threat exposed", whole("threat.verified")),
		level("drift fails CI", whole("threat.drift")),
	}},
	{"network", "segmentation", "infrastructure", [4]Level{
		level("namespaces isolated by default", each(model.Namespace, "network.isolated")),
		level("each workload has ingress and egress rules", each(model.Workload, "network.rules")),
		level("least privilege, certified against observed flows", each(model.Workload, "network.least")),
		level("workload identity enforced (mesh, mTLS)", each(model.Workload, "network.mesh")),
	}},
	{"identity", "one identity each", "infrastructure", [4]Level{
		level("no default or unneeded tokens", each(model.Workload, "identity.token")),
		level("one identity a workload", each(model.Workload, "identity.own")),
		level("grants no wider than use", each(model.Workload, "identity.least")),
		level("short-lived and federated, no static keys", whole("identity.federated")),
	}},
	{"lifetime", "short-lived containers", "infrastructure", [4]Level{
		level("ages measured", each(model.Workload, "lifetime.measured")),
		level("a maximum age is set", each(model.Workload, "lifetime.maximum")),
		level("old pods recycled within their budgets", each(model.Workload, "lifetime.recycled")),
		level("age set by blast radius, token life no longer than age", each(model.Workload, "lifetime.by-blast")),
	}},
	{"detect", "detection from logs", "runtime", [4]Level{
		level("audit log ingested", whole("detect.audit")),
		level("platform and application logs too; half of the reachable path steps have a rule", whole("detect.logs"), whole("detect.half")),
		level("every step of the top paths has a tested detection, alerts reach the SIEM", whole("detect.top"), whole("detect.siem")),
		level("time to detect measured in drills and under target", whole("detect.drill")),
	}},
	{"respond", "incident response", "runtime", [4]Level{
		level("incidents with a timeline", whole("respond.timeline")),
		level("playbooks tested in dry run", whole("respond.playbook")),
		level("each incident has a post-mortem with a detection action", whole("respond.postmortem")),
		level("replay shows the action works; time to detect falls", whole("respond.replay")),
	}},
}
