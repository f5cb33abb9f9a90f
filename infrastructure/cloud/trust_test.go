package cloud

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

const (
	testIssuer   = "oidc.eks.eu-west-1.amazonaws.com/id/AB12"
	testProvider = "arn:aws:iam::111122223333:oidc-provider/" + testIssuer
)

// tokenOf is the call of a ServiceAccount.
func tokenOf(namespace, name string) caller {
	return caller{
		kind: "Federated", name: testProvider, action: webIdentity,
		keys: map[string]string{strings.ToLower(testIssuer + ":sub"): "system:serviceaccount:" + namespace + ":" + name, strings.ToLower(testIssuer + ":aud"): stsAudience},
	}
}

// trustOf is a policy with one statement.
func trustOf(condition string) string {
	return fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Federated": %q}, "Action": "sts:AssumeRoleWithWebIdentity", "Condition": %s}]}`, testProvider, condition)
}

func TestTrust(t *testing.T) {
	statement := func(s string) string { return `{"Statement": ` + s + `}` }
	federated := fmt.Sprintf(`"Principal": {"Federated": %q}`, testProvider)
	for name, tc := range map[string]struct {
		policy string
		want   answer
	}{
		"one account":                        {trustOf(`{"StringEquals": {"` + testIssuer + `:sub": "system:serviceaccount:shop:web"}}`), yes},
		"another account":                    {trustOf(`{"StringEquals": {"` + testIssuer + `:sub": "system:serviceaccount:shop:db"}}`), no},
		"one of several":                     {trustOf(`{"StringEquals": {"` + testIssuer + `:sub": ["a", "system:serviceaccount:shop:web"]}}`), yes},
		"StringEquals knows no wildcard":     {trustOf(`{"StringEquals": {"` + testIssuer + `:sub": "system:serviceaccount:shop:*"}}`), no},
		"StringLike":                         {trustOf(`{"StringLike": {"` + testIssuer + `:sub": "system:serviceaccount:shop:*"}}`), yes},
		"a wildcard crosses colons":          {trustOf(`{"StringLike": {"` + testIssuer + `:sub": "system:*:web"}}`), yes},
		"? is one character":                 {trustOf(`{"StringLike": {"` + testIssuer + `:sub": "system:serviceaccount:shop:w?b"}}`), yes},
		"? is not none":                      {trustOf(`{"StringLike": {"` + testIssuer + `:sub": "system:serviceaccount:shop:web?"}}`), no},
		"case counts":                        {trustOf(`{"StringEquals": {"` + testIssuer + `:sub": "system:serviceaccount:Shop:web"}}`), no},
		"IgnoreCase":                         {trustOf(`{"StringEqualsIgnoreCase": {"` + testIssuer + `:sub": "system:serviceaccount:Shop:web"}}`), yes},
		"keys know no case":                  {trustOf(`{"stringequals": {"` + strings.ToUpper(testIssuer) + `:SUB": "system:serviceaccount:shop:web"}}`), yes},
		"no condition":                       {trustOf(`{}`), yes},
		"audience":                           {trustOf(`{"StringEquals": {"` + testIssuer + `:aud": "sts.amazonaws.com"}}`), yes},
		"another audience":                   {trustOf(`{"StringEquals": {"` + testIssuer + `:aud": "vault"}}`), no},
		"two keys, one fails":                {trustOf(`{"StringEquals": {"` + testIssuer + `:aud": "sts.amazonaws.com", "` + testIssuer + `:sub": "x"}}`), no},
		"two operators, one fails":           {trustOf(`{"StringEquals": {"` + testIssuer + `:aud": "sts.amazonaws.com"}, "StringLike": {"` + testIssuer + `:sub": "x*"}}`), no},
		"all but another":                    {trustOf(`{"StringNotEquals": {"` + testIssuer + `:sub": "system:serviceaccount:shop:db"}}`), yes},
		"all but this one":                   {trustOf(`{"StringNotLike": {"` + testIssuer + `:sub": ["a", "*:web"]}}`), no},
		"a key of another issuer is missing": {trustOf(`{"StringEquals": {"oidc.eks.other/id/X:sub": "system:serviceaccount:shop:web"}}`), no},
		"the same, negated":                  {trustOf(`{"StringNotEquals": {"oidc.eks.other/id/X:sub": "system:serviceaccount:shop:web"}}`), yes},
		"the same, if it exists":             {trustOf(`{"StringEqualsIfExists": {"oidc.eks.other/id/X:sub": "x"}}`), yes},
		"Null wants it to be there":          {trustOf(`{"Null": {"` + testIssuer + `:sub": "false"}}`), yes},
		"Null wants it to be missing":        {trustOf(`{"Null": {"` + testIssuer + `:sub": true}}`), no},
		"ForAnyValue":                        {trustOf(`{"ForAnyValue:StringEquals": {"` + testIssuer + `:sub": ["system:serviceaccount:shop:web"]}}`), yes},
		"ForAllValues of a missing key":      {trustOf(`{"ForAllValues:StringEquals": {"oidc.eks.other/id/X:sub": "x"}}`), yes},
		"an address":                         {trustOf(`{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}`), unknown},
		"an address beside what fails":       {trustOf(`{"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringEquals": {"` + testIssuer + `:sub": "x"}}`), no},
		"a variable":                         {trustOf(`{"StringEquals": {"` + testIssuer + `:sub": "${aws:PrincipalTag/x}"}}`), unknown},
		"an operator that nobody knows":      {trustOf(`{"StringMaybe": {"` + testIssuer + `:sub": "x"}}`), unknown},
		"one statement without a list":       {statement(`{"Effect": "Allow", ` + federated + `, "Action": ["sts:AssumeRoleWithWebIdentity"]}`), yes},
		"another action":                     {statement(`[{"Effect": "Allow", ` + federated + `, "Action": "sts:AssumeRole"}]`), no},
		"actions by a wildcard":              {statement(`[{"Effect": "Allow", ` + federated + `, "Action": "STS:Assume*"}]`), yes},
		"all but an action":                  {statement(`[{"Effect": "Allow", ` + federated + `, "NotAction": "sts:AssumeRole"}]`), yes},
		"another provider":                   {statement(`[{"Effect": "Allow", "Principal": {"Federated": "arn:aws:iam::1:oidc-provider/x"}, "Action": "sts:*"}]`), no},
		"a service":                          {statement(`[{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:*"}]`), no},
		"everybody":                          {statement(`[{"Effect": "Allow", "Principal": "*", "Action": "sts:*"}]`), unknown},
		"a Deny goes first":                  {statement(`[{"Effect": "Allow", ` + federated + `, "Action": "*"}, {"Effect": "Deny", ` + federated + `, "Action": "*"}]`), no},
		"a Deny of others":                   {statement(`[{"Effect": "Allow", ` + federated + `, "Action": "*"}, {"Effect": "Deny", ` + federated + `, "Action": "*", "Condition": {"StringEquals": {"` + testIssuer + `:sub": "x"}}}]`), yes},
		"a Deny under an unknown condition":  {statement(`[{"Effect": "Allow", ` + federated + `, "Action": "*"}, {"Effect": "Deny", ` + federated + `, "Action": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]`), unknown},
		"no statement":                       {`{}`, no},
	} {
		t.Run(name, func(t *testing.T) {
			var plain, encoded document
			if err := json.Unmarshal([]byte(tc.policy), &plain); err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(url.QueryEscape(tc.policy))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &encoded); err != nil {
				t.Fatal(err)
			}
			if got := plain.allows(tokenOf("shop", "web")); got != tc.want {
				t.Errorf("got %d, want %d", got, tc.want)
			}
			if got := encoded.allows(tokenOf("shop", "web")); got != tc.want {
				t.Errorf("encoded: got %d, want %d", got, tc.want)
			}
		})
	}
}

// TestLike compares with the expression that a pattern means.
func TestLike(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	text := func(letters string, most int) string {
		var b strings.Builder
		for range r.IntN(most) {
			b.WriteByte(letters[r.IntN(len(letters))])
		}
		return b.String()
	}
	hits := 0
	for range 20_000 {
		pattern, word := text("ab*?.:", 8), text("ab.:", 8)
		want := likeByExpression(pattern, word)
		if got := like(pattern, word); got != want {
			t.Fatalf("like(%q, %q) = %v", pattern, word, got)
		}
		if want {
			hits++
		}
	}
	if hits < 500 {
		t.Errorf("only %d of the patterns match", hits)
	}
	if long := strings.Repeat("*a", maxText/2); like(long, strings.Repeat("a", maxText-1)+"b") {
		t.Error("a long pattern matches what it must not")
	}
}

func likeByExpression(pattern, word string) bool {
	expr := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile(`(?s)^` + expr + `$`).MatchString(word)
}

// A random policy as the oracle sees it: plain values, evaluated one way after
// another for each way in which what is unknown may turn out.
type (
	randomTerm      struct{ operator, key, value string }
	randomStatement struct {
		effect, provider, action string
		terms                    []randomTerm
	}
)

// worldsOfTrust is how many random policies are compared; make exhaustive takes
// all of them.
func worldsOfTrust() int {
	if os.Getenv("SCANTLING_WHOLE") != "" {
		return 100_000
	}
	return 10_000
}

// TestTrustAgreesWithNaiveEvaluator: yes and no are what every world says that
// differs in what only the call would tell; a policy that they disagree about
// is unknown.
func TestTrustAgreesWithNaiveEvaluator(t *testing.T) {
	seen := map[answer]int{}
	for seed := range uint64(worldsOfTrust()) {
		r := rand.New(rand.NewPCG(seed, 7))
		statements := randomTrust(r)
		var d document
		if err := json.Unmarshal([]byte(trustText(statements)), &d); err != nil {
			t.Fatal(err)
		}
		who := [2]string{pickOf(r, "shop", "ops"), pickOf(r, "web", "db")}
		got := d.allows(tokenOf(who[0], who[1]))
		atoms := map[randomTerm]int{}
		for _, s := range statements {
			for _, term := range s.terms {
				if term.key == "aws:sourceip" {
					if _, there := atoms[term]; !there {
						atoms[term] = len(atoms)
					}
				}
			}
		}
		trues, falses := 0, 0
		for world := range 1 << len(atoms) {
			if naiveTrust(statements, who, func(term randomTerm) bool { return world>>atoms[term]&1 == 1 }) {
				trues++
			} else {
				falses++
			}
		}
		mixed := trues > 0 && falses > 0
		if got == yes && falses > 0 || got == no && trues > 0 || mixed && got != unknown || got == unknown && !mixed && len(atoms) == 0 {
			t.Fatalf("seed %d: %s for %v: got %d, worlds say yes %d and no %d times", seed, trustText(statements), who, got, trues, falses)
		}
		seen[got]++
	}
	t.Logf("no %d, unknown %d, yes %d", seen[no], seen[unknown], seen[yes])
	for _, a := range []answer{no, unknown, yes} {
		if seen[a] < 300 {
			t.Errorf("only %d policies give %d", seen[a], a)
		}
	}
}

func pickOf(r *rand.Rand, words ...string) string { return words[r.IntN(len(words))] }

func randomTrust(r *rand.Rand) []randomStatement {
	var out []randomStatement
	for range 1 + r.IntN(3) {
		s := randomStatement{
			effect: pickOf(r, "Allow", "Allow", "Deny"), provider: pickOf(r, testProvider, testProvider, "arn:aws:iam::1:oidc-provider/x"),
			action: pickOf(r, "sts:AssumeRoleWithWebIdentity", "sts:*", "sts:AssumeRole"),
		}
		for range r.IntN(3) {
			s.terms = append(s.terms, randomTerm{
				operator: pickOf(r, "StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "StringEqualsIfExists", "StringLikeIfExists"),
				key:      pickOf(r, testIssuer+":sub", testIssuer+":sub", testIssuer+":aud", "other/id/X:sub", "aws:sourceip"),
				value:    pickOf(r, "system:serviceaccount:shop:web", "system:serviceaccount:shop:*", "system:serviceaccount:*:db", "*", "sts.amazonaws.com", "sts.*"),
			})
		}
		out = append(out, s)
	}
	return out
}

func trustText(statements []randomStatement) string {
	var list []map[string]any
	for _, s := range statements {
		condition := map[string]map[string][]string{}
		for _, term := range s.terms {
			if condition[term.operator] == nil {
				condition[term.operator] = map[string][]string{}
			}
			condition[term.operator][term.key] = append(condition[term.operator][term.key], term.value)
		}
		list = append(list, map[string]any{
			"Effect": s.effect, "Principal": map[string]string{"Federated": s.provider}, "Action": s.action, "Condition": condition,
		})
	}
	text, err := json.Marshal(map[string]any{"Statement": list})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func naiveTrust(statements []randomStatement, who [2]string, told func(randomTerm) bool) bool {
	allowed := false
	for _, s := range statements {
		if s.provider != testProvider || s.action == "sts:AssumeRole" || !naiveTerms(s.terms, who, told) {
			continue
		}
		if s.effect == "Deny" {
			return false
		}
		allowed = true
	}
	return allowed
}

// naiveTerms: values of one operator and key are alternatives, or with a
// negated one all have to differ; everything else has to hold at once.
func naiveTerms(terms []randomTerm, who [2]string, told func(randomTerm) bool) bool {
	for _, a := range terms {
		negated, some := strings.Contains(a.operator, "Not"), false
		for _, b := range terms {
			if a.operator == b.operator && a.key == b.key {
				some = some || naiveHit(b, who, told)
			}
		}
		if some == negated {
			if a.key == "other/id/X:sub" && (negated || strings.HasSuffix(a.operator, "IfExists")) {
				continue // it is missing
			}
			return false
		}
	}
	return true
}

// naiveHit reports whether the call has the value.
func naiveHit(term randomTerm, who [2]string, told func(randomTerm) bool) bool {
	value := ""
	switch term.key {
	case testIssuer + ":sub":
		value = "system:serviceaccount:" + who[0] + ":" + who[1]
	case testIssuer + ":aud":
		value = "sts.amazonaws.com"
	case "aws:sourceip":
		return told(term)
	default:
		return false
	}
	if strings.Contains(term.operator, "Like") {
		return likeByExpression(term.value, value)
	}
	return term.value == value
}
