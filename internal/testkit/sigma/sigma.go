// Package sigma makes Sigma rules that are to an engine what SigmaHQ's are: as
// many of each log source, fields, modifiers and values for each rule in the
// same proportions, names of the fields that such logs have. What they look for
// is made up, but for words of Kubernetes and of AWS that real events hold. The
// same seed gives the same rules.
package sigma

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// Set says which rules to make.
type Set struct {
	Seed     uint64
	Rules    int    // 470 and fewer leave Windows and macOS out
	Keywords bool   // a quarter of the rules of Linux also search messages for keywords
	Product  string // all rules are of this product and service; empty: each of its own
	Service  string

	// Fields stands for the fields of the rules of other products: they look at
	// these of the event instead of at fields that it doesn't have.
	Fields []string
}

// share is how many of SigmaHQ's rules are of a product.
type share struct {
	product, service string
	rules            int
	server           bool // in sets of 470 too
	entries          []entry
	sizes            [2]int // entries of a rule, least and most
}

// entry is one line of a selection.
type entry struct {
	field string
	mods  string
	words string // what its values are like
	often int
}

// SigmaHQ 8eaafff1f: 3,141 rules of its main folder. Those of other products
// and services are one share, and so are emerging threats in sets of 470.
var shares = []share{
	{"kubernetes", "audit", 16, true, kubernetesEntries, [2]int{2, 3}},
	{"aws", "cloudtrail", 57, true, awsEntries, [2]int{2, 3}},
	{"azure", "activitylogs", 123, true, azureEntries, [2]int{1, 2}},
	{"gcp", "gcp.audit", 26, true, gcpEntries, [2]int{1, 2}},
	{"linux", "auditd", 248, true, processEntries, [2]int{1, 3}},
	{"windows", "sysmon", 2407, false, processEntries, [2]int{2, 4}},
	{"macos", "", 69, false, processEntries, [2]int{2, 3}},
	{"web", "proxy", 195, false, webEntries, [2]int{1, 2}},
}

var kubernetesEntries = []entry{
	{"verb", "", "verb", 12},
	{"objectRef.resource", "", "resource", 10},
	{"requestURI", "contains", "path", 6},
	{"userAgent", "contains", "tool", 2},
	{"objectRef.namespace", "", "namespace", 2},
	{"objectRef.subresource", "", "subresource", 2},
	{"responseStatus.code", "", "code", 2},
	{"user.username", "startswith", "user", 1},
	{"user.groups", "", "group", 1},
	{"objectRef.apiGroup", "", "group", 1},
	{"requestObject.spec.containers.securityContext.privileged", "", "bool", 1},
	{"requestObject.spec.volumes.hostPath.path", "startswith", "file", 1},
	{"requestObject.spec.containers.image", "re", "expression", 1},
	{"sourceIPs", "cidr", "net", 1},
}

var awsEntries = []entry{
	{"eventName", "", "call", 18},
	{"eventSource", "", "service", 16},
	{"errorCode", "", "error", 2},
	{"userAgent", "contains", "tool", 2},
	{"userIdentity.type", "", "identity", 2},
	{"requestParameters", "contains", "word", 1},
	{"userIdentity.arn", "contains", "user", 1},
	{"userIdentity.arn", "fieldref", "userIdentity.userName", 1},
	{"eventName", "startswith", "callverb", 1},
	{"errorMessage", "contains", "word", 1},
	{"sourceIPAddress", "cidr", "net", 1},
	{"requestParameters.attribute", "", "word", 1},
	{"responseElements.publiclyAccessible", "", "bool", 1},
}

var azureEntries = []entry{
	{"operationName", "", "operation", 8},
	{"properties.message", "", "operation", 4},
	{"Category", "", "word", 2},
	{"ResultType", "", "code", 2},
	{"operationName", "contains", "operation", 1},
	{"userAgent", "contains", "tool", 1},
}

var gcpEntries = []entry{
	{"gcp.audit.method_name", "", "call", 6},
	{"gcp.audit.method_name", "endswith", "call", 3},
	{"data.protoPayload.authorizationInfo.permission", "", "word", 2},
	{"data.protoPayload.serviceName", "", "word", 1},
}

// The modifiers of all rules together are in their proportions here, since
// nearly all rules are of processes, files and registries.
var processEntries = []entry{
	{"CommandLine", "contains", "flag", 240},
	{"CommandLine", "contains|all", "flag", 100},
	{"Image", "endswith", "exe", 220},
	{"ParentImage", "endswith", "exe", 60},
	{"OriginalFileName", "", "plainexe", 50},
	{"TargetObject", "contains", "key", 45},
	{"TargetFilename", "endswith", "exe", 40},
	{"TargetFilename", "contains", "file", 30},
	{"Image", "startswith", "dir", 40},
	{"TargetFilename", "startswith", "dir", 15},
	{"CommandLine", "re", "expression", 18},
	{"CommandLine", "contains|windash", "dashflag", 10},
	{"EventID", "", "code", 60},
	{"Details", "", "wild", 30},
	{"Channel", "", "word", 15},
	{"ParentCommandLine", "contains", "flag", 30},
	{"ScriptBlockText", "contains", "word", 60},
	{"DestinationIp", "cidr", "net", 4},
	{"CommandLine", "base64offset|contains", "word", 2},
	{"CommandLine", "wide|base64offset|contains", "word", 1},
	{"TargetUserName", "fieldref", "SubjectUserName", 1},
	{"DestinationHostname", "endswith", "host", 15},
	{"User", "contains", "user", 15},
}

var webEntries = []entry{
	{"c-uri", "contains", "path", 6},
	{"c-useragent", "contains", "tool", 2},
	{"cs-host", "endswith", "host", 2},
	{"cs-method", "", "method", 2},
	{"sc-status", "", "code", 1},
}

// Make writes the rules, one document each.
func (s Set) Make() []string {
	g := generator{Rand: rand.New(rand.NewPCG(s.Seed, 61)), keywords: rand.New(rand.NewPCG(s.Seed, 67)), set: s}
	all := 0
	for _, sh := range shares {
		if sh.server || s.Rules > 470 {
			all += sh.rules
		}
	}
	out := make([]string, 0, s.Rules)
	for done, i := 0, 0; i < len(shares); i++ {
		sh := &shares[i]
		if !sh.server && s.Rules <= 470 {
			continue
		}
		for done += sh.rules; len(out) < s.Rules*done/all; {
			out = append(out, g.rule(sh, len(out)))
		}
	}
	return out
}

type generator struct {
	*rand.Rand
	keywords *rand.Rand // of its own: the other rules are the same with them and without
	set      Set
}

// rule makes one rule: a selection or several, and often a filter. Keywords are
// added to it.
func (g *generator) rule(sh *share, id int) string {
	product, service := sh.product, sh.service
	if g.set.Product != "" {
		product, service = g.set.Product, g.set.Service
	}
	var b strings.Builder
	fmt.Fprintf(&b, "title: Made up %d\nid: m%05d\nlevel: medium\nlogsource:\n  product: %s\n", id, id, product)
	if service != "" {
		fmt.Fprintf(&b, "  service: %s\n", service)
	}
	b.WriteString("detection:\n")
	condition := g.search(&b, sh)
	if g.set.Keywords && sh.product == "linux" && g.keywords.IntN(4) == 0 {
		words := generator{Rand: g.keywords}
		b.WriteString("  keywords:\n")
		for range 2 + g.keywords.IntN(18) {
			fmt.Fprintf(&b, "    - '%s %s'\n", words.made(), words.made())
		}
		condition = "keywords or " + condition
	}
	fmt.Fprintf(&b, "  condition: %s\n", condition)
	return b.String()
}

// search writes search identifiers and returns a condition.
func (g *generator) search(b *strings.Builder, sh *share) string {
	condition := "selection"
	switch g.IntN(4) {
	case 0:
		g.selection(b, "selection_img", sh, 1)
		g.selection(b, "selection_cli", sh, sh.sizes[0])
		condition = "all of selection_*"
	case 1:
		g.selection(b, "selection_a", sh, sh.sizes[0])
		g.selection(b, "selection_b", sh, sh.sizes[0])
		condition = "1 of selection_*"
	default:
		g.selection(b, "selection", sh, sh.sizes[0]+g.IntN(sh.sizes[1]-sh.sizes[0]+1))
	}
	if g.IntN(3) == 0 {
		for i := range 1 + g.IntN(3) {
			g.selection(b, fmt.Sprintf("filter_main_%d", i), sh, 1)
		}
		condition += " and not 1 of filter_main_*"
	}
	return condition
}

// selection writes a map of so many entries.
func (g *generator) selection(b *strings.Builder, name string, sh *share, entries int) {
	fmt.Fprintf(b, "  %s:\n", name)
	seen := map[string]bool{}
	for len(seen) < entries {
		e := g.entry(sh)
		field := e.field
		if len(g.set.Fields) > 0 && sh.product != g.set.Product {
			field = g.set.Fields[int(hash(field))%len(g.set.Fields)]
		}
		key := field
		if e.mods != "" {
			key += "|" + e.mods
		}
		if seen[key] {
			continue
		}
		seen[key] = true
		fmt.Fprintf(b, "    %s:\n", key)
		for range g.values(e) {
			fmt.Fprintf(b, "      - '%s'\n", g.word(e.words))
		}
	}
}

// values is how many values an entry has: one in half of them, four on average.
func (g *generator) values(e entry) int {
	switch {
	case e.mods == "re", e.mods == "fieldref", e.words == "bool", g.IntN(2) == 0:
		return 1
	case strings.Contains(e.mods, "all"):
		return 2 + g.IntN(2)
	}
	return 2 + g.IntN(10)
}

func (g *generator) entry(sh *share) entry {
	all := 0
	for _, e := range sh.entries {
		all += e.often
	}
	at := g.IntN(all)
	for _, e := range sh.entries {
		if at -= e.often; at < 0 {
			return e
		}
	}
	return entry{}
}

// hash spreads names, always alike.
func hash(s string) uint32 {
	h := uint32(2166136261)
	for i := range len(s) {
		h = (h ^ uint32(s[i])) * 16777619
	}
	return h >> 8
}
