package secret

import (
	"bytes"
	"strings"
)

const (
	leastPassword = 8
	leastToken    = 16
	mostValue     = 200
)

// assignments look for NAME = value where the name holds one of these words.
func assignments() []detector {
	passwords := func(gram string, keys ...string) detector {
		return detector{keys: keys, gram: gram, fold: true, generic: true, find: findAssignment}
	}
	return []detector{
		passwords("ssw", "password"), passwords("swd", "passwd"), passwords("ssp", "passphrase"),
		passwords("ecr", "secret"), passwords("oke", "token"),
		passwords("pik", "apikey"), passwords("i_k", "api_key"), passwords("i-k", "api-key"),
		passwords("s_k", "access_key"), passwords("ssk", "accesskey"),
	}
}

var (
	nameSet = setOf(lower + upper + digits + "_-.")
	blank   = setOf(" \t")
	// unquoted values end at white space and at what closes a list.
	bareSet = func() *set {
		s := setOf("")
		for c := byte(0x21); c < 0x7f; c++ {
			s[c] = bytes.IndexByte([]byte(`"'`+"`"+`,;()[]{}<>\`), c) < 0
		}
		return s
	}()
)

// findAssignment takes the name that the keyword stands in, one of the signs
// that assign, and a value that looks like a secret.
func findAssignment(p place) (value, bool) {
	end := runUpTo(p.text, p.end, nameSet, 24)
	if end-p.end > 24 || otherwise(p.text[p.end:end]) {
		return value{}, false
	}
	i := end
	if i < len(p.text) && (p.text[i] == '"' || p.text[i] == '\'') { // of the name
		i++
	}
	if i < len(p.text) && p.text[i] == ']' {
		i++
	}
	i = run(p.text, i, blank)
	assigned := assigns(p.text[i:])
	if assigned == 0 {
		return value{}, false
	}
	i = run(p.text, i+assigned, blank)
	from, to, quoted := quotedOrBare(p.text, i)
	if to < 0 || !quoted && !p.file.loose {
		return value{}, false
	}
	v, text := value{kind: passwordAssignment, from: from, to: to}, p.text[from:to]
	switch {
	case p.file.env && end == p.end && isPlain(text):
		return v, true
	case strings.HasPrefix(p.key, "pass"):
		return v, isPassword(text)
	}
	return v, isToken(text)
}

// assigns returns how long the sign is that assigns; 0 where none stands.
func assigns(text []byte) int {
	for _, sign := range []string{":=", "=>", "=", ":"} {
		if !bytes.HasPrefix(text, []byte(sign)) {
			continue
		}
		if len(text) > len(sign) && (text[len(sign)] == '=' || text[len(sign)] == ':' || text[len(sign)] == '~') {
			return 0 // a comparison, a scope
		}
		return len(sign)
	}
	return 0
}

// quotedOrBare returns where a value stands; to is negative where it is none.
func quotedOrBare(text []byte, i int) (from, to int, quoted bool) {
	if i >= len(text) {
		return 0, -1, false
	}
	if q := text[i]; q == '"' || q == '\'' || q == '`' {
		end := bytes.IndexByte(text[i+1:min(len(text), i+2+mostValue)], q)
		if end < 0 {
			return 0, -1, false
		}
		return i + 1, i + 1 + end, true
	}
	to = runUpTo(text, i, bareSet, mostValue)
	if to-i > mostValue || to < len(text) && text[to] != '\n' && text[to] != '\r' && text[to] != ' ' && text[to] != '\t' {
		return 0, -1, false
	}
	return i, to, false
}

// otherwise reports whether the rest of a name says that no secret is meant
// but something of one: its file, its name, how long it is.
func otherwise(rest []byte) bool {
	low := strings.Trim(strings.ToLower(string(rest)), "_-.")
	if low == "" {
		return false
	}
	for _, w := range []string{
		"file", "path", "dir", "name", "url", "uri", "id", "type", "length", "size", "ttl", "time", "expir", "hash", "regex", "pattern", "prompt", "label", "help",
		"desc", "title", "message", "text", "error", "class", "kind", "field", "param", "placeholder", "policy", "hint", "ref", "count", "index", "list", "public", "format",
		"algorithm", "method", "mode", "endpoint", "header", "env", "var", "version", "provider", "store", "manager", "arn", "prefix", "suffix", "iz", "generator", "less",
	} {
		if strings.Contains(low, w) {
			return true
		}
	}
	return false
}

// isPassword asks for letters, and digits or signs, that are no word, path or
// expression.
func isPassword(text []byte) bool {
	if len(text) < leastPassword || len(text) > mostValue || placeholder(text) || !plainValue(text) {
		return false
	}
	classes := 0
	for _, s := range []string{lower, upper, digits} {
		if bytes.ContainsAny(text, s) {
			classes++
		}
	}
	if bytes.ContainsAny(text, "!#%&*+-=?@^~") {
		classes++
	}
	return bytes.ContainsAny(text, digits) && classes >= 3 && entropy(text) >= 2.8
}

// isPlain asks for letters and digits, where a variable's name says that it is
// a secret.
func isPlain(text []byte) bool {
	return len(text) >= leastPassword && !placeholder(text) && plainValue(text) && !isUUID(text) &&
		bytes.ContainsAny(text, digits) && bytes.ContainsAny(text, lower+upper)
}

// isToken asks for a longer value that is drawn at random.
func isToken(text []byte) bool {
	if len(text) < leastToken || len(text) > mostValue || placeholder(text) || !plainValue(text) || run(text, 0, tokenSet) != len(text) {
		return false
	}
	numbers := 0
	for _, c := range text {
		if '0' <= c && c <= '9' {
			numbers++
		}
	}
	if numbers == len(text) || isUUID(text) || !random(text) {
		return false
	}
	return numbers >= 3 || numbers > 0 && mixed(text) && entropy(text) >= 4.2
}

var tokenSet = setOf(lower + upper + digits + "-_.+/=~:")

// plainValue leaves out what is no value but code, a path, an address or a
// digest.
func plainValue(text []byte) bool {
	for _, c := range text {
		if c <= 0x20 || c >= 0x7f || c == '(' || c == ')' || c == '\\' || c == ';' || c == ',' || c == '|' {
			return false
		}
	}
	for _, start := range []string{"/", "./", "../", "~/", "sha256:", "sha256-", "sha512-", "sha1-", "arn:", "ssm:", "@", "--", "$"} {
		if bytes.HasPrefix(text, []byte(start)) {
			return false
		}
	}
	return !bytes.Contains(text, []byte("://")) && bytes.Count(text, []byte("/")) < 4 && bytes.Count(text, []byte(".")) < 4 &&
		bytes.Count(text, []byte("_")) < 3 && bytes.Count(text, []byte("-")) < 6
}

func isUUID(text []byte) bool {
	return len(text) == 36 && text[8] == '-' && text[13] == '-' && text[18] == '-' && text[23] == '-'
}

// findURL reads scheme://user:password@host.
func findURL(p place) (value, bool) {
	scheme := p.at
	for scheme > 0 && (alnum[p.text[scheme-1]] || p.text[scheme-1] == '+') {
		scheme--
	}
	colon := runUpTo(p.text, p.end, userSet, 128)
	if scheme == p.at || colon >= len(p.text) || p.text[colon] != ':' || colon-p.end > 128 {
		return value{}, false
	}
	from := colon + 1
	to := runUpTo(p.text, from, passSet, mostValue)
	if to >= len(p.text) || p.text[to] != '@' || to-from < 4 || to-from > mostValue {
		return value{}, false
	}
	host := p.text[to+1 : run(p.text, to+1, dotted)]
	password := p.text[from:to]
	if len(host) == 0 || placeholder(password) || placeholder(host) || bytes.Equal(password, p.text[p.end:colon]) {
		return value{}, false
	}
	if p.file.plain && !isPassword(password) {
		return value{}, false // sources and documentation of packages are full of them
	}
	return value{kind: urlPassword, from: from, to: to}, true
}

var (
	userSet = setOf(lower + upper + digits + "-_.~%+!*'")
	passSet = setOf(lower + upper + digits + "-_.~%+!*=&^#?,;")
)
