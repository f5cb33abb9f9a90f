package secret

import (
	"bytes"
	"encoding/base64"
	"hash/crc32"
	"strings"
)

// detector looks closely where one of its keywords stands.
type detector struct {
	keys    []string
	gram    string // the three bytes to search for, in lower case; "": by their letters
	fold    bool   // keys are in lower case and found in any
	generic bool   // not for the files of installed packages, see file.plain
	find    func(place) (value, bool)
}

// gramIn is where the gram of a keyword begins: the named one where it has it,
// else that of the rarest letters.
func (d *detector) gramIn(key string) int {
	const common = "zqjxkvbywgpfmucdlhrsnioate" // from rare to common in English
	text := strings.ToLower(key)
	if at := strings.Index(text, d.gram); at >= 0 && d.gram != "" {
		return at
	}
	best, least := 0, 1<<30
	for i := range len(text) - gramSize + 1 {
		cost := 0
		for _, c := range text[i : i+gramSize] {
			cost += strings.IndexRune(common, c) // -1 of what is no letter
		}
		if cost < least {
			best, least = i, cost
		}
	}
	return best
}

// place is one occurrence of a keyword: text[at:end].
type place struct {
	file    *file
	text    []byte // from up to back bytes before it on
	at, end int
	key     string
}

// value is where a secret stands in the text that was looked at.
type value struct {
	kind     string
	from, to int
	expires  int64
}

// set is a set of bytes.
type set [256]bool

func setOf(chars string) *set {
	s := &set{}
	for i := range len(chars) {
		s[chars[i]] = true
	}
	return s
}

const (
	lower  = "abcdefghijklmnopqrstuvwxyz"
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	digits = "0123456789"
)

var (
	alnum     = setOf(lower + upper + digits)
	word      = setOf(lower + upper + digits + "_")
	base64Std = setOf(lower + upper + digits + "+/")
	base64URL = setOf(lower + upper + digits + "-_")
	hexLower  = setOf("abcdef" + digits)
	upperNum  = setOf(upper + digits)
	dotted    = setOf(lower + upper + digits + "-_.")
	entraSet  = setOf(lower + upper + digits + "-_.~")
	dashed    = setOf(lower + upper + digits + "-")
	slashed   = setOf(lower + upper + digits + "/")
)

// run returns the end of the bytes of a set that begin at from.
func run(text []byte, from int, s *set) int {
	for from < len(text) && s[text[from]] {
		from++
	}
	return from
}

// runUpTo is run for at most most bytes and one more. Where keywords may stand
// in what runs, it keeps a hostile text from being run through for each.
func runUpTo(text []byte, from int, s *set, most int) int {
	return run(text[:min(len(text), from+most+1)], from, s)
}

// free reports whether no byte of a set stands before i.
func free(text []byte, i int, s *set) bool { return i == 0 || !s[text[i-1]] }

// prefixed is the form of tokens that begin with their keyword: between min
// and max bytes of a set behind it, all of them taken.
type prefixed struct {
	kind     string
	set      *set
	min, max int
	check    func(token, body []byte) bool // nil: entropy alone
}

func (f prefixed) find(p place) (value, bool) {
	if !free(p.text, p.at, word) || !free(p.text, p.at, f.set) {
		return value{}, false
	}
	end := runUpTo(p.text, p.end, f.set, f.max)
	if n := end - p.end; n < f.min || n > f.max {
		return value{}, false
	}
	token, body := p.text[p.at:end], p.text[p.end:end]
	if !random(body) || example(token) || f.check != nil && !f.check(token, body) {
		return value{}, false
	}
	return value{kind: f.kind, from: p.at, to: end}, true
}

// keywords is compiled once; it is only read.
var keywords = compile(detectors())

// detectors are all that look for content, whatever a file's name.
func detectors() []detector {
	tokens := func(f prefixed, keys ...string) detector { return detector{keys: keys, find: f.find} }
	list := []detector{
		{keys: []string{"PRIVATE KEY"}, gram: "e k", find: findPEM},
		{keys: []string{"PRIVATE KEY BLOCK-----"}, gram: "k--", find: findPGP},
		{keys: []string{"PuTTY-User-Key-File-"}, gram: "-fi", find: findPuTTY},
		tokens(prefixed{ageKey, upperNum, 58, 58, nil}, "AGE-SECRET-KEY-1"),

		{keys: []string{"AKIA", "ASIA"}, find: findAWSPair},
		{keys: []string{"secret_access_key", "secretaccesskey", "secret_key"}, gram: "t_a", fold: true, find: findAWSSecret},
		{keys: []string{"AccountKey=", "SharedAccessKey="}, find: findAzureKey},
		{keys: []string{"+ASt"}, find: findAzureSigned},
		{keys: entraKeys(), find: findEntra},
		{keys: []string{"ghp_", "gho_", "ghu_", "ghs_", "ghr_"}, find: findGitHub},
		tokens(prefixed{githubToken, word, 82, 82, underscoreAt(22)}, "github_pat_"),
		tokens(prefixed{gitlabToken, dotted, 20, 300, nil}, "glpat-", "gldt-", "glrt-", "glcbt-", "glptt-", "glft-", "glagent-", "glsoat-", "gloas-", "glimt-"),
		tokens(prefixed{npmToken, alnum, 36, 36, checksummed}, "npm_"),
		{keys: []string{"_authToken", "_auth", "_password"}, gram: "_au", find: findRegistryToken},
		tokens(prefixed{pypiToken, base64URL, 60, 1000, ofPyPI}, "pypi-"),
		tokens(prefixed{gemToken, hexLower, 48, 48, nil}, "rubygems_"),
		{keys: []string{"xoxa-", "xoxb-", "xoxe-", "xoxo-", "xoxp-", "xoxr-", "xoxs-", "xapp-"}, find: prefixed{slackToken, dashed, 24, 400, hasDigits}.find},
		{keys: []string{"hooks.slack.com/services/T"}, gram: "s.s", find: findSlackHook},
		tokens(prefixed{stripeKey, alnum, 24, 247, nil}, "sk_live_", "rk_live_"),
		{keys: []string{"twilio_auth_token", "twilioauthtoken", "twilio_token"}, gram: "wil", fold: true, find: findTwilio},
		tokens(prefixed{sendgridKey, dotted, 66, 66, dotAt(22)}, "SG."),
		tokens(prefixed{oceanToken, hexLower, 64, 64, nil}, "dop_v1_", "doo_v1_", "dor_v1_"),
		tokens(prefixed{huggingToken, alnum, 34, 37, nil}, "hf_"),
		{keys: []string{"T3BlbkFJ"}, find: findOpenAI},
		tokens(prefixed{anthropicKey, base64URL, 80, 120, nil}, "sk-ant-api03-", "sk-ant-admin01-", "sk-ant-oat01-"),
		// Programs of a vendor bring such keys for everybody.
		{keys: []string{"AIza"}, generic: true, find: prefixed{googleKey, base64URL, 35, 35, nil}.find},
		tokens(prefixed{dockerToken, base64URL, 27, 32, nil}, "dckr_pat_", "dckr_oat_"),
		{keys: []string{".atlasv1."}, find: findTerraform},
		tokens(prefixed{grafanaToken, word, 41, 41, underscoreAt(32)}, "glsa_"),
		tokens(prefixed{vaultToken, base64URL, 90, 300, nil}, "hvs.", "hvb.", "hvr."),
		{keys: []string{"eyJ"}, find: findJWT},

		{keys: []string{`"auth"`, `"identitytoken"`}, gram: `"au`, find: findDockerAuth},
		{keys: []string{"client-key-data:"}, gram: "y-d", find: findClientKey},
		{keys: []string{"://"}, find: findURL},
	}
	return append(list, assignments()...)
}

// checksummed knows the tokens of GitHub and npm: 30 random characters, then
// their CRC-32 in six digits of base 62.
func checksummed(_, body []byte) bool {
	const alphabet = digits + upper + lower
	if len(body) != 36 {
		return false
	}
	sum := crc32.ChecksumIEEE(body[:30])
	for i := 35; i >= 30; i-- {
		if body[i] != alphabet[sum%62] {
			return false
		}
		sum /= 62
	}
	return true
}

// findGitHub takes the classic form with its checksum, and longer ones, which
// GitHub has announced, by their entropy.
func findGitHub(p place) (value, bool) {
	if v, ok := (prefixed{githubToken, alnum, 36, 36, checksummed}).find(p); ok {
		return v, true
	}
	return prefixed{githubToken, dotted, 60, 1000, hasDigits}.find(p)
}

func underscoreAt(i int) func(_, body []byte) bool {
	return func(_, body []byte) bool { return body[i] == '_' }
}

func dotAt(i int) func(_, body []byte) bool {
	return func(_, body []byte) bool { return body[i] == '.' && bytes.Count(body, []byte(".")) == 1 }
}

func hasDigits(_, body []byte) bool { return bytes.ContainsAny(body, digits) }

// ofPyPI knows a macaroon by the place that it names.
func ofPyPI(_, body []byte) bool {
	data, err := base64.RawURLEncoding.DecodeString(string(body[:len(body)/4*4]))
	return err == nil && bytes.Contains(data, []byte("pypi.org"))
}

// entraKeys are the middles of client secrets: three characters, a digit and
// Q~ come first.
func entraKeys() (out []string) {
	for _, d := range digits {
		out = append(out, string(d)+"Q~")
	}
	return out
}

func findEntra(p place) (value, bool) {
	from, to := p.at-3, runUpTo(p.text, p.end, entraSet, 34)
	if from < 0 || run(p.text[:p.at], from, entraSet) < p.at || !free(p.text, from, entraSet) {
		return value{}, false
	}
	if n := to - p.end; n < 31 || n > 34 || !random(p.text[p.end:to]) {
		return value{}, false
	}
	return value{kind: azureSecret, from: from, to: to}, true
}

// awsSecret finds the next secret access key from i on, and before limit: 40
// characters of base 64 that stand alone and look drawn at random.
func awsSecret(text []byte, i, limit int) (from, to int, ok bool) {
	for limit = min(limit, len(text)); i < limit; i++ {
		if !base64Std[text[i]] {
			continue
		}
		end := runUpTo(text, i, base64Std, limit-i+40)
		if s := text[i:end]; end-i == 40 && (end == len(text) || text[end] != '=') && mixed(s) && entropy(s) >= 4.2 && !example(s) && bytes.Count(s, []byte("/")) < 5 {
			return i, end, true
		}
		i = end
	}
	return 0, 0, false
}

// findAWSPair looks around an access key id for its secret: the id alone
// opens nothing.
func findAWSPair(p place) (value, bool) {
	end := runUpTo(p.text, p.end, upperNum, 16)
	if end-p.end != 16 || !free(p.text, p.at, word) || example(p.text[p.at:end]) {
		return value{}, false
	}
	from, to, ok := awsSecret(p.text, end, end+300)
	if !ok {
		from, to, ok = awsSecret(p.text[:p.at], max(0, p.at-200), p.at)
	}
	return value{kind: awsKey, from: from, to: to}, ok
}

func findAWSSecret(p place) (value, bool) {
	near := run(p.text, p.end, assignSet)
	from, to, ok := awsSecret(p.text, near, near+1)
	return value{kind: awsKey, from: from, to: to}, ok
}

// assignSet stands between a name and its value.
var assignSet = setOf(" \t\"':=>")

func findAzureKey(p place) (value, bool) {
	end := run(p.text, p.end, base64Std)
	body := p.text[p.end:end]
	pad := run(p.text, end, setOf("=")) - end
	long := len(body) == 86 && pad == 2 // 64 bytes
	if !long && (len(body) != 43 || pad != 1) || !random(body) || example(body) || wellKnown(body) {
		return value{}, false
	}
	return value{kind: azureKey, from: p.end, to: end}, true
}

// findAzureSigned knows an account key, whatever its name, by the signature
// that Azure puts 76 characters into it.
func findAzureSigned(p place) (value, bool) {
	from, to := p.at-76, p.end+8
	if from < 0 || to > len(p.text) || !free(p.text, from, base64Std) || run(p.text, from, base64Std) != to-2 || string(p.text[to-2:to]) != "==" || !random(p.text[from:to]) {
		return value{}, false
	}
	return value{kind: azureKey, from: from, to: to}, true
}

// findRegistryToken reads //HOST/:_authToken=VALUE of .npmrc.
func findRegistryToken(p place) (value, bool) {
	if p.at == 0 || p.text[p.at-1] != ':' || p.end >= len(p.text) {
		return value{}, false
	}
	i := run(p.text, p.end, setOf(" \t"))
	if i >= len(p.text) || p.text[i] != '=' {
		return value{}, false
	}
	from := run(p.text, i+1, setOf(" \t\""))
	to := run(p.text, from, setOf(lower+upper+digits+"-_.+/=~"))
	if to-from < 8 || standIn(p.text[from:to]) || to < len(p.text) && bytes.IndexByte([]byte("${<"), p.text[to]) >= 0 {
		return value{}, false
	}
	return value{kind: registryToken, from: from, to: to}, true
}

func findSlackHook(p place) (value, bool) {
	from := p.end - 1
	to := run(p.text, from, slashed)
	parts := bytes.Split(p.text[from:to], []byte("/"))
	if len(parts) != 3 || len(parts[0]) < 9 || len(parts[1]) < 9 || parts[1][0] != 'B' || len(parts[2]) != 24 || !random(parts[2]) || example(parts[2]) {
		return value{}, false
	}
	return value{kind: slackWebhook, from: to - 24, to: to}, true
}

func findTwilio(p place) (value, bool) {
	from := run(p.text, p.end, assignSet)
	to := run(p.text, from, hexLower)
	if to-from != 32 || !random(p.text[from:to]) || example(p.text[from:to]) {
		return value{}, false
	}
	return value{kind: twilioToken, from: from, to: to}, true
}

// findOpenAI goes by the middle of a key: "OpenAI" in base 64.
func findOpenAI(p place) (value, bool) {
	from, to := p.at, runUpTo(p.text, p.end, base64URL, 300)
	for from > 0 && base64URL[p.text[from-1]] {
		from--
	}
	token := p.text[from:to]
	if !bytes.HasPrefix(token, []byte("sk-")) || p.at-from < 20 || to-p.end < 20 || len(token) > 300 || !random(p.text[p.end:to]) || example(token) {
		return value{}, false
	}
	return value{kind: openaiKey, from: from, to: to}, true
}

// findTerraform: 14 characters stand before the keyword, some 67 behind it.
func findTerraform(p place) (value, bool) {
	from, to := p.at-14, run(p.text, p.end, base64URL)
	if from < 0 || run(p.text, from, alnum) != p.at || !free(p.text, from, alnum) || to-p.end < 60 || to-p.end > 70 || !random(p.text[p.end:to]) {
		return value{}, false
	}
	return value{kind: terraformToken, from: from, to: to}, true
}
