// Package cloud reads what a cloud exports of its identities as JSON, and says
// which ServiceAccounts and nodes of a cluster may act as which of them, and
// which of them the cluster takes for users and groups of its own. It makes no
// call to a cloud.
//
// What is read is recognised by its content; docs/guide/cloud-identities.md has
// the commands that write it:
//
//   - AWS: IAM roles with trust policies, with or without their permissions;
//     EKS clusters, node groups, Pod Identity associations, access entries and
//     their policies; launch templates and instances, for the metadata service.
//     The aws-auth ConfigMap comes from the snapshot.
//   - Google Cloud: GKE clusters, IAM policies of projects and service accounts.
//   - Azure: AKS clusters, managed identities, federated credentials, role
//     assignments.
//
// A Link is one step between an identity of the cluster and one of the cloud.
// Depends says what it rests on that the export doesn't tell; an empty Depends
// is a proof. A role whose trust policy isn't in the export is never taken for
// one that nobody may assume.
//
// Limits. Roles that assume other roles are not followed. Conditions on what
// only the cloud knows at the time of a call (addresses, tags of a session)
// make a link depend. Permissions boundaries, service control policies, deny
// policies, organisation and folder policies of Google Cloud and management
// groups of Azure are not read. Whether a network policy keeps a pod from the
// metadata service is told by package paths, which makes links steps of attacks. Of a role's power the
// admin-like is told, not each right.
package cloud
