package paths

// edge is the kind of a step.
type edge uint8

const (
	implied edge = iota // no move of its own: the hub means this
	token
	group
	mounted
	tokenSecret
	escape
	escapeFiles
	nodePods
	nodeIdentity
	nodeToken
	controlPlane
	overNetwork
	fullControl
	namespaceControl
	createPods
	patchTemplate
	patchPods
	execPods
	debugPods
	kubeletExec
	readSecrets
	createSecrets
	mintToken
	relabel
	impersonate
	bindRole
	joinBinding
	escalate
	useRole
	privilegedPod
	debugNode
	podAccount
	podSecret
	tokenFromSecret
	systemAccount
	escapeLogs
	attachPods
	forwardPods
	readLogs
	createClaims
	createVolumes
	hostVolume
	requestCert
	approveCert
	clientCert
	nodeCert
	mutatingWebhook
	validatingWebhook
	taintNodes
	steerNodes
	evictPods
	stealPods
	intercept
	mapAWS
	redirectDNS
	issuerSecret
	storeSecret
	bootstrapToken
	instanceMetadata
	assumeRole
	cloudAccess
)

// moves names each kind of step and gives the ATT&CK technique of taking it
// (v18.1, of the Containers matrix where it has one); none where the step is no
// visible act.
var moves = [...]struct{ name, attack string }{
	implied:          {"implied", ""},
	token:            {"token", "T1528"},
	group:            {"group", ""},
	mounted:          {"mounted-secret", "T1552.001"},
	tokenSecret:      {"token-secret", "T1550.001"},
	escape:           {"escape", "T1611"},
	escapeFiles:      {"escape-files", "T1611"},
	nodePods:         {"node-pods", "T1609"},
	nodeIdentity:     {"node-identity", "T1552.001"},
	nodeToken:        {"node-token-request", "T1528"},
	controlPlane:     {"control-plane", "T1552.001"},
	overNetwork:      {"network", "T1210"},
	fullControl:      {"full-control", "T1078"},
	namespaceControl: {"namespace-control", "T1078"},
	createPods:       {"create-pods", "T1610"},
	patchTemplate:    {"patch-workload", "T1610"},
	patchPods:        {"patch-pods", "T1610"},
	execPods:         {"exec", "T1609"},
	debugPods:        {"debug-container", "T1609"},
	kubeletExec:      {"kubelet-exec", "T1609"},
	readSecrets:      {"read-secrets", "T1552.007"},
	createSecrets:    {"create-secrets", "T1552.007"},
	mintToken:        {"token-request", "T1528"},
	relabel:          {"relabel-namespace", "T1562.001"},
	impersonate:      {"impersonate", "T1078"},
	bindRole:         {"bind-role", "T1098.006"},
	joinBinding:      {"join-binding", "T1098.006"},
	escalate:         {"escalate-role", "T1098.006"},
	useRole:          {"use-role", "T1098.006"},
	privilegedPod:    {"privileged-pod", "T1611"},
	debugNode:        {"privileged-debug-container", "T1611"},
	podAccount:       {"pod-service-account", "T1528"},
	podSecret:        {"pod-secret", "T1552.007"},
	tokenFromSecret:  {"token-for-secret", "T1528"},
	systemAccount:    {"system-account", "T1098.006"},

	escapeLogs:        {"escape-log-links", "T1611"},
	attachPods:        {"attach", "T1609"},
	forwardPods:       {"port-forward", "T1210"},
	readLogs:          {"read-logs", "T1552.001"},
	createClaims:      {"create-claims", "T1610"},
	createVolumes:     {"create-volumes", "T1610"},
	hostVolume:        {"host-volume", "T1611"},
	requestCert:       {"request-certificate", "T1649"},
	approveCert:       {"approve-certificate", "T1649"},
	clientCert:        {"client-certificate", "T1649"},
	nodeCert:          {"node-certificate", "T1649"},
	mutatingWebhook:   {"mutating-webhook", "T1610"},
	validatingWebhook: {"validating-webhook", "T1552.007"},
	taintNodes:        {"taint-nodes", "T1610"},
	steerNodes:        {"node-status", "T1610"},
	evictPods:         {"evict-pods", "T1489"},
	stealPods:         {"steal-pods", "T1552.001"},
	intercept:         {"intercept", "T1557"},
	mapAWS:            {"aws-auth", "T1098"},
	redirectDNS:       {"cluster-dns", "T1557"},
	issuerSecret:      {"issuer-secret", "T1552.007"},
	storeSecret:       {"store-secret", "T1552.007"},
	bootstrapToken:    {"bootstrap-token", "T1098"},
	instanceMetadata:  {"instance-metadata", "T1552.005"},
	assumeRole:        {"assume-cloud-role", "T1078.004"},
	cloudAccess:       {"cloud-access", "T1078.004"},
}
