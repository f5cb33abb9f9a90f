// Package kubernetes reads the policies of the Kubernetes project itself into
// the form of package policy: NetworkPolicy (networking.k8s.io/v1),
// AdminNetworkPolicy and BaselineAdminNetworkPolicy (policy.networking.k8s.io/
// v1alpha1), and ClusterNetworkPolicy (v1alpha2).
//
// A policy that the API server would refuse is named in the list of what is
// incomplete, and is unknown: what it would select may be allowed or denied.
//
// Limits: domain names are addresses that only the DNS knows, so a rule with
// them may match any address, and answers depend on it. Of protocols only TCP,
// UDP and SCTP exist here.
package kubernetes
