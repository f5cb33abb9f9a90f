package cloud

import (
	"slices"
	"strings"
)

// What an identity of the cloud may do, as far as it matters here.
const (
	Admin   = "admin"   // all, or it can give itself all
	Limited = "limited" // neither, by what the export says
	Unknown = "unknown" // the export doesn't say
)

// Power is how much an identity of the cloud may do, and what says so.
type Power struct {
	Level string  `json:"level"`
	Why   string  `json:"why"`
	Proof []Proof `json:"proof,omitempty"`
}

// Power tells how much an identity may do, by the name that a Link has.
func (x *Export) Power(name string) Power {
	if p, ok := x.powers[strings.ToLower(name)]; ok {
		return p
	}
	if role, _, ok := strings.Cut(name, " on projects/"); ok {
		return gcpPower(role, "the role "+role, nil)
	}
	return Power{Level: Unknown, Why: "its permissions are not in the export"}
}

// weigh computes the powers of all identities of the export.
func (x *Export) weigh() {
	x.powers = map[string]Power{}
	for i := range x.roles {
		if r := &x.roles[i]; r.whole {
			x.powers[strings.ToLower(r.Arn)] = x.awsPower(r)
		}
	}
	for i := range x.bindings {
		b := &x.bindings[i]
		if b.account {
			continue
		}
		for k, m := range b.Members {
			if email, ok := strings.CutPrefix(m, memberAccount); ok {
				p := gcpPower(b.Role, "it has "+b.Role+" on "+b.resource, []Proof{b.proof("members", b.Members[k])})
				if p.Level == Admin && b.conditional() != "" {
					p = Power{Level: Unknown, Why: p.Why + ", and " + b.conditional(), Proof: p.Proof}
				}
				x.add(email, p)
			}
		}
	}
	for i := range x.identities {
		for k := range x.assignments {
			if a := &x.assignments[k]; strings.EqualFold(a.PrincipalID, x.identities[i].PrincipalID) {
				x.add(x.identities[i].ID, azurePower(a))
			}
		}
	}
}

// add keeps the larger of two powers.
func (x *Export) add(name string, p Power) {
	rank := []string{Limited, Unknown, Admin}
	key := strings.ToLower(name)
	if old, ok := x.powers[key]; !ok || slices.Index(rank, p.Level) > slices.Index(rank, old.Level) {
		x.powers[key] = p
	}
}

// adminPolicies are managed policies of AWS that give all, or the way to it.
var adminPolicies = []string{
	"AdministratorAccess", "IAMFullAccess", "PowerUserAccess", "AdministratorAccess-Amplify", "AWSCloudFormationFullAccess",
}

// selfServing are the actions with any of which, on every resource, a role can
// give itself all. Source: the permissions that AWS lists as access management
// of policies, roles and credentials.
var selfServing = []string{
	"iam:attachrolepolicy", "iam:putrolepolicy", "iam:createpolicyversion", "iam:setdefaultpolicyversion", "iam:updateassumerolepolicy",
	"iam:attachuserpolicy", "iam:putuserpolicy", "iam:attachgrouppolicy", "iam:putgrouppolicy", "iam:addusertogroup",
	"iam:createaccesskey", "iam:createloginprofile", "iam:updateloginprofile", "sts:assumerole",
}

// runners start something that runs as a role that is passed to it.
var runners = []string{
	"ec2:runinstances", "lambda:createfunction", "ecs:runtask", "cloudformation:createstack", "glue:createdevendpoint", "glue:createjob",
	"sagemaker:createnotebookinstance", "codebuild:createproject", "datapipeline:createpipeline",
}

// awsPower reads the policies of a role. Conditions and Deny statements only
// take away: with one of them, what looks like all is unknown.
func (x *Export) awsPower(r *awsRole) Power {
	if r.Boundary != nil {
		return Power{Level: Unknown, Why: "a permissions boundary limits it, which is not evaluated", Proof: []Proof{r.proof("PermissionsBoundary", r.Boundary.PermissionsBoundaryArn)}}
	}
	best := Power{Level: Limited, Why: "its policies give neither all nor the way to it"}
	var all []statement
	var proof []Proof
	for i, a := range r.Attached {
		name := a.PolicyArn[strings.LastIndex(a.PolicyArn, "/")+1:]
		at := r.proof("AttachedManagedPolicies", a.PolicyArn)
		p, read := x.policies[a.PolicyArn]
		switch {
		case strings.HasPrefix(a.PolicyArn, "arn:aws") && strings.Contains(a.PolicyArn, ":aws:policy/") && slices.Contains(adminPolicies, name):
			return Power{Level: Admin, Why: "it has the policy " + name, Proof: []Proof{at}}
		case read:
			all, proof = append(all, p.document.Statement...), append(proof, p.proof("Document", a.PolicyArn))
		case best.Level == Limited:
			best = Power{Level: Unknown, Why: "the policy " + name + " is not in the export", Proof: []Proof{r.proof("AttachedManagedPolicies", r.Attached[i].PolicyArn)}}
		}
	}
	for _, p := range r.Inline {
		all, proof = append(all, p.PolicyDocument.Statement...), append(proof, r.proof("RolePolicyList", p.PolicyName))
	}
	if why, sure := adminBy(all); why != "" {
		if !sure {
			return Power{Level: Unknown, Why: why + ", under a condition or beside a Deny, which are not evaluated", Proof: proof}
		}
		return Power{Level: Admin, Why: why, Proof: proof}
	}
	return best
}

// adminBy says why the statements give all or the way to it, and whether
// nothing takes it away; "" where they don't. A sure way goes before others.
func adminBy(all []statement) (why string, sure bool) {
	denied := slices.ContainsFunc(all, func(s statement) bool { return s.Effect == "Deny" })
	passes, runs := no, no
	for i := range all {
		s := &all[i]
		if s.Effect != "Allow" || !slices.Contains(s.Resource, "*") && s.NotResource == nil {
			continue
		}
		plain := !denied && len(s.Condition) == 0 && s.NotAction == nil && s.NotResource == nil
		if found := s.wayToAll(); found != "" && (why == "" || plain && !sure) {
			why, sure = found, plain
		}
		got := unknown
		if plain {
			got = yes
		}
		if s.allowsAction("iam:passrole") {
			passes = passes.or(got)
		}
		if slices.ContainsFunc(runners, s.allowsAction) {
			runs = runs.or(got)
		}
	}
	if both := passes.and(runs); both != no && !sure {
		if why == "" || both == yes {
			return "it may pass every role to what it starts", both == yes
		}
	}
	return why, sure
}

// wayToAll says how one statement about every resource gives all, or "".
func (s *statement) wayToAll() string {
	if s.allowsAction("\x00:\x00") {
		return "it allows every action on every resource"
	}
	for _, action := range selfServing {
		if s.allowsAction(action) {
			return "it allows " + action + " on every resource"
		}
	}
	return ""
}

func (s *statement) allowsAction(action string) bool {
	if s.NotAction != nil {
		return !anyLike(s.NotAction, action)
	}
	return anyLike(s.Action, action)
}

// gcpAdmin are roles on a project that give all, or the way to it.
var gcpAdmin = []string{
	"roles/owner", "roles/editor", "roles/iam.securityAdmin", "roles/resourcemanager.projectIamAdmin", "roles/iam.serviceAccountAdmin",
	"roles/iam.serviceAccountKeyAdmin", roleTokenCreator, "roles/iam.serviceAccountUser", roleWorkload, "roles/iam.roleAdmin", "roles/resourcemanager.organizationAdmin",
}

func gcpPower(role, why string, proof []Proof) Power {
	switch {
	case slices.Contains(gcpAdmin, role):
		return Power{Level: Admin, Why: why, Proof: proof}
	case !strings.HasPrefix(role, "roles/"):
		return Power{Level: Unknown, Why: why + ", a role of somebody's own that is not in the export", Proof: proof}
	}
	return Power{Level: Limited, Why: why, Proof: proof}
}

// azureAdmin are roles that give all within their scope, or the way to it.
var azureAdmin = []string{"Owner", "Contributor", "User Access Administrator", "Role Based Access Control Administrator"}

func azurePower(a *azureAssignment) Power {
	why, proof := "it has "+a.RoleDefinitionName+" on "+a.Scope, []Proof{a.proof("roleDefinitionName", a.RoleDefinitionName)}
	switch {
	case slices.Contains(azureAdmin, a.RoleDefinitionName) && a.Condition != "":
		return Power{Level: Unknown, Why: why + ", under a condition, which is not evaluated", Proof: proof}
	case slices.Contains(azureAdmin, a.RoleDefinitionName):
		return Power{Level: Admin, Why: why, Proof: proof}
	case a.RoleDefinitionName == "":
		return Power{Level: Unknown, Why: "its role on " + a.Scope + " has no name in the export", Proof: proof}
	}
	return Power{Level: Limited, Why: why, Proof: proof}
}
