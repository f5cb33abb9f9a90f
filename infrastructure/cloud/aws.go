package cloud

import (
	"encoding/json"
	"fmt"
)

// origin is where a thing was read.
type origin struct {
	document string
	at       string // the field
}

func (o origin) proof(field, value string) Proof {
	if o.at != "" && field != "" {
		field = o.at + "." + field
	} else {
		field = o.at + field
	}
	return Proof{o.document, field, value}
}

// awsRole is an IAM role. trust is nil where the export lacks it.
type awsRole struct {
	origin
	Arn      string
	RoleName string
	Trust    *document `json:"AssumeRolePolicyDocument"`
	Inline   []struct {
		PolicyName     string
		PolicyDocument document
	} `json:"RolePolicyList"`
	Attached []struct{ PolicyArn string } `json:"AttachedManagedPolicies"`
	Profiles []struct{ Arn string }       `json:"InstanceProfileList"`
	Boundary *struct {
		PermissionsBoundaryArn string
	} `json:"PermissionsBoundary"`

	whole bool // the export lists its policies
}

// awsPolicy is the default version of a managed policy.
type awsPolicy struct {
	origin
	document document
}

type eksCluster struct {
	origin
	Name     string
	Arn      string
	Identity struct{ Oidc struct{ Issuer string } }
}

type eksAssociation struct {
	origin
	ClusterName, Namespace, ServiceAccount, RoleArn, TargetRoleArn string
	AssociationID                                                  string `json:"associationId"`
}

// eksEntry is an access entry: an identity of AWS that the cluster knows.
type eksEntry struct {
	origin
	ClusterName, PrincipalArn, Username, Type string
	KubernetesGroups                          []string
	bare                                      bool // only its ARN was listed
}

// eksAccess is an access policy of an entry.
type eksAccess struct {
	origin
	ClusterName, PrincipalArn string
	Policies                  []struct {
		PolicyArn   string
		AccessScope struct {
			Type       string
			Namespaces []string
		}
	} `json:"associatedAccessPolicies"`
}

type eksNodegroup struct {
	origin
	NodegroupName, ClusterName, NodeRole string
	LaunchTemplate                       struct {
		Name, Version string
		ID            string `json:"id"`
	}
}

// metadataOptions are those of an instance's metadata service. The zero value
// tells nothing.
type metadataOptions struct {
	HTTPTokens   string `json:"HttpTokens"`
	HopLimit     int    `json:"HttpPutResponseHopLimit"`
	HTTPEndpoint string `json:"HttpEndpoint"`
}

type ec2Template struct {
	origin
	LaunchTemplateID   string `json:"LaunchTemplateId"`
	LaunchTemplateName string
	VersionNumber      int
	DefaultVersion     bool
	Data               struct{ MetadataOptions *metadataOptions } `json:"LaunchTemplateData"`
}

type ec2Instance struct {
	origin
	InstanceID      string `json:"InstanceId"`
	MetadataOptions *metadataOptions
	Profile         *struct{ Arn string } `json:"IamInstanceProfile"`
}

func (x *Export) readAccount(name, at string, text []byte) error {
	var doc struct {
		RoleDetailList []awsRole
		Policies       []struct {
			Arn      string
			Versions []struct {
				Document         document
				IsDefaultVersion bool
			} `json:"PolicyVersionList"`
		}
	}
	if err := decode(text, &doc); err != nil {
		return err
	}
	for i, r := range doc.RoleDetailList {
		r.origin, r.whole = origin{name, fmt.Sprintf("%sRoleDetailList[%d]", at, i)}, true
		x.roles = append(x.roles, r)
	}
	for i, p := range doc.Policies {
		for j, v := range p.Versions {
			if v.IsDefaultVersion {
				x.policies[p.Arn] = awsPolicy{origin{name, fmt.Sprintf("%sPolicies[%d].PolicyVersionList[%d]", at, i, j)}, v.Document}
			}
		}
	}
	return nil
}

func (x *Export) readRoles(name, at string, text []byte) error {
	var doc struct{ Roles []awsRole }
	if err := decode(text, &doc); err != nil {
		return err
	}
	for i, r := range doc.Roles {
		r.origin = origin{name, fmt.Sprintf("%sRoles[%d]", at, i)}
		x.roles = append(x.roles, r)
	}
	return nil
}

func (x *Export) readRole(name, at string, text []byte) error {
	var doc struct{ Role awsRole }
	if err := decode(text, &doc); err != nil {
		return err
	}
	doc.Role.origin = origin{name, at + "Role"}
	x.roles = append(x.roles, doc.Role)
	return nil
}

func (x *Export) readEKS(name, at string, text []byte) error {
	var doc struct{ Cluster eksCluster }
	if err := decode(text, &doc); err != nil {
		return err
	}
	if doc.Cluster.Arn == "" && doc.Cluster.Identity.Oidc.Issuer == "" {
		return errOther
	}
	doc.Cluster.origin = origin{name, at + "cluster"}
	x.eks = append(x.eks, doc.Cluster)
	return nil
}

func (x *Export) readAssociation(name, at string, text []byte) error {
	var doc struct{ Association eksAssociation }
	if err := decode(text, &doc); err != nil {
		return err
	}
	doc.Association.origin = origin{name, at + "association"}
	x.associations = append(x.associations, doc.Association)
	return nil
}

func (x *Export) readAssociations(name, at string, text []byte) error {
	var doc struct{ Associations []eksAssociation }
	if err := decode(text, &doc); err != nil {
		return err
	}
	for i, a := range doc.Associations {
		a.origin = origin{name, fmt.Sprintf("%sassociations[%d]", at, i)}
		x.associations = append(x.associations, a)
	}
	return nil
}

func (x *Export) readEntry(name, at string, text []byte) error {
	var doc struct{ AccessEntry eksEntry }
	if err := decode(text, &doc); err != nil {
		return err
	}
	doc.AccessEntry.origin = origin{name, at + "accessEntry"}
	x.entries = append(x.entries, doc.AccessEntry)
	return nil
}

func (x *Export) readEntries(name, at string, text []byte) error {
	var doc struct{ AccessEntries []json.RawMessage }
	if err := decode(text, &doc); err != nil {
		return err
	}
	for i, raw := range doc.AccessEntries {
		e := eksEntry{origin: origin{name, fmt.Sprintf("%saccessEntries[%d]", at, i)}}
		if json.Unmarshal(raw, &e.PrincipalArn) == nil {
			e.bare = true
		} else if err := decode(raw, &e); err != nil {
			return err
		}
		x.entries = append(x.entries, e)
	}
	return nil
}

func (x *Export) readAccess(name, at string, text []byte) error {
	a := eksAccess{origin: origin{name, at}}
	if err := decode(text, &a); err != nil {
		return err
	}
	x.accesses = append(x.accesses, a)
	return nil
}

func (x *Export) readNodegroup(name, at string, text []byte) error {
	var doc struct{ Nodegroup eksNodegroup }
	if err := decode(text, &doc); err != nil {
		return err
	}
	doc.Nodegroup.origin = origin{name, at + "nodegroup"}
	x.nodegroups = append(x.nodegroups, doc.Nodegroup)
	return nil
}

func (x *Export) readTemplates(name, at string, text []byte) error {
	var doc struct{ LaunchTemplateVersions []ec2Template }
	if err := decode(text, &doc); err != nil {
		return err
	}
	for i, t := range doc.LaunchTemplateVersions {
		t.origin = origin{name, fmt.Sprintf("%sLaunchTemplateVersions[%d]", at, i)}
		x.templates = append(x.templates, t)
	}
	return nil
}

func (x *Export) readInstances(name, at string, text []byte) error {
	var doc struct {
		Reservations []struct{ Instances []ec2Instance }
	}
	if err := decode(text, &doc); err != nil {
		return err
	}
	for i, r := range doc.Reservations {
		for k, n := range r.Instances {
			n.origin = origin{name, fmt.Sprintf("%sReservations[%d].Instances[%d]", at, i, k)}
			x.instances = append(x.instances, n)
		}
	}
	return nil
}
