package sigma

import (
	"fmt"
	"strconv"
)

// real are words that real events hold.
var real = map[string][]string{
	"verb":        {"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch", "replace", "post"},
	"resource":    {"pods", "secrets", "configmaps", "deployments", "cronjobs", "jobs", "events", "roles", "rolebindings", "clusterroles", "clusterrolebindings", "serviceaccounts", "validatingwebhookconfigurations", "mutatingwebhookconfigurations", "nodes", "daemonsets"},
	"subresource": {"exec", "attach", "portforward", "ephemeralcontainers", "token", "log", "proxy"},
	"namespace":   {"kube-system", "kube-public", "default"},
	"group":       {"system:masters", "system:unauthenticated", "system:anonymous", "rbac.authorization.k8s.io", "batch", "apps"},
	"user":        {"system:anonymous", "system:serviceaccount:kube-system:", "root", "admin", "kubernetes-admin"},
	"bool":        {"true", "false"},
	"identity":    {"Root", "IAMUser", "AssumedRole", "AWSService"},
	"error":       {"AccessDenied", "Success", "UnauthorizedOperation", "Client.UnauthorizedOperation"},
	"method":      {"GET", "POST", "PUT", "HEAD"},
	"callverb":    {"Delete", "Describe", "List", "Put", "Disable"},
}

var (
	syllables = []string{"ba", "cor", "del", "fen", "gar", "hi", "jo", "kal", "lum", "mer", "nos", "pra", "qui", "ros", "ste", "tri", "ul", "vex", "wor", "xi", "yon", "zet"}
	nouns     = []string{"Trail", "User", "Role", "Policy", "AccessKey", "Secret", "Instances", "Snapshot", "LoginProfile", "Function", "Bucket", "Cluster", "Key", "Detector", "Group", "FlowLogs", "SecurityGroup", "Volume", "Parameter", "Session"}
	verbs     = []string{"Create", "Delete", "Put", "Update", "Attach", "Detach", "Get", "List", "Start", "Stop", "Modify", "Disable", "Enable", "Assume"}
	services  = []string{"ec2", "iam", "s3", "sts", "eks", "ecs", "rds", "lambda", "kms", "cloudtrail", "guardduty", "secretsmanager", "route53", "organizations", "ssm", "bedrock"}
)

// made is a word that no event holds, but for luck.
func (g *generator) made() string {
	out := ""
	for range 2 + g.IntN(4) {
		out += syllables[g.IntN(len(syllables))]
	}
	return out
}

// word makes a value of a kind; a kind that isn't known is the value itself.
func (g *generator) word(kind string) string {
	if words := real[kind]; words != nil {
		return words[g.IntN(len(words))]
	}
	pick := func(from []string) string { return from[g.IntN(len(from))] }
	switch kind {
	case "word":
		return g.made()
	case "code":
		return strconv.Itoa(pickCode(g.IntN(40)))
	case "call":
		return pick(verbs) + pick(nouns)
	case "service":
		return pick(services) + ".amazonaws.com"
	case "operation":
		return "Microsoft." + g.made() + "/" + g.made() + "/" + pick([]string{"write", "delete", "action"})
	case "path":
		return "/" + pick([]string{"apis/", "api/v1/", ""}) + g.made() + pick([]string{"", "/", "?" + g.made() + "="})
	case "tool":
		return pick([]string{"kube-hunter", "curl/", "python-requests", "Go-http-client/1", g.made(), g.made() + "/"})
	case "exe":
		return `\` + g.made() + pick([]string{".exe", ".dll", ".ps1", ".bat"})
	case "plainexe":
		return g.made() + ".exe"
	case "dir":
		return pick([]string{`C:\Windows\`, `C:\Program Files\`, "/usr/", "/var/"}) + g.made()
	case "file":
		return "/" + pick([]string{"etc", "var", "proc", "root", g.made()}) + "/" + g.made()
	case "key":
		return `\Software\Microsoft\` + g.made() + `\` + g.made()
	case "flag":
		return pick([]string{" -" + g.made() + " ", " /" + g.made(), g.made(), " " + g.made() + ".", "-" + g.made()[:2] + " "})
	case "dashflag":
		return " -" + g.made()[:3]
	case "host":
		return "." + g.made() + pick([]string{".com", ".io", ".net"})
	case "wild":
		return g.made() + pick([]string{"*", "?", "*" + g.made()})
	case "net":
		return fmt.Sprintf("%d.%d.0.0/16", 11+g.IntN(180), g.IntN(250))
	case "expression":
		return pick([]string{g.made() + `\s+[0-9a-z]{4,}`, `(?:` + g.made() + `|` + g.made() + `)[^/]*$`, `^` + g.made() + `.{2,8}` + g.made(), `[a-z]{3}\.` + g.made()})
	}
	return kind
}

// pickCode gives event numbers as rules ask for, and codes of HTTP.
func pickCode(n int) int {
	return []int{200, 201, 403, 404, 401, 500, 1, 3, 4624, 4625, 4688, 4697, 4720, 5145, 7045, 11, 13, 22}[n%18]
}
