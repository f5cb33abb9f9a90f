// Package cilium reads CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy
// (cilium.io/v2) into the form of package policy. It does no I/O and imports
// nothing of Cilium's: the few fields that decide are read from the documents.
//
// Source: Cilium's documentation of its policy language and the validation of
// its API, up to 1.20. All policies of one pod are a union with NetworkPolicy's
// in the tier policy.Standard, in which a rule that denies goes first.
//
// What follows from the settings of Cilium is taken from the ConfigMap
// cilium-config where it was read: enable-policy, policy-audit-mode,
// policy-cidr-match-mode, enable-host-firewall, enable-node-selector-labels,
// cluster-name and labels. Where it wasn't, the defaults are assumed (no CIDR
// selects a pod or a node, only pods that policies select are isolated, and the
// labels that Cilium leaves out of identities by default select nothing), and what
// no default settles depends.
//
// A rule is marked Depends, with the field's name, where it depends on more than
// addresses and ports: toFQDNs, fromGroups and toGroups, layer 7 rules,
// serverNames, listeners, authentication, fromNodes and toNodes, fromRequires and
// toRequires (gone since 1.19), the entity host (only the node of the pod), the
// entity ingress (only through Cilium's proxy), and kube-apiserver, a CIDR group or
// a service without a selector whose addresses were not read. So is a rule
// with a field that isn't known here.
//
// A policy that Cilium refuses is in Incomplete, by file and line, and what it
// could decide depends: an older or newer Cilium may take it.
//
// Limits:
//
//   - All pods off the host's network count as managed by Cilium: the entities
//     unmanaged, init and health select none of them.
//   - Policies for nodes (nodeSelector) are evaluated for the pods on the network of
//     the nodes, not for what else runs there: Incomplete names them. Unless the
//     host firewall is known to be on, they depend; if it is known to be off,
//     they are left out.
//   - A pod always reaches its own node, and is reached by it, as the engine
//     has it. Cilium lets the node in, and asks the pod's policies on the way out.
//   - ICMP, VRRP and IGMP are not modelled: rules for them allow or deny nothing
//     among TCP, UDP and SCTP, and still isolate.
//   - The entity cluster includes an API server outside the cluster only where
//     its addresses were read, and nothing of what Cilium's proxy lets in.
//   - What layer 7 rules say is not checked, nor whether their protocol may stand
//     where it does: a policy that Cilium refuses for that is taken for valid.
//   - CiliumLocalRedirectPolicy and CiliumEgressGatewayPolicy say where
//     connections are led, not whether they are allowed: they are left out.
//     Per-node settings (CiliumNodeConfig) are not read, and there is one cluster:
//     a selector on another one's name selects nothing.
package cilium
