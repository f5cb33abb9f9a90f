// Package paths builds the attack graph of a cluster: what someone who has
// broken into one container can come to hold, and why.
//
// Vertices are control of a workload, a held identity, root on a node, a known
// Secret, and authority over the whole cluster. Between them stand hubs
// ("create pods in namespace shop", "every pod on node a"), so that the graph
// grows with the number of objects and never with the number of pairs. Facts
// are the leaves of model/fact.go, each with a probability and a proof; steps
// that rest on the same rule of the same binding, or on the same field of the
// same workload, share one fact.
//
// A workload whose node is unknown stands on the hub node "(any node)",
// together with all others of that sort: manifests don't say where pods will
// run, and two pods of which nobody knows that they are kept apart may share a
// node. For the same reason it may stand on each node that is known, as a
// CronJob of a live cluster between its runs.
//
// Facts about the network belong to namespaces: one fact says that a namespace
// lets every other in to those of its workloads that no ingress policy isolates
// and that one could, and one change removes it. With a fact for each workload
// the ways through its neighbours would all count as different ones, and their
// number would grow with the square of the workloads.
//
// What the edges claim and what they leave out:
//
//   - A right is what RBAC gives (package identity). Admission other than the
//     namespace's own Pod Security label is not known, so creating a privileged
//     pod counts as possible where that label doesn't forbid it.
//   - exec, attach and port-forward need create on the subresource; before
//     Kubernetes 1.35 get was enough. An unknown version is judged as the newest,
//     and Incomplete names the rules for which that matters. nodes/proxy gives
//     exec with get in every version.
//   - Creating pods in a namespace gives its ServiceAccounts and its Secrets,
//     because a pod may mount any of them.
//   - kube-system exists in every cluster, and some of its ServiceAccounts can
//     make anyone administrator; so acting as any of them is authority over the
//     cluster, even where manifests don't show them.
//   - Root on a node, and who holds its certificate, can ask for tokens of all
//     pods on it, mounted or not.
//   - Connections through the API server, and intercepted ones, get an attacker
//     in by a flaw of the other end, as over the network.
//   - An object that a rule names and that the snapshot doesn't have leads
//     nowhere. aws-auth, the cluster's DNS, issuers and stores count where the
//     cluster shows that it has them.
//   - A validating webhook is taken to see every Secret, though it sees only
//     those that are written while it is there.
//   - Persistent volumes are followed to a folder of the host through claims
//     that exist, not through those of a StatefulSet's template. A block device
//     behind a claim is not looked at.
//   - Rights that an attacker gets by binding a role to himself are not combined
//     with those that he had before, where only both together are an attack.
//   - What isolating a namespace is worth is told for its own pods, which stay
//     admitted; the ingress controller's namespace, which the policies admit
//     where an Ingress needs it, counts only once they are there.
//   - Ways in by routes of the Gateway API are not added to those policies.
//   - The cloud is what links say (Link), read by package cloud and joined in
//     cli. A cloud takes no token for the API server: a link from a
//     ServiceAccount starts at its workloads where they are given what it takes
//     or mount such a token themselves, and at whoever may have tokens made. That
//     a workload of GKE gets its token from the metadata service, which a policy
//     may shut, is not told apart.
//   - Pods reach the metadata service of their node where the link says so and
//     no policy surely keeps them from 169.254.169.254, port 80; whatever is on
//     the host's network, and root on the node, always do. What enforces policies
//     is taken to do so for that address as for others. The address of EC2 over
//     IPv6 is not asked about.
//   - A link that rests on what no export tells holds with an even chance
//     (Doubtful). What a role may do in its cloud is not followed: it is a
//     target where it is not known to be limited.
//   - Not yet: admission policies that change
//     objects, aggregated API servers, impersonation limited to some actions,
//     kubelet serving certificates, sniffing on the host's network.
package paths
