package archtest

// A layer says what of this module the packages of a pattern may import. A
// pattern is a path below the module's root; with /... it covers everything
// below it too. The first layer that matches a package counts.
type layer struct {
	pkg string
	may string // patterns, separated by spaces
	why string
}

// What several layers may import.
const (
	means  = "graph oci rule splice model"
	stages = "build/... registry/... infrastructure/... runtime/..."
	memory = "risk ladder estate store bus"
)

// layers is ordered from the top down, and TestTablePointsDown holds it to
// that: no layer may import one above it.
var layers = []layer{
	{"internal/archtest", "", "reads source, imports none of it"},
	{"docs", "config risk ladder " + stages + " graph model", "tests that hold the documents against the code"},
	{"cmd/scantling", "cli", "a main of under 20 lines"},
	{"cli", "server web report report/drawing notify notify/sink notify/format config " + memory + " " + stages + " " + means + " rules examples/shop deploy", "the only place that wires the rest together"},
	{"internal/gen/...", "server web report notify config " + memory + " " + stages + " " + means + " rules examples/shop internal/testkit/... oci/ocitest", "generators and benchmarks: anything below cli"},
	{"internal/testkit/lateral", "infrastructure/kube model", "clusters as their reader gives them"},
	{"internal/testkit/...", "model", "for tests of every package, so below them all but the words"},

	// Surfaces.
	{"server/...", "web report notify config " + memory + " " + stages + " " + means + " rules", "wires too"},
	{"web", "model", "the embedded page"},
	{"report", "report/drawing risk ladder estate model", "renders what memory hands over"},
	{"report/drawing", "", "plain structs to SVG, knows nothing of ours"},
	{"notify", "notify/sink notify/format store model", "outbox: what is owed to whom, until it was taken"},
	{"notify/sink", "notify/format model", "hands messages to those who take alerts"},
	{"notify/format", "model", "alerts in the words of others"},
	{"config", "model", "one struct"},

	// Memory. Risk and ladder read the estate, never the reverse.
	{"risk", "estate graph model", "values model types only"},
	{"ladder", "estate graph model", "conditions over facts"},
	{"estate", "graph model", "joins by what stages hand over, never by their types"},
	{"store/storetest", "store model", "holds stores against what they promise"},
	{"store", "model", "records in SQLite or PostgreSQL"},
	{"bus", "model", "the durable log of raw records"},

	// Stages: never another stage; within one, judges on readers.
	{"build/pin", "build/lint build/dockerfile " + means, "acts"},
	{"build/lint", "build/dockerfile " + means, "judges"},
	{"build/dockerfile", means, "reads"},

	{"registry/patch", "registry/advisory registry/catalog registry/feed registry/image " + means, "acts"},
	{"registry/shelf", "registry/catalog registry/image " + means, "judges and acts"},
	{"registry/index", "registry/advisory registry/image model", "joins images and advisories by component version"},
	{"registry/advisory", "registry/feed registry/vex registry/image registry/secret " + means, "judges"},
	{"registry/vex", "registry/image " + means, "reads what makers say of matches"},
	{"registry/sbom", "registry/image " + means, "reads and writes inventories"},
	{"registry/catalog", means, "reads"},
	{"registry/feed", means, "reads"},
	{"registry/image", "registry/image/rpmdb registry/secret " + means, "reads"},
	{"registry/image/rpmdb/rpmdbtest", "", "makes databases for tests"},
	{"registry/image/rpmdb", "", "bytes only"},
	{"registry/secret", "model", "finds keys and tokens in bytes"},

	{"infrastructure/threat", "infrastructure/paths infrastructure/network infrastructure/identity infrastructure/posture infrastructure/kube " + means, "judges the whole"},
	{"infrastructure/paths/kubehound", "infrastructure/paths infrastructure/identity infrastructure/kube " + means, "shows the edges as another tool names them"},
	{"infrastructure/paths", "infrastructure/network infrastructure/identity infrastructure/kube " + means, "judges over network and identity"},
	{"infrastructure/amend", "infrastructure/kube " + means, "acts"},
	{"infrastructure/lifetime", "infrastructure/kube " + means, "acts"},
	{"infrastructure/posture", "infrastructure/network infrastructure/kube " + means, "judges"},
	{"infrastructure/network", "infrastructure/network/kubernetes infrastructure/network/calico infrastructure/network/cilium infrastructure/network/istio infrastructure/network/policy infrastructure/kube " + means, "judges"},
	{"infrastructure/network/kubernetes", "infrastructure/network/raw infrastructure/network/policy infrastructure/kube " + means, "reads NetworkPolicy and its administrators' kinds"},
	{"infrastructure/network/calico", "infrastructure/network/ends infrastructure/network/raw infrastructure/network/policy infrastructure/kube " + means, "reads Calico's policies"},
	{"infrastructure/network/istio", "infrastructure/network/ends infrastructure/network/raw infrastructure/network/policy infrastructure/kube " + means, "reads Istio's policies"},
	{"infrastructure/network/ends", "infrastructure/network/policy infrastructure/kube", "ends of connections by label and by address"},
	{"infrastructure/network/raw", "infrastructure/kube", "decodes specs of custom kinds"},
	{"infrastructure/network/policy/policytest", "infrastructure/network/policy infrastructure/kube", "evaluates the common form for tests"},
	{"infrastructure/network/cilium", "infrastructure/network/policy infrastructure/kube " + means, "reads Cilium's policies"},
	{"infrastructure/network/policy", "infrastructure/kube " + means, "the one form of all network policies"},
	{"infrastructure/identity", "infrastructure/kube " + means, "judges"},
	{"infrastructure/cloud", "infrastructure/kube " + means, "reads what a cloud exports, and joins it with the cluster"},
	{"infrastructure/kube/kubetest", means, "serves clusters for tests"},
	{"infrastructure/kube", means, "reads"},

	{"infrastructure/render", "", "reads"},

	{"runtime/respond", "runtime/incident runtime/detect runtime/ingest " + means, "acts"},
	{"runtime/incident", "runtime/detect runtime/ingest " + means, "judges"},
	{"runtime/trial", "runtime/detect runtime/ingest " + means, "tests rules of users"},
	{"runtime/signal", "runtime/detect runtime/ingest " + means, "judges the logs themselves: what has gone silent, late or blind"},
	{"runtime/watch", "runtime/detect runtime/ingest model", "reads a log without an end, judges, and records"},
	{"runtime/coverage", "runtime/detect runtime/ingest " + means, "judges"},
	{"runtime/detect", "runtime/ingest " + means, "judges"},
	{"runtime/ingest", means, "reads"},
	{"runtime/receive", "model", "takes what API servers post, and reads no more of it than where each event ends"},

	// Means and words.
	{"rules", "rule", "the catalogue as embedded files"},
	{"rule", "model", "compiles rules, knows no stage"},
	{"oci/ocitest", "oci model", "makes images for tests"},
	{"oci", "model", "opens images"},
	{"splice", "", "bytes only"},
	{"graph", "", "integers only"},
	{"examples/shop", "", "embedded files"},
	{"deploy", "", "embedded files"},
	{"model", "", "standard library only"},
}

// forTests are importable from test files of every package, and from no other
// file unless its layer says so.
const forTests = "rules internal/testkit/... oci/ocitest infrastructure/kube/kubetest infrastructure/network/policy/policytest registry/image/rpmdb/rpmdbtest store/storetest"

// aboveTests is what even external test packages may not import.
const aboveTests = "cli cmd/... internal/gen/... internal/archtest"

// A cage says where a third-party module, or a part of it, may be imported.
// Of several that match an import the longest counts.
type cage struct {
	path  string // import path; covers everything below it
	only  string // patterns of packages, any file
	tests string // patterns of packages, test files only
	why   string
}

// everywhere is a pattern that matches every package.
const everywhere = "..."

var cages = []cage{
	{"github.com/google/go-cmp", "", everywhere, "differences in tests"},
	{"github.com/rogpeppe/go-internal/testscript", "", everywhere, "command tests"},
	{"github.com/rogpeppe/go-internal/diff", "cli", "", "differences of texts"},
	{"github.com/rogpeppe/go-internal/txtar", "rule", everywhere, "the cases of a rule are txtar files"},
	{"github.com/owenrumney/go-sarif/v3", "", everywhere, "the published schema of SARIF and another reader of it"},
	{"github.com/santhosh-tekuri/jsonschema/v6", "", everywhere, "holds JSON outputs against their schemas"},
	{"golang.org/x/sync", everywhere, "", "errgroup: bounded goroutines that are waited for"},

	{"github.com/spf13/cobra", "cli", "", "commands"},
	{"github.com/spf13/pflag", "cli", "", "the errors of cobra's switches"},
	{"github.com/charmbracelet/x/ansi", "cli", "", "colour on a terminal, and how wide a text is"},
	{"golang.org/x/term", "cli", "", "is it a terminal, how wide"},
	{"go.yaml.in/yaml/v3", "config rule splice infrastructure/amend infrastructure/kube infrastructure/render runtime/detect runtime/receive runtime/signal runtime/trial internal/gen/...", everywhere, "YAML with positions: settings, rules, manifests, Sigma"},
	{"sigs.k8s.io/yaml", "infrastructure/... internal/testkit/lateral", "", "YAML as Kubernetes reads it"},

	{"modernc.org/sqlite", "store", "", "the default database"},
	{"github.com/jackc/pgx", "store store/storetest", "", "PostgreSQL"},
	{"github.com/nats-io", "bus", "", "the durable log"},
	{"github.com/twmb/franz-go", "notify/sink", "", "Kafka's protocol"},

	{"github.com/moby/buildkit", "build/dockerfile", "", "the reference Dockerfile parser"},
	{"github.com/moby/patternmatcher", "build/dockerfile", "", "patterns of .dockerignore"},
	{"mvdan.cc/sh/v3", "build/dockerfile build/lint", "", "shell syntax in RUN"},
	{"github.com/distribution/reference", "build/dockerfile build/pin oci registry/catalog", "", "image references"},
	{"github.com/google/go-containerregistry", "oci/... internal/gen/...", everywhere, "registries, layouts, archives: heavy and behind one door"},
	{"github.com/docker/cli/cli/config", "oci", "", "where docker and podman keep credentials"},
	{"github.com/klauspost/compress", "bus oci/... registry/image runtime/ingest", "", "gzip, zstd and S2: layers, records of them, and logs"},
	{"github.com/google/osv-scalibr", "registry/advisory", "", "version order of each ecosystem"},
	{"github.com/CycloneDX/cyclonedx-go", "registry/sbom", "", "bills of materials"},
	{"github.com/spdx/tools-golang", "", "registry/sbom", "the oracle of our SPDX reader"},
	{"github.com/package-url/packageurl-go", "registry/vex", "", "package URLs in the form in which they compare"},
	{"github.com/pandatix/go-cvss", "registry/advisory", "", "CVSS vectors"},
	{"golang.org/x/mod", "", "internal/gen/...", "version order of the example's modules"},

	{"k8s.io/client-go", "infrastructure/kube/... infrastructure/lifetime runtime/respond", "", "the live cluster: its reader and the two that act"},
	{"k8s.io/api", "infrastructure/... internal/testkit/lateral internal/gen/lateral", "", "types of Kubernetes objects"},
	{"k8s.io/apimachinery", "infrastructure/... internal/testkit/lateral", "", "types of Kubernetes objects"},
	{"k8s.io/component-helpers", "infrastructure/...", "", "the scheduler's and authorizer's own matching"},
	{"k8s.io/pod-security-admission", "infrastructure/posture", "", "the Pod Security Standards as the API server has them"},
	{"helm.sh/helm/v4", "infrastructure/render", "", "charts, rendered by their own library"},
	{"sigs.k8s.io/kustomize", "infrastructure/render", "", "kustomizations, likewise"},
	{"github.com/google/cel-go", "rule", "", "the rule language"},
	{"github.com/valyala/fastjson", "runtime/... internal/gen/detect", "", "events at speed"},
}

// stageFolders hold packages and no Go files of their own: packages named
// build or runtime would clash with the standard library.
var stageFolders = []string{"build", "registry", "infrastructure", "runtime"}

// junk are package names that say nothing.
const junk = "util utils common helper helpers misc shared pkg"
