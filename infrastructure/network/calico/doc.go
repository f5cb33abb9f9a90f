// Package calico brings Calico's policies to the common form: NetworkPolicy and
// GlobalNetworkPolicy with Tier, NetworkSet and GlobalNetworkSet, of the groups
// projectcalico.org and crd.projectcalico.org. It decodes what it needs from
// Object.Raw. Where both groups have an object, the first counts.
//
// What is followed, from the documentation of Calico 3.32:
//
//   - Tiers go by order, then name; without an order last. The default tier has
//     1,000,000, those of the admin policies 1,000 and 10,000,000. A policy
//     goes by order, then name; without an order last. A NetworkPolicy of
//     Kubernetes has order 1,000 in the default tier, and Calico's of the same
//     order go before it, as their names do ("default." before "knp.default.").
//   - At the end of a tier what is selected and not decided is denied, unless
//     its defaultAction is Pass. After the last tier the profile of the
//     namespace (kns.NAME) allows.
//   - A selector stands for the addresses of the endpoints and network sets that
//     it matches. In a namespaced policy each of selector, notSelector and
//     serviceAccounts narrows an entity to the policy's own namespace where it
//     has no namespaceSelector. notSelector itself looks at all namespaces, and
//     holds for what is no endpoint.
//   - Constraints of a rule on the selected pod's own side narrow its subject.
//   - Log decides nothing. Staged policies are not in force, and are passed over.
//
// Limits. Host endpoints aren't modelled: policies with doNotTrack or preDNAT
// hold for them alone and are named, as host endpoints are. Source ports, HTTP
// matches and fields that are not known here make a rule's answer depend on
// them. Of protocols only TCP, UDP and SCTP are modelled: a rule on others
// matches nothing here. A Service without a selector has endpoints that aren't
// known. Both addresses of a pod with two count for ipVersion (see package ends).
package calico
