package cloud

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// mapped is an entry of the aws-auth ConfigMap.
type mapped struct {
	RoleARN  string   `json:"rolearn"`
	UserARN  string   `json:"userarn"`
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

// maxAuth bounds an entry of the ConfigMap, in bytes; the API server takes no
// more than 1 MiB.
const maxAuth = 1 << 20

// awsAuth finds the identities of AWS that the ConfigMap makes users of the
// cluster. A role or a user with braces in its name is of each node or session.
func (j *joiner) awsAuth() {
	o := j.snapshot.Get("ConfigMap", "kube-system", "aws-auth")
	if o == nil {
		return
	}
	config, is := o.Typed.(*corev1.ConfigMap)
	if !is {
		return
	}
	for _, field := range []string{"mapRoles", "mapUsers"} {
		text := config.Data[field]
		var list []mapped
		if len(text) > maxAuth {
			j.miss(place(o), "data."+field+" is too long to be read")
			continue
		}
		if err := yaml.Unmarshal([]byte(text), &list); err != nil {
			j.miss(place(o), fmt.Sprintf("data.%s can't be read: %v", field, err))
			continue
		}
		for i, m := range list {
			arn := m.RoleARN + m.UserARN
			if arn == "" {
				j.miss(place(o), fmt.Sprintf("data.%s[%d] names no ARN", field, i))
				continue
			}
			from, at := Party{Kind: KindCloud, Name: arn}, fmt.Sprintf("data.%s[%d]", field, i)
			for _, g := range m.Groups {
				j.link(Link{From: from, To: Party{Kind: KindGroup, Name: g}, How: ByAWSAuth, Given: true, Proof: []Proof{{place(o), at + ".groups", g}}})
			}
			if m.Username != "" {
				j.link(Link{From: from, To: Party{Kind: KindUser, Name: m.Username}, How: ByAWSAuth, Given: true, Proof: []Proof{{place(o), at + ".username", m.Username}}})
			}
		}
	}
}
