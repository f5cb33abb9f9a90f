// Package istio brings Istio's AuthorizationPolicy and PeerAuthentication
// (security.istio.io) to the common form, as the layer of the mesh on what the
// network lets through. It decodes what it needs from Object.Raw.
//
// What is followed, from the documentation of Istio 1.30:
//
//   - Only pods in the mesh are subject: those with a proxy (container
//     istio-proxy), those whose manifests will get one by the labels of
//     injection, and those of ambient mode. A pod on the host's network is never
//     in the mesh.
//   - CUSTOM goes first and depends on the authorizer, then DENY, then ALLOW. A
//     pod that any ALLOW policy selects is shut to what none allows. AUDIT and
//     policies in dry run decide nothing.
//   - A policy in the root namespace (istio-system, or what the ConfigMap
//     "istio" says) holds for all namespaces.
//   - A source has an identity where it is in the mesh: trust domain, namespace
//     and account. All others have none, as has everybody at a port where a
//     PeerAuthentication disables mutual TLS for a proxy.
//   - STRICT mutual TLS denies sources outside of the mesh. Of
//     PeerAuthentications the one of the workload counts, then that of the
//     namespace, then that of the mesh; of several the oldest.
//   - What looks at HTTP: at a proxy, a rule of ALLOW with such fields matches
//     requests and never plain TCP, and one of DENY loses them on plain TCP, so
//     either depends. Ztunnel leaves such a rule of ALLOW out, and takes the
//     fields out of one of DENY; where nothing remains of a clause, versions
//     differ, and it depends.
//   - Only TCP goes through the mesh.
//
// Limits. Traffic through a waypoint depends on it, as do policies with
// targetRefs. The name in TLS (connection.sni) and the destination's own address
// depend. A DestinationRule that turns mutual TLS off for clients isn't read, nor
// are EnvoyFilters. A source could leave its own proxy out: it has its identity
// here all the same. Ports of the proxy itself (15000 to 15090) are not told
// from others.
package istio
