package cloud

import (
	"encoding/json"
	"testing"
)

func TestAWSPower(t *testing.T) {
	for name, tc := range map[string]struct{ role, want string }{
		"nothing":                      {`{}`, Limited},
		"all":                          {`{"RolePolicyList": [{"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}}]}`, Admin},
		"all by two wildcards":         {`{"RolePolicyList": [{"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "*:*", "Resource": "*"}}}]}`, Admin},
		"all of one resource":          {`{"RolePolicyList": [{"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::b"}}}]}`, Limited},
		"all under a condition":        {`{"RolePolicyList": [{"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"aws:MultiFactorAuthPresent": "true"}}}}}]}`, Unknown},
		"all beside a Deny":            {`{"RolePolicyList": [{"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}, {"Effect": "Deny", "Action": "iam:*", "Resource": "*"}]}}]}`, Unknown},
		"all but":                      {`{"RolePolicyList": [{"PolicyDocument": {"Statement": {"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}}}]}`, Unknown},
		"its own policies":             {`{"RolePolicyList": [{"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "iam:Put*", "Resource": "*"}}}]}`, Admin},
		"pass without run":             {`{"RolePolicyList": [{"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}}}]}`, Limited},
		"run without pass":             {`{"RolePolicyList": [{"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}}}]}`, Limited},
		"pass and run, two policies":   {`{"RolePolicyList": [{"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"}}}, {"PolicyDocument": {"Statement": {"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*"}}}]}`, Admin},
		"pass under a condition":       {`{"RolePolicyList": [{"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*", "Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}, {"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}}]}`, Unknown},
		"a conditional and a sure way": {`{"RolePolicyList": [{"PolicyDocument": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"Bool": {"a": "b"}}}, {"Effect": "Allow", "Action": "iam:AttachRolePolicy", "Resource": "*"}]}}]}`, Admin},
		"AWS's own":                    {`{"AttachedManagedPolicies": [{"PolicyArn": "arn:aws-cn:iam::aws:policy/AdministratorAccess"}]}`, Admin},
		"somebody's of that name":      {`{"AttachedManagedPolicies": [{"PolicyArn": "arn:aws:iam::1:policy/AdministratorAccess"}]}`, Unknown},
		"a boundary":                   {`{"PermissionsBoundary": {"PermissionsBoundaryArn": "x"}, "AttachedManagedPolicies": [{"PolicyArn": "arn:aws:iam::aws:policy/AdministratorAccess"}]}`, Unknown},
	} {
		t.Run(name, func(t *testing.T) {
			x := &Export{policies: map[string]awsPolicy{}}
			var r map[string]any
			if err := json.Unmarshal([]byte(tc.role), &r); err != nil {
				t.Fatal(err)
			}
			r["Arn"] = "arn:aws:iam::1:role/r"
			text, err := json.Marshal(map[string]any{"RoleDetailList": []any{r}})
			if err != nil {
				t.Fatal(err)
			}
			if err := x.parse("roles.json", text); err != nil {
				t.Fatal(err)
			}
			x.weigh()
			if got := x.Power("arn:aws:iam::1:role/r"); got.Level != tc.want {
				t.Errorf("got %s, want %s", got.Level, tc.want)
			}
		})
	}
}
